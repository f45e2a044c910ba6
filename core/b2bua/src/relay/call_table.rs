//! The calls and their legs, with all indexes of legs.
//!
//! A leg is inserted once, with everything by which it can be found, and removed once. The indexes are changed nowhere
//! else, except that a leg loses RTP addresses when their ports are released before its end.

use crate::call::{Call, CallKey, SessionId};
use crate::command::CallRef;
use offhook_media::command::{LegKey, WorkerId};
use offhook_signaling::message::CallId;
use offhook_sip::user_agent::io::{AccountId, BindingId, InviteId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// A leg of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LegEntry {
    pub(super) call: CallKey,
    /// The media worker on which the leg was opened. It stays there when the leg moves to a call of another worker.
    pub(super) worker: WorkerId,
    pub(super) endpoint: LegEndpoint,
}

/// The endpoint of a leg, with the values by which the leg is indexed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum LegEndpoint {
    /// A browser: its session and the session's identifier of the call.
    Browser { session: SessionId, call_id: CallId },
    /// A SIP endpoint.
    Sip(Box<SipLeg>),
    /// The application: its identifier of the call, and the account that it uses for this call only.
    Application { call_id: CallId, account: Option<AccountId> },
}

/// A leg to a SIP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SipLeg {
    pub(super) invite: InviteId,
    /// The INVITE was received from an unknown source.
    pub(super) is_unknown: bool,
    /// The user names of the diverting users of an inbound INVITE (`Diversion`, RFC 5806).
    pub(super) diverted_by: BTreeSet<String>,
    /// The registered phone that is called.
    pub(super) phone: Option<BindingId>,
    /// The mark in an outbound INVITE that may return as a looped call.
    pub(super) mark: Option<String>,
    /// The relay's ICE user name fragment in its first description, if the endpoint uses WebRTC.
    pub(super) fragment: Option<String>,
    /// The RTP addresses of the relay, as in its session descriptions.
    pub(super) rtp: BTreeSet<SocketAddr>,
}

/// All calls and legs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallTable {
    calls: BTreeMap<CallKey, Call>,
    legs: BTreeMap<LegKey, LegEntry>,
    by_call_id: BTreeMap<SessionId, BTreeMap<CallId, LegKey>>,
    /// The legs of the application, by its identifiers of their calls.
    of_application: BTreeMap<CallId, LegKey>,
    #[serde(with = "offhook_limits::pairs")]
    by_invite: BTreeMap<InviteId, LegKey>,
    by_phone: BTreeMap<BindingId, BTreeSet<LegKey>>,
    by_mark: BTreeMap<String, LegKey>,
    by_fragment: BTreeMap<String, LegKey>,
    by_rtp: BTreeMap<SocketAddr, LegKey>,
    /// The workers of removed legs whose last media commands have not been sent yet.
    removed: BTreeMap<LegKey, WorkerId>,
    /// Inputs that calls ignored in their state.
    ignored: u64,
}

impl CallTable {
    pub(super) fn insert(&mut self, key: CallKey, call: Call) {
        self.calls.insert(key, call);
    }

    pub(super) fn remove(&mut self, key: CallKey) {
        self.calls.remove(&key);
    }

    pub(super) fn get(&self, key: CallKey) -> Option<&Call> {
        self.calls.get(&key)
    }

    /// Replaces a call by the result of a transition, which consumes it.
    pub(super) fn update(&mut self, key: CallKey, transition: impl FnOnce(Call) -> Call) {
        if let Some(call) = self.calls.remove(&key) {
            self.calls.insert(key, transition(call));
        }
    }

    pub(super) fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        self.calls.get_mut(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn leg_count(&self) -> usize {
        self.legs.len()
    }

    pub(super) fn keys(&self) -> Vec<CallKey> {
        self.calls.keys().copied().collect()
    }

    /// Returns whether there is no call, no leg and no entry of an index.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.legs.is_empty() && self.has_no_indexes()
    }

    fn has_no_indexes(&self) -> bool {
        self.by_call_id.is_empty()
            && self.of_application.is_empty()
            && self.by_invite.is_empty()
            && self.by_phone.is_empty()
            && self.by_mark.is_empty()
            && self.by_fragment.is_empty()
            && self.by_rtp.is_empty()
            && self.removed.is_empty()
    }

    /// Returns the deadlines of all calls.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = offhook_clock::Time> + '_ {
        self.calls.values().filter_map(Call::poll_timeout)
    }

    /// Returns the number of inputs that calls ignored in their state.
    pub(super) const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Adds the inputs that a call has ignored since the last call of this method.
    pub(super) fn count_ignored(&mut self, key: CallKey) {
        self.ignored += self.calls.get_mut(&key).map_or(0, Call::take_ignored);
    }

    /// Adds a leg. Its key and its indexed values, except the phone, must not be in use by another leg.
    pub(super) fn insert_leg(&mut self, leg: LegKey, entry: LegEntry) {
        match &entry.endpoint {
            LegEndpoint::Browser { session, call_id } => {
                self.by_call_id.entry(*session).or_default().insert(call_id.clone(), leg);
            }
            LegEndpoint::Sip(sip) => {
                self.by_invite.insert(sip.invite, leg);
                sip.phone.iter().for_each(|phone| {
                    self.by_phone.entry(*phone).or_default().insert(leg);
                });
                self.by_mark.extend(sip.mark.iter().map(|mark| (mark.clone(), leg)));
                self.by_fragment.extend(sip.fragment.iter().map(|fragment| (fragment.clone(), leg)));
                self.by_rtp.extend(sip.rtp.iter().map(|address| (*address, leg)));
            }
            LegEndpoint::Application { call_id, .. } => {
                self.of_application.insert(call_id.clone(), leg);
            }
        }
        self.legs.insert(leg, entry);
    }

    /// Removes a leg from all indexes. Its worker is known until [`Self::forget_removed`]. Returns the account that the
    /// leg of the application has used.
    pub(super) fn remove_leg(&mut self, leg: LegKey) -> Option<AccountId> {
        let LegEntry { worker, endpoint, .. } = self.legs.remove(&leg)?;
        self.removed.insert(leg, worker);
        match endpoint {
            LegEndpoint::Browser { session, call_id } => {
                if let Some(ids) = self.by_call_id.get_mut(&session) {
                    ids.remove(&call_id);
                    if ids.is_empty() {
                        self.by_call_id.remove(&session);
                    }
                }
            }
            LegEndpoint::Sip(sip) => self.remove_sip_indexes(leg, &sip),
            LegEndpoint::Application { call_id, account } => {
                self.of_application.remove(&call_id);
                return account;
            }
        }
        None
    }

    fn remove_sip_indexes(&mut self, leg: LegKey, sip: &SipLeg) {
        self.by_invite.remove(&sip.invite);
        if let Some(phone) = sip.phone
            && let Some(legs) = self.by_phone.get_mut(&phone)
        {
            legs.remove(&leg);
            if legs.is_empty() {
                self.by_phone.remove(&phone);
            }
        }
        if let Some(mark) = &sip.mark {
            self.by_mark.remove(mark);
        }
        if let Some(fragment) = &sip.fragment {
            self.by_fragment.remove(fragment);
        }
        for address in &sip.rtp {
            self.by_rtp.remove(address);
        }
    }

    /// Removes the workers of removed legs, after the commands that close these legs have been sent.
    pub(super) fn forget_removed(&mut self, legs: &[LegKey]) {
        for leg in legs {
            self.removed.remove(leg);
        }
    }

    /// Moves a leg to another call.
    pub(super) fn move_leg(&mut self, leg: LegKey, call: CallKey) {
        if let Some(entry) = self.legs.get_mut(&leg) {
            entry.call = call;
        }
    }

    /// Removes RTP addresses whose ports are released from their legs.
    pub(super) fn release_rtp(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        for address in addresses {
            let leg = self.by_rtp.remove(&address).and_then(|leg| self.legs.get_mut(&leg));
            if let Some(LegEntry { endpoint: LegEndpoint::Sip(sip), .. }) = leg {
                sip.rtp.remove(&address);
            }
        }
    }

    /// Returns the call of a leg.
    pub(super) fn call_of(&self, leg: LegKey) -> Option<CallKey> {
        self.legs.get(&leg).map(|entry| entry.call)
    }

    /// Returns the call and the endpoint of a leg.
    pub(super) fn endpoint_of(&self, leg: LegKey) -> Option<(CallKey, &LegEndpoint)> {
        self.legs.get(&leg).map(|entry| (entry.call, &entry.endpoint))
    }

    /// Returns the reference of a leg and its call.
    pub(super) fn at(&self, leg: LegKey) -> Option<CallRef> {
        self.call_of(leg).map(|call| CallRef { call, leg })
    }

    /// Returns the worker of a leg, including removed legs until [`Self::forget_removed`].
    pub(super) fn worker_of(&self, leg: LegKey) -> Option<WorkerId> {
        self.legs.get(&leg).map(|entry| entry.worker).or_else(|| self.removed.get(&leg).copied())
    }

    #[cfg(test)]
    pub(super) fn legs(&self) -> Vec<LegKey> {
        self.legs.keys().copied().collect()
    }

    /// Returns the leg of a browser by the identifier of the call in its session.
    pub(super) fn by_call_id(&self, session: SessionId, id: &CallId) -> Option<CallRef> {
        self.at(*self.by_call_id.get(&session)?.get(id)?)
    }

    /// Returns the legs of a session.
    pub(super) fn of_session(&self, session: SessionId) -> Vec<CallRef> {
        let legs = self.by_call_id.get(&session).into_iter().flat_map(BTreeMap::values);
        legs.filter_map(|leg| self.at(*leg)).collect()
    }

    /// Returns the number of calls of a session.
    pub(super) fn count_of_session(&self, session: SessionId) -> usize {
        self.by_call_id.get(&session).map_or(0, BTreeMap::len)
    }

    /// Returns the sessions that take part in a call.
    pub(super) fn sessions_in(&self, call: CallKey) -> impl Iterator<Item = SessionId> + '_ {
        let is_part = move |leg: &LegKey| self.call_of(*leg) == Some(call);
        self.by_call_id.iter().filter(move |(_, ids)| ids.values().any(is_part)).map(|(session, _)| *session)
    }

    /// Returns the legs of a registered phone.
    pub(super) fn of_phone(&self, phone: BindingId) -> Vec<CallRef> {
        let legs = self.by_phone.get(&phone).into_iter().flatten();
        legs.filter_map(|leg| self.at(*leg)).collect()
    }

    /// Returns the leg of an INVITE.
    pub(super) fn by_invite(&self, invite: InviteId) -> Option<CallRef> {
        self.at(*self.by_invite.get(&invite)?)
    }

    fn sip_leg(&self, invite: InviteId) -> Option<&SipLeg> {
        match &self.legs.get(self.by_invite.get(&invite)?)?.endpoint {
            LegEndpoint::Sip(sip) => Some(sip),
            LegEndpoint::Browser { .. } | LegEndpoint::Application { .. } => None,
        }
    }

    /// Returns whether a session or the application has a call with this identifier.
    pub(super) fn has_call_id(&self, id: &CallId) -> bool {
        self.of_application.contains_key(id) || self.by_call_id.values().any(|calls| calls.contains_key(id))
    }

    /// Returns whether the INVITE of a leg was received from an unknown source.
    pub(super) fn is_unknown(&self, invite: InviteId) -> bool {
        self.sip_leg(invite).is_some_and(|leg| leg.is_unknown)
    }

    /// Returns whether a user has diverted the inbound INVITE of a leg before.
    pub(super) fn was_diverted_by(&self, invite: InviteId, user: &str) -> bool {
        self.sip_leg(invite).is_some_and(|leg| leg.diverted_by.contains(user))
    }

    /// Returns the leg whose outbound INVITE has this mark.
    pub(super) fn by_mark(&self, mark: &str) -> Option<LegKey> {
        self.by_mark.get(mark).copied()
    }

    /// Returns the leg with this ICE user name fragment in the relay's first description.
    pub(super) fn by_fragment(&self, fragment: &str) -> Option<LegKey> {
        self.by_fragment.get(fragment).copied()
    }

    /// Returns the leg for which the relay has allocated this RTP address.
    pub(super) fn by_rtp(&self, address: SocketAddr) -> Option<LegKey> {
        self.by_rtp.get(&address).copied()
    }
}

#[cfg(test)]
mod tests;
