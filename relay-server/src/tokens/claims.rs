//! The claims of a token (RFC 7519 §4.1) and those of the relay, in the member `offhook`.

use crate::config::{TokenSettings, login_name};
use core::time::Duration;
use offhook_b2bua::config::{LoginName, Pattern};
use offhook_b2bua::token::{AllowedCallees, TokenAccount, TokenGrant, TokenRefusal, TokenRights, TokenUses};
use offhook_clock::Time;
use offhook_signaling::message::SipOptions;
use offhook_sip::auth::Secret;
use serde::Deserialize;

/// The maximum length of `jti`, in octets.
const MAX_ID: usize = 256;
/// The maximum length of `name`, in octets.
const MAX_NAME: usize = 256;
/// The maximum number of patterns in `callees`, and of origins.
const MAX_LIST: usize = 64;
/// The latest time of expiry: the end of the year 9999.
const LATEST: f64 = 253_402_300_799.0;

/// The values that claims must have.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    issuer: String,
    audience: String,
    leeway: Duration,
}

impl Expected {
    pub(super) fn new(settings: &TokenSettings) -> Self {
        Self { issuer: settings.issuer.clone(), audience: settings.audience.clone(), leeway: settings.leeway }
    }
}

/// The claims of a token whose signature is valid.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    jti: Option<String>,
    name: Option<String>,
    #[serde(default)]
    offhook: OwnClaims,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// The relay's own claims. An unknown one is an error, because it may be a restriction.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OwnClaims {
    account: Option<AccountClaim>,
    callees: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    #[serde(default)]
    single_use: bool,
    calls: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum AccountClaim {
    /// The login whose account is in `[[sip.accounts]]`.
    Configured(String),
    Inline(Box<InlineAccount>),
}

/// An account at a SIP server, with the names of the SDK's `sipOptions`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InlineAccount {
    login: Option<String>,
    authentication_name: Option<String>,
    password: Option<String>,
    domain: Option<String>,
    outbound_proxy: Option<String>,
    proxy: Option<String>,
    port: Option<u16>,
    register_required: Option<bool>,
}

impl Claims {
    /// Checks the claims, and returns what they grant.
    pub(super) fn grant(
        self,
        expected: &Expected,
        origin: Option<&str>,
        now: Time,
    ) -> Result<TokenGrant, TokenRefusal> {
        let expires_at = self.check_times(expected.leeway, now).map_err(TokenRefusal::Invalid)?;
        let grant = self.into_grant(expected, origin, expires_at).map_err(TokenRefusal::Invalid)?;
        // Checked last: only a token that was valid is reported as expired.
        if expires_at <= now { Err(TokenRefusal::Expired) } else { Ok(grant) }
    }

    fn into_grant(self, expected: &Expected, origin: Option<&str>, expires_at: Time) -> Result<TokenGrant, String> {
        self.check_parties(expected)?;
        let Self { sub, jti, name, offhook, .. } = self;
        offhook.check_origin(origin)?;
        let login = sub.map(|sub| login_name(&sub).map(|()| LoginName(sub)));
        let login = login.transpose().map_err(|problem| format!("`sub`: {problem}"))?;
        let uses = offhook.uses(jti)?;
        let callees = offhook.callees()?;
        let name = name.map(display_name).transpose()?;
        let account = match offhook.account {
            None => TokenAccount::OfLogin,
            Some(AccountClaim::Configured(of)) => TokenAccount::Configured(LoginName(of)),
            Some(AccountClaim::Inline(account)) => account.into_account(login.as_ref())?,
        };
        Ok(TokenGrant { login, account, rights: TokenRights { name, callees, uses, expires_at } })
    }

    /// Checks `nbf`, and returns the time at which the session expires.
    fn check_times(&self, leeway: Duration, now: Time) -> Result<Time, String> {
        let exp = self.exp.ok_or("it has no expiration time (`exp`)")?;
        let expires_at = time(exp, "exp")? + leeway;
        match self.nbf {
            Some(nbf) if time(nbf, "nbf")? > now + leeway => Err("it is not valid yet (`nbf`)".to_owned()),
            _ => Ok(expires_at),
        }
    }

    /// Checks `iss` and `aud`. A token for an audience is rejected unless it is that of the relay (RFC 7519 §4.1.3).
    fn check_parties(&self, expected: &Expected) -> Result<(), String> {
        if !expected.issuer.is_empty() && self.iss.as_deref() != Some(&expected.issuer) {
            return Err("its issuer (`iss`) is not that of the relay's configuration".to_owned());
        }
        let is_meant = match &self.aud {
            None => expected.audience.is_empty(),
            Some(audience) => !expected.audience.is_empty() && audience.contains(&expected.audience),
        };
        if is_meant { Ok(()) } else { Err("its audience (`aud`) is not that of the relay's configuration".to_owned()) }
    }
}

impl OwnClaims {
    fn check_origin(&self, origin: Option<&str>) -> Result<(), String> {
        let Some(origins) = &self.origins else { return Ok(()) };
        let is_permitted = |origin: &str| origins.iter().take(MAX_LIST).any(|one| one.eq_ignore_ascii_case(origin));
        if origin.is_some_and(is_permitted) { Ok(()) } else { Err("it is not for pages of this origin".to_owned()) }
    }

    fn uses(&self, id: Option<String>) -> Result<TokenUses, String> {
        let logins = self.single_use.then_some(1);
        if logins.is_none() && self.calls.is_none() {
            return Ok(TokenUses::Unlimited);
        }
        match id {
            Some(id) if !id.is_empty() && id.len() <= MAX_ID => {
                Ok(TokenUses::Counted { id, logins, calls: self.calls })
            }
            _ => Err(format!("`singleUse` and `calls` require a `jti` of 1 to {MAX_ID} octets")),
        }
    }

    fn callees(&self) -> Result<AllowedCallees, String> {
        let Some(callees) = &self.callees else { return Ok(AllowedCallees::Any) };
        if callees.len() > MAX_LIST {
            return Err(format!("`callees` has more than {MAX_LIST} patterns"));
        }
        let parse =
            |text: &String| Pattern::parse(text).ok_or_else(|| "`callees` contains an invalid pattern".to_owned());
        callees.iter().map(parse).collect::<Result<_, _>>().map(AllowedCallees::Matching)
    }
}

impl InlineAccount {
    fn into_account(self, login: Option<&LoginName>) -> Result<TokenAccount, String> {
        let login = self.login.or_else(|| login.map(|login| login.0.clone()));
        let login = login.ok_or("`account` requires a `login`, or a `sub`")?;
        let options = SipOptions {
            login: Some(login),
            authentication_name: self.authentication_name,
            password: None,
            domain: self.domain,
            outbound_proxy: self.outbound_proxy,
            proxy: self.proxy,
            port: self.port.map(|port| port.to_string()),
            register_required: self.register_required,
        };
        Ok(TokenAccount::Inline { options: Box::new(options), password: self.password.map(Secret::new) })
    }
}

fn display_name(name: String) -> Result<String, String> {
    if name.len() > MAX_NAME || name.contains(char::is_control) {
        return Err(format!("`name` has more than {MAX_NAME} octets, or contains a control character"));
    }
    Ok(name)
}

/// Converts a NumericDate (RFC 7519 §2), in seconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
fn time(seconds: f64, claim: &str) -> Result<Time, String> {
    if !(0.0..=LATEST).contains(&seconds) {
        return Err(format!("`{claim}` is not a time"));
    }
    Ok(Time::from_micros((seconds * 1_000_000.0) as u64))
}
