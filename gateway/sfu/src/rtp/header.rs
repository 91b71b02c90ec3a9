//! A view over one RTP packet (RFC 3550 §5.1, RFC 8285): every bound is checked once, nothing is copied.

use crate::rtp::payload_type::Pt;
use crate::rtp::sequence::SeqNo;
use crate::rtp::ssrc::Ssrc;

/// Bytes of a header without contributing sources and extensions.
pub(crate) const FIXED_HEADER_LEN: usize = 12;

/// The profile that announces one-byte extension elements (RFC 8285 §4.2).
pub(crate) const ONE_BYTE_PROFILE: u16 = 0xBEDE;

/// The profile that announces two-byte extension elements (RFC 8285 §4.3), its application bits zero.
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Why bytes are no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    /// Shorter than its header says.
    #[error("rtp packet is shorter than its header")]
    Truncated,
    /// Not version 2.
    #[error("rtp packet is not of version 2")]
    Version,
    /// The padding count is zero or larger than the payload.
    #[error("rtp padding exceeds the payload")]
    Padding,
}

/// One RTP packet whose bounds hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpHeader<'a> {
    packet: &'a [u8],
    fixed: FixedHeader,
    prefix: Prefix,
    payload_end: usize,
}

/// The fields of the fixed header that differ from packet to packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedHeader {
    /// The payload type.
    pub(crate) pt: Pt,
    /// The marker: the last packet of a video frame, the first of a talk spurt.
    pub(crate) marker: bool,
    /// The sequence number.
    pub(crate) sequence: SeqNo,
    /// The media timestamp.
    pub(crate) timestamp: u32,
    /// The stream.
    pub(crate) ssrc: Ssrc,
}

/// Where the parts lie that come before the payload, which SRTP leaves in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    extensions_start: usize,
    extension_profile: u16,
    /// Bytes before the payload.
    pub(crate) len: usize,
}

impl FixedHeader {
    /// Reads the fixed header.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] where the bytes are too few, or of another version.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        let Some(&[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]) =
            packet.first_chunk::<FIXED_HEADER_LEN>()
        else {
            return Err(HeaderError::Truncated);
        };
        if first >> 6 != 2 {
            return Err(HeaderError::Version);
        }
        Ok(Self {
            pt: Pt(second & 0x7F),
            marker: second & 0x80 != 0,
            sequence: SeqNo(u16::from_be_bytes([s0, s1])),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
        })
    }
}

impl Prefix {
    /// Finds where the payload starts: behind contributing sources and extensions.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Truncated`] where the packet ends before.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        let first = *packet.first().ok_or(HeaderError::Truncated)?;
        let sources_end = FIXED_HEADER_LEN + 4 * usize::from(first & 0x0F);
        if first & 0x10 == 0 {
            if packet.len() < sources_end {
                return Err(HeaderError::Truncated);
            }
            return Ok(Self { extensions_start: sources_end, extension_profile: 0, len: sources_end });
        }
        let Some(&[p0, p1, w0, w1]) = packet.get(sources_end..).and_then(<[u8]>::first_chunk) else {
            return Err(HeaderError::Truncated);
        };
        let extensions_start = sources_end + 4;
        let len = extensions_start + 4 * usize::from(u16::from_be_bytes([w0, w1]));
        if packet.len() < len {
            return Err(HeaderError::Truncated);
        }
        Ok(Self { extensions_start, extension_profile: u16::from_be_bytes([p0, p1]), len })
    }
}

impl<'a> RtpHeader<'a> {
    /// Checks every bound of a plain packet.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] where one does not hold.
    pub(crate) fn parse(packet: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed = FixedHeader::parse(packet)?;
        let prefix = Prefix::parse(packet)?;
        let mut payload_end = packet.len();
        if packet[0] & 0x20 != 0 {
            let padding = usize::from(*packet.last().ok_or(HeaderError::Truncated)?);
            if padding == 0 || prefix.len + padding > packet.len() {
                return Err(HeaderError::Padding);
            }
            payload_end -= padding;
        }
        Ok(Self { packet, fixed, prefix, payload_end })
    }

    /// The payload type.
    #[must_use]
    pub(crate) const fn pt(&self) -> Pt {
        self.fixed.pt
    }

    /// The marker.
    #[must_use]
    pub(crate) const fn marker(&self) -> bool {
        self.fixed.marker
    }

    /// The sequence number.
    #[must_use]
    pub(crate) const fn sequence(&self) -> SeqNo {
        self.fixed.sequence
    }

    /// The media timestamp.
    #[must_use]
    pub(crate) const fn timestamp(&self) -> u32 {
        self.fixed.timestamp
    }

    /// The stream.
    #[must_use]
    pub(crate) const fn ssrc(&self) -> Ssrc {
        self.fixed.ssrc
    }

    /// The payload, without padding; empty in a packet of padding alone.
    #[must_use]
    pub(crate) fn payload(&self) -> &'a [u8] {
        &self.packet[self.prefix.len..self.payload_end]
    }

    /// The extension elements in their order. An element that exceeds its block ends them.
    #[must_use]
    pub(crate) fn extensions(&self) -> Extensions<'a> {
        let form = match self.prefix.extension_profile {
            ONE_BYTE_PROFILE => ElementForm::OneByte,
            profile if profile & 0xFFF0 == TWO_BYTE_PROFILE => ElementForm::TwoByte,
            _ => return Extensions { rest: &[], form: ElementForm::OneByte },
        };
        Extensions { rest: &self.packet[self.prefix.extensions_start..self.prefix.len], form }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementForm {
    OneByte,
    TwoByte,
}

/// The extension elements of a packet, as id and value.
#[derive(Debug, Clone)]
pub(crate) struct Extensions<'a> {
    rest: &'a [u8],
    form: ElementForm,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&head, rest) = self.rest.split_first()?;
            if head == 0 {
                self.rest = rest;
                continue;
            }
            let (id, len, body) = match self.form {
                // Id 15 ends the elements (RFC 8285 §4.2).
                ElementForm::OneByte if head >> 4 == 15 => return self.stop(),
                ElementForm::OneByte => (head >> 4, usize::from(head & 0x0F) + 1, rest),
                ElementForm::TwoByte => {
                    let Some((&len, body)) = rest.split_first() else { return self.stop() };
                    (head, usize::from(len), body)
                }
            };
            let Some((value, rest)) = body.split_at_checked(len) else { return self.stop() };
            self.rest = rest;
            // A one-byte element of id 0 with a length is padding with a defect: skip it whole.
            if id != 0 {
                return Some((id, value));
            }
        }
    }
}

impl<'a> Extensions<'a> {
    fn stop(&mut self) -> Option<(u8, &'a [u8])> {
        self.rest = &[];
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIXED: [u8; 12] = [0x80, 0xE0 | 0x80, 0x12, 0x34, 0, 0, 0, 9, 0xAA, 0xBB, 0xCC, 0xDD];

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = FIXED.to_vec();
        packet[0] = first;
        packet.extend_from_slice(rest);
        packet
    }

    fn elements(profile: u16, block: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut rest = profile.to_be_bytes().to_vec();
        rest.extend((block.len() as u16 / 4).to_be_bytes());
        rest.extend_from_slice(block);
        let packet = packet(0x90, &rest);
        let header = RtpHeader::parse(&packet).expect("well formed");
        header.extensions().map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn fixed_fields_are_read() {
        let packet = packet(0x80, b"payload");
        let header = RtpHeader::parse(&packet).expect("well formed");
        let expected = FixedHeader {
            pt: Pt(0x60),
            marker: true,
            sequence: SeqNo(0x1234),
            timestamp: 9,
            ssrc: Ssrc(0xAABB_CCDD),
        };
        assert_eq!(header.fixed, expected);
        assert_eq!(header.payload(), b"payload");
    }

    #[test]
    fn contributing_sources_and_padding_are_no_payload() {
        let packet = packet(0xA2, &[1, 1, 1, 1, 2, 2, 2, 2, b'x', 0, 0, 3]);
        let header = RtpHeader::parse(&packet).expect("well formed");
        assert_eq!(header.payload(), b"x");
    }

    #[test]
    fn one_byte_elements_skip_padding_and_stop_at_fifteen() {
        let block = [0x10, 7, 0, 0, 0x31, 8, 9, 0xF0, 0x10, 1, 0, 0];
        assert_eq!(elements(0xBEDE, &block), [(1, vec![7]), (3, vec![8, 9])]);
    }

    #[test]
    fn two_byte_elements_may_be_empty_or_long() {
        let block = [1, 0, 0, 20, 2, 5, 6, 0];
        assert_eq!(elements(0x100F, &block), [(1, vec![]), (20, vec![5, 6])]);
    }

    #[test]
    fn an_element_beyond_its_block_ends_the_elements() {
        assert_eq!(elements(0xBEDE, &[0x10, 7, 0x2F, 1]), [(1, vec![7])]);
        assert_eq!(elements(0x1000, &[1, 1, 7, 2]), [(1, vec![7])]);
        assert_eq!(elements(0x4321, &[0x10, 7, 0, 0]), []);
    }

    #[test]
    fn broken_packets_are_refused() {
        let table: [(&[u8], HeaderError); 7] = [
            (&[], HeaderError::Truncated),
            (&FIXED[..11], HeaderError::Truncated),
            (&packet(0x40, b""), HeaderError::Version),
            (&packet(0x81, &[0; 3]), HeaderError::Truncated),
            (&packet(0x90, &[0xBE, 0xDE, 0, 1, 0, 0, 0]), HeaderError::Truncated),
            (&packet(0xA0, &[0]), HeaderError::Padding),
            (&packet(0xA0, &[0, 3]), HeaderError::Padding),
        ];
        for (bytes, error) in table {
            assert_eq!(RtpHeader::parse(bytes).err(), Some(error), "{bytes:02x?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_bytes_give_a_view_within_bounds_or_an_error(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..80), version_two: bool,
        ) {
            if version_two && let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3F);
            }
            if let Ok(header) = RtpHeader::parse(&bytes) {
                prop_assert!(header.prefix.len + header.payload().len() <= bytes.len());
                prop_assert!(header.extensions().count() <= bytes.len());
            }
        }
    }
}
