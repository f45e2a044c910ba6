//! Common parts of the SIP tests: Alice in a headless browser, the relay, and a SIPp scenario as the SIP peer.

use crate::{HIGH, LOW};
use offhook_signaling::message::{CallStatus, ConnectionMessage, ServerMessage, SipOptions};
use offhook_tests::browser::{Browser, Incoming, Ongoing, connection};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, ScenarioReport, Sipp};
use offhook_tests::wire::Registrar;
use std::net::SocketAddr;

/// Returns the `connection` of the stock SDK for a user at `server`, with the password of [`offhook_tests::kamailio`].
pub(crate) fn account(user: &str, server: SocketAddr, registers: bool) -> ConnectionMessage {
    let hello = connection(user);
    ConnectionMessage {
        sip: SipOptions {
            password: Some(offhook_tests::kamailio::password(user)),
            domain: Some(server.ip().to_string()),
            outbound_proxy: Some(server.ip().to_string()),
            port: Some(server.port().to_string()),
            register_required: Some(registers),
            ..hello.sip.clone()
        },
        ..hello
    }
}

/// Returns the `connection` for a user at `server` over `tcp` or `tls`.
pub(crate) fn account_over(transport: &str, user: &str, server: SocketAddr, registers: bool) -> ConnectionMessage {
    let hello = account(user, server, registers);
    let proxy = Some(format!("sip:{server};transport={transport}"));
    ConnectionMessage { sip: SipOptions { outbound_proxy: proxy, ..hello.sip.clone() }, ..hello }
}

/// Opens a session whose user is registered at `server`.
pub(crate) async fn page(relay: &Relay, user: &str, server: SocketAddr) -> Browser {
    Browser::connect(relay, account(user, server, true), Habits::default()).await
}

/// A call from Alice to a scenario.
pub(crate) struct Placed {
    pub(crate) relay: Relay,
    pub(crate) alice: Browser,
    pub(crate) peer: Sipp,
    pub(crate) phone: RtpEndpoint,
    pub(crate) call: Ongoing,
}

/// Places a call from Alice to a scenario.
pub(crate) async fn place(scenario: &str, run: Run) -> Placed {
    place_over("udp", scenario, run).await
}

/// Places a call from Alice to a scenario over this transport.
pub(crate) async fn place_over(transport: &str, scenario: &str, run: Run) -> Placed {
    let relay = Relay::start_with_sip(&[]);
    let phone = RtpEndpoint::start(HIGH).await;
    let peer = Sipp::start(scenario, run.with("rtp_port", phone.port())).await;
    let hello = account_over(transport, "1001", peer.address(), false);
    let mut alice = Browser::connect(&relay, hello, Habits::default()).await;
    let call = alice.call("9001", Sound::Tone(LOW)).await;
    Placed { relay, alice, peer, phone, call }
}

impl Placed {
    /// Waits until the call is established at the peer and at Alice. The phone starts sending.
    pub(crate) async fn answered(&mut self) -> ScenarioReport {
        let report = self.peer.reaches("answered").await;
        self.phone.send_to(report.media());
        self.alice.established(&self.call).await;
        report
    }

    /// Waits until a call with early media is established.
    pub(crate) async fn answered_after_early_media(&mut self) -> ScenarioReport {
        let report = self.peer.reaches("answered").await;
        self.alice.status(&self.call.id, CallStatus::Established).await;
        report
    }

    /// Waits until both receive the tone of the other.
    pub(crate) async fn both_receive_tones(&self) {
        tokio::join!(self.call.peer.receives_tone(HIGH), self.phone.receives_tone(LOW));
    }

    /// Lets the scenario continue to its end, while Alice hangs up.
    pub(crate) async fn hang_up(mut self, report: &ScenarioReport) {
        self.peer.go(report).await;
        self.alice.hang_up(&self.call.id);
        assert_eq!(self.alice.over(&self.call.id).await.status, CallStatus::Finish);
        self.peer.passes().await;
        self.relay.assert_alive();
        assert!(
            !self.alice.has_received(|message| matches!(message, ServerMessage::RemoteSdp { .. })),
            "a second description"
        );
    }
}

/// Alice's session, registered at a registrar.
pub(crate) struct Listening {
    pub(crate) relay: Relay,
    pub(crate) alice: Browser,
    pub(crate) contact: String,
    pub(crate) registrar: Registrar,
}

/// Registers Alice at a registrar without authentication.
pub(crate) async fn listen() -> Listening {
    listen_with(&[]).await
}

/// Registers Alice, with options of the relay.
pub(crate) async fn listen_with(options: &[&str]) -> Listening {
    let relay = Relay::start_with_sip(options);
    let registrar = Registrar::start().await;
    let alice = page(&relay, "1001", registrar.address()).await;
    let contact = registrar.contact("1001").await;
    Listening { relay, alice, contact, registrar }
}

impl Listening {
    /// Returns the options of a scenario that calls Alice.
    pub(crate) async fn run(&self, phone: &RtpEndpoint) -> Run {
        let relay = self.relay.sip("udp").await;
        Run::toward(relay).with("ruri", &self.contact).with("rtp_port", phone.port())
    }

    /// Starts a scenario that calls Alice and waits for the incoming call.
    pub(crate) async fn called_by(&mut self, scenario: &str) -> (Sipp, RtpEndpoint, Incoming) {
        let phone = RtpEndpoint::start(HIGH).await;
        let peer = Sipp::start(scenario, self.run(&phone).await).await;
        let incoming = self.alice.incoming().await;
        (peer, phone, incoming)
    }

    /// Starts a scenario that calls Alice, and answers the call. The phone starts sending.
    pub(crate) async fn answer_scenario(&mut self, scenario: &str) -> ScenarioCall {
        let (mut peer, phone, incoming) = self.called_by(scenario).await;
        let (report, call) = tokio::join!(peer.reaches("answered"), self.alice.answer(&incoming, Sound::Tone(LOW)));
        phone.send_to(report.media());
        ScenarioCall { peer, phone, call, report }
    }
}

/// An established call from a scenario to Alice.
pub(crate) struct ScenarioCall {
    pub(crate) peer: Sipp,
    pub(crate) phone: RtpEndpoint,
    pub(crate) call: Ongoing,
    pub(crate) report: ScenarioReport,
}

impl ScenarioCall {
    /// Waits until both receive the tone of the other.
    pub(crate) async fn both_receive_tones(&self) {
        tokio::join!(self.call.peer.receives_tone(HIGH), self.phone.receives_tone(LOW));
    }

    /// Lets the scenario continue to its end. The call ends by the peer, or by Alice.
    pub(crate) async fn end(mut self, alice: &mut Browser, alice_hangs_up: bool) {
        self.peer.go(&self.report).await;
        if alice_hangs_up {
            alice.hang_up(&self.call.id);
        }
        assert_eq!(alice.over(&self.call.id).await.status, CallStatus::Finish);
        self.peer.passes().await;
    }
}
