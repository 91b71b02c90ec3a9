//! Packets that wait to leave, up to a batch with one call to the kernel, and where they are sealed.

use std::io::IoSlice;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad};
use aws_lc_rs::error::Unspecified;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use super::{BATCH, Opened, Viewer};

/// What one message with segments may hold: a UDP payload is no longer, and the kernel cuts no more segments.
const LONGEST_MESSAGE: usize = 60_000;
const MAX_SEGMENTS: usize = 64;

/// Room for what waits to be sent: a batch of single packets, and with segments a few messages.
const CAPACITY: usize = 2 * LONGEST_MESSAGE;

/// One message to the kernel: where it lies in the buffer, and how long its segments are.
#[derive(Clone, Copy, Default)]
struct Message {
    start: usize,
    end: usize,
    segments: usize,
}

/// What waits to leave with one call; nothing is allocated for it.
pub(super) struct Outbound {
    socket: Arc<UdpSocket>,
    gso: bool,
    headers: MultiHeaders<SockaddrIn>,
    bytes: Vec<u8>,
    messages: [Message; BATCH],
    addresses: [Option<SockaddrIn>; BATCH],
    count: usize,
    /// Length of the packets in all messages, with `gso`.
    segment: u16,
}

impl Outbound {
    pub(super) fn new(socket: Arc<UdpSocket>, gso: bool) -> Self {
        Self {
            socket,
            gso,
            headers: MultiHeaders::preallocate(BATCH, gso.then(|| nix::cmsg_space!(u16))),
            bytes: Vec::with_capacity(CAPACITY),
            messages: [Message::default(); BATCH],
            addresses: [None; BATCH],
            count: 0,
            segment: 0,
        }
    }

    /// Seals a packet for a viewer; it leaves at the latest with `flush`.
    pub(super) fn seal(&mut self, plain: &[u8], packet: &Opened, viewer: &Viewer) {
        let Some(payload_type) = viewer.payload_types[packet.kind] else { return };
        let Some(index) = packet.index.checked_sub(viewer.before[packet.kind]) else { return };
        let length = plain.len() + AES_128_GCM.tag_len();
        self.make_room(length, viewer.address);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(plain);
        let Some((header, payload)) = self
            .bytes
            .get_mut(start..)
            .and_then(|sealing| sealing.split_at_mut_checked(packet.header_length))
        else {
            return;
        };
        header[1] = header[1] & 0x80 | payload_type;
        let nonce = viewer.sealer.nonce(packet.ssrc, index);
        match viewer.sealer.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload) {
            Ok(tag) => {
                self.bytes.extend_from_slice(tag.as_ref());
                self.note(start, viewer.address);
            }
            Err(Unspecified) => self.bytes.truncate(start),
        }
    }

    /// Sends one datagram at once.
    pub(super) fn send_one(&mut self, datagram: &[u8], to: SocketAddrV4) {
        // What does not leave is repeated by whoever needs it.
        let _ = self.socket.send_to(datagram, to);
    }

    /// Sends what would leave no room for so much, or cannot go in one call with it.
    fn make_room(&mut self, length: usize, to: SockaddrIn) {
        let joins = self.joins(length, to);
        let is_full = self.count == BATCH && !joins;
        if is_full
            || self.bytes.len() + length > CAPACITY
            || (self.gso && usize::from(self.segment) != length)
        {
            self.flush();
            self.segment = length as u16;
        }
    }

    /// Whether the last message takes such a packet in.
    fn joins(&self, length: usize, to: SockaddrIn) -> bool {
        let last = self.count.checked_sub(1).map(|last| (self.messages[last], self.addresses[last]));
        self.gso
            && usize::from(self.segment) == length
            && last.is_some_and(|(message, address)| {
                address == Some(to)
                    && message.segments < MAX_SEGMENTS
                    && message.end - message.start + length <= LONGEST_MESSAGE
            })
    }

    fn note(&mut self, start: usize, to: SockaddrIn) {
        let end = self.bytes.len();
        if self.joins(end - start, to) {
            let last = &mut self.messages[self.count - 1];
            (last.end, last.segments) = (end, last.segments + 1);
            return;
        }
        self.messages[self.count] = Message { start, end, segments: 1 };
        self.addresses[self.count] = Some(to);
        self.count += 1;
    }

    /// Sends all of it; blocks while the socket is full.
    pub(super) fn flush(&mut self) {
        let mut first = 0;
        while first < self.count {
            let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|at| {
                let Message { start, end, .. } = self.messages[at];
                [IoSlice::new(self.bytes.get(start..end).unwrap_or_default())]
            });
            let segment = [ControlMessage::UdpGsoSegments(&self.segment)];
            let control = if self.gso { &segment[..] } else { &[] };
            let sent = sendmmsg(
                self.socket.as_raw_fd(),
                &mut self.headers,
                slices[first..self.count].iter(),
                &self.addresses[first..self.count],
                control,
                MsgFlags::empty(),
            );
            first += match sent {
                Ok(sent) => sent.count().max(1),
                Err(Errno::EINTR) => 0,
                // One that the kernel refuses is left out; its viewer counts it as lost.
                Err(_) => 1,
            };
        }
        self.count = 0;
        self.bytes.clear();
    }
}
