//! Saving a worker and restoring it in another process, where the calls in progress continue.
//!
//! Bridges are restored, also those to legs of another worker. Each worker is saved separately; a restored worker sends
//! the other one a message for each such bridge, and the bridge continues when both are restored.

use super::{Worker, WorkerConfig};
use crate::command::LegKey;
use crate::crossing::Address;
use crate::graph::route::routes;
use crate::identity::{DtlsIdentity, SavedIdentity};
use crate::leg::{Across, Leg, Partner, SavedLeg, SavedPartner};
use crate::seal::{SealingKey, Unsealable};
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// A [`Worker`] in saved form. Its keys and ICE passwords are sealed; the rest is plain.
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
            worker.restore_bridge(key, partner);
        }
        for key in worker.legs.keys() {
            worker.settle(key, now);
        }
        Ok(worker)
    }

    /// Restores a leg's side of a bridge.
    fn restore_bridge(&mut self, key: LegKey, partner: SavedPartner) {
        match partner {
            SavedPartner::Here(partner) => {
                let at = self.legs.index_of(partner);
                if let (Some(leg), Some(at)) = (self.legs.get_mut(key), at) {
                    leg.partner = Some(Partner::Here { key: partner, at });
                    self.restore_routes(partner, key);
                }
            }
            SavedPartner::Across { bridge, worker, leg: partner, incoming } => {
                let address = Address { worker, leg: partner, at: None };
                if let Some(leg) = self.legs.get_mut(key) {
                    let routes = routes(partner, &incoming, &leg.outgoing(), &self.config.codecs);
                    leg.restore_routes(routes);
                    leg.last_bridge = Some(bridge);
                    leg.partner = Some(Partner::Across(Box::new(Across { bridge, address, incoming })));
                    self.describe_across(key, true);
                }
            }
        }
    }
}
