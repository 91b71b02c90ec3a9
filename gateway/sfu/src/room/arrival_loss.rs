//! The loss on one participant's uplink over the last second, by the transport-wide numbers of all its streams.
//! The numbers of one stream tell of a loss only when its next packet comes, which is long after a pause.

use std::collections::VecDeque;

use crate::rtcp::PacketCount;

/// Looks that make a second.
const LOOKS: usize = 5;

/// The loss over the last looks, one every 200 ms.
#[derive(Debug, Clone, Default)]
pub(super) struct ArrivalLoss {
    looks: VecDeque<PacketCount>,
}

impl ArrivalLoss {
    /// The share of packets lost since the look a second ago, before any repair; `None` where none was expected.
    pub(super) fn look(&mut self, count: PacketCount) -> Option<f64> {
        // The numbers of another transport begin anew.
        if self.looks.back().is_some_and(|last| count.expected < last.expected) {
            self.looks.clear();
        }
        if self.looks.is_empty() {
            self.looks.push_back(PacketCount::default());
        }
        let before = self.looks.front().copied().unwrap_or_default();
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(count);
        count.since(before).loss()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn count(expected: u64, received: u64) -> PacketCount {
        PacketCount { expected, received }
    }

    #[test]
    fn a_loss_counts_for_a_second() {
        let mut loss = ArrivalLoss::default();
        assert_eq!(loss.look(count(20, 20)), Some(0.0));
        assert_eq!(loss.look(count(40, 30)), Some(0.25), "ten of forty");
        let shares: Vec<_> = (3..9).map(|look| loss.look(count(look * 20, look * 20 - 10))).collect();
        let later = [1.0 / 6.0, 0.125, 0.1, 0.1, 0.0, 0.0].map(Some);
        assert_eq!(shares, later);
    }

    #[test]
    fn what_comes_late_is_no_loss() {
        let mut loss = ArrivalLoss::default();
        loss.look(count(20, 10));
        assert_eq!(loss.look(count(40, 40)), Some(0.0));
    }

    #[test]
    fn silence_is_no_loss_and_another_transport_begins_anew() {
        let mut loss = ArrivalLoss::default();
        assert_eq!(loss.look(count(0, 0)), None);
        for _ in 0..8 {
            loss.look(count(1_000, 900));
        }
        assert_eq!(loss.look(count(1_000, 900)), None);
        assert_eq!(loss.look(count(10, 10)), Some(0.0));
    }
}
