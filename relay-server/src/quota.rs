//! Connection limits: in total, and for each network (an IPv4 address or an IPv6 /64).

use offhook_limits::SourceNetwork;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections and enforces the limits.
#[derive(Debug)]
pub struct Quota {
    total: usize,
    per_network: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    networks: HashMap<SourceNetwork, usize>,
}

/// A counted connection; dropping it releases its place.
#[derive(Debug)]
pub struct ConnectionSlot {
    quota: Arc<Quota>,
    /// The network whose limit includes the connection; `None` if only the total limit applies.
    network: Option<SourceNetwork>,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaRefusal {
    /// The total limit.
    Total,
    /// The limit of the network.
    Network,
}

impl Quota {
    /// Allows `total` connections, at most `per_network` of one network.
    #[must_use]
    pub fn new(total: usize, per_network: usize) -> Arc<Self> {
        Arc::new(Self { total, per_network, taken: Mutex::default() })
    }

    /// Counts a connection from `remote`.
    ///
    /// # Errors
    /// If a limit is reached.
    pub fn take(self: &Arc<Self>, remote: IpAddr) -> Result<ConnectionSlot, QuotaRefusal> {
        let network = SourceNetwork::of(remote);
        let mut taken = self.lock();
        if taken.total >= self.total {
            return Err(QuotaRefusal::Total);
        }
        let of_network = taken.networks.entry(network).or_insert(0);
        if *of_network >= self.per_network {
            return Err(QuotaRefusal::Network);
        }
        *of_network += 1;
        taken.total += 1;
        Ok(ConnectionSlot { quota: Arc::clone(self), network: Some(network) })
    }

    /// Counts a connection from an address that many users share, such as a reverse proxy, in the total only.
    ///
    /// # Errors
    /// If the total limit is reached.
    pub fn take_shared(self: &Arc<Self>) -> Result<ConnectionSlot, QuotaRefusal> {
        let mut taken = self.lock();
        if taken.total >= self.total {
            return Err(QuotaRefusal::Total);
        }
        taken.total += 1;
        Ok(ConnectionSlot { quota: Arc::clone(self), network: None })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut taken = self.quota.lock();
        taken.total -= 1;
        if let Some(network) = self.network
            && let Some(of_network) = taken.networks.get_mut(&network)
        {
            *of_network -= 1;
            if *of_network == 0 {
                taken.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Quota, QuotaRefusal};
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn network_at_limit_is_refused_until_release() {
        let quota = Quota::new(4, 2);
        let first = quota.take(ip("2001:db8::1")).unwrap();
        let _second = quota.take(ip("2001:db8::2")).unwrap();
        assert_eq!(quota.take(ip("2001:db8::3")).unwrap_err(), QuotaRefusal::Network);
        let _other = quota.take(ip("2001:db8:0:1::1")).unwrap();
        drop(first);
        let _third = quota.take(ip("2001:db8::3")).unwrap();
        let _last = quota.take(ip("192.0.2.1")).unwrap();
        assert_eq!(quota.take(ip("192.0.2.2")).unwrap_err(), QuotaRefusal::Total);
        assert_eq!(quota.take_shared().unwrap_err(), QuotaRefusal::Total);
    }

    #[test]
    fn shared_address_is_limited_by_the_total_only() {
        let quota = Quota::new(10, 1);
        let places: Vec<_> = (0..10).map(|_| quota.take_shared().unwrap()).collect();
        assert!(quota.take(ip("192.0.2.1")).is_err());
        drop(places);
        assert!(quota.take(ip("192.0.2.1")).is_ok());
        assert!(quota.lock().networks.is_empty(), "networks without connections are removed");
    }
}
