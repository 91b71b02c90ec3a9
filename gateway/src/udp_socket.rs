//! A UDP socket of a media worker: batches in with GRO, bursts out with GSO. It never blocks, and
//! what the kernel refuses is counted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use mio::event::Source;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use sfu::burst::Burst;

use crate::departures::{Departure, Departures, MOST_AT_ONCE};
use crate::reply_address::ReplyAddresses;

/// The kernel joins at most this much into one receive (a UDP payload cannot be longer).
const RECEIVE_BUFFER: usize = 65_535;

/// Receives of one system call. Sixteen full ones are 1 MiB, which still stays in L2.
const BATCH: usize = 16;

/// Wanted socket buffers: 200 ms of 160 Mbps while the thread is held up. Without `CAP_NET_ADMIN` the
/// kernel grants at most `net.core.rmem_max`.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// After a send with segmentation was refused, single sends carry on this long before the next try:
/// the refusal may have come of one address that went away, not of the network card.
const SEGMENTATION_RETRY: Duration = Duration::from_secs(60);

/// Stands where nothing has been put yet.
const UNSPECIFIED: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

/// A socket on one address family.
#[derive(Debug)]
pub struct UdpSocket {
    io: mio::net::UdpSocket,
    offload: UdpSocketState,
    is_ipv4: bool,
    /// Of a socket on one address alone everything leaves from there.
    is_on_any_address: bool,
    reply_addresses: ReplyAddresses,
    segmentation_off_since: Option<Instant>,
    counts: SocketCounts,
}

/// What a socket could not do, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SocketCounts {
    /// Datagrams not sent, by reason, in the order of [`SendFailure::ALL`].
    pub(crate) unsent: [u64; SendFailure::ALL.len()],
    /// Datagrams from port zero, to which no answer can go.
    pub(crate) portless: u64,
}

impl SocketCounts {
    /// The counts of two sockets.
    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.unsent.iter_mut().zip(other.unsent).for_each(|(count, more)| *count += more);
        self.portless += other.portless;
        self
    }
}

/// Whether a receive left something behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// There was less than a batch holds: the next arrival wakes the poll.
    Empty,
    /// There may be more.
    Unknown,
}

/// Why the kernel did not take a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SendFailure {
    /// The socket's send buffer is full.
    WouldBlock,
    /// The queue of the network interface is full.
    NoBuffers,
    /// A packet filter forbids it.
    NotPermitted,
    /// No route, or the far end's host said no.
    Unreachable,
    /// Longer than the path carries.
    TooLong,
    /// Anything else.
    Other,
}

impl SendFailure {
    /// Every reason, in the order of metrics.
    pub(crate) const ALL: [Self; 6] = [
        Self::WouldBlock,
        Self::NoBuffers,
        Self::NotPermitted,
        Self::Unreachable,
        Self::TooLong,
        Self::Other,
    ];

    /// The word used in metrics.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WouldBlock => "would_block",
            Self::NoBuffers => "no_buffers",
            Self::NotPermitted => "not_permitted",
            Self::Unreachable => "unreachable",
            Self::TooLong => "too_long",
            Self::Other => "other",
        }
    }

    fn of(error: &io::Error) -> Self {
        use nix::libc::{EACCES, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM, EPERM};
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Self::WouldBlock,
            Some(ENOBUFS | ENOMEM) => Self::NoBuffers,
            Some(EPERM | EACCES) => Self::NotPermitted,
            Some(ENETUNREACH | EHOSTUNREACH) => Self::Unreachable,
            Some(EMSGSIZE) => Self::TooLong,
            Some(_) | None => Self::Other,
        }
    }
}

impl UdpSocket {
    /// Binds a socket; an IPv6 one carries IPv6 only.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        enlarge_buffers(&socket);
        socket.bind(&address.into())?;
        let io = mio::net::UdpSocket::from_std(socket.into());
        let offload = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self {
            io,
            offload,
            is_ipv4: address.is_ipv4(),
            is_on_any_address: address.ip().is_unspecified(),
            reply_addresses: ReplyAddresses::default(),
            segmentation_off_since: None,
            counts: SocketCounts::default(),
        })
    }

    /// The address it is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The family of the addresses that it sends to.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.is_ipv4
    }

    /// What it could not do.
    pub(crate) fn counts(&self) -> SocketCounts {
        self.counts
    }

    /// For registration with a poll.
    pub(crate) fn source(&mut self) -> &mut impl Source {
        &mut self.io
    }

    /// Fills the batch with what has arrived. [`io::ErrorKind::WouldBlock`] says that nothing has.
    pub fn receive(&mut self, batch: &mut ReceiveBatch) -> io::Result<Backlog> {
        batch.received = 0;
        let mut buffers = batch.buffers.each_mut().map(|buffer| io::IoSliceMut::new(buffer));
        batch.received = self.offload.recv(UdpSockRef::from(&self.io), &mut buffers, &mut batch.meta)?;
        for meta in &mut batch.meta[..batch.received] {
            if meta.addr.port() == 0 {
                // A send to port zero fails in the same way as refused segmentation does: a stranger
                // could switch that off for everybody.
                self.counts.portless += 1;
                meta.len = 0;
            } else if let Some(local) = meta.dst_ip.filter(|_| self.is_on_any_address) {
                self.reply_addresses.learn(meta.addr, local);
            }
        }
        Ok(if batch.received < BATCH { Backlog::Empty } else { Backlog::Unknown })
    }

    /// Sends bursts. Those of one datagram leave many at a time, the others each in a call of its own, and what goes to one
    /// destination stays in order.
    pub(crate) fn send_all<'b>(
        &mut self,
        now: Instant,
        bursts: impl Iterator<Item = Burst<'b>>,
        departures: &mut Departures,
    ) {
        let mut waiting: [Departure<'b>; MOST_AT_ONCE] =
            [Departure { destination: UNSPECIFIED, contents: &[] }; MOST_AT_ONCE];
        let (mut count, mut source) = (0, None);
        for burst in bursts {
            let is_single = burst.contents.len() <= burst.segment_size;
            let from = self.reply_addresses.of(burst.destination);
            if count > 0 && (!is_single || count == MOST_AT_ONCE || from != source) {
                self.send_singles(now, source, &waiting[..count], departures);
                count = 0;
            }
            if is_single {
                source = from;
                waiting[count] = Departure { destination: burst.destination, contents: burst.contents };
                count += 1;
            } else {
                self.send(now, burst);
            }
        }
        self.send_singles(now, source, &waiting[..count], departures);
    }

    fn send_singles(
        &mut self,
        now: Instant,
        source: Option<IpAddr>,
        mut datagrams: &[Departure<'_>],
        departures: &mut Departures,
    ) {
        while let [first, others @ ..] = datagrams {
            match departures.send(self.io.as_raw_fd(), source, datagrams) {
                Ok(sent) if sent > 0 => datagrams = &datagrams[sent.min(datagrams.len())..],
                // Alone it is tried once more, and counted by its error; those behind it may fare better.
                Ok(_) | Err(_) => {
                    let Departure { destination, contents } = *first;
                    self.send(now, Burst { destination, segment_size: contents.len(), contents });
                    datagrams = others;
                }
            }
        }
    }

    /// Sends a burst, in one system call where the kernel segments it and one by one where not.
    pub fn send(&mut self, now: Instant, burst: Burst<'_>) {
        self.retry_segmentation(now);
        let src_ip = self.reply_addresses.of(burst.destination);
        let segments = self.offload.max_gso_segments().max(1);
        for chunk in burst.contents.chunks(burst.segment_size.saturating_mul(segments).max(1)) {
            let transmit = Transmit {
                destination: burst.destination,
                ecn: None,
                contents: chunk,
                segment_size: Some(burst.segment_size),
                src_ip,
            };
            match self.offload.try_send(UdpSockRef::from(&self.io), &transmit) {
                Ok(()) => {}
                Err(_) if segments > 1 && self.offload.max_gso_segments() <= 1 => {
                    self.segmentation_off_since = Some(now);
                    self.send_singly(&transmit, burst.segment_size);
                }
                Err(error) => self.count_unsent(&error, chunk.len().div_ceil(burst.segment_size)),
            }
        }
    }

    fn send_singly(&mut self, transmit: &Transmit<'_>, segment_size: usize) {
        for contents in transmit.contents.chunks(segment_size) {
            let single = Transmit { contents, segment_size: None, ..transmit.clone() };
            if let Err(error) = self.offload.try_send(UdpSockRef::from(&self.io), &single) {
                self.count_unsent(&error, 1);
            }
        }
    }

    fn retry_segmentation(&mut self, now: Instant) {
        let is_due = self
            .segmentation_off_since
            .is_some_and(|since| now.saturating_duration_since(since) >= SEGMENTATION_RETRY);
        if is_due && let Ok(offload) = UdpSocketState::new(UdpSockRef::from(&self.io)) {
            self.offload = offload;
            self.segmentation_off_since = None;
        }
    }

    fn count_unsent(&mut self, error: &io::Error, datagrams: usize) {
        self.counts.unsent[SendFailure::of(error) as usize] += datagrams as u64;
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

fn enlarge_buffers(socket: &socket2::Socket) {
    // Either form may be refused or capped; a smaller buffer still works, and its overflow is counted.
    if setsockopt(socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    if setsockopt(socket, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    }
    tracing::debug!(
        fd = socket.as_raw_fd(),
        receive = socket.recv_buffer_size().unwrap_or_default(),
        send = socket.send_buffer_size().unwrap_or_default(),
        "socket buffers"
    );
}

/// Room for what one system call receives; reused for ever.
#[derive(Debug)]
pub struct ReceiveBatch {
    buffers: [Vec<u8>; BATCH],
    meta: [RecvMeta; BATCH],
    received: usize,
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self {
            buffers: std::array::from_fn(|_| vec![0; RECEIVE_BUFFER]),
            meta: [RecvMeta::default(); BATCH],
            received: 0,
        }
    }
}

impl ReceiveBatch {
    /// The datagrams with their sources, in order of arrival.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        self.meta.iter().zip(&mut self.buffers).take(self.received).flat_map(|(meta, buffer)| {
            let length = meta.len.min(buffer.len());
            buffer[..length].chunks_mut(meta.stride.max(1)).map(|datagram| (meta.addr, datagram))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu::burst::Burst;

    fn loopback() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_address().unwrap();
        (socket, address)
    }

    /// Loopback delivers within the send: what was sent is there.
    fn sizes_received(socket: &mut UdpSocket) -> Vec<usize> {
        let mut batch = ReceiveBatch::default();
        let mut sizes = Vec::new();
        while socket.receive(&mut batch).is_ok() {
            sizes.extend(batch.datagrams().map(|(_, datagram)| datagram.len()));
        }
        sizes
    }

    #[test]
    fn a_burst_arrives_as_the_datagrams_it_was_made_of() {
        let ((mut sender, _), (mut receiver, destination)) = (loopback(), loopback());
        let contents = vec![7; 10 * 1_200 + 300];
        sender.send(Instant::now(), Burst { destination, segment_size: 1_200, contents: &contents });
        let mut expected = vec![1_200; 10];
        expected.push(300);
        assert_eq!(sizes_received(&mut receiver), expected);
        assert_eq!(sender.counts(), SocketCounts::default());
    }

    #[test]
    fn a_single_datagram_needs_no_segmentation() {
        let ((mut sender, _), (mut receiver, destination)) = (loopback(), loopback());
        sender.send(Instant::now(), Burst { destination, segment_size: 5, contents: b"hello" });
        assert_eq!(sizes_received(&mut receiver), [5]);
    }

    #[test]
    fn refused_segmentation_falls_back_to_single_sends() {
        let (mut sender, _) = loopback();
        let destination = SocketAddr::from(([127, 0, 0, 1], 0));
        let now = Instant::now();
        sender.send(now, Burst { destination, segment_size: 100, contents: &[0; 300] });
        assert_eq!(sender.counts().unsent[SendFailure::Other as usize], 3, "port zero takes nothing");
        assert_eq!(sender.offload.max_gso_segments(), 1);

        let (mut receiver, destination) = loopback();
        sender.send(now, Burst { destination, segment_size: 100, contents: &[0; 300] });
        assert_eq!(sizes_received(&mut receiver), [100; 3]);

        sender.send(now + SEGMENTATION_RETRY, Burst { destination, segment_size: 100, contents: &[0; 300] });
        assert!(sender.offload.max_gso_segments() > 1);
        assert_eq!(sizes_received(&mut receiver), [100; 3]);
    }

    #[test]
    fn bursts_of_one_datagram_reach_everybody_and_a_refused_one_holds_up_nobody() {
        for source in [None, Some(IpAddr::from([127, 0, 0, 1]))] {
            let (mut sender, _) = loopback();
            let mut receivers: Vec<_> = (0..MOST_AT_ONCE + 6).map(|_| loopback()).collect();
            let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
            let contents = [7; 300];
            let mut destinations: Vec<SocketAddr> = receivers.iter().map(|(_, address)| *address).collect();
            destinations.insert(3, nowhere);
            for destination in destinations.iter().filter(|_| source.is_some()) {
                sender.reply_addresses.learn(*destination, IpAddr::from([127, 0, 0, 1]));
            }
            let single = |destination| Burst { destination, segment_size: 300, contents: &contents };
            let last = Burst { destination: destinations[0], segment_size: 100, contents: &contents };
            let bursts = destinations.iter().map(|to| single(*to)).chain([last]);
            sender.send_all(Instant::now(), bursts, &mut Departures::new());
            assert_eq!(sizes_received(&mut receivers[0].0), [300, 100, 100, 100], "from {source:?}");
            for (receiver, _) in &mut receivers[1..] {
                assert_eq!(sizes_received(receiver), [300], "from {source:?}");
            }
            assert_eq!(sender.counts().unsent[SendFailure::Other as usize], 1);
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_counted_by_reason() {
        let (mut sender, _) = loopback();
        let contents = vec![0; 65_508];
        let destination = SocketAddr::from(([127, 0, 0, 1], 9));
        sender.send(Instant::now(), Burst { destination, segment_size: contents.len(), contents: &contents });
        assert_eq!(sender.counts().unsent[SendFailure::TooLong as usize], 1);
    }

    #[test]
    fn replies_leave_from_the_address_that_was_asked() {
        let mut server = UdpSocket::bind(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
        let port = server.local_address().unwrap().port();
        let (mut client, client_address) = loopback();
        let asked = SocketAddr::from(([127, 0, 0, 77], port));
        client.send(Instant::now(), Burst { destination: asked, segment_size: 4, contents: b"ping" });
        let mut batch = ReceiveBatch::default();
        server.receive(&mut batch).unwrap();
        server
            .send(Instant::now(), Burst { destination: client_address, segment_size: 4, contents: b"pong" });
        client.receive(&mut batch).unwrap();
        assert_eq!(batch.datagrams().map(|(source, _)| source).collect::<Vec<_>>(), [asked]);
    }
}
