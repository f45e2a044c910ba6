//! Additional SIP header fields of INVITEs: those that a page supplies in `sipHeaders`, and the relay's own
//! `Offhook-` header fields.

use crate::call::JsonText;
use offhook_signaling::message::Json;

/// The header field that marks an INVITE of this relay, so that a looped call is recognized.
pub(super) const MARK: &str = "Offhook-Call";
/// The header field that contains the page's `custom` value, as JSON.
pub(super) const CUSTOM: &str = "Offhook-Custom";

/// The maximum number of header fields of a page.
const MAX_HEADERS: usize = 32;
/// The maximum length of a header field, in octets.
const MAX_LENGTH: usize = 1024;

/// Header fields that the user agent or the relay sets, in lower case. Compact forms (RFC 3261 §7.3.3) are not listed,
/// because a page cannot set any header field whose name has one letter.
const RESERVED: [&str; 55] = [
    "accept",
    "accept-contact",
    "accept-encoding",
    "allow",
    "allow-events",
    "authentication-info",
    "authorization",
    "call-id",
    "contact",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-type",
    "cseq",
    "event",
    "expires",
    "from",
    "identity",
    "info-package",
    "join",
    "max-breadth",
    "max-forwards",
    "mime-version",
    "min-expires",
    "min-se",
    "p-asserted-identity",
    "path",
    "privacy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-require",
    "rack",
    "reason",
    "record-route",
    "recv-info",
    "refer-sub",
    "refer-to",
    "referred-by",
    "reject-contact",
    "replaces",
    "request-disposition",
    "require",
    "route",
    "rseq",
    "security-client",
    "server",
    "service-route",
    "session-expires",
    "subscription-state",
    "supported",
    "timestamp",
    "to",
    "unsupported",
    "user-agent",
    "via",
];

/// Returns the permitted header fields of a page, and whether it requests privacy.
pub(super) fn of_page(lines: &[String]) -> (Vec<(String, String)>, bool) {
    let mut headers = Vec::new();
    let mut anonymous = false;
    for line in lines.iter().take(MAX_HEADERS) {
        let Some((name, value)) = line.split_once(':').map(|(name, value)| (name.trim(), value.trim())) else {
            continue;
        };
        if name.eq_ignore_ascii_case("privacy") {
            // These values request privacy; `none` and `critical` do not (RFC 3323 §4.2, RFC 3325 §9.3).
            anonymous |= value.split(';').any(|word| matches!(word.trim(), "id" | "user" | "header" | "session"));
        }
        if is_allowed(name) && line.len() <= MAX_LENGTH && !value.chars().any(char::is_control) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    (headers, anonymous)
}

fn is_allowed(name: &str) -> bool {
    let is_token = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet));
    let lower = name.to_ascii_lowercase();
    is_token && name.len() > 1 && !lower.starts_with("offhook-") && !RESERVED.contains(&lower.as_str())
}

/// Returns the `custom` value of a page as a header field; `None` if it is too long or contains control characters.
pub(super) fn custom(custom: Option<&JsonText>) -> Option<(String, String)> {
    let text = custom?.0.as_str();
    let is_line = text.len() <= MAX_LENGTH && !text.chars().any(char::is_control);
    is_line.then(|| (CUSTOM.to_owned(), text.to_owned()))
}

/// Returns the `custom` value in a header field.
pub(super) fn custom_of(headers: &[(String, String)]) -> Option<JsonText> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CUSTOM))?;
    Json::parse(value).ok().map(JsonText)
}

#[cfg(test)]
mod tests {
    use super::{custom, custom_of, of_page};
    use crate::call::JsonText;
    use offhook_signaling::message::Json;

    #[test]
    fn page_adds_header_fields_except_reserved_ones() {
        let lines = [
            "X-Account: 12",
            "Subject: hello",
            "Via: SIP/2.0/UDP evil",
            "f: <sip:mallory@x>",
            "X-Evil: a\r\nRoute: <sip:evil>",
            "no header",
            "Offhook-Call: forged",
            "Privacy: id",
            "X Y: z",
        ];
        let (headers, anonymous) = of_page(&lines.map(str::to_owned));
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(headers, ["X-Account: 12", "Subject: hello"]);
        assert!(anonymous);
        assert_eq!(of_page(&vec!["X-A: b".to_owned(); 100]).0.len(), 32);
    }

    #[test]
    fn custom_value_is_unchanged_by_header_field() {
        let value = JsonText(Json::parse(r#"{"a":[1,"ü"]}"#).unwrap());
        let header = custom(Some(&value)).unwrap();
        assert_eq!(custom_of(&[header]), Some(value));
        let long = JsonText(Json::parse(&format!("\"{}\"", "x".repeat(2000))).unwrap());
        assert_eq!(custom(Some(&long)), None);
        assert_eq!(custom_of(&[("Offhook-Custom".into(), "{".into())]), None);
    }
}
