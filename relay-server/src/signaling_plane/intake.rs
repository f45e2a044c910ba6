//! Queues of received inputs that the signaling plane has not handled yet.
//!
//! WebSockets, SIP and the media workers each have a channel, so that none of them fills the queue of another. The inputs of a
//! channel are sorted by source, and the sources are served in turn.

use super::fair_queue::FairQueue;
use super::{MediaReport, PlaneInput};
use crate::sip_transport::{Report, ReportSource};
use offhook_b2bua::io::{ConnectionId, Input};
use tokio::sync::mpsc;

/// Maximum number of sorted inputs of one channel; further inputs stay in the channel.
const SORTED: usize = 1_024;
/// Maximum number of queued datagrams of one source. Further ones are dropped, because endpoints retransmit unanswered requests.
const DATAGRAMS: usize = 256;

/// The kinds of inputs, in the order in which they are served.
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
    WebSocket(PlaneInput),
    Sip(Report),
}

/// The channels, and the inputs removed from them.
pub(super) struct Intake {
    inbound: mpsc::Receiver<PlaneInput>,
    media: mpsc::Receiver<MediaReport>,
    reports: Option<mpsc::Receiver<Report>>,
    web_sockets: FairQueue<InputSource, PlaneInput>,
    sip: FairQueue<ReportSource, Report>,
    first_media: Option<MediaReport>,
    /// Datagrams dropped since the last call of [`Self::take_dropped`].
    dropped: u64,
}

impl Intake {
    pub(super) const fn new(inbound: mpsc::Receiver<PlaneInput>, media: mpsc::Receiver<MediaReport>) -> Self {
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

    /// The numbers of inputs that are queued, in the order of [`Kind::ALL`].
    pub(super) fn lengths(&self) -> [usize; Kind::ALL.len()] {
        let reports = self.reports.as_ref().map_or(0, mpsc::Receiver::len);
        [
            self.media.len() + usize::from(self.first_media.is_some()),
            self.inbound.len() + self.web_sockets.len(),
            reports + self.sip.len(),
        ]
    }

    fn is_empty(&self) -> bool {
        self.web_sockets.len() == 0 && self.sip.len() == 0 && self.first_media.is_none()
    }

    /// Waits until there is an input. Cancel safe.
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

    /// Returns the next input of a kind.
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

    /// Returns the number of datagrams dropped since the last call.
    pub(super) const fn take_dropped(&mut self) -> u64 {
        core::mem::replace(&mut self.dropped, 0)
    }

    fn sort_inbound(&mut self, inbound: PlaneInput) {
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

/// The source of an input on the channel that WebSockets, the REST API and the relay itself use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InputSource {
    /// The relay itself: results of password checks and DNS queries.
    Relay,
    /// The REST API.
    Api,
    /// A WebSocket.
    WebSocket(ConnectionId),
}

/// The source of an input. The order of inputs is preserved within one source only.
const fn source(inbound: &PlaneInput) -> InputSource {
    match inbound {
        PlaneInput::Request(_) => InputSource::Api,
        PlaneInput::Opened(connection, ..)
        | PlaneInput::Input(
            Input::Connected { connection, .. }
            | Input::Text { connection, .. }
            | Input::Binary { connection, .. }
            | Input::Disconnected { connection },
        ) => InputSource::WebSocket(*connection),
        _ => InputSource::Relay,
    }
}

/// Receives a report; never returns if SIP is off.
async fn receive(reports: &mut Option<mpsc::Receiver<Report>>) -> Option<Report> {
    match reports {
        Some(reports) => reports.recv().await,
        None => core::future::pending().await,
    }
}
