//! Free ports for programs that cannot bind to port 0.

use core::sync::atomic::{AtomicU16, Ordering};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// The range is below the ephemeral ports of the kernel (from 32768 on Linux), so that ports are not assigned to other sockets.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// Returns the first of `count` consecutive ports on loopback that are free for UDP and TCP. It is even, and no port is
/// returned twice in a process.
///
/// # Panics
/// Panics if there are none.
pub fn free(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each test process starts at a different port.
    let origin = u16::try_from(std::process::id().wrapping_mul(0x9e37_79b1) >> 16).unwrap_or(0);
    for _ in 0..500 {
        let taken = NEXT.fetch_add(count.next_multiple_of(2), Ordering::Relaxed);
        let offset = origin.wrapping_add(taken) % COUNT / 2 * 2;
        let first = FIRST + offset;
        if offset + count <= COUNT && (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("there is no free port")
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
}
