//! Tests of digest authentication: published examples, and client against server.

use super::*;
use offhook_clock::Time;
use offhook_secret::InClear;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const NOW: Time = Time::from_micros(1_700_000_000_000_000);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

fn later(seconds: u64) -> Time {
    NOW + Duration::from_secs(seconds)
}

/// Returns the digest for a challenge with a given cnonce.
fn response(challenge: &str, login: &Login, covered: &CoveredParts<'_>, cnonce: &str) -> String {
    let challenge: Challenge = challenge.parse().unwrap();
    Credentials::answer(&challenge, login, covered, cnonce, 1).response
}

const BODY: &str = "v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\nc=IN IP4 media.biloxi.com\r\nt=0 0\r\n\
    m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n\
    m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n";

#[test]
fn rfc_2617_example_yields_its_digest() {
    let challenge = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let covered = CoveredParts { method: "GET", uri: "/dir/index.html", body: b"" };
    let login = Login::new("Mufasa", "Circle Of Life");
    assert_eq!(response(challenge, &login, &covered, "0a4f113b"), "6629fae49393a05397450978507c4ef1");
}

#[test]
fn rfc_7616_examples_yield_their_digests() {
    let covered = CoveredParts { method: "GET", uri: "/dir/index.html", body: b"" };
    let login = Login::new("Mufasa", "Circle of Life");
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let challenge = |algorithm: &str| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    assert_eq!(response(&challenge("MD5"), &login, &covered, cnonce), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        response(&challenge("SHA-256"), &login, &covered, cnonce),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
    // As corrected by RFC erratum 4897.
    let challenge = "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
        nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", \
        charset=UTF-8, userhash=true";
    let covered = CoveredParts { method: "GET", uri: "/doe.json", body: b"" };
    assert_eq!(
        response(
            challenge,
            &Login::new("Jäsøn Doe", "Secret, or not?"),
            &covered,
            "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
        ),
        "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    );
}

#[test]
fn draft_smith_sipping_auth_examples_yield_their_digests() {
    let login = Login::new("bob", "zanzibar");
    let covered = CoveredParts { method: "INVITE", uri: "sip:bob@biloxi.com", body: BODY.as_bytes() };
    assert_eq!(Hash::Md5.of(BODY.as_bytes()), "c1ed018b8ec4a3b170c0921f5b564e48");
    let examples = [
        ("", "bf57e4e0d0bffc0fbaedce64d59add5e"),
        (", qop=\"auth,auth-int\"", "89eb0059246c02b2f6ee02c7961d5ea3"),
        (", qop=\"auth,auth-int\", algorithm=MD5", "89eb0059246c02b2f6ee02c7961d5ea3"),
        (", qop=\"auth,auth-int\", algorithm=MD5-sess", "e4e4ea61d186d07a92c9e1f6919902e9"),
        (", qop=\"auth-int\", algorithm=MD5", "bdbeebb2da6adb6bca02599c2239e192"),
        (", qop=\"auth-int\", algorithm=MD5-sess", "91984da2d8663716e91554859c22ca70"),
    ];
    for (more, right) in examples {
        let challenge = format!(
            "Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"{more}"
        );
        assert_eq!(response(&challenge, &login, &covered, "0a4f113b"), right, "{more}");
    }
}

#[test]
fn stored_ha1_verifies_credentials_of_the_password() {
    let challenge: Challenge = "Digest realm=\"atlanta.example.com\", nonce=\"n\", qop=\"auth\"".parse().unwrap();
    let covered = CoveredParts { method: "REGISTER", uri: "sip:atlanta.example.com", body: b"" };
    let made = Credentials::answer(&challenge, &Login::new("bob", "zanzibar"), &covered, "c", 1);
    let digits = Hash::Md5.of(b"bob:atlanta.example.com:zanzibar").to_ascii_uppercase();
    let stored = |hash| Verifier::Ha1 { hash, digits: Secret::new(digits.clone()) };
    assert!(made.is_made_with(&stored(Hash::Md5), &covered));
    assert!(!made.is_made_with(&stored(Hash::Sha256), &covered), "an HA1 of another hash function does not verify");
}

#[test]
fn challenge_with_common_deviations_is_parsed() {
    let challenge: Challenge =
        " digest REALM = \"a \\\"b\\\" c\" ,nonce=abc, stale=TRUE,algorithm=\"md5\",, qop=auth , domain=\"sip:x\",opaque=\"\""
            .parse()
            .unwrap();
    assert_eq!((challenge.realm.as_str(), challenge.nonce.as_str()), ("a \"b\" c", "abc"));
    assert!(challenge.stale && challenge.algorithm == Algorithm::Md5 && challenge.qop == [Qop::Auth]);
    assert_eq!(challenge.opaque.as_deref(), Some(""));
    let unknown_beside_known: Challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf,auth\"".parse().unwrap();
    assert_eq!(unknown_beside_known.qop, [Qop::Auth]);
}

#[test]
fn unsupported_challenge_is_distinguished_from_malformed() {
    for text in [
        "Basic realm=\"r\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-3",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
    ] {
        assert!(matches!(text.parse::<Challenge>(), Err(AuthError::Unsupported(_))), "{text}");
    }
    for text in [
        "Digest",
        "Digest realm=\"r\"",
        "Digest nonce=\"n\"",
        "Digest realm=\"r, nonce=\"n\"",
        "Digest realm=\"r\" nonce=\"n\"",
        "Digest realm=\"r\", nonce",
        "Digest realm=\"r\", realm=\"s\", nonce=\"n\"",
        "Digest realm=\"r\r\nVia: x\", nonce=\"n\"",
        "Digest realm=\"r",
    ] {
        assert!(matches!(text.parse::<Challenge>(), Err(AuthError::Malformed(_))), "{text}");
    }
}

#[test]
fn incomplete_credentials_are_rejected() {
    let whole = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"d\", cnonce=\"c\", qop=auth, nc=00000001";
    assert!(whole.parse::<Credentials>().is_ok());
    for parameter in
        ["username=\"u\", ", "realm=\"r\", ", "nonce=\"n\", ", "uri=\"sip:x\", ", "response=\"d\", ", "cnonce=\"c\", "]
    {
        assert!(whole.replace(parameter, "").parse::<Credentials>().is_err(), "{parameter}");
    }
    for count in ["", ", nc=1", ", nc=0000000g", ", nc=+0000001", ", nc=000000001"] {
        assert!(whole.replace(", nc=00000001", count).parse::<Credentials>().is_err(), "{count}");
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let login = Login::new("bob", "zanzibar");
    let mut client = AuthClient::new(login.clone());
    client
        .store_challenges([(Challenger::Proxy, "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")].into_iter(), &[])
        .unwrap();
    let covered = CoveredParts { method: "REGISTER", uri: "sip:r", body: b"" };
    let made = client.credentials(&covered, &mut rng());
    let settings = ServerSettings::new("r");
    let printed = format!("{client:?} {made:?} {:?} {:?}", login.verifier(), AuthServer::new(settings, &mut rng()));
    assert!(!printed.contains("zanzibar") && !printed.contains(&made[0].1.response), "{printed}");
    assert!(printed.contains("Key") && printed.contains("Secret"), "{printed}");
}

/// A server, a client and the credentials they exchange.
struct Pair {
    client: AuthClient,
    server: AuthServer,
    rng: ChaCha20Rng,
    sent: Vec<(Challenger, Credentials)>,
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

const COVERED: CoveredParts<'_> = CoveredParts { method: "INVITE", uri: "sip:bob@example.org", body: b"v=0" };

impl Pair {
    fn new(settings: ServerSettings) -> Self {
        let mut rng = rng();
        let server = AuthServer::new(settings, &mut rng);
        Self { client: AuthClient::new(Login::new("bob", "zanzibar")), server, rng, sent: Vec::new() }
    }

    fn judge(&mut self, values: &[String], covered: &CoveredParts<'_>, now: Time) -> Result<(), Rejection> {
        let find = |name: &str| (name == "bob").then(|| Login::new("bob", "zanzibar").verifier());
        self.server.verify(self.server.read(values.iter().map(String::as_str)), covered, find, now).map(|_| ())
    }

    fn send(&mut self, now: Time) -> Result<(), Rejection> {
        self.sent = self.client.credentials(&COVERED, &mut self.rng);
        let values: Vec<String> = self.sent.iter().map(|(_, credentials)| credentials.to_string()).collect();
        self.judge(&values, &COVERED, now)
    }

    fn challenge(&mut self, rejection: &Rejection, now: Time) -> Result<(), AuthRefusal> {
        let texts: Vec<String> = self.server.challenges(rejection, HERE, now).iter().map(ToString::to_string).collect();
        let challenges = texts.iter().map(|text| (Challenger::UserAgent, text.as_str()));
        self.client.store_challenges(challenges, &self.sent.clone())
    }

    /// Sends requests until one is accepted or rejected. Returns the number of requests.
    fn exchange(&mut self, now: Time) -> Result<usize, AuthRefusal> {
        for requests in 1..10 {
            match self.send(now) {
                Ok(()) => return Ok(requests),
                Err(rejection) => self.challenge(&rejection, now)?,
            }
        }
        panic!("the exchange does not end")
    }
}

#[test]
fn first_request_is_challenged_later_requests_are_not() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    assert_eq!(pair.exchange(NOW), Ok(2));
    for seconds in 1..20 {
        assert_eq!(pair.exchange(later(seconds)), Ok(1));
    }
    assert_eq!(pair.sent[0].1.count(), 20);
    assert_eq!(pair.sent[0].1.algorithm, Algorithm::Sha256, "the strongest offered algorithm");
}

#[test]
fn expired_nonce_is_stale_and_replaced() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    assert_eq!(pair.exchange(NOW), Ok(2));
    assert_eq!(pair.send(later(301)), Err(Rejection::Stale));
    assert_eq!(pair.exchange(later(302)), Ok(2));
}

#[test]
fn replayed_request_is_rejected() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    assert_eq!(pair.exchange(NOW), Ok(2));
    let values = [pair.sent[0].1.to_string()];
    assert_eq!(pair.judge(&values, &COVERED, NOW), Err(Rejection::Stale));
    let other = CoveredParts { uri: "sip:carol@example.org", ..COVERED };
    assert!(matches!(pair.judge(&values, &other, NOW), Err(Rejection::Malformed(_))), "credentials for another target");
    let other = CoveredParts { method: "BYE", ..COVERED };
    assert!(matches!(pair.judge(&values, &other, NOW), Err(Rejection::Wrong { .. })), "credentials for another method");
}

#[test]
fn reordered_nonce_counts_are_accepted_once() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    assert_eq!(pair.exchange(NOW), Ok(2));
    let mut made: Vec<String> = Vec::new();
    for _ in 0..70 {
        made.extend(pair.client.credentials(&COVERED, &mut pair.rng).iter().map(|(_, made)| made.to_string()));
    }
    for at in [3, 1, 2, 0, 69, 68, 60] {
        assert_eq!(pair.judge(&made[at..=at], &COVERED, NOW), Ok(()), "{at}");
        assert_eq!(pair.judge(&made[at..=at], &COVERED, NOW), Err(Rejection::Stale), "{at}");
    }
    assert_eq!(
        pair.judge(&made[5..=5], &COVERED, NOW),
        Err(Rejection::Stale),
        "counts more than 63 below the highest are stale"
    );
}

#[test]
fn foreign_and_evicted_nonces_are_stale() {
    let mut pair = Pair::new(ServerSettings { max_nonces: 2, ..ServerSettings::new("example.org") });
    let mut first = Vec::new();
    for at in 0..4 {
        pair.client = AuthClient::new(Login::new("bob", "zanzibar"));
        pair.sent.clear();
        assert_eq!(pair.exchange(later(at)), Ok(2));
        let again = pair.client.credentials(&COVERED, &mut pair.rng);
        first.push(again[0].1.to_string());
    }
    assert_eq!(pair.judge(&first[0..1], &COVERED, later(4)), Err(Rejection::Stale), "forgotten");
    assert_eq!(pair.judge(&first[3..4], &COVERED, later(4)), Ok(()), "remembered");
    let foreign: Challenge = "Digest realm=\"example.org\", nonce=\"0005af3107a40000\", qop=\"auth\"".parse().unwrap();
    let made = Credentials::answer(&foreign, &Login::new("bob", "zanzibar"), &COVERED, "c", 1).to_string();
    assert_eq!(pair.judge(&[made], &COVERED, NOW), Err(Rejection::Stale));
    let guess = Credentials::answer(&foreign, &Login::new("bob", "guess"), &COVERED, "c", 1).to_string();
    assert_eq!(pair.judge(&[guess], &COVERED, NOW), Err(Rejection::Stale), "stale for wrong passwords too");
}

#[test]
fn too_many_credentials_or_parameters_are_rejected() {
    let whole = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"d\"";
    let with = |count: usize| whole.to_owned() + &(0..count).map(|index| format!(", p{index}=1")).collect::<String>();
    assert!(with(27).parse::<Credentials>().is_ok());
    assert_eq!(with(28).parse::<Credentials>(), Err(AuthError::Malformed("more than 32 parameters")));
    let mut pair = Pair::new(ServerSettings::new("r"));
    assert_eq!(pair.judge(&vec![whole.replace("\"r\"", "\"s\""); 16], &COVERED, NOW), Err(Rejection::Missing));
    let refused = pair.judge(&vec![whole.to_owned(); 17], &COVERED, NOW);
    assert_eq!(refused, Err(Rejection::Malformed(AuthError::Malformed("more than 16 credentials"))));
}

#[test]
fn nonce_identifies_the_challenged_address() {
    let mut server = AuthServer::new(ServerSettings::new("example.org"), &mut rng());
    for address in ["192.0.2.2", "2001:db8::7"] {
        let address: IpAddr = address.parse().unwrap();
        let challenge = server.challenges(&Rejection::Missing, address, NOW).remove(0);
        let made = Credentials::answer(&challenge, &Login::new("bob", "zanzibar"), &COVERED, "c", 1).to_string();
        assert_eq!(server.challenged(&server.read([made.as_str()].into_iter())), Some(address));
        let forged = made.replace(&challenge.nonce, &challenge.nonce.replacen('0', "1", 1));
        assert_eq!(server.challenged(&server.read([forged.as_str()].into_iter())), None);
    }
}

#[test]
fn wrong_password_is_sent_once() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    pair.client = AuthClient::new(Login::new("bob", "wrong"));
    assert_eq!(pair.exchange(NOW), Err(AuthRefusal::Rejected { realm: "example.org".to_owned() }));
    assert!(pair.client.credentials(&COVERED, &mut pair.rng).is_empty(), "rejected credentials are not sent again");
    pair.client = AuthClient::new(Login::new("nobody", "zanzibar"));
    pair.sent.clear();
    assert_eq!(pair.exchange(NOW), Err(AuthRefusal::Rejected { realm: "example.org".to_owned() }));
}

#[test]
fn changed_password_with_used_nonce_is_detected() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    assert_eq!(pair.exchange(NOW), Ok(2));
    pair.client.credentials(&COVERED, &mut pair.rng);
    let used = pair.client.credentials(&COVERED, &mut pair.rng);
    pair.sent = used;
    let rejection = Rejection::Wrong { username: "bob".to_owned() };
    assert_eq!(pair.challenge(&rejection, NOW), Ok(()), "the nonce may have expired");
    pair.sent = pair.client.credentials(&COVERED, &mut pair.rng);
    assert!(pair.challenge(&rejection, NOW).is_err(), "a new nonce cannot have expired");
}

#[test]
fn endless_stale_challenges_are_given_up() {
    let mut client = AuthClient::new(Login::new("bob", "zanzibar"));
    let mut sent = Vec::new();
    let mut rng = rng();
    let rounds = (0..10).take_while(|round| {
        let text = format!("Digest realm=\"r\", nonce=\"n{round}\", stale=true, qop=\"auth\"");
        let learned = client.store_challenges([(Challenger::Proxy, text.as_str())].into_iter(), &sent);
        sent = client.credentials(&COVERED, &mut rng);
        learned.is_ok()
    });
    assert_eq!(rounds.count(), 4);
}

#[test]
fn nonce_without_qop_is_used_once() {
    let mut pair = Pair::new(ServerSettings { qop: Vec::new(), ..ServerSettings::new("example.org") });
    assert_eq!(pair.exchange(NOW), Ok(2));
    assert_eq!(pair.sent[0].1.protection, None);
    assert_eq!(pair.exchange(NOW), Ok(2));
}

#[test]
fn server_and_proxy_challenges_are_answered_together() {
    let mut client = AuthClient::new(Login::new("bob", "zanzibar"));
    let challenges = [
        (Challenger::Proxy, "Digest realm=\"one\", nonce=\"a\", algorithm=MD5, qop=\"auth\""),
        (Challenger::Proxy, "Digest realm=\"two\", nonce=\"b\""),
        (Challenger::UserAgent, "Digest realm=\"one\", nonce=\"c\""),
        (Challenger::UserAgent, "Bearer realm=\"one\""),
        (Challenger::Proxy, "Digest realm=\"one\", nonce=\"d\", algorithm=SHA-512-256, qop=\"auth\""),
        (Challenger::Proxy, "Digest realm=\"one\", nonce=\"e\", algorithm=SHA-256, qop=\"auth\""),
    ];
    client.store_challenges(challenges.into_iter(), &[]).unwrap();
    let made = client.credentials(&COVERED, &mut rng());
    let summary: Vec<_> = made.iter().map(|(to, made)| (*to, made.realm.as_str(), made.nonce.as_str())).collect();
    assert_eq!(
        summary,
        [(Challenger::Proxy, "one", "d"), (Challenger::Proxy, "two", "b"), (Challenger::UserAgent, "one", "c")]
    );
    let only = [(Challenger::Proxy, "Bearer realm=\"one\"")];
    assert!(matches!(client.store_challenges(only.into_iter(), &[]), Err(AuthRefusal::Unanswerable(_))));
}

#[test]
fn credentials_weaker_than_offered_are_challenged_again() {
    let settings = ServerSettings { algorithms: vec![Algorithm::Sha256], ..ServerSettings::new("example.org") };
    let mut pair = Pair::new(settings);
    let challenges = pair.server.challenges(&Rejection::Missing, HERE, NOW);
    let weaker = Challenge { algorithm: Algorithm::Md5, ..challenges[0].clone() };
    let made = Credentials::answer(&weaker, &Login::new("bob", "zanzibar"), &COVERED, "c", 1).to_string();
    assert_eq!(pair.judge(&[made], &COVERED, NOW), Err(Rejection::Missing));
}

#[test]
fn nextnonce_of_authentication_info_is_used() {
    let mut client = AuthClient::new(Login::new("bob", "zanzibar"));
    client
        .store_challenges([(Challenger::UserAgent, "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")].into_iter(), &[])
        .unwrap();
    let mut rng = rng();
    client.credentials(&COVERED, &mut rng);
    client.next_nonce("nextnonce=\"m\", qop=auth, rspauth=\"0\"");
    let made = client.credentials(&COVERED, &mut rng);
    assert_eq!((made[0].1.nonce.as_str(), made[0].1.count()), ("m", 1));
}

#[test]
fn client_and_server_continue_after_serialization() {
    let mut pair = Pair::new(ServerSettings::new("example.org"));
    assert_eq!(pair.exchange(NOW), Ok(2));
    let (client, server) = (
        serde_json::to_string(&InClear(&pair.client)).unwrap(),
        serde_json::to_string(&InClear(&pair.server)).unwrap(),
    );
    let old = pair.sent[0].1.to_string();
    pair.client = serde_json::from_str(&client).unwrap();
    pair.server = serde_json::from_str(&server).unwrap();
    assert_eq!(pair.judge(&[old], &COVERED, NOW), Err(Rejection::Stale));
    assert_eq!(pair.exchange(NOW), Ok(1));
}

proptest! {
    #[test]
    fn every_offered_challenge_is_answered_correctly(
        algorithm in prop::sample::select(vec!["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"]),
        qop in prop::sample::select(vec![vec![Qop::Auth], vec![Qop::AuthInt], vec![Qop::Auth, Qop::AuthInt]]),
        realm in "\\PC{0,20}",
    ) {
        let algorithms = vec![algorithm.parse().unwrap()];
        let mut pair = Pair::new(ServerSettings { algorithms, qop, ..ServerSettings::new(realm) });
        prop_assert_eq!(pair.exchange(NOW), Ok(2));
        prop_assert_eq!(pair.exchange(NOW), Ok(1));
    }
}
