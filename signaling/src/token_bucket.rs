//! A rate limit: so many at once, so many per second on average.

use std::time::Instant;

/// Holds permits that come back with time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    permits: f64,
    at: Instant,
}

/// How many permits a bucket holds, and how fast they come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) burst: f64,
}

impl TokenBucket {
    pub(crate) const fn full(rate: Rate, now: Instant) -> Self {
        Self { permits: rate.burst, at: now }
    }

    /// Takes a permit; whether there was one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        self.permits = self.level(rate, now);
        self.at = now;
        let granted = self.permits >= 1.0;
        if granted {
            self.permits -= 1.0;
        }
        granted
    }

    /// Whether it tells no more than a new one would.
    pub(crate) fn is_full(&self, rate: Rate, now: Instant) -> bool {
        self.level(rate, now) >= rate.burst
    }

    fn level(&self, rate: Rate, now: Instant) -> f64 {
        let returned = now.saturating_duration_since(self.at).as_secs_f64() * rate.per_second;
        (self.permits + returned).min(rate.burst)
    }
}
