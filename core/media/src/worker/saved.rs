//! A worker that outlives its process: calls in progress go on in the next one.

use super::{Worker, WorkerConfig};
use crate::bridge::routes;
use crate::command::LegKey;
use crate::identity::{DtlsIdentity, SavedIdentity};
use crate::leg::{Leg, Partner, SavedLeg};
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
        let keys = self.legs.keys();
        let legs = keys.into_iter().filter_map(|key| self.legs.remove(key));
        let legs = legs.map(|(_, leg)| leg.save(key, &mut self.rng)).collect();
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
        let mut bridged = Vec::new();
        for leg in saved.legs {
            bridged.extend(leg.partner().map(|partner| (leg.key(), partner)));
            let index = worker.legs.next_index();
            let ports = worker.bind(index, &leg.locals());
            let leg = Leg::restore(leg, &ports, worker.rules(), key, now)?;
            worker.fragments.extend(leg.ufrag().map(|ufrag| (ufrag.to_owned(), leg.key)));
            leg.pairs().iter().for_each(|pair| worker.pairs.insert(*pair, index));
            worker.legs.insert(leg);
        }
        for (key, partner) in bridged {
            worker.restore_routes(key, partner);
        }
        for key in worker.legs.keys() {
            worker.settle(key, now);
        }
        Ok(worker)
    }

    /// The routes into a restored leg, as they were.
    fn restore_routes(&mut self, key: LegKey, partner: LegKey) {
        let (Some(leg), Some(sender)) = (self.legs.get(key), self.legs.get(partner)) else { return };
        let Some(at) = self.legs.index_of(partner) else { return };
        let routes = routes(partner, &sender.incoming(), &leg.outgoing());
        if let Some(leg) = self.legs.get_mut(key) {
            leg.restore_routes(Partner::Here { key: partner, at }, routes);
        }
    }
}
