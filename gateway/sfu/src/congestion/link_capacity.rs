//! Remembers at which rates the link filled up, so that growth is careful near them and quick elsewhere.

use protocol::units::Bitrate;

/// The mean of the rates delivered under overuse, and how much they vary.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkCapacity {
    known: Option<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    mean: f64,
    /// The variance over the mean, as libwebrtc normalises it: absolute variance grows with the rate.
    spread: f64,
}

impl LinkCapacity {
    /// The link delivered this much and no more.
    pub(crate) fn filled_at(&mut self, rate: Bitrate) {
        let rate = rate.as_bps() as f64 / 1e3;
        if self.known.is_some_and(|known| !known.holds(rate)) {
            self.known = None;
        }
        self.known = Some(match self.known {
            None => Known { mean: rate, spread: FIRST_SPREAD },
            Some(Known { mean, spread }) => {
                let new_mean = (1.0 - NEWEST) * mean + NEWEST * rate;
                let error = new_mean - rate;
                let spread = (1.0 - NEWEST) * spread + NEWEST * error * error / new_mean.max(1.0);
                Known { mean: new_mean, spread: spread.clamp(LEAST_SPREAD, GREATEST_SPREAD) }
            }
        });
    }

    /// More than what was remembered got through.
    pub(crate) fn exceeded_by(&mut self, rate: Bitrate) {
        let rate = rate.as_bps() as f64 / 1e3;
        if self.known.is_some_and(|known| rate > known.mean + known.margin()) {
            self.known = None;
        }
    }

    /// Nothing is known of this path any more.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// Whether the link has filled up near this rate.
    pub(crate) fn is_near(&self, rate: Bitrate) -> bool {
        self.known.is_some_and(|known| known.holds(rate.as_bps() as f64 / 1e3))
    }
}

impl Known {
    fn holds(&self, rate: f64) -> bool {
        (rate - self.mean).abs() <= self.margin()
    }

    fn margin(&self) -> f64 {
        DEVIATIONS * (self.spread * self.mean).sqrt()
    }
}

/// Weight of the newest rate.
const NEWEST: f64 = 0.05;

const FIRST_SPREAD: f64 = 0.4;
const LEAST_SPREAD: f64 = 0.4;
const GREATEST_SPREAD: f64 = 2.5;

/// Deviations around the mean that count as near.
const DEVIATIONS: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_near_what_filled_it_until_something_else_does() {
        let mut capacity = LinkCapacity::default();
        assert!(!capacity.is_near(Bitrate::mbps(1)));
        capacity.filled_at(Bitrate::mbps(1));
        for (kbps, near) in [(1_000, true), (950, true), (500, false), (1_300, false)] {
            assert_eq!(capacity.is_near(Bitrate::kbps(kbps)), near, "{kbps}");
        }
        capacity.filled_at(Bitrate::kbps(400));
        assert!(capacity.is_near(Bitrate::kbps(400)) && !capacity.is_near(Bitrate::mbps(1)));
        capacity.exceeded_by(Bitrate::kbps(410));
        assert!(capacity.is_near(Bitrate::kbps(400)));
        capacity.exceeded_by(Bitrate::mbps(2));
        assert!(!capacity.is_near(Bitrate::kbps(400)));
    }
}
