//! The list of sinks of a source in the media graph.

use crate::command::LegKey;
use crate::leg::LegIndex;

/// A destination of the packets of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// A stream that a leg of the same worker sends.
    Local { leg: LegKey, at: LegIndex, stream: usize },
    /// The bridged leg on another worker, which finds the stream itself.
    Across,
}

/// The sinks of a source. The first one is stored in place, because most sources have one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sinks {
    first: Option<Sink>,
    further: Vec<Sink>,
}

impl Sinks {
    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.further.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<Sink> {
        match index.checked_sub(1) {
            None => self.first,
            Some(further) => self.further.get(further).copied(),
        }
    }

    pub(crate) fn add(&mut self, sink: Sink) {
        match self.first {
            None => self.first = Some(sink),
            Some(_) => self.further.push(sink),
        }
    }

    /// Keeps the sinks for which `keeps` returns true.
    pub(crate) fn retain(&mut self, keeps: impl Fn(Sink) -> bool) {
        self.further.retain(|sink| keeps(*sink));
        if self.first.is_some_and(|first| !keeps(first)) {
            self.first = (!self.further.is_empty()).then(|| self.further.remove(0));
        }
    }
}

#[cfg(test)]
mod tests;
