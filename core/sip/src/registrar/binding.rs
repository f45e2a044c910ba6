//! One binding: a contact of a user's address of record.

use crate::message::{Host, NameAddr, Uri};
use crate::transaction::layer::Destination;
use crate::transport::{Source, Target, Transport};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A contact that is bound to an address of record (RFC 3261 §10.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The contact URI, which is the Request-URI of a call to the phone.
    pub uri: Uri,
    /// The preference in thousandths, highest first.
    pub priority: u16,
    /// The proxies that requests to the phone pass, nearest first (RFC 3327).
    pub path: Vec<NameAddr>,
    /// The expiry time.
    pub expires_at: Time,
    /// The flow that the REGISTER arrived on. `None` if it was closed.
    pub flow: Option<Source>,
    /// The domain that the phone registered for, if it is not a configured one.
    pub(super) domain: Option<String>,
    /// The source address of the REGISTER.
    pub registered_from: IpAddr,
    /// Whether no proxy is between the phone and the relay, so that requests can be sent on the flow of the REGISTER.
    pub is_direct: bool,
    /// Whether the phone sends from another port than it receives at, without a NAT, and its `Via` requests responses
    /// there (Cisco 79xx).
    pub(super) receives_at_contact: bool,
    /// The instance ID and reg-id of the phone, which identify it independent of its address (RFC 5626 §4.1, §4.2).
    pub(super) instance: Option<(String, Option<u32>)>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

impl Binding {
    /// Returns the destination of a request to this phone, or `None` if it is unreachable.
    ///
    /// The request is sent on the flow of the registration, which is the only path through a NAT (RFC 5626 §5.3), or
    /// else to the contact. If the phone registered through proxies, the request follows their `Path`.
    #[must_use]
    pub fn destination(&self) -> Option<Destination> {
        if let Some(hop) = self.path.first() {
            return hop.uri.as_sip().map(|uri| Destination::of_uri(uri, None));
        }
        let flow = self.flow.filter(|flow| self.is_direct && !(self.receives_at_contact && self.is_reachable(flow)));
        match flow {
            Some(flow) => Some(Destination::Flow { flow, fallback: self.address().into_iter().collect() }),
            None => self.uri.as_sip().map(|uri| Destination::of_uri(uri, None)),
        }
    }

    /// Returns the address of the contact if it equals the source address of the phone.
    fn address(&self) -> Option<Target> {
        let flow = self.flow.filter(|flow| self.is_reachable(flow))?;
        let port = self.uri.port().unwrap_or(flow.transport.default_port());
        let host = (flow.transport == Transport::Tls).then(|| flow.remote.ip().to_string());
        Some(Target { transport: flow.transport, address: SocketAddr::new(flow.remote.ip(), port), host })
    }

    /// Returns whether the phone registered over UDP through a NAT, so that it is reachable only while the NAT binding
    /// exists.
    pub(super) fn is_behind_nat(&self) -> bool {
        self.is_direct && self.flow.is_some_and(|flow| !flow.transport.is_reliable() && !self.is_reachable(&flow))
    }

    /// Returns whether the host of the contact is the source address of the REGISTER, which means that there is no NAT.
    pub(super) fn is_reachable(&self, flow: &Source) -> bool {
        let host = self.uri.host().and_then(Host::address);
        host.map(|host| host.to_canonical()) == Some(flow.remote.ip().to_canonical())
    }

    /// Returns the value of `Contact` for a response.
    pub(super) fn contact(&self, now: Time) -> NameAddr {
        let left = self.expires_at.since(now).as_micros().div_ceil(1_000_000);
        let mut contact = NameAddr::new(self.uri.clone());
        if self.priority < 1000 {
            contact.params.set("q", format!("0.{:03}", self.priority));
        }
        contact.with_param("expires", &left.to_string())
    }

    /// Returns whether a contact is equivalent to this one or belongs to the same phone instance.
    pub(super) fn is_of(&self, contact: &NameAddr) -> bool {
        self.uri.is_equivalent(&contact.uri) || (self.instance.is_some() && self.instance == instance(contact))
    }

    /// Returns whether a REGISTER with this Call-ID and CSeq is newer than the one that created the binding (RFC 3261
    /// §10.3 step 7).
    pub(super) fn is_older_than(&self, call_id: &str, cseq: u32) -> bool {
        self.call_id != call_id || self.cseq < cseq
    }
}

/// Returns the instance ID and reg-id of a contact, if present.
pub(super) fn instance(contact: &NameAddr) -> Option<(String, Option<u32>)> {
    contact.instance().map(|instance| (instance.to_owned(), contact.reg_id()))
}

/// The limits on the lifetime of bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// The minimum. Shorter ones are rejected with 423.
    pub shortest: Duration,
    /// The default if the phone requests none.
    pub default: Duration,
    /// The maximum. Longer ones are reduced to it.
    pub longest: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(60),
            default: Duration::from_secs(3_600),
            longest: Duration::from_secs(7_200),
        }
    }
}

impl Lifetimes {
    /// Returns the lifetime granted for a requested number of seconds, or the minimum as an error if the requested one
    /// is too short.
    pub(super) fn grant(&self, seconds: Option<u32>) -> Result<Duration, Duration> {
        let requested = seconds.map_or(self.default, |seconds| Duration::from_secs(seconds.into()));
        if requested < self.shortest && !requested.is_zero() {
            Err(self.shortest)
        } else {
            Ok(requested.min(self.longest))
        }
    }
}
