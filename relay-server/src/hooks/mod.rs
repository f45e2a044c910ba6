//! Webhooks: the backend of an application authorizes client sessions, calls and commands, and is informed of events.
//!
//! ```text
//!  relay machine ── AuthorizationOutput, Route ──> HookSide ──┬─ no hook: answered at once
//!       ^                                                     ├─ question ──> task: HTTP request ──> HookAnswer ──┐
//!       │                                                     └─ event ────> queue of the application             │
//!       └──────────── AuthorizationInput, Routed ── HookSide <── signaling plane <─────────────────────────────────┘
//! ```
//!
//! The signaling plane never waits for a request. The machine has a deadline for each question of its own, which is
//! later than the time limit of the request.

mod application;
mod body;
mod delivery;
mod exchange;
mod method;
mod policy;
mod questions;
mod reports;

pub use method::HookMethod;
pub use policy::OnError;
pub use questions::HookAnswer;

use crate::config::{ApplicationSettings, HookSettings};
use crate::metrics::HookMetrics;
use crate::outbound_http;
use crate::signaling_plane::PlaneInput;
use application::Application;
use core::time::Duration;
use offhook_b2bua::call::SessionId;
use offhook_b2bua::config::{Authorization, Routing};
use policy::Policies;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The target of log lines.
const TARGET: &str = "offhook::hooks";
/// The `app_key` of the application of all clients that have no other.
const ANY_KEY: &str = "*";
/// The key of clients that name no application, and of calls that belong to no client.
const DEFAULT_KEY: &str = "defaultApp";
/// The time by which the deadline of the machine is later than that of a request.
const GRACE: Duration = Duration::from_secs(1);

/// The configured applications.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    applications: Arc<Vec<Arc<Application>>>,
    metrics: Arc<HookMetrics>,
}

impl Hooks {
    /// Creates the applications. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the file of authorities cannot be used.
    pub fn start(settings: &HookSettings) -> io::Result<Self> {
        if settings.applications.is_empty() {
            return Ok(Self::default());
        }
        let client = outbound_http::client(settings.authorities.as_deref())?;
        let mut octets = [0; 8];
        getrandom::fill(&mut octets).map_err(io::Error::other)?;
        let process = format!("{:016x}", u64::from_le_bytes(octets));
        let metrics = Arc::default();
        let start = |(name, application): (&String, &ApplicationSettings)| {
            Application::start(name, application, settings, (client.clone(), &process), &metrics).map(Arc::new)
        };
        let applications = Arc::new(settings.applications.iter().filter_map(start).collect());
        Ok(Self { applications, metrics })
    }

    /// Returns the totals.
    #[must_use]
    pub fn metrics(&self) -> Arc<HookMetrics> {
        Arc::clone(&self.metrics)
    }

    fn of_key(&self, key: &str) -> Option<&Arc<Application>> {
        let find = |key: &str| self.applications.iter().find(|application| application.app_key == key);
        find(key).or_else(|| find(ANY_KEY))
    }

    /// Waits until all events were delivered or given up.
    pub async fn flushed(&self) {
        for application in self.applications.iter() {
            application.flushed().await;
        }
    }

    /// Logs the number of events that are lost because the process ends.
    pub fn report_undelivered(&self) {
        for application in self.applications.iter() {
            let (name, events) = (application.name(), application.queued());
            if events > 0 {
                tracing::warn!(target: TARGET, application = name, events, "shutdown: webhook events are lost");
            }
        }
    }
}

/// Returns the configuration of the machine for these settings.
#[must_use]
pub fn machine(settings: &HookSettings) -> (Authorization, Routing) {
    let timeout = settings.timeout + GRACE;
    let routes = |application: &ApplicationSettings| {
        [HookMethod::Call, HookMethod::IncomingCall].iter().any(|method| application.methods.contains(method))
    };
    if settings.applications.is_empty() {
        (Authorization::Local, Routing::Local)
    } else if settings.applications.values().any(routes) {
        (Authorization::External { timeout }, Routing::External { timeout })
    } else {
        (Authorization::External { timeout }, Routing::Local)
    }
}

/// A client session, or a client that is to be authorized.
#[derive(Debug)]
struct HookSession {
    application: Arc<Application>,
    app_key: String,
    policies: Policies,
    login: String,
    state: SessionState,
    is_registered: bool,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    /// It is not authorized yet.
    Pending,
    /// It has not been established yet.
    Granted,
    Online,
    Away,
}

/// The signaling plane's side of the webhooks.
#[derive(Debug)]
pub(crate) struct HookSide {
    hooks: Hooks,
    sessions: BTreeMap<SessionId, HookSession>,
    answers: mpsc::Sender<PlaneInput>,
}

impl HookSide {
    pub(crate) const fn new(hooks: Hooks, answers: mpsc::Sender<PlaneInput>) -> Self {
        Self { hooks, sessions: BTreeMap::new(), answers }
    }
}
