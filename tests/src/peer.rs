//! One call's media of a headless browser: a peer connection of the `rtc` crate, its socket, a sound to send and an
//! ear for what comes in.

use crate::picture::{self, Picture, Requests, Seen};
use crate::sound;
use crate::wait::until;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use offhook_sdp::codec::Codec;
use offhook_sdp::webrtc::Description;
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

/// What a browser sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sound {
    /// A sine of so many Hz as PCMU.
    Tone(f32),
    /// Packets marked as Opus, every one with this octet all through: the relay must not look inside.
    Opus(u8),
}

impl Sound {
    const fn encoding(self) -> &'static str {
        match self {
            Self::Tone(_) => "PCMU",
            Self::Opus(_) => "opus",
        }
    }
}

/// An encoding and the payload number a browser offers it under.
pub type Offered = (&'static str, u8);

/// What Chromium offers for audio, as far as these tests go.
pub const LIKE_CHROMIUM: &[Offered] = &[("opus", 111), ("PCMU", 0), ("telephone-event", 126)];
/// The same of Firefox: other numbers.
pub const LIKE_FIREFOX: &[Offered] = &[("opus", 109), ("PCMU", 0), ("telephone-event", 101)];

/// How often a pair of addresses is checked that has not answered yet, and how many times.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
const CHECKS: u16 = 3_000;

/// How a browser's media engine differs from others.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// What it offers for audio.
    pub codecs: &'static [Offered],
    /// The one SRTP profile it knows; all of the crate's where there is none.
    pub profile: Option<SrtpProtectionProfile>,
    /// Where its media socket is.
    pub address: IpAddr,
    /// The camera it has.
    pub picture: Option<Picture>,
    /// Its WebSocket goes to the relay by way of this address.
    pub via: Option<SocketAddr>,
}

impl Default for Habits {
    fn default() -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { codecs: LIKE_CHROMIUM, profile: None, address, picture: None, via: None }
    }
}

/// What came in.
#[derive(Default)]
struct Heard {
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
    heard: Arc<Mutex<Heard>>,
    requests: Requests,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// A peer that offers.
    pub async fn offer(sound: Sound, habits: Habits) -> Self {
        Self::new(sound, habits, None).await
    }

    /// A peer that answers `offer`.
    pub async fn answer(offer: &str, sound: Sound, habits: Habits) -> Self {
        Self::new(sound, habits, Some(offer.to_owned())).await
    }

    /// Its offer or answer, without candidates.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Takes the answer to its offer.
    pub fn set_answer(&self, sdp: &str) {
        let _ = self.answers.send(sdp.to_owned());
    }

    /// Waits until ICE and DTLS are up.
    ///
    /// # Panics
    /// When they do not come up.
    pub async fn connected(&self) {
        assert!(until(|| self.heard().connected).await, "ICE and DTLS come up");
    }

    /// Waits until this tone, and no other, comes in.
    ///
    /// # Panics
    /// When it does not.
    pub async fn hears(&self, hz: f32) {
        self.heard().samples.clear();
        let heard = until(|| {
            let mut heard = self.heard();
            let samples = heard.samples.make_contiguous();
            samples.len() >= 10 * sound::FRAME && sound::share(samples, hz) > 0.8
        });
        assert!(heard.await, "a tone of {hz} Hz is heard; {}", self.heard().summary());
    }

    /// Waits until half a second has passed in which nothing loud came in.
    ///
    /// # Panics
    /// When the sound goes on.
    pub async fn hears_nothing(&self) {
        let start = Instant::now();
        let quiet_since = |heard: &Heard| heard.last_loud.map_or(start, |last| last.max(start));
        let silent = until(|| quiet_since(&self.heard()).elapsed() > Duration::from_millis(500));
        assert!(silent.await, "the sound stops; {}", self.heard().summary());
    }

    /// Waits until Opus packets with nothing but this octet come in.
    ///
    /// # Panics
    /// When they do not.
    pub async fn hears_opus(&self, octet: u8) {
        self.heard().opus.clear();
        let heard = until(|| {
            let heard = self.heard();
            heard.opus.len() >= 10 && heard.opus.iter().all(|packet| packet.iter().all(|got| *got == octet))
        });
        assert!(heard.await, "Opus packets of {octet} are heard; {}", self.heard().summary());
    }

    /// Waits until these DTMF digits have come in as telephone-events.
    ///
    /// # Panics
    /// When they do not.
    pub async fn hears_digits(&self, digits: &str) {
        assert!(until(|| self.heard().digits == digits).await, "digits {digits}; {}", self.heard().summary());
    }

    /// Waits until a key frame of this encoding and later pictures have come in, since the beginning or since pictures were
    /// forgotten.
    ///
    /// # Panics
    /// When they do not.
    pub async fn sees(&self, encoding: &str) {
        let seen = until(|| self.heard().seen.has_moved(encoding));
        assert!(seen.await, "{encoding} with a key frame is seen; {}", self.heard().summary());
    }

    /// What it has seen so far does not count any more. To be called before whatever a new key frame is asked for by: it may
    /// come at once, and only once.
    pub fn forget_pictures(&self) {
        self.heard().seen = Seen::default();
    }

    /// How often it was asked for a key frame.
    #[must_use]
    pub fn key_frames_asked_for(&self) -> u32 {
        self.requests.count()
    }

    /// The SSRCs that came in.
    #[must_use]
    pub fn ssrcs(&self) -> BTreeSet<u32> {
        self.heard().ssrcs.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no reader panicked")
    }

    async fn new(sound: Sound, habits: Habits, offer: Option<String>) -> Self {
        let socket = UdpSocket::bind((habits.address, 0)).await.expect("a socket");
        let requests = Requests::default();
        let (mut connection, sender, ssrc) = connection(sound, habits, &requests);
        let camera = habits.picture.map(|picture| picture.plug_into(&mut connection, &requests));
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (answers, inbox) = mpsc::unbounded_channel();
        let mut engine = Engine {
            connection,
            sender,
            ssrc,
            sound,
            camera,
            socket,
            numbers: Vec::new(),
            heard: Arc::clone(&heard),
            packets: 0,
            closed: false,
        };
        let description = engine.describe(offer);
        let task = tokio::spawn(engine.run(inbox));
        Self { description, answers, heard, requests, task }
    }
}

impl Heard {
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

    fn take(&mut self, encoding: &str, payload_type: u8, timestamp: u32, payload: &Bytes) {
        self.payload_types.insert(payload_type);
        match encoding {
            "PCMU" => {
                let samples: Vec<i16> = payload.iter().map(|octet| sound::decode(*octet)).collect();
                if sound::is_loud(&samples) {
                    self.last_loud = Some(Instant::now());
                }
                self.samples.extend(samples);
                while self.samples.len() > 10 * sound::FRAME {
                    self.samples.pop_front();
                }
            }
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

/// The peer connection with what drives it.
struct Engine {
    connection: RTCPeerConnection,
    sender: RTCRtpSenderId,
    ssrc: u32,
    sound: Sound,
    camera: Option<picture::Camera>,
    socket: UdpSocket,
    /// Payload numbers as negotiated: those of the description that answered.
    numbers: Vec<(u8, Codec)>,
    heard: Arc<Mutex<Heard>>,
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

/// The encoding in use first, as a page would with `setCodecPreferences`.
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
    // Checks like a browser's, which does not wait 200 ms for each: for about as long as one goes on.
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
        .with_interceptor_registry(requests.overheard())
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
    // The track alone would leave the encoding it names as the only one.
    let transceivers: Vec<_> = connection.get_transceivers().collect();
    for id in transceivers {
        let mut transceiver = connection.rtp_transceiver(id).expect("a transceiver");
        transceiver.set_codec_preferences(ordered.clone()).expect("codecs that are registered");
    }
    (connection, sender, ssrc)
}

/// A number that no other peer of this process has.
pub fn unique() -> u32 {
    static NEXT: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0x0ff0_0000);
    NEXT.fetch_add(1, core::sync::atomic::Ordering::Relaxed)
}

impl Engine {
    /// Makes the offer, or the answer to `offer`. The text has no candidates, as with the stock SDK: the relay learns
    /// the address from the first check.
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
                let offer = RTCSessionDescription::offer(offer).expect("the relay's offer is read");
                connection.set_remote_description(now, offer).expect("the relay's offer is taken");
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
        self.connection.add_local_candidate(candidate).expect("a candidate is taken");
        local
            .sdp
            .lines()
            .filter(|line| !line.starts_with("a=candidate"))
            .fold(String::new(), |text, line| text + line + "\r\n")
    }

    fn learn_numbers(&mut self, answer: &str) {
        let description = Description::parse(answer).expect("an answer");
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
                    let answer = RTCSessionDescription::answer(answer).expect("the relay's answer is read");
                    let taken = self.connection.set_remote_description(Instant::now(), answer);
                    taken.expect("the relay's answer is taken");
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
                let mut heard = self.heard.lock().expect("no reader panicked");
                heard.connected |= state == RTCPeerConnectionState::Connected;
                heard.closed |= state == RTCPeerConnectionState::Closed;
                self.closed |= state == RTCPeerConnectionState::Closed;
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                let header = &packet.header;
                let codec = self.numbers.iter().find(|(number, _)| *number == header.payload_type);
                let encoding = codec.map_or("", |(_, codec)| codec.name.as_str());
                let mut heard = self.heard.lock().expect("no reader panicked");
                heard.ssrcs.insert(header.ssrc);
                heard.take(encoding, header.payload_type, header.timestamp, &packet.payload);
                heard.seen.take(encoding, header.payload_type, &packet.payload);
            }
        }
    }

    fn send_picture(&mut self) {
        if !self.heard.lock().expect("no reader panicked").connected {
            return;
        }
        if let Some(camera) = &mut self.camera {
            camera.send(&mut self.connection, &self.numbers);
        }
    }

    fn send_frame(&mut self) {
        if !self.heard.lock().expect("no reader panicked").connected {
            return;
        }
        let Some((number, codec)) = self.numbers.iter().find(|(_, codec)| codec.is(self.sound.encoding())) else {
            return;
        };
        let payload = match self.sound {
            Sound::Tone(hz) => sound::tone(hz, self.packets * sound::FRAME as u64),
            Sound::Opus(octet) => vec![octet; 80],
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
