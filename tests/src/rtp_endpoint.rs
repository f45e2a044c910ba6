//! The media of a SIP phone that has no signaling of its own: a tone out, an ear for what comes in, plain or by SDES.
//! The SIP side is a scenario of [`crate::sipp`].

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

/// PCMU's number (RFC 3551).
pub const PCMU: u8 = 0;
/// PCMA's.
pub const PCMA: u8 = 8;
/// The number the scenarios give to telephone-event.
pub const EVENTS: u8 = 101;

/// A key of SDES (RFC 4568) for tests: 16 octets of key and 14 of salt, all alike. 12 of salt with GCM (RFC 7714).
#[must_use]
pub fn context(octet: u8, profile: ProtectionProfile) -> Context {
    let (key, salt) = (vec![octet; profile.key_len()], vec![octet; profile.salt_len()]);
    Context::new(&key, &salt, profile, None, None, &AwsLcRsCrypto).expect("a key")
}

/// What comes in and what goes out.
#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    hz: f32,
    sends_as: u8,
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

/// One phone's socket for audio.
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
    /// One that will send a tone of `hz` as PCMU, as soon as it knows where to.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn start(hz: f32) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { hz, ..State::default() }));
        let task = tokio::spawn(run(socket, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Its port, for the session description.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on it sends to this address.
    pub fn send_to(&self, target: SocketAddr) {
        self.state().target = Some(target);
    }

    /// Where it sends.
    ///
    /// # Panics
    /// When it does not know.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.state().target.expect("a target")
    }

    /// From now on it sends under this number: [`PCMU`] or [`PCMA`].
    pub fn send_as(&self, payload_type: u8) {
        self.state().sends_as = payload_type;
    }

    /// From now on it sends nothing, or its tone again.
    pub fn be_silent(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// Encrypts what it sends and decrypts what it gets.
    pub fn encrypt(&self, ours: Context, theirs: Context) {
        let mut state = self.state();
        (state.lock, state.unlock) = (Some(ours), Some(theirs));
    }

    /// Presses keys, by RFC 4733.
    pub fn press(&self, digits: &str) {
        let events = digits.chars().filter_map(|digit| "0123456789*#ABCD".find(digit));
        self.state().digits_to_send.extend(events.filter_map(|event| u8::try_from(event).ok()));
    }

    /// Waits until it hears this tone and no other.
    ///
    /// # Panics
    /// When it does not.
    pub async fn hears(&self, hz: f32) {
        self.state().samples.clear();
        let heard = until(|| {
            let mut state = self.state();
            let samples = state.samples.make_contiguous();
            samples.len() >= 10 * sound::FRAME && sound::share(samples, hz) > 0.8
        });
        assert!(heard.await, "the phone hears {hz} Hz; {}", self.state().summary());
    }

    /// Waits until half a second has passed in which nothing loud came in.
    ///
    /// # Panics
    /// When the sound goes on.
    pub async fn hears_nothing(&self) {
        let start = Instant::now();
        let quiet_since = |state: &State| state.last_loud.map_or(start, |last| last.max(start));
        let silent = until(|| quiet_since(&self.state()).elapsed() > Duration::from_millis(500));
        assert!(silent.await, "the sound stops; {}", self.state().summary());
    }

    /// Waits until these digits have come in as telephone-events.
    ///
    /// # Panics
    /// When they do not.
    pub async fn hears_digits(&self, digits: &str) {
        assert!(until(|| self.state().digits == digits).await, "digits {digits}; {}", self.state().summary());
    }

    /// The payload numbers that came in.
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
        // RTCP goes to the next port, where nobody listens; a peer that multiplexes is not asked for (RFC 5761 §4).
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
        let decode = match packet.header.payload_type {
            PCMU => sound::decode,
            PCMA => sound::decode_a,
            EVENTS => return self.take_event(packet.header.timestamp, &packet.payload),
            _ => return,
        };
        let samples: Vec<i16> = packet.payload.iter().map(|octet| decode(*octet)).collect();
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

/// What it sends next, 50 times a second.
struct Sender {
    header: Header,
    /// Packets of the digit that is being sent; its timestamp.
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
    async fn two_hear_each_other_plain_and_encrypted() {
        for profile in [None, Some(ProtectionProfile::Aes128CmHmacSha1_80), Some(ProtectionProfile::AeadAes128Gcm)] {
            let (near, far) = (RtpEndpoint::start(440.0).await, RtpEndpoint::start(880.0).await);
            if let Some(profile) = profile {
                near.encrypt(context(1, profile), context(2, profile));
                far.encrypt(context(2, profile), context(1, profile));
            }
            far.send_as(PCMA);
            near.send_to(SocketAddr::from((Ipv4Addr::LOCALHOST, far.port())));
            far.send_to(SocketAddr::from((Ipv4Addr::LOCALHOST, near.port())));
            near.hears(880.0).await;
            far.hears(440.0).await;
            near.press("1*D");
            far.hears_digits("1*D").await;
            far.be_silent(true);
            near.hears_nothing().await;
        }
    }
}
