//! Measures the CPU time of playback and recording in the media worker, without sockets, threads and files.
#![expect(clippy::print_stdout, reason = "a benchmark prints to its terminal")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use core::time::Duration;
use offhook_clock::Time;
use offhook_media::audio::{AudioFactory, AudioSink, AudioSource, SinkError};
use offhook_media::command::{
    AudioSourceId, Command, LegKey, LocalRtp, LocalTransport, PlaybackId, PlaybackMode, PlaybackSource, RecordedLeg,
    RecordingChannel, RecordingId, RemoteRtp, RemoteSection, RemoteTransport, Repeat, RtcpPath, Silence, Stream,
};
use offhook_media::graph::codec::CodecFactory;
use offhook_media::graph::g711::G711Codecs;
use offhook_media::identity::DtlsIdentity;
use offhook_media::rtp::packet::Header;
use offhook_media::worker::{Output, Worker, WorkerConfig};
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// 20 ms each.
const FRAMES: u16 = 50;
const ROUNDS: usize = 101;
const FRAME: Duration = Duration::from_millis(20);
const RELAY: [u8; 4] = [192, 0, 2, 1];
/// The rate of recordings.
const RATE: u32 = 16_000;
const TONE: PlaybackSource = PlaybackSource::Tone { frequency: 440, duration: Duration::from_secs(60) };

/// Discards recordings.
#[derive(Debug)]
struct Discard;

impl AudioSink for Discard {
    fn rate(&self) -> u32 {
        RATE
    }

    fn write(&mut self, _: u64, samples: &[i16]) -> Result<(), SinkError> {
        // As the relay's sink does.
        drop(samples.to_vec());
        Ok(())
    }

    fn advance(&mut self, _: u64) -> Result<(), SinkError> {
        Ok(())
    }
}

impl AudioFactory for Discard {
    fn source(&self, _: AudioSourceId) -> Option<Box<dyn AudioSource>> {
        None
    }

    fn sink(&self, _: RecordedLeg) -> Option<Box<dyn AudioSink>> {
        Some(Box::new(Self))
    }
}

#[derive(Clone, Copy)]
enum Work {
    /// Forwarding between two legs.
    Forward,
    /// The same, and recording of the sending leg.
    Record,
    /// Playback to a leg without a partner.
    Play,
}

fn main() {
    println!("20 ms of one leg, median and minimum of {ROUNDS} rounds of {FRAMES} frames");
    for (number, name) in [(0, "PCMU"), (8, "PCMA")] {
        for (what, work) in
            [("forwarding", Work::Forward), ("forwarding and recording", Work::Record), ("playback", Work::Play)]
        {
            match Scene::new(&payload(number, name), work).and_then(|mut scene| scene.measure()) {
                Some((median, minimum)) => println!("{name:5} {what:26} {median:8.2} µs {minimum:8.2} µs"),
                None => println!("{name:5} {what:26} failed"),
            }
        }
    }
}

fn payload(number: u8, name: &str) -> Payload {
    let codec = Codec { name: name.to_owned(), clock_rate: 8000, channels: 1, fmtp: None };
    Payload { number, codec, feedback: Vec::new() }
}

struct Scene {
    worker: Worker,
    now: Time,
    work: Work,
    payload: Payload,
    /// Encoded frames of a tone.
    frames: Vec<Vec<u8>>,
    sequence: u16,
    timestamp: u32,
}

fn local(leg: u16) -> LocalRtp {
    let port = 30_000 + 2 * leg;
    LocalRtp { rtp: (RELAY, port).into(), rtcp: (RELAY, port + 1).into() }
}

fn peer(leg: u16) -> SocketAddr {
    let [high, low] = leg.to_be_bytes();
    SocketAddr::from(([198, 18, high, low], 4000))
}

impl Scene {
    fn new(payload: &Payload, work: Work) -> Option<Self> {
        let (instant, now) = (Instant::now(), Time::from_micros(1_700_000_000_000_000));
        let key = rcgen::KeyPair::generate().ok()?;
        let certificate = rcgen::CertificateParams::new(Vec::new()).ok()?.self_signed(&key).ok()?;
        let identity = DtlsIdentity::from_der(certificate.der(), &key.serialize_der()).ok()?;
        let frames = tone(&payload.codec)?;
        let config = WorkerConfig { audio: Arc::new(Discard), ..WorkerConfig::new(identity, instant) };
        let mut worker = Worker::new(config, [7; 32], now);
        for leg in [1, 2] {
            open(&mut worker, leg, payload, now);
        }
        match work {
            Work::Play => {
                let (playback, source, repeat, mode) = (PlaybackId(1), TONE, Repeat::Forever, PlaybackMode::Replace);
                worker.handle_command(Command::Play { leg: LegKey(1), playback, source, repeat, mode }, now);
            }
            Work::Forward | Work::Record => worker.handle_command(Command::Bridge { a: LegKey(1), b: LegKey(2) }, now),
        }
        if matches!(work, Work::Record) {
            let to = RecordedLeg { recording: RecordingId(1), channel: RecordingChannel::Left, origin: now };
            worker.handle_command(Command::Record { leg: LegKey(1), to }, now);
        }
        Some(Self { worker, now, work, payload: payload.clone(), frames, sequence: 0, timestamp: 0 })
    }

    /// The next packet of the first leg's peer.
    fn packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = Vec::new();
        Header::new(self.payload.number, self.sequence, self.timestamp, 77).write(&[], &mut packet);
        packet.extend(self.frames.get(usize::from(self.sequence) % self.frames.len())?);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.payload.codec.clock_rate / 50);
        Some(packet)
    }

    /// Returns the median and the minimum microseconds per frame; `None` if not every frame was sent.
    fn measure(&mut self) -> Option<(f64, f64)> {
        let mut rounds = Vec::new();
        let from = self.worker.local(local(1).rtp);
        for _ in 0..ROUNDS {
            let packets: Option<Vec<_>> = (0..FRAMES).map(|_| self.packet()).collect();
            let (mut packets, mut sent) = (packets?, 0);
            let begun = Instant::now();
            for packet in &mut packets {
                self.now = self.now + FRAME;
                if self.worker.poll_timeout().is_some_and(|due| due <= self.now) {
                    self.worker.handle_timeout(self.now);
                }
                if !matches!(self.work, Work::Play) {
                    self.worker.handle_datagram(from, peer(1), packet, self.now);
                }
                while let Some(output) = self.worker.poll_output() {
                    if let Output::Transmit { payload, .. } = output {
                        sent += u16::from(payload.get(1).is_some_and(|second| second & 0x7f == self.payload.number));
                        self.worker.recycle(payload);
                    }
                }
            }
            rounds.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(FRAMES));
            if sent < FRAMES {
                return None;
            }
        }
        rounds.sort_by(f64::total_cmp);
        Some((rounds.get(ROUNDS / 2).copied()?, rounds.first().copied()?))
    }
}

/// Encodes a second of a tone.
fn tone(codec: &Codec) -> Option<Vec<Vec<u8>>> {
    let mut encoder = G711Codecs.encoder(codec, RATE, FRAME)?;
    let (rate, size) = (encoder.format().rate, encoder.frame_size());
    let sample = |n: usize| {
        let time = f64::from(u32::try_from(n).unwrap_or(0)) / f64::from(rate);
        #[expect(clippy::cast_possible_truncation, reason = "the amplitude is 5000")]
        let sample = (5000.0 * (core::f64::consts::TAU * 440.0 * time).sin()) as i16;
        sample
    };
    let samples: Vec<i16> = (0..50 * size).map(sample).collect();
    let encoded = samples.chunks_exact(size).map(|frame| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload).ok().map(|()| payload)
    });
    encoded.collect()
}

fn open(worker: &mut Worker, leg: u16, payload: &Payload, now: Time) {
    let key = LegKey(leg.into());
    let transport = LocalTransport::Rtp { sections: vec![local(leg)], cname: "phone".to_owned() };
    worker.handle_command(Command::Open { leg: key, transport }, now);
    let remote = Section {
        kind: MediaKind::Audio,
        mid: String::new(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: vec![payload.clone()],
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    };
    let streams = vec![Stream { received: remote.payloads.clone(), remote, local_ssrc: leg.into() }];
    let address = Some(RemoteRtp { rtp: peer(leg), rtcp: RtcpPath::Muxed });
    let transport = RemoteTransport::Rtp { sections: vec![RemoteSection { address, srtp: None }], signaling: None };
    worker.handle_command(Command::Connect { leg: key, transport, streams, silence: Silence::Tolerated }, now);
}
