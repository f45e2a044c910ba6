//! RTP or SDES-SRTP endpoint of a SIP phone: sends a tone and analyzes the received audio. The signaling is a scenario of
//! [`crate::sipp`].

use crate::endpoint_codec::EndpointCodec;
use crate::sound;
use crate::wait::until;
use core::time::Duration;
use rtc::crypto::providers::AwsLcRsCrypto;
use rtc::rtp::header::Header;
use rtc::rtp::packet::Packet;
use rtc::shared::marshal::{Marshal as _, Unmarshal as _};
pub use rtc::srtp::context::Context;
pub use rtc::srtp::protection_profile::ProtectionProfile;
use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use tokio::net::UdpSocket;

/// Payload type of PCMU (RFC 3551).
pub const PCMU: u8 = 0;
/// Payload type of PCMA (RFC 3551).
pub const PCMA: u8 = 8;
/// Payload type of telephone-event in the scenarios.
pub const EVENTS: u8 = 101;

/// Returns an SDES key (RFC 4568) for tests, in which each octet of key and salt is `octet`.
#[must_use]
pub fn context(octet: u8, profile: ProtectionProfile) -> Context {
    let (key, salt) = (vec![octet; profile.key_len()], vec![octet; profile.salt_len()]);
    Context::new(&key, &salt, profile, None, None, &AwsLcRsCrypto).expect("a key")
}

/// State of the received and the sent media.
#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    hz: f32,
    sends_as: u8,
    codec: Option<EndpointCodec>,
    silent: bool,
    digits_to_send: VecDeque<u8>,
    lock: Option<Context>,
    unlock: Option<Context>,
    samples: VecDeque<i16>,
    last_loud: Option<Instant>,
    last_packet: Option<Instant>,
    payload_types: BTreeSet<u8>,
    digits: String,
    last_event: Option<u32>,
    undeciphered: u32,
    sources: BTreeSet<SocketAddr>,
}

/// The RTP socket of one phone.
pub struct RtpEndpoint {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for RtpEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RtpEndpoint {
    /// Starts an endpoint that sends a tone of `hz` as PCMU after [`Self::send_to`].
    ///
    /// # Panics
    /// Panics if no port is available.
    pub async fn start(hz: f32) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { hz, ..State::default() }));
        let task = tokio::spawn(run(socket, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Returns its port, for the session description.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sets the address that it sends to.
    pub fn send_to(&self, target: SocketAddr) {
        self.state().target = Some(target);
    }

    /// Returns the address that it sends to.
    ///
    /// # Panics
    /// Panics if it is not set.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.state().target.expect("a target")
    }

    /// Sets the sent payload type: [`PCMU`] or [`PCMA`].
    pub fn send_as(&self, payload_type: u8) {
        self.state().sends_as = payload_type;
    }

    /// Sends and receives with this codec.
    pub fn use_codec(&self, codec: EndpointCodec) {
        let mut state = self.state();
        state.sends_as = codec.format().number;
        state.codec = Some(codec);
    }

    /// Waits until it receives only this tone, with the amplitude with which endpoints send, within 1 dB.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn receives_tone_at_level(&self, hz: f32) {
        self.receives_tone(hz).await;
        let mut levels = Vec::new();
        let unchanged = until(|| {
            let mut state = self.state();
            let samples = state.samples.make_contiguous();
            levels.push(20.0 * (sound::amplitude(samples) / sound::AMPLITUDE).log10());
            sound::share(samples, hz) > 0.8 && levels.last().is_some_and(|level| level.abs() < 1.0)
        });
        assert!(unchanged.await, "a tone of {hz} Hz has the level at which it was sent; changes in dB: {levels:?}");
    }

    /// Stops or restarts sending.
    pub fn be_silent(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// Encrypts sent and decrypts received packets.
    pub fn encrypt(&self, local: Context, remote: Context) {
        let mut state = self.state();
        (state.lock, state.unlock) = (Some(local), Some(remote));
    }

    /// Sends DTMF digits as telephone-events (RFC 4733).
    pub fn press(&self, digits: &str) {
        let events = digits.chars().filter_map(|digit| "0123456789*#ABCD".find(digit));
        self.state().digits_to_send.extend(events.filter_map(|event| u8::try_from(event).ok()));
    }

    /// Waits until it receives only this tone.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn receives_tone(&self, hz: f32) {
        self.state().samples.clear();
        let received = until(|| {
            let mut state = self.state();
            let samples = state.samples.make_contiguous();
            samples.len() >= 10 * sound::FRAME && sound::share(samples, hz) > 0.8
        });
        assert!(received.await, "the phone receives {hz} Hz; {}", self.state().summary());
    }

    /// Waits until it has received no loud sound for half a second.
    ///
    /// # Panics
    /// Panics if the sound does not stop.
    pub async fn receives_silence(&self) {
        let start = Instant::now();
        let quiet_since = |state: &State| state.last_loud.map_or(start, |last| last.max(start));
        let silent = until(|| quiet_since(&self.state()).elapsed() > Duration::from_millis(500));
        assert!(silent.await, "the sound stops; {}", self.state().summary());
    }

    /// Waits until it has received these digits as telephone-events.
    ///
    /// # Panics
    /// Panics if they do not.
    pub async fn receives_digits(&self, digits: &str) {
        assert!(until(|| self.state().digits == digits).await, "digits {digits}; {}", self.state().summary());
    }

    /// Returns the received payload types.
    #[must_use]
    pub fn payload_types(&self) -> BTreeSet<u8> {
        self.state().payload_types.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no reader panicked")
    }
}

impl State {
    fn summary(&self) -> String {
        format!(
            "to {:?}; from {:?}, payload types {:?}, {} samples, last packet {:?} ago, {} undeciphered, digits “{}”",
            self.target,
            self.sources,
            self.payload_types,
            self.samples.len(),
            self.last_packet.map(|at| at.elapsed()),
            self.undeciphered,
            self.digits
        )
    }

    fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        // RTCP is sent to the next port, which is closed, because a=rtcp-mux is not offered (RFC 5761 §4).
        let datagram = match &mut self.unlock {
            None => bytes::BytesMut::from(datagram),
            Some(context) => match context.decrypt_rtp(datagram) {
                Ok(packet) => packet,
                Err(_) => {
                    self.undeciphered += 1;
                    return;
                }
            },
        };
        let Ok(packet) = Packet::unmarshal(&mut datagram.freeze()) else { return };
        self.sources.insert(from);
        self.last_packet = Some(Instant::now());
        self.payload_types.insert(packet.header.payload_type);
        let all = |decode: fn(u8) -> i16| packet.payload.iter().map(|octet| decode(*octet)).collect();
        let own = self.codec.as_mut().filter(|codec| codec.format().number == packet.header.payload_type);
        let samples: Vec<i16> = match (own, packet.header.payload_type) {
            (Some(codec), _) => codec.decode(&packet.payload),
            (None, PCMU) => all(sound::decode),
            (None, PCMA) => all(sound::decode_a),
            (None, EVENTS) => return self.take_event(packet.header.timestamp, &packet.payload),
            _ => return,
        };
        if sound::is_loud(&samples) {
            self.last_loud = Some(Instant::now());
        }
        self.samples.extend(samples);
        while self.samples.len() > 10 * sound::FRAME {
            self.samples.pop_front();
        }
    }

    /// All packets of one event have its first timestamp (RFC 4733 §2.5.1.2).
    fn take_event(&mut self, timestamp: u32, payload: &[u8]) {
        if self.last_event != Some(timestamp) {
            self.last_event = Some(timestamp);
            let event = payload.first().map(|event| usize::from(*event));
            self.digits.extend(event.and_then(|event| "0123456789*#ABCD".chars().nth(event)));
        }
    }
}

/// Generates the sent packets, 50 per second.
struct Sender {
    header: Header,
    /// The digit being sent, the number of its packets so far, and its timestamp.
    event: Option<(u8, u16, u32)>,
    frames: u64,
}

impl Sender {
    fn next(&mut self, state: &mut State) -> Option<(SocketAddr, Vec<u8>)> {
        let target = state.target?;
        self.frames += 1;
        #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap around")]
        let now = (self.frames * sound::FRAME as u64) as u32;
        if self.event.is_none() {
            self.event = state.digits_to_send.pop_front().map(|digit| (digit, 0, now));
        }
        let payload = match self.event {
            Some((digit, packets, began)) => {
                // 100 ms, then the end three times (RFC 4733 §2.5.1.4).
                let duration = 160 * (packets.min(4) + 1);
                let [high, low] = duration.to_be_bytes();
                let end = if packets >= 5 { 0x80 } else { 0 };
                self.event = (packets < 7).then_some((digit, packets + 1, began));
                (self.header.payload_type, self.header.timestamp) = (EVENTS, began);
                vec![digit, end | 10, high, low]
            }
            None if state.silent => return None,
            None if state.codec.is_some() => {
                let codec = state.codec.as_mut()?;
                #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap around")]
                let timestamp = (self.frames * u64::from(codec.units())) as u32;
                (self.header.payload_type, self.header.timestamp) = (codec.format().number, timestamp);
                codec.tone(state.hz)
            }
            None => {
                (self.header.payload_type, self.header.timestamp) = (state.sends_as, now);
                let tone = sound::tone(state.hz, self.frames * sound::FRAME as u64);
                match state.sends_as {
                    PCMA => tone.into_iter().map(|octet| sound::encode_a(sound::decode(octet))).collect(),
                    _ => tone,
                }
            }
        };
        self.header.sequence_number = self.header.sequence_number.wrapping_add(1);
        let packet = Packet { header: self.header.clone(), payload: payload.into() };
        let plain = packet.marshal().expect("a packet");
        let sent = match &mut state.lock {
            None => plain.to_vec(),
            Some(context) => context.encrypt_rtp(&plain).expect("a packet is encrypted").to_vec(),
        };
        Some((target, sent))
    }
}

async fn run(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut frames = tokio::time::interval(Duration::from_millis(20));
    let header = Header { version: 2, ssrc: crate::peer::unique(), ..Header::default() };
    let mut sender = Sender { header, event: None, frames: 0 };
    let mut buffer = vec![0; 2048];
    loop {
        tokio::select! {
            _ = frames.tick() => {
                let next = sender.next(&mut state.lock().expect("no reader panicked"));
                if let Some((target, packet)) = next {
                    let _ = socket.send_to(&packet, target).await;
                }
            }
            received = socket.recv_from(&mut buffer) => {
                let Ok((length, from)) = received else { continue };
                let datagram = buffer.get(..length).unwrap_or_default();
                state.lock().expect("no reader panicked").take(datagram, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PCMA, ProtectionProfile, RtpEndpoint, context};
    use std::net::{Ipv4Addr, SocketAddr};

    #[tokio::test]
    async fn endpoints_exchange_tones_plain_and_encrypted() {
        for profile in [None, Some(ProtectionProfile::Aes128CmHmacSha1_80), Some(ProtectionProfile::AeadAes128Gcm)] {
            let (near, far) = (RtpEndpoint::start(440.0).await, RtpEndpoint::start(880.0).await);
            if let Some(profile) = profile {
                near.encrypt(context(1, profile), context(2, profile));
                far.encrypt(context(2, profile), context(1, profile));
            }
            far.send_as(PCMA);
            near.send_to(SocketAddr::from((Ipv4Addr::LOCALHOST, far.port())));
            far.send_to(SocketAddr::from((Ipv4Addr::LOCALHOST, near.port())));
            near.receives_tone(880.0).await;
            far.receives_tone(440.0).await;
            near.press("1*D");
            far.receives_digits("1*D").await;
            far.be_silent(true);
            near.receives_silence().await;
        }
    }
}
