//! The payload format for redundant audio data (RFC 2198): a packet carries earlier frames before its own.

use crate::rtp::Pt;

/// Largest timestamp offset that the 14 bits of a block header hold: 341 ms of Opus.
const MAX_OFFSET: u32 = 0x3FFF;

/// Largest block that the 10 bits of a block header hold.
const MAX_BLOCK: usize = 0x3FF;

/// Bytes of the header of an earlier frame, and of the last one.
const EARLIER_HEADER: usize = 4;
const PRIMARY_HEADER: usize = 1;

/// Blocks of one packet. Chromium sends one earlier frame, and nine at most where it is told to.
pub(crate) const MAX_BLOCKS: usize = 10;

/// Payload beyond this is not made redundant: with all headers the packet has to fit a datagram.
const MAX_PAYLOAD: usize = 1_200;

/// Why a payload is no redundant audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedundancyError {
    /// A header or a block is longer than what is left.
    #[error("redundant audio is truncated")]
    Truncated,
    /// More blocks than any sender has a use for.
    #[error("redundant audio has too many blocks")]
    TooManyBlocks,
}

/// A frame in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    pub(crate) payload_type: Pt,
    /// How many ticks before the packet's timestamp it belongs; zero for the packet's own frame.
    pub(crate) offset: u16,
    pub(crate) payload: &'a [u8],
}

/// A payload whose headers have been checked against its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RedundantPayload<'a> {
    headers: &'a [u8],
    earlier: &'a [u8],
    primary: Block<'a>,
}

impl<'a> RedundantPayload<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`RedundancyError`] where its headers promise more than it has.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, RedundancyError> {
        let mut headers = 0;
        let mut earlier = 0;
        let mut rest = payload;
        let primary = loop {
            match *rest {
                [first, ..] if first & 0x80 == 0 => break Pt(first),
                [_, _, high, low, ref after @ ..] => {
                    headers += EARLIER_HEADER;
                    earlier += block_length(high, low);
                    rest = after;
                }
                _ => return Err(RedundancyError::Truncated),
            }
            if headers / EARLIER_HEADER >= MAX_BLOCKS {
                return Err(RedundancyError::TooManyBlocks);
            }
        };
        let (headers, bodies) = payload.split_at_checked(headers).ok_or(RedundancyError::Truncated)?;
        let bodies = bodies.get(PRIMARY_HEADER..).ok_or(RedundancyError::Truncated)?;
        let (earlier, own) = bodies.split_at_checked(earlier).ok_or(RedundancyError::Truncated)?;
        Ok(Self { headers, earlier, primary: Block { payload_type: primary, offset: 0, payload: own } })
    }

    /// The packet's own frame.
    pub(crate) fn primary(&self) -> Block<'a> {
        self.primary
    }

    /// The earlier frames, the oldest first.
    pub(crate) fn earlier(&self) -> impl DoubleEndedIterator<Item = Block<'a>> + use<'a> {
        let bodies = self.earlier;
        let (headers, _) = self.headers.as_chunks::<EARLIER_HEADER>();
        // The start of each body follows from the lengths before it; there are few.
        (0..headers.len()).filter_map(move |place| {
            let start: usize =
                headers.get(..place)?.iter().map(|[_, _, high, low]| block_length(*high, *low)).sum();
            let [first, offset, high, low] = *headers.get(place)?;
            let payload = bodies.get(start..start + block_length(high, low))?;
            let offset = u16::from(offset) << 6 | u16::from(high >> 2);
            Some(Block { payload_type: Pt(first & 0x7F), offset, payload })
        })
    }
}

fn block_length(high: u8, low: u8) -> usize {
    usize::from(high & 0x03) << 8 | usize::from(low)
}

/// Whether an earlier frame can be told so long after it, and in so few bits.
pub(crate) fn fits(ticks: u32, length: usize) -> bool {
    (1..=MAX_OFFSET).contains(&ticks) && (1..=MAX_BLOCK).contains(&length)
}

/// What earlier frames of these lengths add to a payload; `None` where together they would be too long.
pub(crate) fn overhead(own: usize, earlier: impl Iterator<Item = usize>) -> Option<usize> {
    let added: usize = earlier.map(|length| EARLIER_HEADER + length).sum();
    (own + added <= MAX_PAYLOAD).then_some(added + PRIMARY_HEADER)
}

/// Appends a payload with its earlier frames, the oldest first. Each of them [`fits`].
pub(crate) fn write_redundant<'a>(
    out: &mut Vec<u8>,
    earlier: impl Iterator<Item = Block<'a>> + Clone,
    primary: Block<'_>,
) {
    for block in earlier.clone() {
        debug_assert!(fits(block.offset.into(), block.payload.len()), "the block fits no header");
        let offset_and_length = u32::from(block.offset) << 10 | block.payload.len() as u32;
        let [_, high, middle, low] = offset_and_length.to_be_bytes();
        out.extend([0x80 | block.payload_type.0, high, middle, low]);
    }
    out.push(primary.payload_type.0 & 0x7F);
    for block in earlier {
        out.extend_from_slice(block.payload);
    }
    out.extend_from_slice(primary.payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(payload_type: u8, offset: u16, payload: &[u8]) -> Block<'_> {
        Block { payload_type: Pt(payload_type), offset, payload }
    }

    fn written(earlier: &[Block<'_>], primary: Block<'_>) -> Vec<u8> {
        let mut out = vec![0xEE; 3];
        write_redundant(&mut out, earlier.iter().copied(), primary);
        out.split_off(3)
    }

    #[test]
    fn the_bits_lie_where_the_rfc_puts_them() {
        // RFC 2198 §3: F, seven bits of type, fourteen of offset, ten of length.
        let payload = written(&[block(111, 960, &[1, 2, 3])], block(111, 0, &[9]));
        assert_eq!(payload, [0xEF, 0x0F, 0x00, 0x03, 0x6F, 1, 2, 3, 9]);
        let full = written(&[block(127, 0x3FFF, &[7; 0x3FF])], block(5, 0, &[]));
        assert_eq!(full[..5], [0xFF, 0xFF, 0xFF, 0xFF, 0x05]);
    }

    #[test]
    fn what_does_not_fit_is_said_not_to() {
        for (ticks, length, expected) in [
            (960, 80, true),
            (0, 80, false),
            (0x3FFF, 0x3FF, true),
            (0x4000, 80, false),
            (u32::MAX - 959, 80, false),
            (960, 0, false),
            (960, 0x400, false),
        ] {
            assert_eq!(fits(ticks, length), expected, "{ticks} ticks, {length} bytes");
        }
        assert_eq!(overhead(80, [80, 70].into_iter()), Some(84 + 74 + 1));
        assert_eq!(overhead(600, [700].into_iter()), None);
    }

    #[test]
    fn broken_payloads_are_refused() {
        let too_many = [0xEF, 0, 4, 0].repeat(MAX_BLOCKS + 1);
        for (payload, error) in [
            (&[][..], RedundancyError::Truncated),
            (&[0x80], RedundancyError::Truncated),
            (&[0xEF, 0, 4, 0], RedundancyError::Truncated),
            (&[0xEF, 0, 4, 2, 0x6F, 1], RedundancyError::Truncated),
            (&too_many, RedundancyError::TooManyBlocks),
        ] {
            assert_eq!(RedundantPayload::parse(payload), Err(error), "{payload:?}");
        }
        let bare = RedundantPayload::parse(&[0x6F]).expect("an empty frame");
        assert_eq!((bare.primary(), bare.earlier().count()), (block(111, 0, &[]), 0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            earlier in prop::collection::vec((1_u16..0x4000, prop::collection::vec(any::<u8>(), 1..200)), 0..4),
            own in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let blocks: Vec<Block<'_>> =
                earlier.iter().map(|(offset, payload)| block(111, *offset, payload)).collect();
            let payload = written(&blocks, block(111, 0, &own));
            let added = overhead(own.len(), blocks.iter().map(|block| block.payload.len()));
            prop_assert_eq!(added.map(|added| added + own.len()), Some(payload.len()));
            let read = RedundantPayload::parse(&payload).expect("well formed");
            prop_assert_eq!(read.earlier().collect::<Vec<_>>(), blocks);
            prop_assert_eq!(read.primary(), block(111, 0, &own));
        }

        #[test]
        fn no_bytes_panic_and_none_are_made_up(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(read) = RedundantPayload::parse(&payload) {
                let told: usize = read.earlier().map(|block| block.payload.len() + EARLIER_HEADER).sum();
                prop_assert_eq!(told + PRIMARY_HEADER + read.primary().payload.len(), payload.len());
            }
        }
    }
}
