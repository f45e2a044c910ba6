//! One browser's leg: ICE, DTLS, then media.
//!
//! ```text
//!       ConnectLeg             nominated pair and DTLS keys
//! Open ───────────▶ Connecting ────────────────────────────▶ Connected ── media_timeout ──▶ LegDead
//!                       └── connect_timeout, refusal ──▶ LegFailed
//! ```
//!
//! A close_notify of the browser means that no more media will come; the leg stays until signaling ends it or its silence
//! makes it dead. A leg can be saved in every phase: connected, it goes on with its keys; in mid-handshake, the handshake
//! begins anew. What each phase makes of each input stands in `worker/tests/table.txt`.

mod cache;
mod control;
mod media;
mod saved;
mod source;
mod stream;

pub(crate) use saved::SavedLeg;

use crate::bridge::Route;
use crate::command::{Event, LegKey, RemoteTransport, Stream, TransportFailure};
use crate::ice::agent::{Checked, LiteAgent, Pair};
use crate::ice::stun::Request;
use crate::io::Io;
use crate::transport::dtls::{DtlsOutput, DtlsSettings, DtlsTransport};
use crate::transport::srtp::{DtlsRole, Inbound, Outbound};
use core::time::Duration;
use offhook_clock::{Time, earliest};
use offhook_sdp::webrtc::{IceCredentials, Setup};
use rand_core::Rng;
use source::{DigitLimit, Source};
use std::collections::BTreeMap;
use stream::MediaStream;

/// DTLS datagrams kept until the browser's fingerprint is known: two flights of a client.
const MAX_EARLY: usize = 8;

/// Durations a leg goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) media: Duration,
}

#[derive(Debug)]
enum Phase {
    Open {
        early: Vec<Vec<u8>>,
    },
    Connecting {
        remote: RemoteTransport,
        give_up_at: Time,
        handshake: Handshake,
    },
    /// Without DTLS where the leg was restored: its keys outlive the association.
    Connected {
        dtls: Option<DtlsTransport>,
        srtp: Srtp,
    },
}

#[derive(Debug)]
enum Handshake {
    /// No pair is known yet on which it could go.
    Waiting {
        early: Vec<Vec<u8>>,
    },
    Running(DtlsTransport),
    /// Done, but no pair is nominated yet.
    Done(DtlsTransport, Srtp),
}

type Srtp = Box<(Inbound, Outbound)>;

/// How a leg ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Failed(TransportFailure),
    Dead,
}

/// A leg.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) key: LegKey,
    agent: LiteAgent,
    phase: Phase,
    timeouts: Timeouts,
    cname: String,
    pub(crate) streams: Vec<MediaStream>,
    sources: BTreeMap<u32, Source>,
    digit_limit: DigitLimit,
    /// The leg it is bridged with.
    pub(crate) partner: Option<LegKey>,
    /// Whether a key frame request for everybody is wanted: the leg has just come up.
    pub(crate) has_just_connected: bool,
    heard_at: Time,
    report_at: Option<Time>,
    pub(crate) ended: Option<Ended>,
    /// When the worker looks after it next.
    pub(crate) armed: Option<Time>,
}

impl Leg {
    pub(crate) fn new(key: LegKey, ice: IceCredentials, timeouts: Timeouts, now: Time) -> Self {
        Self {
            key,
            // The relay's descriptions give the same name.
            cname: ice.ufrag.clone(),
            agent: LiteAgent::new(ice),
            phase: Phase::Open { early: Vec::new() },
            timeouts,
            streams: Vec::new(),
            sources: BTreeMap::new(),
            digit_limit: DigitLimit::default(),
            partner: None,
            has_just_connected: false,
            heard_at: now,
            report_at: None,
            ended: None,
            armed: None,
        }
    }

    pub(crate) fn ufrag(&self) -> &str {
        self.agent.ufrag()
    }

    pub(crate) fn pairs(&self) -> &[Pair] {
        self.agent.pairs()
    }

    pub(crate) fn negotiated(&self) -> Vec<Stream> {
        self.streams.iter().map(|stream| stream.negotiated.clone()).collect()
    }

    #[cfg(test)]
    pub(crate) const fn phase_name(&self) -> &'static str {
        match &self.phase {
            Phase::Open { .. } => "open",
            Phase::Connecting { handshake: Handshake::Waiting { .. }, .. } => "waiting for a pair",
            Phase::Connecting { handshake: Handshake::Running(_), .. } => "handshake",
            Phase::Connecting { handshake: Handshake::Done(..), .. } => "keys without a nominated pair",
            Phase::Connected { dtls: Some(_), .. } => "connected",
            Phase::Connected { dtls: None, .. } => "restored",
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// ConnectLeg. The sequence and timestamp spaces begin anywhere.
    pub(crate) fn connect(&mut self, remote: RemoteTransport, streams: Vec<Stream>, rng: &mut impl Rng, now: Time) {
        let Phase::Open { early } = &mut self.phase else { return };
        let handshake = Handshake::Waiting { early: core::mem::take(early) };
        self.phase = Phase::Connecting { remote, give_up_at: now + self.timeouts.connect, handshake };
        for (index, stream) in streams.iter().enumerate() {
            for ssrc in stream.remote.ssrcs.iter().take(media::MAX_SOURCES) {
                self.sources.insert(*ssrc, Source::new(index));
            }
        }
        let start = |stream| {
            let start = rng.next_u64().to_be_bytes();
            let [s0, s1, t0, t1, t2, t3, ..] = start;
            MediaStream::new(stream, u16::from_be_bytes([s0, s1]), u32::from_be_bytes([t0, t1, t2, t3]))
        };
        self.streams = streams.into_iter().map(start).collect();
    }

    /// Answers a connectivity check; which pairs are this leg's may have changed.
    pub(crate) fn check(&mut self, request: &Request<'_>, pair: Pair, io: &mut Io, now: Time) -> Checked {
        let mut response = io.buffer();
        let checked = self.agent.check(request, pair, now, &mut response);
        io.transmit(pair, response);
        match checked {
            Checked::Refused => io.counters.dropped.bad_credentials += 1,
            Checked::Valid { .. } => {
                io.counters.stun_checks += 1;
                self.heard_at = now;
            }
        }
        checked
    }

    /// Takes a DTLS datagram that came from a pair of this leg.
    pub(crate) fn receive_dtls(&mut self, packet: &[u8], io: &mut Io, now: Time) {
        match &mut self.phase {
            Phase::Open { early } | Phase::Connecting { handshake: Handshake::Waiting { early }, .. } => {
                if early.len() < MAX_EARLY {
                    early.push(packet.to_vec());
                } else {
                    io.counters.dropped.early_dtls += 1;
                }
            }
            Phase::Connecting { handshake: Handshake::Running(dtls) | Handshake::Done(dtls, _), .. }
            | Phase::Connected { dtls: Some(dtls), .. } => dtls.handle_packet(packet, now),
            Phase::Connected { dtls: None, .. } => io.counters.dropped.no_association += 1,
        }
    }

    /// Begins what can begin and sends what the handshake has to say. To be called after anything happened.
    pub(crate) fn advance(&mut self, settings: &DtlsSettings, io: &mut Io, now: Time) {
        self.begin_handshake(settings, now);
        self.drain_dtls(io);
        let is_nominated = self.agent.nominated().is_some();
        if is_nominated && matches!(&self.phase, Phase::Connecting { handshake: Handshake::Done(..), .. }) {
            let phase = core::mem::replace(&mut self.phase, Phase::Open { early: Vec::new() });
            if let Phase::Connecting { handshake: Handshake::Done(dtls, srtp), .. } = phase {
                self.phase = Phase::Connected { dtls: Some(dtls), srtp };
                self.heard_at = now;
                self.report_at = Some(now + self.report_interval());
                self.has_just_connected = true;
                io.counters.legs_connected += 1;
                io.event(Event::LegConnected { leg: self.key });
            }
        }
    }

    fn begin_handshake(&mut self, settings: &DtlsSettings, now: Time) {
        let can_send = self.agent.nominated().is_some();
        let Phase::Connecting { remote, handshake, .. } = &mut self.phase else { return };
        let Handshake::Waiting { early } = handshake else { return };
        // The browser's role is the other one; who offers `actpass` and is answered `passive` is active.
        let role = match remote.setup {
            Setup::Active | Setup::ActPass => DtlsRole::Server,
            Setup::Passive => DtlsRole::Client,
        };
        if role == DtlsRole::Client && !can_send {
            return;
        }
        let mut dtls = DtlsTransport::new(settings, role, remote.fingerprint, now);
        for packet in early.drain(..) {
            dtls.handle_packet(&packet, now);
        }
        *handshake = Handshake::Running(dtls);
    }

    fn drain_dtls(&mut self, io: &mut Io) {
        let pair = self.agent.nominated().or_else(|| self.agent.pairs().last().copied());
        loop {
            let (Phase::Connecting { handshake: Handshake::Running(dtls) | Handshake::Done(dtls, _), .. }
            | Phase::Connected { dtls: Some(dtls), .. }) = &mut self.phase
            else {
                return;
            };
            let mut buffer = io.buffer();
            match (dtls.poll(&mut buffer), pair) {
                (Some(DtlsOutput::Transmit), Some(pair)) => {
                    io.transmit(pair, buffer);
                    continue;
                }
                (Some(DtlsOutput::Connected(srtp)), _) => self.keep_keys(srtp),
                (Some(DtlsOutput::Failed(failure)), _) => self.ended = Some(Ended::Failed(failure)),
                (Some(DtlsOutput::Transmit | DtlsOutput::Closed), _) => {}
                (None, _) => {
                    io.recycle(buffer);
                    break;
                }
            }
            io.recycle(buffer);
        }
    }

    fn keep_keys(&mut self, srtp: Srtp) {
        let Phase::Connecting { handshake, .. } = &mut self.phase else { return };
        let before = core::mem::replace(handshake, Handshake::Waiting { early: Vec::new() });
        *handshake = match before {
            Handshake::Running(dtls) => Handshake::Done(dtls, srtp),
            other => other,
        };
    }

    /// Takes the ways its streams are fed; a stream that loses its way is silent.
    pub(crate) fn set_routes(&mut self, partner: Option<LegKey>, routes: Vec<Option<Route>>) {
        self.partner = partner;
        self.keep_routes(routes);
        for stream in &mut self.streams {
            stream.rewriter.detach();
        }
    }

    /// Takes the ways its streams were fed before they were saved.
    pub(crate) fn keep_routes(&mut self, routes: Vec<Option<Route>>) {
        let mut routes = routes.into_iter();
        for stream in &mut self.streams {
            stream.route = routes.next().flatten();
        }
    }

    /// The leg is over: close_notify goes out.
    pub(crate) fn close(&mut self, io: &mut Io) {
        if let Phase::Connected { dtls: Some(dtls), .. }
        | Phase::Connecting { handshake: Handshake::Done(dtls, _) | Handshake::Running(dtls), .. } = &mut self.phase
        {
            dtls.close();
        }
        self.drain_dtls(io);
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, io: &mut Io, now: Time) {
        match &mut self.phase {
            Phase::Open { .. } => {}
            Phase::Connecting { give_up_at, .. } if *give_up_at <= now => {
                let is_checked = self.agent.nominated().is_some();
                let failure = if is_checked { TransportFailure::DtlsTimeout } else { TransportFailure::IceTimeout };
                self.ended = Some(Ended::Failed(failure));
            }
            Phase::Connecting { handshake: Handshake::Running(dtls), .. } => {
                if dtls.poll_timeout().is_some_and(|due| due <= now) {
                    dtls.handle_timeout(now);
                }
            }
            Phase::Connecting { .. } => {}
            Phase::Connected { dtls, .. } => {
                if let Some(dtls) = dtls.as_mut().filter(|dtls| dtls.poll_timeout().is_some_and(|due| due <= now)) {
                    dtls.handle_timeout(now);
                }
                if self.heard_at + self.timeouts.media <= now {
                    self.ended = Some(Ended::Dead);
                    return;
                }
                self.play_digits(io, now);
                self.send_due_control(io, now);
            }
        }
    }

    /// The next moment something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        match &self.phase {
            Phase::Open { .. } => None,
            Phase::Connecting { give_up_at, handshake, .. } => match handshake {
                Handshake::Running(dtls) => earliest(Some(*give_up_at), dtls.poll_timeout()),
                Handshake::Waiting { .. } | Handshake::Done(..) => Some(*give_up_at),
            },
            Phase::Connected { dtls, .. } => {
                let dead_at = Some(self.heard_at + self.timeouts.media);
                let sources = self.sources.values().filter_map(|source| source.key_frames.poll_timeout()).min();
                let digits = self.streams.iter().filter_map(|stream| stream.player.poll_timeout()).min();
                let own =
                    earliest(earliest(dead_at, dtls.as_ref().and_then(DtlsTransport::poll_timeout)), self.report_at);
                earliest(own, earliest(sources, digits))
            }
        }
    }
}
