//! A leg in the media graph. Each stream is a source with a list of sinks, and a sink with a route from its source.

use super::{Leg, Partner};
use crate::command::LegKey;
use crate::graph::Sink;
use crate::graph::route::Route;
use std::collections::BTreeSet;

impl Leg {
    /// Returns the sink at `index` in the list of sinks of a stream.
    #[inline]
    pub(crate) fn sink(&self, stream: usize, index: usize) -> Option<Sink> {
        self.streams.get(stream)?.sinks.get(index)
    }

    /// The number of sinks of a stream.
    pub(crate) fn sink_count(&self, stream: usize) -> usize {
        self.streams.get(stream).map_or(0, |stream| stream.sinks.len())
    }

    /// All sinks of a stream.
    pub(crate) fn sinks_of(&self, stream: usize) -> Vec<Sink> {
        (0..).map_while(|index| self.sink(stream, index)).collect()
    }

    /// Returns the legs of this worker that have a sink of this leg's streams.
    pub(crate) fn sink_legs(&self) -> BTreeSet<LegKey> {
        let sinks = (0..self.streams.len()).flat_map(|stream| self.sinks_of(stream));
        sinks
            .filter_map(|sink| match sink {
                Sink::Local { leg, .. } => Some(leg),
                Sink::Across => None,
            })
            .collect()
    }

    /// The legs from which its streams have a route.
    pub(crate) fn source_legs(&self) -> BTreeSet<LegKey> {
        self.streams.iter().filter_map(|stream| Some(stream.route.as_ref()?.from)).collect()
    }

    /// Returns a sink for each stream with a route from `from`, and the index of the source stream in that leg.
    pub(crate) fn own_sinks(&self, from: LegKey, sink: impl Fn(usize) -> Sink) -> Vec<(usize, Sink)> {
        let routes = self.streams.iter().enumerate().filter_map(|(index, stream)| {
            let route = stream.route.as_ref().filter(|route| route.from == from)?;
            Some((route.stream, sink(index)))
        });
        routes.collect()
    }

    /// Adds sinks to its streams.
    pub(crate) fn add_sinks(&mut self, sinks: Vec<(usize, Sink)>) {
        for (stream, sink) in sinks {
            if let Some(stream) = self.streams.get_mut(stream) {
                stream.sinks.add(sink);
            }
        }
    }

    /// Removes the sinks at another leg of the worker.
    pub(crate) fn remove_sinks(&mut self, to: LegKey) {
        self.retain_sinks(|sink| !matches!(sink, Sink::Local { leg, .. } if leg == to));
    }

    fn retain_sinks(&mut self, keeps: impl Fn(Sink) -> bool) {
        self.streams.iter_mut().for_each(|stream| stream.sinks.retain(&keeps));
    }

    /// Makes the bridged leg on another worker a sink of all streams.
    pub(crate) fn add_sinks_across(&mut self) {
        self.retain_sinks(|sink| sink != Sink::Across);
        self.streams.iter_mut().for_each(|stream| stream.sinks.add(Sink::Across));
    }

    /// Sets the routes into its streams. A stream without a route sends nothing; a stream whose route has the same
    /// source continues without interruption.
    pub(crate) fn set_routes(&mut self, routes: Vec<Option<Route>>) {
        let mut routes = routes.into_iter();
        for stream in &mut self.streams {
            let (before, mut after) = (stream.route.take(), routes.next().flatten());
            let source = |route: &Route| (route.from, route.stream);
            if before.as_ref().map(source) != after.as_ref().map(source) {
                stream.rewriter.detach();
            } else if let (Some(before), Some(after)) = (before, &mut after) {
                after.continue_transcoding(before);
            }
            stream.route = after;
        }
    }

    /// Sets the routes of a restored leg. All streams continue with their sequence numbers and timestamps.
    pub(crate) fn restore_routes(&mut self, routes: Vec<Option<Route>>) {
        let mut routes = routes.into_iter();
        for stream in &mut self.streams {
            stream.route = routes.next().flatten();
        }
    }

    /// Removes the routes from a leg, whose media are no longer sent.
    pub(crate) fn remove_routes(&mut self, from: LegKey) {
        for stream in &mut self.streams {
            if stream.route.as_ref().is_some_and(|route| route.from == from) {
                stream.route = None;
                stream.rewriter.detach();
            }
        }
    }

    /// Ends this leg's part of a bridge and returns the partner. The routes between them and the sinks at a leg of the
    /// same worker are removed by the caller.
    pub(crate) fn leave_bridge(&mut self) -> Option<Partner> {
        let partner = self.partner.take();
        if let Some(Partner::Across(across)) = &partner {
            self.retain_sinks(|sink| sink != Sink::Across);
            self.remove_routes(across.address.leg);
        }
        self.cancel_key_frame_requests();
        partner
    }
}
