//! Structured header values other than addresses and `Via`.

use super::method::Method;
use super::parameters::Parameters;
use super::scan::{Malformed, find_outside, saturating, token, trim};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Splits a value from its parameters.
fn head(text: &str) -> (&str, &str) {
    let end = find_outside(text, b';').unwrap_or(text.len());
    let (head, params) = text.split_at_checked(end).unwrap_or((text, ""));
    (trim(head), params)
}

/// Parses a number of at most 32 bits.
fn number(text: &str, what: &'static str) -> Result<u32, Malformed> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed(what));
    }
    text.parse().map_err(|_| Malformed(what))
}

/// `CSeq` (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CSeq {
    /// The sequence number of the request in its dialog and direction.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl FromStr for CSeq {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (digits, method) = text.split_once([' ', '\t']).ok_or(Malformed("sequence number without method"))?;
        Ok(Self { number: number(digits, "no sequence number")?, method: trim(method).parse()? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// `RAck` (RFC 3262 §7.2): identifies the provisional response that a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RAck {
    /// The `RSeq` of the response.
    pub response: u32,
    /// The `CSeq` of the response.
    pub cseq: CSeq,
}

impl FromStr for RAck {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (response, cseq) = text.split_once([' ', '\t']).ok_or(Malformed("invalid response number"))?;
        Ok(Self { response: number(response, "no response number")?, cseq: trim(cseq).parse()? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.response, self.cseq)
    }
}

/// The side that refreshes a session (RFC 4028 §4), relative to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refresher {
    /// The sender of the request.
    Uac,
    /// The sender of the response.
    Uas,
}

/// `Session-Expires` (RFC 4028 §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExpires {
    /// The session interval in seconds.
    pub seconds: u32,
    /// The side that refreshes the session, if specified.
    pub refresher: Option<Refresher>,
}

impl FromStr for SessionExpires {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (seconds, params) = head(text);
        let seconds = saturating(seconds).ok_or(Malformed("invalid session interval"))?;
        let refresher = match Parameters::parse(params)?.get("refresher") {
            Some(role) if role.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(role) if role.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(Malformed("invalid refresher")),
            None => None,
        };
        Ok(Self { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// `Replaces` (RFC 3891 §6.1) or `Join` (RFC 3911 §7.1): a dialog from the point of view of the receiver of the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaces {
    /// The Call-ID.
    pub call_id: String,
    /// The tag of the receiver.
    pub to_tag: String,
    /// The tag of the peer.
    pub from_tag: String,
    /// Whether the header applies only while the dialog is early.
    pub early_only: bool,
}

impl FromStr for Replaces {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (call_id, params) = head(text);
        let params = Parameters::parse(params)?;
        let tag = |name| params.get(name).map(str::to_owned).ok_or(Malformed("dialog identifier without tag"));
        if !is_call_id(call_id) {
            return Err(Malformed("invalid Call-ID"));
        }
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

/// Returns whether the text has no white space. This is wider than the grammar, because a Call-ID is only compared.
pub(super) fn is_call_id(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

/// `Reason` (RFC 3326): the reason that a dialog or branch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The protocol that defines the cause: `SIP`, `Q.850` or another.
    pub protocol: String,
    /// The cause code.
    pub cause: Option<u32>,
    /// The human-readable text.
    pub text: Option<String>,
}

impl FromStr for Reason {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (protocol, params) = head(text);
        let params = Parameters::parse(params)?;
        Ok(Self {
            protocol: token(protocol, "reason without protocol")?,
            cause: params.get("cause").and_then(|cause| cause.parse().ok()),
            text: params.get("text").map(str::to_owned),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut params = Parameters::new();
        if let Some(cause) = self.cause {
            params.set("cause", cause.to_string());
        }
        if let Some(text) = &self.text {
            params.set_quoted("text", text.as_str());
        }
        write!(f, "{}{params}", self.protocol)
    }
}

/// A token with parameters: `Event` (RFC 6665 §8.2.1), `Content-Disposition` (RFC 3261 §20.11) and others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenParams {
    /// The token, such as an event package or a disposition.
    pub token: String,
    /// The parameters.
    pub params: Parameters,
}

/// `Event`: the event package and its parameters.
pub type Event = TokenParams;

impl TokenParams {
    /// Creates a token without parameters.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self { token: token.to_owned(), params: Parameters::new() }
    }

    /// Compares the token without regard to case.
    #[must_use]
    pub fn is(&self, token: &str) -> bool {
        self.token.eq_ignore_ascii_case(token)
    }

    /// Returns the `id` of an event.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.params.get("id")
    }
}

impl FromStr for TokenParams {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (word, params) = head(text);
        Ok(Self { token: token(word, "invalid token")?, params: Parameters::parse(params)? })
    }
}

impl fmt::Display for TokenParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.token, self.params)
    }
}

/// The state of a subscription (RFC 6665 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subscription {
    /// The subscription is accepted.
    Active,
    /// The subscription is neither accepted nor rejected yet.
    Pending,
    /// The subscription has ended.
    Terminated,
    /// Another state, to be treated as pending or active.
    Other(String),
}

/// `Subscription-State` (RFC 6665 §8.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// The state.
    pub state: Subscription,
    /// The parameters `expires`, `reason` and `retry-after`.
    pub params: Parameters,
}

impl SubscriptionState {
    /// Creates the active state with its remaining time in seconds.
    #[must_use]
    pub fn active(seconds: u32) -> Self {
        Self { state: Subscription::Active, params: Parameters::new().with("expires", seconds.to_string()) }
    }

    /// Creates the terminated state with its reason.
    #[must_use]
    pub fn terminated(reason: &str) -> Self {
        Self { state: Subscription::Terminated, params: Parameters::new().with("reason", reason) }
    }

    /// Returns the remaining time in seconds.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").and_then(saturating)
    }

    /// Returns the reason of the termination.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.params.get("reason")
    }
}

impl FromStr for SubscriptionState {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let TokenParams { token, params } = text.parse()?;
        let state = match token.to_ascii_lowercase().as_str() {
            "active" => Subscription::Active,
            "pending" => Subscription::Pending,
            "terminated" => Subscription::Terminated,
            _ => Subscription::Other(token),
        };
        Ok(Self { state, params })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            Subscription::Active => "active",
            Subscription::Pending => "pending",
            Subscription::Terminated => "terminated",
            Subscription::Other(state) => state,
        };
        write!(f, "{state}{}", self.params)
    }
}

/// `Content-Type` (RFC 3261 §20.15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaType {
    /// The type, such as `application`.
    pub kind: String,
    /// The subtype, such as `sdp`.
    pub subtype: String,
    /// The parameters, such as `charset` and `boundary`.
    pub params: Parameters,
}

impl MediaType {
    /// Returns whether the type is `kind/subtype`, without regard to case and parameters.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

impl FromStr for MediaType {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (media, params) = head(text);
        let (kind, subtype) = media.split_once('/').ok_or(Malformed("invalid media type"))?;
        Ok(Self {
            kind: token(trim(kind), "invalid media type")?,
            subtype: token(trim(subtype), "invalid media type")?,
            params: Parameters::parse(params)?,
        })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

/// `Retry-After` (RFC 3261 §20.33) without its comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAfter {
    /// The time in seconds after which to retry.
    pub seconds: u32,
    /// The time in seconds for which the callee is then available.
    pub duration: Option<u32>,
}

impl FromStr for RetryAfter {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        let (seconds, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let seconds = saturating(seconds).ok_or(Malformed("invalid delay"))?;
        // A comment may contain any text: the parameters follow its last parenthesis.
        let rest = rest.rsplit_once(')').map_or(rest, |(_, params)| params);
        let duration = Parameters::parse(rest)?.get("duration").and_then(saturating);
        Ok(Self { seconds, duration })
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        self.duration.map_or(Ok(()), |seconds| write!(f, ";duration={seconds}"))
    }
}

/// The value of `Privacy` (RFC 3323 §4.2, RFC 3325 §9.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Privacy(pub Vec<String>);

impl Privacy {
    /// Returns whether the value is present, without regard to case.
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.0.iter().any(|found| found.eq_ignore_ascii_case(value))
    }
}

impl FromStr for Privacy {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        // RFC 3323 separates by semicolons, some peers by commas.
        let values = text.split([';', ',']).map(trim).filter(|value| !value.is_empty());
        let values: Vec<String> =
            values.map(|value| token(value, "invalid privacy value")).collect::<Result<_, _>>()?;
        if values.is_empty() { Err(Malformed("no privacy value")) } else { Ok(Self(values)) }
    }
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(";"))
    }
}
