//! Datagrams as they come, up to a batch with one call to the kernel, and where packets are opened.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg};

use super::{BATCH, Opened};

/// Longer datagrams are cut: no packet of WebRTC is.
const LONGEST: usize = 1_600;

/// What came with one call.
pub(super) struct Inbound {
    socket: Arc<UdpSocket>,
    headers: MultiHeaders<SockaddrIn>,
    places: Box<[[u8; LONGEST]; BATCH]>,
    arrived: Vec<(usize, SocketAddrV4)>,
}

impl Inbound {
    pub(super) fn new(socket: Arc<UdpSocket>) -> Self {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Self { socket, headers, places: Box::new([[0; LONGEST]; BATCH]), arrived: Vec::with_capacity(BATCH) }
    }

    /// Waits for a datagram or a tick, and takes what is there; gives how many came.
    pub(super) fn receive(&mut self) -> anyhow::Result<usize> {
        self.arrived.clear();
        let mut slices = self.places.each_mut().map(|place| [IoSliceMut::new(place)]);
        let descriptor = self.socket.as_raw_fd();
        match recvmmsg(descriptor, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None) {
            Ok(messages) => self.arrived.extend(messages.map(|message| {
                let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
                (message.bytes, message.address.map_or(nobody, SocketAddrV4::from))
            })),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("receive"),
        }
        Ok(self.arrived.len())
    }

    /// A datagram of the last call, and who sent it.
    pub(super) fn datagram(&mut self, place: usize) -> Option<(&mut [u8], SocketAddrV4)> {
        let (length, from) = *self.arrived.get(place)?;
        Some((self.places.get_mut(place)?.get_mut(..length)?, from))
    }

    /// What was opened there.
    pub(super) fn plain(&self, packet: &Opened) -> &[u8] {
        self.places.get(packet.place).and_then(|place| place.get(..packet.length)).unwrap_or_default()
    }
}
