//! Media of one call of a headless browser: a peer connection of the `rtc` crate with its socket, a signal to send, and
//! analysis of the received media.

use crate::endpoint_codec::{EndpointCodec, Format};
use crate::picture::{self, Picture, Requests, Seen};
use crate::sound;
use crate::wait::until;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use offhook_sdp::codec::Codec;
use offhook_sdp::webrtc::WebRtcDescription;
pub use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// The audio that a browser sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sound {
    /// A sine tone with this frequency in Hz as PCMU.
    Tone(f32),
    /// Packets with the Opus payload type that consist of this octet. The relay must not interpret the payload.
    Opus(u8),
    /// A sine tone with this frequency in Hz as Opus. Received Opus is decoded.
    OpusTone(f32),
}

impl Sound {
    const fn encoding(self) -> &'static str {
        match self {
            Self::Tone(_) => "PCMU",
            Self::Opus(_) | Self::OpusTone(_) => "opus",
        }
    }
}

/// An encoding name and its payload type.
pub type Offered = (&'static str, u8);

/// A subset of the audio codecs that Chromium offers.
pub const LIKE_CHROMIUM: &[Offered] = &[("opus", 111), ("PCMU", 0), ("telephone-event", 126)];
/// The same codecs with Firefox's payload types.
pub const LIKE_FIREFOX: &[Offered] = &[("opus", 109), ("PCMU", 0), ("telephone-event", 101)];

const OPUS: Format = Format { number: 111, name: "opus", clock_rate: 48_000, channels: 2 };

/// Interval and maximum number of connectivity checks of a candidate pair.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
const CHECKS: u16 = 3_000;

/// Configuration of a browser's media engine.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// The audio codecs that it offers.
    pub codecs: &'static [Offered],
    /// The only supported SRTP profile; `None` for all profiles of the `rtc` crate.
    pub profile: Option<SrtpProtectionProfile>,
    /// The address of its media socket.
    pub address: IpAddr,
    /// The camera, if any.
    pub picture: Option<Picture>,
    /// An address to which the WebSocket is opened in place of the relay's.
    pub via: Option<SocketAddr>,
}

impl Default for Habits {
    fn default() -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { codecs: LIKE_CHROMIUM, profile: None, address, picture: None, via: None }
    }
}

/// State of the received media.
#[derive(Default)]
struct Reception {
    seen: Seen,
    connected: bool,
    closed: bool,
    samples: VecDeque<i16>,
    last_loud: Option<Instant>,
    opus: VecDeque<Bytes>,
    payload_types: BTreeSet<u8>,
    ssrcs: BTreeSet<u32>,
    digits: String,
    last_event: Option<u32>,
}

/// The media of one call.
pub struct Peer {
    description: String,
    answers: mpsc::UnboundedSender<String>,
    received: Arc<Mutex<Reception>>,
    requests: Requests,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Creates a peer that offers.
    pub async fn offer(sound: Sound, habits: Habits) -> Self {
        Self::new(sound, habits, None).await
    }

    /// Creates a peer that answers `offer`.
    pub async fn answer(offer: &str, sound: Sound, habits: Habits) -> Self {
        Self::new(sound, habits, Some(offer.to_owned())).await
    }

    /// Returns its offer or answer, without candidates.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Applies the answer to its offer.
    pub fn set_answer(&self, sdp: &str) {
        let _ = self.answers.send(sdp.to_owned());
    }

    /// Waits until ICE and DTLS are established.
    ///
    /// # Panics
    /// Panics if they are not.
    pub async fn connected(&self) {
        assert!(until(|| self.received().connected).await, "ICE and DTLS are established");
    }

    /// Waits until it receives only this tone.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn receives_tone(&self, hz: f32) {
        self.received().samples.clear();
        let received = until(|| {
            let mut received = self.received();
            let samples = received.samples.make_contiguous();
            samples.len() >= 10 * sound::FRAME && sound::share(samples, hz) > 0.8
        });
        assert!(received.await, "a tone of {hz} Hz is received; {}", self.received().summary());
    }

    /// Waits until it receives only this tone, with the amplitude with which endpoints send, within 1 dB.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn receives_tone_at_level(&self, hz: f32) {
        self.receives_tone(hz).await;
        let mut levels = Vec::new();
        let unchanged = until(|| {
            let mut received = self.received();
            let samples = received.samples.make_contiguous();
            levels.push(20.0 * (sound::amplitude(samples) / sound::AMPLITUDE).log10());
            sound::share(samples, hz) > 0.8 && levels.last().is_some_and(|level| level.abs() < 1.0)
        });
        assert!(unchanged.await, "a tone of {hz} Hz has the level at which it was sent; changes in dB: {levels:?}");
    }

    /// Waits until it has received no loud sound for half a second.
    ///
    /// # Panics
    /// Panics if the sound does not stop.
    pub async fn receives_silence(&self) {
        let start = Instant::now();
        let quiet_since = |received: &Reception| received.last_loud.map_or(start, |last| last.max(start));
        let silent = until(|| quiet_since(&self.received()).elapsed() > Duration::from_millis(500));
        assert!(silent.await, "the sound stops; {}", self.received().summary());
    }

    /// Waits until it receives only Opus packets that consist of this octet.
    ///
    /// # Panics
    /// Panics if they do not.
    pub async fn receives_opus_of(&self, octet: u8) {
        self.received().opus.clear();
        let received = until(|| {
            let received = self.received();
            received.opus.len() >= 10 && received.opus.iter().all(|packet| packet.iter().all(|got| *got == octet))
        });
        assert!(received.await, "Opus packets of {octet} are received; {}", self.received().summary());
    }

    /// Waits until it has received these DTMF digits as telephone-events.
    ///
    /// # Panics
    /// Panics if they do not.
    pub async fn receives_digits(&self, digits: &str) {
        assert!(until(|| self.received().digits == digits).await, "digits {digits}; {}", self.received().summary());
    }

    /// Waits until it has received a key frame of this encoding and subsequent frames, since the start or since
    /// [`Self::forget_pictures`].
    ///
    /// # Panics
    /// Panics if they do not.
    pub async fn sees(&self, encoding: &str) {
        let seen = until(|| self.received().seen.has_moved(encoding));
        assert!(seen.await, "{encoding} with a key frame is received; {}", self.received().summary());
    }

    /// Resets the state of the received video. To be called before the action that requests a new key frame.
    pub fn forget_pictures(&self) {
        self.received().seen = Seen::default();
    }

    /// Returns the number of key frame requests that it has received.
    #[must_use]
    pub fn key_frames_asked_for(&self) -> u32 {
        self.requests.count()
    }

    /// Returns the received SSRCs.
    #[must_use]
    pub fn ssrcs(&self) -> BTreeSet<u32> {
        self.received().ssrcs.clone()
    }

    fn received(&self) -> MutexGuard<'_, Reception> {
        self.received.lock().expect("no reader panicked")
    }

    async fn new(sound: Sound, habits: Habits, offer: Option<String>) -> Self {
        let socket = UdpSocket::bind((habits.address, 0)).await.expect("a socket");
        let requests = Requests::default();
        let (mut connection, sender, ssrc) = connection(sound, habits, &requests);
        let camera = habits.picture.map(|picture| picture.plug_into(&mut connection, &requests));
        let received = Arc::new(Mutex::new(Reception::default()));
        let (answers, inbox) = mpsc::unbounded_channel();
        let mut engine = Engine {
            connection,
            sender,
            ssrc,
            sound,
            opus: matches!(sound, Sound::OpusTone(_)).then(|| EndpointCodec::new(OPUS)),
            camera,
            socket,
            numbers: Vec::new(),
            received: Arc::clone(&received),
            packets: 0,
            closed: false,
        };
        let description = engine.describe(offer);
        let task = tokio::spawn(engine.run(inbox));
        Self { description, answers, received, requests, task }
    }
}

impl Reception {
    fn summary(&self) -> String {
        format!(
            "connected: {}, closed: {}, {:?}, payload types {:?}, {} samples, {} Opus packets, digits “{}”",
            self.connected,
            self.closed,
            self.seen,
            self.payload_types,
            self.samples.len(),
            self.opus.len(),
            self.digits
        )
    }

    fn take_samples(&mut self, samples: Vec<i16>) {
        if sound::is_loud(&samples) {
            self.last_loud = Some(Instant::now());
        }
        self.samples.extend(samples);
        while self.samples.len() > 10 * sound::FRAME {
            self.samples.pop_front();
        }
    }

    fn take(&mut self, encoding: &str, payload_type: u8, timestamp: u32, payload: &Bytes) {
        self.payload_types.insert(payload_type);
        match encoding {
            "PCMU" => self.take_samples(payload.iter().map(|octet| sound::decode(*octet)).collect()),
            "opus" => {
                self.last_loud = Some(Instant::now());
                self.opus.push_back(payload.clone());
                while self.opus.len() > 10 {
                    self.opus.pop_front();
                }
            }
            // All packets of one event have its first timestamp (RFC 4733 §2.5.1.2).
            "telephone-event" if self.last_event != Some(timestamp) => {
                self.last_event = Some(timestamp);
                let event = payload.first().map(|event| usize::from(*event));
                self.digits.extend(event.and_then(|event| "0123456789*#ABCD".chars().nth(event)));
            }
            _ => {}
        }
    }
}

/// The peer connection and its driver.
struct Engine {
    connection: RTCPeerConnection,
    sender: RTCRtpSenderId,
    ssrc: u32,
    sound: Sound,
    /// For [`Sound::OpusTone`].
    opus: Option<EndpointCodec>,
    camera: Option<picture::Camera>,
    socket: UdpSocket,
    /// The negotiated payload types: those of the answer.
    numbers: Vec<(u8, Codec)>,
    received: Arc<Mutex<Reception>>,
    packets: u64,
    closed: bool,
}

fn codec(name: &str, number: u8) -> RTCRtpCodecParameters {
    let (clock_rate, channels, fmtp) = match name {
        "opus" => (48_000, 2, "minptime=10;useinbandfec=1"),
        "telephone-event" => (8000, 1, "0-15"),
        _ => (8000, 1, ""),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: format!("audio/{name}"),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: number,
    }
}

/// Creates the peer connection. The codec of the sent audio is offered first, as with `setCodecPreferences`.
fn connection(sound: Sound, habits: Habits, requests: &Requests) -> (RTCPeerConnection, RTCRtpSenderId, u32) {
    let codecs = habits.codecs;
    let of_sound = |offered: &&Offered| offered.0 == sound.encoding();
    let first = codecs.iter().filter(of_sound);
    let ordered: Vec<_> = first.chain(codecs.iter().filter(|offered| !of_sound(offered))).collect();
    let ordered: Vec<_> = ordered.into_iter().map(|(name, number)| codec(name, *number)).collect();
    let mut engine = MediaEngine::default();
    for codec in &ordered {
        engine.register_codec(codec.clone(), RtpCodecKind::Audio).expect("a codec");
    }
    if let Some(picture) = habits.picture {
        engine.register_codec(picture.codec(), RtpCodecKind::Video).expect("a codec");
    }
    // The default interval of 200 ms is longer than that of browsers.
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS));
    let settings = match habits.profile {
        Some(profile) => settings.with_srtp_protection_profiles(vec![profile]),
        None => settings,
    };
    let mut connection = RTCPeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_setting_engine(settings.build())
        .with_interceptor_registry(requests.registry())
        .build(Instant::now())
        .expect("a peer connection");
    let ssrc = unique();
    let track = MediaStreamTrack::new(
        format!("stream{ssrc}"),
        format!("track{ssrc}"),
        "microphone".to_owned(),
        RtpCodecKind::Audio,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: codec(sound.encoding(), 0).rtp_codec,
            ..Default::default()
        }],
    );
    let sender = connection.add_track(track).expect("a track");
    // Without preferences, only the codec of the track would be offered.
    let transceivers: Vec<_> = connection.get_transceivers().collect();
    for id in transceivers {
        let mut transceiver = connection.rtp_transceiver(id).expect("a transceiver");
        transceiver.set_codec_preferences(ordered.clone()).expect("codecs that are registered");
    }
    (connection, sender, ssrc)
}

/// Returns a number that is unique in this process.
pub fn unique() -> u32 {
    static NEXT: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0x0ff0_0000);
    NEXT.fetch_add(1, core::sync::atomic::Ordering::Relaxed)
}

impl Engine {
    /// Creates the offer, or the answer to `offer`. As with the stock SDK, the text has no candidates: the relay gets the
    /// address from the first connectivity check.
    fn describe(&mut self, offer: Option<String>) -> String {
        let now = Instant::now();
        let connection = &mut self.connection;
        let local = match offer {
            None => {
                let local = connection.create_offer(None).expect("an offer");
                connection.set_local_description(now, local.clone()).expect("the own offer");
                local
            }
            Some(offer) => {
                let offer = RTCSessionDescription::offer(offer).expect("the relay's offer is valid");
                connection.set_remote_description(now, offer).expect("the relay's offer is accepted");
                let local = connection.create_answer(None).expect("an answer");
                connection.set_local_description(now, local.clone()).expect("the own answer");
                self.learn_numbers(&local.sdp);
                local
            }
        };
        let address = self.socket.local_addr().expect("an address");
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..Default::default()
        };
        let config = CandidateHostConfig { base_config, ..Default::default() };
        let candidate = config.new_candidate_host().expect("a candidate");
        let candidate = RTCIceCandidate::from(&candidate).to_json().expect("a candidate's text");
        self.connection.add_local_candidate(candidate).expect("a candidate is accepted");
        local
            .sdp
            .lines()
            .filter(|line| !line.starts_with("a=candidate"))
            .fold(String::new(), |text, line| text + line + "\r\n")
    }

    fn learn_numbers(&mut self, answer: &str) {
        let description = WebRtcDescription::parse(answer).expect("an answer");
        let payloads = description.sections.into_iter().flat_map(|section| section.payloads);
        self.numbers = payloads.map(|payload| (payload.number, payload.codec)).collect();
    }

    async fn run(mut self, mut answers: mpsc::UnboundedReceiver<String>) {
        let mut frames = tokio::time::interval(Duration::from_millis(20));
        let mut buffer = vec![0; 2048];
        let local_addr = self.socket.local_addr().expect("an address");
        while !self.closed {
            self.drain().await;
            let due = self.connection.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            tokio::select! {
                Some(answer) = answers.recv() => {
                    self.learn_numbers(&answer);
                    let answer = RTCSessionDescription::answer(answer).expect("the relay's answer is valid");
                    let applied = self.connection.set_remote_description(Instant::now(), answer);
                    applied.expect("the relay's answer is accepted");
                }
                _ = frames.tick() => {
                    self.send_frame();
                    self.send_picture();
                }
                () = tokio::time::sleep_until(due.into()) => {
                    let _ = self.connection.handle_timeout(Instant::now());
                }
                received = self.socket.recv_from(&mut buffer) => {
                    let Ok((length, peer_addr)) = received else { continue };
                    let packet = buffer.get(..length).unwrap_or_default();
                    let transport = TransportContext {
                        local_addr, peer_addr, ecn: None, transport_protocol: TransportProtocol::UDP,
                    };
                    let message = BytesMut::from(packet);
                    let _ = self.connection.handle_read(TaggedBytesMut { now: Instant::now(), transport, message });
                }
            }
        }
    }

    async fn drain(&mut self) {
        while let Some(packet) = self.connection.poll_write() {
            let _ = self.socket.send_to(&packet.message, packet.transport.peer_addr).await;
        }
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                let mut received = self.received.lock().expect("no reader panicked");
                received.connected |= state == RTCPeerConnectionState::Connected;
                received.closed |= state == RTCPeerConnectionState::Closed;
                self.closed |= state == RTCPeerConnectionState::Closed;
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                let header = &packet.header;
                let codec = self.numbers.iter().find(|(number, _)| *number == header.payload_type);
                let encoding = codec.map_or("", |(_, codec)| codec.name.as_str());
                let mut received = self.received.lock().expect("no reader panicked");
                received.ssrcs.insert(header.ssrc);
                if let Some(opus) = self.opus.as_mut().filter(|_| encoding == "opus") {
                    received.take_samples(opus.decode(&packet.payload));
                }
                received.take(encoding, header.payload_type, header.timestamp, &packet.payload);
                received.seen.take(encoding, header.payload_type, &packet.payload);
            }
        }
    }

    fn send_picture(&mut self) {
        if !self.received.lock().expect("no reader panicked").connected {
            return;
        }
        if let Some(camera) = &mut self.camera {
            camera.send(&mut self.connection, &self.numbers);
        }
    }

    fn send_frame(&mut self) {
        if !self.received.lock().expect("no reader panicked").connected {
            return;
        }
        let Some((number, codec)) = self.numbers.iter().find(|(_, codec)| codec.is(self.sound.encoding())) else {
            return;
        };
        let payload = match self.sound {
            Sound::Tone(hz) => sound::tone(hz, self.packets * sound::FRAME as u64),
            Sound::Opus(octet) => vec![octet; 80],
            Sound::OpusTone(hz) => self.opus.as_mut().map(|opus| opus.tone(hz)).unwrap_or_default(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers and timestamps wrap around")]
        let header = rtc::rtp::header::Header {
            version: 2,
            payload_type: *number,
            sequence_number: self.packets as u16,
            timestamp: (self.packets * u64::from(codec.clock_rate / 50)) as u32,
            ssrc: self.ssrc,
            ..Default::default()
        };
        self.packets += 1;
        let packet = rtc::rtp::packet::Packet { header, payload: payload.into() };
        if let Some(mut sender) = self.connection.rtp_sender(self.sender) {
            sender.write_rtp(Instant::now(), packet).expect("a packet of a negotiated codec");
        }
    }
}
