//! `/api/v1/sessions`, `/api/v1/accounts`, `/api/v1/registrations`: client sessions, accounts at SIP servers, registered phones.

use super::body::Parameters;
use super::page::{PageJson, PageRequest};
use super::problem::Problem;
use super::{ApiState, json_response};
use crate::timestamp::rfc3339;
use axum::extract::State;
use axum::response::Response;
use offhook_b2bua::relay::{AccountRegistration, AccountSnapshot, PhoneSnapshot, SessionSnapshot};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A client session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionJson {
    id: String,
    login: Option<String>,
    address: String,
    is_connected: bool,
    account_id: Option<String>,
    calls: usize,
}

/// An account at a SIP server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountJson {
    id: String,
    uri: String,
    is_trunk: bool,
    is_configured: bool,
    state: AccountStateJson,
    last_error: Option<String>,
    sessions: usize,
}

/// The state of the registration of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum AccountStateJson {
    NotRegistering,
    Pending,
    Registered,
    Lost,
}

/// A phone that is registered at the relay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegistrationJson {
    id: String,
    user: String,
    contact: String,
    address: String,
    expires_at: String,
}

/// Lists the client sessions.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "listSessions",
    params(
        ("login" = Option<String>, Query, description = "Only sessions of this login"),
        ("limit" = Option<u64>, Query, description = "Number of items in the response, 1 to 500; 100 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "A page of the sessions", body = PageJson<SessionJson>))
)]
pub(super) async fn sessions(
    State(api): State<Arc<ApiState>>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let (page, login) = (PageRequest::parse(&mut parameters)?, parameters.take("login"));
    parameters.finish()?;
    let found = api.bridge.view(move |relay| {
        let is_wanted = |session: &SessionSnapshot<'_>| login.is_none() || session.login == login.as_deref();
        page.select(relay.sessions().filter(is_wanted), |session| session.id.0, SessionJson::from)
    });
    json_response(&found.await?)
}

/// Lists the accounts at SIP servers.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    operation_id = "listAccounts",
    params(
        ("limit" = Option<u64>, Query, description = "Number of items in the response, 1 to 500; 100 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "A page of the accounts", body = PageJson<AccountJson>))
)]
pub(super) async fn accounts(
    State(api): State<Arc<ApiState>>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let page = PageRequest::parse(&mut parameters)?;
    parameters.finish()?;
    let found = api.bridge.view(move |relay| page.select(relay.accounts(), |account| account.id.0, AccountJson::from));
    json_response(&found.await?)
}

/// Lists the SIP phones that are registered at the relay.
#[utoipa::path(
    get,
    path = "/api/v1/registrations",
    operation_id = "listRegistrations",
    params(
        ("user" = Option<String>, Query, description = "Only phones of this user"),
        ("limit" = Option<u64>, Query, description = "Number of items in the response, 1 to 500; 100 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "A page of the phones", body = PageJson<RegistrationJson>))
)]
pub(super) async fn registrations(
    State(api): State<Arc<ApiState>>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let (page, user) = (PageRequest::parse(&mut parameters)?, parameters.take("user"));
    parameters.finish()?;
    let found = api.bridge.view(move |relay| {
        let is_wanted = |phone: &PhoneSnapshot<'_>| user.as_deref().is_none_or(|user| phone.user == user);
        page.select(relay.phones().filter(is_wanted), |phone| phone.id.0, RegistrationJson::from)
    });
    json_response(&found.await?)
}

impl From<SessionSnapshot<'_>> for SessionJson {
    fn from(session: SessionSnapshot<'_>) -> Self {
        Self {
            id: session.id.0.to_string(),
            login: session.login.map(str::to_owned),
            address: session.address.to_string(),
            is_connected: session.is_connected,
            account_id: session.account.map(|account| account.0.to_string()),
            calls: session.calls,
        }
    }
}

impl From<AccountSnapshot<'_>> for AccountJson {
    fn from(account: AccountSnapshot<'_>) -> Self {
        Self {
            id: account.id.0.to_string(),
            uri: account.uri.to_string(),
            is_trunk: account.is_trunk,
            is_configured: account.is_configured,
            state: match account.registration {
                AccountRegistration::Off => AccountStateJson::NotRegistering,
                AccountRegistration::Pending => AccountStateJson::Pending,
                AccountRegistration::Registered => AccountStateJson::Registered,
                AccountRegistration::Lost => AccountStateJson::Lost,
            },
            last_error: account.last_failure.map(str::to_owned),
            sessions: account.sessions,
        }
    }
}

impl From<PhoneSnapshot<'_>> for RegistrationJson {
    fn from(phone: PhoneSnapshot<'_>) -> Self {
        Self {
            id: phone.id.0.to_string(),
            user: phone.user.to_owned(),
            contact: phone.contact,
            address: phone.address.to_string(),
            expires_at: rfc3339(phone.expires_at),
        }
    }
}
