//! Extraction of bodies, path parameters and query parameters from REST API requests.

use super::ApiState;
use super::problem::{Problem, ProblemCode};
use crate::http::Lingering;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A body in JSON. An empty body is an empty object.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<ApiState>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<ApiState>) -> Result<Self, Problem> {
        let octets = receive(request, api.settings().body_size).await?;
        parse(if octets.is_empty() { b"{}" } else { &octets }).map(Self)
    }
}

/// Whether the body of a request is being received. It distinguishes a slow client from a slow relay.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyReception(Arc<AtomicBool>);

impl BodyReception {
    async fn during<T>(&self, reception: impl Future<Output = T>) -> T {
        self.0.store(true, Ordering::Relaxed);
        let received = reception.await;
        self.0.store(false, Ordering::Relaxed);
        received
    }

    pub(super) fn is_running(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Receives a body in JSON, which may be empty.
async fn receive(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let length: Option<usize> =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let reception = parts.extensions.get::<BodyReception>().cloned().unwrap_or_default();
    let octets = match length {
        Some(length) if length > limit => None,
        _ => reception.during(to_bytes(body, limit)).await.ok(),
    };
    let octets = octets.ok_or_else(|| {
        // The client may still be sending the body. Without a lingering close, it could lose the response.
        parts.extensions.get::<Lingering>().into_iter().for_each(Lingering::on);
        Problem::new(ProblemCode::BodyTooLarge, format!("the body is longer than [api] body_size, {limit} octets"))
    })?;
    if !octets.is_empty() && !is_json(&parts.headers) {
        let detail = "the content type of the body must be `application/json`";
        return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
    }
    Ok(octets)
}

/// The fields of a request of the compatible API as text. Numbers and booleans may also be written as strings; other
/// JSON values, such as null, are ignored. Fields in a query are not read, so that no link or image of another site can
/// control calls with the credentials of a browser.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl FromRequest<Arc<ApiState>> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<ApiState>) -> Result<Self, Problem> {
        let octets = receive(request, api.settings().body_size).await?;
        if octets.is_empty() {
            return Ok(Self::default());
        }
        let object: BTreeMap<String, Value> = parse(&octets)?;
        let text = |(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Number(number) => Some((name, number.to_string())),
            Value::Bool(truth) => Some((name, truth.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        Ok(Self(object.into_iter().filter_map(text).collect()))
    }
}

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns all fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns a copy that contains only the fields in `names`.
    pub(super) fn only(&self, names: &[&str]) -> Self {
        let known = |name: &&str| Some(((*name).to_owned(), self.0.get(*name)?.clone()));
        Self(names.iter().filter_map(known).collect())
    }
}

fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(octets).map_err(|error| {
        let code = match error.classify() {
            Category::Data => ProblemCode::InvalidField,
            Category::Syntax | Category::Eof | Category::Io => ProblemCode::MalformedJson,
        };
        Problem::new(code, error.to_string())
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The identifier in the path of a call.
pub(super) struct CallPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for CallPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|error| Problem::new(ProblemCode::UnknownCall, error.body_text()))
    }
}

/// The parameters of a query. Unknown ones are rejected, because an ignored filter would return too much.
pub(super) struct Parameters(BTreeMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let mut found = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if found.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(invalid(format!("the parameter `{name}` is repeated")));
            }
        }
        Ok(Self(found))
    }
}

impl Parameters {
    /// Removes and returns a parameter.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Removes and returns a parameter that is a number from `least` to `most`.
    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.ok_or_else(|| invalid(format!("`{name}` is not a number from {least} to {most}")))?;
        Ok(Some(number))
    }

    /// Rejects the parameters that were not taken.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(invalid(format!("there is no parameter `{unknown}`"))),
        }
    }
}

/// The problem of a field or parameter with an invalid value.
pub(super) fn invalid(detail: String) -> Problem {
    Problem::new(ProblemCode::InvalidField, detail)
}
