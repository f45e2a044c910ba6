//! The media workers: selection of a worker for each call, RTP ports, and dispatch of media commands.
//!
//! A leg is opened on the worker of its call and stays there. An attended transfer between calls on two workers results
//! in a call with legs on both.

use super::Relay;
use super::port_shares::{Payer, PortShares};
use crate::call::{Call, CallKey, SessionId};
use crate::config::{Config, RtpWorker};
use crate::io::Output;
use offhook_clock::Time;
use offhook_media::command::{BridgeId, Command, WorkerId};
use offhook_media::ports::{PortPair, PortPool};
use offhook_signaling::reason::EndReason;
use serde::{Deserialize, Serialize};

/// The RTP ports of each worker, the shares of users in them, and the worker that was selected last in
/// rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MediaWorkers {
    pools: Vec<PortPool>,
    shares: PortShares,
    last: u16,
}

impl MediaWorkers {
    /// Creates a pool of the configured ports for each worker.
    pub(super) fn new(config: &Config) -> Self {
        Self { pools: pools(config).collect(), shares: PortShares::default(), last: 0 }
    }

    /// Applies another configuration. The ports of a worker stay in use only if it has the same ports as before.
    pub(super) fn configured(mut self, config: &Config) -> Self {
        let mut before = core::mem::take(&mut self.pools).into_iter();
        self.pools = pools(config).map(|pool| pool.resumed(before.next())).collect();
        self
    }

    /// Returns the next of `count` workers in rotation.
    fn next(&mut self, count: usize) -> WorkerId {
        self.last = (self.last + 1) % u16::try_from(count).unwrap_or(u16::MAX).max(1);
        WorkerId(self.last)
    }

    /// Resets the rotation, so that the second worker is the next one.
    #[cfg(test)]
    pub(super) const fn restart_rotation(&mut self) {
        self.last = 0;
    }

    /// Records the user to whom the ports of a new call are charged.
    pub(super) fn begin_call(&mut self, call: CallKey, payer: Payer) {
        self.shares.begin(call, payer);
    }

    /// Removes a call. The ports of its legs are returned separately.
    pub(super) fn end_call(&mut self, call: CallKey) {
        self.shares.end(call);
    }

    /// Allocates `count` pairs of a worker for a leg of a call, if the share of its user allows it.
    fn take(
        &mut self,
        call: CallKey,
        worker: WorkerId,
        count: usize,
        per_user: usize,
        now: Time,
    ) -> Option<Vec<PortPair>> {
        let pool = self.pools.get_mut(usize::from(worker.0))?;
        if !self.shares.allow(call, count, pool, per_user) {
            return None;
        }
        let pairs = pool.take(count, now)?;
        self.shares.take(call, worker, &pairs);
        Some(pairs)
    }

    fn give_back(&mut self, pairs: &[PortPair], worker: WorkerId, now: Time) {
        self.shares.give_back(worker, pairs);
        if let Some(pool) = self.pools.get_mut(usize::from(worker.0)) {
            pool.give_back(pairs, now);
        }
    }

    /// Returns the number of pairs that calls use.
    pub(super) fn taken(&self) -> usize {
        self.pools.iter().map(PortPool::taken).sum()
    }

    /// Returns the number of pairs, in use or not.
    pub(super) fn size(&self) -> usize {
        self.pools.iter().map(PortPool::size).sum()
    }

    /// Returns whether no call uses ports and none are charged to a user.
    pub(super) fn is_idle(&self) -> bool {
        self.taken() == 0 && self.shares.is_empty()
    }
}

fn pools(config: &Config) -> impl Iterator<Item = PortPool> + '_ {
    config.sip.iter().flat_map(|sip| {
        let pool = |worker: &RtpWorker| PortPool::new(worker.first_port, worker.last_port, sip.ports.rest);
        sip.workers.iter().map(pool)
    })
}

impl Relay {
    /// Passes a command of a call to the worker of its leg. A bridge between legs of two workers is sent to both.
    pub(super) fn dispatch_media(&mut self, command: Command, call: CallKey, of_call: WorkerId) {
        if let Some(leg) = command.opened_leg() {
            self.records.leg_opened(leg, call);
        }
        let worker_of = |leg| self.calls.worker_of(leg).unwrap_or(of_call);
        if let Command::Bridge { a, b } = command {
            let workers = [a, b].map(worker_of);
            if workers[0] != workers[1] {
                let bridge = BridgeId(self.fresh_id());
                for (leg, worker, partner, other) in [(a, workers[0], b, workers[1]), (b, workers[1], a, workers[0])] {
                    let command = Command::BridgeAcross { leg, partner, worker: other, bridge };
                    self.outputs.push_back(Output::Media { worker, command });
                }
                return;
            }
        }
        let worker = command.leg().map_or(of_call, worker_of);
        self.outputs.push_back(Output::Media { worker, command });
    }

    /// Returns the worker for a new call of these sessions. If one of them has another call, it is the worker of that
    /// call, so that an attended transfer between the two calls stays on one worker. Otherwise, it is the next worker
    /// in rotation.
    pub(super) fn choose_worker(&mut self, sessions: &[SessionId]) -> WorkerId {
        let busy = sessions.iter().find_map(|session| {
            let at = *self.calls.of_session(*session).first()?;
            self.calls.get(at.call).map(Call::worker)
        });
        busy.unwrap_or_else(|| self.workers.next(self.config.workers.len()))
    }

    /// Allocates ports for a SIP leg of a call.
    pub(super) fn take_ports(
        &mut self,
        call: CallKey,
        worker: WorkerId,
        count: usize,
        now: Time,
    ) -> Result<Vec<PortPair>, EndReason> {
        let rules = self.config.sip.as_ref().map(|config| config.ports).ok_or(EndReason::InternalError)?;
        self.workers.take(call, worker, count, rules.per_user, now).ok_or(EndReason::Overloaded)
    }

    /// Returns RTP ports of a call to the pool of the worker, where they stay unused for the configured time.
    pub(super) fn give_back_ports(&mut self, pairs: &[PortPair], worker: WorkerId, now: Time) {
        self.workers.give_back(pairs, worker, now);
    }

    /// Requests that the workers bind ports for future calls.
    pub(super) fn reserve_ports(&mut self, now: Time) {
        let Some(config) = self.config.sip.as_deref() else { return };
        let pools = self.workers.pools.iter_mut().zip(&config.workers).zip(0..);
        for ((pool, worker), number) in pools {
            let pairs = pool.to_reserve(config.ports.reserved, now);
            if !pairs.is_empty() {
                let addresses = worker.addresses.iter().map(|address| address.local).collect();
                let command = Command::ReservePorts { pairs, addresses };
                self.outputs.push_back(Output::Media { worker: WorkerId(number), command });
            }
        }
    }

    /// Handles the result of a reservation. The event does not contain the worker, which is found by the port pairs.
    pub(super) fn ports_reserved(&mut self, ready: &[PortPair], in_use: &[PortPair], now: Time) {
        let any = ready.first().or_else(|| in_use.first());
        let pool = any.and_then(|pair| self.workers.pools.iter_mut().find(|pool| pool.contains(*pair)));
        if let Some(pool) = pool {
            pool.reserved(ready, in_use, now);
        }
    }
}

#[cfg(test)]
mod tests;
