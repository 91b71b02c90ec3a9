//! Takes many datagrams from a socket with one call to the kernel.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

/// Datagrams of one call: a few pictures' worth of packets.
pub(crate) const BATCH: usize = 32;

/// Longer ones are cut: no RTP packet of WebRTC is.
const LONGEST: usize = 1_600;

/// Room for a batch, used again and again.
pub(crate) struct ReceiveBatch {
    headers: MultiHeaders<SockaddrStorage>,
    room: Vec<u8>,
    lengths: Vec<usize>,
}

impl ReceiveBatch {
    /// Makes the room.
    pub(crate) fn new() -> Self {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Self { headers, room: vec![0; BATCH * LONGEST], lengths: Vec::with_capacity(BATCH) }
    }

    /// Receives what is there, up to a batch; gives how many datagrams came.
    ///
    /// # Errors
    /// Where the socket has an error; that it has nothing is none.
    pub(crate) fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        let descriptor: RawFd = socket.as_raw_fd();
        self.lengths.clear();
        let mut places: Vec<[IoSliceMut<'_>; 1]> =
            self.room.chunks_exact_mut(LONGEST).map(|place| [IoSliceMut::new(place)]).collect();
        match recvmmsg(descriptor, &mut self.headers, places.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => self.lengths.extend(messages.map(|message| message.bytes)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(self.lengths.len())
    }

    /// The datagrams of the last call.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let places = self.room.chunks_exact(LONGEST).zip(&self.lengths);
        places.filter_map(|(place, length)| place.get(..*length))
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn datagrams_come_in_batches() {
        let (from, to) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (from, to) = (from.expect("a socket"), to.expect("a socket"));
        let address = to.local_addr().expect("its address");
        let mut batch = ReceiveBatch::new();
        assert_eq!(batch.receive(&to).expect("a socket"), 0);
        for number in 0..40_u8 {
            from.send_to(&vec![number; usize::from(number) + 1], address).expect("sent");
        }
        assert_eq!(batch.receive(&to).expect("a socket"), BATCH);
        let all: Vec<_> = batch.datagrams().map(|datagram| (datagram.len(), datagram[0])).collect();
        assert_eq!((all[0], all[31]), ((1, 0), (32, 31)));
        assert_eq!(batch.receive(&to).expect("a socket"), 8);
        assert_eq!(batch.datagrams().next().map(<[u8]>::len), Some(33));
    }
}
