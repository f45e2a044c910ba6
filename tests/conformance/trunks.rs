//! Tests of a SIP trunk: an account at a SIP server shared by all logins.

use crate::LOW;
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::wait::PATIENCE;
use offhook_tests::wire::{Wire, status};
use tokio::net::UdpSocket;

const HOPS: &str = "Max-Forwards: 70\r\n";

#[tokio::test]
async fn trunk_registers_at_start_without_other_events() {
    // With a host name, the resolver is used, too.
    for host in ["localhost", "127.0.0.1"] {
        let registrar = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let port = registrar.local_addr().expect("bound").port();
        let uri = format!("sip.trunk.uri=sip:4711@{host}:{port}");
        let _relay = Relay::start_with_sip(&[&uri, &format!("sip.trunk.registrar=sip:{host}:{port}")]);
        let mut octets = [0; 2048];
        let received = tokio::time::timeout(PATIENCE, registrar.recv(&mut octets)).await.expect("in time");
        let length = received.expect("received");
        assert!(octets[..length].starts_with(b"REGISTER "), "{host}");
    }
}

#[tokio::test]
async fn calls_from_the_trunks_sources_ring_without_registration() {
    // A lookup finds 127.0.0.1; the option lists other addresses.
    for (sources, from, other) in [("", "127.0.0.1", "127.0.0.4"), ("127.0.0.3,127.0.1.0/24", "127.0.1.7", "127.0.0.4")]
    {
        let relay = Relay::start_with_sip(&[
            "sip.trunk.uri=sip:4711@localhost",
            "sip.trunk.register=false",
            "sip.trunk.options_interval=0s",
            "sip.trunk.numbers.alice=+4930100001",
            &format!("sip.trunk.sources={sources}"),
        ]);
        let mut alice = Browser::sign_in(&relay, "alice").await;
        let target = relay.sip("udp").await;
        let number = format!("sip:+4930100001@{target}");
        let other = Wire::between(format!("{other}:0").parse().expect("an address"), target).await;
        other.send(other.request("INVITE", &number, HOPS)).await;
        assert_eq!(status(&other.final_response().await), Some(403));
        let server = Wire::between(format!("{from}:0").parse().expect("an address"), target).await;
        // The lookup may take longer than the sign-in.
        let rings = async {
            loop {
                server.send(server.request("INVITE", &number, HOPS)).await;
                if status(&server.receive().await) != Some(403) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, rings).await.expect("the call is accepted");
        let call = alice.incoming().await.call;
        alice.hang_up(&call.call_id);
        assert_eq!(status(&server.final_response().await), Some(603));
    }
}

#[tokio::test]
async fn offer_has_the_address_family_of_the_server() {
    for (host, connection) in [("127.0.0.1", "c=IN IP4 127.0.0.1"), ("[::1]", "c=IN IP6 ::1")] {
        let server = UdpSocket::bind(format!("{host}:0")).await.expect("a socket");
        let port = server.local_addr().expect("bound").port();
        let relay = Relay::start_with_sip(&[
            "sip.listen=udp:127.0.0.1:0,udp:[::1]:0",
            "rtp.address=127.0.0.1,::1",
            &format!("sip.trunk.uri=sip:4711@{host}:{port}"),
            "sip.trunk.register=false",
            "sip.trunk.options_interval=0s",
            &format!("sip.trunk.proxy=sip:{host}:{port}"),
        ]);
        let mut alice = Browser::sign_in(&relay, "alice").await;
        alice.call("+4930777", Sound::Tone(LOW)).await;
        let mut octets = vec![0; 65_536];
        let received = tokio::time::timeout(PATIENCE, server.recv(&mut octets)).await.expect("in time");
        let invite = String::from_utf8_lossy(&octets[..received.expect("received")]).into_owned();
        assert!(invite.starts_with("INVITE "), "{invite}");
        let lines: Vec<&str> = invite.lines().filter(|line| line.starts_with("c=")).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| *line == connection), "{invite}");
        let origin = connection.replace("c=", " ");
        assert!(invite.lines().any(|line| line.starts_with("o=") && line.ends_with(&origin)), "{invite}");
    }
}
