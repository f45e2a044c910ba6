//! File descriptors: raises the limit of the process at start, and reserves descriptors for media.

#![expect(unsafe_code, reason = "the standard library has no call for resource limits")]

use crate::config::Settings;
use offhook_b2bua::config::RtpWorker;
use std::io;

/// Descriptors reserved for files, listeners, DNS queries and outgoing connections.
const OWN: u64 = 128;

/// Minimum for a single call, in addition to the sockets of the media workers.
const MINIMUM: u64 = 64;

/// Raises the limit of open descriptors to what the system allows, and returns it.
///
/// # Errors
/// If the system does not report its limit.
pub fn raise_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes of its type, and lives through the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let requested = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
    // SAFETY: `requested` is valid for reads of its type, and lives through the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const requested) } != 0 {
        let error = io::Error::last_os_error();
        tracing::debug!(%error, limit = limit.rlim_cur, "raising the file descriptor limit failed");
        return Ok(limit.rlim_cur);
    }
    Ok(requested.rlim_cur)
}

/// Checks that `limit` descriptors suffice to start with `media_sockets` sockets.
///
/// # Errors
/// If they do not suffice; the message states what to do.
pub fn check(limit: u64, media_sockets: usize) -> io::Result<()> {
    let minimum = MINIMUM.saturating_add(u64::try_from(media_sockets).unwrap_or(u64::MAX));
    if limit < minimum {
        return Err(io::Error::other(format!(
            "the limit of {limit} file descriptors is too low: the relay needs at least {minimum}, and several thousand in \
             production; raise the hard limit (LimitNOFILE=, ulimit -Hn)"
        )));
    }
    Ok(())
}

/// Returns the settings with the connection limits reduced to what `limit` descriptors allow, after those reserved for media.
#[must_use]
pub fn fitted(settings: &Settings, limit: u64) -> Settings {
    let mut fitted = settings.clone();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let (web, sip) = (number(settings.connections), number(settings.sip.connections));
    let sip = if settings.sip.is_required() { sip } else { 0 };
    let shared = available(limit, rtp_sockets(settings));
    if web.saturating_add(sip) <= shared {
        return fitted;
    }
    // Both limits are reduced by the same ratio.
    let part = |requested: u64| {
        let share = u128::from(requested) * u128::from(shared) / u128::from(web.saturating_add(sip)).max(1);
        usize::try_from(share).unwrap_or(usize::MAX).max(1)
    };
    fitted.connections = part(web).min(settings.connections);
    fitted.sip.connections = part(sip).min(settings.sip.connections);
    tracing::warn!(
        limit,
        connections = fitted.connections,
        sip_connections = fitted.sip.connections,
        "fewer connections than configured will be accepted: raise the file descriptor limit (LimitNOFILE=, ulimit -Hn)"
    );
    fitted
}

/// Returns the number of RTP port pairs that each of `workers` binds in advance: `requested`, or as many as fit in half of the
/// descriptors that are certain to be available for media. Further calls bind their ports when they begin.
#[must_use]
pub fn reserved_pairs(limit: u64, requested: usize, workers: &[RtpWorker]) -> usize {
    let sockets: usize = workers.iter().map(|worker| 2 * worker.addresses.len()).sum();
    let room = limit.saturating_sub(OWN) / 4;
    let pairs = usize::try_from(room).unwrap_or(usize::MAX) / sockets.max(1);
    if pairs < requested {
        tracing::warn!(
            limit,
            pairs,
            "fewer RTP ports than usual are bound in advance: raise the file descriptor limit (LimitNOFILE=, ulimit -Hn)"
        );
    }
    pairs.min(requested)
}

/// Returns the number of descriptors that are available for accepted connections.
const fn available(limit: u64, rtp_sockets: u64) -> u64 {
    let rest = limit.saturating_sub(OWN);
    // If there are too few for media and connections, half of them are reserved for media.
    let media = if rtp_sockets < rest / 2 { rtp_sockets } else { rest / 2 };
    rest - media
}

/// Maximum number of RTP and RTCP sockets of SIP legs.
fn rtp_sockets(settings: &Settings) -> u64 {
    let sip = &settings.sip;
    if !sip.is_required() {
        return 0;
    }
    u64::from(sip.rtp_last_port.saturating_sub(sip.rtp_first_port)) + 1
}

#[cfg(test)]
mod tests {
    use super::{available, check, fitted, raise_limit, reserved_pairs};
    use crate::config::parse;
    use offhook_b2bua::config::{RtpAddress, RtpWorker};
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn connections_leave_descriptors_for_media() {
        let text = "[limits]\nconnections = 3000\n[sip]\nservers = [\"*\"]\nconnections = 1000\n\
                    [rtp]\nfirst_port = 20000\nlast_port = 20999\n";
        let settings = parse("test.toml", text).unwrap();
        assert_eq!(fitted(&settings, 10_000), settings, "there are enough for all");
        let few = fitted(&settings, 2_128);
        assert_eq!((few.connections, few.sip.connections), (750, 250));
        let fewer = fitted(&settings, 528);
        assert_eq!((fewer.connections, fewer.sip.connections), (150, 50));
        let none = fitted(&settings, 20);
        assert_eq!((none.connections, none.sip.connections), (1, 1));
        let web_only = parse("test.toml", "[limits]\nconnections = 3000\n").unwrap();
        assert_eq!(fitted(&web_only, 2_128).connections, 2_000);
        assert_eq!(available(1_128, 100), 900);
    }

    #[test]
    fn too_few_descriptors_are_an_error() {
        assert!(check(63, 0).unwrap_err().to_string().contains("LimitNOFILE"));
        assert!(check(64, 0).is_ok());
        assert!(check(64, 4).unwrap_err().to_string().contains("at least 68"));
        assert!(check(68, 4).is_ok());
    }

    #[test]
    fn reserved_rtp_ports_leave_descriptors_for_calls() {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let addresses = vec![RtpAddress { local, advertised: local }; 2];
        let worker = |first_port| RtpWorker { addresses: addresses.clone(), first_port, last_port: first_port + 99 };
        let workers = [worker(20_000), worker(20_100)];
        for (limit, pairs) in [(64, 0), (128, 0), (192, 2), (256, 4), (639, 15), (640, 16), (1_000_000, 16)] {
            assert_eq!(reserved_pairs(limit, 16, &workers), pairs, "{limit}");
        }
        assert_eq!(reserved_pairs(64, 16, &[]), 0);
    }

    #[test]
    fn raised_limit_is_the_hard_limit() {
        let limit = raise_limit().unwrap();
        let files = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = files.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
        assert_eq!(numbers, [limit.to_string(), limit.to_string()]);
    }
}
