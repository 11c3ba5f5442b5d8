//! What the kernel tells of devices that come, go and change, such as a power supply that is plugged in.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

/// The group that the kernel itself speaks to.
const KERNEL: u32 = 1;

/// The events, as they come. Whoever is in a user namespace of their own hears none.
#[derive(Debug)]
pub struct Uevents(OwnedFd);

impl Uevents {
    /// Listens from now on; that needs no privilege.
    pub fn listen() -> io::Result<Uevents> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
        Ok(Uevents(socket))
    }

    /// Takes all that was told, and forgets it: who asks what is so now misses nothing, be it that more was told than
    /// could be kept.
    pub fn take(&self) {
        let mut event = [0; 4096];
        while let Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) =
            recv(self.0.as_raw_fd(), &mut event, MsgFlags::empty())
        {}
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
