//! Saving a leg and restoring it in another process. The saved leg names its partner; the worker restores the bridge (see
//! [`SavedWorker`](crate::worker::SavedWorker)).

use super::muting::Muting;
use super::rtp::RtpTransport;
use super::source::{DigitLimit, Source, Sources};
use super::stream::MediaStream;
use super::transport::Transport;
use super::webrtc::{Handshake, Phase, WebRtc};
use super::{Across, Leg, Partner, Rules};
use crate::command::{BridgeId, LegKey, LocalRtp, PeerRtcp, RemoteWebRtc, Silence, WebRtcEndpoint, WorkerId};
use crate::crossing::Address;
use crate::ice::agent::LiteAgent;
use crate::ice::saved::{SavedAgent, SavedCredentials};
use crate::rtp::rewrite::SourceId;
use crate::seal::{SealingKey, Unsealable};
use crate::socket::SectionPorts;
use crate::transport::latch::LatchRules;
use crate::transport::rtp::{RtpSession, SavedSession};
use crate::transport::srtp::{Inbound, Outbound, SavedInbound, SavedOutbound};
use offhook_clock::Time;
use offhook_sdp::webrtc::{DtlsSetup, Fingerprint, Section};
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A [`RemoteWebRtc`] in saved form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRemote {
    ice: SavedCredentials,
    fingerprint: Fingerprint,
    setup: DtlsSetup,
    rtcp: PeerRtcp,
    endpoint: WebRtcEndpoint,
}

impl SavedRemote {
    fn new(remote: RemoteWebRtc, leg: &str, key: &SealingKey, rng: &mut impl Rng) -> Self {
        let RemoteWebRtc { ice, fingerprint, setup, rtcp, endpoint } = remote;
        let ice = SavedCredentials::new(ice, &format!("{leg} remote ICE"), key, rng);
        Self { ice, fingerprint, setup, rtcp, endpoint }
    }

    fn restore(self, leg: &str, key: &SealingKey) -> Result<RemoteWebRtc, Unsealable> {
        let Self { ice, fingerprint, setup, rtcp, endpoint } = self;
        let ice = ice.open(&format!("{leg} remote ICE"), key)?;
        Ok(RemoteWebRtc { ice, fingerprint, setup, rtcp, endpoint })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SavedPhase {
    Open,
    /// The state of a handshake cannot be saved: the handshake starts again.
    Connecting {
        remote: SavedRemote,
        give_up_at: Time,
    },
    Connected {
        remote: SavedRemote,
        srtp: Box<(SavedInbound, SavedOutbound)>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SavedTransport {
    WebRtc { agent: Box<SavedAgent>, phase: Box<SavedPhase> },
    Rtp { sessions: Vec<SavedSession>, is_connected: bool },
}

impl SavedTransport {
    fn new(transport: Transport, leg: LegKey, key: &SealingKey, rng: &mut impl Rng) -> Self {
        let name = seal_name(leg);
        match transport {
            Transport::WebRtc(webrtc) => {
                let WebRtc { agent, phase } = *webrtc;
                let phase = match phase {
                    Phase::Open { .. } => SavedPhase::Open,
                    Phase::Connecting { remote, give_up_at, .. } => {
                        SavedPhase::Connecting { remote: SavedRemote::new(remote, &name, key, rng), give_up_at }
                    }
                    Phase::Connected { remote, srtp, .. } => SavedPhase::Connected {
                        remote: SavedRemote::new(remote, &name, key, rng),
                        srtp: Box::new((srtp.0.save(&name, key, rng), srtp.1.save(&name, key, rng))),
                    },
                };
                let agent = agent.save(&format!("{name} local ICE"), key, rng);
                Self::WebRtc { agent: Box::new(agent), phase: Box::new(phase) }
            }
            Transport::Rtp(RtpTransport { sessions, is_connected, .. }) => {
                let sessions = sessions.iter().enumerate();
                let sessions = sessions
                    .map(|(index, session)| session.save(&format!("{name} section {index}"), key, rng))
                    .collect();
                Self::Rtp { sessions, is_connected }
            }
        }
    }

    fn restore(
        self,
        leg: LegKey,
        ports: &[SectionPorts],
        rules: LatchRules,
        key: &SealingKey,
    ) -> Result<Transport, Unsealable> {
        let name = seal_name(leg);
        match self {
            Self::WebRtc { agent, phase } => {
                let phase = match *phase {
                    SavedPhase::Open => Phase::Open { early: Vec::new() },
                    SavedPhase::Connecting { remote, give_up_at } => Phase::Connecting {
                        remote: remote.restore(&name, key)?,
                        give_up_at,
                        handshake: Handshake::Waiting { early: Vec::new() },
                    },
                    SavedPhase::Connected { remote, srtp } => {
                        let (inbound, outbound) = *srtp;
                        let srtp = (Inbound::restore(inbound, &name, key)?, Outbound::restore(outbound, &name, key)?);
                        let remote = remote.restore(&name, key)?;
                        Phase::Connected { remote, dtls: None, srtp: Box::new(srtp) }
                    }
                };
                let agent = LiteAgent::restore(*agent, &format!("{name} local ICE"), key)?;
                Ok(Transport::WebRtc(Box::new(WebRtc { agent, phase })))
            }
            Self::Rtp { sessions, is_connected } => {
                let sessions = sessions.into_iter().zip(ports).enumerate();
                let sessions = sessions
                    .map(|(index, (saved, ports))| {
                        RtpSession::restore(saved, *ports, rules, &format!("{name} section {index}"), key)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Transport::Rtp(RtpTransport::restored(sessions, is_connected)))
            }
        }
    }
}

/// The leg with which a saved leg was bridged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SavedPartner {
    /// A leg of the same worker.
    Here(LegKey),
    /// A leg of another worker, with the sections of what its peer sends.
    Across { bridge: BridgeId, worker: WorkerId, leg: LegKey, incoming: Vec<Section> },
}

impl SavedPartner {
    fn new(partner: &Partner) -> Self {
        match partner {
            Partner::Here { key, .. } => Self::Here(*key),
            Partner::Across(across) => {
                let Across { bridge, address: Address { worker, leg, .. }, incoming } = Across::clone(across);
                Self::Across { bridge, worker, leg, incoming }
            }
        }
    }
}

/// A [`Leg`] in saved form.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedLeg {
    key: LegKey,
    transport: SavedTransport,
    cname: String,
    silence: Silence,
    streams: Vec<MediaStream>,
    sources: BTreeMap<SourceId, Source>,
    digit_limit: DigitLimit,
    muting: Muting,
    partner: Option<SavedPartner>,
    last_received: Time,
    report_at: Option<Time>,
}

impl SavedLeg {
    pub(crate) const fn key(&self) -> LegKey {
        self.key
    }

    /// The leg with which it was bridged.
    pub(crate) fn partner(&self) -> Option<SavedPartner> {
        self.partner.clone()
    }

    /// The relay's addresses by section; empty for a WebRTC leg.
    pub(crate) fn locals(&self) -> Vec<LocalRtp> {
        match &self.transport {
            SavedTransport::WebRtc { .. } => Vec::new(),
            SavedTransport::Rtp { sessions, .. } => sessions.iter().map(SavedSession::local).collect(),
        }
    }
}

impl Leg {
    pub(crate) fn save(self, key: &SealingKey, rng: &mut impl Rng) -> SavedLeg {
        SavedLeg {
            key: self.key,
            transport: SavedTransport::new(self.transport, self.key, key, rng),
            cname: self.cname,
            silence: self.silence,
            streams: self.streams,
            sources: self.sources.into_map(),
            digit_limit: self.digit_limit,
            muting: self.muting,
            partner: self.partner.as_ref().map(SavedPartner::new),
            last_received: self.last_received,
            report_at: self.report_at,
        }
    }

    /// Restores a leg without a partner. Media timeouts count from `now`, because the relay received nothing in
    /// between.
    pub(crate) fn restore(
        saved: SavedLeg,
        ports: &[SectionPorts],
        rules: Rules,
        key: &SealingKey,
        now: Time,
    ) -> Result<Self, Unsealable> {
        let mut transport = saved.transport.restore(saved.key, ports, rules.latch, key)?;
        transport.prolong(now, rules.connect);
        Ok(Self {
            key: saved.key,
            transport,
            rules,
            cname: saved.cname,
            silence: saved.silence,
            streams: saved.streams.into_iter().map(MediaStream::restored).collect(),
            sources: Sources::from_map(saved.sources),
            digit_limit: saved.digit_limit,
            muting: saved.muting,
            playback: None,
            recorders: Vec::new(),
            partner: None,
            last_bridge: None,
            has_just_connected: false,
            last_received: saved.last_received.max(now),
            report_at: saved.report_at,
            ended: None,
        })
    }
}

fn seal_name(leg: LegKey) -> String {
    format!("leg {}", leg.0)
}
