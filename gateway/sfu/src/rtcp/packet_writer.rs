//! The common header of RTCP packets (RFC 3550 §6.4.1), written at the end of a buffer.

use crate::rtp::Ssrc;

/// Packet types and formats that are read or written here.
pub(super) mod kind {
    pub(crate) const SENDER_REPORT: u8 = 200;
    pub(crate) const RECEIVER_REPORT: u8 = 201;
    pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
    pub(crate) const BYE: u8 = 203;
    pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
    /// Of transport feedback (RFC 4585 §6.2.1).
    pub(crate) const NACK: u8 = 1;
    /// Of transport feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    pub(crate) const TRANSPORT_WIDE: u8 = 15;
    /// Of payload feedback (RFC 4585 §6.3.1).
    pub(crate) const PICTURE_LOSS: u8 = 1;
    /// Of payload feedback (RFC 5104 §4.3.1).
    pub(crate) const FULL_INTRA_REQUEST: u8 = 4;
}

/// One packet being written at the end of a buffer.
pub(super) struct PacketWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> PacketWriter<'a> {
    /// Begins a packet; `count` is the number of its reports, or the format of its feedback.
    pub(super) fn begin(out: &'a mut Vec<u8>, count: u8, packet_type: u8) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0x80 | (count & 0x1F), packet_type, 0, 0]);
        Self { out, start }
    }

    pub(super) fn ssrc(&mut self, ssrc: Ssrc) -> &mut Self {
        self.u32(ssrc.0)
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Fills the packet up to whole words with zeros and sets its length.
    pub(super) fn finish(self) {
        let len = (self.out.len() - self.start).next_multiple_of(4);
        self.out.resize(self.start + len, 0);
        let words = (len / 4 - 1) as u16;
        self.out[self.start + 2..self.start + 4].copy_from_slice(&words.to_be_bytes());
    }
}
