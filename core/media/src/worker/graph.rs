//! The media graph of a worker: routes from the streams of one leg to those of another. A bridge consists of the routes
//! in both directions. The streams of a leg may also have sinks in further legs.

use super::{Output, Worker};
use crate::command::LegKey;
use crate::crossing::Message;
use crate::graph::Sink;
use crate::graph::route::{Route, routes};
use crate::leg::{Accepted, Leg, LegIndex, Partner, Recipient, Relayed};
use offhook_clock::Time;
use std::collections::BTreeSet;

impl Worker {
    /// Sets the routes from the streams of one leg to those of another, which has no other source leg afterwards.
    pub(super) fn feed(&mut self, from: LegKey, to: LegKey) {
        self.connect_streams(from, to, Leg::set_routes);
    }

    /// Restores the routes from one leg to another, both of which have been restored.
    pub(super) fn restore_routes(&mut self, from: LegKey, to: LegKey) {
        self.connect_streams(from, to, Leg::restore_routes);
    }

    fn connect_streams(&mut self, from: LegKey, to: LegKey, set_routes: fn(&mut Leg, Vec<Option<Route>>)) {
        let sources = self.legs.get(to).map(Leg::source_legs).unwrap_or_default();
        for source in sources.into_iter().chain([from]) {
            if let Some(source) = self.legs.get_mut(source) {
                source.remove_sinks(to);
            }
        }
        let incoming = self.legs.get(from).map(Leg::incoming).unwrap_or_default();
        let Some((at, sink)) = self.legs.index_of(to).and_then(|at| Some((at, self.legs.at(at)?))) else { return };
        set_routes(sink, routes(from, &incoming, &sink.outgoing(), &self.config.codecs));
        sink.describe_mixed(&incoming);
        let sinks = sink.own_sinks(from, |stream| Sink::Local { leg: to, at, stream });
        if let Some(source) = self.legs.get_mut(from) {
            source.add_sinks(sinks);
        }
    }

    /// Removes the routes from one leg to another.
    pub(super) fn stop_feeding(&mut self, from: LegKey, to: LegKey) {
        if let Some(source) = self.legs.get_mut(from) {
            source.remove_sinks(to);
        }
        if let Some(sink) = self.legs.get_mut(to) {
            sink.remove_routes(from);
        }
    }

    /// Removes a leg from the graph.
    pub(super) fn disconnect(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get(key) else { return };
        let (sources, sinks) = (leg.source_legs(), leg.sink_legs());
        sources.into_iter().for_each(|source| self.stop_feeding(source, key));
        sinks.into_iter().for_each(|sink| self.stop_feeding(key, sink));
    }

    /// Passes a packet of a source to one of its sinks.
    #[inline]
    pub(super) fn forward(
        &mut self,
        (key, index): (LegKey, LegIndex),
        sink: Sink,
        accepted: &Accepted,
        packet: &[u8],
        now: Time,
    ) {
        match sink {
            Sink::Local { leg: to, at, stream } => {
                let Some(leg) = self.legs.at(at) else { return };
                if leg.forward((key, stream), accepted, packet, &mut self.io, now) {
                    self.arm(to);
                }
            }
            Sink::Across => self.forward_to_worker((key, index), accepted, packet),
        }
    }

    fn forward_to_worker(&mut self, (key, index): (LegKey, LegIndex), accepted: &Accepted, packet: &[u8]) {
        let partner = self.legs.at(index).and_then(|leg| leg.partner.as_ref());
        let Some(Partner::Across(across)) = partner else { return };
        let mut buffer = self.io.buffer();
        buffer.extend_from_slice(packet);
        let message = Message::Rtp { accepted: *accepted, packet: buffer };
        let crossing = across.crossing(self.config.id, (key, index), message);
        self.io.outputs.push_back(Output::Cross(crossing));
    }

    /// The legs to which RTCP of a leg is relayed.
    pub(super) fn recipients(&mut self, index: LegIndex, recipient: Recipient) -> BTreeSet<LegKey> {
        let Some(leg) = self.legs.at(index) else { return BTreeSet::new() };
        match recipient {
            Recipient::Source(leg) => BTreeSet::from([leg]),
            Recipient::SinksOf(stream) => {
                let sinks = leg.sinks_of(stream).into_iter();
                let keys = sinks.filter_map(|sink| match sink {
                    Sink::Local { leg, .. } => Some(leg),
                    Sink::Across => leg.partner_key(),
                });
                keys.collect()
            }
        }
    }

    /// Relays RTCP of a leg to another one.
    pub(super) fn relay(&mut self, (key, index): (LegKey, LegIndex), to: LegKey, relayed: &Relayed, now: Time) {
        let partner = self.legs.at(index).and_then(|leg| leg.partner.as_ref());
        if let Some(Partner::Across(across)) = partner
            && across.address.leg == to
        {
            let crossing = across.crossing(self.config.id, (key, index), Message::Rtcp(relayed.clone()));
            self.io.outputs.push_back(Output::Cross(crossing));
        } else if let Some(leg) = self.legs.get_mut(to) {
            leg.relay(key, relayed, &mut self.io, now);
            self.arm(to);
        }
    }
}
