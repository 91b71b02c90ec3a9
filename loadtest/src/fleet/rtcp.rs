//! The few RTCP packets that a session sends and looks for (RFC 3550 §6, RFC 4585, RFC 5104).

use super::clock::Moment;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

const NACK: u8 = 1;
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA_REQUEST: u8 = 4;

/// Report blocks of one receiver report.
const MAX_BLOCKS: usize = 31;

/// Packets that one compound packet asks for again at most; more is an attack or a link that is down.
const MAX_NACKED: usize = 512;

/// From the epoch of NTP to that of Unix.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// What a compound packet asks for, or tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Heard {
    /// A key frame is wanted.
    pub(crate) key_frame: bool,
    /// These are missing.
    pub(crate) nacked: Vec<u16>,
    /// The sender and the middle of the NTP time of a sender report.
    pub(crate) sender_report: Option<(u32, u32)>,
}

/// Reads a compound packet; whatever is cut or unknown is passed over.
pub(crate) fn hear(mut compound: &[u8]) -> Heard {
    let mut heard = Heard::default();
    while let Some(&[first, kind, l0, l1]) = compound.first_chunk() {
        let length = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
        let Some((packet, rest)) = compound.split_at_checked(length) else { return heard };
        compound = rest;
        match (kind, first & 0x1F) {
            (PAYLOAD_FEEDBACK, PICTURE_LOSS | FULL_INTRA_REQUEST) => heard.key_frame = true,
            (TRANSPORT_FEEDBACK, NACK) => nacked(packet, &mut heard.nacked),
            (SENDER_REPORT, _) => {
                heard.sender_report = word(packet, 4)
                    .zip(word(packet, 8))
                    .zip(word(packet, 12))
                    .map(|((ssrc, seconds), fraction)| (ssrc, seconds << 16 | fraction >> 16));
            }
            _ => {}
        }
    }
    heard
}

fn nacked(packet: &[u8], all: &mut Vec<u16>) {
    for item in packet.get(12..).unwrap_or_default().chunks_exact(4) {
        let (first, following) =
            (u16::from_be_bytes([item[0], item[1]]), u16::from_be_bytes([item[2], item[3]]));
        let others = (0..16).filter(|bit| following >> bit & 1 == 1).map(|bit| first.wrapping_add(bit + 1));
        all.extend([first].into_iter().chain(others).take(MAX_NACKED.saturating_sub(all.len())));
    }
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// How many packets of a stream went out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
}

/// A sender report with the name of the source.
pub(crate) fn sender_report(ssrc: u32, now: Moment, timestamp: u32, sent: Sent) -> Vec<u8> {
    let mut out = head(SENDER_REPORT, 0, ssrc);
    // NTP time need only advance with the clock of this machine.
    let seconds = now.nanos / 1_000_000_000 + NTP_TO_UNIX;
    let fraction = ((now.nanos % 1_000_000_000) << 32) / 1_000_000_000;
    out.extend((seconds as u32).to_be_bytes());
    out.extend((fraction as u32).to_be_bytes());
    out.extend(timestamp.to_be_bytes());
    out.extend(sent.packets.to_be_bytes());
    out.extend(sent.bytes.to_be_bytes());
    finish(&mut out, 0);
    source_description(ssrc, &mut out);
    out
}

/// What a receiver says of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReportBlock {
    pub(crate) ssrc: u32,
    /// Of the packets since the last report, in 1/256.
    pub(crate) fraction_lost: u8,
    pub(crate) lost: u32,
    pub(crate) highest: u32,
    /// Middle of the NTP time of the last sender report, 0 without one.
    pub(crate) last_report: u32,
    /// In 1/65536 s.
    pub(crate) since_last_report: u32,
}

/// A receiver report with the name of the source.
pub(crate) fn receiver_report(ssrc: u32, blocks: &[ReportBlock]) -> Vec<u8> {
    let blocks = &blocks[..blocks.len().min(MAX_BLOCKS)];
    let mut out = head(RECEIVER_REPORT, blocks.len() as u8, ssrc);
    for block in blocks {
        out.extend(block.ssrc.to_be_bytes());
        out.extend((u32::from(block.fraction_lost) << 24 | block.lost & 0xFF_FFFF).to_be_bytes());
        out.extend(block.highest.to_be_bytes());
        // Jitter is not measured: no server steers by it.
        out.extend(0_u32.to_be_bytes());
        out.extend(block.last_report.to_be_bytes());
        out.extend(block.since_last_report.to_be_bytes());
    }
    finish(&mut out, 0);
    source_description(ssrc, &mut out);
    out
}

/// Asks for a key frame.
pub(crate) fn picture_loss(ssrc: u32, media: u32) -> Vec<u8> {
    let mut out = head(PAYLOAD_FEEDBACK, PICTURE_LOSS, ssrc);
    out.extend(media.to_be_bytes());
    finish(&mut out, 0);
    out
}

/// The beginning of transport-layer feedback of a format; `finish` sets its length.
pub(super) fn transport_feedback(format: u8, ssrc: u32, media: u32) -> Vec<u8> {
    let mut out = head(TRANSPORT_FEEDBACK, format, ssrc);
    out.extend(media.to_be_bytes());
    out
}

/// Fills the packet that starts there up to whole words, and sets its length.
pub(super) fn finish(out: &mut Vec<u8>, start: usize) {
    out.resize(out.len().next_multiple_of(4), 0);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn head(kind: u8, count: u8, ssrc: u32) -> Vec<u8> {
    let mut out = vec![0x80 | count, kind, 0, 0];
    out.extend(ssrc.to_be_bytes());
    out
}

fn source_description(ssrc: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(head(SOURCE_DESCRIPTION, 1, ssrc));
    out.extend(b"\x01\x05fleet\0");
    finish(out, start);
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::packet::unmarshal;

    use super::super::clock::fake::Clock;
    use super::*;

    fn is_read(compound: &[u8], packets: usize) -> String {
        let all = unmarshal(&mut &compound[..]).expect("RTCP");
        assert_eq!(all.len(), packets);
        format!("{all:?}")
    }

    #[test]
    fn others_read_what_is_written() {
        let now = Clock::new().after(1_500);
        let report = sender_report(7, now, 90_000, Sent { packets: 3, bytes: 3_600 });
        assert!(is_read(&report, 2).contains("90000"));
        assert_eq!(hear(&report).sender_report, Some((7, (2_208_988_801_u64 as u32) << 16 | 0x8000)));
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 64,
            lost: 5,
            highest: 65_540,
            last_report: 77,
            since_last_report: 78,
        };
        let text = is_read(&receiver_report(7, &[block]), 2);
        assert!(["65540", "64", "77", "78"].iter().all(|word| text.contains(word)), "{text}");
        is_read(&picture_loss(7, 9), 1);
    }

    #[test]
    fn requests_are_heard_in_a_compound_packet() {
        let mut compound = receiver_report(1, &[]);
        let nack_at = compound.len();
        compound.extend(transport_feedback(NACK, 1, 2));
        compound.extend([0xFF, 0xFF, 0x80, 0x01]);
        finish(&mut compound, nack_at);
        assert!(!hear(&compound).key_frame);
        compound.extend(picture_loss(1, 2));
        let heard = hear(&compound);
        assert_eq!(heard.nacked, [65_535, 0, 15]);
        assert!(heard.key_frame);
    }

    #[test]
    fn no_cut_packet_breaks_the_reader() {
        let mut compound = sender_report(7, Clock::new().after(1), 1, Sent::default());
        compound.extend(picture_loss(1, 2));
        for length in 0..compound.len() {
            let _ = hear(&compound[..length]);
        }
        assert!(!hear(&[0x81, 206, 0xFF, 0xFF]).key_frame, "longer than it is");
    }
}
