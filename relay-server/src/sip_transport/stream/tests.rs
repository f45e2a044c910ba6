use super::{Limits, MessageQueue, OpenedBy, Usage, Use, channel, serve, unused, use_of};
use crate::sip_transport::Report;
use core::time::Duration;
use offhook_sip::transport::{FlowId, Source, TransmissionId, Transport};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant;

const WAIT: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_millis(1_500);
const UNUSED: Duration = Duration::from_secs(600);
const WHOLE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";

struct Rig {
    peer: DuplexStream,
    reports: mpsc::Receiver<Report>,
    queue: MessageQueue,
}

impl Rig {
    /// A connection with a short time limit for messages and a long idle timeout.
    fn open(opened_by: OpenedBy) -> Self {
        Self::open_with(opened_by, UNUSED)
    }

    fn open_with(opened_by: OpenedBy, unused_timeout: Duration) -> Self {
        let limits =
            Limits { idle_timeout: LONG, message_timeout: SHORT, unused_timeout, message_rate: 100, send_queue: 8 };
        let (peer, own) = duplex(65_536);
        let (report, reports) = mpsc::channel(64);
        let (queue, messages) = channel(limits.send_queue);
        let nobody = "192.0.2.1:5060".parse().unwrap();
        let source = Source { flow: FlowId(1), transport: Transport::Tcp, local: nobody, remote: nobody };
        tokio::spawn(serve(own, source, opened_by, messages, limits, report));
        Self { peer, reports, queue }
    }

    async fn write(&mut self, octets: &[u8]) {
        self.peer.write_all(octets).await.unwrap();
    }

    async fn report(&mut self) -> Report {
        tokio::time::timeout(WAIT, self.reports.recv()).await.expect("in time").expect("a report")
    }

    async fn is_received(&mut self) {
        assert!(matches!(self.report().await, Report::Received { .. }));
    }

    /// The time until the connection is closed.
    async fn closed_after(&mut self) -> Duration {
        let start = Instant::now();
        assert!(matches!(self.report().await, Report::Closed { .. }));
        start.elapsed()
    }
}

#[tokio::test]
async fn connection_without_complete_message_is_closed() {
    let mut silent = Rig::open(OpenedBy::Peer);
    assert!(silent.closed_after().await < LONG);
    let mut half = Rig::open(OpenedBy::Peer);
    half.write(&WHOLE[..10]).await;
    assert!(half.closed_after().await < LONG);
    let mut alive = Rig::open(OpenedBy::Peer);
    alive.write(b"\r\n\r\n").await;
    alive.is_received().await;
    assert!(alive.closed_after().await < LONG, "a keep-alive is not a message");
}

#[tokio::test]
async fn incomplete_message_closes_the_connection() {
    for opened_by in [OpenedBy::Peer, OpenedBy::Relay] {
        let mut rig = Rig::open(opened_by);
        rig.write(WHOLE).await;
        rig.is_received().await;
        rig.write(&WHOLE[..10]).await;
        assert!(rig.closed_after().await < LONG);
    }
}

#[tokio::test]
async fn connection_may_be_idle_after_a_complete_message() {
    let mut rig = Rig::open(OpenedBy::Peer);
    rig.write(WHOLE).await;
    rig.is_received().await;
    // A partial keep-alive looks like the start of a message.
    rig.write(b"\r\n\r").await;
    tokio::task::yield_now().await;
    let start = Instant::now();
    rig.write(b"\n").await;
    rig.is_received().await;
    rig.closed_after().await;
    assert!(start.elapsed() >= LONG, "{:?}", start.elapsed());
    let mut server = Rig::open(OpenedBy::Relay);
    assert!(server.closed_after().await >= LONG);
}

#[test]
fn only_accepted_registrations_and_calls_show_use() {
    for (message, expected) in [
        ("SIP/2.0 200 OK\r\nVia: x\r\nCSeq: 7 REGISTER\r\n\r\n", Some(Use::Accepted)),
        ("SIP/2.0 200 OK\r\nVia: x\r\nCSeq: 7 INVITE\r\n\r\n", Some(Use::Accepted)),
        ("SIP/2.0 180 Ringing\r\nCSeq: 7 INVITE\r\n\r\n", Some(Use::Ringing)),
        ("SIP/2.0 183 Session Progress\r\nCSeq: 7 INVITE\r\n\r\n", Some(Use::Ringing)),
        ("INVITE sip:101@192.0.2.1 SIP/2.0\r\nCSeq: 7 INVITE\r\n\r\n", Some(Use::Accepted)),
        ("SIP/2.0 200 OK\r\nCSeq: 7 OPTIONS\r\n\r\n", None),
        ("SIP/2.0 401 Unauthorized\r\nCSeq: 7 REGISTER\r\n\r\n", None),
        ("SIP/2.0 487 Request Terminated\r\nCSeq: 7 INVITE\r\n\r\n", None),
        ("SIP/2.0 100 Trying\r\nCSeq: 7 INVITE\r\n\r\n", None),
        ("\r\n", None),
    ] {
        assert_eq!(use_of(message.as_bytes()), expected, "{message}");
    }
}

#[tokio::test]
async fn ringing_call_extends_the_unused_timeout() {
    let (timeout, ringing) = (SHORT, SHORT * 3);
    let start = Instant::now();
    let ended = async |usage: &Usage, within| {
        tokio::time::timeout(within, unused(OpenedBy::Peer, usage, timeout, ringing)).await.is_ok()
    };
    let usage = Usage::default();
    usage.note(b"SIP/2.0 180 Ringing\r\nCSeq: 7 INVITE\r\n\r\n");
    usage.note(b"SIP/2.0 487 Request Terminated\r\nCSeq: 7 INVITE\r\n\r\n");
    assert!(ended(&usage, WAIT).await, "the call was canceled");
    assert!(start.elapsed() >= timeout + ringing, "it could have been answered: {:?}", start.elapsed());
    usage.note(b"SIP/2.0 180 Ringing\r\nCSeq: 8 INVITE\r\n\r\n");
    usage.note(b"SIP/2.0 200 OK\r\nCSeq: 8 INVITE\r\n\r\n");
    assert!(!ended(&usage, LONG).await, "the call was answered");
}

#[tokio::test]
async fn connection_without_registration_or_call_is_closed() {
    let mut scanner = Rig::open_with(OpenedBy::Peer, SHORT * 3);
    scanner.write(WHOLE).await;
    scanner.is_received().await;
    let answer = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n".to_vec();
    assert!(scanner.queue.send(TransmissionId(1), answer));
    assert!(scanner.closed_after().await < LONG);

    let mut phone = Rig::open_with(OpenedBy::Peer, SHORT * 3);
    phone.write(WHOLE).await;
    phone.is_received().await;
    assert!(phone.queue.send(TransmissionId(1), b"SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\n\r\n".to_vec()));
    assert!(phone.closed_after().await >= LONG, "the idle timeout applies");

    let mut server = Rig::open_with(OpenedBy::Relay, SHORT * 3);
    assert!(server.closed_after().await >= LONG - SHORT, "connections that the relay opens are always in use");
}
