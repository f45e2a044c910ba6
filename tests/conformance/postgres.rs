//! Call detail records in PostgreSQL.

use crate::EstablishedCall;
use crate::metrics::{samples, samples_when, value};
use crate::records::call_unknown_user;
use offhook_tests::browser::Browser;
use offhook_tests::postgres::Postgres;
use offhook_tests::relay::Relay;
use offhook_tests::rest::RestClient;
use serde_json::Value;

const WRITTEN: &str = "offhook_records_written_total{store=\"postgres\"}";
const FAILURES: &str = "offhook_record_write_failures_total{store=\"postgres\"}";

fn relay_with(url: &str) -> Relay {
    Relay::start_with(&[&format!("records.database={url}")])
}

async fn has_written(relay: &Relay, records: f64) {
    samples_when(relay, |samples| value(samples, WRITTEN) == records).await;
}

/// Fails if a record is in the database twice; returns the number of records.
fn distinct(postgres: &Postgres) -> usize {
    let rows = postgres.query("SELECT count(*), count(DISTINCT uid), count(DISTINCT dialed) FROM calls");
    let counts: Vec<usize> = rows.concat().split('|').map(|count| count.parse().expect("a number")).collect();
    let all = counts.first().copied().unwrap_or_default();
    assert!(counts.iter().all(|count| *count == all), "{counts:?}");
    all
}

#[tokio::test]
async fn records_in_postgres_are_listed_by_the_api() {
    let postgres = Postgres::start().await;
    let relay = relay_with(&postgres.url());
    let api = RestClient::of(&relay).await;
    let EstablishedCall { mut alice, bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    bob.hang_up(&at_bob.id);
    alice.over(&at_alice.id).await;
    // The record of an established call waits for the reports of its media.
    has_written(&relay, 1.0).await;
    // PostgreSQL stores no U+0000.
    call_unknown_user(&mut alice, "no\0body").await;
    has_written(&relay, 2.0).await;
    let columns = "caller, dialed, callee, end_reason, answered_at > placed_at, legs->0->>'callId'";
    let rows = postgres.query(&format!("SELECT {columns} FROM calls ORDER BY id"));
    assert_eq!(rows[0], format!("alice|bob|bob|hungUp|t|{}", at_alice.id));
    let all = api.get("/api/v1/records").await.body;
    let dialed = |page: &Value, index: usize| page.pointer(&format!("/items/{index}/to")).cloned();
    assert_eq!((dialed(&all, 0), dialed(&all, 1)), (Some("no\u{fffd}body".into()), Some("bob".into())), "{all}");
    assert_eq!(all.pointer("/items/1/legs/1/callId").and_then(Value::as_str), Some(at_bob.id.as_str()), "{all}");
    let placed = all.pointer("/items/0/placedAt").and_then(Value::as_str).expect("a time");
    for (query, expected) in [
        ("user=bob&endReason=hungUp".to_owned(), Some("bob")),
        (format!("until={placed}&limit=1"), Some("bob")),
        ("endReason=busy".to_owned(), None),
    ] {
        let page = api.get(&format!("/api/v1/records?{query}")).await.body;
        assert_eq!(dialed(&page, 0), expected.map(Value::from), "{query}: {page}");
    }
    let first = api.get("/api/v1/records?limit=1").await.body;
    let next = first.get("next").and_then(Value::as_str).expect("a second page");
    let second = api.get(&format!("/api/v1/records?limit=1&after={next}")).await.body;
    assert_eq!((dialed(&second, 0), second.get("next")), (Some("bob".into()), Some(&Value::Null)), "{second}");
    drop(at_bob);
}

#[tokio::test]
async fn record_is_stored_once_after_lost_acknowledgment() {
    let postgres = Postgres::start().await;
    let relay = relay_with(&postgres.losing_acknowledgment().await);
    let mut alice = Browser::sign_in(&relay, "alice").await;
    call_unknown_user(&mut alice, "nobody").await;
    has_written(&relay, 1.0).await;
    assert!(value(&samples(&relay).await, FAILURES) >= 1.0, "{}", relay.log());
    assert_eq!(distinct(&postgres), 1);
}

#[tokio::test]
async fn records_survive_restart_of_postgres_and_kill_of_relay() {
    let mut postgres = Postgres::start().await;
    let relay = relay_with(&postgres.url());
    let mut alice = Browser::sign_in(&relay, "alice").await;
    for number in 0..3 {
        call_unknown_user(&mut alice, &format!("before{number}")).await;
    }
    has_written(&relay, 3.0).await;
    postgres.stop().await;
    for number in 0..5 {
        call_unknown_user(&mut alice, &format!("meanwhile{number}")).await;
    }
    samples_when(&relay, |samples| value(samples, FAILURES) > 0.0).await;
    postgres.restart().await;
    has_written(&relay, 8.0).await;
    assert_eq!(distinct(&postgres), 8);
    // The relay is killed while it writes.
    for number in 0..20 {
        call_unknown_user(&mut alice, &format!("after{number}")).await;
    }
    let reported = value(&samples(&relay).await, WRITTEN);
    relay.signal("KILL");
    drop(relay);
    let stored = distinct(&postgres);
    assert!(stored as f64 >= reported, "{stored} of {reported}");
    let relay = relay_with(&postgres.url());
    let mut alice = Browser::sign_in(&relay, "alice").await;
    call_unknown_user(&mut alice, "last").await;
    has_written(&relay, 1.0).await;
    assert!(distinct(&postgres) > stored);
}
