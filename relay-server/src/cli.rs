//! Command line of `offhook-relay`: arguments and subcommands.

use crate::accounts::hash_password;
use crate::addresses::{self, Demo};
use crate::api::token::{ApiToken, Scope, configuration_line, token_name};
use crate::codec::{CodecOptions, Codecs};
use crate::config::live::{self, ChangedOptions};
use crate::config::{self, Given, HASHES, Settings};
use crate::reload::ReloadResult;
use crate::server::{RelayEvent, RunningRelay};
use crate::shutdown::{SignalAction, Signals};
use crate::telemetry;
use crate::tls::CertifiedFiles;
use crate::{health_check, sip, sip_transport};
use clap::{Parser, Subcommand};
use core::fmt::Display;
use core::pin::Pin;
use core::time::Duration;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;
use tokio::sync::oneshot;

/// Softphone relay: signaling, WebRTC media and call switching in one program.
///
/// Options are read from the file, then from the environment (OFFHOOK_SECTION_OPTION), then from flags; later ones override.
#[derive(Debug, Parser)]
#[command(name = "offhook-relay", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Action>,
    /// Configuration file; relay.example.toml lists every option
    #[arg(long, global = true, env = "OFFHOOK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Accept any login without a password, on loopback addresses only
    #[arg(long, global = true)]
    demo: bool,
    /// Like --demo, on every address: every host that can reach this machine may use the relay
    #[arg(long, global = true)]
    demo_anywhere: bool,
    /// Address for HTTP and ws:, like 127.0.0.1:8080; port 0 selects a free port (`[listen] plain`)
    #[arg(long, global = true, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
    /// Address for HTTPS and wss: (`[listen] tls`)
    #[arg(long, global = true, value_name = "ADDR")]
    listen_tls: Vec<SocketAddr>,
    /// Turn HTTPS off
    #[arg(long, global = true, conflicts_with = "listen_tls")]
    no_tls: bool,
    /// Address of the media sockets, without port (`[media] address`)
    #[arg(long, global = true, value_name = "IP")]
    media_address: Vec<IpAddr>,
    /// UDP port of the first media worker; 0 selects free ports (`[media] port`)
    #[arg(long, global = true, value_name = "PORT")]
    media_port: Option<u16>,
    /// Directory of the built phone page (`[page] directory`)
    #[arg(long, global = true, value_name = "DIR")]
    page: Option<PathBuf>,
    /// Any option, like calls.ring_timeout=30s; lists are separated by commas
    #[arg(long = "set", global = true, value_name = "SECTION.OPTION=VALUE")]
    set: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Validate the configuration and print the effective values
    Check,
    /// Request /healthz of the relay with this configuration; the exit status is 0 if it is healthy
    Health,
    /// Read a password and print its hash for `[accounts]`, or, with --sip, for `[sip.phones]`
    HashPassword {
        /// The user name of a SIP phone
        #[arg(long, value_name = "USER", requires = "domain")]
        sip: Option<String>,
        /// The relay's SIP domain, as in `[sip] domain`
        #[arg(long, requires = "sip")]
        domain: Option<String>,
        /// md5, sha-256 or sha-512-256; most phones support md5 only
        #[arg(long, requires = "sip", default_value = "md5")]
        algorithm: String,
    },
    /// Create a token of the REST API and print it with its line for `[api.tokens]`
    ApiToken {
        /// Its name in the configuration and in the log
        #[arg(long, default_value = "backend")]
        name: String,
        /// read, control (includes read) or admin (includes control)
        #[arg(long)]
        scope: Scope,
    },
}

/// Runs the subcommand, or the relay if there is none.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.command {
        Some(Action::HashPassword { sip: Some(user), domain: Some(domain), algorithm }) => {
            print_sip_hash(user, domain, algorithm).map(|()| ExitCode::SUCCESS)
        }
        Some(Action::HashPassword { .. }) => print_hash().map(|()| ExitCode::SUCCESS),
        Some(Action::ApiToken { name, scope }) => print_token(name, *scope).map(|()| ExitCode::SUCCESS),
        Some(Action::Health) => health(arguments).map(|()| ExitCode::SUCCESS),
        Some(Action::Check) => check(arguments).map(|()| ExitCode::SUCCESS),
        None => relay(arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "offhook-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn demo(&self) -> Demo {
        match (self.demo, self.demo_anywhere) {
            (_, true) => Demo::Anywhere,
            (true, false) => Demo::Loopback,
            (false, false) => Demo::Off,
        }
    }

    fn settings(&self) -> io::Result<Settings> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        for warning in config::overlooked(environment.iter().map(|(name, _)| name.as_str())) {
            let _ = writeln!(io::stderr(), "offhook-relay: warning: {warning}");
        }
        config::load(self.config.as_deref(), environment, &self.flags()?).map_err(io::Error::other)
    }

    fn flags(&self) -> io::Result<Vec<(String, Given)>> {
        fn list<T: Display>(values: &[T]) -> Given {
            Given::List(values.iter().map(T::to_string).collect())
        }
        let mut flags = Vec::new();
        for pair in &self.set {
            let (option, value) = pair.split_once('=').ok_or_else(|| {
                io::Error::other(format!(
                    "--set {pair}: expected `section.option=value`, like `calls.ring_timeout=30s`"
                ))
            })?;
            flags.push((option.to_owned(), Given::Text(value.to_owned())));
        }
        if !self.listen.is_empty() {
            flags.push(("listen.plain".to_owned(), list(&self.listen)));
        }
        if self.no_tls || !self.listen_tls.is_empty() {
            flags.push(("listen.tls".to_owned(), list(&self.listen_tls)));
        }
        if !self.media_address.is_empty() {
            flags.push(("media.address".to_owned(), list(&self.media_address)));
        }
        if let Some(port) = self.media_port {
            flags.push(("media.port".to_owned(), Given::Text(port.to_string())));
        }
        if let Some(page) = &self.page {
            flags.push(("page.directory".to_owned(), Given::Text(page.display().to_string())));
        }
        Ok(flags)
    }
}

fn print_hash() -> io::Result<()> {
    writeln!(io::stdout(), "{}", hash_password(&read_password()?)?)
}

fn print_token(name: &str, scope: Scope) -> io::Result<()> {
    token_name(name).map_err(io::Error::other)?;
    let token = ApiToken::generate()?;
    let line = configuration_line(name, scope, &token);
    writeln!(io::stdout(), "token: {}\n[api.tokens]\n{line}", token.reveal())
}

/// Prints H(A1), which replaces the password when a digest is computed (RFC 7616 §3.4.2).
fn print_sip_hash(user: &str, domain: &str, algorithm: &str) -> io::Result<()> {
    // The arguments are validated before the password prompt.
    sip_hash(user, domain, algorithm, "").map_err(io::Error::other)?;
    let hash = sip_hash(user, domain, algorithm, &read_password()?).map_err(io::Error::other)?;
    writeln!(io::stdout(), "{hash}")
}

fn sip_hash(user: &str, domain: &str, algorithm: &str, password: &str) -> Result<String, String> {
    let found = HASHES.iter().find(|(name, _, _)| *name == algorithm);
    let (name, hash, _) = found.ok_or_else(|| {
        let names = HASHES.map(|(name, _, _)| name).join(", ");
        format!("--algorithm {algorithm}: unknown algorithm; choose one of: {names}")
    })?;
    Ok(format!("{name}:{}", hash.of_parts(&[user, &domain.to_ascii_lowercase(), password])))
}

fn read_password() -> io::Result<String> {
    let password = if io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Repeat the password: ")? != password {
            return Err(io::Error::other("the passwords do not match"));
        }
        password
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.is_empty() {
        return Err(io::Error::other("the password is empty"));
    }
    Ok(password)
}

fn health(arguments: &Arguments) -> io::Result<()> {
    let discovered = addresses::discover()?;
    let (plain, _) =
        addresses::listen(&arguments.settings()?, arguments.demo(), &discovered).map_err(io::Error::other)?;
    health_check::request(&plain)
}

fn check(arguments: &Arguments) -> io::Result<()> {
    let settings = arguments.settings()?;
    let discovered = addresses::discover()?;
    let (plain, tls) = addresses::listen(&settings, arguments.demo(), &discovered).map_err(io::Error::other)?;
    let mut expiry = Vec::new();
    if let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) {
        let files = CertifiedFiles { certificate: certificate.clone(), key: key.clone() };
        crate::tls::https(&files)?;
        expiry.extend(files.expiry(SystemTime::now()));
    }
    if let (Some(certificate), Some(key)) = (&settings.sip.tls_certificate, &settings.sip.tls_key) {
        let files = CertifiedFiles { certificate: certificate.clone(), key: key.clone() };
        expiry.extend(files.expiry(SystemTime::now()));
    }
    let sip =
        sip_transport::listen_addresses(&settings.sip, arguments.demo(), &discovered).map_err(io::Error::other)?;
    let rtp = sip::rtp_addresses(&settings.sip, arguments.demo(), &discovered).map_err(io::Error::other)?;
    sip::check_files(&settings.sip)?;
    let api = addresses::api(&settings, arguments.demo()).map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    write!(out, "{}", config::explain(&settings))?;
    writeln!(
        out,
        "\nHTTP on   {plain:?}\nHTTPS on  {tls:?}\nmedia on  {:?}",
        addresses::media(&settings, &discovered)
    )?;
    if !sip.is_empty() {
        let sip: Vec<String> = sip.iter().map(ToString::to_string).collect();
        let rtp: Vec<IpAddr> = rtp.iter().map(|address| address.local).collect();
        writeln!(out, "SIP on    {sip:?}\nRTP on    {rtp:?}")?;
    }
    if !api.is_empty() {
        writeln!(out, "API on    {api:?}")?;
    }
    for missing in Codecs::load(CodecOptions::default()).unavailable() {
        writeln!(out, "not available for transcoding: {missing}")?;
    }
    for login in settings.sip.accounts.keys().filter(|login| !settings.accounts.contains_key(&login.0)) {
        writeln!(out, "\nWarning: the SIP account of {:?} is unused: [accounts] has no such login.", login.0)?;
    }
    for problem in expiry {
        writeln!(out, "\nWarning: {problem}.")?;
    }
    match arguments.demo() {
        Demo::Off if settings.accounts.is_empty() => {
            writeln!(out, "\nWarning: all logins will be refused: [accounts] is empty. Add accounts, or use --demo.")
        }
        Demo::Off => writeln!(out, "\nThe configuration is valid."),
        Demo::Loopback => {
            writeln!(out, "\nThe configuration is valid. Any login from this machine is accepted (--demo).")
        }
        Demo::Anywhere => {
            writeln!(out, "\nThe configuration is valid. ANY login FROM ANY ADDRESS is accepted (--demo-anywhere).")
        }
    }
}

fn relay(arguments: &Arguments) -> io::Result<ExitCode> {
    let settings = arguments.settings()?;
    let log = telemetry::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(settings, arguments));
    runtime.shutdown_timeout(Duration::from_millis(500));
    if let Err(error) = result {
        // Written by the log thread, because a write to standard error may block.
        log.print(&format!("offhook-relay: {error}"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(mut settings: Settings, arguments: &Arguments) -> io::Result<()> {
    let mut signals = Signals::catch()?;
    let demo = arguments.demo();
    if demo == Demo::Off && settings.accounts.is_empty() {
        tracing::warn!("all logins will be refused: [accounts] is empty and --demo is not given");
    }
    if demo != Demo::Off {
        tracing::warn!(?demo, "any login is accepted without a password");
    }
    let mut server = RunningRelay::start(&settings, demo).await?;
    print(announcement(&server));
    let mut run = Run::Accepting;
    let result = loop {
        tokio::select! {
            action = signals.wait() => match (action, &run) {
                (SignalAction::Reload, _) => {
                    server.reopen_records();
                    // The result is in the log.
                    let _ = reload(&server, &mut settings, arguments).await;
                }
                (SignalAction::Drain, Run::Accepting) => {
                    let timeout_s = settings.drain_timeout.as_secs();
                    tracing::info!(timeout_s, "SIGTERM: shutting down when the calls have ended");
                    run = Run::drain(server.drain().await, settings.drain_timeout);
                }
                (SignalAction::Drain, Run::Draining(_)) => {
                    tracing::info!("second SIGTERM: shutting down");
                    break Ok(());
                }
                (SignalAction::ShutDown, _) => {
                    tracing::info!("SIGINT: shutting down");
                    break Ok(());
                }
            },
            () = run.ended() => break Ok(()),
            event = server.next_event() => match event {
                RelayEvent::ReloadRequested(request) => {
                    let _ = request.send(reload(&server, &mut settings, arguments).await);
                }
                RelayEvent::Failed => {
                    break Err(io::Error::other("a required task has ended; its name is in the log"));
                }
            },
        }
    };
    server.shut_down().await;
    result
}

/// The part of the relay's run before its shutdown.
enum Run {
    /// New calls are accepted.
    Accepting,
    /// New calls are refused; resolves when the last call has ended, or at the time limit.
    Draining(Pin<Box<dyn Future<Output = ()>>>),
}

impl Run {
    fn drain(last_call_ended: oneshot::Receiver<()>, limit: Duration) -> Self {
        Self::Draining(Box::pin(async move {
            match tokio::time::timeout(limit, last_call_ended).await {
                Ok(_) => tracing::info!("all calls have ended: shutting down"),
                Err(_) => tracing::info!("calls.drain_timeout has passed: shutting down"),
            }
        }))
    }

    /// Waits for the end of the drain.
    async fn ended(&mut self) {
        match self {
            Self::Accepting => core::future::pending().await,
            Self::Draining(drain) => drain.await,
        }
    }
}

/// Reads the configuration again, and puts the options into effect that do not need a restart. If it cannot be used,
/// nothing changes.
async fn reload(server: &RunningRelay, settings: &mut Settings, arguments: &Arguments) -> ReloadResult {
    match try_reload(server, settings, arguments).await {
        Ok(changed) => {
            let (applied, needs_restart) = (changed.applied.join(","), changed.needs_restart.join(","));
            tracing::info!(applied, needs_restart, "configuration reloaded");
            Ok(changed)
        }
        Err(error) => {
            tracing::error!(%error, "reloading the configuration failed: nothing has changed");
            Err(error.to_string())
        }
    }
}

async fn try_reload(
    server: &RunningRelay,
    settings: &mut Settings,
    arguments: &Arguments,
) -> io::Result<ChangedOptions> {
    let mut adopted = settings.clone();
    let changed = live::adopt(&mut adopted, &arguments.settings()?);
    let token = server.reload(&adopted).await?;
    print(token.iter().map(token_line).collect());
    *settings = adopted;
    Ok(changed)
}

/// Writes lines to standard output on a separate thread, so that the relay accepts calls even if standard output is closed
/// or not read.
fn print(lines: String) {
    tokio::task::spawn_blocking(move || {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(%error, "writing to standard output failed");
        }
    });
}

/// The line of a token that was created. It is printed because only its hash is stored.
fn token_line(token: &ApiToken) -> String {
    format!("api-token {}\n", token.reveal())
}

/// Returns one line for each bound address and for a new API token, then `ready`.
fn announcement(server: &RunningRelay) -> String {
    let plain = server.plain.iter().map(|address| format!("listening http://{address}/\n"));
    let tls = server.tls.iter().map(|address| format!("listening https://{address}/\n"));
    let media = server.media.iter().map(|address| format!("media udp {address}\n"));
    let sip = server.sip.iter().map(|listening| format!("sip {listening}\n"));
    let api = server.api.addresses.iter().map(|address| format!("api http://{address}/api/v1\n"));
    let token = server.api.token.iter().map(token_line);
    plain.chain(tls).chain(media).chain(sip).chain(api).chain(token).chain(["ready\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::{HASHES, sip_hash};
    use crate::config::parse;
    use offhook_sip::auth::{Challenge, CoveredParts, Credentials, Login};

    #[test]
    fn hashed_password_accepts_only_the_right_password() {
        for (algorithm, _, _) in HASHES {
            let hash = sip_hash("101", "PBX.test", algorithm, "tulip").unwrap();
            let text = format!("[sip]\ndomain = \"pbx.test\"\n[sip.phones]\n101 = \"{hash}\"\n");
            let settings = parse("test.toml", &text).unwrap();
            let written = format!("Digest realm=\"pbx.test\", nonce=\"n\", algorithm={algorithm}, qop=\"auth\"");
            let challenge: Challenge = written.parse().unwrap();
            let covered = CoveredParts { method: "REGISTER", uri: "sip:pbx.test", body: b"" };
            let is_accepted = |password: &str| {
                let credentials = Credentials::answer(&challenge, &Login::new("101", password), &covered, "c", 1);
                credentials.is_made_with(&settings.sip.phones["101"], &covered)
            };
            assert!(is_accepted("tulip") && !is_accepted("rose"), "{algorithm}");
        }
        let error = sip_hash("101", "pbx.test", "sha1", "tulip").unwrap_err();
        assert!(error.contains("md5, sha-256, sha-512-256"), "{error}");
    }
}
