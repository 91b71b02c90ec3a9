//! What leaves the media plane: sealed datagrams, lying one after the other in a slab, grouped into
//! bursts of equal size to one destination, so that one system call (UDP GSO) can carry a burst.

use std::net::SocketAddr;

/// Bytes of datagrams in one slab. One GSO send carries at most 64 KiB; four of them keep the slab in L2.
const SLAB_CAPACITY: usize = 256 * 1024;

/// The kernel refuses more segments in one send (`UDP_MAX_SEGMENTS` was 64 before Linux 6.9).
const MAX_SEGMENTS: usize = 64;

/// A GSO send may not exceed what an IPv4 datagram could carry.
const MAX_BURST_BYTES: usize = 65_000;

/// Datagrams to one destination, each of `segment_size` bytes but the last, which may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst<'a> {
    /// Where to.
    pub destination: SocketAddr,
    /// Bytes of every datagram but the last.
    pub segment_size: usize,
    /// The datagrams, one after the other.
    pub contents: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
struct Span {
    destination: SocketAddr,
    segment_size: usize,
    start: usize,
    end: usize,
}

/// Sealed datagrams waiting for the socket. It is filled by [`crate::sfu::Sfu::fill`], sent and cleared,
/// over and over, without an allocation.
#[derive(Debug)]
pub struct BurstSlab {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Default for BurstSlab {
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(SLAB_CAPACITY), spans: Vec::with_capacity(SLAB_CAPACITY / 256) }
    }
}

impl BurstSlab {
    /// The bursts, in the order in which they shall leave.
    pub fn bursts(&self) -> impl Iterator<Item = Burst<'_>> {
        self.spans.iter().map(|span| Burst {
            destination: span.destination,
            segment_size: span.segment_size,
            contents: &self.bytes[span.start..span.end],
        })
    }

    /// Whether nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Forgets what was sent and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// Whether a datagram of at most `size` bytes still fits.
    #[must_use]
    pub(crate) fn has_room_for(&self, size: usize) -> bool {
        self.bytes.len() + size <= SLAB_CAPACITY && self.spans.len() < self.spans.capacity()
    }

    /// The segment size that a datagram to `destination` would have to match to join the last burst.
    #[must_use]
    pub(crate) fn open_segment_size(&self, destination: SocketAddr) -> Option<usize> {
        let span = self.spans.last()?;
        (span.destination == destination && span.is_open()).then_some(span.segment_size)
    }

    /// Appends the datagram that `write` puts at the end of the buffer.
    pub(crate) fn push(&mut self, destination: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        let size = end - start;
        if size == 0 {
            return;
        }
        if let Some(span) = self.spans.last_mut()
            && span.destination == destination
            && span.takes(size)
        {
            span.end = end;
            return;
        }
        self.spans.push(Span { destination, segment_size: size, start, end });
    }
}

impl Span {
    /// A shorter segment ends a burst, and so does a full one.
    fn is_open(&self) -> bool {
        let length = self.end - self.start;
        length.is_multiple_of(self.segment_size) && length / self.segment_size < MAX_SEGMENTS
    }

    fn takes(&self, size: usize) -> bool {
        self.is_open() && size <= self.segment_size && self.end - self.start + size <= MAX_BURST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(slab: &BurstSlab) -> Vec<(u16, usize, usize)> {
        slab.bursts()
            .map(|burst| (burst.destination.port(), burst.segment_size, burst.contents.len()))
            .collect()
    }

    fn slab_of(datagrams: &[(u16, usize)]) -> BurstSlab {
        let mut slab = BurstSlab::default();
        for (port, size) in datagrams {
            let destination = SocketAddr::from(([127, 0, 0, 1], *port));
            slab.push(destination, |bytes| bytes.resize(bytes.len() + size, 0));
        }
        slab
    }

    #[test]
    fn equal_sizes_share_a_burst_and_a_shorter_one_ends_it() {
        let slab = slab_of(&[(1, 100), (1, 100), (1, 60), (1, 60), (2, 60), (1, 60)]);
        assert_eq!(sizes(&slab), [(1, 100, 260), (1, 60, 60), (2, 60, 60), (1, 60, 60)]);
    }

    #[test]
    fn a_longer_datagram_starts_a_burst() {
        assert_eq!(sizes(&slab_of(&[(1, 100), (1, 101)])), [(1, 100, 100), (1, 101, 101)]);
    }

    #[test]
    fn a_burst_stays_within_what_one_send_carries() {
        let slab = slab_of(&[(1, 1_200); 130]);
        assert!(slab.bursts().all(|burst| burst.contents.len() <= MAX_BURST_BYTES));
        assert_eq!(slab.bursts().map(|burst| burst.contents.len() / 1_200).sum::<usize>(), 130);
        let slab = slab_of(&[(1, 50); 65]);
        assert_eq!(sizes(&slab), [(1, 50, 3_200), (1, 50, 50)]);
    }
}
