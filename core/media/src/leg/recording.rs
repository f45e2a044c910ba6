//! Recording of the audio that a leg's peer sends.
//!
//! ```text
//! Record ──▶ Recording ◀── Pause, Resume ──▶ Paused
//!                └─ StopRecording, the leg is closed, the sink ends ──▶ ended
//! ```
//!
//! Packets are decoded as they arrive. Every 100 ms the decoded samples are passed to the sink, with their positions.

use super::Leg;
use super::media::Accepted;
use super::playback::encoded;
use crate::audio::{AudioSink, DecodedRun, EncodedAudio, MAX_BEHIND, Placement, SinkError, StreamDecoder, position};
use crate::command::{Event, RecordedLeg, RecordingEnd, RecordingId};
use crate::graph::codec::CodecFactory;
use crate::io::Io;
use core::time::Duration;
use offhook_clock::Time;
use std::sync::Arc;

/// The interval at which samples are passed to the sink.
const INTERVAL: Duration = Duration::from_millis(100);

/// One leg's part of a recording.
#[derive(Debug)]
pub(crate) struct Recorder {
    recorded: RecordedLeg,
    began_at: Time,
    decoder: StreamDecoder,
    writer: Writer,
    is_paused: bool,
    due: Time,
}

/// Passes samples to a sink.
#[derive(Debug)]
struct Writer {
    sink: Box<dyn AudioSink>,
    placement: Placement,
    /// Samples that are not passed yet, and the position of the first one.
    pending: Vec<i16>,
    begin: u64,
    /// The position up to which the recording may be written.
    advanced: u64,
    /// Samples that the sink did not accept.
    lost: u64,
    ended: Option<RecordingEnd>,
}

impl Recorder {
    pub(crate) fn new(
        recorded: RecordedLeg,
        sink: Box<dyn AudioSink>,
        codecs: &Arc<dyn CodecFactory>,
        now: Time,
    ) -> Self {
        let rate = sink.rate().max(1);
        let writer = Writer {
            sink,
            placement: Placement::new(rate),
            pending: Vec::new(),
            begin: 0,
            advanced: 0,
            lost: 0,
            ended: None,
        };
        let decoder = StreamDecoder::new(rate, &[], Arc::clone(codecs));
        Self { recorded, began_at: now, decoder, writer, is_paused: false, due: now + INTERVAL }
    }

    /// Places the audio after a pause by its arrival time.
    pub(super) fn interrupt(&mut self, now: Time) {
        let (writer, arrival) = (&mut self.writer, now.since(self.recorded.origin));
        self.decoder.interrupt(&mut |run| writer.take(&run, arrival));
    }

    fn push(&mut self, packet: &EncodedAudio<'_>, now: Time) {
        let (writer, arrival) = (&mut self.writer, now.since(self.recorded.origin));
        self.decoder.push(packet, now, &mut |run| writer.take(&run, arrival));
    }

    /// Passes what is decoded to the sink.
    fn handle_timeout(&mut self, now: Time) {
        let (writer, arrival) = (&mut self.writer, now.since(self.recorded.origin));
        self.decoder.handle_timeout(now, &mut |run| writer.take(&run, arrival));
        writer.flush();
        writer.advance(arrival.saturating_sub(MAX_BEHIND));
        self.due = self.due + INTERVAL;
        if self.due <= now {
            self.due = now + INTERVAL;
        }
    }

    /// Passes the last samples and returns the report.
    fn end(mut self, end: RecordingEnd, leg: crate::command::LegKey, now: Time) -> Event {
        let (writer, arrival) = (&mut self.writer, now.since(self.recorded.origin));
        self.decoder.finish(&mut |run| writer.take(&run, arrival));
        writer.flush();
        writer.advance(arrival);
        let rate = u64::from(writer.sink.rate().max(1));
        Event::RecordingEnded {
            leg,
            recording: self.recorded.recording,
            end: self.writer.ended.unwrap_or(end),
            duration: now.since(self.began_at),
            lost: Duration::from_micros(self.writer.lost * 1_000_000 / rate),
        }
    }
}

impl Writer {
    fn take(&mut self, run: &DecodedRun<'_>, arrival: Duration) {
        let at = self.placement.place(run, arrival);
        // Samples from before the beginning of the recording, or the position up to which it is written, are dropped.
        let begin = i64::try_from(self.advanced).unwrap_or(i64::MAX);
        let late = usize::try_from(begin.saturating_sub(at)).unwrap_or(0);
        let (at, samples) = (u64::try_from(at.max(begin)).unwrap_or(0), run.samples.get(late..).unwrap_or(&[]));
        if at != self.begin + self.pending.len() as u64 {
            self.flush();
            self.begin = at;
        }
        self.pending.extend_from_slice(samples);
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let result = self.sink.write(self.begin, &self.pending);
        let count = self.pending.len() as u64;
        if result.is_err() {
            self.lost += count;
        }
        self.note(result);
        self.begin += count;
        self.pending.clear();
    }

    fn advance(&mut self, until: Duration) {
        self.advanced = position(until, self.sink.rate());
        let result = self.sink.advance(self.advanced);
        self.note(result);
    }

    fn note(&mut self, result: Result<(), SinkError>) {
        match result {
            Ok(()) | Err(SinkError::Full) => {}
            Err(SinkError::Limit) => self.ended = Some(RecordingEnd::Limit),
            Err(SinkError::Failed) => self.ended = Some(RecordingEnd::Failed),
        }
    }
}

impl Leg {
    fn recorder(&mut self, id: RecordingId) -> Option<&mut Recorder> {
        self.recorders.iter_mut().find(|recorder| recorder.recorded.recording == id)
    }

    /// Whether the leg takes part in a recording.
    pub(crate) fn is_recorded_by(&self, id: RecordingId) -> bool {
        self.recorders.iter().any(|recorder| recorder.recorded.recording == id)
    }

    /// Starts to record.
    pub(crate) fn start_recording(&mut self, recorder: Recorder) {
        self.recorders.push(recorder);
        self.describe_recorded();
    }

    /// Pauses or resumes a recording; returns whether the leg takes part in it.
    pub(crate) fn pause_recording(&mut self, id: RecordingId, is_paused: bool, now: Time) -> bool {
        let Some(recorder) = self.recorder(id) else { return false };
        recorder.is_paused = is_paused;
        recorder.interrupt(now);
        true
    }

    /// Ends the leg's part of a recording; returns whether it took part in it.
    pub(crate) fn stop_recording(&mut self, id: RecordingId, io: &mut Io, now: Time) -> bool {
        let place = self.recorders.iter().position(|recorder| recorder.recorded.recording == id);
        let Some(place) = place else { return false };
        io.event(self.recorders.remove(place).end(RecordingEnd::Stopped, self.key, now));
        true
    }

    /// Ends the leg's part of all recordings, because it is closed.
    pub(crate) fn end_recordings(&mut self, io: &mut Io, now: Time) {
        for recorder in core::mem::take(&mut self.recorders) {
            io.event(recorder.end(RecordingEnd::LegClosed, self.key, now));
        }
    }

    /// The stream that is recorded: the first audio stream.
    fn recorded_stream(&self) -> Option<usize> {
        self.streams.iter().position(|stream| !stream.is_video() && !stream.negotiated.remote.rejected)
    }

    /// Sets the codecs that the peer sends, after its description has changed.
    pub(super) fn describe_recorded(&mut self) {
        let stream = self.recorded_stream().and_then(|index| self.streams.get(index));
        let payloads = stream.map_or(&[][..], |stream| &stream.negotiated.received);
        self.recorders.iter_mut().for_each(|recorder| recorder.decoder.describe(payloads));
    }

    /// Records a received packet.
    pub(super) fn record(&mut self, accepted: &Accepted, packet: &[u8], now: Time) {
        if accepted.is_muted || self.recorded_stream() != Some(accepted.stream) {
            return;
        }
        let packet = encoded(self.key, accepted, packet);
        for recorder in self.recorders.iter_mut().filter(|recorder| !recorder.is_paused) {
            recorder.push(&packet, now);
        }
    }

    /// Passes samples to the sinks that are due, and ends the recordings whose sinks have ended.
    pub(super) fn handle_recording_timeouts(&mut self, io: &mut Io, now: Time) {
        for recorder in self.recorders.iter_mut().filter(|recorder| recorder.due <= now) {
            recorder.handle_timeout(now);
        }
        while let Some(place) = self.recorders.iter().position(|recorder| recorder.writer.ended.is_some()) {
            io.event(self.recorders.remove(place).end(RecordingEnd::Failed, self.key, now));
        }
    }

    /// The time at which samples must be passed to a sink.
    pub(super) fn recording_due(&self) -> Option<Time> {
        self.recorders.iter().map(|recorder| recorder.due).min()
    }
}
