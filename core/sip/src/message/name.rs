//! Header names (RFC 3261 §7.3, §20 and the IANA registry).

use super::scan::{is_token, is_token_byte};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Whether a header line may contain a comma-separated list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueCount {
    One,
    Many,
}

macro_rules! names {
    ($($variant:ident $name:literal $compact:literal $count:ident $source:literal;)*) => {
        /// The name of a header. Names are compared without regard to case, and compact forms equal long ones.
        #[derive(Clone, Debug, Eq, Serialize, Deserialize)]
        #[serde(into = "String", from = "String")]
        pub enum HeaderName {
            $(
                #[doc = concat!("`", $name, "` (", $source, ").")]
                $variant,
            )*
            /// Any other name, as written.
            Other(Box<str>),
        }

        impl HeaderName {
            /// Returns the long form in its canonical spelling.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// Returns the compact form, if there is one (RFC 3261 §7.3.3).
            #[must_use]
            pub fn compact(&self) -> Option<char> {
                match self {
                    $(Self::$variant => $compact.chars().next(),)*
                    Self::Other(_) => None,
                }
            }

            /// Returns whether one line may contain several values, separated by commas.
            #[must_use]
            pub const fn is_list(&self) -> bool {
                match self {
                    $(Self::$variant => matches!(ValueCount::$count, ValueCount::Many),)*
                    Self::Other(_) => false,
                }
            }
        }

        const KNOWN: &[Known] = &[$(Known { name: $name, compact: $compact, header: HeaderName::$variant },)*];
    };
}

struct Known {
    name: &'static str,
    compact: &'static str,
    header: HeaderName,
}

// Ordered by length: `find` compares only names of the same length.
names! {
    To "To" "t" One "RFC 3261 §20.39";
    Via "Via" "v" Many "RFC 3261 §20.42";
    CSeq "CSeq" "" One "RFC 3261 §20.16";
    Date "Date" "" One "RFC 3261 §20.17";
    From "From" "f" One "RFC 3261 §20.20";
    Join "Join" "" One "RFC 3911";
    Path "Path" "" Many "RFC 3327";
    RAck "RAck" "" One "RFC 3262 §7.2";
    RSeq "RSeq" "" One "RFC 3262 §7.1";
    Allow "Allow" "" Many "RFC 3261 §20.5";
    Event "Event" "o" One "RFC 6665 §8.2.1";
    Route "Route" "" Many "RFC 3261 §20.34";
    Accept "Accept" "" Many "RFC 3261 §20.1";
    MinSe "Min-SE" "" One "RFC 4028 §5";
    Reason "Reason" "" Many "RFC 3326";
    Server "Server" "" One "RFC 3261 §20.35";
    CallId "Call-ID" "i" One "RFC 3261 §20.8";
    Contact "Contact" "m" Many "RFC 3261 §20.10";
    Expires "Expires" "" One "RFC 3261 §20.19";
    Privacy "Privacy" "" One "RFC 3323 §4.2";
    Require "Require" "" Many "RFC 3261 §20.32";
    Subject "Subject" "s" One "RFC 3261 §20.36";
    Warning "Warning" "" Many "RFC 3261 §20.43";
    ReferTo "Refer-To" "r" One "RFC 3515 §2.1";
    Replaces "Replaces" "" One "RFC 3891";
    Identity "Identity" "y" One "RFC 8224";
    Priority "Priority" "" One "RFC 3261 §20.26";
    ReplyTo "Reply-To" "" One "RFC 3261 §20.31";
    SipEtag "SIP-ETag" "" One "RFC 3903 §11.3.1";
    CallInfo "Call-Info" "" Many "RFC 3261 §20.9";
    Diversion "Diversion" "" Many "RFC 5806";
    ReferSub "Refer-Sub" "" One "RFC 4488";
    Supported "Supported" "k" Many "RFC 3261 §20.37";
    Timestamp "Timestamp" "" One "RFC 3261 §20.38";
    AlertInfo "Alert-Info" "" Many "RFC 3261 §20.4";
    ErrorInfo "Error-Info" "" Many "RFC 3261 §20.18";
    UserAgent "User-Agent" "" One "RFC 3261 §20.41";
    InReplyTo "In-Reply-To" "" Many "RFC 3261 §20.21";
    MinExpires "Min-Expires" "" One "RFC 3261 §20.23";
    ReferredBy "Referred-By" "b" One "RFC 3892";
    RetryAfter "Retry-After" "" One "RFC 3261 §20.33";
    Unsupported "Unsupported" "" Many "RFC 3261 §20.40";
    AllowEvents "Allow-Events" "u" Many "RFC 6665 §8.2.2";
    ContentType "Content-Type" "c" One "RFC 3261 §20.15";
    HistoryInfo "History-Info" "" Many "RFC 7044";
    MaxForwards "Max-Forwards" "" One "RFC 3261 §20.22";
    MimeVersion "MIME-Version" "" One "RFC 3261 §20.24";
    Organization "Organization" "" One "RFC 3261 §20.25";
    RecordRoute "Record-Route" "" Many "RFC 3261 §20.30";
    SipIfMatch "SIP-If-Match" "" One "RFC 3903 §11.3.2";
    UserToUser "User-to-User" "" One "RFC 7433";
    Authorization "Authorization" "" One "RFC 3261 §20.7";
    ProxyRequire "Proxy-Require" "" Many "RFC 3261 §20.29";
    ServiceRoute "Service-Route" "" Many "RFC 3608";
    TargetDialog "Target-Dialog" "" One "RFC 4538";
    AcceptContact "Accept-Contact" "a" Many "RFC 3841";
    ContentLength "Content-Length" "l" One "RFC 3261 §20.14";
    RejectContact "Reject-Contact" "j" Many "RFC 3841";
    AcceptEncoding "Accept-Encoding" "" Many "RFC 3261 §20.2";
    AcceptLanguage "Accept-Language" "" Many "RFC 3261 §20.3";
    SessionExpires "Session-Expires" "x" One "RFC 4028 §4";
    RemotePartyId "Remote-Party-ID" "" Many "draft-ietf-sip-privacy-04";
    PAssociatedUri "P-Associated-URI" "" Many "RFC 7315 §4.1";
    WwwAuthenticate "WWW-Authenticate" "" One "RFC 3261 §20.44";
    ContentEncoding "Content-Encoding" "e" Many "RFC 3261 §20.12";
    ContentLanguage "Content-Language" "" Many "RFC 3261 §20.13";
    PCalledPartyId "P-Called-Party-ID" "" One "RFC 7315 §4.2";
    ProxyAuthenticate "Proxy-Authenticate" "" One "RFC 3261 §20.27";
    SubscriptionState "Subscription-State" "" One "RFC 6665 §8.2.3";
    AuthenticationInfo "Authentication-Info" "" One "RFC 3261 §20.6";
    ContentDisposition "Content-Disposition" "" One "RFC 3261 §20.11";
    PAssertedIdentity "P-Asserted-Identity" "" Many "RFC 3325 §9.1";
    RequestDisposition "Request-Disposition" "d" Many "RFC 3841";
    ProxyAuthorization "Proxy-Authorization" "" One "RFC 3261 §20.28";
    PPreferredIdentity "P-Preferred-Identity" "" Many "RFC 3325 §9.2";
}

/// For each length, the index in `KNOWN` at which names of that length begin.
const BEGIN: [usize; LONGEST + 2] = {
    let mut begin = [KNOWN.len(); LONGEST + 2];
    let mut at = KNOWN.len();
    while at > 0 {
        at -= 1;
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        {
            begin[KNOWN[at].name.len()] = at;
        }
    }
    let mut length = LONGEST + 1;
    while length > 0 {
        length -= 1;
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        if begin[length] > begin[length + 1] {
            begin[length] = begin[length + 1];
        }
    }
    begin
};

const LONGEST: usize = "P-Preferred-Identity".len();

impl HeaderName {
    /// Returns the known header with this long or compact name, in any spelling.
    pub(super) fn find(text: &str) -> Option<Self> {
        let length = text.len();
        let found = if length == 1 {
            KNOWN.iter().find(|known| known.compact.eq_ignore_ascii_case(text))
        } else {
            let as_long = KNOWN.get(*BEGIN.get(length)?..*BEGIN.get(length + 1)?)?;
            // The canonical spelling is the most frequent and the fastest to compare.
            let begins = |known: &&Known| known.name.as_bytes().first() == text.as_bytes().first();
            let exact = as_long.iter().filter(begins).find(|known| known.name == text);
            exact.or_else(|| as_long.iter().find(|known| known.name.eq_ignore_ascii_case(text)))
        };
        found.map(|known| known.header.clone())
    }

    /// Creates a name that is not known. Characters that a token cannot contain become hyphens, so that they cannot end
    /// the name or the line.
    fn other(text: &str) -> Self {
        if is_token(text) {
            return Self::Other(text.into());
        }
        let fits = |letter: char| u8::try_from(letter).is_ok_and(is_token_byte);
        let mut name: String = text.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
        if name.is_empty() {
            name.push('-');
        }
        Self::Other(name.into())
    }
}

impl From<&str> for HeaderName {
    fn from(text: &str) -> Self {
        Self::find(text).unwrap_or_else(|| Self::other(text))
    }
}

impl From<String> for HeaderName {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<HeaderName> for String {
    fn from(name: HeaderName) -> Self {
        name.name().to_owned()
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            _ => core::mem::discriminant(self) == core::mem::discriminant(other),
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
