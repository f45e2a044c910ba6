//! RTP of a leg: receives packets from the peer and sends packets to it.

use super::Leg;
use super::source::Source;
use super::stream::MediaStream;
use super::transcode::Transcoded;
use super::transport::send_rtp;
use crate::command::{Event, LegKey};
use crate::dtmf::{ReceivedEvent, digit_of};
use crate::graph::route::Route;
use crate::io::Io;
use crate::rtcp::statistics::{Reception, Timing};
use crate::rtp::encoding::Encoding;
use crate::rtp::extension::MID;
use crate::rtp::keyframe::{self, KeyFrame};
use crate::rtp::packet::{self, Header};
use crate::rtp::rewrite::{self, Incoming, SourceId};
use crate::transport::rtp::{Component, PacketRejection};
use crate::transport::srtp::SrtpError;
use offhook_clock::Time;
use offhook_sdp::codec::MediaKind;
use std::net::SocketAddr;

/// The maximum number of sources (SSRCs) of one peer that are stored.
pub(super) const MAX_SOURCES: usize = 32;
/// The most header extensions that are forwarded in one packet.
const MAX_ELEMENTS: usize = 16;

/// The RTP session in which a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The index of the session: that of the section, or 0 if the leg's sections are bundled.
    pub(crate) session: usize,
    /// The component of the session.
    pub(crate) component: Component,
    /// The source address.
    pub(crate) from: SocketAddr,
}

impl Arrival {
    /// Returns the identifier of the source with this SSRC in this session.
    pub(crate) fn source(self, ssrc: u32) -> SourceId {
        SourceId::new(self.session, ssrc)
    }
}

/// A received packet that belongs to a negotiated stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The index of the stream in the leg.
    pub(crate) stream: usize,
    pub(crate) id: SourceId,
    pub(crate) header: Header,
    /// Length of the decrypted packet.
    pub(crate) length: usize,
    /// Clock rate of the payload.
    pub(crate) rate: u32,
    /// The digit of a telephone-event that begins with this packet.
    pub(crate) digit: Option<char>,
    /// Whether it is audio of a leg that is muted.
    pub(crate) is_muted: bool,
    /// Whether the leg has a new deadline because of this packet.
    pub(crate) has_new_deadline: bool,
}

impl Leg {
    /// Decrypts a packet in place and finds its stream; returns `None` if it was dropped and counted.
    pub(crate) fn receive_rtp(
        &mut self,
        arrival: Arrival,
        packet: &mut [u8],
        io: &mut Io,
        now: Time,
    ) -> Option<Accepted> {
        let Some(header) = Header::parse(packet) else {
            io.counters.dropped.malformed += 1;
            return None;
        };
        let opened = self.transport.open_rtp(arrival, packet, &header, &self.streams, now);
        // A packet on probation is not forwarded, but it restarts the timeout for a silent peer.
        if matches!(opened, Ok(_) | Err(PacketRejection::OnProbation)) {
            self.last_received = now;
        }
        let length = opened.map_err(|rejection| count_rejection(rejection, io)).ok()?;
        io.counters.rx_rtp += 1;
        let packet = packet.get(..length)?;
        let Some((stream, id)) = self.stream_of(arrival, &header, packet) else {
            io.counters.dropped.unknown_stream += 1;
            return None;
        };
        let negotiated = self.streams.get_mut(stream)?;
        let Some(format) = negotiated.format_of_packet(header.payload_type) else {
            io.counters.dropped.unknown_stream += 1;
            return None;
        };
        let is_muted = self.muting.sent && !negotiated.is_video();
        let source = self.sources.find_or_insert(id, || Source::new(stream, now));
        let is_first = source.reception.is_none();
        let reception = source.reception.get_or_insert_with(|| Reception::new(header.sequence, now));
        let timing = match format.encoding {
            Encoding::TelephoneEvent => Timing::OfEvent,
            _ => Timing::Sampled { timestamp: header.timestamp, rate: format.rate },
        };
        let payload = packet::payload(packet, &header);
        reception.count(header.sequence, payload.map_or(0, <[u8]>::len), timing, now);
        let mut accepted =
            Accepted { stream, id, header, length, rate: format.rate, digit: None, is_muted, has_new_deadline: false };
        if format.encoding == Encoding::TelephoneEvent {
            if let Some(payload) = payload
                && let Some(digit) = digit_of(payload)
                && let Some(event) = ReceivedEvent::parse(header.sequence, header.timestamp, header.marker, payload)
                && source.events.begins(event, now)
            {
                if self.digit_limit.admits(now) {
                    io.event(Event::DtmfReceived { leg: self.key, digit });
                    accepted.digit = Some(digit);
                } else {
                    io.counters.dropped.excess_digits += 1;
                }
            }
        } else if source.key_frames.is_waiting() {
            let begins = payload.map(|payload| keyframe::inspect(format.encoding, payload));
            if begins != Some(KeyFrame::No) {
                source.key_frames.satisfied();
            }
        } else if is_first && negotiated.is_video() && (self.partner.is_some() || !negotiated.sinks.is_empty()) {
            source.key_frames.begin(now);
            accepted.has_new_deadline = true;
        }
        if !self.recorders.is_empty() {
            self.record(&accepted, packet, now);
        }
        Some(accepted)
    }

    /// Returns the stream and the source of a packet. A known SSRC determines the stream. For an unknown SSRC, the RTP
    /// session determines it. If the sections are bundled, the MID header extension does, or else the payload type (RFC
    /// 8843 §9.2).
    fn stream_of(&mut self, arrival: Arrival, header: &Header, packet: &[u8]) -> Option<(usize, SourceId)> {
        let id = arrival.source(header.ssrc);
        if let Some(source) = self.sources.get(id) {
            return Some((source.stream, id));
        }
        let section = self.transport.section_of_session(arrival.session);
        let stream = section.or_else(|| self.bundled_stream(header, packet));
        stream.filter(|_| self.make_room()).map(|stream| (stream, id))
    }

    /// Returns the stream of a packet with an unknown SSRC in a bundle.
    fn bundled_stream(&self, header: &Header, packet: &[u8]) -> Option<usize> {
        let named = header.elements(packet).find_map(|(id, mid)| {
            self.streams.iter().position(|stream| {
                let section = &stream.negotiated.remote;
                !section.rejected
                    && section.mid.as_bytes() == mid
                    && section.extensions.iter().any(|e| e.id == id && e.uri == MID)
            })
        });
        let takes =
            |stream: &MediaStream| !stream.negotiated.remote.rejected && stream.format(header.payload_type).is_some();
        named.or_else(|| self.streams.iter().position(takes))
    }

    /// Returns whether one more source can be stored. If the maximum is reached, the source that was received or
    /// announced least recently is removed, unless the peer keeps the SSRCs that it announced.
    pub(super) fn make_room(&mut self) -> bool {
        if self.sources.len() < MAX_SOURCES {
            return true;
        }
        if self.transport.keeps_ssrcs() {
            return false;
        }
        let oldest = self.sources.iter().min_by_key(|(_, source)| source.known_at()).map(|(id, _)| id);
        oldest.is_some_and(|oldest| self.remove_source(oldest))
    }

    /// Sends a packet that was received by a leg of another worker. Returns whether the leg may have a new deadline.
    pub(crate) fn forward_across(
        &mut self,
        from: LegKey,
        accepted: &Accepted,
        packet: &[u8],
        io: &mut Io,
        now: Time,
    ) -> bool {
        let is_sink = |stream: &MediaStream| stream.is_sink_of(from, accepted.stream);
        match self.streams.iter().position(is_sink) {
            Some(index) => self.forward((from, index), accepted, packet, io, now),
            None => {
                io.counters.dropped.not_negotiated += 1;
                false
            }
        }
    }

    /// Sends a received packet in the stream at `index`, if that stream is a sink of the packet's stream. Returns
    /// whether the leg may have a new deadline.
    pub(crate) fn forward(
        &mut self,
        (from, index): (LegKey, usize),
        accepted: &Accepted,
        packet: &[u8],
        io: &mut Io,
        now: Time,
    ) -> bool {
        let is_plain = !accepted.is_muted && !self.muting.received && self.playback.is_none();
        if !is_plain && self.withholds((from, index), accepted, packet, io, now) {
            return accepted.digit.is_some();
        }
        let stream = self.streams.get_mut(index).filter(|stream| stream.is_sink_of(from, accepted.stream));
        let Some(stream) = stream else {
            io.counters.dropped.not_negotiated += 1;
            return false;
        };
        let Some(path) = self.transport.rtp_path(index) else {
            self.transport.count_unsendable(io);
            return false;
        };
        let mut buffer = io.buffer();
        let written = match stream.transcode(accepted, packet, &mut buffer, now) {
            Transcoded::Stored { has_new_deadline } => {
                io.recycle(buffer);
                return has_new_deadline;
            }
            Transcoded::Written(header) => header,
            Transcoded::NotNeeded => {
                if let Some(digit) = accepted.digit {
                    stream.play_if_not_forwarded(accepted.header.payload_type, digit);
                }
                rewritten(stream, from, accepted, packet, &mut buffer, now)
            }
        };
        if let (Some(header), Some(cache)) = (&written, &mut stream.cache) {
            cache.keep(header.sequence, &buffer);
        }
        match written {
            Some(header) => send_rtp(path, &header, buffer, io),
            None => {
                io.counters.dropped.not_negotiated += 1;
                io.recycle(buffer);
            }
        }
        accepted.digit.is_some()
    }

    /// Queues digits in the first audio stream that negotiated telephone-event.
    pub(crate) fn queue_digits(&mut self, digits: &str) {
        let can_dial = |stream: &&mut MediaStream| {
            !stream.is_video() && stream.negotiated.remote.direction.receives() && stream.telephone_event().is_some()
        };
        if let Some(stream) = self.streams.iter_mut().find(can_dial) {
            stream.player.enqueue(digits);
        }
    }

    /// Sends the telephone-events that are due.
    pub(super) fn play_digits(&mut self, io: &mut Io, now: Time) {
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let telephone_event = stream.telephone_event().filter(|_| stream.negotiated.remote.direction.receives());
            let (Some((number, rate)), true) = (telephone_event, self.transport.rtp_path(index).is_some()) else {
                // The queued digits cannot be sent: no telephone-event is negotiated, or the peer does not receive.
                stream.player.clear();
                continue;
            };
            while let Some(event) = stream.player.poll(rate, now) {
                if event.begins {
                    stream.event_timestamp = stream.rewriter.timestamp_at(rate, now);
                }
                let sequence = stream.rewriter.insert(stream.event_timestamp, now);
                let mut header = Header::new(number, sequence, stream.event_timestamp, stream.negotiated.local_ssrc);
                header.marker = event.begins;
                let mut buffer = io.buffer();
                header.write(&[], &mut buffer);
                buffer.extend_from_slice(&event.payload);
                count_sent(stream, event.payload.len());
                let Some(path) = self.transport.rtp_path(index) else { break };
                send_rtp(path, &header, buffer, io);
            }
        }
    }

    /// Retransmits cached packets. Returns the sequence numbers of the other packets, as used by their source.
    pub(super) fn resend(&mut self, ssrc: u32, lost: impl Iterator<Item = u16>, io: &mut Io) -> Vec<u16> {
        let mut missing = Vec::new();
        let found = self.streams.iter().enumerate().find(|(_, stream)| stream.negotiated.local_ssrc == ssrc);
        let Some((index, stream)) = found else { return missing };
        for sequence in lost.take(256) {
            let kept = stream.cache.as_ref().and_then(|cache| cache.find(sequence));
            let Some((kept, header)) = kept.and_then(|kept| Some((kept, Header::parse(kept)?))) else {
                missing.extend(stream.rewriter.sequence_of_source(sequence));
                continue;
            };
            let Some(path) = self.transport.rtp_path(index) else { return missing };
            let mut buffer = io.buffer();
            buffer.extend_from_slice(kept);
            send_rtp(path, &header, buffer, io);
        }
        missing
    }
}

/// Rewrites a packet for the outgoing stream.
fn rewritten(
    stream: &mut MediaStream,
    from: LegKey,
    accepted: &Accepted,
    packet: &[u8],
    out: &mut Vec<u8>,
    now: Time,
) -> Option<Header> {
    if stream.player.is_playing() {
        return None;
    }
    let incoming = &accepted.header;
    let place = Incoming {
        source: rewrite::StreamSource { leg: from, id: accepted.id },
        sequence: incoming.sequence,
        timestamp: incoming.timestamp,
        rate: accepted.rate,
    };
    let is_video = stream.is_video();
    let route = stream.route.as_ref()?;
    let Some(payload_type) = route.payload(incoming.payload_type) else {
        // The receiver does not support this payload type, for example comfort noise. Its sequence number is skipped,
        // so that the receiver does not detect a loss.
        if stream.negotiated.remote.kind == MediaKind::Audio {
            stream.rewriter.skip(place.source, place.sequence);
        }
        return None;
    };
    let place = stream.rewriter.place(&place, now)?;
    let mut header = Header::new(payload_type, place.sequence, place.timestamp, stream.negotiated.local_ssrc);
    header.padding = incoming.padding;
    // In audio, the marker permits the receiver to adjust its playout delay (RFC 3551 §4.1), so it is also set when the
    // source changes. In video, it marks the end of a frame and is set by the sender only.
    header.marker = incoming.marker || (place.switched && !is_video);
    if incoming.extension.is_some() || route.mid().is_some() {
        write_with_elements(&mut header, route, incoming, packet, out);
    } else {
        header.write(&[], out);
    }
    let payload = packet.get(incoming.length..)?;
    match route.law(incoming.payload_type) {
        Some(law) => {
            let (payload, padding) = packet::split_padding(payload, incoming.padding);
            law.convert(payload, out);
            out.extend_from_slice(padding);
        }
        None => out.extend_from_slice(payload),
    }
    stream.rate = accepted.rate;
    count_sent(stream, payload.len());
    Some(header)
}

/// Writes a header with the forwarded header extensions and the MID.
fn write_with_elements(header: &mut Header, route: &Route, incoming: &Header, packet: &[u8], out: &mut Vec<u8>) {
    let mut elements: [(u8, &[u8]); MAX_ELEMENTS] = [(0, &[]); MAX_ELEMENTS];
    let passed = incoming.elements(packet).filter_map(|(id, data)| Some((route.extension(id)?, data)));
    let mid = route.mid().map(|(id, mid)| (id, mid.as_bytes()));
    let mut count = 0;
    for (slot, element) in elements.iter_mut().zip(mid.into_iter().chain(passed)) {
        *slot = element;
        count += 1;
    }
    header.write(elements.get(..count).unwrap_or(&[]), out);
}

pub(super) fn count_sent(stream: &mut MediaStream, octets: usize) {
    stream.packets += 1;
    stream.octets += octets as u64;
}

/// Counts a rejected packet by reason.
pub(super) fn count_rejection(rejection: PacketRejection, io: &mut Io) {
    let dropped = &mut io.counters.dropped;
    match rejection {
        PacketRejection::ForeignAddress => dropped.foreign_address += 1,
        PacketRejection::OnProbation => dropped.on_probation += 1,
        PacketRejection::NoKeys => dropped.no_keys += 1,
        PacketRejection::Srtp(SrtpError::Malformed) => dropped.malformed += 1,
        PacketRejection::Srtp(SrtpError::Unauthentic) => dropped.unauthentic += 1,
        PacketRejection::Srtp(SrtpError::Replayed) => dropped.replayed += 1,
        PacketRejection::Srtp(SrtpError::TooManySources) => dropped.unknown_stream += 1,
    }
}
