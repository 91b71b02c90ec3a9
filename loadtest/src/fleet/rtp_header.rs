//! As much of an RTP header (RFC 3550 §5.1, RFC 8285) as counting needs, read without touching the payload; and the
//! header of what is published.

/// Length of the fixed header.
const FIXED: usize = 12;

/// The profile of one-byte extension elements (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xBEDE;

/// The fields that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl RtpHeader {
    /// Reads the fixed header; `None` where there is none.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = packet.first_chunk::<FIXED>()?;
        (first >> 6 == 2).then_some(Self {
            payload_type: second & 0x7F,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    /// Writes the header with one-byte extension elements of these ids and values.
    pub(crate) fn write(&self, elements: &[(u8, &[u8])], out: &mut Vec<u8>) {
        out.push(if elements.is_empty() { 0x80 } else { 0x90 });
        out.push(self.payload_type | if self.marker { 0x80 } else { 0 });
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        if elements.is_empty() {
            return;
        }
        let length: usize = elements.iter().map(|(_, value)| 1 + value.len()).sum();
        let words = length.div_ceil(4);
        out.extend(ONE_BYTE.to_be_bytes());
        out.extend((words as u16).to_be_bytes());
        for (id, value) in elements {
            out.push(id << 4 | (value.len().saturating_sub(1) & 0x0F) as u8);
            out.extend(*value);
        }
        out.extend(std::iter::repeat_n(0, words * 4 - length));
    }
}

/// The value of a one-byte extension element.
pub(crate) fn extension(packet: &[u8], id: u8) -> Option<&[u8]> {
    let first = *packet.first()?;
    if first & 0x10 == 0 {
        return None;
    }
    let at = FIXED + 4 * usize::from(first & 0x0F);
    let &[p0, p1, l0, l1] = packet.get(at..)?.first_chunk()?;
    if u16::from_be_bytes([p0, p1]) != ONE_BYTE {
        return None;
    }
    let words = usize::from(u16::from_be_bytes([l0, l1]));
    let mut rest = packet.get(at + 4..at + 4 + 4 * words)?;
    while let Some((&head, tail)) = rest.split_first() {
        if head == 0 {
            rest = tail;
            continue;
        }
        let (value, after) = tail.split_at_checked(usize::from(head & 0x0F) + 1)?;
        if head >> 4 == id {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: RtpHeader =
        RtpHeader { payload_type: 96, marker: true, sequence: 513, timestamp: 90_000, ssrc: 0xDEAD_BEEF };

    #[test]
    fn what_is_written_is_read() {
        let mut packet = Vec::new();
        HEADER.write(&[(4, b"1"), (3, &[7, 9])], &mut packet);
        packet.push(42);
        assert_eq!(RtpHeader::parse(&packet), Some(HEADER));
        assert_eq!(extension(&packet, 4), Some(&b"1"[..]));
        assert_eq!(extension(&packet, 3), Some(&[7, 9][..]));
        assert_eq!(extension(&packet, 5), None);
        assert_eq!(packet.len(), 12 + 4 + 8 + 1);
    }

    #[test]
    fn a_header_without_extensions_is_twelve_bytes() {
        let mut packet = Vec::new();
        HEADER.write(&[], &mut packet);
        assert_eq!((packet.len(), extension(&packet, 3)), (12, None));
        assert_eq!(RtpHeader::parse(&packet[..11]), None);
        assert_eq!(RtpHeader::parse(&[0; 12]), None);
    }

    #[test]
    fn cut_extensions_are_none() {
        let mut packet = Vec::new();
        HEADER.write(&[(3, &[7, 9])], &mut packet);
        for length in 0..packet.len() {
            assert_eq!(extension(&packet[..length], 3), None, "{length}");
        }
    }
}
