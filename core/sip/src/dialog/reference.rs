//! `Refer-To` values: the target of a referral and the dialog that it replaces (RFC 3515 §2.1, RFC 3891 §5).

use crate::message::{Malformed, Method, NameAddr, Replaces, Uri};

/// The content of a `Refer-To`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// The URI to call.
    pub target: Uri,
    /// The dialog to be replaced.
    pub replaces: Option<Replaces>,
}

impl Referral {
    /// Parses a `Refer-To`.
    ///
    /// # Errors
    /// Returns an error if the method is not INVITE, or the `Replaces` header is malformed.
    pub fn of(refer_to: &NameAddr) -> Result<Self, Malformed> {
        let mut target = refer_to.uri.clone();
        let Some(sip) = target.as_sip_mut() else { return Ok(Self { target, replaces: None }) };
        let method = sip.params().get("method").unwrap_or(Method::Invite.name());
        if !method.eq_ignore_ascii_case(Method::Invite.name()) {
            return Err(Malformed("referral with a method other than INVITE"));
        }
        let named = sip.headers().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
        let replaces = named.map(|(_, value)| value.parse()).transpose()?;
        sip.make_request_uri();
        Ok(Self { target, replaces })
    }
}

/// Returns the `Refer-To` for a call to `target` that replaces the dialog `replaces`.
///
/// # Errors
/// Returns an error if `target` is not a valid URI, or `replaces` is given and it is not a SIP URI.
pub fn refer_to(mut target: Uri, replaces: Option<&Replaces>) -> Result<NameAddr, Malformed> {
    if let Some(replaces) = replaces {
        let Uri::Sip(mut sip) = target else { return Err(Malformed("Replaces requires a SIP URI")) };
        sip.make_request_uri();
        target = Uri::Sip(sip.with_header("Replaces", &replaces.to_string()));
    }
    Ok(NameAddr::new(target))
}
