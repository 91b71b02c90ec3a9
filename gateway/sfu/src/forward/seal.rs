//! The last step of a packet that leaves: written into the slab, made as long as its neighbours, stamped, and sealed.

use std::time::Instant;

use protocol::units::DataSize;

use crate::congestion::{CongestionController, PacketClass, ProbeId, SentPacket};
use crate::forward::egress::Outlet;
use crate::forward::subscription::Subscription;
use crate::rtp::{WrittenHeader, pad};

/// Padding that makes a packet as long as its neighbours in a burst: neighbours of one frame mostly differ
/// by a byte, and a byte costs less than a system call.
const MAX_EQUALISING_PADDING: usize = 2;

/// IPv4, UDP: what a datagram adds to its contents on the wire.
const DATAGRAM_OVERHEAD: usize = 28;

/// Which of a subscription's streams a packet goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Media,
    Retransmission,
}

/// What a packet is stamped with as it leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) now: Instant,
    pub(crate) epoch: Instant,
    pub(crate) release: (PacketClass, Option<ProbeId>),
}

/// A packet as it left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed {
    /// Bytes of the datagram.
    pub(crate) size: usize,
    pub(crate) transport_sequence: Option<u16>,
}

/// Lets `write` put a packet into the slab, equalises it with its neighbours, stamps and seals it.
/// `None` where nothing was written.
pub(crate) fn seal(
    congestion: &mut CongestionController,
    stamp: Stamp,
    subscription: &mut Subscription,
    stream: Stream,
    outlet: &mut Outlet<'_>,
    write: impl FnOnce(&mut Subscription, &mut Vec<u8>) -> Option<WrittenHeader>,
) -> Option<Sealed> {
    let neighbour = outlet.slab.open_segment_size(outlet.destination);
    let srtp = &mut *outlet.srtp;
    let overhead = srtp.profile().rtp_overhead();
    let mut sealed = None;
    outlet.slab.push(outlet.destination, |out| {
        let start = out.len();
        let Some(header) = write(subscription, out) else { return out.truncate(start) };
        let is_padded = out.get(start).is_some_and(|first| first & 0x20 != 0);
        let missing = neighbour.unwrap_or(0).saturating_sub(out.len() - start + overhead);
        if (1..=MAX_EQUALISING_PADDING).contains(&missing) && !is_padded {
            pad(out, start, missing as u8);
        }
        let size = out.len() - start + overhead;
        let mut transport_sequence = None;
        if header.transport_sequence_at.is_some() {
            let (class, probe) = stamp.release;
            let sequence =
                congestion.handle_sent(stamp.now, SentPacket { class, size: wire_size(size), probe });
            header.set_transport_sequence(out, sequence);
            transport_sequence = Some(sequence);
        }
        header.set_abs_send_time(out, stamp.now.saturating_duration_since(stamp.epoch));
        let rollover = subscription.rollover(stream == Stream::Retransmission);
        match srtp.seal_rtp(out, start, header.len, rollover) {
            Ok(()) => sealed = Some(Sealed { size, transport_sequence }),
            Err(_) => out.truncate(start),
        }
    });
    sealed
}

/// What a datagram with this content costs the link.
pub(crate) fn wire_size(size: usize) -> DataSize {
    DataSize::bytes((size + DATAGRAM_OVERHEAD) as u64)
}
