//! ICMP errors for sent datagrams, from the error queue of a UDP socket (ip(7), `IP_RECVERR`).
#![expect(unsafe_code, reason = "system calls; every use says why it is sound")]

use socket2::{SockAddr, SockAddrStorage};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Size of the control message of one error, which includes the address of the ICMP sender.
const CONTROL: usize = 256;

/// Buffer of control messages, aligned for the structures that are read from it.
#[repr(C, align(16))]
struct Control([u8; CONTROL]);

/// Enables the error queue of a socket.
pub(super) fn listen(socket: BorrowedFd<'_>, is_ipv6: bool) -> io::Result<()> {
    let (level, option) =
        if is_ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    // SAFETY: the call reads one integer, which lives through it.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Removes one error from the queue and returns the destination of the datagram that was not delivered. `Ok(None)`: the error has
/// another cause.
///
/// # Errors
/// `WouldBlock` if the queue is empty.
pub(super) fn next_refused(socket: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    let mut name = SockAddrStorage::zeroed();
    let mut payload = [0_u8; 1];
    let mut control = Control([0; CONTROL]);
    let mut piece = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: all-zero is a valid `msghdr`: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = name.size_of();
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: name, piece and control are live, of the lengths given, and nothing else uses them during the call.
    if unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let is_refusal = error_number(&message).is_some_and(|number| {
        matches!(number, libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::EACCES)
    });
    // SAFETY: the kernel wrote an address of `msg_namelen` octets there, or left zeroes.
    let name = unsafe { SockAddr::new(name, message.msg_namelen) };
    Ok(name.as_socket().filter(|_| is_refusal))
}

/// The error number in the first control message.
fn error_number(message: &libc::msghdr) -> Option<libc::c_int> {
    // SAFETY: the kernel filled `msg_control` up to `msg_controllen`, which the macro checks; it is aligned for a header.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: not null, so it points at a whole header inside the control buffer, which outlives this function.
    let header = unsafe { header.as_ref() }?;
    let is_error = matches!(
        (header.cmsg_level, header.cmsg_type),
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    );
    let needed = size_of::<libc::cmsghdr>() + size_of::<libc::sock_extended_err>();
    if !is_error || header.cmsg_len < needed {
        return None;
    }
    // SAFETY: the message is long enough for the structure after its header, as was just checked; it may be unaligned.
    let error = unsafe { libc::CMSG_DATA(header).cast::<libc::sock_extended_err>().read_unaligned() };
    libc::c_int::try_from(error.ee_errno).ok()
}
