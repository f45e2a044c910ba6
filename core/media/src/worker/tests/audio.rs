//! Audio sources and sinks of the tests, and measurement of tones.

use crate::audio::{AudioFactory, AudioSink, AudioSource, SinkError, SourceError};
use crate::command::{AudioSourceId, RecordedLeg, RecordingChannel, RecordingId};
use crate::graph::codec::CodecFactory;
use crate::graph::g711::G711Codecs;
use core::f64::consts::TAU;
use core::time::Duration;
use offhook_sdp::codec::Codec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The rate of the test recordings.
pub(super) const RATE: u32 = 16_000;
/// A source of 50 ms of a constant, an empty source, and one that cannot be read.
pub(super) const SHORT: AudioSourceId = AudioSourceId(1);
pub(super) const EMPTY: AudioSourceId = AudioSourceId(2);
pub(super) const BROKEN: AudioSourceId = AudioSourceId(3);
pub(super) const UNKNOWN: AudioSourceId = AudioSourceId(9);
/// The value of the samples of [`SHORT`].
pub(super) const CONSTANT: i16 = 8000;
/// A recording that accepts everything, and one that accepts nothing.
pub(super) const TAPE: RecordingId = RecordingId(1);
pub(super) const FULL: RecordingId = RecordingId(2);

#[derive(Debug)]
struct Samples {
    samples: Vec<i16>,
    position: usize,
    is_broken: bool,
}

impl AudioSource for Samples {
    fn rate(&self) -> u32 {
        8000
    }

    fn read(&mut self, out: &mut [i16]) -> Result<usize, SourceError> {
        if self.is_broken {
            return Err(SourceError);
        }
        let rest = &self.samples[self.position..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }

    fn rewind(&mut self) {
        self.position = 0;
    }
}

/// A write to a sink: the channel, a position, and samples or the declaration that no earlier ones follow.
type Write = (RecordingChannel, u64, Option<Vec<i16>>);

#[derive(Debug)]
struct Tape {
    channel: RecordingChannel,
    out: Sender<Write>,
    is_full: bool,
}

impl AudioSink for Tape {
    fn rate(&self) -> u32 {
        RATE
    }

    fn write(&mut self, position: u64, samples: &[i16]) -> Result<(), SinkError> {
        if self.is_full {
            return Err(if position > u64::from(RATE) { SinkError::Limit } else { SinkError::Full });
        }
        self.out.send((self.channel, position, Some(samples.to_vec()))).map_err(|_| SinkError::Failed)
    }

    fn advance(&mut self, position: u64) -> Result<(), SinkError> {
        self.out.send((self.channel, position, None)).map_err(|_| SinkError::Failed)
    }
}

#[derive(Debug)]
struct TestAudio(Sender<Write>);

impl AudioFactory for TestAudio {
    fn source(&self, id: AudioSourceId) -> Option<Box<dyn AudioSource>> {
        let samples = match id {
            SHORT | BROKEN => vec![CONSTANT; 400],
            EMPTY => Vec::new(),
            _ => return None,
        };
        Some(Box::new(Samples { samples, position: 0, is_broken: id == BROKEN }))
    }

    fn sink(&self, recorded: RecordedLeg) -> Option<Box<dyn AudioSink>> {
        let is_known = [TAPE, FULL].contains(&recorded.recording);
        let tape = Tape { channel: recorded.channel, out: self.0.clone(), is_full: recorded.recording == FULL };
        is_known.then(|| Box::new(tape) as Box<dyn AudioSink>)
    }
}

/// The channels that the sinks have received.
pub(super) struct Recorded(Receiver<Write>);

impl Recorded {
    /// The samples of each channel from position 0. Checks that no samples are before a declared position.
    pub(super) fn channels(&self) -> BTreeMap<RecordingChannel, Vec<i16>> {
        let mut channels = BTreeMap::<_, Vec<i16>>::new();
        let mut declared = BTreeMap::<_, u64>::new();
        for (channel, position, samples) in self.0.try_iter() {
            let declared = declared.entry(channel).or_default();
            let Some(samples) = samples else {
                *declared = position;
                continue;
            };
            assert!(position >= *declared, "samples at {position} after {declared} was declared");
            let all = channels.entry(channel).or_default();
            let begin = usize::try_from(position).unwrap();
            all.resize(all.len().max(begin + samples.len()), 0);
            all[begin..begin + samples.len()].copy_from_slice(&samples);
        }
        channels
    }
}

pub(super) fn test_audio() -> (Arc<dyn AudioFactory>, Recorded) {
    let (sender, receiver) = channel();
    (Arc::new(TestAudio(sender)), Recorded(receiver))
}

/// The amplitude of a frequency.
pub(super) fn amplitude(samples: &[i16], rate: u32, frequency: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, sample) in (0_u32..).zip(samples) {
        let angle = TAU * frequency * f64::from(n) / f64::from(rate);
        sine += f64::from(*sample) * angle.sin();
        cosine += f64::from(*sample) * angle.cos();
    }
    2.0 * f64::hypot(sine, cosine) / f64::from(u32::try_from(samples.len()).unwrap())
}

/// Samples of a tone with an amplitude of 10,000, as a phone sends it.
pub(super) fn tone(frequency: f64, begin: u32, count: u32) -> Vec<i16> {
    let sample = |n: u32| (10_000.0 * (TAU * frequency * f64::from(n) / 8000.0).sin()).round();
    #[expect(clippy::cast_possible_truncation, reason = "the amplitude is 10,000")]
    (begin..begin + count).map(|n| sample(n) as i16).collect()
}

/// Encodes 20 ms with a static payload type.
pub(super) fn encode(number: u8, samples: &[i16]) -> Vec<u8> {
    let codec = Codec::of_static_payload(number).unwrap();
    let mut encoder = G711Codecs.encoder(&codec, 8000, Duration::from_millis(20)).unwrap();
    let mut payload = Vec::new();
    encoder.encode(samples, &mut payload).unwrap();
    payload
}

pub(super) fn mu_law(samples: &[i16]) -> Vec<u8> {
    encode(0, samples)
}

pub(super) fn of_mu_law(payload: &[u8]) -> Vec<i16> {
    let mut decoder = G711Codecs.decoder(&Codec::of_static_payload(0).unwrap(), 8000).unwrap();
    let mut samples = Vec::new();
    decoder.decode(payload, &mut samples).unwrap();
    samples
}
