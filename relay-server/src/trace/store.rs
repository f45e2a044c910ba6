//! The buffers of messages, within limits.

use super::key::TraceKey;
use super::message::{Capture, TracedMessage};
use core::time::Duration;
use offhook_b2bua::call::{CallEvent, CallKey};
use offhook_b2bua::record::CallRecord;
use offhook_clock::Time;
use offhook_signaling::reason::EndReason;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of messages in one buffer; older ones are removed.
const MESSAGES: usize = 200;
/// Maximum number of octets that are stored of one message.
const MESSAGE_OCTETS: usize = 16_384;
/// Octets that a buffer and a message use in addition to their content, approximately.
const OVERHEAD: usize = 160;
/// Maximum number of calls that have ended; the oldest ones are removed.
const ENDED: usize = 10_000;
/// Interval at which outdated buffers are removed.
const SWEEP: Duration = Duration::from_secs(10);

/// The limits of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLimits {
    /// Octets of all messages.
    pub octets: usize,
    /// Octets of the messages of one leg.
    pub leg_octets: usize,
    /// Time for which the messages are kept after the end of their call, or, if they belong to no call, after the last one.
    pub keep: Duration,
}

/// The part of a call's summary that its trace contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedCall {
    /// The call.
    pub call: CallKey,
    /// The caller, as shown to callees.
    pub from: String,
    /// The callee as dialed.
    pub to: String,
    /// The buffers of its legs, in the order of the legs.
    pub keys: Vec<TraceKey>,
    /// The time at which it was placed.
    pub placed_at: Time,
    /// The end.
    pub end: Option<(EndReason, Time)>,
}

impl TracedCall {
    /// The call of a record.
    #[must_use]
    pub fn new(record: &CallRecord, end: Option<(EndReason, Time)>) -> Self {
        Self {
            call: record.call,
            from: record.from.clone(),
            to: record.to.clone(),
            keys: record.identities.values().map(TraceKey::from).collect(),
            placed_at: record.placed_at,
            end,
        }
    }
}

/// The messages of one leg.
#[derive(Debug)]
struct Buffer {
    messages: VecDeque<TracedMessage>,
    octets: usize,
    /// Messages that were removed because of the limits.
    removed: u64,
    /// Its place in the order of use.
    used: u64,
    used_at: Time,
    /// The call to which it belongs and which has not ended.
    call: Option<CallKey>,
}

#[derive(Debug)]
struct Buffers {
    buffers: BTreeMap<TraceKey, Buffer>,
    /// The buffers in the order in which they were used.
    by_use: BTreeMap<u64, TraceKey>,
    /// The calls that have ended.
    ended: BTreeMap<CallKey, TracedCall>,
    octets: usize,
    numbers: u64,
    swept_at: Time,
}

/// The messages of all calls.
#[derive(Debug)]
pub struct TraceStore {
    limits: TraceLimits,
    state: Mutex<Buffers>,
}

impl TraceStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: TraceLimits) -> Self {
        Self { limits, state: Mutex::new(Buffers::new()) }
    }

    /// Stores a message.
    pub fn record(&self, key: TraceKey, capture: &Capture<'_>) {
        let mut state = self.lock();
        state.add(key, capture, &self.limits);
        state.sweep(capture.at, self.limits.keep);
    }

    /// Stores which buffers belong to a call.
    pub fn call_changed(&self, event: &CallEvent, record: &CallRecord, at: Time) {
        // The identifiers of a leg are known at the following event at the latest.
        let end = match event {
            CallEvent::QualityReported { .. } | CallEvent::DtmfReceived { .. } => return,
            CallEvent::Ended { reason } => Some((*reason, at)),
            _ => None,
        };
        let mut state = self.lock();
        for key in record.identities.values().map(TraceKey::from) {
            if let Some(buffer) = state.buffers.get_mut(&key) {
                buffer.call = end.is_none().then_some(record.call);
                buffer.used_at = buffer.used_at.max(at);
            }
        }
        if end.is_some() {
            state.ended.insert(record.call, TracedCall::new(record, end));
            if state.ended.len() > ENDED {
                state.ended.pop_first();
            }
            state.sweep(at, self.limits.keep);
        }
    }

    /// Returns a call that has ended.
    #[must_use]
    pub fn ended(&self, call: CallKey) -> Option<TracedCall> {
        self.lock().ended.get(&call).cloned()
    }

    /// Returns the messages of each leg of a call, and the number of those that were removed because of the limits.
    #[must_use]
    pub fn messages(&self, call: &TracedCall) -> (Vec<(TraceKey, TracedMessage)>, u64) {
        let state = self.lock();
        let buffers = || call.keys.iter().filter_map(|key| Some((key, state.buffers.get(key)?)));
        let messages = buffers().flat_map(|(key, buffer)| buffer.messages.iter().map(|one| (key.clone(), one.clone())));
        let mut messages: Vec<_> = messages.collect();
        messages.sort_by_key(|(_, message)| message.number);
        (messages, buffers().map(|(_, buffer)| buffer.removed).sum())
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (state.buffers.len(), state.by_use.len(), state.octets)
    }

    fn lock(&self) -> MutexGuard<'_, Buffers> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    const fn new(now: Time) -> Self {
        Self { messages: VecDeque::new(), octets: 0, removed: 0, used: 0, used_at: now, call: None }
    }
}

impl Buffers {
    const fn new() -> Self {
        Self {
            buffers: BTreeMap::new(),
            by_use: BTreeMap::new(),
            ended: BTreeMap::new(),
            octets: 0,
            numbers: 0,
            swept_at: Time::EPOCH,
        }
    }

    fn add(&mut self, key: TraceKey, capture: &Capture<'_>, limits: &TraceLimits) {
        self.numbers += 1;
        let stored = capture.octets.get(..MESSAGE_OCTETS.min(limits.leg_octets)).unwrap_or(capture.octets);
        let message = TracedMessage {
            number: self.numbers,
            at: capture.at,
            flow: capture.flow,
            peer: capture.peer,
            received_on: capture.received_on,
            octets: stored.into(),
            omitted: capture.octets.len() - stored.len(),
        };
        let buffer = self.buffers.entry(key.clone()).or_insert_with(|| Buffer::new(capture.at));
        self.by_use.remove(&buffer.used);
        (buffer.used, buffer.used_at) = (self.numbers, capture.at);
        self.by_use.insert(self.numbers, key);
        let before = buffer.octets;
        buffer.octets += stored.len() + OVERHEAD;
        buffer.messages.push_back(message);
        while buffer.messages.len() > MESSAGES || buffer.octets > limits.leg_octets + OVERHEAD {
            let Some(oldest) = buffer.messages.pop_front() else { break };
            buffer.octets -= oldest.octets.len() + OVERHEAD;
            buffer.removed += 1;
        }
        self.octets = self.octets + buffer.octets - before;
        while self.octets > limits.octets
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &TraceKey) {
        if let Some(buffer) = self.buffers.remove(key) {
            self.by_use.remove(&buffer.used);
            self.octets -= buffer.octets;
        }
    }

    /// Removes buffers that belong to no call, and calls that have ended, after some time.
    fn sweep(&mut self, now: Time, keep: Duration) {
        if now.since(self.swept_at) < SWEEP {
            return;
        }
        self.swept_at = now;
        let outdated = |(key, buffer): (&TraceKey, &Buffer)| {
            (buffer.call.is_none() && now.since(buffer.used_at) > keep).then(|| key.clone())
        };
        let outdated: Vec<TraceKey> = self.buffers.iter().filter_map(outdated).collect();
        outdated.iter().for_each(|key| self.remove(key));
        self.ended.retain(|_, call| call.end.is_some_and(|(_, at)| now.since(at) <= keep));
    }
}
