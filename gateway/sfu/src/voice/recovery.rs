//! Which of the earlier frames in a packet were lost on the way here, and what their numbers were: RFC 2198 carries
//! timestamps only, and sequence numbers are what subscribers are sent by.

use crate::voice::redundant_payload::{Block, RedundantPayload};

/// Earlier frames of one packet that are looked at: the packet before, and the one before that. What is older
/// comes too late for a player that has not been told to wait for it.
pub(crate) const MAX_EARLIER: usize = 3;

/// A frame that was lost and is here again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Earlier<'a> {
    /// Unwrapped.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) block: Block<'a>,
}

/// The earlier frames that are missing here, the oldest first. `timestamp_of` knows those that came. The frame told
/// `n`-th from the end belongs `n` numbers back, as long as what came says nothing else: a sender leaves out frames
/// that lie too far back, but none between others.
pub(crate) fn recoverable<'a>(
    payload: &RedundantPayload<'a>,
    (sequence, timestamp): (u64, u32),
    timestamp_of: impl Fn(u64) -> Option<u32>,
) -> [Option<Earlier<'a>>; MAX_EARLIER] {
    let mut found = [None; MAX_EARLIER];
    let slots = found.iter_mut().rev();
    for ((block, back), slot) in payload.earlier().rev().zip(1..).zip(slots) {
        let Some(sequence) = sequence.checked_sub(back) else { break };
        let timestamp = timestamp.wrapping_sub(block.offset.into());
        match timestamp_of(sequence) {
            Some(known) if known == timestamp => {}
            // The numbers do not fit: nothing further back would either.
            Some(_) => break,
            None if block.payload.is_empty() || !follows(sequence, timestamp, &timestamp_of) => break,
            None => *slot = Some(Earlier { sequence, timestamp, block }),
        }
    }
    found
}

/// Whether the newest packet known before `sequence` is older than `timestamp`.
fn follows(sequence: u64, timestamp: u32, timestamp_of: &impl Fn(u64) -> Option<u32>) -> bool {
    let before = (1..=MAX_EARLIER as u64).find_map(|back| timestamp_of(sequence.checked_sub(back)?));
    before.is_none_or(|before| timestamp.wrapping_sub(before).cast_signed() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Pt;
    use crate::voice::redundant_payload::write_redundant;

    const FRAME: u32 = 960;

    /// The numbers that a packet 100 at timestamp 96,000 brings back, if it repeats frames at `offsets` and those of
    /// `known` came.
    fn recovered(offsets: &[u16], known: &[(u64, u32)]) -> Vec<(u64, u32, u8)> {
        const BODIES: [[u8; 1]; 4] = [[0], [1], [2], [3]];
        let blocks = offsets.iter().zip(&BODIES).map(|(offset, body)| Block {
            payload_type: Pt(111),
            offset: *offset,
            payload: body,
        });
        let mut payload = Vec::new();
        let own = Block { payload_type: Pt(111), offset: 0, payload: &[9] };
        write_redundant(&mut payload, blocks, own);
        let payload = RedundantPayload::parse(&payload).expect("well formed");
        let timestamp_of = |sequence| known.iter().find(|(one, _)| *one == sequence).map(|(_, at)| *at);
        recoverable(&payload, (100, 100 * FRAME), timestamp_of)
            .into_iter()
            .flatten()
            .map(|earlier| (earlier.sequence, earlier.timestamp, earlier.block.payload[0]))
            .collect()
    }

    fn frame(sequence: u64) -> (u64, u32) {
        (sequence, sequence as u32 * FRAME)
    }

    #[test]
    fn what_is_missing_comes_back_under_its_own_number() {
        let all = [frame(97), frame(98), frame(99)];
        assert_eq!(recovered(&[960], &all), []);
        assert_eq!(recovered(&[960], &all[..2]), [(99, 99 * FRAME, 0)]);
        assert_eq!(recovered(&[1_920, 960], &all[..1]), [(98, 98 * FRAME, 0), (99, 99 * FRAME, 1)]);
        assert_eq!(recovered(&[1_920, 960], &[frame(97), frame(99)]), [(98, 98 * FRAME, 0)]);
        assert_eq!(recovered(&[960], &[]), [(99, 99 * FRAME, 0)]);
    }

    #[test]
    fn numbers_that_contradict_what_came_bring_nothing() {
        // Number 99 came with another timestamp: this sender counts in another way.
        assert_eq!(recovered(&[1_920], &[frame(99)]), []);
        // The frame would be older than the packet before it.
        assert_eq!(recovered(&[2_880], &[frame(98)]), []);
    }

    #[test]
    fn no_number_lies_before_the_first() {
        let mut payload = Vec::new();
        let block = |offset, payload| Block { payload_type: Pt(111), offset, payload };
        let earlier = [block(1_920, &[1][..]), block(960, &[2][..])];
        write_redundant(&mut payload, earlier.into_iter(), block(0, &[3]));
        let payload = RedundantPayload::parse(&payload).expect("well formed");
        let found = recoverable(&payload, (1, 5), |_| None);
        assert_eq!(found.into_iter().flatten().count(), 1);
    }
}
