//! The inputs of the signaling plane that have arrived and are not handled yet.
//!
//! WebSockets, SIP and the media workers have a channel each, so that none of them fills the place of another. What arrives
//! is sorted by its source, and the sources of a channel are served in turn.

use super::fair_queue::FairQueue;
use super::{Inbound, MediaReport};
use crate::sip_transport::{Report, ReportSource};
use offhook_b2bua::io::{ConnectionId, Input};
use tokio::sync::mpsc;

/// Inputs of one channel that are sorted; more wait in the channel.
const SORTED: usize = 1_024;
/// Datagrams of one source among them. More are dropped: an endpoint retransmits what was not answered.
const DATAGRAMS: usize = 256;

/// A kind of input, in the order in which they are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Media,
    WebSocket,
    Sip,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Media, Self::WebSocket, Self::Sip];
}

/// One input.
#[derive(Debug)]
pub(super) enum Arrived {
    Media(MediaReport),
    WebSocket(Inbound),
    Sip(Report),
}

/// The channels, and what came out of them.
pub(super) struct Intake {
    inbound: mpsc::Receiver<Inbound>,
    media: mpsc::Receiver<MediaReport>,
    reports: Option<mpsc::Receiver<Report>>,
    /// `None` is the relay itself: answers of password checks.
    web_sockets: FairQueue<Option<ConnectionId>, Inbound>,
    sip: FairQueue<ReportSource, Report>,
    first_media: Option<MediaReport>,
    /// Datagrams that were dropped since this was last asked for.
    dropped: u64,
}

impl Intake {
    pub(super) const fn new(inbound: mpsc::Receiver<Inbound>, media: mpsc::Receiver<MediaReport>) -> Self {
        Self {
            inbound,
            media,
            reports: None,
            web_sockets: FairQueue::new(),
            sip: FairQueue::new(),
            first_media: None,
            dropped: 0,
        }
    }

    pub(super) fn set_reports(&mut self, reports: Option<mpsc::Receiver<Report>>) {
        self.reports = reports;
    }

    fn is_empty(&self) -> bool {
        self.web_sockets.len() == 0 && self.sip.len() == 0 && self.first_media.is_none()
    }

    /// Waits until there is an input. Nothing is lost when the waiting is given up.
    pub(super) async fn wait(&mut self) {
        if !self.is_empty() {
            return;
        }
        tokio::select! {
            Some(inbound) = self.inbound.recv() => self.sort_inbound(inbound),
            Some(report) = receive(&mut self.reports) => self.sort_report(report),
            Some(report) = self.media.recv() => self.first_media = Some(report),
            else => core::future::pending().await,
        }
    }

    /// The next input of a kind.
    pub(super) fn next(&mut self, kind: Kind) -> Option<Arrived> {
        match kind {
            Kind::Media => self.first_media.take().or_else(|| self.media.try_recv().ok()).map(Arrived::Media),
            Kind::WebSocket => {
                while self.web_sockets.len() < SORTED
                    && let Ok(inbound) = self.inbound.try_recv()
                {
                    self.sort_inbound(inbound);
                }
                self.web_sockets.pop().map(Arrived::WebSocket)
            }
            Kind::Sip => {
                while self.sip.len() < SORTED
                    && let Some(report) = self.reports.as_mut().and_then(|reports| reports.try_recv().ok())
                {
                    self.sort_report(report);
                }
                self.sip.pop().map(Arrived::Sip)
            }
        }
    }

    /// The number of datagrams dropped since the last call.
    pub(super) const fn take_dropped(&mut self) -> u64 {
        core::mem::replace(&mut self.dropped, 0)
    }

    fn sort_inbound(&mut self, inbound: Inbound) {
        self.web_sockets.push(source(&inbound), inbound);
    }

    fn sort_report(&mut self, report: Report) {
        let source = report.source();
        if report.is_datagram() && self.sip.len_of(source) >= DATAGRAMS {
            self.dropped += 1;
        } else {
            self.sip.push(source, report);
        }
    }
}

/// The socket that an input comes from. What a socket sends stays in order only within one source.
const fn source(inbound: &Inbound) -> Option<ConnectionId> {
    match inbound {
        Inbound::Opened(connection, ..)
        | Inbound::Input(
            Input::Connected { connection, .. }
            | Input::Text { connection, .. }
            | Input::Binary { connection, .. }
            | Input::Disconnected { connection },
        ) => Some(*connection),
        _ => None,
    }
}

/// Receives a report; waits for ever where there is no SIP.
async fn receive(reports: &mut Option<mpsc::Receiver<Report>>) -> Option<Report> {
    match reports {
        Some(reports) => reports.recv().await,
        None => core::future::pending().await,
    }
}
