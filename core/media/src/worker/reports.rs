//! Interim reports of all legs. Each interval is divided into slices, and each slice reports a part of the legs in one
//! event, so that neither the worker nor the signaling plane is busy for long.

use super::Worker;
use crate::command::{Event, ReportStage};
use core::time::Duration;
use offhook_clock::Time;

/// The number of slices of an interval.
const SLICES: u32 = 8;

/// The schedule of the interim reports of a worker.
#[derive(Debug, Default)]
pub(super) struct InterimReports {
    /// The time of the next slice; `None` if there are no legs.
    pub(super) due: Option<Time>,
    /// The place of the next leg in the worker's array.
    place: usize,
}

impl InterimReports {
    /// Starts the reports, unless they run already.
    pub(super) fn start(&mut self, interval: Duration, now: Time) {
        self.due.get_or_insert_with(|| now + interval / SLICES);
    }
}

impl Worker {
    /// Reports the next slice if it is due.
    pub(super) fn send_interim_reports(&mut self, now: Time) {
        if self.interim.due.is_none_or(|due| due > now) {
            return;
        }
        let places = self.legs.places();
        let last = (self.interim.place + places.div_ceil(SLICES as usize)).min(places);
        let legs = (self.interim.place..last).filter_map(|place| self.legs.at_place(place));
        let reports: Vec<_> =
            legs.filter(|leg| leg.is_connected()).map(|leg| leg.report(ReportStage::Interim)).collect();
        if !reports.is_empty() {
            self.io.event(Event::LegReports(reports));
        }
        self.interim.place = if last == places { 0 } else { last };
        self.interim.due = Some(now + self.config.report_interval / SLICES);
    }
}
