//! The WebRTC transport of a leg, to a browser or a SIP peer: ICE, then DTLS, then SRTP over the nominated pair.

use crate::command::{PeerRtcp, RemoteWebRtc, Silence, TransportFailure};
use crate::ice::agent::{LiteAgent, Pair};
use crate::io::Io;
use crate::socket::Local;
use crate::transport::dtls::{DtlsOutput, DtlsSettings, DtlsTransport};
use crate::transport::rtp::SendPath;
use crate::transport::srtp::{DtlsRole, Inbound, Outbound};
use core::time::Duration;
use offhook_clock::{Time, earliest};
use offhook_sdp::webrtc::{DtlsSetup, IceCredentials};

/// The most DTLS datagrams stored until the handshake can start: two flights of a client.
const MAX_EARLY: usize = 8;

pub(super) type Srtp = Box<(Inbound, Outbound)>;

#[derive(Debug)]
pub(super) enum Phase {
    Open {
        early: Vec<Vec<u8>>,
    },
    Connecting {
        remote: RemoteWebRtc,
        give_up_at: Time,
        handshake: Handshake,
    },
    /// `dtls` is `None` if the leg was restored: the keys are saved, the association is not.
    Connected {
        remote: RemoteWebRtc,
        dtls: Option<DtlsTransport>,
        srtp: Srtp,
    },
}

#[derive(Debug)]
pub(super) enum Handshake {
    /// There is no pair for the handshake yet.
    Waiting {
        early: Vec<Vec<u8>>,
    },
    Running(DtlsTransport),
    /// The handshake is complete, but no pair is nominated yet.
    Done(DtlsTransport, Srtp),
}

/// A change of the transport that the leg must handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransportChange {
    Connected,
    Failed(TransportFailure),
}

/// The WebRTC transport of a leg.
#[derive(Debug)]
pub(super) struct WebRtc {
    pub(super) agent: LiteAgent,
    pub(super) phase: Phase,
}

impl WebRtc {
    pub(super) const fn new(ice: IceCredentials) -> Self {
        Self { agent: LiteAgent::new(ice), phase: Phase::Open { early: Vec::new() } }
    }

    #[cfg(test)]
    pub(super) const fn phase_name(&self) -> &'static str {
        match &self.phase {
            Phase::Open { .. } => "open",
            Phase::Connecting { handshake: Handshake::Waiting { .. }, .. } => "waiting for a pair",
            Phase::Connecting { handshake: Handshake::Running(_), .. } => "handshake",
            Phase::Connecting { handshake: Handshake::Done(..), .. } => "keys without a nominated pair",
            Phase::Connected { dtls: Some(_), .. } => "connected",
            Phase::Connected { dtls: None, .. } => "restored",
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// The peer's parameters, once it is described.
    pub(super) const fn remote(&self) -> Option<&RemoteWebRtc> {
        match &self.phase {
            Phase::Open { .. } => None,
            Phase::Connecting { remote, .. } | Phase::Connected { remote, .. } => Some(remote),
        }
    }

    /// Applies a description of the peer, the first or another one; returns whether it is allowed. A changed
    /// certificate means another endpoint: the handshake starts again.
    pub(super) fn connect(&mut self, described: RemoteWebRtc, give_up_at: Time) -> bool {
        let early = match &mut self.phase {
            Phase::Open { early } => core::mem::take(early),
            Phase::Connecting { remote, .. } | Phase::Connected { remote, .. } => {
                if !remote.endpoint.accepts_new_description() {
                    return false;
                }
                if remote.fingerprint == described.fingerprint {
                    *remote = described;
                    return true;
                }
                self.agent.mark_outdated();
                Vec::new()
            }
        };
        self.phase = Phase::Connecting { remote: described, give_up_at, handshake: Handshake::Waiting { early } };
        true
    }

    /// Whether the leg ends if the peer is silent. A peer that sends no consent checks is expected to send only if its
    /// description announces media.
    pub(super) fn ends_by_silence(&self, silence: Silence, is_announced: bool) -> bool {
        let Phase::Connected { remote, .. } = &self.phase else { return false };
        remote.endpoint.sends_consent_checks() || (silence == Silence::EndsLeg && is_announced)
    }

    /// The socket, address and context for sending RTCP.
    pub(super) fn rtcp_path(&mut self) -> Option<SendPath<'_>> {
        let is_supported = self.remote().is_some_and(|remote| remote.rtcp == PeerRtcp::Muxed);
        self.rtp_path().filter(|_| is_supported)
    }

    /// The pair that is used for sending. For a peer that may never nominate one, it is the pair nominated since the
    /// last ICE restart or change of the endpoint, else the last checked pair. The certificate authenticates the peer.
    fn pair(&self) -> Option<Pair> {
        let nominates = self.remote().is_none_or(|remote| remote.endpoint.nominates());
        if nominates { self.agent.nominated() } else { self.agent.preferred() }
    }

    /// The socket, address and context for sending media, once there are keys and a usable pair.
    pub(super) fn rtp_path(&mut self) -> Option<SendPath<'_>> {
        let pair = self.pair()?;
        let Phase::Connected { srtp, .. } = &mut self.phase else { return None };
        Some(SendPath { local: Local::Shared(pair.local), remote: pair.remote, srtp: Some(&mut srtp.1) })
    }

    /// The context for received media.
    pub(super) fn inbound(&mut self) -> Option<&mut Inbound> {
        let Phase::Connected { srtp, .. } = &mut self.phase else { return None };
        Some(&mut srtp.0)
    }

    /// Processes a DTLS datagram from a pair of this leg.
    pub(super) fn receive_dtls(&mut self, packet: &[u8], io: &mut Io, now: Time) {
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

    /// Starts the handshake when possible and sends its datagrams; to be called after every input.
    pub(super) fn advance(&mut self, settings: &DtlsSettings, io: &mut Io, now: Time) -> Option<TransportChange> {
        self.begin_handshake(settings, now);
        if let Some(failure) = self.drain_dtls(io) {
            return Some(TransportChange::Failed(failure));
        }
        if self.pair().is_some() && matches!(&self.phase, Phase::Connecting { handshake: Handshake::Done(..), .. }) {
            let phase = core::mem::replace(&mut self.phase, Phase::Open { early: Vec::new() });
            if let Phase::Connecting { remote, handshake: Handshake::Done(dtls, srtp), .. } = phase {
                self.phase = Phase::Connected { remote, dtls: Some(dtls), srtp };
                return Some(TransportChange::Connected);
            }
        }
        None
    }

    fn begin_handshake(&mut self, settings: &DtlsSettings, now: Time) {
        let can_send = self.pair().is_some();
        let Phase::Connecting { remote, handshake, .. } = &mut self.phase else { return };
        let Handshake::Waiting { early } = handshake else { return };
        // The relay takes the opposite of the peer's role. A peer that offers `actpass` is active, because the relay
        // answers with `passive`.
        let role = match remote.setup {
            DtlsSetup::Active | DtlsSetup::ActPass => DtlsRole::Server,
            DtlsSetup::Passive => DtlsRole::Client,
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

    fn drain_dtls(&mut self, io: &mut Io) -> Option<TransportFailure> {
        let pair = self.pair().or_else(|| self.agent.pairs().last().copied());
        let mut failed = None;
        loop {
            let (Phase::Connecting { handshake: Handshake::Running(dtls) | Handshake::Done(dtls, _), .. }
            | Phase::Connected { dtls: Some(dtls), .. }) = &mut self.phase
            else {
                return failed;
            };
            let mut buffer = io.buffer();
            match (dtls.poll(&mut buffer), pair) {
                (Some(DtlsOutput::Transmit), Some(pair)) => {
                    io.transmit(Local::Shared(pair.local), pair.remote, buffer);
                    continue;
                }
                (Some(DtlsOutput::Connected(srtp)), _) => self.keep_keys(srtp),
                (Some(DtlsOutput::Failed(failure)), _) => failed = Some(failure),
                (Some(DtlsOutput::Transmit | DtlsOutput::Closed), _) => {}
                (None, _) => {
                    io.recycle(buffer);
                    return failed;
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

    /// Sends close_notify.
    pub(super) fn close(&mut self, io: &mut Io) {
        if let Phase::Connected { dtls: Some(dtls), .. }
        | Phase::Connecting { handshake: Handshake::Done(dtls, _) | Handshake::Running(dtls), .. } = &mut self.phase
        {
            dtls.close();
        }
        // A failure does not matter, because the leg is closed anyway.
        let _ = self.drain_dtls(io);
    }

    /// Handles timeouts that are due; returns the failure if the time to connect is over.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<TransportFailure> {
        match &mut self.phase {
            Phase::Connecting { give_up_at, .. } if *give_up_at <= now => {
                let is_checked = self.pair().is_some();
                Some(if is_checked { TransportFailure::DtlsTimeout } else { TransportFailure::IceTimeout })
            }
            Phase::Connecting { handshake: Handshake::Running(dtls), .. }
            | Phase::Connected { dtls: Some(dtls), .. } => {
                if dtls.poll_timeout().is_some_and(|due| due <= now) {
                    dtls.handle_timeout(now);
                }
                None
            }
            Phase::Open { .. } | Phase::Connecting { .. } | Phase::Connected { .. } => None,
        }
    }

    /// The time at which [`WebRtc::handle_timeout`] must be called.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match &self.phase {
            Phase::Open { .. } => None,
            Phase::Connecting { give_up_at, handshake, .. } => match handshake {
                Handshake::Running(dtls) => earliest(Some(*give_up_at), dtls.poll_timeout()),
                Handshake::Waiting { .. } | Handshake::Done(..) => Some(*give_up_at),
            },
            Phase::Connected { dtls, .. } => dtls.as_ref().and_then(DtlsTransport::poll_timeout),
        }
    }

    /// Gives an interrupted handshake the full time to connect again.
    pub(super) fn prolong(&mut self, now: Time, connect: Duration) {
        if let Phase::Connecting { give_up_at, .. } = &mut self.phase {
            *give_up_at = (*give_up_at).max(now + connect);
        }
    }
}
