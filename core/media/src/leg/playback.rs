//! Playback of audio to a leg's peer.
//!
//! ```text
//! Play ──▶ Waiting ── connected, and the peer receives ──▶ Sending ──┐ a frame every 20 ms
//!             ▲ └─ no codec ──▶ ended                       │  │ ▲   │
//!             └────── the peer does not receive (hold) ─────┘  │ └───┘
//!                                                              └─ end of the audio, StopPlayback, no codec ──▶ ended
//! ```
//!
//! While the state is Sending, packets of the bridged leg are not forwarded: they are dropped, or decoded and mixed with the
//! playback. Frames have consecutive sequence numbers, and timestamps that follow the relay's clock. The first frame has
//! the marker, as has the first packet of the bridged leg after the playback.

use super::Leg;
use super::media::{Accepted, count_sent};
use super::stream::MediaStream;
use super::transport::send_rtp;
use crate::audio::{AudioSource, EncodedAudio, FrameRead, FrameReader, MixBuffer, StreamDecoder};
use crate::command::{Event, LegKey, PlaybackEnd, PlaybackFailure, PlaybackId, PlaybackMode, Repeat};
use crate::graph::codec::{CodecFactory, Encoder, SampleFormat};
use crate::io::Io;
use crate::rtp::packet::{self, Header};
use crate::rtp::rewrite::{StreamSource, ticks};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, Payload};
use offhook_sdp::webrtc::Section;
use std::sync::Arc;

/// The duration of a frame, if the codec supports it.
const FRAME: Duration = Duration::from_millis(20);
/// The most frames that are sent at once after the worker was late. If more are due, the audio pauses for the others.
const MAX_CATCH_UP: u32 = 5;

/// A playback on a leg.
#[derive(Debug)]
pub(crate) struct Playback {
    id: PlaybackId,
    reader: FrameReader,
    mixing: Mixing,
    state: State,
}

/// The treatment of audio from the bridged leg.
#[derive(Debug)]
enum Mixing {
    Replace,
    /// The sections of what the bridged leg's peer sends, for decoding.
    Mix(Vec<Section>),
}

#[derive(Debug)]
enum State {
    Waiting,
    Sending(Box<Sending>),
}

/// The encoded stream of a playback.
#[derive(Debug)]
struct Sending {
    /// The index of the stream in the leg.
    stream: usize,
    payload_type: u8,
    codec: Codec,
    encoder: Box<dyn Encoder>,
    format: SampleFormat,
    frame: Duration,
    ticks: u32,
    mixed: Option<MixBuffer>,
    /// The time of the next frame, and its timestamp.
    due: Time,
    timestamp: u32,
    /// Frames since the state began.
    frames: u64,
    samples: Vec<i16>,
    interleaved: Vec<i16>,
    encoded: Vec<u8>,
}

impl Playback {
    pub(crate) fn new(id: PlaybackId, source: Box<dyn AudioSource>, repeat: Repeat, mode: PlaybackMode) -> Self {
        let mixing = match mode {
            PlaybackMode::Replace => Mixing::Replace,
            PlaybackMode::Mix => Mixing::Mix(Vec::new()),
        };
        Self { id, reader: FrameReader::new(source, repeat), mixing, state: State::Waiting }
    }

    const fn due(&self) -> Option<Time> {
        match &self.state {
            State::Waiting => None,
            State::Sending(sending) => Some(sending.due),
        }
    }
}

/// The result of comparing a playback with the description of the peer.
enum Permitted {
    /// Nothing at present.
    Nothing,
    /// No audio at all, or none that can be encoded.
    Never,
    /// To send in this stream with one of these payloads, the preferred one first.
    Stream(usize, Box<dyn Encoder>, Payload),
    /// To continue.
    Unchanged,
}

impl Leg {
    /// Starts a playback in place of the present one. [`Leg::adjust_playback`] must follow.
    pub(crate) fn start_playback(&mut self, playback: Playback, io: &mut Io) {
        self.end_playback(PlaybackEnd::Stopped, io);
        self.playback = Some(Box::new(playback));
    }

    /// Stops this playback, if it has not ended.
    pub(crate) fn stop_playback(&mut self, id: PlaybackId, io: &mut Io) {
        if self.playback.as_ref().is_some_and(|playback| playback.id == id) {
            self.end_playback(PlaybackEnd::Stopped, io);
        }
    }

    fn end_playback(&mut self, end: PlaybackEnd, io: &mut Io) {
        let Some(playback) = self.playback.take() else { return };
        if let State::Sending(sending) = &playback.state {
            self.release_stream(sending);
        }
        io.event(Event::PlaybackEnded { leg: self.key, playback: playback.id, end });
    }

    /// Lets the bridged leg continue the stream after the last frame.
    fn release_stream(&mut self, sending: &Sending) {
        if let Some(stream) = self.streams.get_mut(sending.stream).filter(|_| sending.frames > 0) {
            stream.rewriter.reserve(sending.timestamp, sending.due);
        }
    }

    /// Starts or pauses sending, or changes the codec, after the transport or a description has changed.
    pub(crate) fn adjust_playback(&mut self, codecs: &Arc<dyn CodecFactory>, io: &mut Io, now: Time) {
        let Some(mut playback) = self.playback.take() else { return };
        match self.permitted(&playback, &**codecs) {
            Permitted::Unchanged => {}
            Permitted::Nothing => {
                if let State::Sending(sending) = &playback.state {
                    self.release_stream(sending);
                }
                playback.state = State::Waiting;
            }
            Permitted::Never => {
                self.playback = Some(playback);
                return self.end_playback(PlaybackEnd::Failed(PlaybackFailure::NoCodec), io);
            }
            Permitted::Stream(stream, encoder, payload) => {
                if let State::Sending(sending) = &playback.state {
                    self.release_stream(sending);
                }
                self.begin_sending(&mut playback, stream, (encoder, payload), codecs, now);
            }
        }
        self.playback = Some(playback);
    }

    fn permitted(&mut self, playback: &Playback, codecs: &dyn CodecFactory) -> Permitted {
        if !self.transport.is_connected() || self.streams.is_empty() {
            return Permitted::Nothing;
        }
        let is_audio = |stream: &MediaStream| !stream.is_video() && !stream.negotiated.remote.rejected;
        if !self.streams.iter().any(is_audio) {
            return Permitted::Never;
        }
        let receives = |stream: &MediaStream| is_audio(stream) && stream.negotiated.remote.direction.receives();
        let found = self.streams.iter().position(receives);
        let Some(index) = found.filter(|index| self.transport.rtp_path(*index).is_some()) else {
            return Permitted::Nothing;
        };
        let payloads = self.streams.get(index).map_or(&[][..], |stream| &stream.negotiated.remote.payloads);
        if let State::Sending(sending) = &playback.state
            && sending.stream == index
            && payloads.iter().any(|known| known.number == sending.payload_type && known.codec == sending.codec)
        {
            return Permitted::Unchanged;
        }
        let rate = playback.reader.source_rate();
        let primary = payloads.iter().filter(|payload| payload.codec.is_primary());
        let encoder =
            primary.into_iter().find_map(|payload| Some((codecs.encoder(&payload.codec, rate, FRAME)?, payload)));
        encoder.map_or(Permitted::Never, |(encoder, payload)| Permitted::Stream(index, encoder, payload.clone()))
    }

    fn begin_sending(
        &mut self,
        playback: &mut Playback,
        index: usize,
        (encoder, payload): (Box<dyn Encoder>, Payload),
        codecs: &Arc<dyn CodecFactory>,
        now: Time,
    ) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let format = encoder.format();
        let frame_size = encoder.frame_size();
        let frame = Duration::from_micros(frame_size as u64 * 1_000_000 / u64::from(format.rate.max(1)));
        let clock_rate = payload.codec.clock_rate;
        playback.reader.set_rate(format.rate);
        let mixed = match &playback.mixing {
            Mixing::Replace => None,
            Mixing::Mix(incoming) => {
                let decoder = StreamDecoder::new(format.rate, sent_payloads(stream, incoming), Arc::clone(codecs));
                Some(MixBuffer::new(decoder, frame_size))
            }
        };
        playback.state = State::Sending(Box::new(Sending {
            stream: index,
            payload_type: payload.number,
            codec: payload.codec,
            encoder,
            format,
            frame,
            ticks: ticks(frame, clock_rate),
            mixed,
            due: now,
            timestamp: stream.rewriter.timestamp_at(clock_rate, now),
            frames: 0,
            samples: Vec::new(),
            interleaved: Vec::new(),
            encoded: Vec::new(),
        }));
    }

    /// Stores the sections that the bridged leg's peer sends, for mixing.
    pub(crate) fn describe_mixed(&mut self, sections: &[Section]) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        let Mixing::Mix(incoming) = &mut playback.mixing else { return };
        *incoming = sections.to_vec();
        if let State::Sending(sending) = &mut playback.state
            && let Some(stream) = self.streams.get(sending.stream)
            && let Some(mixed) = &mut sending.mixed
        {
            mixed.decoder().describe(sent_payloads(stream, incoming));
        }
    }

    /// The time of the next frame.
    pub(super) fn playback_due(&self) -> Option<Time> {
        self.playback.as_ref().and_then(|playback| playback.due())
    }

    /// The stream in which a playback is sent.
    pub(super) fn playback_stream(&self) -> Option<usize> {
        match self.playback.as_ref().map(|playback| &playback.state) {
            Some(State::Sending(sending)) => Some(sending.stream),
            Some(State::Waiting) | None => None,
        }
    }

    /// Sends the frames that are due.
    pub(super) fn play_audio(&mut self, io: &mut Io, now: Time) {
        let Some(mut playback) = self.playback.take() else { return };
        let State::Sending(sending) = &mut playback.state else {
            self.playback = Some(playback);
            return;
        };
        sending.skip_missed(now);
        let mut end = None;
        while sending.due <= now && end.is_none() {
            end = match sending.next_frame(&mut playback.reader, now) {
                Ok(FrameRead::Continues) => None,
                Ok(FrameRead::Ends) => Some(PlaybackEnd::Completed),
                Err(_) => Some(PlaybackEnd::Failed(PlaybackFailure::Source)),
            };
            if !matches!(end, Some(PlaybackEnd::Failed(_))) {
                self.send_frame(sending, io);
            }
        }
        self.playback = Some(playback);
        if let Some(end) = end {
            self.end_playback(end, io);
        }
    }

    /// Encodes and sends a frame, unless digits are sent in its place.
    fn send_frame(&mut self, sending: &mut Sending, io: &mut Io) {
        let (at, timestamp, frames) = (sending.due, sending.timestamp, sending.frames);
        sending.advance(1);
        let Some(stream) = self.streams.get_mut(sending.stream).filter(|stream| !stream.player.is_playing()) else {
            return;
        };
        let Some(path) = self.transport.rtp_path(sending.stream) else { return };
        sending.encoded.clear();
        let is_encoded = sending.encoder.encode(&sending.interleaved, &mut sending.encoded).is_ok();
        if !is_encoded || sending.encoded.is_empty() {
            // Discontinuous transmission.
            return;
        }
        let sequence = stream.rewriter.insert(timestamp, at);
        let mut header = Header::new(sending.payload_type, sequence, timestamp, stream.negotiated.local_ssrc);
        header.marker = frames == 0;
        let mut buffer = io.buffer();
        header.write(&[], &mut buffer);
        buffer.extend_from_slice(&sending.encoded);
        stream.rate = sending.codec.clock_rate;
        count_sent(stream, sending.encoded.len());
        send_rtp(path, &header, buffer, io);
    }

    /// Whether a packet of a bridged leg is not forwarded in the stream at `index`: it is muted, or a playback replaces it
    /// or mixes it.
    pub(super) fn withholds(
        &mut self,
        (from, index): (LegKey, usize),
        accepted: &Accepted,
        packet: &[u8],
        io: &mut Io,
        now: Time,
    ) -> bool {
        let stream = self.streams.get_mut(index).filter(|stream| stream.is_sink_of(from, accepted.stream));
        let Some(stream) = stream else { return false };
        let is_muted = accepted.is_muted || (self.muting.received && !stream.is_video());
        let sending = match self.playback.as_deref_mut().map(|playback| &mut playback.state) {
            Some(State::Sending(sending)) if sending.stream == index => Some(sending),
            _ => None,
        };
        if !is_muted && sending.is_none() {
            return false;
        }
        // The next packet that is forwarded continues the sequence numbers and the time.
        stream.rewriter.detach();
        match sending.and_then(|sending| sending.mixed.as_mut()).filter(|_| !is_muted) {
            Some(mixed) => mixed.push(&encoded(from, accepted, packet), now),
            None => io.counters.dropped.replaced += 1,
        }
        if let Some(digit) = accepted.digit.filter(|_| !is_muted)
            && stream.telephone_event().is_some()
        {
            stream.player.enqueue(digit.encode_utf8(&mut [0; 4]));
        }
        true
    }
}

impl Sending {
    /// Moves on by frames.
    fn advance(&mut self, frames: u32) {
        self.due = self.due + self.frame * frames;
        self.timestamp = self.timestamp.wrapping_add(self.ticks.wrapping_mul(frames));
        self.frames += u64::from(frames);
    }

    /// Skips the time of frames that are too late. The audio continues where it was.
    fn skip_missed(&mut self, now: Time) {
        let missed = now.since(self.due).as_micros() / self.frame.as_micros().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        if missed > MAX_CATCH_UP {
            self.advance(missed);
        }
    }

    /// Reads and mixes the samples of the next frame.
    fn next_frame(&mut self, reader: &mut FrameReader, now: Time) -> Result<FrameRead, crate::audio::SourceError> {
        let read = reader.read(self.encoder.frame_size(), &mut self.samples)?;
        if let Some(mixed) = &mut self.mixed {
            mixed.add_to(&mut self.samples, now);
        }
        self.interleaved.clear();
        let channels = usize::from(self.format.channels);
        self.interleaved.extend(self.samples.iter().flat_map(|sample| core::iter::repeat_n(*sample, channels)));
        Ok(read)
    }
}

/// A packet of a leg, for decoding.
pub(super) fn encoded<'a>(leg: LegKey, accepted: &Accepted, packet: &'a [u8]) -> EncodedAudio<'a> {
    let Header { payload_type, sequence, timestamp, .. } = accepted.header;
    let payload = packet::payload(packet, &accepted.header).unwrap_or(&[]);
    EncodedAudio { source: StreamSource { leg, id: accepted.id }, payload_type, sequence, timestamp, payload }
}

/// The payloads of the stream that has a route into `stream`.
fn sent_payloads<'a>(stream: &MediaStream, incoming: &'a [Section]) -> &'a [Payload] {
    let section = stream.route.as_ref().and_then(|route| incoming.get(route.stream));
    section.map_or(&[], |section| &section.payloads)
}
