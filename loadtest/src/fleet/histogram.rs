//! How often which value came, to within three percent, in constant memory: buckets that grow with the value.

/// Buckets per doubling: a value is known to within 1/32.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Values from here on count as this one: 2^40 µs are twelve days.
const CEILING: u64 = 1 << 40;

const BUCKETS: usize = bucket_of(CEILING) + 1;

/// A count per bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS] }
    }
}

impl Histogram {
    /// Counts a value.
    pub(crate) fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket_of(value.min(CEILING))) {
            *count += 1;
        }
    }

    /// How many values were counted.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value that this share of all values does not exceed; `None` without values.
    pub(crate) fn quantile(&self, share: f64) -> Option<u64> {
        let total = self.total();
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= rank
        };
        self.counts.iter().position(reached).map(upper_edge)
    }

    /// Values and the share of all that does not exceed each, from the least to the most.
    pub(crate) fn shares(&self) -> Vec<(u64, f64)> {
        let (total, mut seen) = (self.total().max(1) as f64, 0);
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let point = |(bucket, count): (usize, &u64)| {
            seen += count;
            (upper_edge(bucket), seen as f64 / total)
        };
        counted.map(point).collect()
    }

    /// What was counted since an earlier state of the same histogram.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let pairs = self.counts.iter().zip(&earlier.counts);
        Self { counts: pairs.map(|(now, before)| now.saturating_sub(*before)).collect() }
    }

    /// Takes in what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }
}

const fn bucket_of(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    (shift as u64 * STEPS + (value >> shift)) as usize
}

/// The largest value of a bucket.
fn upper_edge(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_within_a_bucket() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|value| histogram.record(value));
        for (share, exact) in [(0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(share).expect("a value") as f64;
            assert!((found / exact - 1.0).abs() < 0.035, "{share}: {found}");
        }
        assert_eq!(histogram.quantile(0.0), Some(1));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..5_000).chain((13..40).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]))
        {
            let bucket = bucket_of(value);
            assert!(value <= upper_edge(bucket), "{value}");
            assert!(bucket == 0 || value > upper_edge(bucket - 1), "{value}");
        }
    }

    #[test]
    fn shares_grow_to_all_of_it() {
        let mut histogram = Histogram::default();
        [3, 3, 3, 40].into_iter().for_each(|value| histogram.record(value));
        assert_eq!(histogram.shares(), [(3, 0.75), (40, 1.0)]);
        assert!(Histogram::default().shares().is_empty());
    }

    #[test]
    fn no_value_is_too_large() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.total(), 1);
    }

    #[test]
    fn windows_are_differences() {
        let mut histogram = Histogram::default();
        histogram.record(5);
        let before = histogram.clone();
        histogram.record(900);
        let mut window = histogram.since(&before);
        assert_eq!((window.total(), window.quantile(0.5).is_some_and(|value| value >= 900)), (1, true));
        window.merge(&before);
        assert_eq!(window, histogram);
    }
}
