//! RTCP that the gateway sends, written at the end of a buffer, ready to be sealed as a compound or as
//! reduced-size RTCP (RFC 5506).

use crate::rtcp::packet_writer::{PacketWriter, kind};
use crate::rtcp::rtcp_reader::ReportBlock;
use crate::rtp::{SeqNo, Ssrc};

/// Report blocks that one packet can count (RFC 3550 §6.4.1).
const MAX_REPORT_BLOCKS: usize = 31;

/// Type of the canonical name among the items of a source description (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

/// Asks for a key frame (RFC 4585 §6.3.1).
pub(crate) fn write_pli(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc) {
    let mut packet = PacketWriter::begin(out, kind::PICTURE_LOSS, kind::PAYLOAD_FEEDBACK);
    packet.ssrc(sender).ssrc(media);
    packet.finish();
}

/// Asks for packets again (RFC 4585 §6.2.1). Numbers in rising order take the fewest bytes.
pub(crate) fn write_nack(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, lost: &[SeqNo]) {
    let mut packet = PacketWriter::begin(out, kind::NACK, kind::TRANSPORT_FEEDBACK);
    packet.ssrc(sender).ssrc(media);
    let mut rest = lost.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut following = 0_u16;
        while let Some(sequence) = rest.next_if(|sequence| (1..=16).contains(&sequence.distance_from(first)))
        {
            following |= 1 << (sequence.distance_from(first) - 1);
        }
        packet.u16(first.0).u16(following);
    }
    packet.finish();
}

/// Reports what was received (RFC 3550 §6.4.2), in as many packets as the blocks take.
pub(crate) fn write_receiver_report(out: &mut Vec<u8>, sender: Ssrc, reports: &[ReportBlock]) {
    if reports.is_empty() {
        let mut packet = PacketWriter::begin(out, 0, kind::RECEIVER_REPORT);
        packet.ssrc(sender);
        packet.finish();
    }
    for reports in reports.chunks(MAX_REPORT_BLOCKS) {
        let mut packet = PacketWriter::begin(out, reports.len() as u8, kind::RECEIVER_REPORT);
        packet.ssrc(sender);
        for report in reports {
            let lost = report.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF).cast_unsigned() & 0xFF_FFFF;
            packet
                .ssrc(report.ssrc)
                .u32(u32::from(report.fraction_lost) << 24 | lost)
                .u32(report.highest_sequence)
                .u32(report.jitter)
                .u32(report.last_sender_report)
                .u32(report.delay_since_last);
        }
        packet.finish();
    }
}

/// Names the source of a stream (RFC 3550 §6.5.1). Names end at 255 bytes.
pub(crate) fn write_cname(out: &mut Vec<u8>, ssrc: Ssrc, cname: &str) {
    let name = cname.as_bytes();
    let name = name.get(..usize::from(u8::MAX)).unwrap_or(name);
    let mut packet = PacketWriter::begin(out, 1, kind::SOURCE_DESCRIPTION);
    // The list of items ends with at least one zero, then up to a whole word.
    packet.ssrc(ssrc).bytes(&[CNAME, name.len() as u8]).bytes(name).bytes(&[0]);
    packet.finish();
}
