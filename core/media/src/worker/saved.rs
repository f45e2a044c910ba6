//! Saving a worker and restoring it in another process, where the calls in progress continue.
//!
//! Bridges between two legs of the worker are restored. A bridge to a leg of another worker is not: the other worker is saved
//! separately, and the places of its legs are not known. The restored leg has no partner, and its media are dropped until
//! [`Command::BridgeAcross`](crate::command::Command::BridgeAcross) has been given for both legs again.

use super::{Worker, WorkerConfig};
use crate::identity::{DtlsIdentity, SavedIdentity};
use crate::leg::{Leg, Partner, SavedLeg};
use crate::seal::{SealingKey, Unsealable};
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// A [`Worker`] in saved form. Its keys are sealed; the rest is plain.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedWorker {
    identity: SavedIdentity,
    legs: Vec<SavedLeg>,
}

impl SavedWorker {
    /// Returns the certificate that the descriptions of the saved legs announce, for the configuration of the new
    /// worker.
    ///
    /// # Errors
    ///
    /// If `key` is not the key with which it was sealed.
    pub fn identity(&self, key: &SealingKey) -> Result<DtlsIdentity, Unsealable> {
        self.identity.open(key)
    }
}

impl Worker {
    /// Saves all legs for another process. The worker is consumed, because a packet sent afterwards would use an SRTP
    /// index that the new process uses again, which SRTP forbids (RFC 3711 §9.1). Its outputs must have been polled
    /// before ([`Worker::poll_output`]).
    #[must_use]
    pub fn save(mut self, key: &SealingKey) -> SavedWorker {
        let identity = self.config.identity.save(key, &mut self.rng);
        let keys = self.legs.keys();
        let legs = keys.into_iter().filter_map(|key| self.legs.remove(key));
        let legs = legs.map(|(_, leg)| leg.save(key, &mut self.rng)).collect();
        SavedWorker { identity, legs }
    }

    /// Restores a worker, with a new secret `seed`. Connected legs continue; interrupted handshakes start again with
    /// the full time to connect. Media timeouts count from `now`. The sockets of SIP legs are requested again
    /// ([`Output::Bind`](super::Output::Bind)).
    ///
    /// # Errors
    ///
    /// If `key` is not the key with which it was sealed.
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
            let at = worker.legs.index_of(partner);
            if let (Some(leg), Some(at)) = (worker.legs.get_mut(key), at) {
                leg.partner = Some(Partner::Here { key: partner, at });
                worker.restore_routes(partner, key);
            }
        }
        for key in worker.legs.keys() {
            worker.settle(key, now);
        }
        Ok(worker)
    }
}
