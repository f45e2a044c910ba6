//! Saved relays: sealing, schema and errors.

use super::{RestoreError, SCHEMA, SavedRelay};
use crate::relay::Relay;
use crate::relay::tests::accounts::hello_sip;
use crate::relay::tests::{Bench, with_sip};
use offhook_clock::Time;
use offhook_media::seal::SealingKey;
use offhook_signaling::message::ServerMessage;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn key(octet: u8) -> SealingKey {
    SealingKey::new([octet; 32])
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([9; 32])
}

/// The octets of a JSON array of numbers, wherever they are.
fn octets(json: &serde_json::Value) -> Vec<u8> {
    match json {
        serde_json::Value::Array(values) => values.iter().flat_map(octets).collect(),
        serde_json::Value::Object(fields) => fields.values().flat_map(octets).collect(),
        serde_json::Value::Number(number) => number.as_u64().and_then(|n| u8::try_from(n).ok()).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

/// A relay in a call, with a page's account at a SIP server, and secrets in its state.
fn relay_in_call() -> (Bench, Vec<String>) {
    let mut bench = Bench::with(Relay::new(with_sip(), [1; 32], Time::EPOCH));
    let carol = bench.connect(hello_sip("carol", "password-of-carol"));
    let messages = bench.take(carol);
    let [ServerMessage::UserData(data), ..] = &messages[..] else { panic!("{messages:?}") };
    let token = data.connection.auth_token.clone().expect("a token");
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let secrets = vec!["password-of-carol".to_owned(), token];
    (bench, secrets)
}

#[test]
fn saved_relay_contains_no_secret() {
    let (bench, secrets) = relay_in_call();
    let clear = serde_json::to_vec(&bench.relay.state()).unwrap();
    let saved = serde_json::to_value(bench.relay.save(&key(1), &mut rng())).unwrap();
    let (text, sealed) = (saved.to_string(), octets(&saved));
    assert!(sealed.len() > clear.len());
    for secret in &secrets {
        assert!(contains(&clear, secret), "{secret} is part of the state");
        assert!(!contains(&sealed, secret) && !contains(text.as_bytes(), secret), "{secret}");
    }
}

#[test]
fn restored_relay_equals_saved_one() {
    let (bench, _) = relay_in_call();
    let saved = serde_json::to_string(&bench.relay.save(&key(1), &mut rng())).unwrap();
    let saved: SavedRelay = serde_json::from_str(&saved).unwrap();
    let restored = Relay::restore(bench.relay.config.clone(), &saved, &key(1), bench.now).unwrap();
    assert_eq!(restored, bench.relay);
}

#[test]
fn relay_is_not_restored_from_foreign_or_damaged_state() {
    let (bench, _) = relay_in_call();
    let saved = bench.relay.save(&key(1), &mut rng());
    let restore = |saved: &SavedRelay, key: u8| {
        Relay::restore(bench.relay.config.clone(), saved, &self::key(key), bench.now).map(|_| ())
    };
    assert_eq!(restore(&saved, 1), Ok(()));
    assert_eq!(restore(&saved, 2), Err(RestoreError::WrongKey));
    let found = SCHEMA + 1;
    assert_eq!(restore(&SavedRelay { schema: found, ..saved.clone() }, 1), Err(RestoreError::OtherSchema { found }));
    let mut json = serde_json::to_value(&saved).unwrap();
    let octet = &mut json["state"]["text"][100];
    *octet = (octet.as_u64().unwrap() ^ 1).into();
    assert_eq!(restore(&serde_json::from_value(json).unwrap(), 1), Err(RestoreError::Damaged));
    let exchanged = SavedRelay { state: saved.check.clone(), ..saved };
    assert_eq!(restore(&exchanged, 1), Err(RestoreError::Damaged), "a part under another name");
}
