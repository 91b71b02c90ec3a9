//! Turns what is seen of the link into the target: additive increase near known capacity, multiplicative
//! elsewhere, and on overuse a decrease to a share of what was really delivered, deep enough to drain the queue.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use super::collapse_detector::Collapse;
use super::delivery_rate::Throughput;
use super::link_capacity::LinkCapacity;
use super::queue_competition::{AFTER_LOSS, Ownership, QueueCompetition, tcp_growth};
use super::trend_detector::Usage;

/// The target toward one subscriber.
#[derive(Debug, Clone)]
pub(crate) struct RateControl {
    target: Bitrate,
    phase: Phase,
    capacity: LinkCapacity,
    updated: Duration,
    decreased: Option<Duration>,
    setback: Option<Setback>,
    competition: QueueCompetition,
}

/// What the last feedback showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkView {
    pub(crate) usage: Usage,
    pub(crate) throughput: Option<Throughput>,
    pub(crate) acknowledged: Option<Bitrate>,
    pub(crate) round_trip: Duration,
    /// The standing queue.
    pub(crate) queue: Duration,
    /// The delay has been the same for a while, and is not the path's least.
    pub(crate) queue_is_flat: bool,
    /// The queue that the newest packet met.
    pub(crate) newest_queue: Duration,
    /// The queue that the last few packets met and jitter does not explain.
    pub(crate) sudden_queue: Option<Duration>,
    /// What happened to the last few packets.
    pub(crate) latest: Option<Throughput>,
    /// The newest packets queued one behind the other.
    pub(crate) collapse: Option<Collapse>,
    /// How many packets turned out to be missing.
    pub(crate) lost: u32,
    /// When the newest reported packet left.
    pub(crate) newest_sent: Duration,
    /// Whether less is sent than the target allows.
    pub(crate) is_application_limited: bool,
    /// Only a measurement may go below it.
    pub(crate) floor: Bitrate,
    /// What the next step up of the pictures asks for.
    pub(crate) sought: Option<Bitrate>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Phase {
    /// Looking for more.
    Increasing,
    /// Sending less than the link delivers, until the queue is gone.
    Draining {
        /// When it began.
        since: Duration,
        /// What the link delivers.
        delivered: Bitrate,
        /// The queue at its longest.
        queue: Duration,
        /// The target before it.
        before: Bitrate,
        /// Whether pictures wait until it is gone.
        is_held: bool,
    },
}

/// A fall of the target that is worth probing back from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setback {
    /// The target before it.
    pub(crate) before: Bitrate,
    /// When it happened.
    pub(crate) at: Duration,
    /// The link was gone, or is another one: nothing is known of who shares it.
    pub(crate) is_outage: bool,
}

impl RateControl {
    pub(crate) fn new(target: Bitrate) -> Self {
        Self {
            target,
            phase: Phase::Increasing,
            capacity: LinkCapacity::default(),
            updated: Duration::ZERO,
            decreased: None,
            setback: None,
            competition: QueueCompetition::default(),
        }
    }

    /// Takes what a feedback showed; says whether the rate was lowered.
    pub(crate) fn update(&mut self, now: Duration, view: &LinkView) -> Change {
        let elapsed = now.saturating_sub(self.updated).min(LONGEST_STEP);
        self.updated = now;
        if self.competition.is_on() {
            return self.compete(now, elapsed, view);
        }
        let overrun = self.overrun(view);
        let change = if overrun.is_some() { Change::Collapsed } else { Change::Lowered };
        if let Some(throughput) = overrun.or_else(|| overuse(view))
            && self.may_decrease(now, view, &throughput)
        {
            return self.decrease(now, view, &throughput, change);
        }
        match self.phase {
            Phase::Draining { since, delivered, queue, before, is_held } => {
                // What left before the cut cannot meet less of a queue that is ours: it goes by itself, as after
                // a pause of the radio.
                let is_shrinking = view.newest_queue + SHRUNK < queue;
                let was_none = is_held || (queue >= STANDING_QUEUE && view.newest_queue <= DRAINED);
                if view.newest_sent + ANSWER_MARGIN < since && is_shrinking && was_none {
                    self.phase = Phase::Increasing;
                    self.decreased = None;
                    self.setback = None;
                    self.competition.forget();
                    self.raise_to(now, before);
                    return Change::None;
                }
                let is_drained = view.newest_sent >= since && view.queue <= DRAINED;
                let lasted = now.saturating_sub(since);
                let is_flat = view.newest_sent > since + LONGEST_PLATEAU && view.queue_is_flat;
                let ownership = self.competition.watch(view.newest_sent, self.target, view.queue);
                let is_ours = ownership == Ownership::Ours && !is_flat;
                if is_drained || !is_ours || lasted > LONGEST_DRAIN {
                    self.phase = Phase::Increasing;
                    self.target = self.target.max(delivered.scaled(DRAINED_SHARE));
                }
                if is_drained || is_flat {
                    self.competition.forget();
                }
                match ownership {
                    Ownership::Ours if !is_flat => {}
                    Ownership::Foreign(share) if !is_flat => {
                        self.target = self.target.max(share.scaled(AFTER_LOSS));
                    }
                    Ownership::Ours | Ownership::Foreign(_) | Ownership::Path => return Change::PathChanged,
                }
            }
            Phase::Increasing => {
                self.competition.rest(view.newest_sent, view.queue);
                self.increase(now, elapsed, view);
            }
        }
        self.forgive(now);
        Change::None
    }

    /// A probe showed that the link carries `rate`.
    pub(crate) fn raise_to(&mut self, now: Duration, rate: Bitrate) {
        let rate = rate.min(MAX_TARGET);
        if rate > self.target {
            self.target = rate;
            self.phase = Phase::Increasing;
            self.capacity.exceeded_by(rate);
        }
        self.forgive(now);
    }

    /// Lowers the target, without regard for measurements; `before` is what it shall be probed back to.
    pub(crate) fn lower_to(&mut self, now: Duration, rate: Bitrate, before: Bitrate) {
        self.target = self.target.min(rate);
        self.remember_setback(now, before, true);
    }

    /// The path may be another one: continues at `rate` and probes back to `before`.
    pub(crate) fn resume(&mut self, now: Duration, rate: Bitrate, before: Bitrate) {
        self.target = rate.min(MAX_TARGET);
        self.phase = Phase::Increasing;
        self.capacity.forget();
        self.competition.forget();
        self.decreased = None;
        self.setback = None;
        self.remember_setback(now, before, true);
    }

    /// A loss at this rate turned out to be the rate's doing.
    pub(crate) fn fill_at(&mut self, now: Duration, rate: Bitrate) {
        self.remember_setback(now, self.target, true);
        self.target = self.target.min(rate);
        self.capacity.filled_at(rate);
    }

    /// Whether somebody else keeps the queue full.
    pub(crate) fn competes(&self) -> bool {
        self.competition.is_on()
    }

    /// At which rates the link has filled up.
    pub(crate) fn capacity(&self) -> &LinkCapacity {
        &self.capacity
    }

    /// Whether the link has filled up near the target.
    pub(crate) fn is_near_capacity(&self) -> bool {
        self.capacity.is_near(self.target)
    }

    /// What is known of this network from before.
    pub(crate) fn remember_capacity(&mut self, capacity: LinkCapacity) {
        self.capacity = capacity;
    }

    pub(crate) fn target(&self) -> Bitrate {
        self.target
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// What to probe back to.
    pub(crate) fn setback(&self) -> Option<Setback> {
        self.setback
    }

    /// What the link delivers, while its queue drains.
    pub(crate) fn drained_at(&self) -> Option<Bitrate> {
        match self.phase {
            Phase::Draining { delivered, .. } => Some(delivered),
            Phase::Increasing => None,
        }
    }

    /// When the target was lowered last: what left earlier is an overload's.
    pub(crate) fn decreased_at(&self) -> Option<Duration> {
        self.decreased
    }

    /// The link has a queue and delivers far less than the target: a step that no trend need confirm.
    fn overrun(&self, view: &LinkView) -> Option<Throughput> {
        if let Some(Collapse { delivered: arrived, sent, .. }) = view.collapse
            && arrived < sent.scaled(STRETCHED).min(self.target.scaled(OVERRUN))
        {
            return Some(Throughput { arrived, sent });
        }
        view.sudden_queue?;
        let latest = view.latest?;
        let throughput = view.throughput.filter(|throughput| throughput.is_stretched(STRETCHED))?;
        // Who sends less than it may gets less delivered than it may, which is no step of the link.
        let expected = self.target.min(latest.sent.max(throughput.sent));
        // Once pictures are held back, what arrives slowly is what was sent slowly.
        let is_measure = matches!(self.phase, Phase::Increasing) || latest.is_stretched(STRETCHED);
        (is_measure && latest.arrived < expected.scaled(OVERRUN)).then_some(latest)
    }

    /// Packets that left before the last decrease prove nothing about the rate after it, unless they show
    /// that it was far too small.
    fn may_decrease(&self, now: Duration, view: &LinkView, throughput: &Throughput) -> bool {
        if view.is_application_limited
            && !(view.queue.max(view.sudden_queue.unwrap_or_default()) >= LIMITED_QUEUE
                && throughput.is_stretched(LIMITED_SHARE))
        {
            return false;
        }
        let answered = self.decreased.is_none_or(|decreased| view.newest_sent >= decreased + ANSWER_MARGIN);
        // The queue of the overload goes on to show what the link delivers: the first measure is refined.
        let is_refined = matches!(self.phase, Phase::Draining { since, .. }
            if now >= since + THROUGHPUT_SETTLES && now <= since + REFINEMENT);
        answered || is_refined || throughput.arrived.scaled(BACKOFF) < self.target.scaled(FAR_TOO_SMALL)
    }

    fn decrease(
        &mut self,
        now: Duration,
        view: &LinkView,
        throughput: &Throughput,
        change: Change,
    ) -> Change {
        let arrived = throughput.arrived;
        let queue = view.sudden_queue.unwrap_or_default().max(view.queue);
        // Frames differ: over half a second they even out, and flows that share a queue measure alike. After a rise
        // half a second still tells what was before it.
        let is_gentle = change == Change::Lowered && queue < STANDING_QUEUE;
        let delivered = view
            .acknowledged
            .filter(|acknowledged| {
                let is_same = arrived.min(*acknowledged) >= arrived.max(*acknowledged).scaled(SAME_RATE);
                is_gentle && is_same
            })
            .unwrap_or(arrived);
        // After a collapse pictures wait until the queue is gone; what comes then may use the link.
        let is_held =
            change == Change::Collapsed || matches!(self.phase, Phase::Draining { is_held: true, .. });
        let drain = if is_held { 0.0 } else { queue.as_secs_f64().min(DEEPEST_DRAIN) };
        let lowered = delivered.scaled(BACKOFF - drain);
        let lowered =
            if delivered >= view.floor { lowered.max(view.floor) } else { lowered.max(LEAST_TARGET) };
        self.capacity.filled_at(delivered.min(self.target));
        self.decreased = Some(now);
        if lowered >= self.target {
            return Change::None;
        }
        if is_held {
            // A gentle decrease is made up for by growth: probes would take from others what they need.
            self.remember_setback(now, self.target, false);
        }
        let before = self.target;
        self.target = lowered;
        self.competition.handle_decrease(now, throughput, queue);
        self.phase = match self.phase {
            Phase::Draining { since, queue: longest, before, .. } if view.newest_sent < since => {
                Phase::Draining { since, delivered, queue: queue.max(longest), before, is_held }
            }
            Phase::Draining { .. } | Phase::Increasing => {
                Phase::Draining { since: now, delivered, queue, before, is_held }
            }
        };
        change
    }

    /// Beside somebody who keeps the queue full only loss counts, or nothing would be left for pictures.
    fn compete(&mut self, now: Duration, elapsed: Duration, view: &LinkView) -> Change {
        if self.competition.contend(now, view) {
            self.target = self.target.scaled(AFTER_LOSS).max(view.floor).min(self.target);
            self.decreased = Some(now);
        } else if let Some(acknowledged) = view.acknowledged {
            // In a queue of others no probe measures anything: a step up of the pictures is grown for, too.
            let used = if view.is_application_limited { Bitrate::ZERO } else { proven_by(acknowledged) };
            let most = used.max(view.sought.unwrap_or_default());
            let raised = self.target + tcp_growth(view.round_trip, elapsed.as_secs_f64());
            self.target = raised.min(most).max(self.target).min(MAX_TARGET);
        }
        self.forgive(now);
        Change::None
    }

    fn increase(&mut self, now: Duration, elapsed: Duration, view: &LinkView) {
        let Some(acknowledged) = view.acknowledged else { return };
        if view.is_application_limited || view.usage == Usage::Under {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        let was_full = self.decreased.is_some_and(|at| now.saturating_sub(at) < REMEMBERS_FULL);
        let by_packets = self.target + DataSize::bytes(TYPICAL_PACKET).per(RESPONSE_TIME).scaled(seconds);
        let raised = if was_full || self.capacity.is_near(self.target) {
            by_packets
        } else {
            by_packets.max(self.target.scaled(1.0 + GROWTH * seconds))
        };
        self.target = raised.min(proven_by(acknowledged)).max(self.target).min(MAX_TARGET);
    }

    fn remember_setback(&mut self, now: Duration, before: Bitrate, is_outage: bool) {
        let before = self.setback.map_or(before, |setback| setback.before.max(before));
        self.setback = Some(Setback { before, at: now, is_outage });
    }

    fn forgive(&mut self, now: Duration) {
        let target = self.target;
        self.setback = self.setback.filter(|setback| {
            target < setback.before.scaled(RECOVERED) && now.saturating_sub(setback.at) < LONGEST_SETBACK
        });
    }
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing, or more.
    None,
    /// The target fell.
    Lowered,
    /// The target fell far, and a queue has built up meanwhile.
    Collapsed,
    /// The queue did not answer to a lower rate: it is not one, or not ours.
    PathChanged,
}

/// What may be sent after so much was acknowledged.
fn proven_by(acknowledged: Bitrate) -> Bitrate {
    acknowledged.scaled(BEYOND_ACKNOWLEDGED) + BEYOND_NOTHING
}

/// A queue grows, or stands at a length that voice suffers from, while packets show what gets through.
fn overuse(view: &LinkView) -> Option<Throughput> {
    let grows = view.usage == Usage::Over && view.queue >= LEAST_QUEUE;
    view.throughput.filter(|throughput| (grows && throughput.is_stretched(1.0)) || is_standing(view))
}

/// A queue that stands and does not drain, however slowly it grew.
fn is_standing(view: &LinkView) -> bool {
    view.queue > STANDING_QUEUE
        && view.usage != Usage::Under
        && view.throughput.is_some_and(|throughput| throughput.is_stretched(DRAINING_SHARE))
}

/// A trend without a queue is a pause of the radio.
const LEAST_QUEUE: Duration = Duration::from_millis(15);

/// Delivering less than this share of the target with a queue is a step of the link.
const OVERRUN: f64 = 0.7;

/// What was sent in a tenth of a second takes longer than that to arrive.
const STRETCHED: f64 = 0.85;

/// Of the delivered rate, after overuse; as in GCC.
const BACKOFF: f64 = 0.85;

/// Within a few frames a rate varies by so much from chance.
const SAME_RATE: f64 = 0.8;

/// Each 100 ms of queue take another tenth off, to be rid of it within about a second.
const DEEPEST_DRAIN: f64 = 0.25;

/// Of the delivered rate, once the queue is gone.
const DRAINED_SHARE: f64 = 0.9;

/// A queue that has become shorter by this much drains.
const SHRUNK: Duration = Duration::from_millis(15);

/// A queue below this is the pacer's or the radio's own.
const DRAINED: Duration = Duration::from_millis(25);

/// By then a queue of ours is gone, however little was known of the link.
const LONGEST_DRAIN: Duration = Duration::from_millis(4_500);

/// One that does not move at all while less is sent than delivered is a longer path for certain.
const LONGEST_PLATEAU: Duration = Duration::from_millis(400);

/// Voice suffers from more (ITU-T G.114 leaves little of 150 ms to queues).
const STANDING_QUEUE: Duration = Duration::from_millis(80);

/// Arriving faster than this share of what was sent, the queue does drain.
const DRAINING_SHARE: f64 = 1.05;

/// A source that sends little must see a real queue, and
const LIMITED_QUEUE: Duration = Duration::from_millis(40);

/// must see it grow, before its own low rate is taken for the link's.
const LIMITED_SHARE: f64 = 0.9;

/// What left within the pacer's reaction still belongs to the old rate.
const ANSWER_MARGIN: Duration = Duration::from_millis(10);

/// What arrived before the step has left the measure of throughput after this,
const THROUGHPUT_SETTLES: Duration = Duration::from_millis(80);

/// and after this, a full queue has passed and the answer is there.
const REFINEMENT: Duration = Duration::from_millis(350);

/// A second decrease need not wait for an answer where the first was this wrong.
const FAR_TOO_SMALL: f64 = 0.7;

/// Per second, where the capacity is unknown.
const GROWTH: f64 = 0.1;

/// Growth near capacity is one packet per response time,
const TYPICAL_PACKET: u64 = 1_200;

/// which libwebrtc takes as the round trip and 100 ms for the detector (aimd_rate_control.cc). One value for
/// all paths, or the nearest of several subscribers behind one link would take what the others leave.
const RESPONSE_TIME: Duration = Duration::from_millis(120);

/// On a link that was full so lately, all flows grow by the same amount, which makes them equal in time; growth
/// in proportion would keep them as unequal as they are.
const REMEMBERS_FULL: Duration = Duration::from_secs(8);

/// Growth without a probe needs proof: so far beyond what is acknowledged,
const BEYOND_ACKNOWLEDGED: f64 = 1.5;

/// and a little beyond nothing.
const BEYOND_NOTHING: Bitrate = Bitrate::kbps(10);

/// Time without feedback earns no growth.
const LONGEST_STEP: Duration = Duration::from_millis(300);

/// A setback is over at this share of the rate before.
const RECOVERED: f64 = 0.9;

/// After a minute the rate before says nothing about the link.
const LONGEST_SETBACK: Duration = Duration::from_secs(60);

/// One voice with its overhead.
pub(crate) const LEAST_TARGET: Bitrate = Bitrate::kbps(40);

/// A full room in HD; whatever a receiver claims, it gets no more.
pub(crate) const MAX_TARGET: Bitrate = Bitrate::mbps(20);

#[cfg(test)]
#[path = "rate_control_tests.rs"]
mod tests;
