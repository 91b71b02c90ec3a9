//! What the rung loop remembers of one subscription: what it holds, what it lost and why, and so how much
//! evidence its next step up needs.

use std::time::{Duration, Instant};

use protocol::ladder::Rung;
use protocol::units::Bitrate;

use super::output::Layer;

/// What is remembered of one demand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RungMemory {
    pub(super) layer: Option<Layer>,
    /// Its first picture has been given.
    pub(super) started: bool,
    /// The last step up for which bandwidth was the only question.
    raised: Option<Raised>,
    failed: Option<Failed>,
    /// The best that was held of late, and when it was left.
    best: Option<(Layer, Instant)>,
    /// Collapses in quick succession, and the last of them.
    collapses: u32,
    collapsed: Option<Instant>,
    /// What it held until its publisher could not send it any more, with the link as good as before.
    missed: Option<Layer>,
    /// Why it was lowered last, where the link is to blame.
    fallen: Option<Fall>,
    /// Since when it has been short of frames for the sake of the link.
    thinned_since: Option<Instant>,
    cap: Option<Rung>,
    /// The cap before it was last lifted, and when that was.
    lifted: Option<(Rung, Instant)>,
}

/// A step up, and what there was to spend when it was taken.
#[derive(Debug, Clone, Copy)]
struct Raised {
    to: Layer,
    at: Instant,
    budget: Bitrate,
}

/// A layer that was given up soon after it was reached.
#[derive(Debug, Clone, Copy)]
struct Failed {
    layer: Layer,
    at: Instant,
    /// What there was to spend when it was tried.
    budget: Bitrate,
    /// There was nearly as much again soon after.
    is_unchanged: bool,
    /// It is not tried again before.
    until: Instant,
    wait: Duration,
}

/// Why a layer was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fall {
    /// A queue came and no packet was lost: a radio that schedules unevenly looks like this.
    Jitter,
    /// The estimate fell on loss alone: congestion control tries whether the loss answers to the rate.
    Loss,
    /// The link carries less.
    Shortage,
    /// The link carries a fraction of what it did: no rung would have stood that.
    Collapse,
    /// Nothing is heard of the link: it is gone for a moment, and may come back as it was.
    Silence,
}

impl RungMemory {
    /// A memory of nothing but the layer.
    pub(super) fn holding(layer: Option<Layer>) -> Self {
        Self { layer, started: layer.is_some(), ..Self::default() }
    }

    /// Takes note of the highest rung that is allowed at present.
    pub(super) fn watch_cap(&mut self, now: Instant, cap: Rung) {
        if let Some(before) = self.cap.replace(cap)
            && before < cap
        {
            self.lifted = Some((before, now));
        }
    }

    /// Takes note of what there is to spend. A link that carries as much as before soon after a step up failed has
    /// not changed, and will fail the same step again; one that carries far more is another.
    pub(super) fn watch_room(&mut self, now: Instant, budget: Bitrate) {
        let Some(failed) = &mut self.failed else { return };
        let soon = now.saturating_duration_since(failed.at) < BACK_WITHIN;
        if soon && !failed.is_unchanged && budget >= failed.budget.scaled(UNCHANGED) {
            failed.is_unchanged = true;
            failed.until = failed.at + failed.wait;
        }
        if budget >= failed.budget.scaled(FAR_MORE) {
            failed.until = failed.until.min(failed.at + LONGEST_WAIT);
        }
    }

    /// The first picture.
    pub(super) fn start(&mut self, layer: Option<Layer>) {
        self.layer = layer;
        self.started = true;
    }

    /// What is held is not there any more; nobody's link is to blame.
    pub(super) fn replace(&mut self, layer: Option<Layer>) {
        self.missed = self.missed.max(self.layer);
        self.layer = layer;
        self.started = layer.is_some();
        self.raised = None;
        self.thinned_since = None;
    }

    /// Goes up because there is room.
    pub(super) fn raise(&mut self, now: Instant, to: Option<Layer>, budget: Bitrate) {
        self.raised = to.map(|to| Raised { to, at: now, budget });
        self.fallen = None;
        self.missed = self.missed.filter(|missed| to < Some(*missed));
        self.layer = to;
        self.thinned_since = None;
    }

    /// Goes down for the sake of the link.
    pub(super) fn fall(&mut self, now: Instant, to: Option<Layer>, fall: Fall) {
        let Some(from) = self.layer else { return };
        let spatial = to.map(|layer| layer.encoding) != Some(from.encoding);
        self.fallen = Some(fall);
        self.missed = None;
        if fall == Fall::Collapse {
            self.collapses = self.recent_collapses(now) + 1;
            self.collapsed = Some(now);
        }
        let quick = self.raised.filter(|raised| {
            raised.to >= from
                && now.saturating_duration_since(raised.at) < FAILED_RAISE
                && Some(raised.to) > to
        });
        if let Some(raised) = quick
            && spatial
            && matches!(fall, Fall::Jitter | Fall::Shortage)
        {
            self.fail(now, raised);
        }
        self.thinned_since = if spatial { None } else { self.thinned_since.or(Some(now)) };
        self.raised = None;
        let better = self.best.filter(|(layer, at)| *layer > from && is_recent(now, *at));
        self.best = Some(better.unwrap_or((from, now)));
        self.layer = to;
    }

    fn fail(&mut self, now: Instant, Raised { to, budget, .. }: Raised) {
        let recent = self.failed.filter(|failed| now.saturating_duration_since(failed.until) < FORGIVEN);
        let wait = recent.map_or(FIRST_WAIT, |failed| {
            let before = if failed.is_unchanged { failed.wait } else { failed.wait.min(LONGEST_WAIT) };
            (before * 2).min(LONGEST_WAIT_UNCHANGED)
        });
        let until = now + wait.min(LONGEST_WAIT);
        self.failed = Some(Failed { layer: to, at: now, budget, is_unchanged: false, until, wait });
    }

    /// Whether it went up so lately that a shortage says that the step was too high.
    pub(super) fn is_on_trial(&self, now: Instant) -> bool {
        self.raised.is_some_and(|raised| now.saturating_duration_since(raised.at) < FAILED_RAISE)
    }

    /// Whether it was lowered last because its link gave out, whatever was sent.
    pub(super) fn is_let_down(&self) -> bool {
        matches!(self.fallen, Some(Fall::Collapse | Fall::Silence))
    }

    /// Whether it has been short of frames for longer than a face should move in steps.
    pub(super) fn is_thin(&self, now: Instant) -> bool {
        self.thinned_since.is_some_and(|since| now.saturating_duration_since(since) >= THIN_PATIENCE)
    }

    /// The highest layer to rise to, while a higher one has failed a short while ago.
    pub(super) fn limit(&self, now: Instant) -> Option<Layer> {
        let failed = self.failed.filter(|failed| now < failed.until)?;
        Some(Layer { encoding: failed.layer.encoding.checked_sub(1)?, temporal: u8::MAX })
    }

    /// How long there must have been room for a step up. `rung` is what it leads to.
    pub(super) fn patience(&self, now: Instant, to: Option<Layer>, rung: Rung) -> Duration {
        let Some(current) = self.layer else {
            return if self.fallen == Some(Fall::Silence) { Duration::ZERO } else { DARK_PATIENCE };
        };
        if to.is_some_and(|to| to.encoding == current.encoding) {
            return FRAME_RATE_PATIENCE;
        }
        // What was not allowed has been measured before it was; what was not sent, before it was gone.
        let lifted = self
            .lifted
            .is_some_and(|(before, at)| now.saturating_duration_since(at) < JUST_LIFTED && rung > before);
        if lifted || (self.missed.is_some() && to <= self.missed) {
            return LIFTED_PATIENCE;
        }
        // The lowest encoding is below the clinical floor: leaving it is urgent.
        if current.encoding == 0 {
            // A link that gives out again and again, and promises little in between, freezes what climbs.
            let unsteady = if rung < Rung::CLINICAL_FLOOR { self.recent_collapses(now) } else { 0 };
            return (RETURN_PATIENCE * (1 + unsteady)).min(RAISE_PATIENCE);
        }
        if self.was_held(now, to) { HELD_PATIENCE } else { RAISE_PATIENCE }
    }

    /// Whether it held as much a short while ago.
    fn was_held(&self, now: Instant, to: Option<Layer>) -> bool {
        self.best.is_some_and(|(layer, at)| is_recent(now, at) && to <= Some(layer))
    }

    fn recent_collapses(&self, now: Instant) -> u32 {
        let recent = self.collapsed.is_some_and(|at| now.saturating_duration_since(at) < UNSTEADY);
        if recent { self.collapses } else { 0 }
    }
}

fn is_recent(now: Instant, left_at: Instant) -> bool {
    now.saturating_duration_since(left_at) < RECENT
}

/// A step up to another encoding needs this much lasting evidence.
const RAISE_PATIENCE: Duration = Duration::from_secs(3);

/// Likewise where the picture is below the clinical floor.
const RETURN_PATIENCE: Duration = Duration::from_secs(1);

/// A link that did not collapse for this long is steady.
const UNSTEADY: Duration = Duration::from_secs(30);

/// Every moment without a picture is one too many: two looks at the link. One that is heard again after silence is
/// believed at once.
const DARK_PATIENCE: Duration = Duration::from_millis(200);

/// What was better a moment ago needs less: that it was held is evidence, too.
const HELD_PATIENCE: Duration = Duration::from_millis(600);

/// A rung held this recently is known to fit where there is the room again.
const RECENT: Duration = Duration::from_secs(45);

/// More frames of the same encoding are had and given up without a key frame.
const FRAME_RATE_PATIENCE: Duration = Duration::from_secs(1);

/// HD permission has looked at the room for seconds before it is given: one more look.
const LIFTED_PATIENCE: Duration = Duration::from_millis(300);
const JUST_LIFTED: Duration = Duration::from_secs(3);

/// Few frames of a large picture save two key frames where the shortage passes; a shortage that does not is
/// better met by a smaller picture of all frames. Most dips of a radio are over in a second, and an estimate takes
/// the better part of another one to climb back.
const THIN_PATIENCE: Duration = Duration::from_millis(1_800);

/// A step up that is taken back for want of bandwidth within this time has failed.
const FAILED_RAISE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_secs(3);
const LONGEST_WAIT: Duration = Duration::from_secs(12);

/// Who shares a link with others finds no room in it for as long as they stay: each try costs all of them.
const LONGEST_WAIT_UNCHANGED: Duration = Duration::from_secs(24);

/// Share of what there was to spend before a step up, and time within which there is that again, of a link that
/// has not changed.
const UNCHANGED: f64 = 0.7;
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// What there is to spend over what a failed step was tried with that makes the link another one.
const FAR_MORE: f64 = 1.4;

/// A failure this long after the wait for the last one is counted as the first.
const FORGIVEN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Bitrate = Bitrate::kbps(2_000);

    const fn layer(encoding: u8) -> Option<Layer> {
        Some(Layer { encoding, temporal: 2 })
    }

    #[test]
    fn what_an_uplink_brings_back_is_shown_soon() {
        let now = crate::testing::origin();
        let mut memory = RungMemory::holding(layer(2));
        memory.replace(layer(0));
        assert_eq!(memory.patience(now, layer(1), Rung::P480), LIFTED_PATIENCE, "on the way");
        memory.raise(now, layer(1), ROOM);
        assert_eq!(memory.patience(now, layer(2), Rung::P720), LIFTED_PATIENCE, "and all of it");
        memory.raise(now, layer(2), ROOM);
        memory.fall(now, layer(1), Fall::Shortage);
        assert!(memory.patience(now, layer(2), Rung::P720) > LIFTED_PATIENCE, "not what the own link took");
    }

    #[test]
    fn more_than_what_was_missed_waits_as_ever() {
        let now = crate::testing::origin();
        let mut memory = RungMemory::holding(layer(1));
        memory.replace(layer(0));
        assert!(memory.patience(now, layer(2), Rung::P720) > LIFTED_PATIENCE);
        // A downlink that falls meanwhile has not had the room all along.
        memory.fall(now, layer(0), Fall::Loss);
        assert!(memory.patience(now, layer(1), Rung::P480) > LIFTED_PATIENCE);
    }

    /// The waits after steps up that each fail at once, on a link that carries this afterwards.
    fn waits(after: Bitrate) -> Vec<u64> {
        let mut now = crate::testing::origin();
        let mut memory = RungMemory::holding(layer(1));
        let trial = |_| {
            memory.raise(now, layer(2), ROOM);
            now += Duration::from_secs(2);
            memory.fall(now, layer(1), Fall::Shortage);
            let since = now;
            memory.watch_room(now + Duration::from_secs(2), after);
            while memory.limit(now).is_some() {
                now += Duration::from_secs(1);
            }
            (now - since).as_secs()
        };
        (0..6).map(trial).collect()
    }

    #[test]
    fn what_fails_on_an_unchanged_link_is_tried_ever_less() {
        assert_eq!(waits(Bitrate::kbps(1_500)), [3, 6, 12, 24, 24, 24]);
        assert_eq!(waits(Bitrate::kbps(900)), [3, 6, 12, 12, 12, 12], "a link that shrank may grow again");
    }

    #[test]
    fn far_more_room_ends_a_long_wait() {
        let mut now = crate::testing::origin();
        let mut memory = RungMemory::holding(layer(1));
        for _ in 0..5 {
            memory.raise(now, layer(2), ROOM);
            memory.fall(now, layer(1), Fall::Shortage);
            memory.watch_room(now, ROOM);
            now += Duration::from_secs(12);
        }
        assert!(memory.limit(now).is_some());
        memory.watch_room(now, Bitrate::kbps(3_000));
        assert_eq!(memory.limit(now), None);
    }
}
