//! Compound RTCP packets (RFC 3550 §6.1) as an iterator of typed packets. What arrives is bounded by the
//! datagram; what a single packet may ask for is bounded here.

use crate::rtcp::packet_writer::kind;
use crate::rtcp::sender_report::SenderReport;
use crate::rtcp::twcc_feedback::TwccFeedback;
use crate::rtp::{SeqNo, Ssrc};

/// Lost packets honoured per NACK; a loss of more is repaired by a key frame.
pub(crate) const MAX_LOST_PER_NACK: usize = 48;

/// Packets read of one compound; browsers send a handful.
const MAX_PACKETS: usize = 32;

/// Bytes of one report block.
const REPORT_BLOCK_LEN: usize = 24;

/// Why bytes are no RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RtcpError {
    /// A packet is longer than what is left, or shorter than its kind needs.
    #[error("rtcp packet is truncated")]
    Truncated,
    /// Not version 2.
    #[error("rtcp packet is not of version 2")]
    Version,
    /// The padding count is zero or larger than the packet.
    #[error("rtcp padding exceeds the packet")]
    Padding,
    /// More packets than any sender has a use for.
    #[error("rtcp compound has too many packets")]
    TooMany,
}

/// One RTCP packet.
#[derive(Debug, Clone)]
pub(crate) enum Rtcp<'a> {
    /// What a sender has sent, and how its clocks relate (RFC 3550 §6.4.1). What it reports on streams that
    /// it receives comes next, as a receiver report.
    SenderReport(SenderReport),
    /// What a receiver has received (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// Packets to send again (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// A key frame is needed (RFC 4585 §6.3.1).
    PictureLoss {
        /// The stream.
        media_ssrc: Ssrc,
    },
    /// A key frame is wanted (RFC 5104 §4.3.1); of several streams the first counts, browsers name one.
    FullIntraRequest {
        /// The stream.
        media_ssrc: Ssrc,
    },
    /// When packets arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    Twcc(TwccFeedback<'a>),
    /// Streams have ended (RFC 3550 §6.6).
    Bye,
    /// Anything else: source descriptions, REMB, extended reports.
    Other,
}

/// The packets of a plain compound. An error ends them.
#[derive(Debug, Clone)]
pub(crate) struct RtcpReader<'a> {
    rest: &'a [u8],
    packets_left: usize,
    /// The blocks of the sender report just read.
    reports: Option<ReceiverReport<'a>>,
}

impl<'a> RtcpReader<'a> {
    /// Reads from the front.
    #[must_use]
    pub(crate) const fn new(plain: &'a [u8]) -> Self {
        Self { rest: plain, packets_left: MAX_PACKETS, reports: None }
    }

    fn next_packet(&mut self) -> Result<Rtcp<'a>, RtcpError> {
        if self.packets_left == 0 {
            return Err(RtcpError::TooMany);
        }
        self.packets_left -= 1;
        let &[first, packet_type, w0, w1] = self.rest.first_chunk().ok_or(RtcpError::Truncated)?;
        if first >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let len = 4 * (usize::from(u16::from_be_bytes([w0, w1])) + 1);
        let (packet, rest) = self.rest.split_at_checked(len).ok_or(RtcpError::Truncated)?;
        self.rest = rest;
        let mut body = &packet[4..];
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
            let end = body.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtcpError::Padding)?;
            body = &body[..end];
        }
        let count = first & 0x1F;
        if packet_type == kind::SENDER_REPORT {
            let (report, blocks) = SenderReport::parse(body).ok_or(RtcpError::Truncated)?;
            let blocks = ReportBlocks::new(blocks, count)?;
            self.reports = (count > 0).then_some(ReceiverReport { blocks });
            return Ok(Rtcp::SenderReport(report));
        }
        parse(count, packet_type, body)
    }
}

impl<'a> Iterator for RtcpReader<'a> {
    type Item = Result<Rtcp<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(reports) = self.reports.take() {
            return Some(Ok(Rtcp::ReceiverReport(reports)));
        }
        if self.rest.is_empty() {
            return None;
        }
        let packet = self.next_packet();
        if packet.is_err() {
            self.rest = &[];
        }
        Some(packet)
    }
}

fn parse(count: u8, packet_type: u8, body: &[u8]) -> Result<Rtcp<'_>, RtcpError> {
    match (packet_type, count) {
        (kind::RECEIVER_REPORT, _) => {
            let (_, blocks) = split_ssrc(body)?;
            Ok(Rtcp::ReceiverReport(ReceiverReport { blocks: ReportBlocks::new(blocks, count)? }))
        }
        (kind::BYE, _) => Ok(Rtcp::Bye),
        (kind::TRANSPORT_FEEDBACK, kind::NACK) => {
            let (_, rest) = split_ssrc(body)?;
            let (media_ssrc, entries) = split_ssrc(rest)?;
            Ok(Rtcp::Nack(Nack { media_ssrc, entries }))
        }
        (kind::TRANSPORT_FEEDBACK, kind::TRANSPORT_WIDE) => {
            TwccFeedback::parse(body).map(Rtcp::Twcc).ok_or(RtcpError::Truncated)
        }
        (kind::PAYLOAD_FEEDBACK, kind::PICTURE_LOSS) => {
            let (_, rest) = split_ssrc(body)?;
            Ok(Rtcp::PictureLoss { media_ssrc: split_ssrc(rest)?.0 })
        }
        (kind::PAYLOAD_FEEDBACK, kind::FULL_INTRA_REQUEST) => {
            let entries = body.get(8..).ok_or(RtcpError::Truncated)?;
            Ok(Rtcp::FullIntraRequest { media_ssrc: split_ssrc(entries)?.0 })
        }
        _ => Ok(Rtcp::Other),
    }
}

fn split_ssrc(bytes: &[u8]) -> Result<(Ssrc, &[u8]), RtcpError> {
    let (&ssrc, rest) = bytes.split_first_chunk().ok_or(RtcpError::Truncated)?;
    Ok((Ssrc(u32::from_be_bytes(ssrc)), rest))
}

/// What is reported on one stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReportBlock {
    /// The stream.
    pub(crate) ssrc: Ssrc,
    /// The share lost since the last report, in 256ths.
    pub(crate) fraction_lost: u8,
    /// Packets lost since the start; fewer than none where duplicates prevail.
    pub(crate) cumulative_lost: i32,
    /// The highest sequence number, its cycles above it.
    pub(crate) highest_sequence: u32,
    /// Interarrival jitter in ticks of the media clock.
    pub(crate) jitter: u32,
    /// The middle bits of the NTP time of the last sender report; zero without one.
    pub(crate) last_sender_report: u32,
    /// Since that report, in 65,536ths of a second.
    pub(crate) delay_since_last: u32,
}

impl ReportBlock {
    fn parse(block: &[u8; REPORT_BLOCK_LEN]) -> Self {
        let (words, _) = block.as_chunks::<4>();
        let word = |position: usize| words.get(position).map_or(0, |word| u32::from_be_bytes(*word));
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: block[4],
            // 24 bits with a sign.
            cumulative_lost: (word(1) << 8).cast_signed() >> 8,
            highest_sequence: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since_last: word(5),
        }
    }
}

/// What one receiver reports.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverReport<'a> {
    blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    /// Stream by stream.
    #[must_use]
    pub(crate) fn blocks(&self) -> ReportBlocks<'a> {
        self.blocks.clone()
    }
}

/// The report blocks of one packet.
#[derive(Debug, Clone)]
pub(crate) struct ReportBlocks<'a>(&'a [u8]);

impl<'a> ReportBlocks<'a> {
    fn new(bytes: &'a [u8], count: u8) -> Result<Self, RtcpError> {
        bytes.get(..REPORT_BLOCK_LEN * usize::from(count)).map(Self).ok_or(RtcpError::Truncated)
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(ReportBlock::parse(block))
    }
}

/// A request for packets of one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nack<'a> {
    /// The stream.
    pub(crate) media_ssrc: Ssrc,
    entries: &'a [u8],
}

impl<'a> Nack<'a> {
    /// The numbers asked for, at most [`MAX_LOST_PER_NACK`].
    #[must_use]
    pub(crate) fn lost(&self) -> LostPackets<'a> {
        LostPackets { entries: self.entries, current: None, left: MAX_LOST_PER_NACK }
    }
}

/// The sequence numbers of one NACK.
#[derive(Debug, Clone)]
pub(crate) struct LostPackets<'a> {
    entries: &'a [u8],
    /// The next number of the current entry, and the bits for those after it.
    current: Option<(SeqNo, u16)>,
    left: usize,
}

impl Iterator for LostPackets<'_> {
    type Item = SeqNo;

    fn next(&mut self) -> Option<SeqNo> {
        self.left = self.left.checked_sub(1)?;
        let (sequence, following) = match self.current {
            Some(current) => current,
            None => {
                let (&[s0, s1, b0, b1], rest) = self.entries.split_first_chunk()?;
                self.entries = rest;
                (SeqNo(u16::from_be_bytes([s0, s1])), u16::from_be_bytes([b0, b1]))
            }
        };
        let skipped = following.trailing_zeros();
        self.current = (following != 0)
            .then(|| (sequence.plus(1 + skipped as u16), following.checked_shr(skipped + 1).unwrap_or(0)));
        Some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{TwccClock, write_cname, write_nack, write_pli, write_receiver_report};

    const SENDER: Ssrc = Ssrc(1);
    const MEDIA: Ssrc = Ssrc(0xABCD_EF01);

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    fn nack(lost: &[u16]) -> Vec<u8> {
        let lost: Vec<_> = lost.iter().copied().map(SeqNo).collect();
        written(|out| write_nack(out, SENDER, MEDIA, &lost))
    }

    fn block(ssrc: u32, cumulative_lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(ssrc),
            fraction_lost: 7,
            cumulative_lost,
            highest_sequence: 0x0001_0002,
            jitter: 3,
            last_sender_report: 4,
            delay_since_last: 5,
        }
    }

    /// The only packet.
    fn single(bytes: &[u8]) -> Rtcp<'_> {
        let mut packets = RtcpReader::new(bytes);
        let packet = packets.next().expect("a packet").expect("well formed");
        assert!(packets.next().is_none());
        packet
    }

    #[test]
    fn nacks_are_read_back() {
        let many: Vec<u16> = (0..60).map(|n| n * 3).collect();
        let table: [&[u16]; 5] = [&[5], &[5, 6, 21], &[5, 22], &[65_535, 0, 14, 15], &many[..48]];
        for lost in table {
            let bytes = nack(lost);
            let Rtcp::Nack(nack) = single(&bytes) else { panic!("no nack: {bytes:02x?}") };
            assert_eq!(nack.media_ssrc, MEDIA);
            assert_eq!(nack.lost().map(|sequence| sequence.0).collect::<Vec<_>>(), lost);
        }
        let bytes = nack(&many);
        let Rtcp::Nack(nack) = single(&bytes) else { panic!("no nack: {bytes:02x?}") };
        assert_eq!(nack.lost().count(), MAX_LOST_PER_NACK);
    }

    #[test]
    fn every_packet_of_a_compound_comes_in_turn() {
        let blocks = [block(2, -3), block(3, 0x7F_FFFF)];
        let compound = written(|out| {
            write_receiver_report(out, SENDER, &blocks);
            write_cname(out, SENDER, "name");
            write_pli(out, SENDER, MEDIA);
            out.extend([0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0]);
            out.extend([0x81, 203, 0, 1, 0, 0, 0, 1]);
        });
        let packets: Vec<_> = RtcpReader::new(&compound).map(|packet| packet.expect("well formed")).collect();
        let [
            Rtcp::ReceiverReport(report),
            Rtcp::Other,
            Rtcp::PictureLoss { media_ssrc: MEDIA },
            Rtcp::FullIntraRequest { media_ssrc: Ssrc(9) },
            Rtcp::Bye,
        ] = &packets[..]
        else {
            panic!("other packets: {packets:?}")
        };
        assert_eq!(report.blocks().collect::<Vec<_>>(), blocks);
    }

    #[test]
    fn the_blocks_of_a_sender_report_follow_it() {
        let mut bytes = written(|out| write_receiver_report(out, SENDER, &[block(2, 1)]));
        bytes.splice(8..8, [0; 20]);
        bytes[1] = kind::SENDER_REPORT;
        bytes[3] += 5;
        let packets: Vec<_> = RtcpReader::new(&bytes).map(|packet| packet.expect("well formed")).collect();
        let [Rtcp::SenderReport(_), Rtcp::ReceiverReport(report)] = &packets[..] else {
            panic!("other packets: {packets:?}")
        };
        assert_eq!(report.blocks().collect::<Vec<_>>(), [block(2, 1)]);
    }

    #[test]
    fn broken_packets_end_the_compound_with_an_error() {
        let table: [(&[u8], RtcpError); 8] = [
            (&[0x80, 201, 0], RtcpError::Truncated),
            (&[0x80, 201, 0, 1, 0, 0, 0], RtcpError::Truncated),
            (&[0x40, 201, 0, 1, 0, 0, 0, 0], RtcpError::Version),
            (&[0x81, 201, 0, 1, 0, 0, 0, 0], RtcpError::Truncated),
            (&[0x80, 200, 0, 1, 0, 0, 0, 0], RtcpError::Truncated),
            (&[0xA0, 201, 0, 1, 0, 0, 0, 0], RtcpError::Padding),
            (&[0xA0, 201, 0, 1, 0, 0, 0, 5], RtcpError::Padding),
            (&[0x8F, 205, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0], RtcpError::Truncated),
        ];
        for (bytes, error) in table {
            let mut packets = RtcpReader::new(bytes);
            assert_eq!(packets.next().and_then(Result::err), Some(error), "{bytes:02x?}");
            assert!(packets.next().is_none());
        }
        let many = [0x80, 204, 0, 0].repeat(MAX_PACKETS + 5);
        assert_eq!(RtcpReader::new(&many).count(), MAX_PACKETS + 1);
        assert_eq!(RtcpReader::new(&many).last().and_then(Result::err), Some(RtcpError::TooMany));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_bytes_are_survived_within_bounds(
            mut bytes in proptest::collection::vec(any::<u8>(), 4..200),
            packet_type in 199_u8..=207, count in 0_u8..16,
        ) {
            let words = (bytes.len() / 4 - 1) as u16;
            bytes[0] = 0x80 | count;
            bytes[1] = packet_type;
            bytes[2..4].copy_from_slice(&words.to_be_bytes());
            for packet in RtcpReader::new(&bytes).flatten() {
                match packet {
                    Rtcp::Nack(nack) => prop_assert!(nack.lost().count() <= MAX_LOST_PER_NACK),
                    Rtcp::Twcc(feedback) => {
                        prop_assert!(feedback.statuses(&mut TwccClock::default()).count() <= 1_000);
                    }
                    Rtcp::ReceiverReport(report) => prop_assert!(report.blocks().count() <= 31),
                    Rtcp::SenderReport(_)
                    | Rtcp::PictureLoss { .. }
                    | Rtcp::FullIntraRequest { .. }
                    | Rtcp::Bye
                    | Rtcp::Other => {}
                }
            }
        }

        #[test]
        fn any_losses_are_asked_for(start: u16, gaps in proptest::collection::vec(1_u16..40, 1..48)) {
            let lost: Vec<u16> = gaps
                .iter()
                .scan(start, |sequence, gap| {
                    *sequence = sequence.wrapping_add(*gap);
                    Some(*sequence)
                })
                .collect();
            let bytes = nack(&lost);
            let Rtcp::Nack(nack) = single(&bytes) else { panic!("no nack") };
            prop_assert_eq!(nack.lost().map(|sequence| sequence.0).collect::<Vec<_>>(), lost);
        }
    }
}
