//! Application headers: SIP headers that applications set and read, other than those of the user agent.

use crate::message::{HeaderName, Headers};

/// The maximum number of application headers in one message.
const MAX_HEADERS: usize = 64;

/// The maximum length of a value.
const LONGEST_VALUE: usize = 4_096;

/// The maximum length of a name.
const LONGEST_NAME: usize = 64;

/// Returns whether an application may set this header: the user agent does not use it, and its value has no control
/// characters.
#[must_use]
pub fn is_allowed(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(is_token);
    let is_value = value.len() <= LONGEST_VALUE && !value.chars().any(|letter| letter.is_control() && letter != '\t');
    let header = HeaderName::from(name);
    is_name && is_value && !is_owned(&header) && !asserts_identity(&header)
}

/// Returns whether the header asserts an identity or charging data between trusted servers. A server that trusts the
/// relay would accept any value from a page.
fn asserts_identity(name: &HeaderName) -> bool {
    use HeaderName as N;
    let is_known = matches!(
        name,
        N::RemotePartyId | N::Diversion | N::HistoryInfo | N::Identity | N::PAssociatedUri | N::PCalledPartyId
    );
    let others = ["P-Asserted-Service", "P-Charge-Info", "P-Charging-Vector", "P-Served-User"];
    is_known || others.iter().any(|other| name.name().eq_ignore_ascii_case(other))
}

/// Returns whether the user agent itself generates or processes the header.
const fn is_owned(name: &HeaderName) -> bool {
    use HeaderName as N;
    matches!(
        name,
        N::To
            | N::Via
            | N::CSeq
            | N::Date
            | N::From
            | N::Join
            | N::Path
            | N::Allow
            | N::CallId
            | N::Contact
            | N::Route
            | N::RecordRoute
            | N::MaxForwards
            | N::ContentLength
            | N::ContentType
            | N::ContentEncoding
            | N::ContentDisposition
            | N::ContentLanguage
            | N::MimeVersion
            | N::Expires
            | N::MinExpires
            | N::Event
            | N::RSeq
            | N::RAck
            | N::MinSe
            | N::SessionExpires
            | N::Require
            | N::ProxyRequire
            | N::Supported
            | N::Unsupported
            | N::Server
            | N::UserAgent
            | N::Reason
            | N::ReferTo
            | N::ReferredBy
            | N::Replaces
            | N::Privacy
            | N::PAssertedIdentity
            | N::PPreferredIdentity
            | N::Authorization
            | N::ProxyAuthorization
            | N::WwwAuthenticate
            | N::ProxyAuthenticate
            | N::AuthenticationInfo
            | N::SubscriptionState
            | N::Accept
            | N::AllowEvents
            | N::AcceptEncoding
            | N::AcceptLanguage
            | N::ServiceRoute
            | N::TargetDialog
            | N::RetryAfter
            | N::Timestamp
            | N::SipIfMatch
    )
}

/// Adds application headers to a message. Headers that may not be set are skipped.
pub(super) fn put(headers: &mut Headers, added: &[(String, String)]) {
    for (name, value) in added.iter().filter(|(name, value)| is_allowed(name, value)).take(MAX_HEADERS) {
        headers.push(name.as_str(), value);
    }
}

/// Returns the headers of a message that an application may read.
pub(super) fn read(headers: &Headers) -> Vec<(String, String)> {
    let of_application = headers.iter().filter(|(name, value)| !is_owned(name) && value.len() <= LONGEST_VALUE);
    of_application.take(MAX_HEADERS).map(|(name, value)| (name.name().to_owned(), value.to_owned())).collect()
}
