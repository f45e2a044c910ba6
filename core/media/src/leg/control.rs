//! RTCP of a leg: processes received packets and relays feedback to the bridged leg.

use super::Leg;
use super::media::{Arrival, count_rejection};
use super::stream::{MediaStream, SourceClock};
use super::transport::send_rtcp;
use crate::command::{Event, LegKey};
use crate::io::Io;
use crate::rtcp::packet::{
    AFB, BYE, Compound, FIR, Feedback, NACK, PLI, PSFB, RR, RTPFB, SENDER_INFORMATION, SR, SenderReport, TRANSPORT_CC,
    report_blocks, words,
};
use crate::rtcp::write;
use crate::rtp::rewrite::{SourceId, StreamSource};
use offhook_clock::Time;

/// RTCP of one leg that is relayed to the bridged leg. Its SSRCs are those of the media source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// A sender report of the source.
    SenderReport { id: SourceId, report: SenderReport },
    /// A request for a key frame of the source.
    KeyFrame { id: SourceId },
    /// A request to retransmit these packets of the source.
    Nack { id: SourceId, lost: Vec<u16> },
    /// The receiver's bit rate estimate.
    Remb { id: SourceId, rate: [u8; 4] },
    /// The receiver's transport-wide feedback.
    TransportFeedback { id: SourceId, control: Vec<u8> },
}

impl StreamSource {
    /// Returns feedback about this source, addressed to the leg of the source.
    fn relayed(self, feedback: impl FnOnce(SourceId) -> Relayed) -> (Recipient, Relayed) {
        (Recipient::Source(self.leg), feedback(self.id))
    }
}

/// The legs to which RTCP is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// The leg of the source that the RTCP is about.
    Source(LegKey),
    /// The legs with sinks of this stream.
    SinksOf(usize),
}

impl Leg {
    /// Decrypts and processes a compound RTCP packet. Returns the parts to be relayed, with the legs that receive them.
    pub(crate) fn receive_rtcp(
        &mut self,
        arrival: Arrival,
        packet: &mut [u8],
        io: &mut Io,
        now: Time,
    ) -> Vec<(Recipient, Relayed)> {
        let mut relayed = Vec::new();
        let length = match self.transport.open_rtcp(arrival, packet, now) {
            Ok(length) => length,
            Err(rejection) => {
                count_rejection(rejection, io);
                return relayed;
            }
        };
        self.last_received = now;
        io.counters.rx_rtcp += 1;
        for chunk in Compound::new(packet.get(..length).unwrap_or(&[])) {
            match chunk.kind {
                SR => {
                    let Some(report) = SenderReport::parse(chunk.body) else { continue };
                    let id = arrival.source(report.ssrc);
                    if let Some(source) = self.sources.get_mut(id)
                        && let Some(reception) = &mut source.reception
                    {
                        reception.note(&report, now);
                        relayed.push((Recipient::SinksOf(source.stream), Relayed::SenderReport { id, report }));
                    }
                    self.apply_report_blocks(report_blocks(chunk, SENDER_INFORMATION), now);
                }
                RR => self.apply_report_blocks(report_blocks(chunk, 0), now),
                BYE if !self.transport.keeps_ssrcs() => {
                    for ssrc in words(chunk.body).take(usize::from(chunk.count)) {
                        self.remove_source(arrival.source(ssrc));
                    }
                }
                RTPFB | PSFB => {
                    if let Some(feedback) = Feedback::parse(chunk.body) {
                        self.read_feedback(chunk.kind, chunk.count, feedback, io, &mut relayed);
                    }
                }
                // SDES is not relayed: the relay sends its own source descriptions.
                _ => {}
            }
        }
        relayed
    }

    fn read_feedback(
        &mut self,
        kind: u8,
        format: u8,
        feedback: Feedback<'_>,
        io: &mut Io,
        relayed: &mut Vec<(Recipient, Relayed)>,
    ) {
        match (kind, format) {
            (RTPFB, NACK) => {
                let lost = self.resend(feedback.media, feedback.lost(), io);
                let source = self.source_of(feedback.media).filter(|_| !lost.is_empty());
                relayed.extend(source.map(|source| source.relayed(|id| Relayed::Nack { id, lost })));
            }
            (RTPFB, TRANSPORT_CC) => {
                let control = || feedback.control.to_vec();
                let source = self.source_of(feedback.media);
                relayed.extend(
                    source.map(|source| source.relayed(|id| Relayed::TransportFeedback { id, control: control() })),
                );
            }
            (PSFB, PLI) => {
                let source = self.source_of(feedback.media);
                relayed.extend(source.map(|source| source.relayed(|id| Relayed::KeyFrame { id })));
            }
            (PSFB, FIR) => {
                let sources = feedback.asked().filter_map(|media| self.source_of(media));
                relayed.extend(sources.map(|source| source.relayed(|id| Relayed::KeyFrame { id })));
            }
            (PSFB, AFB) => {
                let Some(remb) = feedback.remb() else { return };
                let sources = remb.sources.iter().filter_map(|media| self.source_of(u32::from_be_bytes(*media)));
                relayed.extend(sources.map(|source| source.relayed(|id| Relayed::Remb { id, rate: remb.rate })));
            }
            _ => {}
        }
    }

    /// The source whose packets are sent under one of the relay's SSRCs.
    fn source_of(&self, local_ssrc: u32) -> Option<StreamSource> {
        let stream = self.streams.iter().find(|stream| stream.negotiated.local_ssrc == local_ssrc)?;
        stream.rewriter.source()
    }

    /// Applies RTCP that the bridged leg has received, or sends it to the peer.
    pub(crate) fn relay(&mut self, from: LegKey, relayed: &Relayed, io: &mut Io, now: Time) {
        match relayed {
            Relayed::SenderReport { id, report } => {
                self.apply_sender_report(StreamSource { leg: from, id: *id }, report, io, now);
            }
            Relayed::KeyFrame { id } => {
                if let Some(source) = self.sources.get_mut(*id) {
                    source.key_frames.ask(now);
                    self.send_key_frame_requests(io, now);
                }
            }
            Relayed::Nack { id, lost } => {
                self.send_feedback(*id, "nack", io, |sender, out| write::nack(sender, id.ssrc(), lost, out));
            }
            Relayed::Remb { id, rate } => {
                self.send_feedback(*id, "goog-remb", io, |sender, out| write::remb(sender, *rate, id.ssrc(), out));
            }
            Relayed::TransportFeedback { id, control } => {
                self.send_feedback(*id, "transport-cc", io, |sender, out| {
                    write::transport_feedback(sender, id.ssrc(), control, out);
                });
            }
        }
    }

    /// Applies a sender report of a source. If the streams are bundled, it is sent at once; else the next periodic
    /// report contains it.
    fn apply_sender_report(&mut self, source: StreamSource, report: &SenderReport, io: &mut Io, now: Time) {
        let mut streams = self.streams.iter_mut().enumerate();
        let found = streams.find_map(|(index, stream)| {
            let timestamp = stream.rewriter.timestamp_from(source, report.timestamp)?;
            stream.clock = Some(SourceClock { source, ntp: report.ntp, timestamp, at: now });
            Some(index)
        });
        let Some(index) = found else { return };
        if self.transport.is_bundled() {
            let Some(figures) = self.streams.get_mut(index).map(|stream| stream.report_figures(now)) else { return };
            self.send_control(index, io, |_, out| write::sender_report(&figures, &[], out));
        }
    }

    /// Requests key frames from every video source until one arrives, because there is a new receiver.
    pub(crate) fn request_key_frames(&mut self, io: &mut Io, now: Time) {
        for (_, source) in self.sources.iter_mut() {
            if self.streams.get(source.stream).is_some_and(MediaStream::is_video) {
                source.key_frames.begin(now);
            }
        }
        self.send_key_frame_requests(io, now);
    }

    /// Cancels key frame requests, because there is no receiver any more.
    pub(crate) fn cancel_key_frame_requests(&mut self) {
        for (_, source) in self.sources.iter_mut() {
            source.key_frames.satisfied();
        }
    }

    /// Requests one key frame from every video source on behalf of the receiving peer.
    pub(crate) fn request_one_key_frame(&mut self, io: &mut Io, now: Time) {
        for (_, source) in self.sources.iter_mut() {
            if self.streams.get(source.stream).is_some_and(MediaStream::is_video) {
                source.key_frames.ask(now);
            }
        }
        self.send_key_frame_requests(io, now);
    }

    pub(super) fn send_key_frame_requests(&mut self, io: &mut Io, now: Time) {
        if !self.transport.is_connected() {
            return;
        }
        let due: Vec<(SourceId, usize, u8)> = self
            .sources
            .iter_mut()
            .filter_map(|(id, source)| Some((id, source.stream, source.key_frames.poll(now)?)))
            .collect();
        for (id, stream, number) in due {
            let has = |value| self.streams.get(stream).is_some_and(|stream| stream.has_feedback(value));
            if has("nack pli") {
                self.send_feedback(id, "nack pli", io, |sender, out| write::picture_loss(sender, id.ssrc(), out));
            } else if has("ccm fir") {
                self.send_feedback(id, "ccm fir", io, |sender, out| {
                    write::full_intra_request(sender, id.ssrc(), number, out);
                });
            } else if self.transport.may_request_key_frame(now) {
                io.event(Event::KeyFrameWanted { leg: self.key });
            }
        }
    }

    /// Sends feedback about one of the peer's sources, if the peer negotiated this kind of feedback.
    fn send_feedback(&mut self, id: SourceId, kind: &str, io: &mut Io, write: impl FnOnce(u32, &mut Vec<u8>)) {
        let Some(index) = self.sources.get(id).map(|source| source.stream) else { return };
        if self.streams.get(index).is_some_and(|stream| stream.has_feedback(kind)) {
            self.send_control(index, io, |sender, out| {
                write::receiver_report(sender, &[], out);
                write(sender, out);
            });
        }
    }

    /// Sends a compound packet for a stream. `write` appends its first part, which begins with a report; the source
    /// description follows.
    pub(super) fn send_control(&mut self, stream: usize, io: &mut Io, write: impl FnOnce(u32, &mut Vec<u8>)) {
        let Some(sender) = self.streams.get(stream).map(|stream| stream.negotiated.local_ssrc) else { return };
        let Some(path) = self.transport.rtcp_path(stream) else { return };
        let mut buffer = io.buffer();
        write(sender, &mut buffer);
        write::source_description(sender, &self.cname, &mut buffer);
        send_rtcp(path, buffer, io);
    }
}
