//! Whether a directed pair may have HD: granted on probation to proven classes so that a call starts high,
//! confirmed or withdrawn by measurement, and regained through agreement: after a cool-down where measurement
//! had failed it, at once where only the class had gone.

use std::time::{Duration, Instant};

use protocol::quality::HdReason;

use super::hd_objection::{
    PairEvidence, class_objection, downlink_objection, hd_terms, is_measured, is_veiled, lesser_end,
    link_objection, severe_objection, trouble, uplink_objection,
};
use super::policy::HdTerms;

/// What a pair may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HdDecision {
    /// HD may be forwarded where the downlink carries it.
    pub permitted: bool,
    /// The publisher shall send HD, so that it can be measured.
    pub warm: bool,
    /// The downlink shall be probed for HD: permission comes, or stays, once it has the room.
    pub sought: bool,
    /// Why.
    pub reason: HdReason,
}

/// The HD permission of one directed pair.
#[derive(Debug, Clone)]
pub struct HdPermission {
    phase: Phase,
    /// What the classes asked for when it was last decided.
    terms: HdTerms,
    wait: Duration,
    /// Wait after the next loss of a class that had hardly come.
    class_wait: Duration,
    /// When the objection that now stands was first seen, to ride out short ones.
    objection: Option<(HdReason, Instant)>,
    /// Since when a link on probation lacks room.
    doubted_since: Option<Instant>,
    /// On probation HD flowed, and nothing spoke against it.
    shown: bool,
    /// It was held before, and measurement had not failed it when it went.
    regains: bool,
    good_since: Option<Instant>,
    drops: [Option<Instant>; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The classes are not known for long enough to rule a start on probation out.
    New { since: Option<Instant> },
    /// The classes do not allow it, or have only just come back after going to and fro.
    Barred { until: Instant },
    /// Measurements must agree for a while first.
    Agreeing(Agreement),
    /// Permitted on the word of the classes; the clock runs once both links are measured.
    Probation { measured_since: Option<Instant>, confirmed_since: Option<Instant> },
    /// Permitted.
    Granted { since: Instant },
    /// Withdrawn.
    CoolDown { until: Instant },
}

/// What agrees with a grant, each since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Agreement {
    /// Both links behave, and the downlink has the room.
    room: Option<Instant>,
    /// HD arrives from the publisher.
    proof: Option<Instant>,
    /// The publisher is asked for it.
    warm: Option<Instant>,
}

impl HdPermission {
    /// Makes the permission of a new pair; it is decided by the first [`Self::evaluate`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            phase: Phase::New { since: None },
            terms: HdTerms::Usual,
            wait: FIRST_COOL_DOWN,
            class_wait: Duration::ZERO,
            objection: None,
            doubted_since: None,
            shown: false,
            regains: false,
            good_since: None,
            drops: [None; 2],
        }
    }

    /// Decides anew.
    pub fn evaluate(&mut self, now: Instant, pair: &PairEvidence) -> HdDecision {
        if let Some(reason) = class_objection(pair) {
            self.lose_class(now);
            return denied(reason);
        }
        let terms = hd_terms(pair).unwrap_or(HdTerms::Guarded);
        if std::mem::replace(&mut self.terms, terms) < terms {
            self.lose_class(now);
        }
        match self.phase {
            Phase::New { .. } => self.start(now, pair),
            Phase::Barred { until } if now < until => denied(HdReason::Dwell),
            Phase::Barred { .. } => self.agree(now, pair, Agreement::default()),
            Phase::Agreeing(agreement) => self.agree(now, pair, agreement),
            Phase::Probation { measured_since, confirmed_since } => {
                self.prove(now, pair, measured_since, confirmed_since)
            }
            Phase::Granted { since } => self.hold(now, pair, since),
            Phase::CoolDown { until } if now < until => denied(HdReason::CoolDown),
            Phase::CoolDown { .. } => self.agree(now, pair, Agreement::default()),
        }
    }

    /// Takes note that a subscriber that had reached HD within the last seconds fell below it, for want
    /// of bandwidth.
    pub fn handle_drop(&mut self, now: Instant, reached: Instant) {
        if now.saturating_duration_since(reached) <= DROP_WINDOW {
            self.drops = [self.drops[1], Some(now)];
        }
    }

    /// An estimate that has only begun to grow is no objection yet: probation gives it time, and forwards
    /// no more than it allows.
    fn start(&mut self, now: Instant, pair: &PairEvidence) -> HdDecision {
        if self.terms == HdTerms::Guarded || trouble(pair).is_some() || is_veiled(pair) {
            return self.agree(now, pair, Agreement::default());
        }
        self.prove(now, pair, None, None)
    }

    /// Probation: HD is permitted until measurement had its time and did not confirm it.
    fn prove(
        &mut self,
        now: Instant,
        pair: &PairEvidence,
        measured_since: Option<Instant>,
        confirmed_since: Option<Instant>,
    ) -> HdDecision {
        if let Some(reason) = self.lasting_severe_objection(now, pair) {
            return self.revoke(now, reason, Blame::Failed);
        }
        let measured =
            pair.wanted && pair.uplink.is_some() && pair.downlink.is_some_and(|link| is_measured(&link));
        if !measured {
            self.phase = Phase::Probation { measured_since: None, confirmed_since: None };
            return PERMITTED;
        }
        let measured_since = measured_since.unwrap_or(now);
        let objection = uplink_objection(pair).or_else(|| downlink_objection(pair));
        let confirmed_since = if objection.is_none() { Some(confirmed_since.unwrap_or(now)) } else { None };
        self.doubted_since = objection.map(|_| self.doubted_since.unwrap_or(now));
        self.shown |= objection.is_none() && pair.flowing;
        if confirmed_since.is_some_and(|since| elapsed(since, now) >= CONFIRMATION) {
            self.grant(now);
            return PERMITTED;
        }
        let doubted = self.doubted_since.is_some_and(|since| elapsed(since, now) >= CONFIRMATION);
        if let Some(reason) = objection
            && doubted
            && elapsed(measured_since, now) >= PROBATION
        {
            let blame = if pair.uplink_limited || self.shown { Blame::Faded } else { Blame::Failed };
            return self.revoke(now, reason, blame);
        }
        self.phase = Phase::Probation { measured_since: Some(measured_since), confirmed_since };
        PERMITTED
    }

    /// Before a grant: the links must agree for [`AGREEMENT`], or [`GUARDED_AGREEMENT`], and the publisher for
    /// [`CONFIRMATION`], without a break.
    fn agree(&mut self, now: Instant, pair: &PairEvidence, agreement: Agreement) -> HdDecision {
        let (needed, waiting) = match self.terms {
            HdTerms::Usual if self.regains => (REGAIN, HdReason::Dwell),
            HdTerms::Usual => (AGREEMENT, HdReason::Dwell),
            HdTerms::Guarded => (GUARDED_AGREEMENT, lesser_end(pair)),
        };
        let denied = |reason, warm| HdDecision { permitted: false, warm, sought: true, reason };
        if !pair.wanted {
            self.phase = Phase::Agreeing(Agreement::default());
            return HdDecision { sought: false, ..denied(waiting, false) };
        }
        if let Some(reason) = link_objection(pair).or_else(|| downlink_objection(pair)) {
            let lasts = self.objects_for(now, reason, SHORT_OBJECTION);
            let agreement = if lasts { Agreement::default() } else { agreement };
            self.phase = Phase::Agreeing(agreement);
            return denied(reason, agreement.warm.is_some());
        }
        let room = agreement.room.unwrap_or(now);
        // A 4G uplink is not loaded with what nobody may receive yet.
        if self.terms == HdTerms::Guarded && elapsed(room, now) < GUARDED_AGREEMENT - AGREEMENT {
            self.phase = Phase::Agreeing(Agreement { room: Some(room), ..Agreement::default() });
            return denied(waiting, false);
        }
        // The rest of the link can carry HD, so the publisher is asked to show that its uplink can. One that is known
        // to be narrow is tried elsewhere, and shows it once it has room.
        let warm = agreement.warm.filter(|_| !pair.uplink_limited).unwrap_or(now);
        if let Some(reason) = uplink_objection(pair) {
            if elapsed(warm, now) >= PROBATION {
                return self.revoke(now, reason, Blame::Failed);
            }
            let proof = agreement.proof.filter(|_| !self.objects_for(now, reason, SHORT_OBJECTION));
            self.phase = Phase::Agreeing(Agreement { room: Some(room), proof, warm: Some(warm) });
            return denied(reason, true);
        }
        self.objection = None;
        let proof = agreement.proof.unwrap_or(now);
        if elapsed(room, now) >= needed && elapsed(proof, now) >= CONFIRMATION {
            self.grant(now);
            return PERMITTED;
        }
        // The publisher has proven itself: its time for that starts anew with the next doubt.
        self.phase = Phase::Agreeing(Agreement { room: Some(room), proof: Some(proof), warm: Some(now) });
        denied(waiting, true)
    }

    fn grant(&mut self, now: Instant) {
        self.phase = Phase::Granted { since: now };
        self.regains = true;
        self.drops = [None; 2];
        self.good_since = Some(now);
    }

    fn hold(&mut self, now: Instant, pair: &PairEvidence, since: Instant) -> HdDecision {
        let blame = if elapsed(since, now) < FAILED_GRANT { Blame::Failed } else { Blame::Worn };
        if self.dropped_twice() {
            return self.revoke(now, HdReason::DownlinkUnproven, blame);
        }
        if let Some(reason) = self.lasting_severe_objection(now, pair) {
            let blame = match reason {
                HdReason::DownlinkUnproven | HdReason::UplinkUnproven => Blame::Faded,
                _ => blame,
            };
            return self.revoke(now, reason, blame);
        }
        let good_since = *self.good_since.get_or_insert(now);
        if elapsed(good_since, now) >= FORGIVEN {
            self.wait = FIRST_COOL_DOWN;
        }
        PERMITTED
    }

    fn dropped_twice(&self) -> bool {
        matches!(self.drops, [Some(first), Some(second)] if elapsed(first, second) <= DROP_WINDOW)
    }

    /// A class that goes is no failure of HD, so that it comes back as soon as class and measurement agree
    /// again; only a class that goes to and fro has to wait.
    fn lose_class(&mut self, now: Instant) {
        self.objection = None;
        self.phase = match self.phase {
            Phase::Probation { .. } => self.bar(now),
            Phase::Granted { since } => {
                if elapsed(since, now) >= STEADY_CLASS {
                    self.class_wait = Duration::ZERO;
                }
                self.bar(now)
            }
            Phase::CoolDown { until } if now < until => Phase::CoolDown { until },
            // The first verdicts may still be on their way.
            Phase::New { since } if elapsed(since.unwrap_or(now), now) < FIRST_VERDICTS => {
                Phase::New { since: since.or(Some(now)) }
            }
            Phase::Barred { until } => Phase::Barred { until },
            Phase::New { .. } | Phase::Agreeing(_) | Phase::CoolDown { .. } => Phase::Barred { until: now },
        };
    }

    fn bar(&mut self, now: Instant) -> Phase {
        self.shown = false;
        self.good_since = None;
        self.doubted_since = None;
        self.drops = [None; 2];
        let until = now + self.class_wait;
        self.class_wait = (self.class_wait * 2).clamp(FIRST_CLASS_WAIT, LONGEST_CLASS_WAIT);
        Phase::Barred { until }
    }

    fn revoke(&mut self, now: Instant, reason: HdReason, blame: Blame) -> HdDecision {
        self.phase = match blame {
            Blame::Failed | Blame::Worn => Phase::CoolDown { until: now + self.wait },
            Blame::Faded => Phase::Agreeing(Agreement::default()),
        };
        self.regains &= matches!(blame, Blame::Faded);
        self.wait = match blame {
            Blame::Failed => (self.wait * 2).min(LONGEST_COOL_DOWN),
            Blame::Worn | Blame::Faded => FIRST_COOL_DOWN,
        };
        self.objection = None;
        self.shown = false;
        self.good_since = None;
        self.drops = [None; 2];
        self.doubted_since = None;
        denied(reason)
    }

    /// A severe objection that has stood for as long as its kind must.
    fn lasting_severe_objection(&mut self, now: Instant, pair: &PairEvidence) -> Option<HdReason> {
        let Some(reason) = severe_objection(pair) else {
            self.objection = None;
            return None;
        };
        self.good_since = None;
        let patience = match reason {
            HdReason::Loss => LOSS_PATIENCE,
            HdReason::RoundTrip | HdReason::EncoderLimited => ROUND_TRIP_PATIENCE,
            _ => ROOM_PATIENCE,
        };
        self.objects_for(now, reason, patience).then_some(reason)
    }

    fn objects_for(&mut self, now: Instant, reason: HdReason, patience: Duration) -> bool {
        let since = match self.objection {
            Some((standing, since)) if standing == reason => since,
            Some(_) | None => now,
        };
        self.objection = Some((reason, since));
        elapsed(since, now) >= patience
    }
}

impl Default for HdPermission {
    fn default() -> Self {
        Self::new()
    }
}

/// How a permission was withdrawn.
#[derive(Debug, Clone, Copy)]
enum Blame {
    Failed,
    /// It had been held for long.
    Worn,
    /// The room for it was there and went, for so long that the publisher need not go on sending HD: it comes back
    /// with the room, and agreement is wait enough.
    Faded,
}

const PERMITTED: HdDecision =
    HdDecision { permitted: true, warm: true, sought: true, reason: HdReason::Granted };

const fn denied(reason: HdReason) -> HdDecision {
    HdDecision { permitted: false, warm: false, sought: false, reason }
}

fn elapsed(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since)
}

/// A pair whose classes become HD-grade within this time of its first decision still starts high.
const FIRST_VERDICTS: Duration = Duration::from_secs(10);

/// Measurements agree for this long before a grant.
const AGREEMENT: Duration = Duration::from_secs(5);

/// They agree for less where it had been granted, and was lost to the class or to a fade: the links have shown what
/// they are.
const REGAIN: Duration = CONFIRMATION;

/// They agree for longer where one end is on 4G.
const GUARDED_AGREEMENT: Duration = Duration::from_secs(30);

/// Both links are measured for this long before an unconfirmed probation ends: a browser's uplink reaches
/// HD within three seconds, on a slow start within six.
const PROBATION: Duration = Duration::from_secs(8);

/// Probation is confirmed by agreement for this long.
const CONFIRMATION: Duration = Duration::from_secs(3);

/// First wait after a withdrawal; doubled with every grant that fails, up to [`LONGEST_COOL_DOWN`].
const FIRST_COOL_DOWN: Duration = Duration::from_secs(15);
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(120);

/// A class that was held for this long before it went is steady: most labels that flap come back sooner.
const STEADY_CLASS: Duration = Duration::from_secs(60);

/// Wait after the loss of a class that had not been held for [`STEADY_CLASS`], doubled with each in a row. The
/// first loss costs none.
const FIRST_CLASS_WAIT: Duration = Duration::from_secs(15);
const LONGEST_CLASS_WAIT: Duration = Duration::from_secs(60);

/// A grant that is withdrawn within this time has failed.
const FAILED_GRANT: Duration = Duration::from_secs(60);

/// Three good minutes make earlier failures forgotten.
const FORGIVEN: Duration = Duration::from_secs(180);

/// Two falls from HD, each within this time of reaching it and of each other, withdraw the permission.
const DROP_WINDOW: Duration = Duration::from_secs(10);

/// An objection shorter than this does not break an agreement: estimates dip while they probe.
const SHORT_OBJECTION: Duration = Duration::from_millis(500);

/// Two seconds of loss, seen through a window of one: a collapse of the link loses packets for less, and is the
/// rung's to answer.
const LOSS_PATIENCE: Duration = Duration::from_secs(3);
const ROUND_TRIP_PATIENCE: Duration = Duration::from_secs(3);

/// The rung follows a lack of room at once; the permission only when the lack lasts, since it is what lets HD
/// come back at once. Meanwhile the publisher goes on sending HD.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "hd_permission_tests.rs"]
mod tests;
