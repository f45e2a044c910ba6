//! `Refer-To`: whom to call, and in the place of which call (RFC 3515 §2.1, RFC 3891 §5).

use crate::message::{Malformed, Method, NameAddr, Replaces, Uri};

/// What a `Refer-To` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// Whom to call.
    pub target: Uri,
    /// The call to take the place of.
    pub replaces: Option<Replaces>,
}

impl Referral {
    /// Reads a `Refer-To`.
    ///
    /// # Errors
    /// When it asks for anything but an INVITE, or names a dialog that cannot be read.
    pub fn of(refer_to: &NameAddr) -> Result<Self, Malformed> {
        let mut target = refer_to.uri.clone();
        let Some(sip) = target.as_sip_mut() else { return Ok(Self { target, replaces: None }) };
        let method = sip.params().get("method").unwrap_or(Method::Invite.name());
        if !method.eq_ignore_ascii_case(Method::Invite.name()) {
            return Err(Malformed("a referral to something other than INVITE"));
        }
        let named = sip.headers().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
        let replaces = named.map(|(_, value)| value.parse()).transpose()?;
        sip.make_request_uri();
        Ok(Self { target, replaces })
    }
}

/// The `Refer-To` of a call to `target`, in the place of `replaces`.
///
/// # Errors
/// When `target` is no URI, or one that cannot replace.
pub fn refer_to(target: &str, replaces: Option<&Replaces>) -> Result<NameAddr, Malformed> {
    let mut target: Uri = target.parse()?;
    if let Some(replaces) = replaces {
        let Uri::Sip(mut sip) = target else { return Err(Malformed("only a SIP URI can name what it replaces")) };
        sip.make_request_uri();
        target = Uri::Sip(sip.with_header("Replaces", &replaces.to_string()));
    }
    Ok(NameAddr::new(target))
}
