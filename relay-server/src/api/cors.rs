//! Cross-origin requests (CORS, Fetch standard §3.3) to the compatible API, for pages of the configured origin.

use super::ApiState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// The paths of the compatible API.
const PATHS: &str = "/rest-api/";

/// Answers preflight requests, which contain no credentials, and permits the origin to read the responses.
pub(super) async fn allow_origin(State(api): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let settings = api.settings();
    let origin = settings.allowed_origin.as_ref().filter(|_| is_compatible(&request));
    let Some(origin) = origin else { return next.run(request).await };
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    permit(response.headers_mut(), origin);
    response
}

/// Returns whether a request is for the compatible API.
pub(super) fn is_compatible(request: &Request) -> bool {
    request.uri().path().starts_with(PATHS)
}

fn permit(headers: &mut HeaderMap, origin: &HeaderValue) {
    let allowed_headers = HeaderValue::from_static("authorization, content-type, x-requested-with");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
}
