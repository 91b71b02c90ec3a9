//! The round trip, from sending a packet to the feedback that reports it, the queue included.

use std::time::Duration;

/// The round trip of one path.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoundTrip {
    smoothed: Option<Duration>,
}

impl RoundTrip {
    /// Takes a sample: the newest packet of a feedback, which waited least for it.
    pub(crate) fn push(&mut self, sample: Duration) {
        let sample = sample.min(LONGEST);
        self.smoothed = Some(match self.smoothed {
            None => sample,
            // A queue that grows shall be seen at once, or packets in it are sent again.
            Some(smoothed) if sample > smoothed => (smoothed + sample) / 2,
            Some(smoothed) => (smoothed * 7 + sample) / 8,
        });
    }

    /// The smoothed round trip.
    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(UNKNOWN)
    }
}

/// Before the first feedback: a far patient on a radio link.
const UNKNOWN: Duration = Duration::from_millis(150);

/// Feedback that old reports an outage, not a path.
const LONGEST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_up_quickly_and_down_slowly() {
        let ms = Duration::from_millis;
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.smoothed(), UNKNOWN);
        round_trip.push(ms(60));
        assert_eq!(round_trip.smoothed(), ms(60));
        round_trip.push(ms(200));
        assert_eq!(round_trip.smoothed(), ms(130));
        round_trip.push(ms(50));
        assert_eq!(round_trip.smoothed(), ms(120));
        round_trip.push(Duration::MAX);
        assert!(round_trip.smoothed() <= LONGEST);
    }
}
