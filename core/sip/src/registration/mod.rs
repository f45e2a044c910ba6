//! SIP registration client: registers one account and refreshes the binding until it is removed (RFC 3261 §10.2, RFC
//! 3608).
//!
//! ```text
//!                  401, 407, 423, 3xx: again
//!                  ┌───┐
//!  ──────────> Registering ── 2xx ─────────────────> Registered ── unregister ──> Unregistering ── any final ───┐
//!               │  ^   ^  └────── network changed ─────┘ (soon)                        ^   │ 401, 423: again     │
//!               │  │   └── refresh is due, binding valid ───── (from Registered)       │   └───┘                v
//!   5xx, timeout│  │ retry is due                                                      │              Unregistered
//!               v  │                                                                   │                        ^
//!              Waiting ── unregister: binding valid ───────────────────────────────────┘                        │
//!               │ └────── unregister: no binding ───────────────────────────────────────────────────────────────┤
//!  4xx, 6xx ──> Failed ── unregister ───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A request is not sent while another one is pending (RFC 3261 §10.2), unless the network has changed since.

mod exchange;
mod keep_alive;
mod many;

pub use keep_alive::{KeepAlives, Ping};
pub use many::{Output as ManyOutput, Registrations};

use crate::auth::{AuthClient, AuthRefusal, Login};
use crate::message::{HeaderName, Method, NameAddr, Request, Response, Uri};
use crate::transaction;
use crate::user_agent::io::Failure;
use core::time::Duration;
use exchange::{RegisterExchange, is_final, own_contact};
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The wait after the first failure (RFC 5626 §4.5). It doubles with each failure.
const BASE_WAIT: Duration = Duration::from_secs(30);

/// The wait after the first failure to reach a server. Such attempts cost the server nothing, and it may be starting
/// together with the relay. It doubles up to [`LONGEST_WAIT`].
const UNREACHABLE_WAIT: Duration = Duration::from_secs(1);

/// The longest wait after failures (RFC 5626 §4.5).
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);

/// The longest wait after rejections, unless the first one is longer.
const LONGEST_REFUSED_WAIT: Duration = Duration::from_secs(600);

/// The longest `Retry-After` that is observed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// The shortest `Retry-After` that is observed: a value of 0 would cause a request loop.
const SHORTEST_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Shorter bindings are refreshed as if they had this lifetime, to limit the request rate.
const SHORTEST_BINDING: Duration = Duration::from_secs(10);

/// After a network change, the accounts register again at random times within this period.
const NETWORK_CHANGE_SPREAD: Duration = Duration::from_secs(2);

/// The account to register and its registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationSettings {
    /// The address of record, in `To` and `From`.
    pub identity: NameAddr,
    /// The registrar's domain: a SIP URI without user part.
    pub registrar: Uri,
    /// Outbound proxies, nearest first.
    pub route: Vec<NameAddr>,
    /// The contact to bind to the address of record. Its user part is unique, so that it is found in responses even if
    /// the server has changed the other parts.
    pub contact: NameAddr,
    /// The requested lifetime of the binding.
    pub expires: Duration,
    /// The login for challenges.
    pub login: Option<Login>,
    /// The wait after the first rejection, which doubles with each further one. `None`: a rejection is final.
    pub refused_wait: Option<Duration>,
}

/// An input of a registration.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A response to the latest request.
    Response(&'a Response),
    /// The latest request received no response.
    Failed(transaction::Failure),
    /// Remove the registration.
    Unregister,
    /// The network has changed, or the flow of the registration was closed.
    NetworkChanged,
}

/// An output of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this REGISTER. It replaces an earlier one that is pending.
    Send(Box<Request>),
    /// Report an event.
    Event(Event),
}

/// An event of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The account is registered. Successful refreshes are not reported.
    Registered {
        /// The lifetime that the registrar granted.
        expires: Duration,
    },
    /// The account is not registered, or its binding is about to expire.
    Failed {
        /// The reason.
        failure: Failure,
        /// The time of the next attempt. `None` if there is none.
        retry_at: Option<Time>,
    },
    /// The account was unregistered on request. Nothing follows.
    Unregistered,
}

/// The action after the pending request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Then {
    Stay,
    Leave,
}

/// `binding` is the time until which an earlier binding is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Registering { exchange: RegisterExchange, binding: Option<Time>, then: Then },
    Registered { expires_at: Time, refresh_at: Time },
    Waiting { retry_at: Time, binding: Option<Time> },
    Unregistering { exchange: RegisterExchange },
    Unregistered,
    Failed,
}

/// The registration state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    settings: RegistrationSettings,
    auth: Option<AuthClient>,
    call_id: String,
    tag: String,
    cseq: u32,
    /// The requested lifetime: longer than the configured one if the registrar demanded that (423).
    lifetime: Duration,
    /// The number of consecutive failures.
    failures: u32,
    service_route: Vec<NameAddr>,
    state: State,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Registration {
    /// Creates a registration and sends a REGISTER. `rng` generates the Call-ID, the tag and random waits.
    #[must_use]
    pub fn new(settings: RegistrationSettings, rng: &mut ChaCha20Rng) -> Self {
        let mut registration = Self {
            auth: settings.login.clone().map(AuthClient::new),
            call_id: format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()),
            tag: format!("{:016x}", rng.next_u64()),
            cseq: 0,
            lifetime: settings.expires,
            failures: 0,
            service_route: Vec::new(),
            settings,
            state: State::Failed,
            outputs: VecDeque::new(),
        };
        registration.state = registration.register(None, rng);
        registration
    }

    /// Processes one input.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut ChaCha20Rng, now: Time) {
        let state = core::mem::replace(&mut self.state, State::Failed);
        self.state = match (state, input) {
            (state, Input::Response(response)) if !self.is_awaited(response) => state,
            (State::Registering { exchange, binding, then }, Input::Response(response)) if !response.is_success() => {
                match (self.try_again(exchange, response), then, binding) {
                    (Ok(exchange), Then::Stay, _) => self.send_register(exchange, self.lifetime, rng, |exchange| {
                        State::Registering { exchange, binding, then }
                    }),
                    (Ok(exchange), Then::Leave, Some(_)) => {
                        self.send_register(exchange, Duration::ZERO, rng, |exchange| State::Unregistering { exchange })
                    }
                    (Ok(_), Then::Leave, None) => self.leave(),
                    (Err(failure), _, _) => self.fail(failure, Some(response), (binding, then), rng, now),
                }
            }
            (State::Registering { binding, then, .. }, Input::Response(response)) => {
                self.accept(response, binding, then, rng, now)
            }
            (State::Registering { binding, then, .. }, Input::Failed(failure)) => {
                self.fail(failure.into(), None, (binding, then), rng, now)
            }
            (State::Registering { exchange, binding, .. }, Input::Unregister) => {
                State::Registering { exchange, binding, then: Then::Leave }
            }
            // The pending request may not be answered on the new network.
            (State::Registering { binding, then: Then::Stay, .. }, Input::NetworkChanged) => {
                self.register(binding, rng)
            }
            (State::Registered { .. } | State::Waiting { binding: Some(_), .. }, Input::Unregister) => {
                self.unregister(rng)
            }
            (State::Registered { expires_at, .. }, Input::NetworkChanged) => {
                State::Registered { expires_at, refresh_at: now + part_of(NETWORK_CHANGE_SPREAD, 0, rng) }
            }
            (State::Waiting { binding, .. }, Input::NetworkChanged) => {
                self.failures = 0;
                State::Waiting { retry_at: now + part_of(NETWORK_CHANGE_SPREAD, 0, rng), binding }
            }
            (State::Unregistering { exchange }, Input::Response(response)) if !response.is_success() => {
                match self.try_again(exchange, response) {
                    Ok(exchange) => {
                        self.send_register(exchange, Duration::ZERO, rng, |exchange| State::Unregistering { exchange })
                    }
                    Err(_) => self.leave(),
                }
            }
            (State::Unregistering { .. }, Input::Response(_) | Input::Failed(_))
            | (State::Waiting { binding: None, .. } | State::Failed, Input::Unregister) => self.leave(),
            (state @ State::Registering { then: Then::Leave, .. }, Input::NetworkChanged)
            | (state @ (State::Registered { .. } | State::Waiting { .. }), Input::Response(_) | Input::Failed(_))
            | (state @ State::Unregistering { .. }, Input::Unregister | Input::NetworkChanged)
            | (state @ State::Failed, Input::Response(_) | Input::Failed(_) | Input::NetworkChanged)
            | (state @ State::Unregistered, _) => state,
        };
    }

    /// Returns whether the response is final and belongs to the latest request.
    fn is_awaited(&self, response: &Response) -> bool {
        !response.is_provisional() && response.headers.cseq().is_ok_and(|cseq| cseq.number == self.cseq)
    }

    fn register(&mut self, binding: Option<Time>, rng: &mut ChaCha20Rng) -> State {
        let exchange = RegisterExchange::new(&self.settings);
        self.send_register(exchange, self.lifetime, rng, |exchange| State::Registering {
            exchange,
            binding,
            then: Then::Stay,
        })
    }

    fn unregister(&mut self, rng: &mut ChaCha20Rng) -> State {
        let exchange = RegisterExchange::new(&self.settings);
        self.send_register(exchange, Duration::ZERO, rng, |exchange| State::Unregistering { exchange })
    }

    fn leave(&mut self) -> State {
        self.report(Event::Unregistered);
        State::Unregistered
    }

    /// Sends the next request of an exchange.
    fn send_register(
        &mut self,
        mut exchange: RegisterExchange,
        lifetime: Duration,
        rng: &mut ChaCha20Rng,
        state: impl FnOnce(RegisterExchange) -> State,
    ) -> State {
        self.cseq += 1;
        let mut request = Request::new(Method::Register, exchange.target.clone());
        let headers = &mut request.headers;
        headers.set_routes(&self.settings.route);
        headers.push(HeaderName::MaxForwards, 70);
        headers.push(HeaderName::From, self.settings.identity.clone().with_tag(&self.tag));
        headers.push(HeaderName::To, &self.settings.identity);
        headers.push(HeaderName::CallId, &self.call_id);
        headers.push(HeaderName::CSeq, format_args!("{} REGISTER", self.cseq));
        headers.push(HeaderName::Contact, &self.settings.contact);
        headers.push(HeaderName::Expires, lifetime.as_secs());
        // Proxies may add `Path`, which calls then follow (RFC 3327 §5.1).
        headers.push(HeaderName::Supported, "path");
        if let Some(auth) = &mut self.auth {
            auth.sign(&mut request, rng);
        }
        self.outputs.push_back(Output::Send(Box::new(request.clone())));
        exchange.request = Some(request);
        state(exchange)
    }

    /// Returns the exchange if the response is to be followed by another request, else the failure.
    fn try_again(&mut self, mut exchange: RegisterExchange, response: &Response) -> Result<RegisterExchange, Failure> {
        let refused = || Failure::Refused { status: response.status, reason: response.reason.clone() };
        let is_answered = match response.status {
            401 | 407 => {
                let request = exchange.request.take().ok_or_else(refused)?;
                let auth = self.auth.as_mut().ok_or_else(refused)?;
                auth.store_challenges_of(&request, response).map_err(|refusal| match refusal {
                    AuthRefusal::Rejected { realm } => Failure::WrongPassword { realm },
                    AuthRefusal::Unanswerable(_) => refused(),
                })?;
                true
            }
            423 => {
                let least = response.headers.min_expires().and_then(Result::ok).unwrap_or(0);
                let least = Duration::from_secs(least.into());
                let is_more = least > self.lifetime;
                self.lifetime = self.lifetime.max(least);
                is_more
            }
            301 | 302 => exchange.redirect(response),
            _ => false,
        };
        if is_answered && exchange.count() { Ok(exchange) } else { Err(refused()) }
    }

    fn accept(
        &mut self,
        response: &Response,
        binding: Option<Time>,
        then: Then,
        rng: &mut ChaCha20Rng,
        now: Time,
    ) -> State {
        self.failures = 0;
        self.service_route = response.headers.service_route().unwrap_or_default();
        if let (Some(auth), Some(text)) = (&mut self.auth, response.headers.get(HeaderName::AuthenticationInfo)) {
            auth.next_nonce(text);
        }
        if then == Then::Leave {
            return self.unregister(rng);
        }
        let own = own_contact(response, &self.settings.contact).and_then(|contact| contact.expires());
        let granted = own.or_else(|| response.headers.expires()?.ok());
        let expires =
            granted.map_or(self.lifetime, |seconds| Duration::from_secs(seconds.into())).max(SHORTEST_BINDING);
        if binding.is_none() {
            self.report(Event::Registered { expires });
        }
        State::Registered { expires_at: now + expires, refresh_at: now + refresh_after(expires, rng) }
    }

    fn fail(
        &mut self,
        failure: Failure,
        response: Option<&Response>,
        (binding, then): (Option<Time>, Then),
        rng: &mut ChaCha20Rng,
        now: Time,
    ) -> State {
        if then == Then::Leave {
            return self.leave();
        }
        let mut is_refused = false;
        let wait = match response {
            None if failure == Failure::Unreachable => Some(self.back_off(UNREACHABLE_WAIT, binding, rng, now)),
            None => Some(self.back_off(BASE_WAIT, binding, rng, now)),
            Some(response) => match response.headers.retry_after() {
                Some(Ok(after)) => {
                    Some(Duration::from_secs(after.seconds.into()).clamp(SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER))
                }
                Some(Err(_)) | None if is_final(response.status) => {
                    is_refused = true;
                    self.settings.refused_wait.map(|first| self.refused_wait(first, rng))
                }
                Some(Err(_)) | None => Some(self.back_off(BASE_WAIT, binding, rng, now)),
            },
        };
        self.failures += 1;
        let Some(wait) = wait else {
            self.report(Event::Failed { failure, retry_at: None });
            return State::Failed;
        };
        let retry_at = now + wait;
        // While an earlier binding is valid, the failure is not reported.
        let binding = binding.filter(|expires_at| !is_refused && retry_at < *expires_at);
        if binding.is_none() {
            self.report(Event::Failed { failure, retry_at: Some(retry_at) });
        }
        State::Waiting { retry_at, binding }
    }

    /// Returns the wait after a rejection. The credentials are reset, because the rejection may have been caused by
    /// their nonce.
    fn refused_wait(&mut self, first: Duration, rng: &mut ChaCha20Rng) -> Duration {
        self.auth = self.settings.login.clone().map(AuthClient::new);
        let wait = first.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_REFUSED_WAIT.max(first));
        part_of(wait, 50, rng)
    }

    /// Returns the wait after a failure (RFC 5626 §4.5). While a binding is valid, it is at most half of the remaining
    /// lifetime, so that the binding can still be refreshed.
    fn back_off(&self, first: Duration, binding: Option<Time>, rng: &mut ChaCha20Rng, now: Time) -> Duration {
        let wait = first.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        let wait = part_of(wait, 50, rng);
        let left = binding.map(|expires_at| expires_at.since(now) / 2).filter(|left| *left > Duration::from_secs(1));
        left.map_or(wait, |left| wait.min(left))
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, rng: &mut ChaCha20Rng, now: Time) {
        match self.state {
            State::Registered { refresh_at, expires_at } if refresh_at <= now => {
                self.state = self.register(Some(expires_at), rng);
            }
            State::Waiting { retry_at, binding } if retry_at <= now => self.state = self.register(binding, rng),
            // The transaction layer limits the time of a pending request.
            State::Registering { .. }
            | State::Registered { .. }
            | State::Waiting { .. }
            | State::Unregistering { .. }
            | State::Unregistered
            | State::Failed => {}
        }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Registered { refresh_at: at, .. } | State::Waiting { retry_at: at, .. } => Some(at),
            State::Registering { .. } | State::Unregistering { .. } | State::Unregistered | State::Failed => None,
        }
    }

    /// Returns the service route for other requests of this account (RFC 3608 §6.1).
    #[must_use]
    pub fn service_route(&self) -> &[NameAddr] {
        &self.service_route
    }

    /// Returns whether a binding was accepted and has not expired.
    #[must_use]
    pub const fn is_registered(&self) -> bool {
        match self.state {
            State::Registered { .. } => true,
            State::Registering { binding, .. } | State::Waiting { binding, .. } => binding.is_some(),
            State::Unregistering { .. } | State::Unregistered | State::Failed => false,
        }
    }

    /// Returns whether the account was unregistered on request.
    #[must_use]
    pub const fn is_unregistered(&self) -> bool {
        matches!(self.state, State::Unregistered)
    }
}

/// Returns the time until the refresh: a tenth of the lifetime before it expires, but at least the time for two lost
/// requests, randomized to spread the accounts.
fn refresh_after(expires: Duration, rng: &mut ChaCha20Rng) -> Duration {
    let margin = (expires / 10).max((expires / 2).min(Duration::from_secs(64)));
    part_of(expires.saturating_sub(margin), 95, rng)
}

/// Returns a random part of `whole`, at least `least` percent of it.
fn part_of(whole: Duration, least: u32, rng: &mut ChaCha20Rng) -> Duration {
    let permille = least * 10 + rng.next_u32() % (1_001 - least * 10);
    whole / 1_000 * permille
}

impl From<transaction::Failure> for Failure {
    fn from(failure: transaction::Failure) -> Self {
        match failure {
            transaction::Failure::Timeout => Self::Timeout,
            transaction::Failure::Unreachable | transaction::Failure::Withdrawn => Self::Unreachable,
            transaction::Failure::NoSuchHost => Self::NoSuchHost,
        }
    }
}

#[cfg(test)]
mod tests;
