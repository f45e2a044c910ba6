//! Wrappers of system calls that the standard library does not have: epoll, eventfd, recvmmsg, sendmmsg.
#![expect(unsafe_code, reason = "system calls; every use says why it is sound")]

use core::time::Duration;
use socket2::{SockAddr, SockAddrStorage};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Maximum number of datagrams that one system call receives or sends.
pub(super) const BATCH: usize = 32;
/// Maximum length of a received datagram; browsers send less than 1,500 octets.
const DATAGRAM: usize = 2_048;

/// Waits for several descriptors.
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned, and it has no other owner.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just created and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Reports `key` whenever `fd` can be read.
    pub(super) fn add(&self, fd: RawFd, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: key };
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

/// Wakes a worker that waits in [`Epoll::wait`].
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: `fd` was just created and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn ring(&self) {
        // SAFETY: eight octets of a local constant are read. A full counter fails with EAGAIN; the worker is then woken in any case.
        unsafe { libc::write(self.0.as_raw_fd(), 1_u64.to_ne_bytes().as_ptr().cast(), 8) };
    }

    pub(super) fn silence(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: eight octets are written into a local array of eight. EAGAIN means that the counter is zero.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Buffers for one batch of received datagrams, which are reused.
pub(super) struct Inbox {
    buffers: Vec<[u8; DATAGRAM]>,
    received: Vec<(usize, SocketAddr)>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffers: vec![[0; DATAGRAM]; BATCH], received: Vec::with_capacity(BATCH) }
    }

    /// Receives the available datagrams, at most one batch. Returns false if there are none.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.received.clear();
        let mut names: [SockAddrStorage; BATCH] = core::array::from_fn(|_| SockAddrStorage::zeroed());
        // SAFETY: all-zero is a valid `iovec` and a valid `mmsghdr`: null pointers and zero lengths.
        let mut pieces: [libc::iovec; BATCH] = unsafe { core::mem::zeroed() };
        // SAFETY: as above.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { core::mem::zeroed() };
        let room = self.buffers.iter_mut().zip(&mut names).zip(&mut pieces).zip(&mut messages);
        for (((buffer, name), piece), message) in room {
            *piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: DATAGRAM };
            message.msg_hdr.msg_iov = piece;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_namelen = name.size_of();
            message.msg_hdr.msg_name = core::ptr::from_mut(name).cast();
        }
        let (count, flags) = (BATCH as libc::c_uint, libc::MSG_DONTWAIT);
        // SAFETY: every header points at a buffer and a name of its own, with their true lengths; all of them outlive
        // the call and nothing else touches them meanwhile.
        let result =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, flags, core::ptr::null_mut()) };
        let found = match checked(result) {
            Ok(found) => usize::try_from(found).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        for (name, message) in names.into_iter().zip(&messages).take(found) {
            // SAFETY: the kernel wrote an address of `msg_namelen` octets there, or left zeroes.
            let name = unsafe { SockAddr::new(name, message.msg_hdr.msg_namelen) };
            let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            let remote = name.as_socket().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            self.received.push((if whole { message.msg_len as usize } else { 0 }, remote));
        }
        Ok(found > 0)
    }

    /// Returns the received datagrams with their senders.
    pub(super) fn datagrams(&mut self) -> impl Iterator<Item = (&mut [u8], SocketAddr)> {
        let filled = self.received.iter().zip(&mut self.buffers);
        filled.filter_map(|((length, remote), buffer)| {
            let packet = buffer.get_mut(..*length).filter(|packet| !packet.is_empty())?;
            Some((packet, *remote))
        })
    }
}

/// Sends up to [`BATCH`] datagrams in one call. Returns the number of sent datagrams; zero if the socket's buffer is full.
pub(super) fn send(socket: &UdpSocket, datagrams: &[(SocketAddr, Vec<u8>)]) -> io::Result<usize> {
    let names: [Option<SockAddr>; BATCH] =
        core::array::from_fn(|i| datagrams.get(i).map(|(remote, _)| SockAddr::from(*remote)));
    // SAFETY: all-zero is a valid `iovec` and a valid `mmsghdr`: null pointers and zero lengths.
    let mut pieces: [libc::iovec; BATCH] = unsafe { core::mem::zeroed() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { core::mem::zeroed() };
    for ((((_, packet), name), piece), message) in
        datagrams.iter().zip(names.iter().flatten()).zip(&mut pieces).zip(&mut messages)
    {
        *piece = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
        message.msg_hdr.msg_iov = piece;
        message.msg_hdr.msg_iovlen = 1;
        message.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_hdr.msg_namelen = name.len();
    }
    let count = datagrams.len().min(BATCH) as libc::c_uint;
    // SAFETY: the first `count` headers point at packets and names that outlive the call, which only reads them.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
    match checked(sent) {
        Ok(sent) => Ok(usize::try_from(sent).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error),
    }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
