//! Tests of phones behind NATs and in the relay's own network, called from a provider (Kamailio).

use crate::providers::{caller, relay_with_trunk};
use crate::sip_phones::PHONES;
use crate::{HIGH, LOW};
use core::time::Duration;
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::Browser;
use offhook_tests::kamailio::{Kamailio, KamailioOptions};
use offhook_tests::nat::Nat;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sip_phone::{Addressing, SipPhone};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The time that a call may take to reach a phone. Another target is tried after 32 s only, when retransmissions over UDP end.
const AT_ONCE: Duration = Duration::from_secs(8);
/// An address that is no phone's and no socket's.
const UNREACHABLE: &str = "127.66.0.9:5060";
const MEDIA: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4_000);

/// A phone of the relay that is registered.
async fn registered(relay: &Relay, user: &str, addressing: Addressing) -> SipPhone {
    let phone = SipPhone::start_as(relay.sip("udp").await, user, "secret", addressing).await;
    assert_eq!(phone.register().await, Some(200), "{user}");
    phone
}

#[tokio::test]
async fn phones_before_and_behind_a_nat_are_reached_at_once() {
    let kamailio = Kamailio::start(KamailioOptions::PROVIDER).await;
    let options: Vec<String> = (101..=104)
        .flat_map(|user| [format!("sip.phones.{user}=secret"), format!("sip.trunk.numbers.{user}=+4930100{user}")])
        .collect();
    let relay = relay_with_trunk(&kamailio, &options.iter().map(String::as_str).collect::<Vec<_>>());
    relay.has_registrations(1).await;
    let own = |last: u8| IpAddr::from([127, 0, 0, last]);
    let unreachable = || Some(UNREACHABLE.to_owned());
    let phones = [
        // Sends from one port and receives at the one in `Via` and `Contact`, as old desk phones do.
        ("101", Addressing { rport: false, sends_from_other_port: true, ..Addressing::plain(own(31)) }),
        // Behind a NAT, and does not ask for `rport`.
        ("102", Addressing { via: unreachable(), contact: unreachable(), rport: false, ..Addressing::plain(own(32)) }),
        // Behind a NAT, and asks for it.
        ("103", Addressing { via: unreachable(), contact: unreachable(), ..Addressing::plain(own(33)) }),
        ("104", Addressing::plain(own(34))),
    ];
    let caller = caller(&kamailio).await;
    // All are registered before the first call, so that they are served side by side.
    let mut registrations = Vec::new();
    for (user, addressing) in phones {
        registrations.push((user, registered(&relay, user, addressing).await));
    }
    for (user, mut phone) in registrations {
        let number = format!("+4930100{user}");
        let (called, answered) = tokio::join!(caller.call(&number, MEDIA), phone.answered(AT_ONCE));
        assert!(answered.is_some(), "the call reaches {user}");
        called.unwrap_or_else(|status| panic!("{user}: {status}"));
    }
}

#[tokio::test]
async fn phone_behind_a_forgetful_nat_is_kept_reachable() {
    // The NAT forgets a mapping after 1.5 s.
    let relay = Relay::start_with_sip(&[PHONES.as_slice(), &["sip.nat_keep_alive=400ms"]].concat());
    let lifetime = Duration::from_millis(1_500);
    let mut nat = Nat::start(Ipv4Addr::new(127, 0, 0, 41).into(), relay.sip("udp").await, lifetime).await;
    let setup = Setup { password: "secret".to_owned(), ..Setup::of("101", nat.inside(), 1000) };
    let mut phone = Baresip::start(&setup).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    // The keep-alives span more than the lifetime of a mapping.
    nat.passes("OPTIONS", 6).await;
    let call = alice.call("101", Sound::Tone(LOW)).await;
    phone.rings().await;
    nat.passes("INVITE", 1).await;
    tokio::join!(alice.established(&call), phone.accept());
    // Its media come from another address than its SIP messages: baresip describes where it is.
    tokio::join!(call.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    alice.hang_up(&call.id);
    phone.over().await;
}

#[tokio::test]
async fn peers_in_local_networks_get_the_inner_address() {
    let kamailio = Kamailio::start(KamailioOptions::PROVIDER).await;
    let relay = relay_with_trunk(
        &kamailio,
        &[
            "sip.public_address=127.66.0.7",
            "sip.local_networks=127.0.0.0/24",
            "sip.phones.101=secret",
            "sip.phones.102=secret",
            "sip.trunk.numbers.101=+4930100101",
            "sip.trunk.numbers.102=+4930100102",
        ],
    );
    relay.has_registrations(1).await;
    let mut inner = registered(&relay, "101", Addressing::plain(IpAddr::from([127, 0, 0, 51]))).await;
    let mut outer = registered(&relay, "102", Addressing::plain(IpAddr::from([127, 0, 1, 51]))).await;
    let caller = caller(&kamailio).await;
    // Kamailio reaches the relay, and is answered: the Contact of the trunk's registration has the inner address.
    let at_caller = RtpEndpoint::start(LOW).await;
    let at_inner = RtpEndpoint::start(HIGH).await;
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    inner.answer_at(local(at_inner.port()));
    let (called, answered) = tokio::join!(caller.call("+4930100101", local(at_caller.port())), inner.answered(AT_ONCE));
    let (dialog, answered) = (called.expect("an answer"), answered.expect("a call"));
    at_caller.send_to(dialog.media);
    at_inner.send_to(answered.media);
    tokio::join!(at_caller.receives_tone(HIGH), at_inner.receives_tone(LOW));
    assert_eq!((dialog.media.ip(), answered.media.ip()), (local(0).ip(), local(0).ip()));

    let (called, answered) = tokio::join!(caller.call("+4930100102", MEDIA), outer.answered(AT_ONCE));
    assert_eq!(called.expect("an answer").media.ip(), local(0).ip());
    assert_eq!(answered.expect("a call").media.ip(), IpAddr::from([127, 66, 0, 7]));
}
