//! Tells whose queue it is, and shares one that is not ours. A transfer that waits for loss keeps the queue full
//! whatever we send, and takes all that a sender leaves who goes by delay. So each decrease is an experiment, as
//! Copa makes it (NSDI 2018 §2.2): a queue of ours drains while we send less than the link delivers. Where it does
//! not, the rate answers to loss alone and grows as a TCP would on that round trip, until the queue has been empty.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use super::delivery_rate::Throughput;
use super::rate_control::LinkView;

/// The queue of one path, as far as it is contested.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueCompetition {
    experiment: Option<Experiment>,
    contest: Option<Contest>,
}

/// Less is sent than the link delivers.
#[derive(Debug, Clone, Copy)]
struct Experiment {
    since: Duration,
    /// What we got of the link when it began.
    share: Bitrate,
    /// What the link delivers, as refined while the queue of the overload passed.
    delivered: Bitrate,
    /// By how much a queue of ours would have become shorter.
    expected: Duration,
    observed: Duration,
    longest: Duration,
    shortest: Duration,
}

/// The queue belongs to somebody else.
#[derive(Debug, Clone, Copy)]
struct Contest {
    since: Duration,
    /// The queue at its fullest.
    longest: Duration,
    /// What left until then met an overflow that has been answered.
    answered: Duration,
}

/// Whose queue it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Ours, or too early to say.
    Ours,
    /// Somebody else's; this much of the link was ours before the experiment.
    Foreign(Bitrate),
    /// Nobody's: the path has become longer.
    Path,
}

impl QueueCompetition {
    /// The rate was lowered below what the link delivers.
    pub(crate) fn handle_decrease(&mut self, now: Duration, throughput: &Throughput, queue: Duration) {
        let delivered = throughput.arrived;
        let experiment = self.experiment.get_or_insert(Experiment {
            since: now,
            share: delivered,
            delivered,
            expected: Duration::ZERO,
            observed: now,
            longest: queue,
            shortest: queue,
        });
        // Later, and where pictures wait, what arrives is no more than what is sent.
        let is_refined = now.saturating_sub(experiment.since) <= REFINEMENT && throughput.is_stretched(1.0);
        if is_refined {
            experiment.delivered = experiment.delivered.min(delivered);
        }
    }

    /// The queue was empty, or is another one.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes the queue that packets met which left at `sent` and at this rate.
    pub(crate) fn watch(&mut self, sent: Duration, rate: Bitrate, queue: Duration) -> Ownership {
        let Some(experiment) = &mut self.experiment else { return Ownership::Ours };
        let elapsed = sent.saturating_sub(experiment.observed);
        experiment.observed = experiment.observed.max(sent);
        let delivered = experiment.delivered.max(LEAST_LINK);
        experiment.expected += elapsed.mul_f64(1.0 - rate.ratio_of(delivered).min(1.0));
        experiment.longest = experiment.longest.max(queue);
        experiment.shortest =
            if experiment.expected < SETTLES { queue } else { experiment.shortest.min(queue) };
        let Experiment { since, share, expected, longest, shortest, .. } = *experiment;
        let lasts = sent.saturating_sub(since) > LONGEST_DRAIN;
        if !lasts || expected < LEAST_EXPECTED || longest.saturating_sub(queue) > expected.min(longest) / 2 {
            return Ownership::Ours;
        }
        self.experiment = None;
        if longest.saturating_sub(shortest) < FLAT {
            return Ownership::Path;
        }
        self.contest = Some(Contest { since: sent, longest, answered: sent });
        Ownership::Foreign(share)
    }

    /// As much is sent as the link delivers: an experiment rests, and is over where the queue was empty.
    pub(crate) fn rest(&mut self, sent: Duration, queue: Duration) {
        self.experiment = self
            .experiment
            .filter(|_| queue > EMPTY)
            .map(|experiment| Experiment { observed: experiment.observed.max(sent), ..experiment });
    }

    /// Whether the queue is shared with somebody who keeps it full.
    pub(crate) fn is_on(&self) -> bool {
        self.contest.is_some()
    }

    /// Takes what the last feedback showed; says whether the rate has to answer.
    pub(crate) fn contend(&mut self, now: Duration, view: &LinkView) -> bool {
        let Some(contest) = &mut self.contest else { return false };
        let (sent, queue) = (view.newest_sent, view.queue);
        if queue <= EMPTY || sent.saturating_sub(contest.since) > LONGEST_CONTEST {
            self.forget();
            return false;
        }
        contest.longest = contest.longest.max(queue);
        // Only a full queue drops; a radio loses at any length of it.
        let overflows = view.lost > 0 && queue >= contest.longest.mul_f64(NEARLY_FULL);
        // Until the other one has answered, too, what gets lost is the same overflow's.
        if overflows && sent >= contest.answered {
            contest.answered = now + view.round_trip;
            return true;
        }
        false
    }
}

/// What a TCP with such a decrease would gain within a time on this round trip (Yang and Lam, "General AIMD
/// Congestion Control", 2000).
pub(crate) fn tcp_growth(round_trip: Duration, elapsed: f64) -> Bitrate {
    let round_trip = round_trip.max(SHORTEST_ROUND_TRIP);
    let share = 3.0 * (1.0 - AFTER_LOSS) / (1.0 + AFTER_LOSS);
    SEGMENT.per(round_trip).scaled(share * elapsed / round_trip.as_secs_f64())
}

/// Of the rate, where the queue overflows; a picture suffers more from a half, as TCP takes it.
pub(crate) const AFTER_LOSS: f64 = 0.7;

const SEGMENT: DataSize = DataSize::bytes(1_448);

/// A queue is part of it, or nothing would compete.
const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// A queue of ours is shorter by then, whatever the first measure of the link was worth.
const LONGEST_DRAIN: Duration = Duration::from_millis(1_500);

/// The first decreases correct each other.
const REFINEMENT: Duration = Duration::from_millis(500);

/// A burst of somebody else stretches a voice beyond measure; a link that carries two voices is worth a picture.
const LEAST_LINK: Bitrate = Bitrate::kbps(80);

/// Less of a drain is not told from jitter.
const LEAST_EXPECTED: Duration = Duration::from_millis(120);

/// What the first decrease had to answer to has passed.
const SETTLES: Duration = Duration::from_millis(50);

/// A longer path varies by less, a transfer that grows by a segment per round trip by more.
const FLAT: Duration = Duration::from_millis(8);

/// A queue below this is the pacer's or the radio's own.
const EMPTY: Duration = Duration::from_millis(25);

/// A minute later the experiment is made again: the path may have changed unseen.
const LONGEST_CONTEST: Duration = Duration::from_secs(60);

/// Of the longest queue.
const NEARLY_FULL: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::trend_detector::Usage;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends 600 of 1000 kbit/s from zero on, meets this queue every 50 ms, and says what came of it.
    fn verdict(queue_at: impl Fn(u64) -> u64) -> (Ownership, QueueCompetition) {
        let throughput = Throughput { arrived: Bitrate::mbps(1), sent: Bitrate::kbps(1_500) };
        let mut competition = QueueCompetition::default();
        competition.handle_decrease(ms(0), &throughput, ms(queue_at(0)));
        let verdict = (0..60)
            .map(|turn| competition.watch(ms(50 * turn), Bitrate::kbps(600), ms(queue_at(50 * turn))))
            .find(|ownership| *ownership != Ownership::Ours);
        (verdict.unwrap_or(Ownership::Ours), competition)
    }

    #[test]
    fn a_queue_that_does_not_answer_is_not_ours() {
        let foreign = Ownership::Foreign(Bitrate::mbps(1));
        for (name, (ownership, _), expected) in [
            ("drains as it should", verdict(|at| 300_u64.saturating_sub(at * 2 / 5)), Ownership::Ours),
            ("drains at half of that", verdict(|at| 300_u64.saturating_sub(at / 4)), Ownership::Ours),
            ("grows all the same", verdict(|at| 150 + at / 20), foreign),
            ("swings", verdict(|at| 200 + at % 700 / 10), foreign),
            ("a longer path", verdict(|at| 100 + at % 100 / 50), Ownership::Path),
        ] {
            assert_eq!(ownership, expected, "{name}");
        }
    }

    #[test]
    fn only_an_overflow_counts_and_once() {
        let (_, mut competition) = verdict(|at| 150 + at / 20);
        let view = |sent, queue, lost| LinkView {
            usage: Usage::Over,
            throughput: None,
            acknowledged: None,
            round_trip: ms(300),
            queue: ms(queue),
            queue_is_flat: false,
            newest_queue: ms(queue),
            sudden_queue: None,
            latest: None,
            collapse: None,
            lost,
            newest_sent: ms(sent),
            is_application_limited: false,
            floor: Bitrate::kbps(115),
            sought: None,
        };
        for (name, now, view, expected) in [
            ("a growing queue", 2_200, view(2_000, 290, 0), false),
            ("a full one", 2_300, view(2_100, 300, 1), true),
            ("the same overflow", 2_500, view(2_500, 290, 2), false),
            ("loss of the radio", 3_200, view(3_000, 120, 1), false),
            ("the next overflow", 9_000, view(8_800, 290, 1), true),
        ] {
            assert_eq!(competition.contend(ms(now), &view), expected, "{name}");
        }
        assert!(competition.is_on());
        assert!(!competition.contend(ms(9_500), &view(9_300, 10, 1)));
        assert!(!competition.is_on(), "the queue was empty: nobody keeps it full");
    }

    #[test]
    fn growth_is_that_of_a_gentle_tcp() {
        assert_eq!(tcp_growth(ms(400), 1.0).as_kbps(), 38);
        assert_eq!(tcp_growth(ms(1_100), 1.0).as_kbps(), 5);
    }
}
