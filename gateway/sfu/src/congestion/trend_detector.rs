//! Tells a growing queue from jitter: the slope of the smoothed one-way delay, held against a threshold
//! that adapts to the noise of the path (draft-ietf-rmcat-gcc-02 §5.3-5.5, with a linear trend for the filter).

use std::collections::VecDeque;

use super::arrival_groups::GroupDelta;

/// What the delay says about the use of the link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The queue stays as it is.
    #[default]
    Normal,
    /// The queue grows.
    Over,
    /// The queue drains.
    Under,
}

/// The detector of one path.
#[derive(Debug, Clone)]
pub(crate) struct TrendDetector {
    delay: f64,
    smoothed_delay: f64,
    points: VecDeque<(f64, f64)>,
    deltas: u32,
    threshold: f64,
    threshold_updated: Option<f64>,
    over_for: f64,
    over_count: u32,
    previous_trend: f64,
    usage: Usage,
}

impl Default for TrendDetector {
    fn default() -> Self {
        Self {
            delay: 0.0,
            smoothed_delay: 0.0,
            points: VecDeque::with_capacity(WINDOW),
            deltas: 0,
            threshold: FIRST_THRESHOLD,
            threshold_updated: None,
            over_for: 0.0,
            over_count: 0,
            previous_trend: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl TrendDetector {
    /// Takes the next pair of groups.
    pub(crate) fn push(&mut self, delta: &GroupDelta) -> Usage {
        self.deltas = self.deltas.saturating_add(1).min(MOST_DELTAS);
        self.delay += delta.growth();
        self.smoothed_delay = SMOOTHING * self.smoothed_delay + (1.0 - SMOOTHING) * self.delay;
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        self.points.push_back((delta.at, self.smoothed_delay));
        let trend = if self.points.len() < WINDOW { self.previous_trend } else { self.slope() };
        self.judge(trend, delta);
        self.usage
    }

    /// The rate was lowered: what was seen until now says nothing of the rate after it. The noise of the path
    /// stays known.
    pub(crate) fn restart(&mut self) {
        self.points.clear();
        self.delay = 0.0;
        self.smoothed_delay = 0.0;
        self.over_for = 0.0;
        self.over_count = 0;
        self.previous_trend = 0.0;
        self.usage = Usage::Normal;
    }

    /// What the last pair of groups meant.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    fn judge(&mut self, trend: f64, delta: &GroupDelta) {
        let strength = f64::from(self.deltas) * trend * GAIN;
        if self.deltas >= 2 && strength > self.threshold {
            self.over_for += delta.sent;
            self.over_count += 1;
            if self.over_for > OVER_FOR_AT_LEAST && self.over_count > 1 && trend >= self.previous_trend {
                self.over_for = 0.0;
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = 0.0;
            self.over_count = 0;
            self.usage = if strength < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.previous_trend = trend;
        self.adapt_threshold(strength.abs(), delta.at);
    }

    /// Follows the noise slowly upward and quickly downward; a far outlier is congestion, not noise.
    fn adapt_threshold(&mut self, strength: f64, at: f64) {
        let elapsed = (at - self.threshold_updated.unwrap_or(at)).clamp(0.0, LONGEST_ADAPTATION);
        self.threshold_updated = Some(at);
        if strength > self.threshold + FAR_OUTLIER {
            return;
        }
        let gain = if strength < self.threshold { FALL_GAIN } else { RISE_GAIN };
        self.threshold = (self.threshold + gain * (strength - self.threshold) * elapsed)
            .clamp(LEAST_THRESHOLD, GREATEST_THRESHOLD);
    }

    /// The least-squares slope of delay over arrival time: queue growth per time, without a unit.
    fn slope(&self) -> f64 {
        let count = self.points.len() as f64;
        let (sum_at, sum_delay) =
            self.points.iter().fold((0.0, 0.0), |(at, delay), point| (at + point.0, delay + point.1));
        let (mean_at, mean_delay) = (sum_at / count, sum_delay / count);
        let (covariance, variance) = self.points.iter().fold((0.0, 0.0), |(covariance, variance), point| {
            let at = point.0 - mean_at;
            (covariance + at * (point.1 - mean_delay), variance + at * at)
        });
        if variance > f64::EPSILON { covariance / variance } else { self.previous_trend }
    }
}

/// Groups in the regression: two thirds of a second of 30 frames, or a tenth of a second of a full link.
const WINDOW: usize = 20;

/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;

/// Scales the trend so that the thresholds below are in the range of milliseconds of offset.
const GAIN: f64 = 4.0;

/// The trend of a young path is trusted less.
const MOST_DELTAS: u32 = 60;

/// Milliseconds of sending during which the trend must hold.
const OVER_FOR_AT_LEAST: f64 = 10.0;

const FIRST_THRESHOLD: f64 = 12.5;
const LEAST_THRESHOLD: f64 = 6.0;
const GREATEST_THRESHOLD: f64 = 600.0;

/// Rising slowly and falling quickly keeps the flow alive beside loss-based ones, and sensitive alone.
const RISE_GAIN: f64 = 0.0087;
const FALL_GAIN: f64 = 0.039;

/// A spike this far above the threshold is not noise to get used to.
const FAR_OUTLIER: f64 = 15.0;

/// Milliseconds that one step of adaptation may stand for.
const LONGEST_ADAPTATION: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts over groups 20 ms apart, each later than the one before by `growth(index)`.
    fn verdicts(groups: usize, growth: impl Fn(usize) -> f64) -> Vec<Usage> {
        let mut detector = TrendDetector::default();
        let mut at = 0.0;
        (0..groups)
            .map(|index| {
                let arrived = 20.0 + growth(index);
                at += arrived;
                detector.push(&GroupDelta { sent: 20.0, arrived, at })
            })
            .collect()
    }

    #[test]
    fn a_growing_queue_is_seen_within_a_few_groups() {
        let verdicts = verdicts(60, |index| if index >= 40 { 10.0 } else { 0.0 });
        assert!(verdicts[..40].iter().all(|usage| *usage == Usage::Normal));
        let seen = verdicts.iter().position(|usage| *usage == Usage::Over);
        assert!(seen.is_some_and(|seen| seen <= 47), "{seen:?}");
    }

    #[test]
    fn after_a_restart_only_new_growth_counts() {
        let mut detector = TrendDetector::default();
        let mut at = 0.0;
        let mut push = |detector: &mut TrendDetector, growth: f64| {
            at += 20.0 + growth;
            detector.push(&GroupDelta { sent: 20.0, arrived: 20.0 + growth, at })
        };
        for _ in 0..40 {
            push(&mut detector, 0.0);
        }
        assert!((0..20).any(|_| push(&mut detector, 10.0) == Usage::Over));
        detector.restart();
        assert_eq!(detector.usage(), Usage::Normal);
        assert!((0..60).all(|_| push(&mut detector, 0.0) == Usage::Normal), "the queue stands");
        assert!((0..40).any(|_| push(&mut detector, 10.0) == Usage::Over), "it grows again");
    }

    #[test]
    fn a_draining_queue_is_underuse() {
        let verdicts = verdicts(60, |index| if index >= 40 { -10.0 } else { 0.0 });
        assert_eq!(verdicts.last(), Some(&Usage::Under));
    }

    #[test]
    fn alternating_jitter_is_no_overuse() {
        let verdicts = verdicts(400, |index| if index % 2 == 0 { 15.0 } else { -15.0 });
        assert!(verdicts.iter().all(|usage| *usage != Usage::Over));
    }
}
