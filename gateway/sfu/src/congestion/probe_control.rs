//! Decides what to probe for: the start rate, the price of the next rung, the rate before a setback.
//! A short scout that can do no harm goes first; only what it promises is confirmed by a longer cluster,
//! and only that raises the target.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use super::estimate::Demand;
use super::packet::{ProbeCluster, ProbeId};
use super::probe_estimator::{ProbeEstimator, ProbeOutcome};
use super::rate_control::{MAX_TARGET, Setback};
use super::send_history::{DeliveredPacket, LostPacket};

/// The probes toward one subscriber, at most one at a time.
#[derive(Debug)]
pub(crate) struct ProbeControl {
    next_id: u32,
    running: Option<Running>,
    first: Option<Bitrate>,
    confirm: Option<Bitrate>,
    interval: Duration,
    not_before: Duration,
    last_success: Option<Duration>,
    /// When the last cluster began.
    started: Option<Duration>,
    /// What left until then shared the path with a probe.
    shadow: Option<Shadow>,
}

#[derive(Debug)]
struct Running {
    estimator: ProbeEstimator,
    kind: Kind,
    started: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scout { goal: Bitrate },
    Confirm,
}

#[derive(Debug, Clone, Copy)]
struct Shadow {
    from: Duration,
    until: Duration,
}

/// What a decision to probe depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbeView {
    pub(crate) target: Bitrate,
    pub(crate) demand: Demand,
    pub(crate) setback: Option<Setback>,
    pub(crate) link: ProbeLink,
    /// How much the delay changes from packet to packet.
    pub(crate) jitter: Duration,
    /// Whether less is sent than the target allows.
    pub(crate) is_application_limited: bool,
}

/// Whether the link can be probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeLink {
    /// Nothing has been heard of it.
    Unheard,
    /// It has a queue, or is silent.
    Busy,
    /// It can.
    Free,
}

impl ProbeControl {
    pub(crate) fn new(first: Option<Bitrate>) -> Self {
        Self {
            next_id: 0,
            running: None,
            first,
            confirm: None,
            interval: FIRST_INTERVAL,
            not_before: Duration::ZERO,
            last_success: None,
            started: None,
            shadow: None,
        }
    }

    /// The next cluster to send.
    pub(crate) fn poll(&mut self, now: Duration, view: &ProbeView) -> Option<ProbeCluster> {
        if self.running.is_some() {
            return None;
        }
        if let Some(first) = self.first.take_if(|_| view.link != ProbeLink::Busy) {
            return Some(self.start(now, first, Kind::Confirm, view));
        }
        if view.link != ProbeLink::Free {
            return None;
        }
        if let Some(rate) = self.confirm.take() {
            return Some(self.start(now, rate, Kind::Confirm, view));
        }
        let usual = goal(view).filter(|_| now >= self.not_before);
        let goal = usual.or_else(|| self.urgent_goal(now, view))?;
        if view.jitter > BLURRING_JITTER {
            // A scout is too short to be read: a longer cluster asks for less.
            let rate = goal.min(view.target.scaled(BLIND_STEP));
            return Some(self.start(now, rate, Kind::Confirm, view));
        }
        Some(self.start(now, goal, Kind::Scout { goal }, view))
    }

    /// When a cluster may be due, or one that runs is given up.
    pub(crate) fn next_check(&self, view: &ProbeView) -> Option<Duration> {
        match &self.running {
            Some(running) => Some(running.started + LONGEST_MEASUREMENT),
            None if view.link != ProbeLink::Free => None,
            None => {
                let usual = goal(view).map(|_| self.not_before);
                usual.into_iter().chain(self.urgent_at(view)).min()
            }
        }
    }

    /// Counts a packet that leaves with a probe.
    pub(crate) fn handle_sent(&mut self, now: Duration, id: ProbeId, size: DataSize, target: Bitrate) {
        let Some(running) = self.running_with(id) else { return };
        running.estimator.handle_sent(size);
        let queued = running.estimator.sent_size() / target;
        let until = now + queued.min(LONGEST_SHADOW) + SHADOW_MARGIN;
        let from = running.started;
        self.shadow = Some(match self.shadow {
            Some(shadow) if shadow.until >= from => Shadow { from: shadow.from, until },
            Some(_) | None => Shadow { from, until },
        });
    }

    /// Counts a packet of a probe that arrived.
    pub(crate) fn handle_delivered(&mut self, packet: &DeliveredPacket) {
        if let Some(running) = packet.probe.and_then(|id| self.running_with(id)) {
            running.estimator.handle_delivered(packet);
        }
    }

    /// Counts a packet of a probe that got lost.
    pub(crate) fn handle_lost(&mut self, packet: &LostPacket) {
        if let Some(running) = packet.probe.and_then(|id| self.running_with(id)) {
            running.estimator.handle_lost();
        }
    }

    /// Whether what left at `sent` may have waited or been lost because of a probe.
    pub(crate) fn overshadows(&self, sent: Duration) -> bool {
        self.shadow.is_some_and(|shadow| sent >= shadow.from && sent <= shadow.until)
    }

    /// Ends the running probe if it is complete or overdue; yields the rate that the link is proven to carry.
    pub(crate) fn conclude(&mut self, now: Duration, target: Bitrate) -> Option<Bitrate> {
        let running = self.running.as_ref()?;
        let overdue = now.saturating_sub(running.started) >= LONGEST_MEASUREMENT;
        let outcome = match running.estimator.outcome() {
            Some(outcome) => outcome,
            None if overdue => running.estimator.measure(),
            None => return None,
        };
        let kind = running.kind;
        self.running = None;
        match (outcome, kind) {
            (ProbeOutcome::Carried(rate), Kind::Scout { goal }) if rate >= target.scaled(PROMISING) => {
                self.confirm = Some(rate.min(goal));
                None
            }
            (ProbeOutcome::Carried(rate), Kind::Confirm) if rate > target => {
                self.last_success = Some(now);
                self.interval = FIRST_INTERVAL;
                self.not_before = now + AFTER_SUCCESS;
                Some(rate)
            }
            (ProbeOutcome::Carried(_) | ProbeOutcome::Failed, Kind::Scout { .. } | Kind::Confirm) => {
                self.back_off(now, LONGEST_INTERVAL);
                None
            }
        }
    }

    /// The link turned out to be full. A probe that promised otherwise just before is trusted less.
    pub(crate) fn handle_overuse(&mut self, now: Duration) {
        let misled = self.last_success.is_some_and(|at| now.saturating_sub(at) < BROKEN_PROMISE);
        self.handle_collapse(now);
        if misled {
            self.interval = self.interval.max(LONGEST_INTERVAL);
            self.back_off(now, LONGEST_INTERVAL_WHEN_MISLED);
        }
    }

    /// The link carries a fraction of what it did, which no probe could have foretold.
    pub(crate) fn handle_collapse(&mut self, now: Duration) {
        self.confirm = None;
        self.last_success = None;
        self.not_before = self.not_before.max(now + AFTER_OVERUSE);
    }

    /// The path may be another one: probes at once.
    pub(crate) fn restart(&mut self, now: Duration) {
        self.running = None;
        self.confirm = None;
        self.interval = FIRST_INTERVAL;
        self.not_before = now;
        self.last_success = None;
    }

    /// Where not even the least picture is affordable, its price is worth a few packets whatever went before.
    fn urgent_goal(&self, now: Duration, view: &ProbeView) -> Option<Bitrate> {
        self.urgent_at(view).filter(|at| now >= *at).map(|_| view.demand.floor.scaled(NEXT_GOAL))
    }

    fn urgent_at(&self, view: &ProbeView) -> Option<Duration> {
        let is_poor = view.target < view.demand.floor.scaled(FLOOR_NEEDS);
        is_poor.then(|| self.started.map_or(Duration::ZERO, |at| at + URGENT_INTERVAL))
    }

    fn running_with(&mut self, id: ProbeId) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.estimator.id() == id)
    }

    fn back_off(&mut self, now: Duration, longest: Duration) {
        self.not_before = now + self.interval;
        self.interval = (self.interval * 3 / 2).min(longest.max(self.interval));
    }

    fn start(&mut self, now: Duration, rate: Bitrate, kind: Kind, view: &ProbeView) -> ProbeCluster {
        let (size, packets) = match kind {
            Kind::Scout { .. } => {
                ((view.target * SCOUT_QUEUE).clamp(SMALLEST_SCOUT, LARGEST_SCOUT), SCOUT_PACKETS)
            }
            Kind::Confirm => (
                (rate * CONFIRM_TIME.max((view.jitter * JITTER_MARGIN).min(LONGEST_CONFIRM)))
                    .clamp(SMALLEST_CONFIRM, LARGEST_CONFIRM),
                CONFIRM_PACKETS,
            ),
        };
        let cluster = ProbeCluster { id: ProbeId(self.next_id), rate, size, packets };
        self.next_id = self.next_id.wrapping_add(1);
        self.started = Some(now);
        self.running = Some(Running { estimator: ProbeEstimator::new(cluster), kind, started: now });
        cluster
    }
}

/// The target at which a step up of such a price is taken.
pub(crate) fn needed_for(next: Bitrate) -> Bitrate {
    next.scaled(NEXT_NEEDS)
}

/// The rate worth probing for, if it is above the target.
fn goal(view: &ProbeView) -> Option<Bitrate> {
    let next =
        view.demand.next.filter(|next| view.target < needed_for(*next)).map(|next| next.scaled(NEXT_GOAL));
    let back = view
        .setback
        .map(|setback| setback.before)
        .filter(|before| view.target < before.scaled(WORTH_GOING_BACK))
        // Whoever uses all it has grows without probes, and shares with others that do.
        .filter(|_| view.is_application_limited || view.setback.is_some_and(|setback| setback.is_outage));
    let goal = next.into_iter().chain(back).max()?.min(MAX_TARGET);
    (goal > view.target).then_some(goal)
}

/// The allocator goes up at 1.2 times the price; a little more keeps it there.
const NEXT_NEEDS: f64 = 1.25;
const NEXT_GOAL: f64 = 1.35;

/// A little over the least picture it is kept through what an estimate trembles.
const FLOOR_NEEDS: f64 = 1.15;
const URGENT_INTERVAL: Duration = Duration::from_millis(500);

/// Smaller setbacks are made up for by growth.
const WORTH_GOING_BACK: f64 = 0.85;

/// Five packets say nothing where the delay changes by so much from one to the next,
const BLURRING_JITTER: Duration = Duration::from_millis(8);

/// and what is not scouted goes no further than this.
const BLIND_STEP: f64 = 2.0;

/// A scout adds at most this much queue where the target is the capacity,
const SCOUT_QUEUE: Duration = Duration::from_millis(35);

/// but needs a few packets of padding,
const SMALLEST_SCOUT: DataSize = DataSize::bytes(1_275);
const SCOUT_PACKETS: u32 = 5;

/// and no more than this to tell 2 Mbit/s from 4.
const LARGEST_SCOUT: DataSize = DataSize::bytes(5_000);

/// Longer than what a Wi-Fi frame aggregates.
const CONFIRM_TIME: Duration = Duration::from_millis(25);
/// On a path with jitter, the length of a cluster must drown it,
const JITTER_MARGIN: u32 = 4;

/// within what the pacer takes for a probe.
const LONGEST_CONFIRM: Duration = Duration::from_millis(120);

const SMALLEST_CONFIRM: DataSize = DataSize::bytes(2_500);
const CONFIRM_PACKETS: u32 = 8;

/// A quarter of a second of 1.5 Mbit/s: a confirmation that fails does not cost more.
const LARGEST_CONFIRM: DataSize = DataSize::bytes(48 * 1024);

/// A scout is worth confirming from this multiple of the target.
const PROMISING: f64 = 1.1;

/// Probing goes on as often as a scout is cheap: its 10 kbit/s buy HD within 3 s of the link's return.
const FIRST_INTERVAL: Duration = Duration::from_millis(700);
const LONGEST_INTERVAL: Duration = Duration::from_millis(1_300);

/// Probes that lead into overuse are not cheap.
const LONGEST_INTERVAL_WHEN_MISLED: Duration = Duration::from_secs(15);

/// The allocator should have used the last success before the next step.
const AFTER_SUCCESS: Duration = Duration::from_millis(100);

/// Lets the queue drain.
const AFTER_OVERUSE: Duration = Duration::from_millis(500);

/// Overuse this soon after a success means that the probe was wrong.
const BROKEN_PROMISE: Duration = Duration::from_secs(5);

/// Feedback on a probe takes a round trip with its queue, and an interval of feedback.
const LONGEST_MEASUREMENT: Duration = Duration::from_millis(1_000);

/// A probe's bytes leave the queue at the target or faster.
const LONGEST_SHADOW: Duration = Duration::from_millis(400);
const SHADOW_MARGIN: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn view(target: u64, next: Option<u64>, before: Option<u64>) -> ProbeView {
        ProbeView {
            target: Bitrate::kbps(target),
            demand: Demand { next: next.map(Bitrate::kbps), ..Demand::default() },
            setback: before.map(|before| Setback {
                before: Bitrate::kbps(before),
                at: ms(0),
                is_outage: false,
            }),
            link: ProbeLink::Free,
            jitter: ms(0),
            is_application_limited: true,
        }
    }

    #[test]
    fn goals() {
        for (target, next, before, expected) in [
            (1_000, None, None, None),
            (1_000, Some(2_000), None, Some(2_700)),
            (2_500, Some(2_000), None, None),
            (1_000, Some(1_000), Some(3_000), Some(3_000)),
            (1_000, None, Some(1_100), None),
            (1_000, None, Some(1_250), Some(1_250)),
            (1_000, Some(90_000), None, Some(20_000)),
        ] {
            let goal = goal(&view(target, next, before));
            assert_eq!(goal, expected.map(Bitrate::kbps), "{target} {next:?} {before:?}");
        }
    }

    #[test]
    fn the_start_is_probed_before_anything_is_heard_and_once() {
        let mut control = ProbeControl::new(Some(Bitrate::mbps(3)));
        let unheard = ProbeView { link: ProbeLink::Unheard, ..view(2_500, None, None) };
        assert_eq!(control.poll(ms(0), &unheard).map(|cluster| cluster.rate), Some(Bitrate::mbps(3)));
        assert_eq!(control.conclude(ms(1_000), Bitrate::kbps(2_500)), None);
        assert_eq!(control.poll(ms(1_001), &unheard), None);
    }

    /// Runs one cluster over a link of this rate and concludes.
    fn carry(
        control: &mut ProbeControl,
        now: Duration,
        cluster: ProbeCluster,
        link: Bitrate,
    ) -> Option<Bitrate> {
        let size = DataSize::bytes(255);
        let count = (cluster.size.as_bytes() / 255 + 1).max(cluster.packets.into());
        for packet in 0..count as u32 {
            let sent = now + (size / cluster.rate) * packet;
            control.handle_sent(sent, cluster.id, size, Bitrate::kbps(400));
            control.handle_delivered(&DeliveredPacket {
                sent,
                arrival: now + (size / cluster.rate.min(link)) * packet,
                size,
                class: crate::congestion::PacketClass::Padding,
                probe: Some(cluster.id),
            });
        }
        control.conclude(now + ms(100), Bitrate::kbps(400))
    }

    #[test]
    fn a_scout_precedes_what_raises_the_target() {
        let view = view(400, Some(1_700), None);
        for (link, confirmed) in [(5_000, true), (380, false)] {
            let link = Bitrate::kbps(link);
            let mut control = ProbeControl::new(None);
            let scout = control.poll(ms(0), &view).unwrap();
            assert!(scout.size <= DataSize::bytes(1_800), "{:?}", scout.size);
            assert_eq!(carry(&mut control, ms(0), scout, link), None);
            let confirm = control.poll(ms(100), &view);
            assert_eq!(confirm.is_some(), confirmed);
            if let Some(confirm) = confirm {
                let raised = carry(&mut control, ms(100), confirm, link).unwrap();
                assert!(raised >= Bitrate::kbps(2_000), "{raised}");
            }
        }
    }

    #[test]
    fn failures_back_off_but_not_for_long() {
        let view = view(400, Some(1_700), None);
        let mut control = ProbeControl::new(None);
        let (mut now, mut probes) = (ms(0), 0);
        while now < ms(30_000) {
            if let Some(cluster) = control.poll(now, &view) {
                probes += 1;
                assert_eq!(carry(&mut control, now, cluster, Bitrate::kbps(350)), None);
            }
            now += ms(10);
        }
        assert!((14..=24).contains(&probes), "{probes}");
    }

    #[test]
    fn what_leaves_with_a_probe_or_just_after_is_in_its_shadow() {
        let mut control = ProbeControl::new(None);
        let cluster = control.poll(ms(100), &view(400, Some(1_700), None)).unwrap();
        let _ = carry(&mut control, ms(100), cluster, Bitrate::mbps(5));
        for (sent, expected) in [(99, false), (100, true), (130, true), (250, false)] {
            assert_eq!(control.overshadows(ms(sent)), expected, "{sent}");
        }
    }
}
