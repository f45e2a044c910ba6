//! Request methods.

use super::scan::{Malformed, token};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The method of a request. Its name is case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Method {
    /// `INVITE` (RFC 3261 §13).
    Invite,
    /// `ACK` (RFC 3261 §17.1.1.3 and §13.2.2.4).
    Ack,
    /// `BYE` (RFC 3261 §15).
    Bye,
    /// `CANCEL` (RFC 3261 §9).
    Cancel,
    /// `REGISTER` (RFC 3261 §10).
    Register,
    /// `OPTIONS` (RFC 3261 §11).
    Options,
    /// `INFO` (RFC 6086).
    Info,
    /// `UPDATE` (RFC 3311).
    Update,
    /// `PRACK` (RFC 3262).
    Prack,
    /// `REFER` (RFC 3515).
    Refer,
    /// `NOTIFY` (RFC 6665).
    Notify,
    /// `SUBSCRIBE` (RFC 6665).
    Subscribe,
    /// `MESSAGE` (RFC 3428).
    Message,
    /// `PUBLISH` (RFC 3903).
    Publish,
    /// Any other method, which is a token.
    Other(String),
}

impl Method {
    /// Returns the name as written in a request line.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Subscribe => "SUBSCRIBE",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = Malformed;

    fn from_str(name: &str) -> Result<Self, Malformed> {
        Ok(match name {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "REGISTER" => Self::Register,
            "OPTIONS" => Self::Options,
            "INFO" => Self::Info,
            "UPDATE" => Self::Update,
            "PRACK" => Self::Prack,
            "REFER" => Self::Refer,
            "NOTIFY" => Self::Notify,
            "SUBSCRIBE" => Self::Subscribe,
            "MESSAGE" => Self::Message,
            "PUBLISH" => Self::Publish,
            _ => Self::Other(token(name, "method is not a token")?),
        })
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.name().to_owned()
    }
}

impl TryFrom<String> for Method {
    type Error = Malformed;

    fn try_from(name: String) -> Result<Self, Malformed> {
        name.parse()
    }
}
