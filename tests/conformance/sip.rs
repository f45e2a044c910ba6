//! What the SIP suites have in common: Alice in a headless browser, the relay, and a scenario of SIPp on the other side.

use crate::{HIGH, LOW};
use offhook_signaling::message::{CallStatus, Connection, ServerMessage, SipOptions};
use offhook_tests::browser::{Browser, Incoming, Ongoing, connection};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::{Run, Sipp, Told};
use offhook_tests::wire::Registrar;
use std::net::SocketAddr;

/// What the stock SDK sends for a user of a SIP server at `server`. Its password is that of [`offhook_tests::kamailio`].
pub(crate) fn account(user: &str, server: SocketAddr, registers: bool) -> Connection {
    let hello = connection(user);
    Connection {
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

/// The same over `tcp` or `tls`.
pub(crate) fn account_over(transport: &str, user: &str, server: SocketAddr, registers: bool) -> Connection {
    let hello = account(user, server, registers);
    let proxy = Some(format!("sip:{server};transport={transport}"));
    Connection { sip: SipOptions { outbound_proxy: proxy, ..hello.sip.clone() }, ..hello }
}

/// A page whose user is registered at `server`.
pub(crate) async fn page(relay: &Relay, user: &str, server: SocketAddr) -> Browser {
    Browser::connect(relay, account(user, server, true), Habits::default()).await
}

/// Alice has called, and a scenario was called.
pub(crate) struct Placed {
    pub(crate) relay: Relay,
    pub(crate) alice: Browser,
    pub(crate) peer: Sipp,
    pub(crate) phone: RtpEndpoint,
    pub(crate) call: Ongoing,
}

/// Alice calls a scenario.
pub(crate) async fn place(scenario: &str, run: Run) -> Placed {
    place_over("udp", scenario, run).await
}

/// The same over `tcp`.
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
    /// Waits until the peer has answered and Alice's page knows; the phone begins to talk.
    pub(crate) async fn answered(&mut self) -> Told {
        let told = self.peer.reaches("answered").await;
        self.phone.send_to(told.media());
        self.alice.established(&self.call).await;
        told
    }

    /// The same where the peer's description came before.
    pub(crate) async fn answered_after_early_media(&mut self) -> Told {
        let told = self.peer.reaches("answered").await;
        self.alice.status(&self.call.id, CallStatus::Established).await;
        told
    }

    /// Each hears the other.
    pub(crate) async fn both_hear(&self) {
        tokio::join!(self.call.peer.hears(HIGH), self.phone.hears(LOW));
    }

    /// The peer waits for the end; Alice hangs up.
    pub(crate) async fn hang_up(mut self, told: &Told) {
        self.peer.go(told).await;
        self.alice.hang_up(&self.call.id);
        assert_eq!(self.alice.over(&self.call.id).await.status, CallStatus::Finish);
        self.peer.passes().await;
        self.relay.assert_alive();
        assert!(
            !self.alice.was_told(|message| matches!(message, ServerMessage::RemoteSdp { .. })),
            "a second description"
        );
    }
}

/// Alice is registered, and can be called.
pub(crate) struct Listening {
    pub(crate) relay: Relay,
    pub(crate) alice: Browser,
    pub(crate) contact: String,
    pub(crate) registrar: Registrar,
}

/// Alice registers at a registrar that takes anybody.
pub(crate) async fn listen() -> Listening {
    listen_with(&[]).await
}

/// The same with options of the relay.
pub(crate) async fn listen_with(options: &[&str]) -> Listening {
    let relay = Relay::start_with_sip(options);
    let registrar = Registrar::start().await;
    let alice = page(&relay, "1001", registrar.address()).await;
    let contact = registrar.contact("1001").await;
    Listening { relay, alice, contact, registrar }
}

impl Listening {
    /// How a scenario that calls Alice is run.
    pub(crate) async fn run(&self, phone: &RtpEndpoint) -> Run {
        let relay = self.relay.sip("udp").await;
        Run::toward(relay).with("ruri", &self.contact).with("rtp_port", phone.port())
    }

    /// A scenario calls Alice.
    pub(crate) async fn called_by(&mut self, scenario: &str) -> (Sipp, RtpEndpoint, Incoming) {
        let phone = RtpEndpoint::start(HIGH).await;
        let peer = Sipp::start(scenario, self.run(&phone).await).await;
        let incoming = self.alice.incoming().await;
        (peer, phone, incoming)
    }

    /// A scenario calls, Alice answers, the phone begins to talk.
    pub(crate) async fn talks_to(&mut self, scenario: &str) -> Talking {
        let (mut peer, phone, incoming) = self.called_by(scenario).await;
        let (told, call) = tokio::join!(peer.reaches("answered"), self.alice.answer(&incoming, Sound::Tone(LOW)));
        phone.send_to(told.media());
        Talking { peer, phone, call, told }
    }
}

/// Alice talks to a scenario that called her.
pub(crate) struct Talking {
    pub(crate) peer: Sipp,
    pub(crate) phone: RtpEndpoint,
    pub(crate) call: Ongoing,
    pub(crate) told: Told,
}

impl Talking {
    /// Each hears the other.
    pub(crate) async fn both_hear(&self) {
        tokio::join!(self.call.peer.hears(HIGH), self.phone.hears(LOW));
    }

    /// The peer goes on to its end, which Alice is told of; or Alice hangs up.
    pub(crate) async fn end(mut self, alice: &mut Browser, alice_hangs_up: bool) {
        self.peer.go(&self.told).await;
        if alice_hangs_up {
            alice.hang_up(&self.call.id);
        }
        assert_eq!(alice.over(&self.call.id).await.status, CallStatus::Finish);
        self.peer.passes().await;
    }
}
