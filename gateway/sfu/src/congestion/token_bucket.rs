//! A byte budget that refills at a rate up to a depth and may be overdrawn by what cannot wait.

use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};

/// A byte budget.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    rate: Bitrate,
    depth: f64,
    level: f64,
    refilled: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Bitrate, depth: DataSize) -> Self {
        let depth = depth.as_bytes() as f64;
        Self { rate, depth, level: depth, refilled: None }
    }

    /// Changes the rule; a smaller depth spills what is above it.
    pub(crate) fn set(&mut self, now: Instant, rate: Bitrate, depth: DataSize) {
        self.refill(now);
        self.rate = rate;
        self.depth = depth.as_bytes() as f64;
        self.level = self.level.min(self.depth).max(self.lowest_level());
    }

    /// Whether something may be taken: a started byte suffices, as packets cannot be split.
    pub(crate) fn has_credit(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.level >= 0.0
    }

    /// Takes a packet's bytes, into debt if need be.
    pub(crate) fn take(&mut self, now: Instant, size: DataSize) {
        self.refill(now);
        self.level = (self.level - size.as_bytes() as f64).max(self.lowest_level());
    }

    /// When there is credit again; `None` at no rate.
    pub(crate) fn credit_at(&self, now: Instant) -> Option<Instant> {
        let from = self.refilled.unwrap_or(now);
        if self.level >= 0.0 {
            return Some(from);
        }
        let debt = DataSize::bytes((-self.level).ceil() as u64);
        let wait = debt / self.rate;
        (wait != Duration::MAX).then(|| from + wait + ROUNDING)
    }

    fn refill(&mut self, now: Instant) {
        let elapsed =
            self.refilled.map_or(Duration::ZERO, |refilled| now.saturating_duration_since(refilled));
        self.refilled = Some(self.refilled.map_or(now, |refilled| refilled.max(now)));
        self.level = (self.level + self.rate.as_bps() as f64 / 8.0 * elapsed.as_secs_f64()).min(self.depth);
    }

    /// Debt is remembered for this long: what cannot wait may overdraw, but not for ever.
    fn lowest_level(&self) -> f64 {
        -(self.rate.as_bps() as f64 / 8.0 * LONGEST_DEBT.as_secs_f64()).max(SMALLEST_DEBT)
    }
}

/// Half of what a jitter buffer holds: longer would starve video after a burst of audio.
const LONGEST_DEBT: Duration = Duration::from_millis(100);

/// A full-sized packet can always be owed.
const SMALLEST_DEBT: f64 = 1_500.0;

/// Division rounds down: come back when the credit is certainly there.
const ROUNDING: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn debt_is_paid_off_at_the_rate() {
        let start = crate::testing::origin();
        let mut bucket = TokenBucket::new(Bitrate::kbps(800), DataSize::bytes(100));
        assert!(bucket.has_credit(start));
        bucket.take(start, DataSize::bytes(1_100));
        assert!(!bucket.has_credit(start + ms(9)));
        let due = bucket.credit_at(start + ms(9)).unwrap();
        assert!(due > start + ms(9) && due < start + ms(11), "{:?}", due - start);
        assert!(bucket.has_credit(due));
    }

    #[test]
    fn a_pause_saves_no_more_than_the_depth() {
        let start = crate::testing::origin();
        let mut bucket = TokenBucket::new(Bitrate::mbps(8), DataSize::bytes(1_000));
        assert!(bucket.has_credit(start + ms(1_000)));
        bucket.take(start + ms(1_000), DataSize::bytes(1_001));
        assert!(!bucket.has_credit(start + ms(1_000)));
    }

    #[test]
    fn without_a_rate_there_is_no_due_time() {
        let start = crate::testing::origin();
        let mut bucket = TokenBucket::new(Bitrate::ZERO, DataSize::ZERO);
        bucket.take(start, DataSize::bytes(10));
        assert_eq!(bucket.credit_at(start), None);
    }
}
