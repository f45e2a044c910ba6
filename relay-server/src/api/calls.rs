//! `/api/v1/calls`: the list of calls, one call, and placing a call.

use super::body::{CallPath, JsonBody, Parameters, invalid};
use super::directory::CallEntry;
use super::idempotency::{IdempotencyKey, IdempotentRequest};
use super::page::{PageJson, PageRequest};
use super::problem::{Problem, ProblemCode};
use super::token::Grant;
use super::views::{CallJson, CallStateJson};
use super::{ApiState, json_response};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offhook_b2bua::address::Address;
use offhook_b2bua::call::{CallKey, SessionId};
use offhook_b2bua::command::{Accepted, ApplicationCall, CallCommand, CallingAccount, NewCall};
use offhook_b2bua::config::LoginName;
use offhook_signaling::message::CallId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The name of the application as a caller, if a request names no other.
pub(super) const DEFAULT_CALLER: &str = "application";

/// The filters of the list.
struct CallFilter {
    state: Option<CallStateJson>,
    session: Option<SessionId>,
    user: Option<String>,
}

impl CallFilter {
    fn parse(parameters: &mut Parameters) -> Result<Self, Problem> {
        let state = parameters.take("state").map(|name| {
            let found = CallStateJson::ALL.into_iter().find(|state| state.name() == name);
            found.ok_or_else(|| {
                invalid(format!("`state` must be one of {}", CallStateJson::ALL.map(CallStateJson::name).join(", ")))
            })
        });
        let session = parameters.number("sessionId", 0, u64::MAX)?.map(SessionId);
        Ok(Self { state: state.transpose()?, session, user: parameters.take("user") })
    }

    fn accepts(&self, call: &CallEntry) -> bool {
        let participants = || call.snapshot.participants.iter();
        let session =
            |wanted| participants().any(|one| one.browser.as_ref().is_some_and(|(session, _)| *session == wanted));
        let user = |wanted: &str| participants().any(|one| one.caller == wanted || one.callee == wanted);
        self.state.is_none_or(|state| state == call.snapshot.phase.into())
            && self.session.is_none_or(session)
            && self.user.as_deref().is_none_or(user)
    }
}

/// Lists the calls that ring or are established.
#[utoipa::path(
    get,
    path = "/api/v1/calls",
    operation_id = "listCalls",
    params(
        ("state" = Option<CallStateJson>, Query, description = "Only calls in this state"),
        ("user" = Option<String>, Query, description = "Only calls with this name in `caller` or `callee`"),
        ("sessionId" = Option<String>, Query, description = "Only calls of this client session"),
        ("limit" = Option<u64>, Query, description = "Number of items in the response, 1 to 500; 100 by default"),
        ("after" = Option<String>, Query, description = "`next` of the previous page"),
    ),
    responses((status = 200, description = "A page of the calls, oldest first", body = PageJson<CallJson>))
)]
pub(super) async fn list(State(api): State<Arc<ApiState>>, mut parameters: Parameters) -> Result<Response, Problem> {
    let filter = CallFilter::parse(&mut parameters)?;
    let page = PageRequest::parse(&mut parameters)?;
    parameters.finish()?;
    let found = api.directory.calls().into_iter().filter(|call| filter.accepts(call));
    json_response(&page.select(found, |call| call.record.call.0, |call| CallJson::from(&*call)))
}

/// Returns a call.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{id}",
    operation_id = "getCall",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    responses((status = 200, description = "The call", body = CallJson))
)]
pub(super) async fn get(State(api): State<Arc<ApiState>>, CallPath(id): CallPath) -> Result<Response, Problem> {
    json_response(&CallJson::from(&*api.call(&id)?))
}

/// A call to be placed by the application or, with `sessionId`, for a client session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PlaceRequest {
    /// The client session of the caller. Such a call needs `callId` and `sdp`.
    session_id: Option<String>,
    /// The identifier of the call in that session, or among the calls of the application.
    call_id: Option<String>,
    callee: String,
    /// The SDP offer of the caller's browser.
    sdp: Option<String>,
    /// The caller's name or number; `application` by default. Only without `sessionId`.
    caller: Option<String>,
    /// The login whose account in `[sip.accounts]` is used; by default users of the relay are called, or the trunk. Only
    /// without `sessionId`.
    account: Option<String>,
    /// The caller's display name.
    visible_name: Option<String>,
    /// The caller's name is withheld from SIP endpoints.
    #[serde(default)]
    anonymous: bool,
}

impl PlaceRequest {
    fn command(self) -> Result<CallCommand, Problem> {
        if self.callee.is_empty() || self.call_id.as_ref().is_some_and(String::is_empty) {
            return Err(invalid("`callee` and `callId` must not be empty".to_owned()));
        }
        if self.session_id.is_some() { self.for_session() } else { self.of_application() }
    }

    fn for_session(self) -> Result<CallCommand, Problem> {
        let Self { session_id, call_id, callee, sdp, caller, account, visible_name, anonymous } = self;
        let (Some(session), Some(call_id), Some(sdp), None, None) = (session_id, call_id, sdp, caller, account) else {
            let detail = "a call of a client session needs `sessionId`, `callId` and `sdp`, the offer of its page, and has \
                          neither `caller` nor `account`";
            return Err(invalid(detail.to_owned()));
        };
        let session = session.parse().map(SessionId);
        let session = session.map_err(|_| Problem::new(ProblemCode::UnknownSession, "there is no such session"))?;
        Ok(CallCommand::Place(Box::new(NewCall {
            session,
            call_id: call_id.as_str().into(),
            callee: Address::parse(&callee),
            visible_name,
            sdp,
            custom: None,
            headers: Vec::new(),
            anonymous,
            lines: Vec::new(),
        })))
    }

    fn of_application(self) -> Result<CallCommand, Problem> {
        let Self { call_id, callee, sdp, caller, account, visible_name, anonymous, .. } = self;
        if sdp.is_some() {
            return Err(invalid("only a call of a client session has `sdp`: add `sessionId`".to_owned()));
        }
        let caller = caller.filter(|caller| !caller.is_empty());
        Ok(CallCommand::Start(Box::new(ApplicationCall {
            call_id: call_id.as_deref().map(CallId::from),
            caller: Address::parse(caller.as_deref().unwrap_or(DEFAULT_CALLER)),
            callee: Address::parse(&callee),
            visible_name,
            anonymous,
            account: account.map_or(CallingAccount::Relay, |login| CallingAccount::Configured(LoginName(login))),
        })))
    }
}

/// A placed call.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the two forms of the response")]
pub(super) enum PlacedJson {
    Call(CallJson),
    Ended(EndedCallJson),
}

/// A call that has ended at once, for example because the callee is unknown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndedCallJson {
    id: String,
    /// `ended`.
    state: &'static str,
}

/// Places a call of the application, or for a client session. The application is a participant without a browser: it can
/// hold, transfer and bridge the call.
#[utoipa::path(
    post,
    path = "/api/v1/calls",
    operation_id = "placeCall",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "A request that is repeated with the same key places no \
                                                                    other call"),
    ),
    request_body = PlaceRequest,
    responses((status = 201, description = "The call was placed", body = PlacedJson))
)]
pub(super) async fn place(
    State(api): State<Arc<ApiState>>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<PlaceRequest>,
) -> Result<Response, Problem> {
    api.accepts_calls()?;
    let key = IdempotencyKey::of(&headers, &grant)?;
    let entry = match key.map(|key| api.idempotency.begin(key, &request)).transpose()? {
        Some(IdempotentRequest::Completed(call)) => return api.placed_response(call),
        Some(IdempotentRequest::New(entry)) => Some(entry),
        None => None,
    };
    let command = request.command()?;
    let placing = {
        let api = Arc::clone(&api);
        async move {
            let Accepted::Placed(at) = api.bridge.execute(command).await? else {
                return Err(Problem::new(ProblemCode::InternalError, "the call was not placed"));
            };
            tracing::info!(token = grant.name, call = at.call.0, "call placed by the API");
            Ok(at.call)
        }
    };
    let call = match entry {
        Some(entry) => entry.place(placing).await?,
        None => placing.await?,
    };
    api.placed_response(call)
}

impl ApiState {
    /// The response to a request that has placed a call.
    fn placed_response(&self, call: CallKey) -> Result<Response, Problem> {
        let id = call.0.to_string();
        let location = HeaderValue::from_str(&format!("/api/v1/calls/{id}"));
        let mut response = match self.directory.call(call) {
            Some(call) => json_response(&CallJson::from(&*call))?,
            // The call has ended already, so that only its identifier is known.
            None => json_response(&EndedCallJson { id, state: "ended" })?,
        };
        *response.status_mut() = StatusCode::CREATED;
        if let Ok(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    /// Returns a call by its identifier.
    pub(super) fn call(&self, id: &str) -> Result<Arc<CallEntry>, Problem> {
        let found = id.parse().ok().and_then(|id| self.directory.call(CallKey(id)));
        found.ok_or_else(|| Problem::new(ProblemCode::UnknownCall, "there is no such call, or it has ended"))
    }

    /// The response to a successful action: the call as it is now, or no content if it has ended.
    pub(super) fn call_response(&self, call: CallKey) -> Result<Response, Problem> {
        match self.directory.call(call) {
            Some(call) => json_response(&CallJson::from(&*call)),
            None => Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }
}
