//! The lists of client sessions, accounts and registrations in the REST API.

use crate::api::is_problem;
use crate::sip::page;
use crate::sip_phones::PHONES;
use crate::{LOW, ring};
use offhook_tests::baresip::{Baresip, Setup};
use offhook_tests::browser::Browser;
use offhook_tests::kamailio::{Kamailio, KamailioOptions};
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::rest::RestClient;
use serde_json::{Value, json};

/// Returns a member of the only item of a list.
async fn only(api: &RestClient, path: &str) -> Value {
    let list = api.get(path).await;
    assert_eq!((list.status, list.body.get("total")), (200, Some(&Value::from(1))), "{path}: {list:?}");
    list.body.pointer("/items/0").cloned().expect("an item")
}

fn member<'a>(item: &'a Value, name: &str) -> &'a Value {
    item.get(name).expect("the member")
}

#[tokio::test]
async fn sessions_are_listed_with_their_calls() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    let session = only(&api, "/api/v1/sessions?login=alice").await;
    assert_eq!(member(&session, "login"), "alice");
    assert_eq!((member(&session, "address"), member(&session, "calls")), (&json!("127.0.0.1"), &json!(1)));
    assert_eq!((member(&session, "isConnected"), member(&session, "accountId")), (&json!(true), &Value::Null));
    let first = api.get("/api/v1/sessions?limit=1").await.body;
    let next = first.get("next").and_then(Value::as_str).expect("a second page");
    let second = api.get(&format!("/api/v1/sessions?limit=1&after={next}")).await.body;
    assert_eq!((second.get("total"), second.get("next")), (Some(&json!(2)), Some(&Value::Null)), "{second}");
    assert_eq!(second.pointer("/items/0/login"), Some(&json!("bob")), "{second}");
    is_problem(&api.get("/api/v1/sessions?user=alice").await, 400, "invalidField");
}

#[tokio::test]
async fn account_of_a_session_is_listed_with_its_state() {
    let server = Kamailio::start(KamailioOptions::default()).await;
    let relay = Relay::start_with_sip(&[]);
    let api = RestClient::of(&relay).await;
    let _alice = page(&relay, "1001", server.address()).await;
    relay.has_registrations(1).await;
    let account = only(&api, "/api/v1/accounts").await;
    assert_eq!((member(&account, "state"), member(&account, "lastError")), (&json!("registered"), &Value::Null));
    assert_eq!((member(&account, "isConfigured"), member(&account, "sessions")), (&json!(false), &json!(1)));
    let session = only(&api, "/api/v1/sessions").await;
    assert_eq!(member(&session, "accountId"), member(&account, "id"));
}

#[tokio::test]
async fn failed_registration_of_a_trunk_has_its_reason() {
    let relay = Relay::start_with_sip(&["sip.trunk.uri=sip:100@127.0.0.1:1", "sip.trunk.password=x"]);
    let api = RestClient::of(&relay).await;
    relay.logs("registration of an account failed").await;
    let account = only(&api, "/api/v1/accounts").await;
    assert_eq!((member(&account, "isTrunk"), member(&account, "state")), (&json!(true), &json!("pending")));
    assert!(member(&account, "lastError").as_str().is_some_and(|error| error.contains("SIP server")), "{account}");
}

#[tokio::test]
async fn registered_phone_is_listed() {
    let relay = Relay::start_with_sip(&PHONES);
    let api = RestClient::of(&relay).await;
    let server = relay.sip("udp").await;
    let _desk = Baresip::start(&Setup { password: "secret".to_owned(), ..Setup::of("101", server, 1000) }).await;
    let phone = only(&api, "/api/v1/registrations?user=101").await;
    assert_eq!((member(&phone, "user"), member(&phone, "address")), (&json!("101"), &json!("127.0.0.1")));
    assert!(member(&phone, "contact").as_str().is_some_and(|contact| contact.starts_with("sip:101")), "{phone}");
    assert!(member(&phone, "expiresAt").as_str().is_some_and(|time| time.ends_with('Z')), "{phone}");
}
