//! Addresses of callers and callees: names, numbers and URIs, as browsers' pages, the configuration and SIP messages
//! contain them (RFC 3261 §19.1, §25.1).

mod server;

pub use server::{InvalidServer, Server};

use crate::config::LoginName;
use core::fmt;
use offhook_sip::message::{Host, SipUri, TelUri, Uri, unescaped};
use serde::{Deserialize, Serialize};

/// The maximum length, in octets, of an address that a page can call at a SIP server, and of the stored text of any
/// address.
const MAX_ADDRESS: usize = 512;

/// Returns at most the first 512 octets of a name that is shown to participants. Calls, records and events store copies
/// of it, so its length must not be under a peer's control.
#[must_use]
pub fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_ADDRESS)).unwrap_or(name)
}

/// The address of a caller or callee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The text shown to participants.
    text: String,
    login: LoginName,
    form: Form,
}

/// The parts of an address that a call through a SIP server needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    /// A user of the caller's domain: a login, or a number without visual separators.
    User(String),
    /// A SIP URI, with a host.
    Uri(Box<SipUri>),
    /// The text is no valid address at a SIP server, but may contain a login of this relay.
    LocalOnly,
}

impl Address {
    /// Parses an address in any notation that a page can use: `bob`, `+49 30 1`, `bob@host`,
    /// `sip:bob@host;transport=tcp`, `"Bob" <sip:bob@host>`, `tel:+49-30-1`. Text that is not a valid address yields an
    /// address to which no call is routed, unless it contains a login of this relay.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let written = without_display_name(text);
        let form = if written.is_empty() || written.len() > MAX_ADDRESS { Form::LocalOnly } else { form_of(written) };
        let login = match &form {
            Form::Uri(uri) => login_of_sip(uri),
            Form::User(_) | Form::LocalOnly => login_in(shortened(written)),
        };
        Self { text: shortened(text).to_owned(), login, form }
    }

    /// Creates the address of a local user.
    #[must_use]
    pub fn of_login(login: LoginName) -> Self {
        Self { text: shortened(&login.0).to_owned(), form: Form::User(login.0.clone()), login }
    }

    /// Creates the address of a user of another host. Its text contains the host.
    #[must_use]
    pub fn of_foreign(login: LoginName, host: &Host) -> Self {
        let text = shortened(&format!("{}@{}", login.0, host.bare())).to_owned();
        Self { text, form: Form::Uri(Box::new(SipUri::new(host.clone()).with_subscriber(&login.0))), login }
    }

    /// Returns the login that a call is for, if it is for a user of this relay.
    #[must_use]
    pub const fn login(&self) -> &LoginName {
        &self.login
    }

    /// Returns the SIP URI of the address, if it has a host.
    #[must_use]
    pub const fn sip_uri(&self) -> Option<&SipUri> {
        match &self.form {
            Form::Uri(uri) => Some(uri),
            Form::User(_) | Form::LocalOnly => None,
        }
    }

    /// Returns the URI to call through a SIP server. The host of a name or number is the server's `domain`. Returns
    /// `None` if the address is not valid at a SIP server.
    #[must_use]
    pub fn uri_at(&self, domain: &Server) -> Option<SipUri> {
        match &self.form {
            Form::Uri(uri) => Some((**uri).clone()),
            Form::User(user) => Some(domain.user(user)),
            Form::LocalOnly => None,
        }
    }
}

/// Writes the text shown to participants: the address as it was received, shortened if it is too long.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Uri> for Address {
    fn from(uri: Uri) -> Self {
        let text = shortened(&uri.to_string()).to_owned();
        let login = login_of(&uri);
        let form = match uri {
            Uri::Sip(uri) if uri.port() != Some(0) => Form::Uri(Box::new(uri)),
            Uri::Tel(number) => form_of_number(&number),
            Uri::Sip(_) | Uri::Other { .. } => Form::LocalOnly,
        };
        Self { text, login, form }
    }
}

/// Returns the login that a URI names: its user part or number, or its host if it has no user.
#[must_use]
pub fn login_of(uri: &Uri) -> LoginName {
    match uri {
        Uri::Sip(uri) => login_of_sip(uri),
        Uri::Tel(number) => LoginName(number.written().to_owned()),
        Uri::Other { .. } => LoginName(uri.to_string()),
    }
}

fn login_of_sip(uri: &SipUri) -> LoginName {
    LoginName(uri.subscriber().map_or_else(|| uri.host().to_string(), |user| user.into_owned()))
}

/// Returns the login in text that is not a valid SIP URI.
fn login_in(text: &str) -> LoginName {
    let name = if Uri::has_telephony_scheme(text) { text.split_once(':').map_or(text, |(_, rest)| rest) } else { text };
    let user = name.split(['@', ';', '?']).next().unwrap_or(name);
    LoginName(unescaped(user).into_owned())
}

fn form_of(text: &str) -> Form {
    // Numbers may contain spaces as separators.
    let without_spaces = || text.replace(' ', "");
    match text.parse() {
        Ok(uri @ (Uri::Sip(_) | Uri::Tel(_))) => Address::from(uri).form,
        Err(_) if Uri::has_telephony_scheme(text) => match without_spaces().parse() {
            Ok(Uri::Tel(number)) => form_of_number(&number),
            Ok(Uri::Sip(_) | Uri::Other { .. }) | Err(_) => Form::LocalOnly,
        },
        Ok(Uri::Other { .. }) | Err(_) if text.contains('@') => {
            let uri = format!("sip:{}", text.replace(' ', "%20"));
            uri.parse().map_or(Form::LocalOnly, |uri| Address::from(Uri::Sip(uri)).form)
        }
        Ok(Uri::Other { .. }) | Err(_) => match format!("tel:{}", without_spaces()).parse() {
            // The text is a number with spaces as separators. In a name, spaces are kept.
            Ok(Uri::Tel(number)) if text.contains(' ') && !number.number().is_empty() => form_of_number(&number),
            _ => Form::User(text.to_owned()),
        },
    }
}

/// Returns the form of a number. Text that consists of visual separators only is not a valid number.
fn form_of_number(number: &TelUri) -> Form {
    Some(number.number()).filter(|number| !number.is_empty()).map_or(Form::LocalOnly, Form::User)
}

/// Returns the text between angle brackets, or the whole text without them.
fn without_display_name(address: &str) -> &str {
    address.rsplit_once('<').map_or(address, |(_, rest)| rest.split('>').next().unwrap_or(rest)).trim()
}

#[cfg(test)]
mod tests;
