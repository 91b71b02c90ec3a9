//! What was decided of late, with its time: enough to tell a doctor why the picture is not what it was a
//! minute ago. A ring that forgets the oldest and counts what it forgot.

use std::collections::VecDeque;
use std::time::Instant;

use protocol::decision::{Change, ChangeCause, DecisionChange};
use protocol::id::ParticipantId;
use protocol::quality::HdReason;

use super::published_track::Publication;
use super::uplink::{EncodingTarget, UplinkWish};

/// The latest changes of one room.
#[derive(Debug, Default)]
pub(super) struct DecisionLog {
    changes: VecDeque<(Instant, Change)>,
    forgotten: u32,
}

/// A pair on a real drive sees about four changes a minute, so this is a quarter of an hour of two people,
/// and under 10 KiB.
pub(super) const MAX_CHANGES: usize = 64;

impl DecisionLog {
    pub(super) fn record(&mut self, now: Instant, change: Change) {
        if self.changes.len() >= MAX_CHANGES {
            self.changes.pop_front();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.changes.push_back((now, change));
    }

    /// Records that HD was permitted or withdrawn; why it goes on missing may change with every report.
    pub(super) fn record_permission(
        &mut self,
        now: Instant,
        (publisher, subscriber): (ParticipantId, ParticipantId),
        from: Option<HdReason>,
        reason: HdReason,
    ) {
        let permitted = reason == HdReason::Granted;
        if permitted || from == Some(HdReason::Granted) {
            self.record(now, Change::Hd { publisher, subscriber, permitted, reason });
        }
    }

    pub(super) fn record_plan(
        &mut self,
        now: Instant,
        publication: &Publication,
        plan: &[EncodingTarget],
        cause: ChangeCause,
    ) {
        let Publication { publisher, track, .. } = *publication;
        let sends = plan.iter().filter(|target| target.active).map(|target| target.rung).collect();
        self.record(now, Change::Uplink { publisher, track, sends, cause });
    }

    /// How many changes are not kept any more.
    pub(super) fn forgotten(&self) -> u32 {
        self.forgotten
    }

    /// The changes that are kept, oldest first, each with how long ago it was.
    pub(super) fn told(&self, now: Instant) -> Vec<DecisionChange> {
        let told = self
            .changes
            .iter()
            .map(|(at, change)| DecisionChange { ago_ms: millis(now, *at), change: change.clone() });
        told.collect()
    }
}

/// The time since an instant, as it is told.
pub(super) fn millis(now: Instant, since: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX)
}

/// What of the wishes changed most plainly between two plans.
pub(super) fn plan_cause(before: &[UplinkWish], after: &[UplinkWish]) -> ChangeCause {
    if before.len() != after.len() {
        return ChangeCause::Audience;
    }
    let differ = |differs: fn(&UplinkWish, &UplinkWish) -> bool| {
        before.iter().zip(after).any(|(before, after)| differs(before, after))
    };
    if differ(|before, after| before.cap != after.cap) {
        ChangeCause::Policy
    } else if differ(|before, after| before.max_lines != after.max_lines) {
        ChangeCause::Viewport
    } else if differ(|before, after| before.budget != after.budget) {
        ChangeCause::Downlink
    } else {
        ChangeCause::Publisher
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::ladder::Rung;
    use protocol::units::Bitrate;

    use super::*;
    use crate::adapt::snapshot::Priority;

    fn change(lost: bool) -> Change {
        Change::Connection { participant: ParticipantId::from_bits(1), lost }
    }

    #[test]
    fn a_full_log_forgets_the_oldest_and_counts_it() {
        let mut log = DecisionLog::default();
        let start = crate::testing::origin();
        let at = |second: usize| start + Duration::from_secs(second as u64);
        (0..MAX_CHANGES + 3).for_each(|second| log.record(at(second), change(second % 2 == 0)));
        let told = log.told(at(MAX_CHANGES + 3));
        assert_eq!((told.len(), log.forgotten()), (MAX_CHANGES, 3));
        assert_eq!(told.first().map(|oldest| oldest.ago_ms), Some(MAX_CHANGES as u64 * 1_000));
        assert_eq!(told.last().map(|newest| newest.ago_ms), Some(1_000));
    }

    #[test]
    fn a_plan_changes_for_what_changed_of_the_wishes() {
        let budget = Some(Bitrate::kbps(2_000));
        let priority = Priority::Consultation;
        let cap = Rung::P720;
        let wish = UplinkWish {
            cap,
            permitted: cap,
            max_lines: 720,
            budget,
            spare: budget,
            lately: budget,
            priority,
        };
        let cases = [
            (vec![wish, wish], ChangeCause::Audience),
            (vec![UplinkWish { cap: Rung::P480, ..wish }], ChangeCause::Policy),
            (vec![UplinkWish { max_lines: 180, ..wish }], ChangeCause::Viewport),
            (vec![UplinkWish { budget: Some(Bitrate::kbps(300)), ..wish }], ChangeCause::Downlink),
            (vec![wish], ChangeCause::Publisher),
        ];
        for (after, expected) in cases {
            assert_eq!(plan_cause(&[wish], &after), expected);
        }
    }
}
