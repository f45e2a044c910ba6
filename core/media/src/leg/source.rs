//! The sources (SSRCs) of a peer, key frame requests to them, and the rate limit for DTMF digits.

use crate::dtmf::Events;
use crate::rtcp::statistics::Reception;
use crate::rtp::rewrite::SourceId;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The shortest interval between key frame requests to one sender.
const MIN_INTERVAL: Duration = Duration::from_millis(300);
/// The interval at which a new receiver's request is repeated until a key frame arrives.
const REPEAT: Duration = Duration::from_millis(500);
/// The most requests for a new receiver.
const TRIES: u8 = 6;

/// The most digits of one leg that are reported in a burst, and the interval at which further ones are allowed: 20 per
/// second.
const DIGIT_BURST: u32 = 64;
const DIGIT_INTERVAL: Duration = Duration::from_millis(50);

/// A rate limit for received digits, which protects the signaling plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DigitLimit {
    /// The time from which the digits reported so far no longer count against the limit.
    counted_until: Option<Time>,
}

impl DigitLimit {
    /// Whether a digit may be reported now; if so, counts it.
    pub(crate) fn admits(&mut self, now: Time) -> bool {
        let counted_until = self.counted_until.map_or(now, |counted_until| counted_until.max(now));
        if counted_until.since(now) > DIGIT_INTERVAL * (DIGIT_BURST - 1) {
            return false;
        }
        self.counted_until = Some(counted_until + DIGIT_INTERVAL);
        true
    }
}

/// A source of a peer. The order of the fields is their order in memory: what each packet uses comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub(crate) struct Source {
    /// The index of its stream in the leg.
    pub(crate) stream: usize,
    /// Requests for key frames.
    pub(crate) key_frames: KeyFrames,
    /// Reception statistics; `None` if the source is announced but no packet has arrived.
    pub(crate) reception: Option<Reception>,
    /// The time at which it was first received, or last announced.
    pub(crate) named_at: Time,
    /// Its telephone-events.
    pub(crate) events: Events,
}

impl Source {
    pub(crate) fn new(stream: usize, now: Time) -> Self {
        Self { stream, reception: None, named_at: now, key_frames: KeyFrames::default(), events: Events::default() }
    }

    /// The time at which it was last received or announced.
    pub(crate) fn known_at(&self) -> Time {
        self.reception.as_ref().map_or(self.named_at, |reception| reception.received_at().max(self.named_at))
    }
}

/// The sources of a leg in the order of their identifiers. There are few, so that a linear search in an array of
/// identifiers is fastest.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The source of the last packet and its index, so that the identifiers are read only when the source changes.
    recent: Option<(SourceId, usize)>,
    ids: Vec<SourceId>,
    sources: Vec<Source>,
}

impl Sources {
    fn place(&self, id: SourceId) -> Option<usize> {
        match self.recent {
            Some((recent, place)) if recent == id => Some(place),
            _ => self.ids.iter().position(|known| *known == id),
        }
    }

    pub(crate) fn get(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(self.place(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: SourceId) -> Option<&mut Source> {
        let place = self.place(id)?;
        self.sources.get_mut(place)
    }

    pub(crate) fn find_or_insert(&mut self, id: SourceId, make: impl FnOnce() -> Source) -> &mut Source {
        let place = self.place(id).unwrap_or_else(|| {
            let place = self.ids.partition_point(|known| *known < id);
            self.ids.insert(place, id);
            self.sources.insert(place, make());
            place
        });
        if self.recent != Some((id, place)) {
            self.recent = Some((id, place));
        }
        #[expect(clippy::indexing_slicing, reason = "both arrays have the same length")]
        &mut self.sources[place]
    }

    pub(crate) fn remove(&mut self, id: SourceId) -> Option<Source> {
        let place = self.place(id)?;
        self.recent = None;
        self.ids.remove(place);
        Some(self.sources.remove(place))
    }

    pub(crate) const fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.ids.iter().copied().zip(&self.sources)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (SourceId, &mut Source)> {
        self.ids.iter().copied().zip(&mut self.sources)
    }

    pub(crate) fn into_map(self) -> BTreeMap<SourceId, Source> {
        self.ids.into_iter().zip(self.sources).collect()
    }

    pub(crate) fn from_map(map: BTreeMap<SourceId, Source>) -> Self {
        let (ids, sources) = map.into_iter().unzip();
        Self { recent: None, ids, sources }
    }
}

/// Key frame requests to one video source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyFrames {
    asked_at: Option<Time>,
    due: Option<Time>,
    /// The number of remaining requests for a new receiver.
    tries: u8,
    /// Number of the last request, which is the sequence number of a FIR (RFC 5104 §4.3.1.1).
    number: u8,
}

impl KeyFrames {
    /// Requests key frames until one arrives, because there is a new receiver.
    pub(crate) fn begin(&mut self, now: Time) {
        self.tries = TRIES;
        self.ask(now);
    }

    /// Requests one key frame, because a receiver lost a picture.
    pub(crate) fn ask(&mut self, now: Time) {
        let earliest = self.asked_at.map_or(now, |asked_at| now.max(asked_at + MIN_INTERVAL));
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// Ends the requests, because a key frame arrived or is no longer needed.
    pub(crate) fn satisfied(&mut self) {
        self.tries = 0;
        self.due = None;
    }

    /// Whether requests are repeated until a key frame arrives.
    pub(crate) fn is_waiting(&self) -> bool {
        self.tries > 0
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.due
    }

    /// If a request is due, returns its number.
    pub(crate) fn poll(&mut self, now: Time) -> Option<u8> {
        self.due.filter(|due| *due <= now)?;
        self.asked_at = Some(now);
        self.tries = self.tries.saturating_sub(1);
        self.due = (self.tries > 0).then(|| now + REPEAT);
        self.number = self.number.wrapping_add(1);
        Some(self.number)
    }
}
