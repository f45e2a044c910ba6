//! Reports of offenses for the security log: at most one a minute for each source and kind.
//!
//! A report contains the number of offenses since the last one, so that a flood causes one line a minute that still shows its size.
//! The first report requires several offenses, so that a single mistyped password causes none.

use crate::{RateLimit, Recent, SourceNetwork};
use core::fmt;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A kind of offense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A WebSocket login with a wrong password or an unknown login.
    WrongPassword,
    /// SIP credentials with a wrong digest or an unknown user.
    WrongDigest,
    /// SIP requests that are typical of scanners: registrations that ignore the challenge, calls from unknown sources.
    SipScan,
    /// A request of the REST API, or a WebSocket login, with a wrong token.
    WrongToken,
    /// A connection beyond the limit of its source.
    TooManyConnections,
    /// A call beyond a limit of its caller: simultaneous calls, calls per minute, or calls of a token.
    CallLimit,
    /// A call to a destination that the operator or the caller's token does not permit.
    DeniedDestination,
    /// A WebSocket of a page whose origin is not permitted.
    ForeignOrigin,
}

impl Kind {
    /// Returns the name of the kind in the log. Log filters of operators match these names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong-password",
            Self::WrongDigest => "wrong-digest",
            Self::SipScan => "sip-scan",
            Self::WrongToken => "wrong-token",
            Self::TooManyConnections => "too-many-connections",
            Self::CallLimit => "call-limit",
            Self::DeniedDestination => "denied-destination",
            Self::ForeignOrigin => "foreign-origin",
        }
    }

    /// The number of offenses within [`MEMORY`] that causes the first report. Fewer can be mistakes of a user.
    const fn threshold(self) -> u32 {
        match self {
            Self::WrongPassword | Self::WrongDigest | Self::WrongToken | Self::DeniedDestination => 5,
            Self::SipScan | Self::TooManyConnections | Self::CallLimit | Self::ForeignOrigin => 20,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line of the security log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffenseReport {
    /// The kind of the offenses.
    pub kind: Kind,
    /// The address of the last offense. The count includes offenses of other addresses in the same [`SourceNetwork`].
    pub address: IpAddr,
    /// Whether the address is verified: by a TCP connection, or by the answer to a challenge. The source of a single datagram can
    /// be forged.
    pub is_verified: bool,
    /// The number of offenses since the last report.
    pub count: u32,
}

/// Minimum interval between two reports of one source and kind.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// Time within which offenses are counted together.
pub const MEMORY: Duration = Duration::from_secs(600);
/// Limits of the reports of all sources together, because an attacker may have any number of addresses: reports per second, and
/// reports at once.
const REPORT_RATE: u32 = 10;
const REPORT_BURST: u32 = 100;
/// Maximum number of counted pairs of source and kind.
const MAX_COUNTS: usize = 8_192;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    unreported: u32,
    since: Time,
    reported_at: Option<Time>,
}

/// Counts offenses by source and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offenses {
    counts: Recent<(SourceNetwork, Kind), Count>,
    reports: RateLimit,
}

impl Default for Offenses {
    fn default() -> Self {
        Self { counts: Recent::new(MAX_COUNTS), reports: RateLimit::new(REPORT_RATE, REPORT_BURST, Time::EPOCH) }
    }
}

impl Offenses {
    /// Counts one offense; returns a report if one is due.
    pub fn note(&mut self, kind: Kind, address: IpAddr, is_verified: bool, now: Time) -> Option<OffenseReport> {
        let new = || Count { unreported: 0, since: now, reported_at: None };
        let count = self.counts.entry(&(SourceNetwork::of(address), kind), new);
        let last = count.reported_at.map_or(count.since, |reported| reported.max(count.since));
        if now.since(last) >= MEMORY {
            *count = new();
        }
        count.unreported = count.unreported.saturating_add(1);
        let is_due = match count.reported_at {
            None => count.unreported >= kind.threshold(),
            Some(at) => now.since(at) >= INTERVAL,
        };
        (is_due && self.reports.take(now)).then(|| {
            count.reported_at = Some(now);
            let reported = core::mem::take(&mut count.unreported);
            OffenseReport { kind, address: address.to_canonical(), is_verified, count: reported }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, MAX_COUNTS, Offenses};
    use core::time::Duration;
    use offhook_clock::Time;
    use std::net::{IpAddr, Ipv4Addr};

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

    fn flood(offenses: &mut Offenses, kind: Kind, seconds: core::ops::Range<u64>) -> Vec<(u64, u32)> {
        let note = |second: u64| {
            let now = Time::EPOCH + Duration::from_secs(second);
            offenses.note(kind, ADDRESS, true, now).map(|report| (second, report.count))
        };
        seconds.filter_map(note).collect()
    }

    #[test]
    fn flood_is_reported_once_a_minute() {
        let mut offenses = Offenses::default();
        let reports = flood(&mut offenses, Kind::WrongPassword, 0..200);
        assert_eq!(reports, [(4, 5), (64, 60), (124, 60), (184, 60)]);
    }

    #[test]
    fn refused_connections_are_reported_from_the_twentieth_on() {
        let reports = flood(&mut Offenses::default(), Kind::TooManyConnections, 0..60);
        assert_eq!(reports, [(19, 20)], "a browser with many tabs opens some at once");
    }

    #[test]
    fn few_offenses_are_not_reported() {
        let mut offenses = Offenses::default();
        for hour in 0..100_u64 {
            assert_eq!(flood(&mut offenses, Kind::WrongDigest, 3_600 * hour..3_600 * hour + 4), []);
        }
    }

    #[test]
    fn kinds_and_sources_are_counted_apart() {
        let mut offenses = Offenses::default();
        assert_eq!(flood(&mut offenses, Kind::WrongPassword, 0..5).len(), 1);
        assert_eq!(flood(&mut offenses, Kind::SipScan, 0..19), []);
        let mapped = "::ffff:192.0.2.8".parse().unwrap();
        let mut note = || offenses.note(Kind::WrongDigest, mapped, true, Time::EPOCH);
        let report = (0..5).find_map(|_| note()).unwrap();
        assert_eq!(report.address, IpAddr::from([192, 0, 2, 8]), "as firewalls write it");
    }

    #[test]
    fn memory_and_lines_are_bounded_under_many_addresses() {
        let mut offenses = Offenses::default();
        let mut lines = 0;
        for number in 0..100_000 {
            let address = Ipv4Addr::from_bits(number).into();
            for _ in 0..5 {
                lines += usize::from(offenses.note(Kind::WrongDigest, address, false, Time::EPOCH).is_some());
            }
        }
        assert_eq!((offenses.counts.len(), lines), (MAX_COUNTS, 100), "neither memory nor the log fills");
    }
}
