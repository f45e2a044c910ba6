//! The interactive page of the API: it lists the operations of the OpenAPI document and sends requests with the token that its
//! user enters. It loads nothing from other hosts, and contains nothing that requires a token.

use super::ApiState;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use std::sync::Arc;

/// The page runs its own script only, sends requests to this API only, and cannot be embedded.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// The routes of the page and its files.
pub(super) fn pages() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/api", get(|| async { Redirect::permanent("/api/") }))
        .route("/api/", get(|| async { file("text/html; charset=utf-8", include_str!("page_files/page.html")) }))
        .route("/api/page.css", get(|| async { file("text/css", include_str!("page_files/page.css")) }))
        .route("/api/page.js", get(|| async { file("text/javascript", include_str!("page_files/page.js")) }))
}

/// A file of a page.
pub(super) fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Browsers load the page of a new version immediately.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
