//! Bridges between legs of two workers; see [`crate::crossing`] for the messages.

use super::{Output, Worker};
use crate::command::{BridgeId, LegKey, WorkerId};
use crate::crossing::{Address, Crossing, Message};
use crate::graph::codec::CodecFactory;
use crate::graph::route::routes;
use crate::leg::{Across, Leg, LegIndex, Partner};
use offhook_clock::Time;
use offhook_sdp::webrtc::Section;
use std::sync::Arc;

impl Across {
    /// Creates a message to the partner from the leg with this key and index.
    pub(super) fn crossing(&self, worker: WorkerId, (leg, at): (LegKey, LegIndex), message: Message) -> Crossing {
        let from = Address { worker, leg, at: Some(at) };
        Crossing { to: self.address, from, bridge: self.bridge, message }
    }
}

impl Leg {
    /// The partner on another worker, if `bridge` is the current bridge.
    fn across(&mut self, bridge: BridgeId) -> Option<&mut Across> {
        match &mut self.partner {
            Some(Partner::Across(across)) if across.bridge == bridge => Some(across),
            _ => None,
        }
    }

    /// Stores the sections that the partner's peer sends, and sets the routes into this leg's streams.
    fn set_incoming(&mut self, incoming: Vec<Section>, codecs: &Arc<dyn CodecFactory>) {
        let Some(Partner::Across(across)) = &mut self.partner else { return };
        across.incoming = incoming;
        let (from, incoming) = (across.address.leg, across.incoming.clone());
        let routes = routes(from, &incoming, &self.outgoing(), codecs);
        self.set_routes(routes);
        self.describe_mixed(&incoming);
        self.add_sinks_across();
    }
}

impl Worker {
    pub(super) fn bridge_across(
        &mut self,
        key: LegKey,
        partner: LegKey,
        worker: WorkerId,
        bridge: BridgeId,
        now: Time,
    ) -> bool {
        let address = Address { worker, leg: partner, at: None };
        let across = Box::new(Across { bridge, address, incoming: Vec::new() });
        let Some(leg) = self.legs.get_mut(key) else {
            // The partner may already have joined the bridge; it is informed that this leg does not exist.
            let from = Address { worker: self.config.id, leg: key, at: None };
            let parted = Crossing { to: address, from, bridge, message: Message::Parted };
            self.io.outputs.push_back(Output::Cross(parted));
            return false;
        };
        leg.last_bridge = leg.last_bridge.max(Some(bridge));
        match &mut leg.partner {
            // The partner is the same: only the bridge has a new number, and the streams continue.
            Some(Partner::Across(known)) if known.address.leg == partner => known.bridge = bridge,
            _ => {
                self.unbridge(key);
                if let Some(leg) = self.legs.get_mut(key) {
                    leg.partner = Some(Partner::Across(across));
                }
            }
        }
        self.describe_across(key, true);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.request_key_frames(&mut self.io, now);
        }
        self.settle(key, now);
        true
    }

    /// Sends the sections of a leg's peer to its partner, after they have changed or the leg has joined the bridge.
    pub(super) fn describe_across(&mut self, key: LegKey, answer: bool) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let Some(Partner::Across(across)) = &leg.partner else { return };
        let across = across.clone();
        let incoming = leg.incoming();
        leg.set_incoming(across.incoming.clone(), &self.config.codecs);
        self.send_across(key, &across, Message::Hello { incoming, answer });
    }

    pub(super) fn send_across(&mut self, key: LegKey, across: &Across, message: Message) {
        let Some(index) = self.legs.index_of(key) else { return };
        let crossing = across.crossing(self.config.id, (key, index), message);
        self.io.outputs.push_back(Output::Cross(crossing));
    }

    /// Requests key frames from the peer of a leg's partner: until one arrives if the receiver `is_new`, else once.
    pub(super) fn request_key_frames_of_partner(&mut self, key: LegKey, is_new: bool, now: Time) {
        match self.legs.get(key).and_then(|leg| leg.partner.clone()) {
            Some(Partner::Here { key: partner, .. }) => self.request_key_frames_of(partner, is_new, now),
            Some(Partner::Across(across)) => self.send_across(key, &across, Message::KeyFrames { is_new }),
            None => {}
        }
    }

    fn request_key_frames_of(&mut self, key: LegKey, is_new: bool, now: Time) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        if is_new {
            leg.request_key_frames(&mut self.io, now);
        } else {
            leg.request_one_key_frame(&mut self.io, now);
        }
        self.arm(key);
    }

    /// Processes a message of another worker ([`Output::Cross`]). Messages of one worker must arrive in order.
    pub fn handle_crossing(&mut self, crossing: Crossing, now: Time) {
        let Crossing { to, from, bridge, message } = crossing;
        let index = to.at.filter(|at| self.legs.at(*at).is_some_and(|leg| leg.key == to.leg));
        let index = index.or_else(|| self.legs.index_of(to.leg));
        let Some((index, leg)) = index.and_then(|index| Some((index, self.legs.at(index)?))) else {
            return self.discard(message);
        };
        let last_bridge = leg.last_bridge;
        let Some(across) = leg.across(bridge) else {
            if last_bridge >= Some(bridge) && matches!(message, Message::Hello { .. }) {
                // The leg had joined this bridge and left it before the partner joined.
                let from = Address { worker: self.config.id, leg: to.leg, at: Some(index) };
                let parted = Crossing { to: crossing.from, from, bridge, message: Message::Parted };
                self.io.outputs.push_back(Output::Cross(parted));
            }
            return self.discard(message);
        };
        match message {
            Message::Hello { incoming, answer } => {
                across.address.at = from.at;
                leg.set_incoming(incoming, &self.config.codecs);
                leg.request_key_frames(&mut self.io, now);
                if answer {
                    self.describe_across(to.leg, false);
                }
                self.arm(to.leg);
            }
            Message::Rtp { accepted, packet } => {
                let has_new_deadline = leg.forward_across(from.leg, &accepted, &packet, &mut self.io, now);
                self.io.recycle(packet);
                if has_new_deadline {
                    self.arm(to.leg);
                }
            }
            Message::Rtcp(relayed) => {
                leg.relay(from.leg, &relayed, &mut self.io, now);
                self.arm(to.leg);
            }
            Message::KeyFrames { is_new } => self.request_key_frames_of(to.leg, is_new, now),
            Message::Parted => drop(leg.leave_bridge()),
        }
    }

    /// Drops a message for a leg that does not exist or is not part of the bridge.
    fn discard(&mut self, message: Message) {
        if let Message::Rtp { packet, .. } = message {
            self.io.counters.dropped.not_bridged += 1;
            self.io.recycle(packet);
        }
    }
}
