//! The feed of events of calls: a bounded buffer for resuming, and bounded queues of the subscribers.
//!
//! The signaling plane never waits for a subscriber. A subscriber whose queue is full is removed, and its connection ends.

mod operation;

pub use operation::OperationChange;

use super::directory::CallEntry;
use offhook_b2bua::call::{CallEvent, CallKey, MediaPath, TransferProgress};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use operation::direction_name;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Number of events that are kept for resuming.
const KEPT: usize = 2_048;
/// Number of events that are queued for one subscriber.
const QUEUE: usize = 256;
/// Maximum number of subscribers.
const SUBSCRIBERS: usize = 100;

/// An event of a call.
#[derive(Clone, Debug)]
pub struct FeedEvent {
    /// Its number, from 1.
    pub number: u64,
    /// The call.
    pub call: CallKey,
    /// Its time.
    pub at: Time,
    /// The change of the call.
    pub change: CallChange,
    /// The state of the call after the event, or its last one.
    pub entry: Option<Arc<CallEntry>>,
}

/// A change of a call, in the terms of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallChange {
    /// The name of the event.
    pub name: &'static str,
    /// The participant that it concerns.
    pub participant: Option<LegKey>,
    /// The reason of an end or a failure.
    pub reason: Option<&'static str>,
    /// The SIP status of an end or a failure.
    pub sip_status: Option<u16>,
    /// A DTMF digit.
    pub digit: Option<char>,
    /// The progress of a transfer, the path of media, the direction of muting, or the reason why an operation ended.
    pub detail: Option<&'static str>,
    /// The playback, recording or collection of digits.
    pub operation: Option<Box<OperationChange>>,
}

impl CallChange {
    /// The names of all events.
    pub const NAMES: [&str; 26] = [
        "placed",
        "routed",
        "ringing",
        "progressing",
        "earlyMedia",
        "looped",
        "answered",
        "held",
        "resumed",
        "dtmfReceived",
        "transferStarted",
        "transferProgressed",
        "transferCompleted",
        "transferFailed",
        "mediaPathChanged",
        "playbackStarted",
        "playbackEnded",
        "digitsCollected",
        "muted",
        "unmuted",
        "recordingStarted",
        "recordingPaused",
        "recordingResumed",
        "recordingEnded",
        "left",
        "ended",
    ];

    const fn new(name: &'static str, participant: Option<LegKey>) -> Self {
        Self { name, participant, reason: None, sip_status: None, digit: None, detail: None, operation: None }
    }

    fn of_operation(name: &'static str, participant: Option<LegKey>, event: &CallEvent) -> Self {
        let (operation, detail) = OperationChange::of(event).unzip();
        Self { operation: operation.map(Box::new), detail: detail.flatten(), ..Self::new(name, participant) }
    }

    /// Converts an event of the call model. Returns `None` for events that change nothing or repeat others.
    #[must_use]
    pub fn of(event: &CallEvent) -> Option<Self> {
        Some(match event {
            CallEvent::Placed { caller, .. } => Self::new("placed", Some(*caller)),
            CallEvent::Routed { callee, .. } => Self::new("routed", Some(*callee)),
            CallEvent::Ringing { caller } => Self::new("ringing", Some(*caller)),
            CallEvent::Progressing { caller } => Self::new("progressing", Some(*caller)),
            CallEvent::EarlyMedia { caller, .. } => Self::new("earlyMedia", Some(*caller)),
            CallEvent::Looped => Self::new("looped", None),
            CallEvent::Answered { callee, .. } => Self::new("answered", Some(*callee)),
            CallEvent::Held { by } => Self::new("held", Some(*by)),
            CallEvent::Resumed { by } => Self::new("resumed", Some(*by)),
            CallEvent::DtmfReceived { from, digit, .. } => {
                Self { digit: Some(*digit), ..Self::new("dtmfReceived", Some(*from)) }
            }
            CallEvent::TransferStarted { by } => Self::new("transferStarted", Some(*by)),
            CallEvent::TransferProgressed { by, progress } => {
                let detail = match progress {
                    TransferProgress::Trying => "trying",
                    TransferProgress::Ringing => "ringing",
                };
                Self { detail: Some(detail), ..Self::new("transferProgressed", Some(*by)) }
            }
            CallEvent::TransferCompleted { by, .. } => Self::new("transferCompleted", *by),
            CallEvent::TransferFailed { by, end, .. } => Self {
                reason: Some(end.reason.name()),
                sip_status: Some(end.status()),
                ..Self::new("transferFailed", Some(*by))
            },
            CallEvent::MediaPathChanged { path } => {
                let detail = match path {
                    MediaPath::Relayed => "relayed",
                    MediaPath::Direct => "direct",
                };
                Self { detail: Some(detail), ..Self::new("mediaPathChanged", None) }
            }
            CallEvent::PlaybackStarted { to, .. } => Self::of_operation("playbackStarted", Some(*to), event),
            CallEvent::PlaybackEnded { to, .. } => Self::of_operation("playbackEnded", Some(*to), event),
            CallEvent::DigitsCollected { from, .. } => Self::of_operation("digitsCollected", Some(*from), event),
            CallEvent::RecordingStarted { .. } => Self::of_operation("recordingStarted", None, event),
            CallEvent::RecordingPaused { .. } => Self::of_operation("recordingPaused", None, event),
            CallEvent::RecordingResumed { .. } => Self::of_operation("recordingResumed", None, event),
            CallEvent::RecordingEnded { .. } => Self::of_operation("recordingEnded", None, event),
            CallEvent::Muted { leg, direction } => {
                Self { detail: Some(direction_name(*direction)), ..Self::new("muted", Some(*leg)) }
            }
            CallEvent::Unmuted { leg, direction } => {
                Self { detail: Some(direction_name(*direction)), ..Self::new("unmuted", Some(*leg)) }
            }
            CallEvent::Left { leg, end } | CallEvent::Unanswered { caller: leg, end } => Self {
                reason: Some(end.reason.name()),
                sip_status: Some(end.status()),
                ..Self::new("left", Some(*leg))
            },
            CallEvent::Ended { reason } => Self { reason: Some(reason.name()), ..Self::new("ended", None) },
            // Repeated states, intermediate steps and periodic reports.
            CallEvent::QualityReported { .. }
            | CallEvent::RemoteHoldChanged { .. }
            | CallEvent::StateRepeated { .. }
            | CallEvent::DirectMedia { .. } => {
                return None;
            }
        })
    }
}

/// The feed.
#[derive(Debug, Default)]
pub struct EventFeed {
    state: Mutex<FeedState>,
}

#[derive(Debug, Default)]
struct FeedState {
    last: u64,
    kept: VecDeque<Arc<FeedEvent>>,
    subscribers: Vec<mpsc::Sender<Arc<FeedEvent>>>,
    has_stopped: bool,
}

/// A subscription to the feed.
#[derive(Debug)]
pub struct FeedSubscription {
    /// The events after the requested one that are still stored.
    pub missed: Vec<Arc<FeedEvent>>,
    /// Events after the requested one are lost.
    pub has_gap: bool,
    /// The receiver of further events. It ends if the subscriber is too slow, and at shutdown.
    pub events: mpsc::Receiver<Arc<FeedEvent>>,
}

impl EventFeed {
    /// Adds an event of a call.
    pub fn publish(&self, event: &CallEvent, call: CallKey, entry: Option<Arc<CallEntry>>, at: Time) {
        let Some(change) = CallChange::of(event) else { return };
        let mut state = self.lock();
        state.last += 1;
        let event = Arc::new(FeedEvent { number: state.last, call, at, change, entry });
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(Arc::clone(&event));
        state.subscribers.retain(|subscriber| subscriber.try_send(Arc::clone(&event)).is_ok());
    }

    /// Subscribes to the events after `last`, or to new ones only. Returns `None` if there are too many subscribers, or
    /// after [`Self::stop`].
    #[must_use]
    pub fn subscribe(&self, last: Option<u64>) -> Option<FeedSubscription> {
        let mut state = self.lock();
        state.subscribers.retain(|subscriber| !subscriber.is_closed());
        if state.subscribers.len() >= SUBSCRIBERS || state.has_stopped {
            return None;
        }
        let (subscriber, events) = mpsc::channel(QUEUE);
        state.subscribers.push(subscriber);
        let last = last.unwrap_or(state.last);
        let oldest = state.kept.front().map_or(state.last + 1, |event| event.number);
        let missed = state.kept.iter().filter(|event| event.number > last).map(Arc::clone).collect();
        // A number above that of the last event belongs to an event before a restart of the relay.
        Some(FeedSubscription { missed, has_gap: last > state.last || last + 1 < oldest, events })
    }

    /// Ends all subscriptions, because the relay shuts down.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.has_stopped = true;
        state.subscribers.clear();
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.lock().has_stopped
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{CallChange, CallEvent, CallKey, EventFeed, FeedSubscription, KEPT, QUEUE, SUBSCRIBERS, Time};

    fn publish(feed: &EventFeed, count: usize) {
        for _ in 0..count {
            feed.publish(&CallEvent::Looped, CallKey(1), None, Time::EPOCH);
        }
    }

    fn numbers(subscription: &mut FeedSubscription) -> Vec<u64> {
        let missed: Vec<u64> = subscription.missed.iter().map(|event| event.number).collect();
        missed.into_iter().chain(core::iter::from_fn(|| Some(subscription.events.try_recv().ok()?.number))).collect()
    }

    #[test]
    fn subscriber_resumes_without_loss_and_repetition() {
        let feed = EventFeed::default();
        publish(&feed, 3);
        let (mut new, mut resumed) = (feed.subscribe(None).unwrap(), feed.subscribe(Some(1)).unwrap());
        publish(&feed, 2);
        assert_eq!((numbers(&mut new), new.has_gap), (vec![4, 5], false));
        assert_eq!((numbers(&mut resumed), resumed.has_gap), (vec![2, 3, 4, 5], false));
        assert!(feed.subscribe(Some(6)).unwrap().has_gap, "the number is of another run");
        assert!(feed.subscribe(Some(u64::MAX)).unwrap().has_gap, "the number is no number of a run");
    }

    #[test]
    fn lost_events_are_reported() {
        let feed = EventFeed::default();
        publish(&feed, KEPT + 2);
        assert!(!feed.subscribe(Some(2)).unwrap().has_gap);
        let gap = feed.subscribe(Some(1)).unwrap();
        assert_eq!((gap.has_gap, gap.missed.len()), (true, KEPT));
    }

    #[test]
    fn slow_subscriber_is_removed_and_others_continue() {
        let feed = EventFeed::default();
        let (mut slow, mut fast) = (feed.subscribe(None).unwrap(), feed.subscribe(None).unwrap());
        for _ in 0..=QUEUE {
            publish(&feed, 1);
            assert_eq!(numbers(&mut fast).len(), 1);
        }
        assert_eq!(numbers(&mut slow).len(), QUEUE);
        assert!(slow.events.is_closed() && !fast.events.is_closed());
    }

    #[test]
    fn number_of_subscribers_is_limited() {
        let feed = EventFeed::default();
        let subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| feed.subscribe(None).unwrap()).collect();
        assert!(feed.subscribe(None).is_none());
        drop(subscribers);
        assert!(feed.subscribe(None).is_some(), "closed subscriptions leave their places");
        feed.stop();
        assert!(feed.subscribe(None).is_none() && feed.has_stopped());
    }

    #[test]
    fn every_name_is_listed() {
        let change = CallChange::of(&CallEvent::Looped).unwrap();
        assert!(CallChange::NAMES.contains(&change.name));
    }
}
