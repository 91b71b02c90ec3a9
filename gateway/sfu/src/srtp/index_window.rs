//! Packet indices of 48 bits: the rollover counter guessed from the sequence number (RFC 3711 §3.3.1, appendix A)
//! and the window of those used up (§3.3.2). It serves receivers against replay, and senders against using
//! a nonce twice, which would give the key of GCM away.

use crate::rtp::SeqNo;
use crate::srtp::session::SealError;

/// Indices below the newest that are told apart; twice what RFC 3711 asks for at least. Older ones count as used.
const WINDOW: u64 = 128;

/// Where a master key is used up (RFC 3711 §9.2).
const END: u64 = 1 << 48;

/// Indices of one stream in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IndexWindow {
    newest: Option<u64>,
    /// Bit `n` stands for the index `n` below the newest.
    used: u128,
}

impl IndexWindow {
    /// The index nearest to the newest; `None` where it would lie before the first or behind the last.
    #[inline]
    pub(super) fn estimate(&self, sequence: SeqNo) -> Option<u64> {
        let Some(newest) = self.newest else { return Some(u64::from(sequence.0)) };
        let step = i64::from(sequence.distance_from(SeqNo(newest as u16)));
        newest.checked_add_signed(step).filter(|&index| index < END)
    }

    /// Whether the index was not used yet.
    #[inline]
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        let Some(newest) = self.newest else { return true };
        match newest.checked_sub(index) {
            None => true,
            Some(age) => age < WINDOW && (self.used >> age) & 1 == 0,
        }
    }

    /// Takes note that the index is used.
    #[inline]
    pub(super) fn mark_used(&mut self, index: u64) {
        let Some(newest) = self.newest else {
            (self.newest, self.used) = (Some(index), 1);
            return;
        };
        if index > newest {
            let ahead = index - newest;
            self.used = if ahead < WINDOW { (self.used << ahead) | 1 } else { 1 };
            self.newest = Some(index);
        } else if newest - index < WINDOW {
            self.used |= 1 << (newest - index);
        }
    }
}

/// The rollover counter of one outgoing stream. Keep one per SSRC for as long as the keys live: a new one
/// for an SSRC that was used already repeats nonces.
#[derive(Debug, Clone, Default)]
pub(crate) struct RolloverCounter {
    window: IndexWindow,
}

impl RolloverCounter {
    /// Uses up the index of a packet about to be sealed.
    ///
    /// # Errors
    ///
    /// [`SealError::IndexReused`] where it is used up already, or too old to know.
    #[inline]
    pub(super) fn claim(&mut self, sequence: SeqNo) -> Result<u64, SealError> {
        let index = self.window.estimate(sequence).ok_or(SealError::IndexReused)?;
        if !self.window.is_fresh(index) {
            return Err(SealError::IndexReused);
        }
        self.window.mark_used(index);
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rollover_counter_follows_the_wrap_both_ways() {
        let mut counter = RolloverCounter::default();
        let table = [
            (65_534, 65_534),
            (0, 65_536),
            (65_535, 65_535),
            (1, 65_537),
            (32_760, 98_296),
            (60_000, 125_536),
            (0, 131_072),
        ];
        for (sequence, index) in table {
            assert_eq!(counter.claim(SeqNo(sequence)).ok(), Some(index));
        }
    }

    #[test]
    fn nothing_is_used_twice() {
        let mut counter = RolloverCounter::default();
        for (sequence, accepted) in [
            (200, true),
            (200, false),
            (199, true),
            (73, true),
            (73, false),
            (72, false),
            (201, true),
            (73, false),
        ] {
            assert_eq!(counter.claim(SeqNo(sequence)).is_ok(), accepted, "{sequence}");
        }
    }

    #[test]
    fn nothing_lies_before_the_first_index() {
        let mut counter = RolloverCounter::default();
        assert!(counter.claim(SeqNo(3)).is_ok());
        assert!(counter.claim(SeqNo(65_530)).is_err());
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(steps in proptest::collection::vec(-200_i64..300, 1..200)) {
            let mut window = IndexWindow::default();
            let mut used = HashSet::new();
            let mut newest = 100_000_u64;
            for step in steps {
                let index = newest.saturating_add_signed(step);
                let fresh = used.is_empty() || index > newest || (newest - index < WINDOW && !used.contains(&index));
                prop_assert_eq!(window.is_fresh(index), fresh);
                if fresh {
                    newest = if used.is_empty() { index } else { newest.max(index) };
                    window.mark_used(index);
                    used.insert(index);
                }
            }
        }
    }
}
