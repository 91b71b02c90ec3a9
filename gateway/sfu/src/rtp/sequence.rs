//! Sequence numbers of 16 bits that wrap (RFC 3550 §5.1, appendix A.1), and their continuation in 64 bits.

/// The sequence number of a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct SeqNo(pub(crate) u16);

impl SeqNo {
    /// How far this number lies after `other`; negative where it lies before.
    #[must_use]
    pub(crate) const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// The number `count` later.
    #[must_use]
    pub(crate) const fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

/// Continues wrapping numbers in 64 bits. The first number is placed one cycle up, so that
/// what was reordered before it has a place too.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unwrapper {
    newest: Option<u64>,
}

impl Unwrapper {
    /// The continued number of `sequence`: the one nearest to the newest seen.
    pub(crate) fn unwrap(&mut self, sequence: SeqNo) -> u64 {
        let unwrapped = self.peek(sequence);
        if self.newest.is_none_or(|newest| unwrapped > newest) {
            self.newest = Some(unwrapped);
        }
        unwrapped
    }

    /// The same without taking note of it.
    #[must_use]
    pub(crate) fn peek(&self, sequence: SeqNo) -> u64 {
        match self.newest {
            None => (1 << 16) + u64::from(sequence.0),
            Some(newest) => {
                let step = i64::from(sequence.distance_from(SeqNo(newest as u16)));
                newest.saturating_add_signed(step)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrapped(sequences: &[u16]) -> Vec<i64> {
        let mut unwrapper = Unwrapper::default();
        sequences.iter().map(|&sequence| unwrapper.unwrap(SeqNo(sequence)).cast_signed() - 65_536).collect()
    }

    #[test]
    fn order_survives_the_wrap() {
        for (later, earlier, distance) in [(1, 0, 1), (0, 65_535, 1), (10, 65_530, 16), (5, 9, -4)] {
            assert_eq!(SeqNo(later).distance_from(SeqNo(earlier)), distance);
        }
        assert_eq!(SeqNo(65_535).plus(2), SeqNo(1));
    }

    #[test]
    fn numbers_continue_across_wraps_and_reordering() {
        assert_eq!(unwrapped(&[65_534, 65_535, 0, 65_533, 1]), [65_534, 65_535, 65_536, 65_533, 65_537]);
        assert_eq!(unwrapped(&[0, 65_535, 1]), [0, -1, 1]);
        assert_eq!(unwrapped(&[0, 30_000, 60_000, 24_464]), [0, 30_000, 60_000, 90_000]);
    }
}
