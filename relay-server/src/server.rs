//! Startup and shutdown of the relay: binds all sockets, starts threads and tasks, then accepts connections.

mod listeners;
mod machine_config;
mod reload;

use crate::accounts::Accounts;
use crate::addresses::{self, Demo};
use crate::api::directory::CallDirectory;
use crate::api::feed::EventFeed;
use crate::api::token::ApiToken;
use crate::api::{self, ApiState};
use crate::clock::Clock;
use crate::codec::{CodecOptions, Codecs};
use crate::config::Settings;
use crate::descriptors;
use crate::hooks::Hooks;
use crate::http::{self, AllowedOrigins, App, Serving};
use crate::lifecycle::{Lifecycle, Phase};
use crate::media_files::{RecordingThread, ShellAudio};
use crate::media_plane::{self, MediaThread, Totals, WorkerSockets};
use crate::memory;
use crate::metrics::HookMetrics;
use crate::quota::Quota;
use crate::records::{self, RecordStores, RecordWriters};
use crate::reload::{ReloadRequest, ReloadRequests};
use crate::security_log::SecurityLog;
use crate::signaling_plane::{self, Gauges, MediaReport, PlaneInput, SignalingPlane, SipSide, ToPlane};
use crate::sip;
use crate::sip_transport::{self, Listening, SipCounters, SipTransport, Sockets, TlsReload};
use crate::supervisor::{self, EndedParts, Supervisor};
use crate::tls::{self, CertifiedFiles};
use crate::tokens::TokenVerifier;
use crate::trace::TraceStore;
use axum::http::HeaderValue;
use core::time::Duration;
use listeners::Listeners;
use machine_config::{FixedParts, machine_config, own_names};
use offhook_b2bua::config::{AcceptedLogins, Config, Sip};
use offhook_b2bua::relay::Relay;
use offhook_media::command::WorkerId;
use offhook_media::graph::codec::CodecFactory;
use offhook_media::identity::DtlsIdentity;
use offhook_media::worker::{Worker, WorkerConfig};
use offhook_sdp::plan::Conversions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

/// Time limit for ending the calls, closing the WebSockets and writing the call detail records.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A running relay.
#[derive(Debug)]
pub struct RunningRelay {
    /// Bound addresses of plain HTTP.
    pub plain: Vec<SocketAddr>,
    /// Bound addresses of HTTPS.
    pub tls: Vec<SocketAddr>,
    /// Bound media addresses of all workers.
    pub media: Vec<SocketAddr>,
    /// Bound SIP addresses.
    pub sip: Vec<Listening>,
    /// The REST API, unless it is off.
    pub api: ApiListening,
    app: Arc<App>,
    api_state: Arc<ApiState>,
    fixed: FixedParts,
    reload_requests: mpsc::Receiver<ReloadRequest>,
    certificate: Option<watch::Sender<Arc<rustls::ServerConfig>>>,
    sip_tls: Option<TlsReload>,
    stop: watch::Sender<bool>,
    plane: RunningPlane,
    ended_parts: EndedParts,
}

impl RunningRelay {
    /// Binds all addresses and starts the relay. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// An address in use, an unreadable certificate, or `--demo` with an address that is not loopback; the message states
    /// what to change.
    pub async fn start(settings: &Settings, demo: Demo) -> io::Result<Self> {
        let descriptors = descriptors::raise_limit()?;
        let discovered = addresses::discover()?;
        descriptors::check(descriptors, media_workers(settings) * addresses::media(settings, &discovered).len())?;
        let settings = &descriptors::fitted(settings, descriptors);
        let Listeners { plain, tls, api } = Listeners::bind(settings, demo, &discovered).await?;
        let certificate = if tls.is_empty() { None } else { Some(watch::Sender::new(https(settings, &discovered)?)) };
        let sockets = media_sockets(settings, &discovered)?;
        let (workers, media) = (sockets.len(), sockets.iter().flat_map(WorkerSockets::addresses).collect());

        let own = || certificate.as_ref().map(|_| own_certificate(settings, &discovered)).transpose();
        let (supervisor, ended_parts) = supervisor::supervisor();
        let clock = Clock::start();
        let security_log = Arc::new(SecurityLog::new(clock));
        let sip = sip_side(settings, demo, &discovered, sockets.len(), (&supervisor, &security_log), own)?;

        let identity = tls::dtls_identity()?;
        let codecs = Arc::new(codecs(settings));
        let fixed = fixed_parts(settings, demo, &identity, &sockets, codecs.conversions());
        let mut config = machine_config(settings, fixed.clone());
        let SipParts { listening: sip, reload: sip_tls, counters: sip_counters, side } = match sip {
            Some(started) => started.configure(&mut config, descriptors),
            None => SipParts::default(),
        };
        config.own = own_names(settings, &discovered, &[&plain, &tls], &sip);
        let relay = Relay::new(config, seed()?, clock.now());
        let (to_plane, channels) = signaling_plane::channels();
        let MediaStarted { threads, audio, recordings } =
            start_media(settings, sockets, (&identity, &codecs), clock, &to_plane)?;
        let (media_totals, media_queues) = threads.iter().map(|one| (one.totals(), one.queue_length())).unzip();
        let (accounts, gauges) = (Accounts::new(settings.accounts.clone()), Arc::new(Gauges::default()));
        let channels = (to_plane.clone(), channels);
        let plane = SignalingPlane::new(relay, clock, accounts, threads, Arc::clone(&gauges), channels);
        let (directory, feed) = (Arc::new(CallDirectory::default()), Arc::new(EventFeed::default()));
        let state_directory = (demo == Demo::Off).then(|| state_directory(settings));
        let (record_sender, records) = records::start(&settings.records, state_directory.as_deref())?;
        let (record_stores, trace) = (records.stores.clone(), trace_store(settings));
        let hooks = Hooks::start(&settings.hooks)?;
        let plane = plane.with_tokens(TokenVerifier::new(&settings.tokens)?).with_sip(side).with_records(record_sender);
        let plane = plane.with_trace(trace.clone()).with_directory(Arc::clone(&directory), Arc::clone(&feed));
        let plane = plane.with_recordings(&audio.recordings);
        let plane = start_plane(plane, (records, recordings, hooks.clone()), &supervisor)?;
        tokio::spawn(memory::return_memory(Arc::clone(&gauges)));

        let parts = AppParts {
            plane: to_plane.inbound,
            gauges,
            media: media_totals,
            media_queues,
            records: record_stores,
            hooks: hooks.metrics(),
            trace,
            sip: sip_counters,
            audio,
            security_log: Arc::clone(&security_log),
            workers,
        };
        let app = Arc::new(parts.app(settings, demo)?);
        let (stop, stop_listeners) = watch::channel(false);
        let routers = (http::router(Arc::clone(&app)), http::overload_router(Arc::clone(&app)));
        let serving = Serving::new(settings, routers, security_log, stop_listeners.clone());
        let (reloads, reload_requests) = ReloadRequests::channel();
        let api = ApiStart { listeners: api, state_directory, directory, feed, reloads };
        let (api, api_state) = start_api(api, settings, (&app, clock), stop_listeners, &supervisor)?;
        let (plain, tls) =
            (open(plain, None, &serving, &supervisor)?, open(tls, certificate.as_ref(), &serving, &supervisor)?);
        Ok(Self {
            plain,
            tls,
            media,
            sip,
            api,
            app,
            api_state,
            fixed,
            reload_requests,
            certificate,
            sip_tls,
            stop,
            plane,
            ended_parts,
        })
    }

    /// Refuses new calls and client sessions from now on. The receiver is notified when the last call has ended.
    pub async fn drain(&self) -> oneshot::Receiver<()> {
        self.app.lifecycle.enter(Phase::Draining);
        let (drained, last_call_ended) = oneshot::channel();
        // If the plane has ended, the receiver is notified at once.
        let _ = self.app.plane.send(PlaneInput::Drain(drained)).await;
        last_call_ended
    }

    /// Opens the files of call detail records again, after they were renamed.
    pub fn reopen_records(&self) {
        self.plane.records.reopen();
    }

    /// Waits until a required task or thread has ended, or a reload is requested. In the first case the caller shuts the
    /// relay down, because the relay could accept calls that would fail. The service manager restarts it.
    pub async fn next_event(&mut self) -> RelayEvent {
        tokio::select! {
            part = self.ended_parts.next() => {
                tracing::error!(part, "a required task has ended: the relay shuts down");
                RelayEvent::Failed
            }
            Some(request) = self.reload_requests.recv() => RelayEvent::ReloadRequested(request),
        }
    }

    /// Ends all calls and closes all sockets. This takes at most 5 s, even if peers do not respond.
    pub async fn shut_down(self) {
        self.app.lifecycle.enter(Phase::Stopping);
        let RunningPlane { stop, ended, mut records, recordings, hooks } = self.plane;
        let _ = stop.send(());
        let closed = async {
            let _ = ended.await;
            // The task of each WebSocket ends after its close frame. The shutdown does not wait for idle HTTP
            // connections.
            let mut sockets = self.app.sockets.subscribe();
            let all_closed = async {
                let _ = sockets.wait_for(|open| *open == 0).await;
            };
            tokio::join!(all_closed, records.flushed(), hooks.flushed());
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::warn!("shutdown: some WebSockets were not closed, or some records were not written, in time");
        }
        records.report_unwritten();
        hooks.report_undelivered();
        // Completes the files. The media threads have ended, so that no samples follow.
        let _ = tokio::task::spawn_blocking(move || drop(recordings)).await;
        let _ = self.stop.send(true);
    }
}

/// An event that the owner of the relay handles.
#[derive(Debug)]
pub enum RelayEvent {
    /// A required task or thread has ended.
    Failed,
    /// The REST API requests to reload the configuration.
    ReloadRequested(ReloadRequest),
}

/// The parts that the REST API needs to start.
struct ApiStart {
    listeners: Vec<TcpListener>,
    /// The directory of the admin token, unless the relay runs as a demo.
    state_directory: Option<PathBuf>,
    directory: Arc<CallDirectory>,
    feed: Arc<EventFeed>,
    reloads: ReloadRequests,
}

/// Starts the REST API on its listeners.
fn start_api(
    start: ApiStart,
    settings: &Settings,
    (app, clock): (&App, Clock),
    stop: watch::Receiver<bool>,
    supervisor: &Supervisor,
) -> io::Result<(ApiListening, Arc<ApiState>)> {
    let ApiStart { listeners, state_directory, directory, feed, reloads } = start;
    // No token is stored for an API that is off.
    let state_directory = state_directory.filter(|_| !listeners.is_empty());
    let (state, token) = ApiState::new(settings, app, state_directory, (clock, directory, feed), reloads)?;
    let routers = (api::router(&state), api::overload_router());
    let serving = Serving::new(settings, routers, Arc::clone(&app.security_log), stop);
    let addresses = open(listeners, None, &serving, supervisor)?;
    Ok((ApiListening { token: token.filter(|_| !addresses.is_empty()), addresses }, state))
}

/// The listeners of the REST API.
#[derive(Debug)]
pub struct ApiListening {
    /// Its bound addresses.
    pub addresses: Vec<SocketAddr>,
    /// The token that was created because none is configured.
    pub token: Option<ApiToken>,
}

/// The started SIP transport and its configuration for the machine.
struct SipStarted {
    machine: Sip,
    listening: Vec<Listening>,
    reload: TlsReload,
    counters: Arc<SipCounters>,
    side: SipSide,
}

/// The parts of a started SIP transport. All of them are absent if the relay does not use SIP.
#[derive(Default)]
struct SipParts {
    listening: Vec<Listening>,
    reload: Option<TlsReload>,
    counters: Option<Arc<SipCounters>>,
    side: Option<SipSide>,
}

impl SipStarted {
    /// Adds SIP to the configuration of the machine.
    fn configure(self, config: &mut Config, descriptors: u64) -> SipParts {
        let Self { mut machine, listening, reload, counters, side } = self;
        machine.ports.reserved = descriptors::reserved_pairs(descriptors, machine.ports.reserved, &machine.workers);
        config.sip = Some(Box::new(machine));
        SipParts { listening, reload: Some(reload), counters: Some(counters), side: Some(side) }
    }
}

/// The parts of the handlers' state that are known after the other parts of the relay have been started.
struct AppParts {
    plane: mpsc::Sender<PlaneInput>,
    gauges: Arc<Gauges>,
    media: Vec<Totals>,
    media_queues: Vec<Arc<AtomicUsize>>,
    records: RecordStores,
    hooks: Arc<HookMetrics>,
    trace: Option<Arc<TraceStore>>,
    sip: Option<Arc<SipCounters>>,
    audio: Arc<ShellAudio>,
    security_log: Arc<SecurityLog>,
    workers: usize,
}

impl AppParts {
    /// Creates the state of the HTTP handlers.
    fn app(self, settings: &Settings, demo: Demo) -> io::Result<App> {
        let Self { plane, gauges, media, media_queues, records, hooks, trace, sip, audio, security_log, workers } =
            self;
        warn_of_open_origins(settings, demo);
        Ok(App {
            plane,
            next_connection: AtomicU64::new(1),
            gauges,
            media,
            media_queues,
            records,
            trace,
            api: Arc::default(),
            hooks,
            audio,
            sip,
            sockets: watch::Sender::new(0),
            lifecycle: Arc::new(Lifecycle::default()),
            own_pages_only: demo == Demo::Loopback,
            origins: settings.guards.origins.clone(),
            page: page_directory(settings),
            page_security_policy: page_security_policy(settings)?,
            trusted_proxies: settings.trusted_proxies.clone(),
            proxied: Quota::new(usize::MAX, settings.connections_per_address),
            security_log,
            workers,
            frame_size: settings.frame_size,
            send_queue: settings.send_queue,
        })
    }
}

/// Binds and starts the SIP transport, if the configuration requires SIP.
fn sip_side(
    settings: &Settings,
    demo: Demo,
    discovered: &[IpAddr],
    workers: usize,
    (supervisor, security_log): (&Supervisor, &Arc<SecurityLog>),
    https: impl FnOnce() -> io::Result<Option<CertifiedFiles>>,
) -> io::Result<Option<SipStarted>> {
    let wanted = sip_transport::listen_addresses(&settings.sip, demo, discovered).map_err(io::Error::other)?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let sockets = Sockets::bind(&wanted, discovered)?;
    let listening = sockets.listening.clone();
    let workers = u16::try_from(workers).unwrap_or(u16::MAX);
    let machine = sip::machine(settings, demo, &listening, discovered, workers)?;
    let tls = sip::tls_sides(&settings.sip, &listening, https)?;
    let security_log = Arc::clone(security_log);
    let (transport, reports, reload, counters) =
        SipTransport::start(&settings.sip, sockets, tls, seed()?, security_log, supervisor)?;
    Ok(Some(SipStarted { machine, listening, reload, counters, side: (transport, reports) }))
}

/// The thread of the signaling plane, and the writers of its call detail records.
#[derive(Debug)]
struct RunningPlane {
    stop: oneshot::Sender<()>,
    /// Resolves when the thread ends.
    ended: oneshot::Receiver<()>,
    records: RecordWriters,
    recordings: RecordingThread,
    hooks: Hooks,
}

/// Starts the signaling plane on a separate thread, so that it and the tokio tasks do not delay one another.
fn start_plane(
    plane: SignalingPlane,
    (records, recordings, hooks): (RecordWriters, RecordingThread, Hooks),
    supervisor: &Supervisor,
) -> io::Result<RunningPlane> {
    let (done, ended) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let plane = plane.with_hooks(hooks.clone());
    let running = supervisor.running("signaling plane");
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("signaling".to_owned()).spawn(move || {
        let _parts = (running, done);
        runtime.block_on(plane.run(stopped));
    })?;
    Ok(RunningPlane { stop, ended, records, recordings, hooks })
}

fn open(
    listeners: Vec<TcpListener>,
    tls: Option<&watch::Sender<Arc<rustls::ServerConfig>>>,
    serving: &Serving,
    supervisor: &Supervisor,
) -> io::Result<Vec<SocketAddr>> {
    let mut bound = Vec::with_capacity(listeners.len());
    for listener in listeners {
        bound.push(listener.local_addr()?);
        let serve = http::serve(listener, tls.map(watch::Sender::subscribe), serving.clone());
        tokio::spawn(supervisor.supervise("HTTP listener", serve));
    }
    Ok(bound)
}

fn https(settings: &Settings, discovered: &[IpAddr]) -> io::Result<Arc<rustls::ServerConfig>> {
    tls::https(&own_certificate(settings, discovered)?)
}

/// Returns the configured certificate, else the self-signed one.
fn own_certificate(settings: &Settings, discovered: &[IpAddr]) -> io::Result<CertifiedFiles> {
    if let (Some(certificate), Some(key)) = (settings.tls_certificate.clone(), settings.tls_key.clone()) {
        return Ok(CertifiedFiles { certificate, key });
    }
    let directory = state_directory(settings);
    let mut names = vec!["localhost".to_owned()];
    names.extend(discovered.iter().chain(&settings.media_public_address).map(IpAddr::to_string));
    names.extend(settings.tls_names.iter().cloned());
    names.dedup();
    tls::self_signed(&directory, names)
}

/// The directory of the self-signed certificate and of the default database of call detail records.
fn state_directory(settings: &Settings) -> PathBuf {
    let directory = settings.tls_state_directory.clone();
    directory.unwrap_or_else(|| tls::default_state_directory(|name| std::env::var(name).ok()))
}

/// The number of media workers: one for each core, unless it is configured.
fn media_workers(settings: &Settings) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
    if settings.media_workers == 0 { cores() } else { settings.media_workers.into() }
}

fn media_sockets(settings: &Settings, discovered: &[IpAddr]) -> io::Result<Vec<WorkerSockets>> {
    let ips = addresses::media(settings, discovered);
    if ips.is_empty() {
        return Err(io::Error::other("this machine has no usable address for media: set [media] address"));
    }
    let workers = u16::try_from(media_workers(settings)).unwrap_or(u16::MAX);
    let port = |worker: u16| if settings.media_port == 0 { 0 } else { settings.media_port.saturating_add(worker) };
    (0..workers).map(|worker| media_plane::bind(&ips, port(worker))).collect()
}

/// Loads the codecs, and logs those whose library is not installed.
fn codecs(settings: &Settings) -> Codecs {
    let codecs = Codecs::load(CodecOptions { opus_complexity: settings.opus_complexity });
    for missing in codecs.unavailable() {
        tracing::info!(codec = missing.codec, reason = missing.reason, "codec is not available for transcoding");
    }
    codecs
}

/// The started media plane.
struct MediaStarted {
    threads: Vec<MediaThread>,
    audio: Arc<ShellAudio>,
    recordings: RecordingThread,
}

fn start_media(
    settings: &Settings,
    sockets: Vec<WorkerSockets>,
    (identity, codecs): (&DtlsIdentity, &Arc<Codecs>),
    clock: Clock,
    to_plane: &ToPlane,
) -> io::Result<MediaStarted> {
    let (audio, recordings) = ShellAudio::start(&settings.media_files)?;
    let audio = Arc::new(audio);
    let mut threads = Vec::with_capacity(sockets.len());
    let queues = media_plane::worker_queues(sockets.len())?;
    for ((number, sockets), queues) in sockets.into_iter().enumerate().zip(queues) {
        let now = clock.now();
        let mut config = WorkerConfig::new(identity.clone(), clock.instant(now));
        config.id = WorkerId(u16::try_from(number).unwrap_or(u16::MAX));
        config.connect_timeout = settings.media_connect_timeout;
        config.media_timeout = settings.media_timeout;
        config.rtp_timeout = Some(settings.sip.rtp_timeout).filter(|timeout| !timeout.is_zero());
        config.latch = settings.sip.rtp_latch;
        config.codecs = Arc::<Codecs>::clone(codecs);
        config.audio = Arc::<ShellAudio>::clone(&audio);
        let report = to_plane.media_events();
        let worker = Worker::new(config, seed()?, now);
        let plane = to_plane.media.clone();
        let ended = move || {
            let _ = plane.blocking_send(MediaReport::Ended(number));
        };
        let (name, wake_interval) = (format!("media-{number}"), settings.media_wake_interval);
        let setup = media_plane::ThreadSetup { name, sockets, queues, clock, wake_interval };
        threads.push(media_plane::spawn(setup, worker, report, ended)?);
    }
    Ok(MediaStarted { threads, audio, recordings })
}

fn fixed_parts(
    settings: &Settings,
    demo: Demo,
    identity: &DtlsIdentity,
    sockets: &[WorkerSockets],
    conversions: Conversions,
) -> FixedParts {
    let workers =
        sockets.iter().map(|worker| addresses::advertised(&settings.media_public_address, &worker.addresses()));
    let admission = if demo == Demo::Off { AcceptedLogins::Accounts } else { AcceptedLogins::Anyone };
    FixedParts { admission, fingerprint: identity.fingerprint(), workers: workers.collect(), conversions }
}

/// Warns if pages of every site can connect without a login.
fn warn_of_open_origins(settings: &Settings, demo: Demo) {
    if settings.anonymous && demo == Demo::Off && settings.guards.origins == AllowedOrigins::Any {
        tracing::warn!(
            "pages of every site can place calls without a login through the browsers of their visitors: list the origins \
             of your pages in [guards] origins"
        );
    }
}

/// The `Content-Security-Policy` of the phone page, if there is one.
fn page_security_policy(settings: &Settings) -> io::Result<Option<HeaderValue>> {
    let policy = Some(settings.page_security_policy.as_str()).filter(|policy| !policy.is_empty());
    policy.map(HeaderValue::from_str).transpose().map_err(io::Error::other)
}

/// The configured page directory, else the first default directory that contains a page.
fn page_directory(settings: &Settings) -> Option<PathBuf> {
    if let Some(directory) = &settings.page_directory {
        if !directory.join("index.html").is_file() {
            tracing::warn!(
                directory = %directory.display(),
                "page directory contains no index.html: build the page, or correct [page] directory"
            );
        }
        return Some(directory.clone());
    }
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("page")));
    let places = beside.into_iter().chain([PathBuf::from("demo-phone/dist")]);
    places.into_iter().find(|place| place.join("index.html").is_file())
}

fn trace_store(settings: &Settings) -> Option<Arc<TraceStore>> {
    settings.trace.is_on.then(|| Arc::new(TraceStore::new(settings.trace.limits)))
}

fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
