//! Notices that feedback is missing while packets are under way: late after 200 ms, lost after half a second.

use std::time::Duration;

/// How long feedback has been missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It is on time.
    #[default]
    None,
    /// It is overdue; so many times the rate should have been halved.
    Late {
        /// At least one.
        halvings: u32,
    },
    /// Nothing is known of the link any more.
    Lost,
}

/// The watch over one path's feedback.
#[derive(Debug, Clone, Default)]
pub(crate) struct FeedbackWatch {
    last: Option<Duration>,
    usual_gap: Option<Duration>,
}

impl FeedbackWatch {
    pub(crate) fn handle_feedback(&mut self, now: Duration) {
        if let Some(last) = self.last {
            let gap = now.saturating_sub(last).min(LONGEST_GAP);
            self.usual_gap = Some(self.usual_gap.map_or(gap, |usual| (usual * 7 + gap) / 8));
        }
        self.last = Some(now);
    }

    /// Another path: silence counts from now on.
    pub(crate) fn restart(&mut self, now: Duration) {
        self.last = self.last.map(|_| now);
    }

    /// Whether there has ever been feedback.
    pub(crate) fn has_heard(&self) -> bool {
        self.last.is_some()
    }

    /// How long feedback has been missing, given when the oldest packet left that none has reached.
    pub(crate) fn silence(&self, now: Duration, oldest_unreported: Option<Duration>) -> Silence {
        let Some(since) = self.silent_since(oldest_unreported) else { return Silence::None };
        let silent_for = now.saturating_sub(since);
        let late_after = self.late_after();
        if silent_for >= self.lost_after() {
            Silence::Lost
        } else if silent_for >= late_after {
            let halvings = 1 + (silent_for - late_after).as_millis() / late_after.as_millis().max(1);
            Silence::Late { halvings: u32::try_from(halvings).unwrap_or(u32::MAX) }
        } else {
            Silence::None
        }
    }

    /// When the silence will next be worth a look.
    pub(crate) fn next_check(&self, now: Duration, oldest_unreported: Option<Duration>) -> Option<Duration> {
        let since = self.silent_since(oldest_unreported)?;
        let late_after = self.late_after();
        match self.silence(now, oldest_unreported) {
            Silence::None => Some(since + late_after),
            Silence::Late { halvings } => {
                Some((since + late_after * (halvings + 1)).min(since + self.lost_after()))
            }
            Silence::Lost => None,
        }
    }

    /// Silence counts from the last feedback, or from the first packet that feedback could be about.
    fn silent_since(&self, oldest_unreported: Option<Duration>) -> Option<Duration> {
        let oldest = oldest_unreported?;
        Some(self.last.map_or(oldest, |last| last.max(oldest)))
    }

    fn late_after(&self) -> Duration {
        match self.usual_gap {
            Some(gap) => (gap * 2 + LATE_MARGIN).clamp(SOONEST_LATE, LATEST_LATE),
            None => FIRST_LATE,
        }
    }

    fn lost_after(&self) -> Duration {
        if self.usual_gap.is_some() { LOST_AFTER } else { FIRST_LOST }
    }
}

/// Four of a browser's usual intervals of 50 ms.
pub(crate) const SOONEST_LATE: Duration = Duration::from_millis(200);

/// Browsers send feedback every 250 ms when the rate is low.
const LATEST_LATE: Duration = Duration::from_millis(600);

const LATE_MARGIN: Duration = Duration::from_millis(50);

/// Longer than a handover or a few lost feedbacks: an outage.
const LOST_AFTER: Duration = Duration::from_millis(500);

/// The first feedback may take its time: a browser sets up its decoders before it answers.
const FIRST_LATE: Duration = Duration::from_millis(1_500);
const FIRST_LOST: Duration = Duration::from_secs(4);

/// An outage is no usual gap.
const LONGEST_GAP: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn silence_halves_and_then_stops() {
        let mut watch = FeedbackWatch::default();
        for at in (0..=1_000).step_by(50) {
            watch.handle_feedback(ms(at));
        }
        for (at, unreported, expected) in [
            (1_190, Some(990), Silence::None),
            (1_200, Some(990), Silence::Late { halvings: 1 }),
            (1_400, Some(990), Silence::Late { halvings: 2 }),
            (1_500, Some(990), Silence::Lost),
            (9_000, None, Silence::None),
            (9_100, Some(9_000), Silence::None),
            (9_200, Some(9_000), Silence::Late { halvings: 1 }),
        ] {
            assert_eq!(watch.silence(ms(at), unreported.map(ms)), expected, "at {at}");
        }
    }

    #[test]
    fn the_first_feedback_may_take_longer() {
        let watch = FeedbackWatch::default();
        for (at, expected) in
            [(1_000, Silence::None), (1_600, Silence::Late { halvings: 1 }), (4_000, Silence::Lost)]
        {
            assert_eq!(watch.silence(ms(at), Some(ms(0))), expected, "at {at}");
        }
    }

    #[test]
    fn checks_come_before_each_change() {
        let mut watch = FeedbackWatch::default();
        watch.handle_feedback(ms(0));
        watch.handle_feedback(ms(50));
        let mut now = ms(50);
        let mut seen = Vec::new();
        while let Some(next) = watch.next_check(now, Some(ms(40))) {
            assert!(next > now);
            now = next;
            seen.push(now.as_millis());
        }
        assert_eq!(seen, [250, 450, 550]);
    }
}
