//! A worker that outlives its process: calls in progress go on in the next one.

use super::{Worker, WorkerConfig};
use crate::bridge::routes;
use crate::command::LegKey;
use crate::identity::{DtlsIdentity, SavedIdentity};
use crate::leg::{Leg, SavedLeg};
use crate::seal::{SealingKey, Unsealable};
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// A [`Worker`], saved. Its keys are under the seal it was saved with; the rest is plain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedWorker {
    identity: SavedIdentity,
    legs: Vec<SavedLeg>,
}

impl SavedWorker {
    /// The certificate that the saved legs' descriptions announce: the one for the configuration of the worker to come.
    ///
    /// # Errors
    ///
    /// When `key` is not the one it was saved under.
    pub fn identity(&self, key: &SealingKey) -> Result<DtlsIdentity, Unsealable> {
        self.identity.open(key)
    }
}

impl Worker {
    /// All legs, to be restored by another process. The worker is used up: a packet that it sent after this would bear
    /// numbers that are used again, and SRTP allows that for no two packets (RFC 3711 §9.1). What it has to send and to
    /// tell must have been taken ([`Worker::poll_output`]).
    #[must_use]
    pub fn save(mut self, key: &SealingKey) -> SavedWorker {
        let identity = self.config.identity.save(key, &mut self.rng);
        let legs = core::mem::take(&mut self.legs);
        let legs = legs.into_values().map(|leg| leg.save(key, &mut self.rng)).collect();
        SavedWorker { identity, legs }
    }

    /// The worker again, with a fresh secret `seed`. Connected legs go on where they were; those in mid-handshake begin
    /// it anew, and have the whole time to connect for it. Media timeouts count from `now`. The sockets of SIP legs are
    /// asked for anew ([`Output::Bind`](super::Output::Bind)).
    ///
    /// # Errors
    ///
    /// When `key` is not the one it was saved under.
    pub fn restore(
        saved: SavedWorker,
        config: &WorkerConfig,
        key: &SealingKey,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, Unsealable> {
        let config = WorkerConfig { identity: saved.identity(key)?, ..config.clone() };
        let mut worker = Self::new(config, seed, now);
        for leg in saved.legs {
            let leg = Leg::restore(leg, worker.rules(), key, now)?;
            worker.fragments.extend(leg.ufrag().map(|ufrag| (ufrag.to_owned(), leg.key)));
            worker.pairs.extend(leg.pairs().iter().map(|pair| (*pair, leg.key)));
            worker.bind(leg.key, &leg.locals());
            worker.legs.insert(leg.key, leg);
        }
        let keys: Vec<LegKey> = worker.legs.keys().copied().collect();
        for key in keys {
            worker.find_ways(key);
            worker.settle(key, now);
        }
        Ok(worker)
    }

    /// The ways into a restored leg, as they were.
    fn find_ways(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get(&key) else { return };
        let Some(partner) = leg.partner.and_then(|partner| self.legs.get(&partner)) else { return };
        let ways = routes(partner.key, &partner.incoming(), &leg.outgoing());
        if let Some(leg) = self.legs.get_mut(&key) {
            leg.keep_routes(ways);
        }
    }
}
