//! Shares of the RTP ports per user, so that no caller occupies all of them.

use super::Relay;
use super::clients::Session;
use crate::call::{CallKey, SessionId};
use crate::config::LoginName;
use crate::io::Output;
use offhook_clock::Time;
use offhook_media::command::{Command, WorkerId};
use offhook_media::ports::{PortPair, PortPool};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{AccountId, InboundInvite, Origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// The user whose share the ports of a call belong to: its caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Payer {
    /// All sessions of a login.
    Login(LoginName),
    /// A session without a login.
    Session(SessionId),
    /// A phone that registered here.
    Phone(String),
    /// The host of an unknown source, for IPv6 its /64 network.
    Host(IpAddr),
    /// A SIP server, whose calls belong to many users.
    Server(AccountId),
}

impl Payer {
    pub(super) fn of_session(id: SessionId, session: Option<&Session>) -> Self {
        session.and_then(|session| session.login().cloned()).map_or(Self::Session(id), Self::Login)
    }

    pub(super) fn of_invite(request: &InboundInvite) -> Self {
        match &request.origin {
            Origin::Account(account) => Self::Server(*account),
            Origin::Phone(user) => Self::Phone(user.clone()),
            Origin::Unknown => Self::Host(network(request.source)),
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// The ports in use, by the user that they are charged to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PortShares {
    /// The user that each call is charged to.
    payers: BTreeMap<CallKey, Payer>,
    /// The number of pairs of each user, without zeros.
    #[serde(with = "offhook_limits::pairs")]
    pairs: BTreeMap<Payer, usize>,
    #[serde(with = "offhook_limits::pairs")]
    paid_by: BTreeMap<(WorkerId, PortPair), Payer>,
}

impl PortShares {
    /// Records the caller of a new call.
    pub(super) fn begin(&mut self, call: CallKey, payer: Payer) {
        self.payers.insert(call, payer);
    }

    /// Removes a call. The ports of its legs are returned separately.
    pub(super) fn end(&mut self, call: CallKey) {
        self.payers.remove(&call);
    }

    /// Returns whether a call may have `count` more pairs of a pool.
    fn allow(&self, call: CallKey, count: usize, pool: &PortPool, per_user: usize) -> bool {
        let Some(payer) = self.payers.get(&call) else { return true };
        let most = match payer {
            Payer::Server(_) => pool.size() * 3 / 4,
            Payer::Login(_) | Payer::Session(_) | Payer::Phone(_) | Payer::Host(_) => {
                (per_user / 2).min(pool.size() / 2)
            }
        };
        // The first call of a user is always permitted.
        let has = self.pairs.get(payer).copied().unwrap_or(0);
        has == 0 || has + count <= most.max(2)
    }

    fn take(&mut self, call: CallKey, worker: WorkerId, pairs: &[PortPair]) {
        let Some(payer) = self.payers.get(&call).filter(|_| !pairs.is_empty()) else { return };
        *self.pairs.entry(payer.clone()).or_default() += pairs.len();
        self.paid_by.extend(pairs.iter().map(|pair| ((worker, *pair), payer.clone())));
    }

    fn give_back(&mut self, worker: WorkerId, pairs: &[PortPair]) {
        for pair in pairs {
            let Some(payer) = self.paid_by.remove(&(worker, *pair)) else { continue };
            if let Some(count) = self.pairs.get_mut(&payer) {
                *count -= 1;
                if *count == 0 {
                    self.pairs.remove(&payer);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.payers.is_empty() && self.pairs.is_empty() && self.paid_by.is_empty()
    }
}

impl Relay {
    /// Allocates ports for a SIP leg of a call.
    pub(super) fn take_ports(
        &mut self,
        call: CallKey,
        worker: WorkerId,
        count: usize,
        now: Time,
    ) -> Result<Vec<PortPair>, EndReason> {
        let rules = self.config.sip.as_ref().map(|config| config.ports).ok_or(EndReason::InternalError)?;
        let pool = self.ports.get_mut(usize::from(worker.0)).ok_or(EndReason::Overloaded)?;
        if !self.port_shares.allow(call, count, pool, rules.per_user) {
            return Err(EndReason::Overloaded);
        }
        let pairs = pool.take(count, now).ok_or(EndReason::Overloaded)?;
        self.port_shares.take(call, worker, &pairs);
        Ok(pairs)
    }

    /// Returns RTP ports of a call to the pool, where they stay unused for a time.
    pub(super) fn give_back_ports(&mut self, pairs: &[PortPair], worker: WorkerId, now: Time) {
        self.port_shares.give_back(worker, pairs);
        if let Some(pool) = self.ports.get_mut(usize::from(worker.0)) {
            pool.give_back(pairs, now);
        }
    }

    /// Requests the workers to bind ports for future calls.
    pub(super) fn reserve_ports(&mut self, now: Time) {
        let Some(config) = self.config.sip.as_deref() else { return };
        let pools = self.ports.iter_mut().zip(&config.workers).zip(0..);
        for ((pool, worker), number) in pools {
            let pairs = pool.to_reserve(config.ports.reserved, now);
            if !pairs.is_empty() {
                let addresses = worker.addresses.iter().map(|address| address.local).collect();
                let command = Command::ReservePorts { pairs, addresses };
                self.outputs.push_back(Output::Media { worker: WorkerId(number), command });
            }
        }
    }

    /// Handles the result of a reservation; the pairs identify the worker.
    pub(super) fn ports_reserved(&mut self, ready: &[PortPair], in_use: &[PortPair], now: Time) {
        let any = ready.first().or_else(|| in_use.first());
        let pool = any.and_then(|pair| self.ports.iter_mut().find(|pool| pool.contains(*pair)));
        if let Some(pool) = pool {
            pool.reserved(ready, in_use, now);
        }
    }
}
