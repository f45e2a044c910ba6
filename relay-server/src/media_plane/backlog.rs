//! Queue of a media worker's events that the signaling plane has not accepted yet.

use offhook_media::command::{Event, ReportStage};
use std::collections::VecDeque;

/// Number of queued events from which digits are dropped. It is reached only if the signaling plane is blocked for
/// minutes. Transport events and final reports are always queued; a leg has at most three of them.
const EVENTS: usize = 65_536;
/// Number of queued events from which key frame requests and interim reports are dropped.
const KEY_FRAMES: usize = 256;

/// A queue in front of a receiver that may be busy. It keeps the order of events, and the media thread never waits for the receiver.
pub(super) struct Backlog<R> {
    /// Passes an event to the receiver, or returns it if the receiver is busy.
    report: R,
    waiting: VecDeque<Event>,
}

impl<R: FnMut(Event) -> Result<(), Event>> Backlog<R> {
    pub(super) const fn new(report: R) -> Self {
        Self { report, waiting: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Reports `event`, now or with a later [`flush`](Self::flush).
    pub(super) fn push(&mut self, event: Event) {
        if !self.waiting.is_empty() {
            return self.keep(event);
        }
        if let Err(event) = (self.report)(event) {
            self.keep(event);
        }
    }

    fn keep(&mut self, event: Event) {
        let waiting = self.waiting.len();
        match &event {
            // The request is repeated until a key frame arrives.
            Event::KeyFrameWanted { .. } if waiting >= KEY_FRAMES || self.waiting.contains(&event) => {}
            // The next report contains the totals.
            Event::LegReports(reports)
                if waiting >= KEY_FRAMES && reports.iter().all(|report| report.stage == ReportStage::Interim) => {}
            Event::DtmfReceived { .. } if waiting >= EVENTS => {
                tracing::error!("DTMF digit dropped: the signaling plane accepts no events");
            }
            _ => self.waiting.push_back(event),
        }
    }

    /// Reports the queued events until one is not accepted.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(event) = (self.report)(event) {
                self.waiting.push_front(event);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backlog, EVENTS, KEY_FRAMES};
    use core::cell::{Cell, RefCell};
    use offhook_media::command::{Event, LegKey, LegReport, ReportStage, TransportFailure};

    const fn digit(digit: char) -> Event {
        Event::DtmfReceived { leg: LegKey(1), digit }
    }

    #[test]
    fn events_are_queued_in_order_until_accepted() {
        let (room, seen) = (Cell::new(0), RefCell::new(Vec::new()));
        let mut backlog = Backlog::new(|event| {
            if room.get() == 0 {
                return Err(event);
            }
            room.set(room.get() - 1);
            seen.borrow_mut().push(event);
            Ok(())
        });
        let key_frame = Event::KeyFrameWanted { leg: LegKey(1) };
        for event in [digit('1'), key_frame.clone(), digit('2'), key_frame.clone()] {
            backlog.push(event);
        }
        room.set(1);
        backlog.flush();
        assert_eq!(*seen.borrow(), [digit('1')]);
        room.set(9);
        backlog.push(digit('3'));
        assert_eq!(seen.borrow().len(), 1, "no event overtakes queued ones");
        backlog.flush();
        assert_eq!(*seen.borrow(), [digit('1'), key_frame, digit('2'), digit('3')]);
        assert!(backlog.is_empty());
        backlog.push(digit('4'));
        assert_eq!(seen.borrow().len(), 5, "with an empty queue, events are reported immediately");
    }

    #[test]
    fn interim_reports_are_dropped_when_queue_grows_and_final_ones_kept() {
        let reports = |stage| Event::LegReports(vec![LegReport { leg: LegKey(1), stage, streams: Vec::new() }]);
        let mut backlog = Backlog::new(Err);
        backlog.push(reports(ReportStage::Interim));
        assert_eq!(backlog.waiting.len(), 1);
        for _ in 1..KEY_FRAMES {
            backlog.push(digit('1'));
        }
        backlog.push(reports(ReportStage::Interim));
        assert_eq!(backlog.waiting.len(), KEY_FRAMES);
        backlog.push(reports(ReportStage::Final));
        assert_eq!(backlog.waiting.back(), Some(&reports(ReportStage::Final)));
    }

    #[test]
    fn leg_failures_are_queued_beyond_the_limit() {
        let mut backlog = Backlog::new(Err);
        for _ in 0..=EVENTS {
            backlog.push(digit('1'));
        }
        assert_eq!(backlog.waiting.len(), EVENTS);
        let failed = Event::LegFailed { leg: LegKey(1), failure: TransportFailure::NoPort };
        backlog.push(failed.clone());
        assert_eq!(backlog.waiting.back(), Some(&failed));
    }
}
