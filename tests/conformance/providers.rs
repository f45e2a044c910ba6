//! Tests of the trunk with Kamailio as a provider: registration, and calls in the formats of different providers.

use crate::{HIGH, LOW};
use offhook_signaling::message::CallStatus;
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::Browser;
use offhook_tests::kamailio::{Kamailio, KamailioOptions, NumberIn, password};
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::sip_phone::SipPhone;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const PROVIDER: KamailioOptions = KamailioOptions::PROVIDER;
/// The address for media in the callers' descriptions; they send none.
const MEDIA: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4_000);

/// A relay whose trunk is user 1001 of Kamailio.
pub(crate) fn relay_with_trunk(kamailio: &Kamailio, options: &[&str]) -> Relay {
    let server = kamailio.address();
    let account = [format!("sip.trunk.uri=sip:1001@{server}"), format!("sip.trunk.password={}", password("1001"))];
    let options: Vec<&str> = account.iter().map(String::as_str).chain(options.iter().copied()).collect();
    Relay::start_with_sip(&options)
}

/// User 1002 of Kamailio.
pub(crate) async fn caller(kamailio: &Kamailio) -> SipPhone {
    SipPhone::start(kamailio.address(), "1002", &password("1002"), Ipv4Addr::LOCALHOST.into(), None).await
}

/// The number is called, rings at this page and is refused there.
async fn rings(caller: &SipPhone, number: &str, page: &mut Browser) {
    let ringing = async {
        let call = page.incoming().await.call;
        assert_eq!(call.callee, page.login(), "{number}");
        page.hang_up(&call.call_id);
        page.over(&call.call_id).await;
    };
    let (called, ()) = tokio::join!(caller.call(number, MEDIA), ringing);
    assert_eq!(called.err(), Some(603), "{number}");
}

#[tokio::test]
async fn trunk_registers_calls_and_is_called() {
    let kamailio = Kamailio::start(PROVIDER).await;
    let relay = relay_with_trunk(&kamailio, &["sip.trunk.numbers.alice=+4930100001"]);
    let (mut alice, mut phone) = tokio::join!(Browser::sign_in(&relay, "alice"), async {
        Baresip::start(&Setup::of("1002", kamailio.address(), 1000)).await
    });
    relay.has_registrations(1).await;
    let call = alice.call("1002", Sound::Tone(LOW)).await;
    assert_eq!(phone.rings().await, format!("sip:+4930100001@{}", kamailio.address().ip()));
    tokio::join!(alice.established(&call), phone.accept());
    tokio::join!(call.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    phone.hang_up().await;
    assert_eq!(alice.over(&call.id).await.status, CallStatus::Finish);

    phone.dial(&format!("sip:+4930100001@{}", kamailio.address())).await;
    let incoming = alice.incoming().await;
    assert_eq!(incoming.call.caller, "1002");
    let (call, ()) = tokio::join!(alice.answer(&incoming, Sound::Tone(LOW)), phone.established());
    tokio::join!(call.peer.receives_tone(HIGH), phone.receives_tone(LOW));
    alice.hang_up(&call.id);
    phone.over().await;
}

#[tokio::test]
async fn forwarded_call_rings_the_number_in_the_configured_place() {
    // The caller dials Bob's number, which the provider forwards to Alice's. `To` keeps Bob's.
    for (number_in, called_number, callee) in [
        (NumberIn::RequestUri, "request-uri,p-called-party-id,to", "alice"),
        (NumberIn::CalledPartyId, "request-uri,p-called-party-id,to", "alice"),
        (NumberIn::RequestUri, "to", "bob"),
        (NumberIn::CalledPartyId, "to,p-called-party-id", "bob"),
    ] {
        let options = KamailioOptions { number_in, forwards_to: Some("+4930100001"), ..PROVIDER };
        let kamailio = Kamailio::start(options).await;
        let relay = relay_with_trunk(
            &kamailio,
            &[
                "sip.trunk.numbers.alice=+4930100001",
                "sip.trunk.numbers.bob=+4930100002",
                &format!("sip.trunk.called_number={called_number}"),
            ],
        );
        let mut alice = Browser::sign_in(&relay, "alice").await;
        let mut bob = Browser::sign_in(&relay, "bob").await;
        relay.has_registrations(1).await;
        let page = if callee == "alice" { &mut alice } else { &mut bob };
        rings(&caller(&kamailio).await, "+4930100002", page).await;
    }
}

#[tokio::test]
async fn called_number_is_one_number_in_every_notation() {
    let kamailio = Kamailio::start(PROVIDER).await;
    let relay = relay_with_trunk(
        &kamailio,
        &[
            "sip.trunk.numbers.alice=+4930100001",
            "sip.trunk.country_code=49",
            "sip.trunk.international_prefix=00",
            "sip.trunk.national_prefix=0",
        ],
    );
    let mut alice = Browser::sign_in(&relay, "alice").await;
    relay.has_registrations(1).await;
    let caller = caller(&kamailio).await;
    for number in ["+4930100001", "004930100001", "4930100001", "030100001", "+49-30-100.001", "+49(30)100001"] {
        rings(&caller, number, &mut alice).await;
    }
    assert_eq!(caller.call("+4930100002", MEDIA).await.err(), Some(404), "a number without a login");
}

#[tokio::test]
async fn calls_from_another_address_of_the_provider_need_sources() {
    let options = KamailioOptions { number_in: NumberIn::RequestUri, calls_from_other_address: true, ..PROVIDER };
    let kamailio = Kamailio::start(options).await;
    let other = kamailio.other_address().ip();
    for (sources, is_accepted) in [("", false), (other.to_string().as_str(), true)] {
        let sources = format!("sip.trunk.sources={sources}");
        let relay = relay_with_trunk(&kamailio, &["sip.trunk.numbers.alice=+4930100001", &sources]);
        let mut alice = Browser::sign_in(&relay, "alice").await;
        relay.has_registrations(1).await;
        let caller = caller(&kamailio).await;
        if is_accepted {
            rings(&caller, "+4930100001", &mut alice).await;
        } else {
            assert_eq!(caller.call("+4930100001", MEDIA).await.err(), Some(403));
        }
    }
}

#[tokio::test]
async fn refused_registration_is_retried_until_it_is_accepted() {
    let kamailio = Kamailio::start(KamailioOptions { refuses_at_first: true, ..PROVIDER }).await;
    // The first wait is 0.5 to 1 s long, the second one twice that.
    let relay = relay_with_trunk(&kamailio, &["sip.trunk.numbers.alice=+4930100001", "sip.trunk.retry_interval=1s"]);
    let mut alice = Browser::sign_in(&relay, "alice").await;
    relay.logs("status=403").await;
    assert_eq!(relay.health().await["registrations"], 0);
    relay.logs("status=404").await;
    relay.has_registrations(1).await;
    rings(&caller(&kamailio).await, "+4930100001", &mut alice).await;
}
