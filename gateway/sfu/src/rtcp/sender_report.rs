//! Sender reports (RFC 3550 §6.4.1): what was sent of a stream, and how its timestamps relate to a wall clock.

use crate::rtcp::packet_writer::{PacketWriter, kind};
use crate::rtp::Ssrc;

/// Bytes of a report behind its RTCP header, without report blocks.
const REPORT_LEN: usize = 24;

/// A sender report without its report blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderReport {
    /// The stream.
    pub(crate) ssrc: Ssrc,
    /// The wall clock that the streams of one publisher share, 32.32 fixed point.
    pub(crate) ntp: u64,
    /// The stream's timestamp at that moment.
    pub(crate) rtp_timestamp: u32,
    /// Packets sent so far.
    pub(crate) packets: u32,
    /// Bytes of payload sent so far.
    pub(crate) octets: u32,
}

impl SenderReport {
    /// Divides what follows the RTCP header into the report and its blocks.
    pub(super) fn parse(body: &[u8]) -> Option<(Self, &[u8])> {
        let (report, blocks) = body.split_first_chunk::<REPORT_LEN>()?;
        let (words, _) = report.as_chunks::<4>();
        let &[ssrc, seconds, fraction, rtp_timestamp, packets, octets] = words.first_chunk()?;
        let ntp = (u64::from(u32::from_be_bytes(seconds)) << 32) | u64::from(u32::from_be_bytes(fraction));
        let report = Self {
            ssrc: Ssrc(u32::from_be_bytes(ssrc)),
            ntp,
            rtp_timestamp: u32::from_be_bytes(rtp_timestamp),
            packets: u32::from_be_bytes(packets),
            octets: u32::from_be_bytes(octets),
        };
        Some((report, blocks))
    }
}

/// Reports what was sent.
pub(crate) fn write_sender_report(out: &mut Vec<u8>, report: &SenderReport) {
    let mut packet = PacketWriter::begin(out, 0, kind::SENDER_REPORT);
    packet
        .ssrc(report.ssrc)
        .bytes(&report.ntp.to_be_bytes())
        .u32(report.rtp_timestamp)
        .u32(report.packets)
        .u32(report.octets);
    packet.finish();
}

/// The middle 32 of the 64 bits of an NTP time.
pub(super) const fn middle_bits(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, RtcpReader};

    #[test]
    fn a_report_is_read_back() {
        let report = SenderReport {
            ssrc: Ssrc(1),
            ntp: 0x1234_5678_9ABC_DEF0,
            rtp_timestamp: 7,
            packets: 8,
            octets: 9,
        };
        let mut out = Vec::new();
        write_sender_report(&mut out, &report);
        let packets: Vec<_> = RtcpReader::new(&out).collect();
        let [Ok(Rtcp::SenderReport(read))] = &packets[..] else { panic!("other packets: {packets:?}") };
        assert_eq!(*read, report);
        assert_eq!(middle_bits(report.ntp), 0x5678_9ABC);
    }
}
