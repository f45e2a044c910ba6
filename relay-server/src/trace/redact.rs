//! Removal of credentials from messages.

use super::message::{TracedMessage, TracedPeer};
use serde_json::Value;

/// The text in place of a credential.
const REDACTED: &str = "[redacted]";

/// SIP header fields whose value is a credential, or the challenge that a response to a digest can be tested against.
const HEADERS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
    "www-authenticate",
    "proxy-authenticate",
    // The mark by which the relay recognizes its own call.
    "offhook-call",
];
/// Parts of names of JSON members whose value is a credential.
const MEMBERS: [&str; 7] = ["password", "token", "secret", "credential", "authorization", "jwt", "apikey"];
/// SDP attributes whose value is a key.
const ATTRIBUTES: [&str; 3] = ["a=crypto:", "a=ice-pwd:", "k="];

/// Returns the text of a message without credentials.
#[must_use]
pub fn redacted(message: &TracedMessage) -> String {
    let text = String::from_utf8_lossy(&message.octets);
    let mut redacted = match message.peer {
        TracedPeer::Session(_) => frame(&text),
        TracedPeer::Sip(..) | TracedPeer::SipFlow(_) => sip(&text),
    };
    if message.omitted > 0 {
        redacted.push_str(&format!("… {} octets are not stored", message.omitted));
    }
    redacted
}

/// A SIP message: credentials in header fields, and keys in every body.
fn sip(text: &str) -> String {
    let head_ends = text.find("\r\n\r\n").or_else(|| text.find("\n\n")).unwrap_or(text.len());
    let (head, body) = text.split_at(head_ends);
    let mut lines: Vec<String> = Vec::new();
    let mut hides = false;
    for line in head.split_inclusive('\n') {
        // A line that begins with white space continues the header field (RFC 3261 §7.3.1).
        if line.starts_with([' ', '\t']) && !lines.is_empty() {
            if !hides {
                lines.push(tokens(line));
            }
            continue;
        }
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        hides = HEADERS.contains(&name.as_str()) || MEMBERS.iter().any(|part| name.contains(part));
        if hides {
            let ending = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
            let scheme = line.split_once(':').and_then(|(_, value)| value.split_whitespace().next());
            let scheme = scheme.filter(|word| HEADERS.contains(&name.as_str()) && !word.contains('='));
            let scheme = scheme.map(|word| format!("{word} ")).unwrap_or_default();
            lines.push(format!("{}: {scheme}{REDACTED}{ending}", line.split(':').next().unwrap_or_default().trim()));
        } else {
            lines.push(tokens(line));
        }
    }
    lines.concat() + &tokens(&description(body))
}

/// A description, or another text: the keys of SDP attributes.
fn description(text: &str) -> String {
    let redact = |line: &str| {
        let Some(attribute) = ATTRIBUTES.iter().find(|attribute| starts_with(line, attribute)) else {
            return line.to_owned();
        };
        let ending = line.get(line.trim_end_matches(['\r', '\n']).len()..).unwrap_or_default();
        let kept = match *attribute {
            // Tag and suite of SDES (RFC 4568 §9.1).
            "a=crypto:" => line.split_whitespace().take(2).collect::<Vec<_>>().join(" ") + " ",
            attribute => attribute.to_owned(),
        };
        format!("{kept}{REDACTED}{ending}")
    };
    text.split_inclusive('\n').map(redact).collect()
}

fn starts_with(line: &str, start: &str) -> bool {
    line.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

/// A signaling message: members with the name of a credential, and descriptions. A text that is no JSON, because its end is
/// not stored, is not shown.
fn frame(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return format!("{REDACTED}: the message is not complete");
    };
    redact_value(&mut value);
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn redact_value(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.to_ascii_lowercase();
                if MEMBERS.iter().any(|part| name.contains(part)) && !member.is_null() {
                    *member = REDACTED.into();
                } else {
                    redact_value(member);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(redact_value),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            // JSON in a text, as pages use it in `custom`.
            Ok(mut inner @ (Value::Object(_) | Value::Array(_))) => {
                redact_value(&mut inner);
                *text = inner.to_string();
            }
            _ => *text = tokens(&description(text)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces JSON Web Tokens and passwords in URIs.
pub(super) fn tokens(text: &str) -> String {
    uri_passwords(&web_tokens(text))
}

/// Replaces the password of `sip:user:password@host` (RFC 3261 §19.1.1).
fn uri_passwords(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) =
        [rest.find("sip:").map(|at| at + 4), rest.find("sips:").map(|at| at + 5)].into_iter().flatten().min()
    {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let user = from.find(|c: char| c == '@' || c == '>' || c == '"' || c.is_whitespace()).unwrap_or(from.len());
        let (user, after) = from.split_at(user);
        match user.split_once(':').filter(|_| after.starts_with('@')) {
            Some((user, _)) => result.push_str(&format!("{user}:{REDACTED}")),
            None => result.push_str(user),
        }
        rest = after;
    }
    result + rest
}

/// Replaces JSON Web Tokens: three parts of base64url, of which the first one begins with an encoded `{"`.
fn web_tokens(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let (before, from) = rest.split_at(start);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
        let length = from.find(|c: char| !is_part(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(length);
        result.push_str(before);
        result.push_str(if word.matches('.').count() >= 2 { REDACTED } else { word });
        rest = after;
    }
    result + rest
}
