//! The key by which the messages of one leg are found, read from a message without parsing it completely.

use offhook_b2bua::call::SessionId;
use offhook_b2bua::record::LegIdentity;

/// Identifies the messages of one leg.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceKey {
    /// The messages with this Call-ID.
    Sip(String),
    /// The messages with this identifier of a call, in one client session.
    Client(SessionId, String),
}

impl From<&LegIdentity> for TraceKey {
    fn from(identity: &LegIdentity) -> Self {
        match identity {
            LegIdentity::Browser { session, call_id } => Self::Client(*session, call_id.as_str().to_owned()),
            LegIdentity::Sip { call_id } => Self::Sip(call_id.clone()),
        }
    }
}

/// Methods of requests that do not belong to a call.
const OTHER_METHODS: [&str; 5] = ["REGISTER", "OPTIONS", "SUBSCRIBE", "PUBLISH", "MESSAGE"];

impl TraceKey {
    /// Returns the key of a SIP message; `None` if it is none, or does not belong to a call.
    #[must_use]
    pub fn of_sip(octets: &[u8]) -> Option<Self> {
        let (mut call_id, mut method) = (None, None);
        for line in octets.split(|octet| *octet == b'\n').skip(1) {
            let line = line.trim_ascii_end();
            if line.is_empty() {
                break;
            }
            let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let value = || core::str::from_utf8(value.get(1..).unwrap_or_default()).ok().map(str::trim);
            match name.trim_ascii() {
                name if name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i") => call_id = value(),
                name if name.eq_ignore_ascii_case(b"CSeq") => {
                    method = value().and_then(|value| value.split_ascii_whitespace().nth(1));
                }
                _ => {}
            }
            if call_id.is_some() && method.is_some() {
                break;
            }
        }
        let belongs = method.is_some_and(|method| !OTHER_METHODS.contains(&method));
        call_id.filter(|_| belongs).map(|call_id| Self::Sip(call_id.to_owned()))
    }

    /// Returns the key of a signaling message of a session; `None` if it contains no identifier of a call.
    #[must_use]
    pub fn of_frame(session: SessionId, text: &str) -> Option<Self> {
        const NAME: &str = "\"callId\"";
        let after = text.get(text.find(NAME)? + NAME.len()..)?.trim_start().strip_prefix(':')?.trim_start();
        let mut literals = serde_json::Deserializer::from_str(after).into_iter::<String>();
        literals.next()?.ok().filter(|id| !id.is_empty()).map(|id| Self::Client(session, id))
    }
}
