//! What a fleet counted up to a moment; a measurement is the difference of two.

use std::collections::BTreeMap;

use super::histogram::Histogram;
use super::viewer::Counts;

/// Failures whose words are kept.
const MAX_FAILURES: usize = 20;

/// Counts since the beginning.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// Microseconds from the request to the first packet, of viewers that got one.
    pub(crate) setup_us: Histogram,
    /// Microseconds from leaving the publisher to reaching a viewer.
    pub(crate) latency_us: Histogram,
    /// What each viewer counted.
    pub(crate) by_viewer: BTreeMap<usize, Counts>,
    /// Viewers whose path is open, whether or not media come.
    pub(crate) connected: usize,
    /// Publishers from which something left.
    pub(crate) publishing: usize,
    /// Packets of their pictures that publishers sent.
    pub(crate) published: u64,
    /// Packets that they sent again.
    pub(crate) resent: u64,
    /// Datagrams that the kernel of this machine would not take.
    pub(crate) unsent: u64,
    /// Sessions that ended before their time.
    pub(crate) failed: u64,
    /// Why, of the first.
    pub(crate) failures: Vec<String>,
}

impl Figures {
    /// Notes a session that ended before its time.
    pub(crate) fn fail(&mut self, reason: String) {
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(reason);
        }
    }

    /// Takes in what another thread counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.setup_us.merge(&other.setup_us);
        self.latency_us.merge(&other.latency_us);
        self.by_viewer.extend(other.by_viewer);
        self.connected += other.connected;
        self.publishing += other.publishing;
        self.published += other.published;
        self.resent += other.resent;
        self.unsent += other.unsent;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(MAX_FAILURES);
    }

    /// Viewers to whom media come.
    pub(crate) fn playing(&self) -> usize {
        self.by_viewer.values().filter(|counts| counts.received > 0).count()
    }

    /// What viewers counted in all.
    pub(crate) fn total(&self) -> Counts {
        self.by_viewer.values().fold(Counts::default(), |sum, one| Counts {
            expected: sum.expected + one.expected,
            received: sum.received + one.received,
            pictures: sum.pictures + one.pictures,
            bytes: sum.bytes + one.bytes,
            others: sum.others + one.others,
        })
    }

    /// What was counted since an earlier state. Setup is not of a time: all of it is kept, as failures are.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let by_viewer = self.by_viewer.iter().map(|(id, now)| {
            let before = earlier.by_viewer.get(id).copied().unwrap_or_default();
            let counts = Counts {
                expected: now.expected - before.expected.min(now.expected),
                received: now.received - before.received,
                pictures: now.pictures - before.pictures,
                bytes: now.bytes - before.bytes,
                others: now.others - before.others,
            };
            (*id, counts)
        });
        Self {
            latency_us: self.latency_us.since(&earlier.latency_us),
            by_viewer: by_viewer.collect(),
            published: self.published.saturating_sub(earlier.published),
            resent: self.resent.saturating_sub(earlier.resent),
            unsent: self.unsent.saturating_sub(earlier.unsent),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(viewers: &[(usize, u64)], published: u64) -> Figures {
        let counts = |received| Counts { expected: received + 1, received, ..Counts::default() };
        let by_viewer = viewers.iter().map(|(id, received)| (*id, counts(*received))).collect();
        Figures { by_viewer, published, ..Figures::default() }
    }

    #[test]
    fn a_measurement_is_a_difference() {
        let before = figures(&[(1, 10)], 100);
        let window = figures(&[(1, 15), (2, 7)], 130).since(&before);
        assert_eq!((window.total().received, window.total().expected), (12, 13));
        assert_eq!((window.published, window.playing()), (30, 2));
    }

    #[test]
    fn threads_add_up() {
        let mut all = figures(&[(1, 10)], 0);
        all.merge(figures(&[(2, 5), (3, 0)], 100));
        assert_eq!((all.total().received, all.published, all.playing()), (15, 100, 2));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut figures = Figures::default();
        (0..100).for_each(|number| figures.fail(number.to_string()));
        assert_eq!((figures.failed, figures.failures.len()), (100, MAX_FAILURES));
    }
}
