//! Tests with the torture messages of RFC 4475, sent to the relay over UDP. The expected responses are in
//! `docs/standards.toml`, from which the table in `docs/standards.md` is generated.

use core::time::Duration;
use offhook_tests::kamailio::answers_options;
use offhook_tests::relay::Relay;
use offhook_tests::wire::{header, status};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::UdpSocket;

/// Ports to which the responses are sent according to the messages' `Via`: explicit ones and the defaults of UDP and TLS.
const PORTS: [u16; 3] = [5060, 5061, 5050];

struct Torture {
    message: String,
    answer: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn table() -> Vec<Torture> {
    let text = std::fs::read_to_string(root().join("docs/standards.toml")).expect("docs/standards.toml");
    let data: toml::Table = text.parse().expect("TOML");
    let entries = data.get("torture").and_then(toml::Value::as_array).expect("torture messages");
    let field = |entry: &toml::Value, name: &str| {
        entry.get(name).and_then(toml::Value::as_str).expect("message and answer").to_owned()
    };
    entries.iter().map(|entry| Torture { message: field(entry, "message"), answer: field(entry, "answer") }).collect()
}

/// Returns whether a status is allowed by an entry of the table: `none`, `any but 400`, `400`, `405 or 501`.
fn is_allowed(answer: &str, got: Option<u16>) -> bool {
    match (answer, got) {
        ("none", got) => got.is_none(),
        (_, None) => false,
        (answer, Some(status)) => match answer.strip_prefix("any but ") {
            Some(other) => other != status.to_string(),
            None => answer.split(" or ").any(|one| one == status.to_string()),
        },
    }
}

/// Sends a message, followed by OPTIONS, from a separate address. Returns the final status of the response to the message.
async fn send_torture_message(relay: SocketAddr, number: u8, octets: &[u8]) -> Option<u16> {
    // A separate address in 127.0.0.0/8, on which the fixed ports are not in use.
    let [_, high, low, _] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 128 | high, low, number + 1);
    let mut sockets = Vec::new();
    for port in PORTS {
        sockets.push(UdpSocket::bind((own, port)).await.expect("a port"));
    }
    let [first, second, third] = sockets.as_slice() else { unreachable!("as many as ports") };
    first.send_to(octets, relay).await.expect("a datagram is sent");
    let last = format!(
        "OPTIONS sip:{relay} SIP/2.0\r\nVia: SIP/2.0/UDP {own}:5060;branch=z9hG4bKlast{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:t@{own}>;tag=last\r\nTo: <sip:{relay}>\r\nCall-ID: last@{own}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let (mut buffers, mut answer, mut is_over) = ([vec![0; 65_536], vec![0; 65_536], vec![0; 65_536]], None, false);
    let [one, two, three] = &mut buffers;
    first.send_to(last.as_bytes(), relay).await.expect("a datagram is sent");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while !is_over || (answer.is_none() && tokio::time::Instant::now() < deadline) {
        let text = tokio::select! {
            Ok(length) = first.recv(one) => String::from_utf8_lossy(one.get(..length).unwrap_or_default()).into_owned(),
            Ok(length) = second.recv(two) => String::from_utf8_lossy(two.get(..length).unwrap_or_default()).into_owned(),
            Ok(length) = third.recv(three) => String::from_utf8_lossy(three.get(..length).unwrap_or_default()).into_owned(),
            // The response to the message may arrive shortly after that to OPTIONS.
            () = tokio::time::sleep(Duration::from_millis(500)), if is_over => break,
            () = tokio::time::sleep_until(deadline) => break,
        };
        if header(&text, "Call-ID").is_some_and(|id| id.starts_with("last@")) {
            is_over = true;
        } else if let Some(status) = status(&text).filter(|status| *status >= 200) {
            answer = Some(status);
        }
    }
    assert!(is_over, "the relay answers after torture message {number}");
    answer
}

#[tokio::test]
async fn torture_messages_get_documented_responses() {
    let mut relays = Vec::new();
    let folder = root().join("tests/fixtures/rfc4475");
    // Messages with the same branch and sent-by are sent to different relays, because one relay would treat them as
    // retransmissions (RFC 3261 §17.2.3).
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut messages = Vec::new();
    for torture in table() {
        let octets = std::fs::read(folder.join(format!("{}.dat", torture.message))).expect("the message");
        let via = header(&String::from_utf8_lossy(&octets), "Via").unwrap_or_default().to_owned();
        let times = seen.entry(via).or_default();
        if relays.len() <= *times {
            relays.push(Relay::start_with_sip(&["sip.accept_unknown=true"]));
        }
        messages.push((torture, octets, *times));
        *times += 1;
    }
    let results = messages.iter().zip(0_u8..).map(async |((torture, octets, relay), number)| {
        let sip = relays.get(*relay).expect("as many as are needed").sip("udp").await;
        (torture, send_torture_message(sip, number, octets).await)
    });
    let mut wrong = Vec::new();
    for (Torture { message, answer }, got) in futures_util::future::join_all(results).await {
        if !is_allowed(answer, got) {
            wrong.push(format!("{message}: {got:?}, expected {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for relay in &mut relays {
        assert!(answers_options(relay.sip("udp").await).await, "the relay still responds");
        relay.assert_alive();
    }
}

#[test]
fn torture_table_is_complete() {
    let there = std::fs::read_dir(root().join("tests/fixtures/rfc4475")).expect("the messages");
    let there: BTreeSet<String> =
        there.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".dat")?.to_owned())).collect();
    let named: BTreeSet<String> = table().into_iter().map(|torture| torture.message).collect();
    assert_eq!(there, named);
}
