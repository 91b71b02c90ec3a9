//! What every simulated browser puts on the wire in the same way: payload types, header extension ids
//! and the RTP clock rates, as Chromium numbers them in its offers.

use bytes::Bytes;
use protocol::units::DataSize;
use rtc_rtp::{Header, Packet};

pub(super) const OPUS: u8 = 111;
pub(super) const RED: u8 = 63;
pub(super) const VP8: u8 = 96;
pub(super) const RTX: u8 = 97;

pub(super) const AUDIO_LEVEL_ID: u8 = 1;
pub(super) const TRANSPORT_CC_ID: u8 = 3;
pub(super) const MID_ID: u8 = 4;
pub(super) const RID_ID: u8 = 10;
pub(super) const REPAIRED_RID_ID: u8 = 11;

pub(super) const VIDEO_CLOCK: u64 = 90_000;
pub(super) const AUDIO_CLOCK: u64 = 48_000;

/// An IPv4 and a UDP header: what a link carries beyond the datagram.
const IP_UDP_OVERHEAD: usize = 28;

/// What a datagram of DTLS counts as: the signatures in a handshake are of random length, and a few bytes
/// more would move all that follows on a narrow link, so that a seed would not repeat a call.
const HANDSHAKE: usize = 600;

/// What a link carries for a datagram.
pub(super) fn carried_size(datagram: &[u8]) -> DataSize {
    let length = match datagram.first() {
        // RFC 7983 §7
        Some(20..=63) => HANDSHAKE,
        Some(_) | None => datagram.len(),
    };
    DataSize::bytes((length + IP_UDP_OVERHEAD) as u64)
}

/// A packet without extensions.
pub(super) fn packet(payload_type: u8, ssrc: u32, sequence: u16, timestamp: u32, payload: Bytes) -> Packet {
    let header =
        Header { version: 2, payload_type, sequence_number: sequence, timestamp, ssrc, ..Header::default() };
    Packet { header, payload }
}

/// Adds a header extension, or replaces its value.
pub(super) fn set_extension(packet: &mut Packet, id: u8, value: impl Into<Bytes>) {
    packet.header.set_extension(id, value.into()).expect("extensions of a simulated browser are valid");
}

/// Turns 16-bit numbers that wrap into ones that grow.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    highest: Option<i64>,
}

impl Unwrap {
    pub(super) fn next(&mut self, number: u16) -> i64 {
        let Some(highest) = self.highest else {
            let first = i64::from(number) + (1 << 16);
            self.highest = Some(first);
            return first;
        };
        let unwrapped = highest + i64::from(number.wrapping_sub(highest as u16).cast_signed());
        self.highest = Some(highest.max(unwrapped));
        unwrapped
    }
}
