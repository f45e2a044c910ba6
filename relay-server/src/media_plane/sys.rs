//! Wrappers of system calls that the standard library does not have: epoll, eventfd, recvmmsg, sendmmsg.
#![expect(unsafe_code, reason = "system calls; every use says why it is sound")]

use core::time::Duration;
use socket2::SockAddr;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Maximum number of datagrams that one system call receives or sends.
pub(super) const BATCH: usize = 32;
/// Maximum length of a received datagram; browsers send less than 1,500 octets.
const DATAGRAM: usize = 2_048;

/// An epoll instance, edge-triggered.
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned, and it has no other owner.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just created and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Adds a descriptor. [`wait`](Self::wait) returns `key` when `fd` is readable now, and whenever new data arrive. Data that
    /// are not read then are not reported again.
    pub(super) fn add(&self, fd: RawFd, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET).cast_unsigned(), u64: key };
        // SAFETY: `event` lives through the call, which copies it.
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    /// Waits until descriptors can be read, for at most `timeout` if there is one, and stores their keys.
    pub(super) fn wait(&self, timeout: Option<Duration>, keys: &mut Vec<u64>) -> io::Result<()> {
        keys.clear();
        // Rounded up, because waking before the deadline would cause a busy loop.
        let millis = timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX));
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: `events` has room for the 64 entries that are passed to the call, and lives through it.
        let found = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 64, millis) };
        match checked(found) {
            Ok(found) => {
                keys.extend(events.iter().take(usize::try_from(found).unwrap_or(0)).map(|event| event.u64));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// An eventfd that wakes a worker that waits in [`Epoll::wait`].
pub(super) struct EventFd(OwnedFd);

impl EventFd {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: `fd` was just created and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn wake(&self) {
        // SAFETY: eight octets of a local constant are read. A full counter fails with EAGAIN; the worker is then woken in any case.
        unsafe { libc::write(self.0.as_raw_fd(), 1_u64.to_ne_bytes().as_ptr().cast(), 8) };
    }

    pub(super) fn reset(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: eight octets are written into a local array of eight. EAGAIN means that the counter is zero.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Buffers for one batch of received datagrams, and the arrays that describe them to the kernel. They are allocated once and
/// reused.
pub(super) struct Inbox {
    /// `messages` contains pointers into these three vectors, so that they are used only through it. They never grow, because
    /// that would move their content.
    _buffers: Vec<[u8; DATAGRAM]>,
    _names: Vec<libc::sockaddr_storage>,
    _pieces: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    /// Number of messages that the last call received.
    received: usize,
    /// The buffer for sockets that are read one datagram at a time. It is one octet longer than the maximum, so that longer
    /// datagrams are detected.
    single: Box<[u8; DATAGRAM + 1]>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let mut buffers = vec![[0; DATAGRAM]; BATCH];
        // SAFETY: all-zero is a valid `sockaddr_storage`.
        let mut names: Vec<libc::sockaddr_storage> = vec![unsafe { core::mem::zeroed() }; BATCH];
        let as_piece =
            |buffer: &mut [u8; DATAGRAM]| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: DATAGRAM };
        let mut pieces: Vec<libc::iovec> = buffers.iter_mut().map(as_piece).collect();
        let mut messages = empty_messages();
        for ((message, piece), name) in messages.iter_mut().zip(&mut pieces).zip(&mut names) {
            message.msg_hdr.msg_iov = piece;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = core::ptr::from_mut(name).cast();
            message.msg_hdr.msg_namelen = NAME;
        }
        let single = Box::new([0; DATAGRAM + 1]);
        Self { _buffers: buffers, _names: names, _pieces: pieces, messages, received: 0, single }
    }

    /// Receives up to [`BATCH`] datagrams without waiting, and returns their number. If it is less than [`BATCH`], no more are
    /// queued in the socket.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for message in self.messages.iter_mut().take(self.received) {
            message.msg_hdr.msg_namelen = NAME;
        }
        self.received = 0;
        let (count, flags) = (BATCH as libc::c_uint, libc::MSG_DONTWAIT);
        let messages = self.messages.as_mut_ptr();
        // SAFETY: every header points at a buffer and a name of its own, with their true lengths; this object owns them and
        // nothing else uses them meanwhile.
        let result = unsafe { libc::recvmmsg(socket.as_raw_fd(), messages, count, flags, core::ptr::null_mut()) };
        self.received = match checked(result) {
            Ok(found) => usize::try_from(found).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Ok(self.received)
    }

    /// Returns the datagrams of the last batch, with their source addresses. Truncated and empty datagrams are omitted.
    pub(super) fn datagrams(&mut self) -> impl Iterator<Item = (&mut [u8], SocketAddr)> {
        self.messages.iter().take(self.received).filter_map(|message| {
            let length = message.msg_len as usize;
            let is_whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            // SAFETY: `receive` let the kernel write an address there, of at most as many octets as there are.
            let remote = unsafe { address(message.msg_hdr.msg_name.cast()) }.filter(|_| is_whole && length > 0)?;
            // SAFETY: the kernel wrote `length` octets into the buffer of this message, which has room for them and which no
            // other message shares.
            let packet = unsafe {
                let buffer = (*message.msg_hdr.msg_iov).iov_base.cast::<u8>();
                core::slice::from_raw_parts_mut(buffer, length.min(DATAGRAM))
            };
            Some((packet, remote))
        })
    }

    /// Receives one datagram without waiting; `None` if none is queued. A datagram that exceeds the maximum is returned empty.
    pub(super) fn receive_one(&mut self, socket: &UdpSocket) -> io::Result<Option<(&mut [u8], SocketAddr)>> {
        match socket.recv_from(self.single.as_mut_slice()) {
            Ok((length, remote)) => {
                let length = if length > DATAGRAM { 0 } else { length };
                Ok(Some((self.single.get_mut(..length).unwrap_or(&mut []), remote)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The arrays that describe a batch of datagrams to be sent. They are allocated once and reused.
pub(super) struct Outbox {
    names: Vec<libc::sockaddr_storage>,
    pieces: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        // SAFETY: all-zero is a valid `sockaddr_storage`.
        let names = vec![unsafe { core::mem::zeroed() }; BATCH];
        let pieces = vec![libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 }; BATCH];
        Self { names, pieces, messages: empty_messages() }
    }

    /// Sends up to [`BATCH`] datagrams in one call. Returns how many were sent; zero when the socket's buffer is full.
    pub(super) fn send(&mut self, socket: &UdpSocket, datagrams: &[(SocketAddr, Vec<u8>)]) -> io::Result<usize> {
        let Self { names, pieces, messages } = self;
        let room = names.iter_mut().zip(pieces).zip(messages.iter_mut());
        for ((remote, packet), ((name, piece), message)) in datagrams.iter().zip(room) {
            *piece = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
            message.msg_hdr.msg_iov = piece;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = core::ptr::from_mut(name).cast();
            message.msg_hdr.msg_namelen = set_address(name, *remote);
        }
        let count = datagrams.len().min(BATCH) as libc::c_uint;
        // SAFETY: the first `count` headers were just made to point at packets and names that outlive the call, which only
        // reads them.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
        match checked(sent) {
            Ok(sent) => Ok(usize::try_from(sent).unwrap_or(0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

const NAME: libc::socklen_t = size_of::<libc::sockaddr_storage>() as libc::socklen_t;

fn empty_messages() -> Vec<libc::mmsghdr> {
    // SAFETY: all-zero is a valid `mmsghdr`: null pointers and zero lengths.
    vec![unsafe { core::mem::zeroed() }; BATCH]
}

/// Reads an address that the kernel wrote.
///
/// # Safety
/// `name` points at an initialized `sockaddr_storage`.
unsafe fn address(name: *const libc::sockaddr_storage) -> Option<SocketAddr> {
    // SAFETY: the caller's promise. An address of either family fits into the storage and is aligned for it.
    match unsafe { libc::c_int::from((*name).ss_family) } {
        libc::AF_INET => {
            // SAFETY: as above.
            let name = unsafe { &*name.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from_bits(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*name.cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(name.sin6_addr.s6_addr), u16::from_be(name.sin6_port));
            Some(SocketAddrV6::new(ip, port, name.sin6_flowinfo, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Writes an address for the kernel and returns its length.
fn set_address(name: &mut libc::sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    let address = SockAddr::from(address);
    // SAFETY: a `SockAddr` holds a whole `sockaddr_storage`.
    *name = unsafe { *address.as_ptr().cast() };
    address.len()
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
