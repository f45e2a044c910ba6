//! SIP endpoints that use WebRTC: ICE, DTLS and BUNDLE in their descriptions, a browser's kind of leg in the worker.

use super::sip_calls::{BRANCH, body, from_phone, phone_sdp, text};
use super::{Bench, with_sip};
use crate::config::{Config, MediaProfile, Srtp};
use crate::io::ConnectionId;
use offhook_media::command::{
    Command as Media, LegKey, LocalTransport, PeerRtcp, RemoteTransport, RemoteWebRtc, Silence, Stream, WebRtcEndpoint,
};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::{DtlsSetup, IceCredentials};
use offhook_signaling::message::{Answer, CallId, ClientMessage};
use offhook_sip::user_agent::io::{Command, Event, InviteId, Origin};

/// The transport in a WebRTC endpoint's description, except for its address.
const TRANSPORT: &str = "a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:\
99:AA:BB:CC:DD:EE:FF:00\r\na=setup:actpass\r\na=ice-ufrag:peer\r\na=ice-pwd:a-password-of-24-letters\r\n\
a=candidate:1 1 udp 2130706431 198.51.100.7 4000 typ host\r\n";

fn audio(profile: &str) -> String {
    format!(
        "m=audio 4000 {profile} 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=mid:sound\r\na=rtcp-mux\r\n{TRANSPORT}"
    )
}

fn video() -> String {
    format!("m=video 4000 UDP/TLS/RTP/SAVPF 97\r\na=rtpmap:97 VP8/90000\r\na=mid:picture\r\na=rtcp-mux\r\n{TRANSPORT}")
}

fn sdp(session: &str, media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{session}{media}")
}

fn of_peer(profile: &str) -> String {
    sdp("", &audio(profile))
}

fn with_srtp(srtp: Srtp) -> Config {
    let mut config = with_sip();
    // One worker: its port is 4000.
    config.workers.truncate(1);
    let sip = config.sip.as_mut().unwrap();
    sip.workers.truncate(1);
    sip.srtp = srtp;
    config
}

/// A relay that offers WebRTC to servers.
fn offering() -> Config {
    let mut config = with_srtp(Srtp::Accepted);
    config.sip.as_mut().unwrap().profile = MediaProfile::WebRtc;
    config
}

struct Connected {
    leg: LegKey,
    remote: RemoteWebRtc,
    streams: Vec<Stream>,
    silence: Silence,
}

impl Bench {
    fn connected_peer(&self) -> Connected {
        let mut orders = self.media.iter().rev().filter_map(|command| match command.clone() {
            Media::Connect { leg, transport: RemoteTransport::WebRtc(remote), streams, silence }
                if remote.endpoint == WebRtcEndpoint::SipPeer =>
            {
                Some(Connected { leg, remote, streams, silence })
            }
            _ => None,
        });
        orders.next().expect("a peer's leg")
    }

    fn restarts(&self) -> Vec<(LegKey, IceCredentials)> {
        let orders = self.media.iter().filter_map(|command| match command {
            Media::RestartIce { leg, ice } => Some((*leg, ice.clone())),
            _ => None,
        });
        orders.collect()
    }

    /// A peer calls alice with this offer.
    fn called_by_peer(&mut self, offer: String) -> (ConnectionId, InviteId, Command) {
        let (alice, account) = self.login_sip("alice");
        let invite = InviteId::Inbound(7);
        let request = Box::new(from_phone(Origin::Account(account), Some(offer)));
        self.sip(Event::Incoming { invite, request });
        (alice, invite, self.command())
    }

    /// The same, and alice answers: returns her id of the call, and the relay's answer.
    fn establish_with_peer(&mut self, offer: String) -> (ConnectionId, CallId, InviteId, String) {
        let (alice, invite, ring) = self.called_by_peer(offer);
        assert_eq!(ring, Command::Ring { invite, status: 180, body: None });
        let id = self.incoming(alice);
        self.take_call(alice, &id, super::answer_sdp().replace("111 0 126", "0 111 126"));
        let Command::Accept { body: Some(answer), .. } = self.command() else { panic!("not accepted") };
        assert_eq!(self.names(alice), ["talk ESTABLISHED"]);
        (alice, id, invite, text(&answer))
    }

    /// A page answers a call with this description.
    fn take_call(&mut self, at: ConnectionId, id: &CallId, sdp: String) {
        let call_id = id.clone();
        let answer = Answer { call_id, sdp, callee: None, sip_sdp: Vec::new(), custom: None, local_media_info: None };
        self.send(at, &ClientMessage::Answer(Box::new(answer)));
    }

    fn reoffered(&mut self, invite: InviteId, offer: &str) -> Command {
        self.sip(Event::Offer { invite, branch: BRANCH, body: Some(body(offer)) });
        self.command()
    }
}

fn line<'a>(sdp: &'a str, beginning: &str) -> &'a str {
    let mut lines = sdp.lines().filter_map(|line| line.strip_prefix(beginning));
    lines.next().unwrap_or_else(|| panic!("no {beginning} in {sdp}"))
}

fn count(sdp: &str, beginning: &str) -> usize {
    sdp.lines().filter(|line| line.starts_with(beginning)).count()
}

#[test]
fn webrtc_peer_calls_page() {
    // The last one is used by early versions of WebRTC.
    for profile in ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"] {
        let mut bench = Bench::new(with_srtp(Srtp::Accepted));
        let (alice, id, _, answer) = bench.establish_with_peer(of_peer(profile));
        assert_eq!(line(&answer, "m=audio "), format!("4000 {profile} 0 101"), "the worker's one port");
        assert!(answer.contains("c=IN IP4 192.0.2.1\r\n") && answer.contains("a=ice-lite\r\n"), "{answer}");
        assert!(answer.contains("a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\n"), "{answer}");
        assert!(answer.contains("a=setup:passive\r\n") && answer.contains("a=rtcp-mux\r\n"), "{answer}");
        assert!(answer.contains("a=fingerprint:sha-256 07:07:07:"), "{answer}");
        let stream =
            format!("{} cname:{}", bench.connected_peer().streams[0].local_ssrc, line(&answer, "a=ice-ufrag:"));
        assert_eq!(line(&answer, "a=ssrc:"), stream, "as the worker names it");
        assert_eq!((count(&answer, "a=crypto"), count(&answer, "a=group")), (0, 0), "{answer}");
        let Connected { leg, remote, streams, silence } = bench.connected_peer();
        assert_eq!((remote.ice.ufrag.as_str(), remote.setup), ("peer", DtlsSetup::Active));
        assert_eq!((streams.len(), remote.rtcp, silence), (1, PeerRtcp::Muxed, Silence::EndsLeg));
        let ice = IceCredentials {
            ufrag: line(&answer, "a=ice-ufrag:").to_owned(),
            pwd: line(&answer, "a=ice-pwd:").to_owned(),
        };
        assert!(
            bench.media.contains(&Media::Open { leg, transport: LocalTransport::WebRtc { ice } }),
            "checks find the leg that was described"
        );
        assert!(
            !bench
                .media
                .iter()
                .any(|command| matches!(command, Media::Open { transport: LocalTransport::Rtp { .. }, .. }))
        );
        assert_eq!(bench.bridges().len(), 1);
        bench.hang_up(alice, id.as_str());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn peer_with_passive_setup_becomes_dtls_server() {
    let mut bench = Bench::new(with_srtp(Srtp::Accepted));
    let offer = of_peer("UDP/TLS/RTP/SAVPF").replace("setup:actpass", "setup:passive");
    let (_, _, invite, answer) = bench.establish_with_peer(offer);
    assert_eq!(line(&answer, "a=setup:"), "active");
    assert_eq!(bench.connected_peer().remote.setup, DtlsSetup::Passive);
    // The role stays with the association, although a later offer permits both.
    let Command::AnswerOffer { body: answer, .. } = bench.reoffered(invite, &of_peer("UDP/TLS/RTP/SAVPF")) else {
        panic!("refused")
    };
    assert_eq!(line(&text(&answer), "a=setup:"), "active");
    assert_eq!(bench.connected_peer().remote.setup, DtlsSetup::Passive);
}

#[test]
fn peer_without_rtcp_mux_has_no_rtcp() {
    let mut bench = Bench::new(with_srtp(Srtp::Required));
    let offer = of_peer("UDP/TLS/RTP/SAVP").replace("a=rtcp-mux\r\n", "");
    let (_, _, _, answer) = bench.establish_with_peer(offer);
    assert_eq!(count(&answer, "a=rtcp-mux"), 0, "only what was offered (RFC 5761 §5.1.1)");
    assert_eq!(count(&answer, "a=candidate"), 1, "one component (RFC 8839 §4.2.1.3)");
    assert_eq!(bench.connected_peer().remote.rtcp, PeerRtcp::Absent);
}

#[test]
fn only_bundled_sections_share_the_transport() {
    for (group, answered) in [
        ("a=group:BUNDLE sound picture\r\n", ["4000 UDP/TLS/RTP/SAVPF 97", "sound picture"]),
        ("", ["0 UDP/TLS/RTP/SAVPF 97", ""]),
        ("a=group:BUNDLE sound\r\n", ["0 UDP/TLS/RTP/SAVPF 97", "sound"]),
    ] {
        let mut bench = Bench::new(with_srtp(Srtp::Accepted));
        let offer = sdp(group, &[audio("UDP/TLS/RTP/SAVPF"), video()].concat());
        let (alice, _, _) = bench.called_by_peer(offer);
        let id = bench.incoming(alice);
        let sdp = format!(
            "{}m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:97 VP8/90000\r\n",
            super::answer_sdp().replace("BUNDLE 0", "BUNDLE 0 1")
        );
        let sdp = if group.contains("picture") { sdp } else { super::answer_sdp() };
        bench.take_call(alice, &id, sdp);
        let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!("not accepted") };
        let answer = text(&answer);
        let bundle = answer.lines().find_map(|line| line.strip_prefix("a=group:BUNDLE ")).unwrap_or_default();
        assert_eq!([line(&answer, "m=video "), bundle], answered, "{answer}");
        assert!(answer.contains("a=mid:sound\r\n"));
        let resting: Vec<bool> = bench.connected_peer().streams.iter().map(|stream| stream.remote.rejected).collect();
        assert_eq!(resting, [false, !group.contains("picture")]);
    }
}

#[test]
fn unsupported_webrtc_offer_is_refused_with_reason() {
    let dtls = of_peer("UDP/TLS/RTP/SAVPF");
    let without_ice = dtls.replace("a=ice-ufrag:peer\r\n", "");
    let lite = sdp("a=ice-lite\r\n", &audio("UDP/TLS/RTP/SAVPF"));
    let unknown_hash = dtls.replace("sha-256", "sha-1");
    for (srtp, offer, reason) in [
        (Srtp::Accepted, &without_ice, Some("DTLS-SRTP Needs ICE Here")),
        (Srtp::Accepted, &lite, Some("Two ICE-lite Agents Cannot Meet")),
        (Srtp::Accepted, &unknown_hash, Some("No SHA-256, SHA-384 or SHA-512 Fingerprint")),
        (Srtp::Off, &dtls, None),
    ] {
        let mut bench = Bench::new(with_srtp(srtp));
        let (alice, invite, refusal) = bench.called_by_peer(offer.clone());
        let reason = reason.map(str::to_owned);
        assert_eq!(refusal, Command::Reject { invite, status: 488, reason, contacts: Vec::new() });
        assert!(bench.names(alice).is_empty(), "no callee is alerted");
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn hold_and_ice_restart_of_peer_are_answered() {
    let mut bench = Bench::new(with_srtp(Srtp::Accepted));
    let offer = of_peer("UDP/TLS/RTP/SAVPF");
    let (alice, id, invite, first) = bench.establish_with_peer(offer.clone());
    let leg = bench.connected_peer().leg;
    let held = format!("{offer}a=sendonly\r\n");
    let Command::AnswerOffer { body: answer, .. } = bench.reoffered(invite, &held) else { panic!("refused") };
    let answer = text(&answer);
    assert!(answer.ends_with("a=recvonly\r\n"), "{answer}");
    assert_eq!(line(&answer, "a=ice-ufrag:"), line(&first, "a=ice-ufrag:"));
    assert_eq!(bench.connected_peer().streams[0].remote.direction, Direction::SendOnly);
    assert!(bench.restarts().is_empty());
    // ICE restart: new credentials on both sides (RFC 8839 §4.4.1.1.1), by a command before the other.
    let moved = offer.replace("ufrag:peer", "ufrag:moved").replace("a-password", "b-password");
    let Command::AnswerOffer { body: answer, .. } = bench.reoffered(invite, &moved) else { panic!("refused") };
    let answer = text(&answer);
    assert_ne!(line(&answer, "a=ice-ufrag:"), line(&first, "a=ice-ufrag:"));
    let [(restarted, ice)] = &bench.restarts()[..] else { panic!("one restart") };
    assert_eq!((*restarted, ice.ufrag.as_str()), (leg, line(&answer, "a=ice-ufrag:")));
    assert_eq!(bench.connected_peer().remote.ice.ufrag, "moved");
    // A leg without ICE or without DTLS cannot continue.
    for refused in [phone_sdp(4000, "sendrecv"), offer.replace("a=ice-ufrag:peer\r\n", "")] {
        assert_eq!(
            bench.reoffered(invite, &refused),
            Command::RefuseOffer { invite, branch: BRANCH, status: 488, reason: None }
        );
    }
    assert!(bench.names(alice).is_empty());
    // A call of a phone with RTP does not change to WebRTC.
    bench.ended(invite, super::sip_calls::gone());
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    let _ = id;
    bench.assert_no_leak(&[]);
}

#[test]
fn page_holds_webrtc_peer() {
    let mut bench = Bench::new(with_srtp(Srtp::Accepted));
    let (alice, id, invite, first) = bench.establish_with_peer(of_peer("UDP/TLS/RTP/SAVP"));
    bench.send(alice, &ClientMessage::Hold { call_id: id.clone(), for_transfer: false });
    let Command::Offer { body: offer, .. } = bench.command() else { panic!("no offer") };
    let offer = text(&offer);
    assert_eq!(line(&offer, "m=audio "), "4000 UDP/TLS/RTP/SAVP 0 111 101");
    assert!(
        offer.contains("a=setup:actpass\r\n") && offer.contains("a=sendonly\r\n") && offer.contains("a=mid:sound\r\n"),
        "{offer}"
    );
    assert_eq!(line(&offer, "a=ice-ufrag:"), line(&first, "a=ice-ufrag:"));
    let answer = of_peer("UDP/TLS/RTP/SAVP").replace("setup:actpass", "setup:active") + "a=recvonly\r\n";
    bench.sip(Event::OfferAnswered { invite, body: body(&answer) });
    assert_eq!(bench.names(alice), ["hold HOLD"]);
    assert_eq!(bench.connected_peer().streams[0].remote.direction, Direction::RecvOnly);
    bench.send(alice, &ClientMessage::Unhold(id));
    assert!(matches!(bench.command(), Command::Offer { .. }));
    bench.sip(Event::OfferAnswered { invite, body: body(&answer.replace("a=recvonly\r\n", "")) });
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
}

#[test]
fn webrtc_servers_receive_webrtc_offer() {
    let mut bench = Bench::new(offering());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, request) = bench.invited();
    let offer = text(&request.offer.unwrap());
    assert_eq!(line(&offer, "m=audio "), "4000 UDP/TLS/RTP/SAVPF 111 0 101");
    assert_eq!(line(&offer, "a=group:BUNDLE "), "0");
    for needed in ["a=ice-lite\r\n", "a=setup:actpass\r\n", "a=rtcp-mux\r\n", "a=mid:0\r\n", "a=candidate:1 1 udp "] {
        assert!(offer.contains(needed), "{needed} {offer}");
    }
    // Early media from one callee, and the answer from another: another certificate, another handshake.
    let answer = of_peer("UDP/TLS/RTP/SAVPF").replace("setup:actpass", "setup:active").replace("mid:sound", "mid:0");
    bench.progress(invite, 183, Some(&answer));
    let early = bench.connected_peer();
    assert_eq!((early.remote.ice.ufrag.as_str(), early.silence), ("peer", Silence::Tolerated));
    let other = answer.replace("ufrag:peer", "ufrag:other").replace("sha-256 11:", "sha-256 99:");
    let branch = offhook_sip::user_agent::io::Branch(BRANCH.0 + 1);
    bench.sip(Event::Answered { invite, branch, body: Some(body(&other)) });
    let Connected { leg, remote, streams, silence, .. } = bench.connected_peer();
    assert_eq!((leg, remote.ice.ufrag.as_str(), silence), (early.leg, "other", Silence::EndsLeg));
    assert_eq!((remote.fingerprint.octets()[0], remote.setup), (0x99, DtlsSetup::Active));
    // The answer has the numbers that the peer receives; it sends with the relay's.
    assert_eq!(streams[0].received.iter().map(|payload| payload.number).collect::<Vec<_>>(), [0, 101]);
    assert!(bench.names(alice).ends_with(&["talk ESTABLISHED".to_owned()]));
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn video_has_no_address_until_bundled() {
    let mut bench = Bench::new(offering());
    let (alice, _) = bench.login_sip("alice");
    let ClientMessage::Call(mut call) = super::call_message("a1", "1002") else { panic!() };
    call.has_video = true;
    call.sdp = format!(
        "{}m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:97 VP8/90000\r\n",
        super::OFFER.replace("BUNDLE 0", "BUNDLE 0 1")
    );
    bench.send(alice, &ClientMessage::Call(call));
    let (invite, request) = bench.invited();
    let offer = text(&request.offer.unwrap());
    assert_eq!(line(&offer, "a=group:BUNDLE "), "0 1");
    let picture = offer.split("m=video ").nth(1).unwrap();
    assert!(picture.starts_with("0 UDP/TLS/RTP/SAVPF 97\r\n") && picture.contains("a=bundle-only\r\n"), "{offer}");
    assert!(!picture.contains("a=ice-ufrag"), "{offer}");
    let answer = sdp("a=group:BUNDLE 0 1\r\n", &[audio("UDP/TLS/RTP/SAVPF"), video()].concat())
        .replace("setup:actpass", "setup:active")
        .replace("mid:sound", "mid:0")
        .replace("mid:picture", "mid:1");
    bench.answered(invite, Some(&answer));
    assert!(bench.connected_peer().streams.iter().all(|stream| !stream.remote.rejected));
    // When it is bundled, it has the address of the others (RFC 8843 §7.3).
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    let Command::Offer { body: offer, .. } = bench.command() else { panic!("no offer") };
    let offer = text(&offer);
    assert!(offer.contains("m=video 4000 UDP/TLS/RTP/SAVPF 97\r\n") && !offer.contains("bundle-only"), "{offer}");
}

#[test]
fn answer_without_webrtc_ends_call() {
    let lite = sdp("a=ice-lite\r\n", &audio("UDP/TLS/RTP/SAVPF"));
    for answer in [phone_sdp(4000, "sendrecv"), lite, of_peer("UDP/TLS/RTP/SAVPF").replace("a=ice-ufrag:peer\r\n", "")]
    {
        let mut bench = Bench::new(offering());
        let (alice, _) = bench.login_sip("alice");
        bench.call(alice, "a1", "1002");
        let (invite, _) = bench.invited();
        bench.answered(invite, Some(&answer));
        assert!(matches!(bench.command(), Command::HangUp { .. }));
        assert_eq!(bench.last_status(alice).sip_status, Some(488));
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn invite_without_offer_receives_webrtc_offer() {
    let mut bench = Bench::new(offering());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    bench.sip(Event::Incoming { invite, request: Box::new(from_phone(Origin::Account(account), None)) });
    bench.take_commands();
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    let Command::Accept { body: Some(offer), .. } = bench.command() else { panic!("not accepted") };
    assert!(text(&offer).contains("m=audio 4000 UDP/TLS/RTP/SAVPF "));
    let answer = of_peer("UDP/TLS/RTP/SAVPF").replace("setup:actpass", "setup:active");
    bench.sip(Event::OfferAnswered { invite, body: body(&answer) });
    assert_eq!(bench.connected_peer().remote.setup, DtlsSetup::Active);
    assert_eq!(bench.bridges().len(), 1);
}

#[test]
fn webrtc_peer_is_transferred_and_replaced() {
    let mut bench = Bench::new(with_srtp(Srtp::Accepted));
    let (alice, _, invite, _) = bench.establish_with_peer(of_peer("UDP/TLS/RTP/SAVPF"));
    let leg = bench.connected_peer().leg;
    // It transfers alice to a phone: her browser stays, the peer's leg ends.
    let referred_by = Some(Box::new("sip:1003@example.org".parse().unwrap()));
    let target = Box::new("sip:1006@example.org".parse().unwrap());
    bench.sip(Event::Refer { invite, target, replaces: None, replaced: None, referred_by });
    let mut invites = bench.take_commands().into_iter().filter_map(|command| match command {
        Command::Invite { invite, .. } => Some(invite),
        _ => None,
    });
    let called = invites.next().expect("the relay calls the target");
    bench.answered(called, Some(&phone_sdp(5000, "sendrecv")));
    assert!(bench.media.contains(&Media::Close { leg }));
    assert_eq!(bench.bridges().len(), 2);
    assert!(bench.names(alice).is_empty());
    // Another WebRTC endpoint replaces the phone (RFC 3891).
    let account = bench.relay.accounts.first().unwrap();
    let mut request = from_phone(Origin::Account(account), Some(of_peer("UDP/TLS/RTP/SAVPF")));
    request.replaces = Some(called);
    bench.take_commands();
    bench.sip(Event::Incoming { invite: InviteId::Inbound(8), request: Box::new(request) });
    assert_ne!(bench.connected_peer().leg, leg);
    assert_eq!(bench.bridges().len(), 3);
    assert!(bench.names(alice).is_empty());
}
