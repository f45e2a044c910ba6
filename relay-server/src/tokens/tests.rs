//! Attacks on tokens, and what valid ones grant.

use super::{TokenVerifier, URL_SAFE_NO_PAD};
use crate::config::{KeySource, TokenSettings};
use base64::Engine;
use core::time::Duration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use offhook_b2bua::config::{LoginName, Pattern};
use offhook_b2bua::token::{AllowedCallees, TokenAccount, TokenGrant, TokenRefusal, TokenUses};
use offhook_clock::Time;
use offhook_sip::auth::Secret;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_700_000_000;

fn now() -> Time {
    Time::EPOCH + Duration::from_secs(NOW)
}

fn settings(keys: KeySource) -> TokenSettings {
    TokenSettings {
        keys,
        issuer: "https://app.example".to_owned(),
        audience: "relay".to_owned(),
        ..TokenSettings::default()
    }
}

fn with_secret() -> TokenVerifier {
    TokenVerifier::new(&settings(KeySource::Secret(Secret::new(SECRET)))).unwrap().unwrap()
}

fn with_public_key(key: &KeyPair) -> TokenVerifier {
    let keys = KeySource::PublicKey { file: "key.pem".into(), pem: key.public_key_pem() };
    TokenVerifier::new(&settings(keys)).unwrap().unwrap()
}

/// Claims that are accepted, with changes; null removes a claim.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://app.example", "aud": "relay", "sub": "alice", "exp": NOW + 60, "iat": NOW,
    });
    for (name, value) in changes.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    claims
}

fn signed(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token with any header and payload, signed with the secret.
fn forged(header: &str, payload: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(header), part(payload));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

async fn refusal(verifier: &TokenVerifier, token: &str) -> String {
    match verifier.verify(token, None, now()).await {
        Err(TokenRefusal::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

async fn granted(claims: &Value) -> TokenGrant {
    *with_secret().verify(&signed(claims), Some("https://shop.example"), now()).await.unwrap()
}

#[tokio::test]
async fn claims_become_rights() {
    let plain = granted(&claims(&json!({}))).await;
    assert_eq!((plain.login, plain.account), (Some(LoginName("alice".into())), TokenAccount::OfLogin));
    assert_eq!((plain.rights.callees, plain.rights.uses), (AllowedCallees::Any, TokenUses::Unlimited));
    assert_eq!(plain.rights.expires_at, now() + Duration::from_secs(60 + 30), "with the leeway");
    let click = granted(&claims(&json!({
        "sub": null, "name": "Shop visitor", "jti": "j1", "aud": ["other", "relay"], "exp": f64::from(2_000_000_000) + 0.5,
        "offhook": { "callees": ["sales", "+4930*"], "calls": 2, "singleUse": true, "origins": ["https://shop.example"] },
    })))
    .await;
    let patterns = ["sales", "+4930*"].map(|text| Pattern::parse(text).unwrap()).to_vec();
    assert_eq!((click.login, click.rights.name.as_deref()), (None, Some("Shop visitor")));
    assert_eq!(click.rights.callees, AllowedCallees::Matching(patterns));
    assert_eq!(click.rights.uses, TokenUses::Counted { id: "j1".to_owned(), logins: Some(1), calls: Some(2) });
    let of_other = granted(&claims(&json!({ "offhook": { "account": "101" } }))).await;
    assert_eq!(of_other.account, TokenAccount::Configured(LoginName("101".into())));
    let account = json!({ "domain": "pbx.example", "password": "p", "authenticationName": "a1", "port": 5080 });
    let inline = granted(&claims(&json!({ "offhook": { "account": account } }))).await;
    let TokenAccount::Inline { options, password } = inline.account else { panic!("{:?}", inline.account) };
    assert_eq!((options.login.as_deref(), options.port.as_deref()), (Some("alice"), Some("5080")));
    assert_eq!((options.password, password.unwrap().reveal()), (None, "p"));
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let verifier = with_secret();
    for (changes, reason) in [
        (json!({ "exp": null }), "no expiration"),
        (json!({ "exp": NOW - 31, "aud": "other" }), "audience"),
        (json!({ "exp": "2999" }), "claims are not valid"),
        (json!({ "exp": -1 }), "`exp` is not a time"),
        (json!({ "exp": 1e300 }), "`exp` is not a time"),
        (json!({ "nbf": NOW + 31 }), "not valid yet"),
        (json!({ "iss": null }), "issuer"),
        (json!({ "iss": "https://app.example.evil.test" }), "issuer"),
        (json!({ "aud": null }), "audience"),
        (json!({ "aud": "other" }), "audience"),
        (json!({ "aud": ["other"] }), "audience"),
        (json!({ "sub": "" }), "`sub`: the login is empty"),
        (json!({ "sub": "alice@evil.test" }), "`sub`:"),
        (json!({ "sub": 5 }), "claims are not valid"),
        (json!({ "name": "a\r\nb" }), "`name`"),
        (json!({ "offhook": { "singleUse": true } }), "require a `jti`"),
        (json!({ "offhook": { "calls": 1 }, "jti": "" }), "require a `jti`"),
        (json!({ "offhook": { "calls": -1 }, "jti": "x" }), "claims are not valid"),
        (json!({ "offhook": { "callees": ["a b"] } }), "invalid pattern"),
        (json!({ "offhook": { "origins": ["https://shop.example"] } }), "not for pages of this origin"),
        // A misspelled restriction must not be ignored.
        (json!({ "offhook": { "calees": ["sales"] } }), "claims are not valid"),
        (json!({ "offhook": { "account": { "domain": "x", "host": "y" } } }), "claims are not valid"),
    ] {
        let found = refusal(&verifier, &signed(&claims(&changes))).await;
        assert!(found.contains(reason), "{changes}: {found}");
    }
    let twice = format!("{{\"exp\":1,\"exp\":{}}}", NOW + 60);
    assert!(refusal(&verifier, &forged(r#"{"alg":"HS256"}"#, &twice)).await.contains("claims are not valid"));
}

#[tokio::test]
async fn expired_token_has_its_own_refusal() {
    let verifier = with_secret();
    let expired = signed(&claims(&json!({ "exp": NOW - 31 })));
    assert_eq!(verifier.verify(&expired, None, now()).await, Err(TokenRefusal::Expired));
    let (signed, _) = expired.rsplit_once('.').unwrap();
    assert!(refusal(&verifier, &format!("{signed}.AAAA")).await.contains("signature is wrong"));
}

#[tokio::test]
async fn leeway_applies_to_both_ends() {
    for changes in [json!({ "exp": NOW - 29 }), json!({ "nbf": NOW + 29 })] {
        granted(&claims(&changes)).await;
    }
}

#[tokio::test]
async fn origin_of_another_page_is_refused() {
    let token = signed(&claims(&json!({ "offhook": { "origins": ["https://shop.example"] } })));
    let verifier = with_secret();
    for origin in [None, Some("https://shop.example.evil.test"), Some("http://shop.example"), Some("null")] {
        assert!(verifier.verify(&token, origin, now()).await.is_err(), "{origin:?}");
    }
    assert!(verifier.verify(&token, Some("https://SHOP.example"), now()).await.is_ok());
}

#[tokio::test]
async fn manipulated_headers_and_signatures_are_refused() {
    let verifier = with_secret();
    let payload = claims(&json!({})).to_string();
    let good = signed(&claims(&json!({})));
    let unsigned = |header: &str| {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(header), part(&payload))
    };
    let (head, signature) = good.rsplit_once('.').unwrap();
    for (token, reason) in [
        (unsigned(r#"{"alg":"none"}"#), "algorithm is not that of the key"),
        (unsigned(r#"{"alg":"NONE"}"#), "algorithm is not that of the key"),
        (unsigned(r#"{"alg":"HS256"}"#), "signature is wrong"),
        (unsigned(r#"{}"#), "header is not valid"),
        (unsigned("alg"), "header is not valid"),
        (forged(r#"{"alg":"HS512"}"#, &payload), "algorithm is not that of the key"),
        (forged(r#"{"alg":"ES256"}"#, &payload), "algorithm is not that of the key"),
        (forged(r#"{"alg":"HS256","crit":["exp"]}"#, &payload), "crit"),
        (forged(r#"{"alg":"HS256","alg":"HS256"}"#, &payload), "header is not valid"),
        (forged(r#"{"alg":"HS256"}"#, "[]"), "claims are not valid"),
        (format!("{head}."), "signature is wrong"),
        (format!("{head}.{}", signature.to_ascii_uppercase()), "signature is wrong"),
        (format!("{head}.{signature}="), "signature is wrong"),
        (head.to_owned(), "three parts"),
        (format!("{good}.x"), "three parts"),
        ("..".to_owned(), "header is not valid"),
    ] {
        let found = refusal(&verifier, &token).await;
        assert!(found.contains(reason), "{token}: {found}");
    }
    let other = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims(&json!({})),
        &EncodingKey::from_secret(b"another secret of the same length"),
    );
    assert!(refusal(&verifier, &other.unwrap()).await.contains("signature is wrong"));
    // The header cannot name a file or a key.
    for kid in ["../../../dev/null", "' OR 1=1 --", "http://evil.test/key"] {
        let header =
            json!({ "alg": "HS256", "kid": kid, "jku": "http://evil.test", "jwk": { "kty": "oct", "k": "AA" } });
        let empty_key = EncodingKey::from_secret(b"");
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(&payload));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &empty_key, Algorithm::HS256).unwrap();
        assert!(refusal(&verifier, &format!("{message}.{signature}")).await.contains("signature is wrong"), "{kid}");
    }
}

#[tokio::test]
async fn each_public_key_has_one_algorithm() {
    let keys = [
        (Algorithm::RS256, KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()),
        (Algorithm::ES256, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()),
        (Algorithm::EdDSA, KeyPair::generate_for(&PKCS_ED25519).unwrap()),
    ];
    let signing = |algorithm: Algorithm, key: &KeyPair| {
        let pem = key.serialize_pem();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        jsonwebtoken::encode(&Header::new(algorithm), &claims(&json!({})), &key.unwrap()).unwrap()
    };
    for (algorithm, key) in &keys {
        let verifier = with_public_key(key);
        for (other, other_key) in &keys {
            let token = signing(*other, other_key);
            let result = verifier.verify(&token, None, now()).await;
            assert_eq!(result.is_ok(), algorithm == other, "{other:?} with {algorithm:?}: {result:?}");
        }
        // Key confusion: the public key, which anyone has, as the secret of HS256.
        for secret in [key.public_key_pem().into_bytes(), key.public_key_raw().to_vec()] {
            let token = jsonwebtoken::encode(
                &Header::new(Algorithm::HS256),
                &claims(&json!({})),
                &EncodingKey::from_secret(&secret),
            );
            let found = refusal(&verifier, &token.unwrap()).await;
            assert!(found.contains("algorithm is not that of the key"), "{algorithm:?}: {found}");
        }
    }
}

#[test]
fn files_without_public_key_are_refused() {
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for (pem, reason) in [
        (p384.public_key_pem(), "not P-256"),
        (p384.serialize_pem(), "private key"),
        ("hello".to_owned(), "no public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned(), "cannot be used"),
    ] {
        let problem = super::public_key(&pem).unwrap_err();
        assert!(problem.contains(reason), "{problem}");
    }
}
