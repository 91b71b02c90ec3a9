//! How a stream's timestamps relate to its publisher's wall clock, from sender reports (RFC 3550 §6.4.1).
//! It aligns the encodings of a track at a switch, and lets subscribers keep lips and voice together.

use std::time::{Duration, Instant};

/// One reading: the two clocks of a publisher at the moment of a sender report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaClock {
    /// NTP time, 32.32 fixed point.
    ntp: u64,
    timestamp: u32,
    read_at: Instant,
    clock_rate: u32,
}

impl MediaClock {
    pub(crate) fn new(ntp: u64, timestamp: u32, read_at: Instant, clock_rate: u32) -> Self {
        Self { ntp, timestamp, read_at, clock_rate }
    }

    /// The publisher's wall clock and this stream's timestamp, both carried on to `now`.
    pub(crate) fn at(&self, now: Instant) -> (u64, u32) {
        let elapsed = now.saturating_duration_since(self.read_at);
        (self.ntp.wrapping_add(ntp_of(elapsed)), self.timestamp.wrapping_add(ticks(elapsed, self.clock_rate)))
    }

    /// The timestamp that another encoding of the same source gives to the moment that this one calls
    /// `timestamp`.
    pub(crate) fn translate(&self, timestamp: u32, other: &Self) -> u32 {
        let ticks_since = i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed());
        let between = self.ntp.wrapping_sub(other.ntp).cast_signed();
        // The fraction of 2⁻³² seconds, times the clock rate, back to ticks.
        let ticks_between = (i128::from(between) * i128::from(self.clock_rate)) >> 32;
        other.timestamp.wrapping_add((ticks_since as i128 + ticks_between) as u32)
    }
}

/// A duration in ticks of a media clock.
pub(crate) fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    (elapsed.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}

fn ntp_of(elapsed: Duration) -> u64 {
    ((elapsed.as_nanos() << 32) / 1_000_000_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    #[test]
    fn both_clocks_go_on() {
        let origin = crate::testing::origin();
        let clock = MediaClock::new(10 * SECOND, u32::MAX, origin, 90_000);
        assert_eq!(clock.at(origin + Duration::from_millis(500)), (10 * SECOND + SECOND / 2, 44_999));
    }

    #[test]
    fn a_moment_has_its_timestamp_in_every_encoding() {
        let origin = crate::testing::origin();
        let low = MediaClock::new(10 * SECOND, 1_000, origin, 90_000);
        let high = MediaClock::new(12 * SECOND, 500_000, origin, 90_000);
        // One second after the low report is one second before the high one.
        assert_eq!(low.translate(91_000, &high), 500_000 - 90_000);
        assert_eq!(high.translate(500_000, &low), 1_000 + 180_000);
        assert_eq!(low.translate(1_000, &low), 1_000);
    }
}
