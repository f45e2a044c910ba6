//! Fuzz targets of the parsers of URIs, addresses and digest authentication. Parsed values are also serialized and parsed
//! again.

use core::fmt::{Debug, Display};
use core::str::FromStr;
use offhook_sip::auth::{Challenge, CoveredParts, Credentials, Login, Secret, Verifier};
use offhook_sip::message::{NameAddr, Parameters, SipUri, Uri, Via};

/// Checks the serialized form of a value, if it was parsed.
pub(crate) fn again<T: FromStr<Err: Debug + PartialEq> + Display + Debug + PartialEq, E>(value: Option<Result<T, E>>) {
    if let Some(Ok(value)) = value {
        assert_eq!(value.to_string().parse().as_ref(), Ok(&value), "serialized value must parse");
    }
}

/// Passes arbitrary octets to the parsers of URIs, addresses, `Via` values and parameters.
pub(crate) fn fuzz_uri(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = text.parse::<Uri>();
    assert_eq!(Uri::check(&text), read.as_ref().map(|_| ()).map_err(|error| *error), "check and parse must agree");
    if let Ok(uri) = read {
        assert_eq!(uri.to_string().parse().as_ref(), Ok(&uri), "serialized URI must parse");
        assert!(uri.is_equivalent(&uri), "a URI is equivalent to itself");
        if let (Some(user), Some(host)) = (uri.user(), uri.host()) {
            let made = Uri::sip(&user, host.clone());
            assert_eq!(made.to_string().parse().as_ref(), Ok(&made), "constructed URI must parse");
            assert!(user.is_empty() || made.user() == Some(user), "user part must survive escaping");
        }
    }
    if let Ok(host) = text.parse() {
        let made = Uri::from(SipUri::new(host).with_user(&text).with_param("p", &text).with_header("h", &text));
        assert_eq!(made.to_string().parse(), Ok(made), "constructed URI must parse");
    }
    // A header value in a message has no line breaks.
    let text = text.replace(['\r', '\n'], " ");
    again(Some(text.parse::<NameAddr>()));
    again(Some(text.parse::<Via>()));
    if let Ok(parameters) = Parameters::parse(&text) {
        assert_eq!(Parameters::parse(&parameters.to_string()), Ok(parameters), "serialized parameters must parse");
    }
}

/// Passes arbitrary octets to the parsers of challenges and credentials, and exercises the parsed values.
pub(crate) fn fuzz_digest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let covered = CoveredParts { method: "REGISTER", uri: "sip:example.org", body: b"" };
    if let Ok(challenge) = text.parse::<Challenge>() {
        assert_eq!(
            challenge.to_string().parse::<Challenge>().as_ref(),
            Ok(&challenge),
            "serialized challenge must parse"
        );
        let login = Login::new("alice", "secret");
        let credentials = Credentials::answer(&challenge, &login, &covered, "cnonce", 1);
        assert!(credentials.is_made_with(&login.verifier(), &covered), "computed credentials must verify");
        assert_eq!(
            credentials.to_string().parse::<Credentials>(),
            Ok(credentials),
            "serialized credentials must parse"
        );
    }
    if let Ok(credentials) = text.parse::<Credentials>() {
        assert_eq!(
            credentials.to_string().parse::<Credentials>().as_ref(),
            Ok(&credentials),
            "serialized credentials must parse"
        );
        let _ = credentials.is_made_with(&Verifier::Password(Secret::new("secret")), &covered);
    }
}
