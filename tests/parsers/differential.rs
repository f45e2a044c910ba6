//! Differential tests of three SIP parsers with the same messages. All known differences are listed with their reason.

use offhook_parsers::{Seen, ours, rsip, sipx};
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use std::path::Path;

/// The kind of a difference between offhook-sip and another parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Only offhook-sip accepts the message.
    TheyRefuse,
    /// Only the other parser accepts the message.
    WeRefuse,
    /// Both accept the message, with different results.
    Unlike,
}
use Kind::{TheyRefuse, Unlike, WeRefuse};

/// Known differences: message, parser, kind and reason.
const DIFFERENCES: &[(&str, &str, Kind, &str)] = &[
    (
        "badaspec",
        "rsip",
        TheyRefuse,
        "white space between bracket and URI, which may be tolerated (RFC 4475 §3.1.2.14)",
    ),
    (
        "badaspec",
        "sipx",
        TheyRefuse,
        "white space between bracket and URI, which may be tolerated (RFC 4475 §3.1.2.14)",
    ),
    ("baddn", "sipx", TheyRefuse, "a comma in a display name without quotation marks"),
    ("badinv01", "rsip", WeRefuse, "parameters without names"),
    ("clerr", "rsip", WeRefuse, "it does not compare Content-Length with the body"),
    ("dblreq", "rsip", TheyRefuse, "a compact name in upper case"),
    ("esc01", "rsip", TheyRefuse, "a folded header"),
    ("esc02", "rsip", TheyRefuse, "an unknown method"),
    ("intmeth", "rsip", TheyRefuse, "an unknown method, a user part with a colon"),
    ("inv2543", "sipx", TheyRefuse, "it requires Max-Forwards from an RFC 2543 client"),
    ("longreq", "rsip", TheyRefuse, "white space before a colon"),
    ("ltgtruri", "rsip", WeRefuse, "brackets around the Request-URI"),
    ("mcl01", "rsip", WeRefuse, "two Content-Length values"),
    ("mismatch01", "rsip", WeRefuse, "it does not compare CSeq with the method"),
    ("multi01", "rsip", WeRefuse, "it uses the first of several values"),
    ("ncl", "rsip", WeRefuse, "it does not read Content-Length"),
    ("quotbal", "rsip", WeRefuse, "an unterminated quoted string"),
    ("regbadct", "rsip", WeRefuse, "it parses Contact lazily"),
    ("regbadct", "sipx", WeRefuse, "it parses Contact lazily"),
    ("semiuri", "rsip", TheyRefuse, "a semicolon in the user part"),
    ("unkscm", "rsip", TheyRefuse, "an unknown scheme"),
    ("unksm2", "rsip", TheyRefuse, "an unknown scheme"),
    ("wsinv", "rsip", TheyRefuse, "a folded header"),
    ("folded", "rsip", TheyRefuse, "a folded header"),
    ("latin1", "rsip", TheyRefuse, "octets that are not UTF-8"),
    ("response", "rsip", TheyRefuse, "compact names"),
    ("transfer", "rsip", TheyRefuse, "an IPv6 address"),
    ("compact", "rsip", TheyRefuse, "compact names"),
    ("gateway", "rsip", Unlike, "it loses what follows a quoted parameter, here the branch"),
    ("ipv6", "rsip", TheyRefuse, "an IPv6 address"),
    ("telephone", "rsip", TheyRefuse, "`tel:`"),
];

#[test]
fn parsers_agree_except_for_listed_differences() {
    let mut found = Vec::new();
    for (name, octets) in messages().unwrap() {
        let seen = ours(&octets);
        for (parser, theirs) in [("rsip", rsip(&octets)), ("sipx", sipx(&octets))] {
            if let Some((kind, how)) = difference(&seen, &theirs) {
                found.push((name.clone(), parser, kind, how.chars().take(100).collect::<String>()));
            }
        }
    }
    let same = |a: &(String, &str, Kind, String), b: &(&str, &str, Kind, &str)| a.0 == b.0 && a.1 == b.1 && a.2 == b.2;
    let new: Vec<_> = found.iter().filter(|found| !DIFFERENCES.iter().any(|listed| same(found, listed))).collect();
    assert!(new.is_empty(), "not listed: {new:#?}");
    let gone: Vec<_> = DIFFERENCES.iter().filter(|listed| !found.iter().any(|found| same(found, listed))).collect();
    assert!(gone.is_empty(), "listed, but there is no such difference: {gone:#?}");
}

fn difference(ours: &Result<Seen, String>, theirs: &Result<Seen, String>) -> Option<(Kind, String)> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if normal(ours) == normal(theirs) => None,
        (Ok(ours), Ok(theirs)) => Some((Unlike, format!("{ours:?}, {theirs:?}"))),
        (Err(_), Err(_)) => None,
        (Ok(_), Err(why)) => Some((TheyRefuse, why.clone())),
        (Err(why), Ok(_)) => Some((WeRefuse, why.clone())),
    }
}

/// Normalizes case-insensitive parts.
fn normal(seen: &Seen) -> Seen {
    Seen {
        uri: seen.uri.as_ref().map(|uri| uri.to_ascii_lowercase()),
        from: seen.from.to_ascii_lowercase(),
        ..seen.clone()
    }
}

/// Reads the handwritten part of the fuzzing corpus, the torture messages, and messages of phones and servers.
fn messages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut messages = Vec::new();
    for folder in ["fixtures/rfc4475", "fuzz/corpus/message", "bench", "parsers/messages"] {
        for file in std::fs::read_dir(tests.join(folder))? {
            let path = file?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let kind = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let message = matches!(kind.as_str(), "dat" | "sip") || folder == "fuzz/corpus/message";
            let is_found = name.len() == 40 && name.chars().all(|digit| digit.is_ascii_hexdigit());
            // The corpus contains copies of some torture messages.
            if message && !is_found && !name.starts_with("rfc4475-") {
                messages.push((name, std::fs::read(&path)?));
            }
        }
    }
    messages.sort();
    Ok(messages)
}

/// Generates a URI that all three parsers must accept.
fn uri() -> impl Strategy<Value = String> {
    let host = prop_oneof!["[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,5}){1,2}", "(10|192)\\.0\\.2\\.[1-9]"];
    let user = prop_oneof!["", "[a-zA-Z0-9_.!~*'()+-]{1,12}@", "\\+[1-9][0-9]{5,12}@"];
    let port = prop_oneof!["", ":[1-9][0-9]{1,3}"];
    let params = prop_oneof!["", ";transport=(udp|tcp|tls)", ";lr", ";user=phone;x-[a-z]{1,5}=[a-z0-9]{1,5}"];
    (prop::sample::select(vec!["sip", "sips"]), user, host, port, params)
        .prop_map(|(scheme, user, host, port, params)| format!("{scheme}:{user}{host}{port}{params}"))
}

fn address() -> impl Strategy<Value = String> {
    let name = prop_oneof!["", "[A-Z][a-z]{1,8} ", "\"[A-Za-z .,;@-]{1,12}\" "];
    (name, uri()).prop_map(|(name, uri)| format!("{name}<{uri}>"))
}

/// Generates a message that all three parsers must accept.
fn message() -> impl Strategy<Value = String> {
    let line = (prop::sample::select(vec!["INVITE", "BYE", "REGISTER", "OPTIONS", "MESSAGE"]), uri(), 0_u16..600);
    let token = "[a-zA-Z0-9.!%*_+~-]{1,20}";
    let call_id = prop_oneof![token, "[a-zA-Z0-9]{1,12}@[a-z0-9.]{1,12}"];
    let to_tag = prop_oneof!["", "[a-zA-Z0-9.!%*_+~-]{1,20}".prop_map(|tag| format!(";tag={tag}"))];
    let via = ("(UDP|TCP|TLS)", "[a-z]{1,9}\\.example(:5[0-9]{3})?", token, any::<bool>());
    (line, via, (address(), token), (address(), to_tag), call_id, 0_u32..0x8000_0000).prop_map(
        |((method, uri, status), (transport, host, branch, rport), (from, tag), (to, to_tag), call_id, number)| {
            // Below 100, the message is a request.
            let first = if status < 100 { format!("{method} {uri} SIP/2.0") } else { format!("SIP/2.0 {status} Reason") };
            let rport = if rport { ";rport" } else { "" };
            format!(
                "{first}\r\nVia: SIP/2.0/{transport} {host}{rport};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: {from};tag={tag}\r\n\
                 To: {to}{to_tag}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nContact: <{uri}>\r\nContent-Length: 0\r\n\r\n"
            )
        },
    )
}

proptest! {
    #[test]
    fn parsers_agree_on_valid_messages(text in message()) {
        let seen = ours(text.as_bytes());
        for theirs in [sipx(text.as_bytes()), rsip(text.as_bytes())] {
            prop_assert_eq!(seen.as_ref().map(normal), theirs.as_ref().map(normal), "{}", text);
        }
    }
}
