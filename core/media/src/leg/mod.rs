//! The media of one leg: transport, streams and RTCP.
//!
//! ```text
//!          Connect              nominated pair and DTLS keys
//! Open ───────────▶ Connecting ────────────────────────────▶ Connected ── media_timeout ──▶ LegDead
//!                       └── connect_timeout, refusal ──▶ LegFailed
//!
//!             Connect                                      rtp_timeout, if its direction is sendrecv
//! RTP open ───────────────▶ RTP connected ◀─┐ Connect ────────────────────────────────────▶ LegDead
//!     └── no port ──▶ LegFailed      └──────┘
//! ```
//!
//! Connect may be repeated unless the peer is a browser. It changes the streams. If the peer's certificate has changed,
//! the DTLS handshake starts again.
//!
//! After a close_notify from the browser no more media arrive; the leg remains until signaling closes it or its media
//! timeout expires. A leg can be saved in every phase: a connected leg continues with its keys, a handshake in progress
//! starts again. `worker/tests/table.txt` and `worker/tests/rtp_table.txt` list the result of every input in every
//! phase.

mod cache;
mod control;
mod graph;
mod media;
mod muting;
mod playback;
mod quality;
mod recording;
mod report;
mod rtp;
mod saved;
mod source;
mod stream;
mod transcode;
mod transport;
mod webrtc;

pub(crate) use control::{Recipient, Relayed};
pub(crate) use media::{Accepted, Arrival};
pub(crate) use playback::Playback;
pub(crate) use recording::Recorder;
pub(crate) use saved::{SavedLeg, SavedPartner};

use crate::command::{BridgeId, Event, LegKey, LocalTransport, RemoteTransport, Silence, Stream, TransportFailure};
use crate::crossing::Address;
use crate::ice::agent::{Checked, LiteAgent, Pair};
use crate::ice::stun::BindingRequest;
use crate::io::Io;
use crate::rtp::rewrite::SourceId;
use crate::socket::{Local, SectionPorts};
use crate::transport::dtls::DtlsSettings;
use crate::transport::latch::LatchRules;
use core::time::Duration;
use muting::Muting;
use offhook_clock::{Time, earliest};
use offhook_sdp::webrtc::{IceCredentials, Section};
use rand_core::Rng;
use source::{DigitLimit, Source, Sources};
use stream::MediaStream;
use transport::{ConnectError, Transport};
use webrtc::TransportChange;

/// The index of a leg in its worker's array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LegIndex(u32);

impl LegIndex {
    pub(crate) fn at(place: usize) -> Self {
        // A leg is so large that 2^32 of them do not fit into memory.
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(crate) const fn place(self) -> usize {
        self.0 as usize
    }
}

/// The other leg of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Partner {
    /// A leg of the same worker. The index is valid as long as the bridge exists.
    Here { key: LegKey, at: LegIndex },
    /// A leg of another worker.
    Across(Box<Across>),
}

/// A partner on another worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Across {
    pub(crate) bridge: BridgeId,
    pub(crate) address: Address,
    /// The sections of what its peer sends; empty until received.
    pub(crate) incoming: Vec<Section>,
}

impl Partner {
    pub(crate) const fn key(&self) -> LegKey {
        match self {
            Self::Here { key, .. } => *key,
            Self::Across(across) => across.address.leg,
        }
    }
}

/// Timeouts and address rules of a leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) connect: Duration,
    pub(crate) media: Duration,
    pub(crate) rtp: Option<Duration>,
    pub(crate) latch: LatchRules,
}

/// The reason why a leg ended without a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Failed(TransportFailure),
    Dead,
}

/// The media of one leg.
///
/// The order of the fields is their order in memory: what each packet uses comes first.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Leg {
    transport: Transport,
    pub(crate) key: LegKey,
    last_received: Time,
    pub(crate) streams: Vec<MediaStream>,
    /// Not saved: its source belongs to the process.
    playback: Option<Box<Playback>>,
    muting: Muting,
    /// Not saved: their sinks belong to the process.
    recorders: Vec<Recorder>,
    sources: Sources,
    /// The leg it is bridged with.
    pub(crate) partner: Option<Partner>,
    rules: Rules,
    cname: String,
    silence: Silence,
    digit_limit: DigitLimit,
    /// The last bridge across workers that it was part of.
    pub(crate) last_bridge: Option<BridgeId>,
    /// Whether key frames must be requested from all video senders, because the leg has just connected.
    pub(crate) has_just_connected: bool,
    report_at: Option<Time>,
    pub(crate) ended: Option<Ended>,
}

impl Leg {
    /// Creates a leg. `ports` are the sockets of its media sections, if it uses RTP.
    pub(crate) fn open(key: LegKey, local: LocalTransport, ports: &[SectionPorts], rules: Rules, now: Time) -> Self {
        let (transport, cname) = Transport::open(local, ports, &rules);
        Self {
            key,
            transport,
            rules,
            cname,
            silence: Silence::Tolerated,
            streams: Vec::new(),
            sources: Sources::default(),
            digit_limit: DigitLimit::default(),
            muting: Muting::default(),
            playback: None,
            recorders: Vec::new(),
            partner: None,
            last_bridge: None,
            has_just_connected: false,
            last_received: now,
            report_at: None,
            ended: None,
        }
    }

    /// Whether media can flow.
    pub(crate) const fn is_connected(&self) -> bool {
        self.transport.is_connected()
    }

    /// The local user name fragment, if the leg uses ICE.
    pub(crate) fn ufrag(&self) -> Option<&str> {
        self.transport.agent().map(LiteAgent::ufrag)
    }

    /// The address pairs that ICE has checked.
    pub(crate) fn pairs(&self) -> &[Pair] {
        self.transport.pairs()
    }

    /// The sockets that belong to the leg, by section.
    pub(crate) fn ports(&self) -> Vec<SectionPorts> {
        self.transport.ports()
    }

    /// The key of the leg it is bridged with.
    pub(crate) fn partner_key(&self) -> Option<LegKey> {
        self.partner.as_ref().map(Partner::key)
    }

    /// The sections of the media that the peer sends.
    pub(crate) fn incoming(&self) -> Vec<Section> {
        self.streams.iter().map(MediaStream::incoming).collect()
    }

    /// The sections of the media that the peer receives.
    pub(crate) fn outgoing(&self) -> Vec<Section> {
        self.streams.iter().map(|stream| stream.negotiated.remote.clone()).collect()
    }

    #[cfg(test)]
    pub(crate) const fn phase_name(&self) -> &'static str {
        self.transport.phase_name()
    }

    #[cfg(test)]
    pub(crate) fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// Applies a description of the peer, the first or another one; returns whether it is allowed. Existing streams
    /// continue with their sequence numbers and timestamps.
    pub(crate) fn connect(
        &mut self,
        remote: RemoteTransport,
        mut streams: Vec<Stream>,
        silence: Silence,
        rng: &mut impl Rng,
        now: Time,
    ) -> bool {
        match self.transport.connect(remote, streams.len(), &self.rules, now) {
            Ok(()) => {}
            Err(ConnectError::NotAllowed) => return false,
            Err(ConnectError::Failed(failure)) => {
                self.ended = Some(Ended::Failed(failure));
                return true;
            }
        }
        for stream in &mut streams {
            self.transport.restrict(&mut stream.remote);
        }
        self.silence = silence;
        self.add_announced_sources(&streams, now);
        self.update_streams(streams, rng);
        self.describe_recorded();
        self.last_received = now;
        self.has_just_connected = self.transport.is_connected();
        if self.has_just_connected {
            self.report_at = self.report_at.or_else(|| Some(self.next_report(rng, now)));
        }
        true
    }

    /// Assigns announced SSRCs to their streams.
    fn add_announced_sources(&mut self, streams: &[Stream], now: Time) {
        let announced = streams
            .iter()
            .enumerate()
            .flat_map(|(index, stream)| stream.remote.ssrcs.iter().map(move |ssrc| (index, SourceId::new(0, *ssrc))));
        for (index, id) in announced.take(media::MAX_SOURCES) {
            if self.sources.get(id).is_some() || self.make_room() {
                let source = self.sources.find_or_insert(id, || Source::new(index, now));
                (source.stream, source.named_at) = (index, now);
            }
        }
    }

    /// Executes RestartIce; returns whether it was allowed.
    pub(crate) fn restart_ice(&mut self, ice: IceCredentials) -> bool {
        self.transport.agent_mut().map(|agent| agent.restart(ice)).is_some()
    }

    /// Updates the streams by position; streams that are no longer listed become inactive.
    fn update_streams(&mut self, streams: Vec<Stream>, rng: &mut impl Rng) {
        let listed = streams.len();
        for (index, stream) in streams.into_iter().enumerate() {
            match self.streams.get_mut(index) {
                Some(known) => known.renegotiate(stream),
                None => self.streams.push(MediaStream::new(stream, rng)),
            }
        }
        for inactive in self.streams.iter_mut().skip(listed) {
            inactive.negotiated.remote.rejected = true;
        }
    }

    /// Answers a connectivity check, which may change the pairs of the leg. Returns `None` if the leg does not use ICE.
    pub(crate) fn check(
        &mut self,
        request: &BindingRequest<'_>,
        pair: Pair,
        io: &mut Io,
        now: Time,
    ) -> Option<Checked> {
        let agent = self.transport.agent_mut()?;
        let mut response = io.buffer();
        let checked = agent.check(request, pair, now, &mut response);
        io.transmit(Local::Shared(pair.local), pair.remote, response);
        match checked {
            Checked::Refused => io.counters.dropped.bad_credentials += 1,
            Checked::Valid { .. } => {
                io.counters.stun_checks += 1;
                self.last_received = now;
            }
        }
        Some(checked)
    }

    /// Processes a DTLS datagram from a pair of this leg.
    pub(crate) fn receive_dtls(&mut self, packet: &[u8], io: &mut Io, now: Time) {
        self.transport.receive_dtls(packet, io, now);
    }

    /// Advances the transport; to be called after every input.
    pub(crate) fn advance(&mut self, settings: &DtlsSettings, io: &mut Io, rng: &mut impl Rng, now: Time) {
        match self.transport.advance(settings, io, now) {
            None => {}
            Some(TransportChange::Failed(failure)) => self.ended = Some(Ended::Failed(failure)),
            Some(TransportChange::Connected) => {
                self.last_received = now;
                self.report_at = Some(self.next_report(rng, now));
                self.has_just_connected = true;
                io.counters.legs_connected += 1;
                io.event(Event::LegConnected { leg: self.key });
            }
        }
    }

    /// Ends the leg because one of its sockets cannot be opened.
    pub(crate) fn fail_to_bind(&mut self) {
        self.ended = Some(Ended::Failed(TransportFailure::NoPort));
    }

    /// Sends close_notify or BYE, because the leg is closed.
    pub(crate) fn close(&mut self, io: &mut Io, now: Time) {
        if self.transport.close(io) {
            self.send_bye(io, now);
        }
    }

    /// The time at which the leg is reported dead if nothing arrives until then; `None` if its peer may be silent.
    fn dead_at(&self) -> Option<Time> {
        let silence_limit = self.transport.silence_limit(self.silence, &self.streams, &self.rules)?;
        Some(self.last_received + silence_limit)
    }

    /// Handles the timeouts that are due.
    pub(crate) fn handle_timeout(&mut self, io: &mut Io, rng: &mut impl Rng, now: Time) {
        if let Some(failure) = self.transport.handle_timeout(now) {
            self.ended = Some(Ended::Failed(failure));
            return;
        }
        if self.dead_at().is_some_and(|at| at <= now) {
            self.ended = Some(Ended::Dead);
            return;
        }
        self.handle_recording_timeouts(io, now);
        if self.transport.is_connected() {
            self.play_digits(io, now);
            self.play_audio(io, now);
            self.play_transcoded(io, now);
            self.send_due_control(io, rng, now);
        }
    }

    /// The next deadline.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let of_transport = earliest(self.transport.poll_timeout(), self.recording_due());
        if !self.transport.is_connected() {
            return of_transport;
        }
        let sources = self.sources.iter().filter_map(|(_, source)| source.key_frames.poll_timeout()).min();
        let digits = self.streams.iter().filter_map(|stream| stream.player.poll_timeout()).min();
        let digits = earliest(digits, self.playback_due());
        let transcoded = self.streams.iter().filter_map(|stream| stream.route.as_ref()?.poll_timeout()).min();
        let of_media = earliest(sources, earliest(digits, transcoded));
        earliest(earliest(of_transport, self.dead_at()), earliest(self.report_at, of_media))
    }
}
