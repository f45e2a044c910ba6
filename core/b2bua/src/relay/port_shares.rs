//! Shares of the RTP ports per user, so that no caller occupies all of them.

use super::clients::Session;
use crate::call::{CallKey, SessionId};
use crate::config::LoginName;
use offhook_media::command::WorkerId;
use offhook_media::ports::{PortPair, PortPool};
use offhook_sip::user_agent::io::{AccountId, InboundInvite, Origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// The user to whom the ports of a call are charged: its caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Payer {
    /// All sessions of a login.
    Login(LoginName),
    /// A session without a login.
    Session(SessionId),
    /// All phones that registered at this relay as this user.
    Phone(String),
    /// The IPv4 address, or the IPv6 /64 network, of an unknown source.
    Host(IpAddr),
    /// The SIP server of an account. Its calls belong to many users, so that it has a larger share.
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

/// The RTP ports in use and the users to whom they are charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PortShares {
    /// The user to whom the ports of each call are charged.
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
    pub(super) fn allow(&self, call: CallKey, count: usize, pool: &PortPool, per_user: usize) -> bool {
        let Some(payer) = self.payers.get(&call) else { return true };
        let most = match payer {
            Payer::Server(_) => pool.size() * 3 / 4,
            Payer::Login(_) | Payer::Session(_) | Payer::Phone(_) | Payer::Host(_) => {
                (per_user / 2).min(pool.size() / 2)
            }
        };
        // A user without ports in use always receives ports for one leg.
        let has = self.pairs.get(payer).copied().unwrap_or(0);
        has == 0 || has + count <= most.max(2)
    }

    pub(super) fn take(&mut self, call: CallKey, worker: WorkerId, pairs: &[PortPair]) {
        let Some(payer) = self.payers.get(&call).filter(|_| !pairs.is_empty()) else { return };
        *self.pairs.entry(payer.clone()).or_default() += pairs.len();
        self.paid_by.extend(pairs.iter().map(|pair| ((worker, *pair), payer.clone())));
    }

    pub(super) fn give_back(&mut self, worker: WorkerId, pairs: &[PortPair]) {
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
