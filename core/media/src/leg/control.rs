//! RTCP of a leg: reports made here, feedback passed to the leg it is about.

use super::media::count_refusal;
use super::stream::MediaStream;
use super::{Leg, Phase};
use crate::command::LegKey;
use crate::io::Io;
use crate::rtcp::packet::{AFB, Compound, FIR, Feedback, NACK, PLI, PSFB, RTPFB, SR, SenderReport, TRANSPORT_CC};
use crate::rtcp::statistics::ReportBlock;
use crate::rtcp::write::{self, SenderFigures};
use crate::rtp::rewrite::Source;
use core::time::Duration;
use offhook_clock::Time;

/// Between receiver reports.
const VIDEO_INTERVAL: Duration = Duration::from_secs(1);
const AUDIO_INTERVAL: Duration = Duration::from_secs(2);

/// What one leg's RTCP means for the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relayed<'a> {
    /// The source says what time it is.
    SenderReport(SenderReport),
    /// The source shall send a key frame.
    KeyFrame { ssrc: u32 },
    /// The source shall send these again.
    Nack { ssrc: u32, lost: Vec<u16> },
    /// The receiver's estimate.
    Remb { ssrc: u32, rate: [u8; 4] },
    /// The receiver's transport-wide feedback.
    TransportFeedback { ssrc: u32, control: &'a [u8] },
}

impl Leg {
    /// Decrypts RTCP in place; what concerns the bridged leg.
    pub(crate) fn receive_rtcp<'a>(&mut self, packet: &'a mut [u8], io: &mut Io, now: Time) -> Vec<Relayed<'a>> {
        let mut relayed = Vec::new();
        let Phase::Connected { srtp, .. } = &mut self.phase else {
            io.counters.dropped.no_keys += 1;
            return relayed;
        };
        let length = match srtp.0.unprotect_rtcp(packet) {
            Ok(length) => length,
            Err(error) => {
                count_refusal(error, io);
                return relayed;
            }
        };
        self.heard_at = now;
        io.counters.rx_rtcp += 1;
        let datagram: &'a [u8] = packet;
        for chunk in Compound::new(datagram.get(..length).unwrap_or(&[])) {
            match chunk.kind {
                SR => {
                    let Some(report) = SenderReport::parse(chunk.body) else { continue };
                    let source = self.sources.get_mut(&report.ssrc);
                    if let Some(reception) = source.and_then(|source| source.reception.as_mut()) {
                        reception.note(&report, now);
                        relayed.push(Relayed::SenderReport(report));
                    }
                }
                RTPFB | PSFB => {
                    if let Some(feedback) = Feedback::parse(chunk.body) {
                        self.read_feedback(chunk.kind, chunk.count, feedback, io, &mut relayed);
                    }
                }
                // Receivers' reports concern this leg alone; descriptions and goodbyes are the relay's to give.
                _ => {}
            }
        }
        relayed
    }

    fn read_feedback<'a>(
        &mut self,
        kind: u8,
        format: u8,
        feedback: Feedback<'a>,
        io: &mut Io,
        relayed: &mut Vec<Relayed<'a>>,
    ) {
        match (kind, format) {
            (RTPFB, NACK) => {
                let lost = self.resend(feedback.media, feedback.lost(), io);
                if let Some(ssrc) = self.source_of(feedback.media).filter(|_| !lost.is_empty()) {
                    relayed.push(Relayed::Nack { ssrc, lost });
                }
            }
            (RTPFB, TRANSPORT_CC) => {
                if let Some(ssrc) = self.source_of(feedback.media) {
                    relayed.push(Relayed::TransportFeedback { ssrc, control: feedback.control });
                }
            }
            (PSFB, PLI) => {
                relayed.extend(self.source_of(feedback.media).map(|ssrc| Relayed::KeyFrame { ssrc }));
            }
            (PSFB, FIR) => {
                let asked = feedback.asked().filter_map(|media| self.source_of(media));
                relayed.extend(asked.map(|ssrc| Relayed::KeyFrame { ssrc }));
            }
            (PSFB, AFB) => {
                let Some(remb) = feedback.remb() else { return };
                let sources = remb.sources.iter().filter_map(|media| self.source_of(u32::from_be_bytes(*media)));
                relayed.extend(sources.map(|ssrc| Relayed::Remb { ssrc, rate: remb.rate }));
            }
            _ => {}
        }
    }

    /// Whose packets go out under one of our SSRCs.
    fn source_of(&self, local_ssrc: u32) -> Option<u32> {
        let stream = self.streams.iter().find(|stream| stream.negotiated.local_ssrc == local_ssrc)?;
        Some(stream.rewriter.source()?.ssrc)
    }

    /// Sends what the bridged leg's RTCP means for this one.
    pub(crate) fn relay(&mut self, from: LegKey, relayed: &Relayed<'_>, io: &mut Io, now: Time) {
        match relayed {
            Relayed::SenderReport(report) => {
                let source = Source { leg: from, ssrc: report.ssrc };
                let figures = self.streams.iter().find_map(|stream| figures(stream, source, report));
                if let Some(figures) = figures {
                    self.send_control(figures.ssrc, io, |_, out| write::sender_report(&figures, out));
                }
            }
            Relayed::KeyFrame { ssrc } => {
                if let Some(source) = self.sources.get_mut(ssrc) {
                    source.key_frames.ask(now);
                    self.send_key_frame_requests(io, now);
                }
            }
            Relayed::Nack { ssrc, lost } => {
                self.send_feedback(*ssrc, "nack", io, |sender, out| write::nack(sender, *ssrc, lost, out));
            }
            Relayed::Remb { ssrc, rate } => {
                self.send_feedback(*ssrc, "goog-remb", io, |sender, out| write::remb(sender, *rate, *ssrc, out));
            }
            Relayed::TransportFeedback { ssrc, control } => {
                self.send_feedback(*ssrc, "transport-cc", io, |sender, out| {
                    write::transport_feedback(sender, *ssrc, control, out);
                });
            }
        }
    }

    /// Every video source shall send a key frame: somebody new watches.
    pub(crate) fn request_key_frames(&mut self, io: &mut Io, now: Time) {
        for source in self.sources.values_mut() {
            if self.streams.get(source.stream).is_some_and(MediaStream::is_video) {
                source.key_frames.begin(now);
            }
        }
        self.send_key_frame_requests(io, now);
    }

    /// The key frames that nobody watches need not be asked for.
    pub(crate) fn forget_key_frames(&mut self) {
        for source in self.sources.values_mut() {
            source.key_frames.satisfied();
        }
    }

    /// Reports and key frame requests that are due.
    pub(super) fn send_due_control(&mut self, io: &mut Io, now: Time) {
        self.send_key_frame_requests(io, now);
        if self.report_at.is_none_or(|due| due > now) {
            return;
        }
        self.report_at = Some(now + self.report_interval());
        let blocks: Vec<ReportBlock> = self
            .sources
            .iter_mut()
            .filter_map(|(ssrc, source)| Some(source.reception.as_mut()?.report(*ssrc, now)))
            .collect();
        let Some(sender) = self.streams.first().map(|stream| stream.negotiated.local_ssrc) else { return };
        for blocks in blocks.chunks(31) {
            self.send_control(sender, io, |sender, out| write::receiver_report(sender, blocks, out));
        }
    }

    pub(super) fn report_interval(&self) -> Duration {
        if self.streams.iter().any(MediaStream::is_video) { VIDEO_INTERVAL } else { AUDIO_INTERVAL }
    }

    fn send_key_frame_requests(&mut self, io: &mut Io, now: Time) {
        if !matches!(self.phase, Phase::Connected { .. }) {
            return;
        }
        let due: Vec<(u32, usize, u8)> = self
            .sources
            .iter_mut()
            .filter_map(|(ssrc, source)| Some((*ssrc, source.stream, source.key_frames.poll(now)?)))
            .collect();
        for (ssrc, stream, number) in due {
            let has = |value| self.streams.get(stream).is_some_and(|stream| stream.has_feedback(value));
            if has("nack pli") || !has("ccm fir") {
                self.send_feedback(ssrc, "nack pli", io, |sender, out| write::picture_loss(sender, ssrc, out));
            } else {
                self.send_feedback(ssrc, "ccm fir", io, |sender, out| {
                    write::full_intra_request(sender, ssrc, number, out);
                });
            }
        }
    }

    /// Sends feedback about one of the browser's sources, if it negotiated that kind.
    fn send_feedback(&mut self, ssrc: u32, kind: &str, io: &mut Io, write: impl FnOnce(u32, &mut Vec<u8>)) {
        let stream = self.sources.get(&ssrc).and_then(|source| self.streams.get(source.stream));
        let Some(stream) = stream.filter(|stream| stream.has_feedback(kind)) else { return };
        let sender = stream.negotiated.local_ssrc;
        self.send_control(sender, io, |sender, out| {
            write::receiver_report(sender, &[], out);
            write(sender, out);
        });
    }

    /// Sends a compound: what `write` appends, which begins with a report, and our name.
    fn send_control(&mut self, sender: u32, io: &mut Io, write: impl FnOnce(u32, &mut Vec<u8>)) {
        let (Phase::Connected { srtp, .. }, Some(pair)) = (&mut self.phase, self.agent.nominated()) else { return };
        let mut buffer = io.buffer();
        write(sender, &mut buffer);
        write::source_description(sender, &self.cname, &mut buffer);
        if srtp.1.protect_rtcp(&mut buffer).is_ok() {
            io.counters.tx_rtcp += 1;
            io.transmit(pair, buffer);
        }
    }
}

/// The sender's clock in the outgoing stream's time, with the relay's own counts.
fn figures(stream: &MediaStream, source: Source, report: &SenderReport) -> Option<SenderFigures> {
    Some(SenderFigures {
        ssrc: stream.negotiated.local_ssrc,
        ntp: report.ntp,
        timestamp: stream.rewriter.timestamp_from(source, report.timestamp)?,
        packets: stream.packets,
        octets: stream.octets,
    })
}
