//! How long pictures are held back after a collapse: voice shares the queue that the link still has to
//! send, so nothing is added to it until it is nearly gone. The queue now is the one that the newest
//! reported packet met, and what was sent since, less what the link has delivered meanwhile.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

/// The queue of a collapse, on its way out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QueueDrain {
    since: Duration,
    until: Duration,
}

/// What is known of the queue when a feedback arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueView {
    /// What the link delivers.
    pub(crate) delivered: Bitrate,
    /// The queue that the newest reported packet met, and when that packet left.
    pub(crate) met: Duration,
    pub(crate) newest_sent: Duration,
    /// What has been sent since.
    pub(crate) under_way: DataSize,
}

impl QueueDrain {
    pub(crate) fn new(now: Duration, view: &QueueView) -> Self {
        Self { since: now, until: now }.revised(now, view)
    }

    /// Takes a newer view of the same queue.
    pub(crate) fn revised(self, now: Duration, view: &QueueView) -> Self {
        let standing = view.standing(now).saturating_sub(HARMLESS);
        // Voice goes on meanwhile and takes its part of the link.
        let share = 1.0 - VOICE.ratio_of(view.delivered).min(MOST_FOR_VOICE);
        let until = now + standing.div_f64(share).min(LONGEST);
        Self { until: until.min(self.since + LONGEST), ..self }
    }

    /// Until when pictures wait; `None` once they need not.
    pub(crate) fn until(&self, now: Duration) -> Option<Duration> {
        (now < self.until).then_some(self.until)
    }
}

impl QueueView {
    fn standing(&self, now: Duration) -> Duration {
        let entered = self.met + (self.under_way / self.delivered).min(LONGEST);
        entered.saturating_sub(now.saturating_sub(self.newest_sent))
    }
}

/// Less than a jitter buffer holds back, and a link that is never empty.
const HARMLESS: Duration = Duration::from_millis(25);

/// Two voices.
const VOICE: Bitrate = Bitrate::kbps(80);
const MOST_FOR_VOICE: f64 = 0.5;

/// A longer wait would be seen as a freeze, and a drop-tail queue of usual length is gone by then.
const LONGEST: Duration = Duration::from_millis(350);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_wait_for_what_is_still_queued() {
        let ms = Duration::from_millis;
        for (name, met, ago, under_way, expected) in [
            ("nothing", 0, 60, 0, 0..=0),
            ("a queue that is gone by now", 50, 60, 0, 0..=0),
            ("a queue that was added to", 50, 100, 12_500, 140..=160),
            ("a queue beyond reason", 5_000, 100, 125_000, 350..=350),
        ] {
            let view = QueueView {
                delivered: Bitrate::kbps(500),
                met: ms(met),
                newest_sent: ms(1_000 - ago),
                under_way: DataSize::bytes(under_way),
            };
            let drain = QueueDrain::new(ms(1_000), &view);
            let held = drain.until(ms(1_000)).map_or(0, |until| (until - ms(1_000)).as_millis());
            assert!(expected.contains(&held), "{name}: {held}");
        }
    }
}
