//! Whether the sources, not the estimate, limit what is sent: then a low acknowledged rate proves nothing.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

/// What was sent over the last half second, against the target.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApplicationLimit {
    buckets: [DataSize; BUCKETS],
    newest: u64,
}

impl ApplicationLimit {
    pub(crate) fn record(&mut self, sent: Duration, size: DataSize) {
        self.advance(sent);
        let at = slot(self.newest);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += size;
        }
    }

    /// The rate sent.
    pub(crate) fn sent_rate(&mut self, now: Duration) -> Bitrate {
        self.advance(now);
        self.buckets.iter().copied().sum::<DataSize>().per(BUCKET * BUCKETS as u32)
    }

    /// Whether the target is not made use of.
    pub(crate) fn is_limited(&mut self, now: Duration, target: Bitrate) -> bool {
        self.sent_rate(now) < target.scaled(FULL_USE)
    }

    /// Likewise, as of the last packet.
    pub(crate) fn was_limited(&self, target: Bitrate) -> bool {
        let sent = self.buckets.iter().copied().sum::<DataSize>().per(BUCKET * BUCKETS as u32);
        sent < target.scaled(FULL_USE)
    }

    fn advance(&mut self, now: Duration) {
        let now = u64::try_from(now.as_millis() / BUCKET.as_millis()).unwrap_or(u64::MAX);
        let passed = now.saturating_sub(self.newest).min(BUCKETS as u64);
        for step in 1..=passed {
            if let Some(bucket) = self.buckets.get_mut(slot(now - passed + step)) {
                *bucket = DataSize::ZERO;
            }
        }
        self.newest = self.newest.max(now);
    }
}

fn slot(bucket: u64) -> usize {
    (bucket % BUCKETS as u64) as usize
}

const BUCKET: Duration = Duration::from_millis(50);

/// Half a second: several frames of the slowest picture.
const BUCKETS: usize = 10;

/// An encoder's own variation takes up to a fifth of the target.
const FULL_USE: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_below_the_target_is_limited() {
        let mut limit = ApplicationLimit::default();
        for at in 0..100 {
            limit.record(Duration::from_millis(10 * at), DataSize::bytes(1_000));
        }
        let now = Duration::from_millis(999);
        for (target, expected) in
            [(Bitrate::kbps(700), false), (Bitrate::kbps(900), false), (Bitrate::kbps(1_100), true)]
        {
            assert_eq!(limit.is_limited(now, target), expected, "{target}");
        }
        assert_eq!(limit.sent_rate(Duration::from_secs(5)), Bitrate::ZERO);
    }
}
