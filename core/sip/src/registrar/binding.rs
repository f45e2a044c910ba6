//! One phone of one user, as it registered.

use crate::message::{Host, NameAddr, Uri};
use crate::transaction::layer::Destination;
use crate::transport::{Source, Target, Transport};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A contact that an address of record leads to (RFC 3261 §10.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// What the phone calls itself: the Request-URI of a call to it.
    pub uri: Uri,
    /// Its preference in thousandths, the highest first.
    pub priority: u16,
    /// Proxies that a call goes through, the nearest first (RFC 3327).
    pub path: Vec<NameAddr>,
    /// Until when it is registered.
    pub expires_at: Time,
    /// The connection that the REGISTER came on; none if it is gone.
    pub flow: Option<Source>,
    /// The name for the relay that the phone registered for, where it is one that was not configured.
    pub(super) domain: Option<String>,
    /// The address that the REGISTER came from.
    pub registered_from: IpAddr,
    /// Nobody stood between the phone and the relay: responses and calls may go the way the REGISTER came.
    pub is_direct: bool,
    /// It sends from one port and receives at the one of its contact, with no NAT between (Cisco 79xx): it asked for its
    /// responses there.
    pub(super) receives_at_contact: bool,
    /// Which phone it is, whatever address it has, and by which of its ways it registered (RFC 5626 §4.1, §4.2).
    pub(super) instance: Option<(String, Option<u32>)>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

impl Binding {
    /// Where a call to this phone is sent; none if there is no way to it any more.
    ///
    /// A phone is called on the connection that it registered on, which is the only way through a NAT (RFC 5626 §5.3), and
    /// without one at the address it gave. Through proxies it is called by the path they left.
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

    /// The address that the contact gives, if it is one that the phone seems to have.
    fn address(&self) -> Option<Target> {
        let flow = self.flow.filter(|flow| self.is_reachable(flow))?;
        let port = self.uri.port().unwrap_or(flow.transport.default_port());
        let host = (flow.transport == Transport::Tls).then(|| flow.remote.ip().to_string());
        Some(Target { transport: flow.transport, address: SocketAddr::new(flow.remote.ip(), port), host })
    }

    /// It registered over UDP through a NAT: it is reached by its flow only as long as the NAT remembers it.
    pub(super) fn is_behind_nat(&self) -> bool {
        self.is_direct && self.flow.is_some_and(|flow| !flow.transport.is_reliable() && !self.is_reachable(&flow))
    }

    /// The contact's host is the address that the REGISTER came from: no NAT stands between.
    pub(super) fn is_reachable(&self, flow: &Source) -> bool {
        let host = self.uri.host().and_then(Host::address);
        host.map(|host| host.to_canonical()) == Some(flow.remote.ip().to_canonical())
    }

    /// The value of `Contact` in a response.
    pub(super) fn contact(&self, now: Time) -> NameAddr {
        let left = self.expires_at.since(now).as_micros().div_ceil(1_000_000);
        let mut contact = NameAddr::new(self.uri.clone());
        if self.priority < 1000 {
            contact.params.set("q", format!("0.{:03}", self.priority));
        }
        contact.with_param("expires", &left.to_string())
    }

    /// A contact is this one, or the one that the same phone has now.
    pub(super) fn is_of(&self, contact: &NameAddr) -> bool {
        self.uri.is_equivalent(&contact.uri) || (self.instance.is_some() && self.instance == instance(contact))
    }

    /// A REGISTER with this Call-ID and number is newer than the one that made the binding (RFC 3261 §10.3 step 7).
    pub(super) fn is_older_than(&self, call_id: &str, cseq: u32) -> bool {
        self.call_id != call_id || self.cseq < cseq
    }
}

/// The phone behind a contact, if it says so.
pub(super) fn instance(contact: &NameAddr) -> Option<(String, Option<u32>)> {
    contact.instance().map(|instance| (instance.to_owned(), contact.reg_id()))
}

/// How long bindings live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// Shorter ones are refused with 423.
    pub shortest: Duration,
    /// Where the phone names none.
    pub usual: Duration,
    /// Longer ones are shortened.
    pub longest: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(60),
            usual: Duration::from_secs(3_600),
            longest: Duration::from_secs(7_200),
        }
    }
}

impl Lifetimes {
    /// How long a binding lives for which so many seconds, or none, are asked; an error if that is too short.
    pub(super) fn grant(&self, seconds: Option<u32>) -> Result<Duration, Duration> {
        let asked = seconds.map_or(self.usual, |seconds| Duration::from_secs(seconds.into()));
        if asked < self.shortest && !asked.is_zero() { Err(self.shortest) } else { Ok(asked.min(self.longest)) }
    }
}
