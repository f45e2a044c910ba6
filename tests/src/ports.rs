//! Ports for programs that cannot be told to take any.

use core::sync::atomic::{AtomicU16, Ordering};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Ports below those that the kernel gives away by itself (32768 on Linux): nothing else takes them meanwhile.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// The first of `count` neighbouring ports on loopback that are free for UDP and TCP, an even one. No two callers in
/// this process get the same.
///
/// # Panics
/// When there are none.
pub fn free(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another test process begins elsewhere.
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
