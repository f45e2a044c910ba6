//! Tests of call detail records: one for each call, written again after a failure, and kept after SIGKILL.

use crate::EstablishedCall;
use crate::api::is_problem;
use crate::metrics::{samples, samples_when, value};
use offhook_tests::browser::Browser;
use offhook_tests::child::Folder;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;
use offhook_tests::rest::RestClient;
use offhook_tests::wait::until;
use serde_json::Value;
use std::path::Path;

const SQLITE: &str = "store=\"sqlite\"";
const JSON_LINES: &str = "store=\"json_lines\"";

/// A relay whose records are in `folder`.
fn relay_in(folder: &Folder) -> Relay {
    let sqlite = format!("records.sqlite={}", folder.path().join("records.sqlite").display());
    let json_lines = format!("records.json_lines={}", folder.path().join("records.jsonl").display());
    Relay::start_with(&[&sqlite, &json_lines])
}

/// The complete lines of a file.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// The dialed callees in the database.
fn dialed(folder: &Folder) -> Vec<String> {
    let database = rusqlite::Connection::open(folder.path().join("records.sqlite")).expect("a database");
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a result");
    assert_eq!(check, "ok");
    let mut select = database.prepare("SELECT dialed FROM calls ORDER BY id").expect("the table");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

fn count(name: &str, store: &str) -> String {
    format!("{name}{{{store}}}")
}

/// Waits until both stores have written `count` records.
async fn have_written(relay: &Relay, records: f64) {
    let written = |store| count("offhook_records_written_total", store);
    samples_when(relay, |samples| [SQLITE, JSON_LINES].iter().all(|store| value(samples, &written(store)) == records))
        .await;
}

/// Places a call to a user that does not exist, which ends at once.
pub(crate) async fn call_unknown_user(browser: &mut Browser, callee: &str) {
    let call = browser.call(callee, Sound::Tone(0.0)).await;
    browser.over(&call.id).await;
}

#[tokio::test]
async fn answered_call_is_recorded_in_both_stores() {
    let folder = Folder::new("records");
    let relay = relay_in(&folder);
    let call = EstablishedCall::begin(&relay).await;
    call.both_receive_tones().await;
    let EstablishedCall { mut alice, bob, at_alice, at_bob } = call;
    bob.hang_up(&at_bob.id);
    alice.over(&at_alice.id).await;
    have_written(&relay, 1.0).await;
    let record = lines(&folder.path().join("records.jsonl")).pop().expect("a record");
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(
        ["from", "to", "scheme", "callerKind", "endReason"].map(text),
        ["alice", "bob", "local", "browser", "hungUp"]
    );
    let callee = record.pointer("/callee/address").and_then(Value::as_str);
    assert_eq!((callee, record.pointer("/routes/0/address").and_then(Value::as_str)), (Some("bob"), Some("bob")));
    assert_eq!(record.get("sipStatus").and_then(Value::as_u64), Some(200));
    let [placed, alerted, answered, ended] = ["placedAt", "alertedAt", "answeredAt", "endedAt"].map(text);
    assert!(!placed.is_empty() && placed <= alerted && alerted <= answered && answered <= ended, "{record}");
    for leg in [0, 1] {
        let packets = record.pointer(&format!("/legs/{leg}/streams/0/received/packets")).and_then(Value::as_u64);
        assert!(packets.is_some_and(|packets| packets > 0), "{record}");
        let mos = record.pointer(&format!("/legs/{leg}/streams/0/received/mos")).and_then(Value::as_f64);
        assert!(mos.is_some_and(|mos| (1.0..=4.5).contains(&mos)), "{record}");
    }
    assert_eq!(dialed(&folder), ["bob"]);
    drop(at_bob);
}

#[tokio::test]
async fn records_are_listed_by_the_api() {
    let folder = Folder::new("listed");
    let relay = relay_in(&folder);
    let api = RestClient::of(&relay).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    for callee in ["one", "two", "three"] {
        call_unknown_user(&mut alice, callee).await;
    }
    have_written(&relay, 3.0).await;
    let list = async |query: &str| api.get(&format!("/api/v1/records?{query}")).await.body;
    let callees = |page: &Value| -> Vec<Value> {
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().filter_map(|item| item.get("to").cloned()).collect()
    };
    let first = list("limit=2&user=alice&endReason=notFound").await;
    assert_eq!(callees(&first), ["three", "two"], "{first}");
    assert_eq!(first.get("total"), Some(&Value::from(3)));
    let next = first.get("next").and_then(Value::as_str).expect("a second page");
    let second = list(&format!("limit=2&after={next}")).await;
    assert_eq!((callees(&second), second.get("next")), (vec![Value::from("one")], Some(&Value::Null)), "{second}");
    for none in ["endReason=hungUp", "user=bob", "until=2020-01-01T00:00:00Z"] {
        assert_eq!(list(none).await.get("total"), Some(&Value::from(0)), "{none}");
    }
    let placed = first.pointer("/items/0/placedAt").and_then(Value::as_str).expect("a time");
    assert_eq!(callees(&list(&format!("from={placed}")).await), ["three"]);
    is_problem(&api.get("/api/v1/records?from=yesterday").await, 400, "invalidField");
    is_problem(&RestClient::anonymous(&relay).await.get("/api/v1/records").await, 401, "unauthorized");
    let without = Relay::start();
    is_problem(&RestClient::of(&without).await.get("/api/v1/records").await, 404, "noDatabase");
}

#[tokio::test]
async fn written_records_survive_sigkill_and_restart() {
    let folder = Folder::new("killed");
    let relay = relay_in(&folder);
    let mut alice = Browser::sign_in(&relay, "alice").await;
    for number in 0..20 {
        call_unknown_user(&mut alice, &format!("first{number}")).await;
    }
    have_written(&relay, 20.0).await;
    // The relay is killed while it writes.
    let mut calls = Vec::new();
    for number in 0..40 {
        calls.push(alice.call(&format!("second{number}"), Sound::Tone(0.0)).await);
    }
    let samples = samples(&relay).await;
    let reported = [SQLITE, JSON_LINES].map(|store| value(&samples, &count("offhook_records_written_total", store)));
    relay.signal("KILL");
    drop(relay);
    let in_database = dialed(&folder).len();
    let found = [in_database, lines(&folder.path().join("records.jsonl")).len()];
    assert!(found.iter().zip(reported).all(|(found, reported)| *found as f64 >= reported), "{found:?} of {reported:?}");

    let relay = relay_in(&folder);
    let mut alice = Browser::sign_in(&relay, "alice").await;
    call_unknown_user(&mut alice, "third").await;
    have_written(&relay, 1.0).await;
    let callees = dialed(&folder);
    assert_eq!((callees.len(), callees.first().map(String::as_str)), (in_database + 1, Some("first0")));
    assert_eq!(callees.last().map(String::as_str), Some("third"));
    let last = lines(&folder.path().join("records.jsonl")).pop().expect("a record");
    assert_eq!(last.get("to").and_then(Value::as_str), Some("third"));
}

#[tokio::test]
async fn calls_work_and_records_are_repeated_without_usable_path() {
    let folder = Folder::new("unwritable");
    let blocker = folder.write("blocker", "a file where a directory is expected");
    let sqlite = format!("records.sqlite={blocker}/records.sqlite");
    let relay = Relay::start_with(&[&sqlite, "records.json_lines=/dev/full"]);
    let EstablishedCall { mut alice, bob, at_alice, at_bob } = EstablishedCall::begin(&relay).await;
    bob.hang_up(&at_bob.id);
    alice.over(&at_alice.id).await;
    let failures = [SQLITE, JSON_LINES].map(|store| count("offhook_record_write_failures_total", store));
    samples_when(&relay, |samples| failures.iter().all(|name| value(samples, name) > 0.0)).await;
    let queued = [SQLITE, JSON_LINES].map(|store| count("offhook_records_queue_length", store));
    let samples = samples(&relay).await;
    assert_eq!(queued.map(|name| value(&samples, &name)), [1.0, 1.0]);
    std::fs::remove_file(&blocker).expect("the file");
    let written = count("offhook_records_written_total", SQLITE);
    samples_when(&relay, |samples| value(samples, &written) == 1.0).await;
    drop(at_bob);
}

#[tokio::test]
async fn renamed_file_is_opened_again_on_sighup() {
    let folder = Folder::new("rotated");
    let relay = relay_in(&folder);
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let file = folder.path().join("records.jsonl");
    call_unknown_user(&mut alice, "before").await;
    have_written(&relay, 1.0).await;
    std::fs::rename(&file, folder.path().join("records.jsonl.1")).expect("renamed");
    relay.signal("HUP");
    relay.logs("certificates reloaded").await;
    call_unknown_user(&mut alice, "after").await;
    have_written(&relay, 2.0).await;
    let callees: Vec<_> = lines(&file).iter().filter_map(|record| record.get("to").cloned()).collect();
    assert_eq!(callees, ["after"]);
}

#[tokio::test]
async fn calls_ended_by_shutdown_are_recorded() {
    let folder = Folder::new("shutdown");
    let relay = relay_in(&folder);
    let call = EstablishedCall::begin(&relay).await;
    relay.signal("TERM");
    let file = folder.path().join("records.jsonl");
    assert!(until(|| !lines(&file).is_empty()).await, "{}", relay.log());
    let record = lines(&file).pop().expect("a record");
    assert_eq!(record.get("endReason").and_then(Value::as_str), Some("shuttingDown"));
    assert!(until(|| dialed(&folder) == ["bob"]).await);
    drop(call);
}
