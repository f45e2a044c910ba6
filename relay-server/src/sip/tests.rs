use super::{divided, free_ports, machine, rtp_addresses};
use crate::addresses::Demo;
use crate::config::parse;
use crate::sip_transport::Listening;
use offhook_b2bua::config::RtpAddress;
use offhook_sip::transport::Transport;
use std::net::IpAddr;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn own() -> Vec<IpAddr> {
    ips(&["192.0.2.7", "127.0.0.1", "::1"])
}

const LISTENING: Listening = Listening {
    transport: Transport::Udp,
    address: core::net::SocketAddr::V4(core::net::SocketAddrV4::new(core::net::Ipv4Addr::LOCALHOST, 5_070)),
};

#[test]
fn default_domain_is_the_address_of_the_relay() {
    let user_agent = |text: &str| {
        let settings = parse("test.toml", text).unwrap();
        machine(&settings, Demo::Loopback, &[LISTENING], &own(), 1).unwrap().user_agent
    };
    let plain = user_agent("[sip.phones]\n101 = \"tulip\"\n");
    assert_eq!((plain.domain.as_str(), plain.phones.len()), ("127.0.0.1", 1));
    assert_eq!((plain.local[0].host.as_str(), plain.local[0].port), ("127.0.0.1", 5_070));
    let public = user_agent("[sip]\npublic_address = [\"198.51.100.1\"]\ndomain = \"pbx.test\"\n");
    assert_eq!((public.domain.as_str(), public.local[0].host.as_str()), ("pbx.test", "198.51.100.1"));
}

#[test]
fn rtp_address_is_public_address_of_its_family() {
    let addresses = |text: &str, demo| {
        rtp_addresses(&parse("test.toml", text).unwrap().sip, demo, &own()).map_err(|error| error.to_string())
    };
    let address = |advertised: &str, local: &str| RtpAddress {
        advertised: advertised.parse().unwrap(),
        local: local.parse().unwrap(),
    };
    let demo = addresses("", Demo::Loopback).unwrap();
    assert_eq!(demo, [address("127.0.0.1", "127.0.0.1"), address("::1", "::1")]);
    let named = "[rtp]\naddress = [\"192.0.2.7\"]\n";
    let public = "[sip]\npublic_address = [\"198.51.100.1\", \"2001:db8::1\"]\n";
    assert_eq!(addresses(named, Demo::Off).unwrap(), [address("192.0.2.7", "192.0.2.7")]);
    let advertised = addresses(&format!("{public}{named}"), Demo::Off).unwrap();
    assert_eq!(advertised, [address("198.51.100.1", "192.0.2.7")]);
    let other = addresses(&format!("{public}{named}public_address = [\"203.0.113.1\"]\n"), Demo::Off).unwrap();
    assert_eq!(other, [address("203.0.113.1", "192.0.2.7")]);
    let refused = addresses(named, Demo::Loopback).unwrap_err();
    assert!(refused.contains("192.0.2.7") && refused.contains("[rtp]"), "{refused}");
}

#[test]
fn port_range_is_divided_at_even_ports() {
    assert_eq!(divided(20_000, 29_999, 2), [(20_000, 24_999), (25_000, 29_999)]);
    assert_eq!(divided(20_001, 20_013, 3), [(20_002, 20_005), (20_006, 20_009), (20_010, 20_013)]);
    let settings = parse("test.toml", "[rtp]\nfirst_port = 20000\nlast_port = 20007\n").unwrap();
    assert!(machine(&settings, Demo::Loopback, &[LISTENING], &own(), 2).is_ok());
    let error = machine(&settings, Demo::Loopback, &[LISTENING], &own(), 3).unwrap_err().to_string();
    assert!(error.contains("too small for 3 workers"), "{error}");
}

#[test]
fn first_port_zero_selects_free_ports() {
    let addresses = [RtpAddress { advertised: ips(&["127.0.0.1"])[0], local: ips(&["127.0.0.1"])[0] }];
    let (first, last) = free_ports(&addresses, 16).unwrap();
    assert!(first % 2 == 0 && last - first == 15);
    let settings = parse("test.toml", "[rtp]\nfirst_port = 0\n").unwrap();
    let workers = machine(&settings, Demo::Loopback, &[LISTENING], &own(), 2).unwrap().workers;
    assert!(workers[0].last_port < workers[1].first_port && workers[0].first_port != 0);
}
