//! Tokens of the application (JSON Web Tokens, RFC 7519): what a verified token grants to a session, and why a token is
//! refused. The shell verifies tokens ([`Output::VerifyToken`](crate::io::Output::VerifyToken)); the relay enforces the
//! rights.

use crate::address::Address;
use crate::config::{LoginName, Numbering, Pattern};
use offhook_clock::Time;
use offhook_signaling::message::SipOptions;
use offhook_sip::auth::Secret;
use serde::{Deserialize, Serialize};

/// The maximum length of a token, in octets.
pub const MAX_TOKEN: usize = 8_192;

/// Returns whether a text has the form of a JSON Web Token: three parts of base64url characters, separated by dots. The
/// relay's own tokens contain no dots.
#[must_use]
pub fn is_json_web_token(text: &str) -> bool {
    let is_part = |part: &str| part.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    let mut parts = text.split('.');
    let has_header = parts.next().is_some_and(|header| !header.is_empty() && is_part(header));
    has_header && parts.next().is_some_and(is_part) && parts.next().is_some_and(is_part) && parts.next().is_none()
}

/// The content of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    /// The login of the session; `None` for a session that can place calls and cannot be called.
    pub login: Option<LoginName>,
    /// The account at a SIP server through which the session calls.
    pub account: TokenAccount,
    /// The rights of the session.
    pub rights: TokenRights,
}

/// The account at a SIP server that a token selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAccount {
    /// The account that the operator assigned to the login of the session, if there is one.
    OfLogin,
    /// The account that the operator assigned to another login.
    Configured(LoginName),
    /// An account at a server that pages may use.
    Inline {
        /// Login, servers and registration; the password is not part of it.
        options: Box<SipOptions>,
        /// The password.
        password: Option<Secret>,
    },
}

/// The rights of a session that a token grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRights {
    /// The caller's display name, in place of that of the page.
    pub name: Option<String>,
    /// The callees of the session.
    pub callees: AllowedCallees,
    /// The number of uses of the token.
    pub uses: TokenUses,
    /// The time of expiry.
    pub expires_at: Time,
}

/// The callees of a session that logged in by a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllowedCallees {
    /// All.
    Any,
    /// Those whose name or number matches a pattern.
    Matching(Vec<Pattern>),
}

impl AllowedCallees {
    /// Returns the address that the session calls for `callee`; `None` if the token does not permit it. If the token
    /// restricts the callees, only the name or number of the address is called, so that the page cannot select a host.
    #[must_use]
    pub fn dialed(&self, callee: &Address) -> Option<Address> {
        match self {
            Self::Any => Some(callee.clone()),
            Self::Matching(patterns) => {
                let name = Numbering::default().canonical(&callee.login().0);
                let is_allowed = patterns.iter().any(|pattern| pattern.matches(&name));
                is_allowed.then(|| Address::of_login(LoginName(name)))
            }
        }
    }
}

/// The number of sessions and calls for which a token is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenUses {
    /// Any number until it expires.
    Unlimited,
    /// Limited numbers, counted by the identifier of the token in all sessions.
    Counted {
        /// The identifier (`jti`).
        id: String,
        /// The maximum number of logins and renewals; `None` for no limit.
        logins: Option<u32>,
        /// The maximum number of calls; `None` for no limit.
        calls: Option<u32>,
    },
}

/// The reason why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The token is invalid, which counts as a failed login. Contains the reason.
    Invalid(String),
    /// The token was valid, and has expired. This is no attack: a client that was suspended presents the token that it has.
    Expired,
    /// The token cannot be verified at present, for example because the server of the keys does not respond.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::{AllowedCallees, is_json_web_token};
    use crate::address::Address;
    use crate::config::Pattern;

    #[test]
    fn own_tokens_are_no_json_web_tokens() {
        for token in ["eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "a.b.", "e30.e30.x-_"] {
            assert!(is_json_web_token(token), "{token}");
        }
        for token in ["6ecd8c99-4036-403d-bf84-cf8400f67836", "", "a.b", "a.b.c.d", ".b.c", "a.b.c=", "ä.b.c"] {
            assert!(!is_json_web_token(token), "{token}");
        }
    }

    #[test]
    fn restricted_callee_is_called_by_name_only() {
        let callees =
            AllowedCallees::Matching(vec![Pattern::parse("+4930*").unwrap(), Pattern::parse("sales").unwrap()]);
        let dialed = |text: &str| callees.dialed(&Address::parse(text)).map(|address| address.to_string());
        assert_eq!(dialed("+49 30-123").as_deref(), Some("+4930123"));
        assert_eq!(dialed("sip:sales@elsewhere.example").as_deref(), Some("sales"));
        assert_eq!(dialed("\"x\" <tel:+49-30-1>").as_deref(), Some("+49301"));
        for other in ["+4940123", "sales2", "+900", "bob", ""] {
            assert_eq!(dialed(other), None, "{other}");
        }
        assert_eq!(AllowedCallees::Any.dialed(&Address::parse("bob@h")), Some(Address::parse("bob@h")));
    }
}
