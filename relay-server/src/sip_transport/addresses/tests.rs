use super::{Listening, Public, Sockets, advertised, listen_addresses};
use crate::addresses::Demo;
use crate::config::{SipAddress, parse};
use offhook_sip::transport::Transport;
use std::net::IpAddr;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn listen(text: &str, demo: Demo) -> Vec<String> {
    let settings = parse("test.toml", text).unwrap().sip;
    let discovered = ips(&["192.0.2.7", "127.0.0.1", "::1"]);
    listen_addresses(&settings, demo, &discovered).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn default_addresses_are_used_if_sip_is_required() {
    assert!(listen("", Demo::Off).is_empty());
    let all =
        ["udp:0.0.0.0:5060", "udp:[::]:5060", "tcp:0.0.0.0:5060", "tcp:[::]:5060", "tls:0.0.0.0:5061", "tls:[::]:5061"];
    for demo in [Demo::Off, Demo::Anywhere] {
        assert!(listen("", demo).is_empty());
        assert_eq!(listen("[sip]\nservers = [\"example.org\"]\n", demo), all);
    }
    assert_eq!(listen("[sip]\nlisten = [\"udp:192.0.2.7:0\"]\n", Demo::Off), ["udp:192.0.2.7:0"]);
    assert!(listen("[sip]\nlisten = []\n", Demo::Loopback).is_empty());
}

#[test]
fn demo_selects_loopback_ports_and_rejects_other_addresses() {
    let local = ["udp:127.0.0.1:0", "udp:[::1]:0", "tcp:127.0.0.1:0", "tcp:[::1]:0", "tls:127.0.0.1:0", "tls:[::1]:0"];
    assert!(listen("", Demo::Loopback).is_empty());
    assert_eq!(listen("[sip.phones]\n101 = \"tulip\"\n", Demo::Loopback), local);
    let settings = parse("test.toml", "[sip]\nlisten = [\"tcp:127.0.0.1:0\", \"udp:0.0.0.0:5060\"]\n").unwrap().sip;
    let error = listen_addresses(&settings, Demo::Loopback, &[]).unwrap_err().to_string();
    assert!(error.contains("udp:0.0.0.0:5060") && error.contains("[sip]"), "{error}");
    assert!(listen_addresses(&settings, Demo::Anywhere, &[]).is_ok());
}

#[test]
fn wildcard_binds_one_udp_socket_per_address() {
    let discovered = ips(&["127.0.0.1", "127.0.0.2", "::1"]);
    let wanted = SipAddress { transport: Transport::Udp, address: "0.0.0.0:0".parse().unwrap() };
    let sockets = Sockets::bind(&[wanted], &discovered).unwrap();
    let bound: Vec<IpAddr> = sockets.listening.iter().map(|listening| listening.address.ip()).collect();
    assert_eq!(bound, ips(&["127.0.0.1", "127.0.0.2"]));
    let ports: Vec<u16> = sockets.listening.iter().map(|listening| listening.address.port()).collect();
    assert!(ports[0] != 0 && ports[0] == ports[1], "{ports:?}");
    let abilities = sockets.abilities();
    assert!(abilities.ipv4 && abilities.udp && !abilities.ipv6 && !abilities.tcp && !abilities.tls);
    let taken = SipAddress { transport: Transport::Udp, address: sockets.listening[0].address };
    let error = Sockets::bind(&[taken], &discovered).unwrap_err().to_string();
    assert!(error.starts_with("cannot listen for SIP on udp:127.0.0.1:") && error.contains("[sip] listen"), "{error}");
}

#[test]
fn advertised_address_is_public_address_of_the_family() {
    let listening = |transport, address: &str| Listening { transport, address: address.parse().unwrap() };
    let bound = [
        listening(Transport::Udp, "192.0.2.7:5060"),
        listening(Transport::Udp, "127.0.0.1:5060"),
        listening(Transport::Tcp, "0.0.0.0:5070"),
        listening(Transport::Udp, "[2001:db8::7]:5060"),
    ];
    let discovered = ips(&["192.0.2.7", "127.0.0.1", "2001:db8::7"]);
    let with_public = |public: &[&str]| {
        let all = advertised(&bound, Public { addresses: &ips(public), name: None }, &discovered);
        all.iter().map(|local| format!("{} {} {}", local.transport, local.host, local.port)).collect::<Vec<_>>()
    };
    assert_eq!(
        with_public(&[]),
        ["UDP 192.0.2.7 5060", "UDP 127.0.0.1 5060", "TCP 192.0.2.7 5070", "UDP 2001:db8::7 5060"]
    );
    let name = Public { addresses: &ips(&["198.51.100.1"]), name: Some("sip.example.org") };
    let named = advertised(&bound, name, &discovered);
    assert!(named.iter().all(|local| local.host == "sip.example.org") && named.len() == 3, "{named:?}");
    assert_eq!(
        with_public(&["198.51.100.1"]),
        ["UDP 198.51.100.1 5060", "TCP 198.51.100.1 5070", "UDP 2001:db8::7 5060"]
    );
}
