//! Cost of SIP messages from an unknown source, from parsing to the response of a relay with phones.

use super::{Case, assert_linear};
use offhook_clock::Time;
use offhook_sip::auth::{Secret, Verifier};
use offhook_sip::message::framing::Splitter;
use offhook_sip::transport::{self, FlowId, LocalAddress, Source, Transport};
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::destinations::{Destinations, Servers};
use offhook_sip::user_agent::io::{Input, PhoneUser, Redirects, UserAgentSettings};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const REGISTER: &str = "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKa;rport\r\n\
    Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n";
const INVITE: &str = "INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKb;rport\r\n\
    Max-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=1\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: 2\r\nCSeq: 1 INVITE\r\n";
const END: &str = "\r\nContent-Length: 0\r\n\r\n";

macro_rules! cases {
    ($($name:literal: $head:expr, $element:expr, $tail:expr;)*) => {
        [$(Case { name: $name, head: $head, element: $element, tail: $tail },)*]
    };
}

macro_rules! register {
    ($text:literal) => {
        concat!(
            "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKa;rport\r\n",
            "Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n",
            $text
        )
    };
}

macro_rules! invite {
    ($text:literal) => {
        concat!(
            "INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKb;rport\r\n",
            "Max-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=1\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: 2\r\n",
            "CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.9>\r\n",
            $text
        )
    };
}

fn user_agent() -> UserAgent {
    let settings = UserAgentSettings {
        local: vec![LocalAddress { transport: Transport::Udp, host: "192.0.2.1".into(), port: 5060, is_ipv6: false }],
        domain: "192.0.2.1".into(),
        phones: vec![PhoneUser { user: "101".into(), verifier: Verifier::Password(Secret::new("secret")) }],
        destinations: Destinations::new(Servers::Any, false),
        any_domain: false,
        accept_unknown: true,
        redirects: Redirects::All,
        trusted: vec![Ipv4Addr::new(192, 0, 2, 9).into()],
        product: "Offhook".into(),
        t1: Duration::from_millis(500),
        session_expires: Duration::ZERO,
        min_session_expires: Duration::from_secs(90),
        keep_alive: Duration::from_secs(120),
        nat_keep_alive: Duration::ZERO,
        inside: transport::Inside::default(),
    };
    UserAgent::new(settings, [7; 32], Time::EPOCH)
}

#[test]
fn unauthenticated_request_cost_is_linear_in_size() {
    let cases = cases! {
        "credentials": register!("Authorization: Digest "), |n| format!("p{n}=,"), END;
        "credentials, equal names": register!("Authorization: Digest "), |_| "a=1,".into(), END;
        "credentials, lines": REGISTER, |n| format!("Authorization: Digest realm=\"r{n}\"\r\n"), END;
        "credentials, quoted": register!("Authorization: Digest nonce=\""), |_| "\\\"".into(), "\"\r\n\r\n";
        "credentials, commas": register!("Authorization: Digest "), |_| ",".into(), END;
        "hops on a line": register!("Via: SIP/2.0/UDP h"), |n| format!(",SIP/2.0/UDP h{n}"), END;
        "hops on lines": REGISTER, |n| format!("Via: SIP/2.0/UDP h{n}\r\n"), END;
        "parameters of a hop": register!("Via: SIP/2.0/UDP h"), |n| format!(";p{n}"), END;
        "contacts": register!("Contact: <sip:a@h>"), |n| format!(",<sip:{n}@h>"), END;
        "contacts on lines": REGISTER, |n| format!("Contact: <sip:{n}@h>\r\n"), END;
        "parameters of a contact": register!("Contact: <sip:a@h>"), |n| format!(";p{n}=1"), END;
        "parameters of a URI": register!("Contact: <sip:a@h"), |n| format!(";p{n}=1"), ">\r\n\r\n";
        "headers of a URI": register!("Contact: <sip:a@h?a=1"), |n| format!("&p{n}=1"), ">\r\n\r\n";
        "parameters of the request": "REGISTER sip:192.0.2.1", |n| format!(";p{n}=1"), concat!(
            " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKa;rport\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\n",
            "To: <sip:a@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n");
        "escapes in a user": register!("Contact: <sip:"), |_| "%41".into(), "@h>\r\n\r\n";
        "at signs": register!("Contact: <sip:"), |_| "a@".into(), "h>\r\n\r\n";
        "required extensions": register!("Require: path"), |n| format!(",x{n}"), END;
        "supported extensions": register!("Supported: path"), |n| format!(",x{n}"), END;
        "routes": invite!("Route: <sip:h;lr>"), |n| format!(",<sip:h{n};lr>"), END;
        "recorded routes": invite!("Record-Route: <sip:h;lr>"), |n| format!(",<sip:h{n};lr>"), END;
        "path": register!("Path: <sip:h;lr>"), |n| format!(",<sip:h{n};lr>"), END;
        "methods": invite!("Allow: INVITE"), |n| format!(",X{n}"), END;
        "history": invite!("History-Info: <sip:h>;index=1"), |n| format!(",<sip:{n}@h>;index={n}"), END;
        "diversions": INVITE, |n| format!("Diversion: <sip:{n}@h>;reason=unknown\r\n"), END;
        "identities": invite!("P-Asserted-Identity: <sip:h>"), |n| format!(",<sip:{n}@h>"), END;
        "privacy": invite!("Privacy: id"), |n| format!(";x{n}"), END;
        "headers without meaning": REGISTER, |n| format!("X{n}: 1\r\n"), END;
        "lines that are no header": REGISTER, |_| "x\r\n".into(), END;
        "folded lines": register!("Subject: a"), |_| "\r\n a".into(), END;
        "line ends": register!("Subject: a"), |_| "\r".into(), END;
        "octets that are no UTF-8": register!("Subject: "), |_| "\u{80}\\".into(), END;
        "open quotation marks": register!("Contact: \""), |_| "\",\"".into(), END;
        "open brackets": register!("Contact: "), |_| "<,".into(), END;
        "empty list elements": register!("Contact: "), |_| ",".into(), END;
        "a long Call-ID": "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nCall-ID: ",
            |_| "a".into(), "\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCSeq: 1 REGISTER\r\n\r\n";
        "parts of a body": invite!("Content-Type: multipart/mixed;boundary=b\r\n\r\n"), |_| "--b\r\n".into(), "--b--";
        "headers of a part": invite!("Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n"),
            |_| "Content-Type: a/b\r\n".into(), "\r\n--b--";
        "attributes of a description": invite!("Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 9 RTP/AVP 0\r\n"),
            |n| format!("a=x{n}\r\n"), "";
    };
    let source = Source {
        transport: Transport::Udp,
        flow: FlowId(1),
        local: SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 5060),
        remote: SocketAddr::new(Ipv4Addr::new(192, 0, 2, 9).into(), 5060),
    };
    assert_linear(&cases, |octets| {
        let mut agent = user_agent();
        agent.handle_input(
            Input::Transport(transport::io::Input::Received { source, octets: octets.to_vec() }),
            Time::EPOCH,
        );
        while agent.poll_output().is_some() {}
    });
}

#[test]
fn stream_framing_cost_is_linear_in_size() {
    let cases = cases! {
        "pings": "", |_| "\r\n\r\n".into(), "";
        "small messages": "", |_| "A\r\nl:0\r\n\r\n".into(), "";
        "an open head": "OPTIONS sip:h SIP/2.0\r\n", |n| format!("X{n}: 1\r\n"), "";
    };
    let cut = |octets: &[u8], piece: usize| {
        let mut splitter = Splitter::new();
        for piece in octets.chunks(piece) {
            splitter.push(piece);
            while let Ok(Some(_)) = splitter.next_frame() {}
        }
    };
    assert_linear(&cases, |octets| cut(octets, octets.len()));
    assert_linear(&cases, |octets| cut(octets, 1));
}

#[test]
fn header_value_cost_is_linear_in_size() {
    let cases = cases! {
        "challenge": "Digest realm=\"r\",nonce=\"n\"", |n| format!(",p{n}=1"), "";
        "qualities": "Digest realm=\"r\",nonce=\"n\",qop=\"auth", |n| format!(",q{n}"), "\"";
        "URI": "sip:a@h", |n| format!(";p{n}=1"), "?a=1";
        "number": "tel:+1", |n| format!(";p{n}=1"), "";
    };
    assert_linear(&cases, |octets| {
        crate::sip_values::fuzz_digest(octets);
        crate::sip_values::fuzz_uri(octets);
    });
}
