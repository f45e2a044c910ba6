//! Host names in the session descriptions of SIP peers (RFC 8866 §5.7).
//!
//! An event whose description has a host name in a `c=` line is held until the shell has resolved the name, for
//! [`RESOLVE_TIMEOUT`] at most. Later events of the same INVITE are queued behind it. Then the addresses replace the names in
//! the description, and the events are handled. A name that was not resolved stays in the description, and the media
//! sections that use it are unusable.

use super::Relay;
use super::deadlines::Owner;
use crate::io::{Output, RequestId};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::sip::HostName;
use offhook_sip::message::Host;
use offhook_sip::user_agent::io::{Body, Event, InviteId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// The maximum time that the events of an INVITE wait for addresses.
pub(super) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of names in a description. If it has more, none of them is resolved.
pub(super) const MAX_NAMES: usize = 4;
/// The maximum number of events of one INVITE that wait. One more event ends the wait.
pub(super) const MAX_EVENTS: usize = 32;

/// The events that wait for addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MediaNames {
    #[serde(with = "offhook_limits::pairs")]
    held: BTreeMap<InviteId, Held>,
    #[serde(with = "offhook_limits::pairs")]
    questions: BTreeMap<RequestId, Question>,
}

/// The held events of one INVITE. The description of the first event has host names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    events: VecDeque<Event>,
    #[serde(with = "offhook_limits::pairs")]
    found: BTreeMap<HostName, IpAddr>,
    /// The source address of the peer, which limits the addresses that its names may have.
    source: IpAddr,
    waiting: BTreeSet<RequestId>,
    until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    invite: InviteId,
    name: HostName,
}

impl MediaNames {
    /// Returns whether no event waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.questions.is_empty()
    }

    /// Returns the deadlines of all held events.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.held.values().map(|held| held.until)
    }

    /// Removes the held events of an INVITE and the open requests to resolve their names.
    fn take(&mut self, invite: InviteId) -> Option<Held> {
        let held = self.held.remove(&invite)?;
        self.questions.retain(|request, _| !held.waiting.contains(request));
        Some(held)
    }
}

impl Relay {
    /// Handles an event of the user agent, or holds it until names are resolved.
    pub(super) fn handle_event(&mut self, event: Event, now: Time) {
        let Some(invite) = event.invite() else { return self.perform_event(event, now) };
        if matches!(event, Event::Ended { .. }) {
            // Held events of a call that has ended are dropped.
            self.media_names.take(invite);
            self.deadlines.set(Owner::MediaNames(invite), None);
            return self.perform_event(event, now);
        }
        if let Some(held) = self.media_names.held.get_mut(&invite) {
            held.events.push_back(event);
            if held.events.len() > MAX_EVENTS {
                self.release(invite, now);
            }
            return;
        }
        match self.questions_of(invite, &event) {
            Some((source, names)) => self.hold(invite, event, source, names, now),
            None => self.perform_event(event, now),
        }
    }

    /// Returns the source address of the peer, and those names in the description of an event that may be resolved.
    fn questions_of(&mut self, invite: InviteId, event: &Event) -> Option<(IpAddr, BTreeSet<HostName>)> {
        let text = event.description().and_then(crate::call::sdp_text)?;
        let mut names = HostName::all_in(&text);
        if names.is_empty() || names.len() > MAX_NAMES {
            return None;
        }
        let source = self.peer_address(invite, event)?;
        let settings = &self.config.sip.as_ref()?.user_agent;
        let may_lead =
            |name: &HostName| name.name.parse::<Host>().is_ok_and(|host| settings.media_reach(&host, source).is_some());
        names.retain(may_lead);
        (!names.is_empty()).then_some((source, names))
    }

    fn peer_address(&mut self, invite: InviteId, event: &Event) -> Option<IpAddr> {
        if let Event::Incoming { request, .. } = event {
            return Some(request.source);
        }
        let at = self.calls.by_invite(invite)?;
        self.calls.get_mut(at.call)?.source_of(at.leg)
    }

    fn hold(&mut self, invite: InviteId, event: Event, source: IpAddr, names: BTreeSet<HostName>, now: Time) {
        let mut waiting = BTreeSet::new();
        for name in names {
            let request = RequestId(self.fresh_id());
            waiting.insert(request);
            self.outputs.push_back(Output::ResolveHost { request, host: name.name.clone() });
            self.media_names.questions.insert(request, Question { invite, name });
        }
        let until = now + RESOLVE_TIMEOUT;
        self.deadlines.set(Owner::MediaNames(invite), Some(until));
        let held = Held { events: [event].into(), found: BTreeMap::new(), source, waiting, until };
        self.media_names.held.insert(invite, held);
    }

    /// Handles a response of the resolver.
    pub(super) fn host_resolved(&mut self, request: RequestId, addresses: &[IpAddr], now: Time) {
        let Some(Question { invite, name }) = self.media_names.questions.remove(&request) else { return };
        let Some(held) = self.media_names.held.get_mut(&invite) else { return };
        held.waiting.remove(&request);
        let settings = self.config.sip.as_ref().map(|sip| &sip.user_agent);
        let covers = |address: &IpAddr| {
            let host = Host::Address(address.to_canonical());
            settings.is_some_and(|settings| settings.media_reach(&host, held.source).is_some())
        };
        let fits = |address: &&IpAddr| address.is_ipv6() == name.is_ipv6 && covers(address);
        if let Some(address) = addresses.iter().find(fits) {
            held.found.insert(name, *address);
        }
        if held.waiting.is_empty() {
            self.release(invite, now);
        }
    }

    /// Handles the held events of an INVITE with the resolved addresses. If a later event has names, it and the
    /// following events are held again.
    pub(super) fn release(&mut self, invite: InviteId, now: Time) {
        self.deadlines.set(Owner::MediaNames(invite), None);
        let Some(Held { mut events, found, .. }) = self.media_names.take(invite) else { return };
        if let Some(mut first) = events.pop_front() {
            if let Some(body) = first.description_mut() {
                replace_names(body, &found);
            }
            self.perform_event(first, now);
        }
        for event in events {
            self.handle_event(event, now);
        }
    }
}

fn replace_names(body: &mut Body, found: &BTreeMap<HostName, IpAddr>) {
    if let Some(text) = crate::call::sdp_text(body) {
        body.octets = HostName::replace_in(&text, found).into_bytes();
    }
}
