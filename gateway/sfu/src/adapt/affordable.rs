//! What a subscriber could have afforded all along, and since when: the evidence that steps up wait for.

use std::time::{Duration, Instant};

use super::output::Layer;

/// Better allocations than the present one. Each entry is the worst of all that was offered since an instant, so
/// that a later entry is at least as good as an earlier one, and stands on less evidence.
#[derive(Debug, Clone, Default)]
pub(super) struct Affordable {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    since: Instant,
    layers: Vec<Option<Layer>>,
}

impl Affordable {
    /// Nothing counts any more.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
    }

    /// Takes what is affordable now, and forgets what raises nobody above `held`.
    pub(super) fn observe(&mut self, now: Instant, wish: &[Option<Layer>], held: &[Option<Layer>]) {
        for entry in &mut self.entries {
            for (kept, layer) in entry.layers.iter_mut().zip(wish) {
                *kept = (*kept).min(*layer);
            }
        }
        self.entries.retain(|entry| raises(&entry.layers, held));
        // Of equal ones the oldest stands on the most evidence.
        self.entries.dedup_by(|later, earlier| later.layers == earlier.layers);
        if raises(wish, held) && self.entries.last().is_none_or(|last| last.layers != wish) {
            if self.entries.len() == MOST_ENTRIES {
                // Its neighbours tell nearly the same.
                self.entries.remove(MOST_ENTRIES - 1);
            }
            self.entries.push(Entry { since: now, layers: wish.to_vec() });
        }
    }

    /// The best that has been affordable for as long as its steps ask for. While a better one is about to have
    /// been, nothing: one step to it is calmer than two. `patience` tells how long a step asks for, and
    /// `urgent` whether a picture is too poor to wait for a better step.
    pub(super) fn ripe(
        &self,
        now: Instant,
        patience: impl Fn(&[Option<Layer>]) -> Duration,
        urgent: bool,
    ) -> Option<&[Option<Layer>]> {
        let missing = |entry: &Entry| {
            patience(&entry.layers).saturating_sub(now.saturating_duration_since(entry.since))
        };
        let ripe = self.entries.iter().rposition(|entry| missing(entry).is_zero())?;
        let better = self.entries.iter().skip(ripe + 1).map(missing).min();
        let worth_a_wait = !urgent && better.is_some_and(|missing| missing <= WORTH_A_WAIT);
        self.entries.get(ripe).filter(|_| !worth_a_wait).map(|entry| entry.layers.as_slice())
    }
}

fn raises(layers: &[Option<Layer>], held: &[Option<Layer>]) -> bool {
    layers.iter().zip(held).any(|(layer, held)| layer > held)
}

/// Estimates climb in a few probes: more entries than that are steps of a slow climb, which differ little.
const MOST_ENTRIES: usize = 6;

/// A picture that is about to become better still may wait for that.
const WORTH_A_WAIT: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(encoding: u8) -> Vec<Option<Layer>> {
        vec![Some(Layer { encoding, temporal: 2 })]
    }

    fn after(milliseconds: u64) -> Instant {
        crate::testing::origin() + Duration::from_millis(milliseconds)
    }

    fn second(_: &[Option<Layer>]) -> Duration {
        Duration::from_secs(1)
    }

    #[test]
    fn a_step_waits_for_lasting_evidence() {
        let mut evidence = Affordable::default();
        for tick in 0..5 {
            evidence.observe(after(tick * 200), &at(2), &at(0));
            assert_eq!(evidence.ripe(after(tick * 200), second, false), None);
        }
        evidence.observe(after(1_000), &at(2), &at(0));
        assert_eq!(evidence.ripe(after(1_000), second, false), Some(at(2).as_slice()));
    }

    #[test]
    fn a_dip_leaves_what_was_affordable_through_it() {
        let mut evidence = Affordable::default();
        for (tick, encoding) in [2, 2, 1, 2, 2, 2].into_iter().enumerate() {
            evidence.observe(after(tick as u64 * 200), &at(encoding), &at(0));
        }
        assert_eq!(evidence.ripe(after(1_000), second, true), Some(at(1).as_slice()));
        evidence.observe(after(1_200), &at(0), &at(0));
        assert_eq!(evidence.ripe(after(9_000), second, true), None);
    }

    #[test]
    fn one_step_to_the_better_of_two_unless_it_is_urgent() {
        let mut evidence = Affordable::default();
        evidence.observe(after(0), &at(1), &at(0));
        evidence.observe(after(600), &at(2), &at(0));
        assert_eq!(evidence.ripe(after(1_000), second, false), None);
        assert_eq!(evidence.ripe(after(1_000), second, true), Some(at(1).as_slice()));
        assert_eq!(evidence.ripe(after(1_600), second, false), Some(at(2).as_slice()));
    }

    #[test]
    fn a_slow_climb_keeps_its_oldest_and_its_newest() {
        let mut evidence = Affordable::default();
        for encoding in 1..20 {
            evidence.observe(after(u64::from(encoding)), &at(encoding), &at(0));
        }
        assert_eq!(evidence.entries.len(), MOST_ENTRIES);
        assert_eq!(evidence.entries.first().map(|entry| entry.layers.clone()), Some(at(1)));
        assert_eq!(evidence.entries.last().map(|entry| entry.layers.clone()), Some(at(19)));
    }
}
