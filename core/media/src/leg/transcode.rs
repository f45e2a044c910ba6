//! Transcoded streams of a leg: packets of the source go into the transcoder of the route, and the packets that it makes are
//! sent when they are due.

use super::Leg;
use super::media::{Accepted, count_sent};
use super::stream::MediaStream;
use super::transport::send_rtp;
use crate::graph::jitter::ArrivingPacket;
use crate::io::Io;
use crate::rtp::packet::{self, Header};
use offhook_clock::Time;

/// The result for a received packet.
pub(super) enum Transcoded {
    /// It does not concern the transcoder.
    NotNeeded,
    /// It is in the transcoder.
    Stored { has_new_deadline: bool },
    /// A telephone-event was written; `None` if it cannot be sent.
    Written(Option<Header>),
}

impl MediaStream {
    /// Passes a packet to the transcoder of the route, if its codec needs one. While audio is transcoded, telephone-events are
    /// converted as well, because their sequence numbers and timestamps must fit those of the audio.
    #[inline]
    pub(super) fn transcode(&mut self, accepted: &Accepted, packet: &[u8], out: &mut Vec<u8>, now: Time) -> Transcoded {
        match &self.route {
            Some(route) if route.transcodes() => self.transcode_packet(accepted, packet, out, now),
            _ => Transcoded::NotNeeded,
        }
    }

    fn transcode_packet(&mut self, accepted: &Accepted, packet: &[u8], out: &mut Vec<u8>, now: Time) -> Transcoded {
        let Header { payload_type, sequence, timestamp, .. } = accepted.header;
        let payload = packet::payload(packet, &accepted.header).unwrap_or_default();
        let event_format = self.telephone_event();
        let Some(route) = &mut self.route else { return Transcoded::NotNeeded };
        let is_transcoded = route.is_transcoded(payload_type);
        let Some(transcoding) = route.transcoding() else { return Transcoded::NotNeeded };
        if is_transcoded {
            let arriving = ArrivingPacket { sequence, timestamp, payload_type, payload };
            let has_new_deadline = transcoding.transcoder.receive(accepted.id, arriving, now);
            return Transcoded::Stored { has_new_deadline };
        }
        let is_event = transcoding.transcoder.is_playing() && transcoding.events.takes(payload_type);
        let Some((number, rate)) = event_format.filter(|_| is_event) else { return Transcoded::NotNeeded };
        if self.player.is_playing() {
            return Transcoded::Written(None);
        }
        let begin = self.rewriter.timestamp_at(rate, now);
        let Some(event) = transcoding.events.map((payload_type, timestamp), payload, rate, begin, now) else {
            return Transcoded::Written(None);
        };
        let sequence = self.rewriter.insert(event.timestamp, now);
        let mut header = Header::new(number, sequence, event.timestamp, self.negotiated.local_ssrc);
        header.marker = event.begins;
        write(self, &mut header, &event.payload, out);
        Transcoded::Written(Some(header))
    }

    /// Writes the next packet of the transcoder, if one is due: `Some(None)` if it is not to be sent, for example because
    /// the stream `is_replaced` by a playback.
    fn next_transcoded(&mut self, is_replaced: bool, now: Time, out: &mut Vec<u8>) -> Option<Option<Header>> {
        let transcoding = self.route.as_mut()?.transcoding()?;
        let mut payload = core::mem::take(&mut transcoding.payload);
        payload.clear();
        let produced = transcoding.transcoder.poll(now, &mut payload);
        let (number, rate) = (transcoding.transcoder.sink().number, transcoding.transcoder.sink().codec.clock_rate);
        let mut header = produced.map(|produced| {
            if produced.begins {
                transcoding.timestamp = self.rewriter.timestamp_at(rate, now);
                transcoding.has_marker = true;
            }
            let timestamp = transcoding.timestamp;
            transcoding.timestamp = timestamp.wrapping_add(produced.units);
            if payload.is_empty() || is_replaced || self.player.is_playing() || transcoding.events.is_active(now) {
                transcoding.has_marker = true;
                return None;
            }
            let sequence = self.rewriter.insert(timestamp, now);
            let mut header = Header::new(number, sequence, timestamp, self.negotiated.local_ssrc);
            header.marker = core::mem::take(&mut transcoding.has_marker);
            Some(header)
        });
        if let Some(Some(header)) = &mut header {
            self.rate = rate;
            write(self, header, &payload, out);
        }
        if let Some(transcoding) = self.route.as_mut().and_then(|route| route.transcoding()) {
            transcoding.payload = payload;
        }
        header
    }
}

/// Writes a packet of the relay with the MID of the stream.
fn write(stream: &mut MediaStream, header: &mut Header, payload: &[u8], out: &mut Vec<u8>) {
    let mid = stream.route.as_ref().and_then(|route| route.mid());
    match mid {
        Some((id, mid)) => header.write(&[(id, mid.as_bytes())], out),
        None => header.write(&[], out),
    }
    out.extend_from_slice(payload);
    count_sent(stream, payload.len());
}

impl Leg {
    /// Sends the packets of transcoders that are due.
    pub(super) fn play_transcoded(&mut self, io: &mut Io, now: Time) {
        let replaced = self.playback_stream();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            if stream.route.as_ref().is_none_or(|route| !route.transcodes()) {
                continue;
            }
            loop {
                let mut buffer = io.buffer();
                let path = self.transport.rtp_path(index);
                match (stream.next_transcoded(replaced == Some(index), now, &mut buffer), path) {
                    (Some(Some(header)), Some(path)) => send_rtp(path, &header, buffer, io),
                    (Some(_), _) => io.recycle(buffer),
                    (None, _) => {
                        io.recycle(buffer);
                        break;
                    }
                }
            }
        }
    }
}
