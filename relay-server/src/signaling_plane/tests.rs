use super::{Client, FrameQueue, Gauges, MediaReport, PlaneInput, SignalingPlane, ToPlane, channels};
use crate::accounts::{Accounts, hash_password};
use crate::clock::Clock;
use core::time::Duration;
use offhook_b2bua::config::{
    AcceptedLogins, Authorization, BusyStatus, CallWaiting, Config, GuardRules, LoginName, OwnNames, Routing,
};
use offhook_b2bua::io::{ConnectionId, Input};
use offhook_b2bua::relay::Relay;
use offhook_sdp::plan::Conversions;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::{Notify, mpsc, oneshot};

const WAIT: Duration = Duration::from_secs(10);
const ALICE: ConnectionId = ConnectionId(1);

fn config(admission: AcceptedLogins) -> Config {
    Config {
        node: 0,
        admission,
        anonymous: false,
        password_checks: 1,
        accounts: [LoginName("alice".to_owned())].into(),
        routing: Routing::Local,
        authorization: Authorization::Local,
        call_waiting: CallWaiting::Rings,
        busy_status: BusyStatus::Failed,
        direct_media: false,
        ring_timeout: Duration::from_secs(60),
        keep_alive_for: Duration::ZERO,
        ping_interval: Duration::ZERO,
        ping_probes: 10,
        connection_timeout: Duration::from_secs(10),
        max_frame: 65_536,
        message_rate: 1_000,
        message_burst: 1_000,
        max_calls_per_session: 8,
        max_sessions_per_login: 8,
        guards: GuardRules::default(),
        token_notice: None,
        own: OwnNames::default(),
        codecs: Vec::new(),
        conversions: Conversions::G711,
        fingerprint: crate::tls::dtls_identity().unwrap().fingerprint(),
        workers: vec![vec!["127.0.0.1:1".parse().unwrap()]],
        sip: None,
    }
}

fn client() -> Client {
    Client { address: [192, 0, 2, 1].into(), host: None, origin: None }
}

struct Rig {
    to_plane: mpsc::Sender<PlaneInput>,
    media: mpsc::Sender<MediaReport>,
    gauges: Arc<Gauges>,
    stop: oneshot::Sender<()>,
    plane: tokio::task::JoinHandle<()>,
}

fn rig(admission: AcceptedLogins) -> Rig {
    let (clock, (to_plane, receivers)) = (Clock::start(), channels());
    let relay = Relay::new(config(admission), [7; 32], clock.now());
    let accounts = Accounts::new([("alice".to_owned(), hash_password("tulip").unwrap())].into());
    let gauges = Arc::new(Gauges::default());
    let ToPlane { inbound, media } = to_plane.clone();
    let channels = (to_plane, receivers);
    let plane = SignalingPlane::new(relay, clock, accounts, Vec::new(), Arc::clone(&gauges), channels);
    let (stop, stopped) = oneshot::channel();
    Rig { to_plane: inbound, media, gauges, stop, plane: tokio::spawn(plane.run(stopped)) }
}

impl Rig {
    /// Opens a connection with a queue of eight frames.
    async fn connect(&self) -> (mpsc::Receiver<super::Frame>, Arc<Notify>) {
        self.connect_with_queued(0).await
    }

    /// Like `connect`, with `octets` already queued.
    async fn connect_with_queued(&self, octets: usize) -> (mpsc::Receiver<super::Frame>, Arc<Notify>) {
        let (frames, received) = mpsc::channel(8);
        let kill = Arc::new(Notify::new());
        let queue = FrameQueue { frames, queued: Arc::new(AtomicUsize::new(octets)), kill: Arc::clone(&kill) };
        self.to_plane.send(PlaneInput::Opened(ALICE, client(), queue)).await.unwrap();
        (received, kill)
    }

    async fn send(&self, text: &str) {
        let input = Input::Text { connection: ALICE, text: text.to_owned() };
        self.to_plane.send(PlaneInput::Input(input)).await.unwrap();
    }

    async fn log_in(&self, password: &str) {
        self.send(&format!(r#"{{"message":"connection","data":[{{"sipLogin":"alice","sipPassword":"{password}"}}]}}"#))
            .await;
    }
}

#[tokio::test]
async fn client_with_a_full_frame_queue_is_disconnected() {
    let rig = rig(AcceptedLogins::Anyone);
    let (mut received, kill) = rig.connect().await;
    rig.log_in("").await;
    for _ in 0..20 {
        rig.send(r#"{"message":"ping","data":[null]}"#).await;
    }
    tokio::time::timeout(WAIT, kill.notified()).await.expect("killed");
    let mut frames = 0;
    while tokio::time::timeout(WAIT, received.recv()).await.expect("its queue ends").is_some() {
        frames += 1;
    }
    assert_eq!(frames, 8);
    rig.stop.send(()).unwrap();
    rig.plane.await.unwrap();
    assert_eq!(rig.gauges.counts.lock().unwrap().sessions, 0);
}

#[tokio::test]
async fn client_with_too_many_queued_octets_is_disconnected() {
    let rig = rig(AcceptedLogins::Anyone);
    let (mut received, kill) = rig.connect_with_queued(super::QUEUED_OCTETS).await;
    rig.log_in("").await;
    tokio::time::timeout(WAIT, kill.notified()).await.expect("killed");
    assert!(tokio::time::timeout(WAIT, received.recv()).await.expect("its queue ends").is_none());
    rig.stop.send(()).unwrap();
    rig.plane.await.unwrap();
    assert_eq!(rig.gauges.counts.lock().unwrap().sessions, 0);
}

#[tokio::test]
async fn login_is_accepted_only_with_the_right_password() {
    for (password, is_accepted) in [("tulip", true), ("rose", false)] {
        let rig = rig(AcceptedLogins::Accounts);
        let (mut received, _kill) = rig.connect().await;
        rig.log_in(password).await;
        let frame = tokio::time::timeout(WAIT, received.recv()).await.expect("an answer").expect("open");
        let welcomed = matches!(&frame, super::Frame::Text(text) if text.contains("getUserData"));
        assert_eq!(welcomed, is_accepted, "{frame:?}");
        drop(rig.stop);
        rig.plane.await.unwrap();
    }
}

#[tokio::test]
async fn disconnect_before_password_check_removes_it_from_queue() {
    let rig = rig(AcceptedLogins::Accounts);
    // Many clients that log in and disconnect immediately, then one that stays. Checks take tens of milliseconds, one at a time.
    for number in 2..62 {
        let connection = ConnectionId(number);
        let (frames, _received) = mpsc::channel(8);
        let queue = FrameQueue { frames, queued: Arc::default(), kill: Arc::new(Notify::new()) };
        rig.to_plane.send(PlaneInput::Opened(connection, client(), queue)).await.unwrap();
        let text = r#"{"message":"connection","data":[{"sipLogin":"alice","sipPassword":"guess"}]}"#.to_owned();
        rig.to_plane.send(PlaneInput::Input(Input::Text { connection, text })).await.unwrap();
        rig.to_plane.send(PlaneInput::Input(Input::Disconnected { connection })).await.unwrap();
    }
    let one = std::time::Instant::now();
    // Creating a hash takes as long as checking one.
    hash_password("tulip").unwrap();
    let one_check = one.elapsed();
    let asked = std::time::Instant::now();
    let (mut received, _kill) = rig.connect().await;
    rig.log_in("tulip").await;
    let frame = tokio::time::timeout(WAIT, received.recv()).await.expect("an answer").expect("open");
    assert!(matches!(&frame, super::Frame::Text(text) if text.contains("getUserData")), "{frame:?}");
    let waited = asked.elapsed();
    assert!(waited < one_check * 30, "{waited:?} in the queue, {one_check:?} for one");
    drop(rig.stop);
    rig.plane.await.unwrap();
}

#[tokio::test]
async fn plane_ends_when_a_media_worker_ends() {
    let rig = rig(AcceptedLogins::Anyone);
    let (mut received, _kill) = rig.connect().await;
    rig.log_in("").await;
    received.recv().await.expect("an answer");
    rig.media.send(MediaReport::Ended(0)).await.unwrap();
    tokio::time::timeout(WAIT, rig.plane).await.expect("it ends").unwrap();
    let mut last = None;
    while let Some(frame) = received.recv().await {
        last = Some(frame);
    }
    assert!(matches!(&last, Some(super::Frame::Close(1001, _))), "{last:?}");
}

#[tokio::test]
async fn machine_panic_closes_sockets_and_ends_plane() {
    let rig = rig(AcceptedLogins::Anyone);
    let (mut received, _kill) = rig.connect().await;
    rig.to_plane.send(PlaneInput::Panic).await.unwrap();
    tokio::time::timeout(WAIT, rig.plane).await.expect("it ends").unwrap();
    let frame = received.recv().await.expect("a last frame");
    assert!(matches!(&frame, super::Frame::Close(1001, _)), "{frame:?}");
}

#[tokio::test]
async fn connection_with_many_messages_does_not_delay_another() {
    let rig = rig(AcceptedLogins::Anyone);
    // Both connections share one frame queue, which shows the order of the responses.
    let (frames, mut received) = mpsc::channel(1_024);
    let send = |inbound| rig.to_plane.try_send(inbound).expect("room in the queue");
    let text = |connection, text: String| PlaneInput::Input(Input::Text { connection, text });
    for (connection, login) in [(ConnectionId(2), "flood"), (ConnectionId(3), "calm")] {
        let queue = FrameQueue { frames: frames.clone(), queued: Arc::default(), kill: Arc::new(Notify::new()) };
        send(PlaneInput::Opened(connection, client(), queue));
        if login == "flood" {
            for _ in 0..500 {
                send(text(connection, r#"{"message":"ping","data":[null]}"#.to_owned()));
            }
        }
        send(text(connection, format!(r#"{{"message":"connection","data":[{{"sipLogin":"{login}"}}]}}"#)));
    }
    // All inputs are queued before the first turn of the plane, which runs on this thread.
    let answered = tokio::time::timeout(WAIT, async {
        let mut answers = 0;
        while !matches!(received.recv().await, Some(super::Frame::Text(text)) if text.contains("calm")) {
            answers += 1;
        }
        answers
    });
    let before = answered.await.expect("an answer");
    assert!(before < 5, "{before} answers to the flood came first");
    drop(rig.stop);
    rig.plane.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_plane_increases_age_of_last_turn() {
    let rig = rig(AcceptedLogins::Anyone);
    rig.to_plane.send(PlaneInput::Stall(Duration::from_millis(1_500))).await.unwrap();
    tokio::time::timeout(WAIT, async {
        while rig.gauges.age().is_none_or(|age| age < Duration::from_secs(1)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while rig.gauges.age().is_none_or(|age| age >= Duration::from_secs(1)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the age grows, and falls when the plane goes on");
    drop(rig.stop);
    rig.plane.await.unwrap();
}
