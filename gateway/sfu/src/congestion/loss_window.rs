//! What became of the packets of the last second, in tenths of it.

use std::time::Duration;

/// Packets sent and lost over the last second.
#[derive(Debug, Clone, Default)]
pub(crate) struct LossWindow {
    buckets: [Counts; BUCKETS],
    newest: u64,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrived.
    Arrived,
    /// It was counted as lost, and arrived after all.
    ArrivedAfterAll,
    /// It is missing.
    Lost,
}

/// Packets sent, and those of them that got lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u32,
    pub(crate) lost: u32,
}

impl LossWindow {
    pub(crate) fn count(&mut self, now: Duration, fate: Fate) {
        self.advance(now);
        let place = match fate {
            Fate::Arrived | Fate::Lost => Some(self.newest),
            // The loss to take back was counted lately.
            Fate::ArrivedAfterAll => (0..BUCKETS as u64)
                .filter_map(|ago| self.newest.checked_sub(ago))
                .find(|bucket| self.buckets.get(slot(*bucket)).is_some_and(|counts| counts.lost > 0)),
        };
        if let Some(counts) = place.and_then(|place| self.buckets.get_mut(slot(place))) {
            counts.count(fate);
        }
    }

    /// The share that got lost.
    pub(crate) fn share(&self) -> f64 {
        sum(&self.buckets).share()
    }

    /// What was lost beside the worst runs: a radio loses a run now and then, a full link loses all the time.
    pub(crate) fn persistent(&self) -> Counts {
        let mut buckets = self.buckets;
        buckets.sort_unstable_by_key(|counts| counts.lost);
        buckets.get(..BUCKETS - WORST_RUNS).map_or_else(Counts::default, sum)
    }

    /// Whether each of the last few tenths lost more than `share`: no run lasts that long.
    pub(crate) fn is_unbroken(&self, share: f64) -> bool {
        let filled = (0..BUCKETS as u64)
            .filter_map(|ago| self.buckets.get(slot(self.newest.checked_sub(ago)?)))
            .filter(|counts| counts.sent >= FEWEST_IN_BUCKET);
        filled.take(UNBROKEN).filter(|counts| counts.share() > share).count() == UNBROKEN
    }

    pub(crate) fn clear(&mut self) {
        self.buckets = [Counts::default(); BUCKETS];
    }

    /// Forgets what is older than a second.
    pub(crate) fn advance(&mut self, now: Duration) {
        let now = u64::try_from(now.as_millis() / BUCKET.as_millis()).unwrap_or(u64::MAX);
        let passed = now.saturating_sub(self.newest).min(BUCKETS as u64);
        for step in 1..=passed {
            if let Some(counts) = self.buckets.get_mut(slot(now - passed + step)) {
                *counts = Counts::default();
            }
        }
        self.newest = self.newest.max(now);
    }
}

impl Counts {
    pub(crate) fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Arrived => self.sent = self.sent.saturating_add(1),
            Fate::ArrivedAfterAll => self.lost = self.lost.saturating_sub(1),
            Fate::Lost => {
                self.sent = self.sent.saturating_add(1);
                self.lost = self.lost.saturating_add(1);
            }
        }
    }

    pub(crate) fn share(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { f64::from(self.lost) / f64::from(self.sent) }
    }
}

fn sum(buckets: &[Counts]) -> Counts {
    buckets.iter().fold(Counts::default(), |sum, counts| Counts {
        sent: sum.sent.saturating_add(counts.sent),
        lost: sum.lost.saturating_add(counts.lost),
    })
}

fn slot(bucket: u64) -> usize {
    (bucket % BUCKETS as u64) as usize
}

const BUCKET: Duration = Duration::from_millis(100);

/// One second of loss.
const BUCKETS: usize = 10;

/// Buckets of a second that two runs of loss touch.
const WORST_RUNS: usize = 3;

/// Tenths of a second in a row: three runs of loss of a radio are not one after the other.
const UNBROKEN: usize = 3;

/// Fewer packets say nothing about a tenth of a second.
const FEWEST_IN_BUCKET: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// One packet every 10 ms from zero on, lost where `lost` says so.
    fn window(packets: u64, lost: impl Fn(u64) -> bool) -> LossWindow {
        let mut window = LossWindow::default();
        for packet in 0..packets {
            let fate = if lost(packet) { Fate::Lost } else { Fate::Arrived };
            window.count(Duration::from_millis(10 * packet), fate);
        }
        window
    }

    #[test]
    fn a_run_of_loss_is_not_persistent() {
        for (name, window, share, persistent) in [
            ("none", window(100, |_| false), 0.0, 0.0),
            ("one in five", window(100, |packet| packet.is_multiple_of(5)), 0.2, 0.2),
            ("one run", window(100, |packet| (35..55).contains(&packet)), 0.2, 0.0),
            ("long ago", window(300, |packet| packet < 100), 0.0, 0.0),
        ] {
            assert_eq!((window.share(), window.persistent().share()), (share, persistent), "{name}");
        }
    }

    #[test]
    fn loss_without_a_break_is_seen_early() {
        for (name, window, expected) in [
            ("none", window(60, |_| false), false),
            ("half of it, for 300 ms", window(60, |packet| packet >= 30 && packet.is_multiple_of(2)), true),
            ("half of it, for 200 ms", window(60, |packet| packet >= 42 && packet.is_multiple_of(2)), false),
            ("a run", window(60, |packet| (40..55).contains(&packet)), false),
        ] {
            assert_eq!(window.is_unbroken(0.25), expected, "{name}");
        }
    }

    #[test]
    fn a_late_arrival_takes_the_loss_back() {
        let mut window = window(30, |packet| packet == 5);
        window.count(Duration::from_millis(300), Fate::ArrivedAfterAll);
        assert_eq!(window.share(), 0.0);
    }
}
