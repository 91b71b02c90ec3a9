//! One reading of the clock: for timers, and as the number that every process of this machine reads alike.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// A moment, as it is passed into everything that reads no clock itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// For timers.
    pub(crate) instant: Instant,
    /// `CLOCK_MONOTONIC`, the same in all processes.
    pub(crate) nanos: u64,
}

impl Moment {
    /// Reads the clock.
    pub(crate) fn now() -> Self {
        // The clock is there on every Linux; 0 shows up as a latency that nobody believes.
        let nanos = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX));
        Self { instant: Instant::now(), nanos }
    }
}

/// Moments for tests, as long after each other as they say.
#[cfg(test)]
pub(crate) mod fake {
    use super::*;

    pub(crate) struct Clock(Instant);

    impl Clock {
        pub(crate) fn new() -> Self {
            Self(Instant::now())
        }

        pub(crate) fn after(&self, millis: u64) -> Moment {
            Moment { instant: self.0 + Duration::from_millis(millis), nanos: millis * 1_000_000 }
        }
    }
}
