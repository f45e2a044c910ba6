//! Idempotency keys: a request with the header field `Idempotency-Key` that is repeated, for example after a lost response,
//! is executed once.
//!
//! A key is valid for the requests of one token. It is kept for a limited time after the call was placed, and not at all
//! if the request failed, so that it can be repeated.

use super::body::invalid;
use super::calls::PlaceRequest;
use super::problem::{Problem, ProblemCode};
use super::token::Grant;
use axum::http::HeaderMap;
use core::time::Duration;
use offhook_b2bua::call::CallKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The time for which a key is kept.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Maximum number of keys. Beyond it, the oldest completed one is removed.
const KEPT: usize = 10_000;
/// Maximum length of a key, in octets.
const LENGTH: usize = 128;

/// A key and the name of the token with which it is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdempotencyKey {
    token: String,
    key: String,
}

impl IdempotencyKey {
    /// Returns the key of a request, if it has one.
    pub(super) fn of(headers: &HeaderMap, grant: &Grant) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= LENGTH);
        let key =
            key.ok_or_else(|| invalid(format!("`Idempotency-Key` has 1 to {LENGTH} visible ASCII characters")))?;
        Ok(Some(Self { token: grant.name.clone(), key: key.to_owned() }))
    }
}

/// A request that was received with a key.
#[derive(Debug)]
struct KeyedRequest {
    request: PlaceRequest,
    received: Instant,
    /// The call, if the request has been completed.
    call: Option<CallKey>,
}

/// The known keys.
#[derive(Debug, Default)]
pub(super) struct IdempotencyKeys {
    known: Arc<Mutex<BTreeMap<IdempotencyKey, KeyedRequest>>>,
}

/// The treatment of a request with a key.
#[derive(Debug)]
pub(super) enum IdempotentRequest {
    /// It is to be executed.
    New(PendingKey),
    /// It has placed this call already.
    Completed(CallKey),
}

/// The key of a request that is being executed. It is removed unless the request is completed.
#[derive(Debug)]
pub(super) struct PendingKey {
    known: Arc<Mutex<BTreeMap<IdempotencyKey, KeyedRequest>>>,
    key: IdempotencyKey,
}

impl IdempotencyKeys {
    /// Begins a request, unless it has been received before.
    pub(super) fn begin(&self, key: IdempotencyKey, request: &PlaceRequest) -> Result<IdempotentRequest, Problem> {
        let now = Instant::now();
        let mut known = lock(&self.known);
        known.retain(|_, entry| now.duration_since(entry.received) < KEPT_FOR);
        if let Some(entry) = known.get(&key) {
            return match entry.call {
                _ if entry.request != *request => {
                    let detail = "this `Idempotency-Key` belongs to a request with another body";
                    Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
                }
                Some(call) => Ok(IdempotentRequest::Completed(call)),
                None => {
                    let detail = "the request with this `Idempotency-Key` has not been completed";
                    Err(Problem::new(ProblemCode::IdempotencyKeyInUse, detail))
                }
            };
        }
        if known.len() >= KEPT {
            let oldest = known.iter().filter(|(_, entry)| entry.call.is_some()).min_by_key(|(_, entry)| entry.received);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                known.remove(&oldest);
            }
        }
        known.insert(key.clone(), KeyedRequest { request: request.clone(), received: now, call: None });
        drop(known);
        Ok(IdempotentRequest::New(PendingKey { known: Arc::clone(&self.known), key }))
    }
}

impl PendingKey {
    /// Places the call and stores it, even if the caller stops waiting: the plane may have accepted the command already.
    pub(super) async fn place(
        self,
        placing: impl Future<Output = Result<CallKey, Problem>> + Send + 'static,
    ) -> Result<CallKey, Problem> {
        let task = tokio::spawn(async move {
            let call = placing.await?;
            self.complete(call);
            Ok(call)
        });
        task.await.unwrap_or_else(|_| Err(Problem::new(ProblemCode::InternalError, "the call was not placed")))
    }

    /// Stores the call that the request has placed.
    fn complete(self, call: CallKey) {
        if let Some(entry) = lock(&self.known).get_mut(&self.key) {
            entry.call = Some(call);
        }
    }
}

impl Drop for PendingKey {
    fn drop(&mut self) {
        let mut known = lock(&self.known);
        if known.get(&self.key).is_some_and(|entry| entry.call.is_none()) {
            known.remove(&self.key);
        }
    }
}

fn lock(
    known: &Mutex<BTreeMap<IdempotencyKey, KeyedRequest>>,
) -> MutexGuard<'_, BTreeMap<IdempotencyKey, KeyedRequest>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{CallKey, IdempotencyKey, IdempotencyKeys, IdempotentRequest, PlaceRequest, Problem, ProblemCode};
    use core::time::Duration;
    use tokio::sync::oneshot;

    fn key(token: &str) -> IdempotencyKey {
        IdempotencyKey { token: token.to_owned(), key: "k".to_owned() }
    }

    fn request(callee: &str) -> PlaceRequest {
        serde_json::from_value(serde_json::json!({ "callee": callee })).unwrap()
    }

    fn begin(keys: &IdempotencyKeys, token: &str, callee: &str) -> Result<Option<CallKey>, ProblemCode> {
        match keys.begin(key(token), &request(callee)) {
            Ok(IdempotentRequest::New(_)) => Ok(None),
            Ok(IdempotentRequest::Completed(call)) => Ok(Some(call)),
            Err(problem) => Err(Problem::code(&problem)),
        }
    }

    #[test]
    fn completed_request_is_not_repeated() {
        let keys = IdempotencyKeys::default();
        let Ok(IdempotentRequest::New(pending)) = keys.begin(key("a"), &request("bob")) else { panic!() };
        assert_eq!(begin(&keys, "a", "bob"), Err(ProblemCode::IdempotencyKeyInUse));
        pending.complete(CallKey(7));
        assert_eq!(begin(&keys, "a", "bob"), Ok(Some(CallKey(7))));
        assert_eq!(begin(&keys, "a", "carol"), Err(ProblemCode::IdempotencyKeyReused));
        assert_eq!(begin(&keys, "b", "carol"), Ok(None), "keys belong to a token");
    }

    #[tokio::test]
    async fn call_of_abandoned_request_is_stored() {
        let keys = IdempotencyKeys::default();
        let Ok(IdempotentRequest::New(pending)) = keys.begin(key("a"), &request("bob")) else { panic!() };
        let (placed, placing) = oneshot::channel();
        let (done, finished) = oneshot::channel::<()>();
        let placing = pending.place(async move {
            let _done = done;
            Ok(placing.await.unwrap())
        });
        assert!(tokio::time::timeout(Duration::from_millis(1), placing).await.is_err());
        assert_eq!(begin(&keys, "a", "bob"), Err(ProblemCode::IdempotencyKeyInUse));
        placed.send(CallKey(7)).unwrap();
        // The result is stored in the same step of the task.
        finished.await.unwrap_err();
        assert_eq!(begin(&keys, "a", "bob"), Ok(Some(CallKey(7))));
    }

    #[test]
    fn key_of_failed_request_is_free_again() {
        let keys = IdempotencyKeys::default();
        assert_eq!(begin(&keys, "a", "bob"), Ok(None));
        assert_eq!(begin(&keys, "a", "carol"), Ok(None));
    }
}
