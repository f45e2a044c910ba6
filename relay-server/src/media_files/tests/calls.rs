//! Playback from a file to, and recording of, the legs of a media worker with the codecs of the relay.

use super::{Directory, amplitude, channels_of, fields, octets, settings, tone, wav};
use crate::codec::{CodecOptions, Codecs};
use crate::config::{MediaFileSettings, RecordingSettings};
use crate::media_files::ShellAudio;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{
    Command, Event, LegKey, LocalRtp, LocalTransport, PlaybackEnd, PlaybackId, PlaybackMode, RecordedLeg,
    RecordingChannel, RecordingEnd, RemoteRtp, RemoteSection, RemoteTransport, Repeat, RtcpPath, Silence, Stream,
};
use offhook_media::graph::codec::CodecFactory;
use offhook_media::rtp::packet::{self, Header};
use offhook_media::worker::{Output, Worker, WorkerConfig};
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

const FRAME: Duration = Duration::from_millis(20);

fn payload(name: &str) -> Payload {
    let (number, clock_rate, channels) = match name {
        "opus" => (111, 48_000, 2),
        "G722" => (9, 8000, 1),
        _ => (0, 8000, 1),
    };
    let codec = Codec { name: name.to_owned(), clock_rate, channels, fmtp: None };
    Payload { number, codec, feedback: Vec::new() }
}

fn local(leg: LegKey) -> LocalRtp {
    let on = |port| SocketAddr::from(([192, 0, 2, 1], port));
    let port = 30_000 + 2 * u16::try_from(leg.0).unwrap();
    LocalRtp { rtp: on(port), rtcp: on(port + 1) }
}

fn peer(leg: LegKey) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, u8::try_from(leg.0).unwrap()], 4000))
}

struct Scene {
    worker: Worker,
    codecs: Arc<Codecs>,
    now: Time,
    events: Vec<Event>,
    /// RTP packets with their destinations.
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl Scene {
    fn new(audio: ShellAudio) -> Self {
        let now = Time::from_micros(1_700_000_000_000_000);
        let codecs = Arc::new(Codecs::load(CodecOptions::default()));
        let mut config = WorkerConfig::new(crate::tls::dtls_identity().unwrap(), Instant::now());
        config.codecs = Arc::<Codecs>::clone(&codecs);
        config.audio = Arc::new(audio);
        let worker = Worker::new(config, [7; 32], now);
        Self { worker, codecs, now, events: Vec::new(), sent: Vec::new() }
    }

    /// A leg whose peer uses one codec.
    fn leg(&mut self, number: u64, codec: &str) -> LegKey {
        let leg = LegKey(number);
        let transport = LocalTransport::Rtp { sections: vec![local(leg)], cname: "phone".to_owned() };
        self.order(Command::Open { leg, transport });
        let remote = Section {
            kind: MediaKind::Audio,
            mid: String::new(),
            direction: Direction::SendRecv,
            rejected: false,
            payloads: vec![payload(codec)],
            extensions: Vec::new(),
            ssrcs: Vec::new(),
        };
        let streams = vec![Stream { received: remote.payloads.clone(), remote, local_ssrc: 1 }];
        let address = Some(RemoteRtp { rtp: peer(leg), rtcp: RtcpPath::Muxed });
        let transport = RemoteTransport::Rtp { sections: vec![RemoteSection { address, srtp: None }], signaling: None };
        self.order(Command::Connect { leg, transport, streams, silence: Silence::Tolerated });
        leg
    }

    fn order(&mut self, command: Command) {
        self.worker.handle_command(command, self.now);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.worker.poll_output() {
            match output {
                Output::Event(Event::LegReports(_)) => {}
                Output::Event(event) => self.events.push(event),
                Output::Transmit { remote, payload, .. } if !(192..=223).contains(&payload[1]) => {
                    self.sent.push((remote, payload));
                }
                _ => {}
            }
        }
    }

    fn wait(&mut self) {
        self.now = self.now + FRAME;
        self.worker.handle_timeout(self.now);
        self.take_outputs();
    }

    /// The peers of two legs send tones for this number of frames.
    fn send_tones(&mut self, legs: [(LegKey, &str, f64); 2], frames: u16) {
        let mut encoders = legs.map(|(_, codec, frequency)| {
            let encoder = self.codecs.encoder(&payload(codec).codec, 16_000, FRAME).unwrap();
            let rate = encoder.format().rate;
            (encoder, tone(rate, frequency, rate / 50 * u32::from(frames)))
        });
        for number in 0..frames {
            for ((leg, codec, _), (encoder, samples)) in legs.iter().zip(&mut encoders) {
                let Payload { number: payload_type, codec, .. } = payload(codec);
                let timestamp = u32::from(number) * codec.clock_rate / 50;
                let mut datagram = Vec::new();
                Header::new(payload_type, number, timestamp, 5).write(&[], &mut datagram);
                let size = encoder.frame_size();
                encoder.encode(&samples[usize::from(number) * size..][..size], &mut datagram).unwrap();
                let at = self.worker.local(local(*leg).rtp);
                self.worker.handle_datagram(at, peer(*leg), &mut datagram, self.now);
            }
            self.wait();
        }
    }
}

fn audio(directory: &Directory) -> (ShellAudio, super::super::RecordingThread) {
    let recordings = RecordingSettings { pattern: "{call}".to_owned(), ..settings(directory) };
    let directory = Some(directory.0.clone());
    ShellAudio::start(&MediaFileSettings { directory, memory: 4 << 20, recordings }).unwrap()
}

#[test]
fn recording_of_call_has_tone_of_each_leg_on_its_channel() {
    let directory = Directory::new();
    let (audio, thread) = audio(&directory);
    let started = audio.recordings.start(&fields()).unwrap();
    let mut scene = Scene::new(audio);
    let (a, b) = (scene.leg(1, "opus"), scene.leg(2, "G722"));
    scene.order(Command::Bridge { a, b });
    for (leg, channel) in [(a, RecordingChannel::Left), (b, RecordingChannel::Right)] {
        let to = RecordedLeg { recording: started.id, channel, origin: scene.now };
        scene.order(Command::Record { leg, to });
    }
    scene.send_tones([(a, "opus", 440.0), (b, "G722", 1000.0)], 100);
    for leg in [a, b] {
        scene.order(Command::StopRecording { leg, recording: started.id });
    }
    let ends = scene.events.iter().map(|event| match event {
        Event::RecordingEnded { end, lost, .. } => (*end, *lost),
        event => panic!("{event:?}"),
    });
    assert_eq!(ends.collect::<Vec<_>>(), [(RecordingEnd::Stopped, Duration::ZERO); 2]);
    drop((scene, thread));
    let channels = channels_of(&started.path);
    for (channel, (own, other)) in channels.iter().zip([(440.0, 1000.0), (1000.0, 440.0)]) {
        let steady = &channel[8000..30_000];
        let [own, other] = [own, other].map(|frequency| amplitude(steady, 16_000, frequency));
        assert!((9000.0..11_000.0).contains(&own) && other < 300.0, "{own} and {other}");
    }
}

#[test]
fn file_is_played_to_opus_leg() {
    let directory = Directory::new();
    directory.write("greeting.wav", &wav(1, 1, 8000, 16, &octets(&tone(8000, 440.0, 8000))));
    let (audio, _thread) = audio(&directory);
    let source = audio.files.open("greeting.wav").unwrap();
    let mut scene = Scene::new(audio);
    let leg = scene.leg(1, "opus");
    let (playback, repeat, mode) = (PlaybackId(1), Repeat::Once, PlaybackMode::Replace);
    scene.order(Command::Play { leg, playback, source, repeat, mode });
    (0..60).for_each(|_| scene.wait());
    assert_eq!(scene.events, [Event::PlaybackEnded { leg, playback, end: PlaybackEnd::Completed }]);
    let mut decoder = scene.codecs.decoder(&payload("opus").codec, 16_000).unwrap();
    let mut samples = Vec::new();
    let mut timestamps = Vec::new();
    for (_, datagram) in &scene.sent {
        let header = Header::parse(datagram).unwrap();
        timestamps.push(header.timestamp);
        decoder.decode(packet::payload(datagram, &header).unwrap(), &mut samples).unwrap();
    }
    assert_eq!(timestamps.len(), 50);
    assert!(timestamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 960));
    let played = amplitude(&samples[3200..15_000], decoder.format().rate, 440.0);
    assert!((9000.0..11_000.0).contains(&played), "{played}");
}
