//! Saved relays: sealing, schema and errors.

use super::{RestoreError, SCHEMA, SavedRelay};
use crate::relay::Relay;
use crate::relay::tests::accounts::hello_sip;
use crate::relay::tests::{Bench, with_sip};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use offhook_clock::Time;
use offhook_media::seal::SealingKey;
use offhook_sdp::sip::InlineKey;
use offhook_sdp::webrtc::IceCredentials;
use offhook_secret::InClear;
use offhook_signaling::message::ServerMessage;
use offhook_sip::auth::Secret;
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

/// A secret as text, in hexadecimal digits, in base64, and as a JSON array of octets.
fn encodings(secret: &str) -> [String; 4] {
    let octets: Vec<String> = secret.bytes().map(|octet| octet.to_string()).collect();
    let hex = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
    [secret.to_owned(), hex, BASE64.encode(secret), octets.join(",")]
}

/// The values of all fields with this name.
fn fields(json: &serde_json::Value, name: &str) -> Vec<String> {
    let below = |value| fields(value, name);
    match json {
        serde_json::Value::Array(values) => values.iter().flat_map(below).collect(),
        serde_json::Value::Object(members) => {
            let own = members.get(name).and_then(|value| value.as_str()).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(below)).collect()
        }
        _ => Vec::new(),
    }
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
    // The offer of a call that is ringing is part of the state.
    let dave = bench.login("dave");
    bench.login("erin");
    bench.call(dave, "d1", "erin");
    let secrets = vec!["password-of-carol".to_owned(), token];
    (bench, secrets)
}

#[test]
fn saved_relay_contains_no_secret() {
    let (bench, mut secrets) = relay_in_call();
    let clear = serde_json::to_vec(&InClear(&bench.relay.state())).unwrap();
    let passwords = fields(&serde_json::from_slice(&clear).unwrap(), "pwd");
    assert!(!passwords.is_empty(), "the ICE password of the offer is part of the state");
    secrets.extend(passwords);
    let saved = serde_json::to_value(bench.relay.save(&key(1), &mut rng())).unwrap();
    let (text, sealed) = (saved.to_string(), octets(&saved));
    assert!(sealed.len() > clear.len());
    for secret in &secrets {
        assert!(contains(&clear, secret), "{secret} is part of the state");
        for encoding in encodings(secret) {
            assert!(!contains(&sealed, &encoding) && !contains(text.as_bytes(), &encoding), "{encoding}");
        }
    }
}

#[test]
fn state_and_secrets_are_not_serialized_in_clear() {
    let is_refused = |result: serde_json::Result<String>| {
        result.is_err_and(|error| error.to_string().contains("only inside state that is encrypted as a whole"))
    };
    let (bench, _) = relay_in_call();
    assert!(is_refused(serde_json::to_string(&bench.relay.state())));
    assert!(is_refused(serde_json::to_string(&Secret::new("tulip"))));
    assert!(is_refused(serde_json::to_string(&InlineKey(vec![1; 30]))));
    let ice = IceCredentials { ufrag: "ufrag".to_owned(), pwd: "password of ICE".to_owned() };
    assert!(is_refused(serde_json::to_string(&ice)));
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
