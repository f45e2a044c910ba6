//! A leg that outlives its process.

use super::source::{DigitLimit, Source};
use super::stream::MediaStream;
use super::{Handshake, Leg, Phase, Timeouts};
use crate::command::{LegKey, RemoteTransport};
use crate::ice::agent::LiteAgent;
use crate::seal::{SealingKey, Unsealable};
use crate::transport::srtp::{Inbound, Outbound, SavedInbound, SavedOutbound};
use offhook_clock::Time;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SavedPhase {
    Open,
    /// In whatever state the handshake was: it cannot be saved, and begins anew.
    Connecting {
        remote: RemoteTransport,
        give_up_at: Time,
    },
    Connected {
        inbound: SavedInbound,
        outbound: SavedOutbound,
    },
}

/// A [`Leg`], saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedLeg {
    key: LegKey,
    agent: LiteAgent,
    phase: SavedPhase,
    cname: String,
    streams: Vec<MediaStream>,
    sources: BTreeMap<u32, Source>,
    digit_limit: DigitLimit,
    partner: Option<LegKey>,
    heard_at: Time,
    report_at: Option<Time>,
}

impl Leg {
    pub(crate) fn save(self, key: &SealingKey, rng: &mut impl Rng) -> SavedLeg {
        let name = seal_name(self.key);
        let phase = match self.phase {
            Phase::Open { .. } => SavedPhase::Open,
            Phase::Connecting { remote, give_up_at, .. } => SavedPhase::Connecting { remote, give_up_at },
            Phase::Connected { srtp, .. } => {
                SavedPhase::Connected { inbound: srtp.0.save(&name, key, rng), outbound: srtp.1.save(&name, key, rng) }
            }
        };
        SavedLeg {
            key: self.key,
            agent: self.agent,
            phase,
            cname: self.cname,
            streams: self.streams,
            sources: self.sources,
            digit_limit: self.digit_limit,
            partner: self.partner,
            heard_at: self.heard_at,
            report_at: self.report_at,
        }
    }

    /// The leg again, heard of just now: nobody is silent because the relay was away.
    pub(crate) fn restore(
        saved: SavedLeg,
        timeouts: Timeouts,
        key: &SealingKey,
        now: Time,
    ) -> Result<Self, Unsealable> {
        let name = seal_name(saved.key);
        let phase = match saved.phase {
            SavedPhase::Open => Phase::Open { early: Vec::new() },
            SavedPhase::Connecting { remote, give_up_at } => {
                let give_up_at = give_up_at.max(now + timeouts.connect);
                Phase::Connecting { remote, give_up_at, handshake: Handshake::Waiting { early: Vec::new() } }
            }
            SavedPhase::Connected { inbound, outbound } => {
                let srtp = (Inbound::restore(inbound, &name, key)?, Outbound::restore(outbound, &name, key)?);
                Phase::Connected { dtls: None, srtp: Box::new(srtp) }
            }
        };
        Ok(Self {
            key: saved.key,
            agent: saved.agent,
            phase,
            timeouts,
            cname: saved.cname,
            streams: saved.streams.into_iter().map(MediaStream::restored).collect(),
            sources: saved.sources,
            digit_limit: saved.digit_limit,
            partner: saved.partner,
            has_just_connected: false,
            heard_at: saved.heard_at.max(now),
            report_at: saved.report_at,
            ended: None,
            armed: None,
        })
    }
}

fn seal_name(leg: LegKey) -> String {
    format!("leg {}", leg.0)
}
