//! Whether a directed pair may have HD: granted on probation to proven classes so that a call starts high,
//! confirmed or withdrawn by measurement, and regained through agreement: after a cool-down where measurement
//! had failed it, at once where only the class had gone.

use std::time::{Duration, Instant};

use protocol::quality::HdReason;

use super::hd_objection::{
    PairEvidence, class_objection, downlink_objection, is_measured, is_veiled, link_objection,
    severe_objection, trouble, uplink_objection,
};

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
    wait: Duration,
    /// Wait after the next loss of a class that had hardly come.
    class_wait: Duration,
    /// When the objection that now stands was first seen, to ride out short ones.
    objection: Option<(HdReason, Instant)>,
    /// Since when a link on probation lacks room.
    doubted_since: Option<Instant>,
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
            wait: FIRST_COOL_DOWN,
            class_wait: Duration::ZERO,
            objection: None,
            doubted_since: None,
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
        if trouble(pair).is_some() || is_veiled(pair) {
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
        if confirmed_since.is_some_and(|since| elapsed(since, now) >= CONFIRMATION) {
            self.grant(now);
            return PERMITTED;
        }
        let doubted = self.doubted_since.is_some_and(|since| elapsed(since, now) >= CONFIRMATION);
        if let Some(reason) = objection
            && doubted
            && elapsed(measured_since, now) >= PROBATION
        {
            return self.revoke(now, reason, Blame::Failed);
        }
        self.phase = Phase::Probation { measured_since: Some(measured_since), confirmed_since };
        PERMITTED
    }

    /// Before a grant: the links must agree for [`AGREEMENT`] and the publisher for [`CONFIRMATION`], without
    /// a break.
    fn agree(&mut self, now: Instant, pair: &PairEvidence, agreement: Agreement) -> HdDecision {
        let denied = |reason, warm| HdDecision { permitted: false, warm, sought: true, reason };
        if !pair.wanted {
            self.phase = Phase::Agreeing(Agreement::default());
            return HdDecision { sought: false, ..denied(HdReason::Dwell, false) };
        }
        if let Some(reason) = link_objection(pair).or_else(|| downlink_objection(pair)) {
            let lasts = self.objects_for(now, reason, SHORT_OBJECTION);
            let agreement = if lasts { Agreement::default() } else { agreement };
            self.phase = Phase::Agreeing(agreement);
            return denied(reason, agreement.warm.is_some());
        }
        // The rest of the link can carry HD, so the publisher is asked to show that its uplink can.
        let room = agreement.room.unwrap_or(now);
        let warm = agreement.warm.unwrap_or(now);
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
        if elapsed(room, now) >= AGREEMENT && elapsed(proof, now) >= CONFIRMATION {
            self.grant(now);
            return PERMITTED;
        }
        // The publisher has proven itself: its time for that starts anew with the next doubt.
        self.phase = Phase::Agreeing(Agreement { room: Some(room), proof: Some(proof), warm: Some(now) });
        denied(HdReason::Dwell, true)
    }

    fn grant(&mut self, now: Instant) {
        self.phase = Phase::Granted { since: now };
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
        self.wait = match blame {
            Blame::Failed => (self.wait * 2).min(LONGEST_COOL_DOWN),
            Blame::Worn | Blame::Faded => FIRST_COOL_DOWN,
        };
        self.objection = None;
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
    /// The room for it had been missing for so long that the publisher need not go on sending HD: it comes back
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

const LOSS_PATIENCE: Duration = Duration::from_secs(2);
const ROUND_TRIP_PATIENCE: Duration = Duration::from_secs(3);

/// The rung follows a lack of room at once; the permission only when the lack lasts, since it is what lets HD
/// come back at once. Meanwhile the publisher goes on sending HD.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use protocol::media_message::EncoderLimit;
    use protocol::network_class::NetworkClass;
    use protocol::quality::HdMode;
    use protocol::units::Bitrate;

    use super::*;
    use crate::adapt::classifier::Verdict;
    use crate::adapt::evidence::Trust;
    use crate::adapt::measurement::{Downlink, DownlinkState, LayerMeasure, Uplink};

    type Change = fn(&mut PairEvidence);

    fn on(class: NetworkClass) -> Verdict {
        Verdict { class, confidence: 0.95, trust: Trust::Vouched, proven: true, ..Verdict::NONE }
    }

    /// Two 5G ends on good links, of which the publisher sends HD.
    fn good() -> PairEvidence {
        let rate = Bitrate::kbps(1_500);
        let rtt = Duration::from_millis(40);
        let jitter = Duration::from_millis(5);
        PairEvidence {
            mode: HdMode::Strict,
            publisher: on(NetworkClass::FiveG),
            subscriber: on(NetworkClass::FiveG),
            uplink: Some(Uplink { rate, loss: 0.0, jitter, rtt: Some(rtt) }),
            downlink: Some(Downlink {
                estimate: Bitrate::mbps(5),
                acknowledged: rate,
                rtt,
                loss: 0.0,
                jitter,
                queue_delay: Duration::ZERO,
                state: DownlinkState::Steady,
            }),
            hd_encoding: LayerMeasure {
                alive: true,
                stalled: false,
                height: Some(720),
                cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
                temporal_layers: 3,
                frame_rate: 30.0,
            },
            encoder_limit: EncoderLimit::None,
            wanted: true,
            flowing: false,
        }
    }

    fn lossy() -> PairEvidence {
        let mut pair = good();
        pair.uplink = pair.uplink.map(|link| Uplink { loss: 0.1, ..link });
        pair
    }

    /// The publisher sends HD as long as it is asked to.
    struct Course {
        now: Instant,
        permission: HdPermission,
        last: HdDecision,
    }

    impl Course {
        fn new() -> Self {
            let last = denied(HdReason::Dwell);
            Self { now: crate::testing::origin(), permission: HdPermission::new(), last }
        }

        fn run(&mut self, seconds: u64, pair: &PairEvidence) -> HdReason {
            for _ in 0..seconds * 5 {
                let mut pair = *pair;
                pair.hd_encoding.alive &= self.last.warm;
                self.last = self.permission.evaluate(self.now, &pair);
                assert!(self.last.warm || !self.last.permitted);
                self.now += Duration::from_millis(200);
            }
            self.last.reason
        }

        fn until_permitted(&mut self, pair: &PairEvidence) -> u64 {
            (0..300).find(|_| self.last.permitted || self.run(1, pair) == HdReason::Granted).expect("a grant")
        }
    }

    #[test]
    fn every_objection_has_its_reason() {
        let table: [(HdReason, Change); 8] = [
            (HdReason::Granted, |_| {}),
            (HdReason::PublisherClass, |pair| pair.publisher = on(NetworkClass::FourG)),
            (HdReason::SubscriberClass, |pair| pair.subscriber = on(NetworkClass::Wifi)),
            (HdReason::EvidenceWeak, |pair| pair.publisher.proven = false),
            (HdReason::Loss, |pair| *pair = lossy()),
            (HdReason::RoundTrip, |pair| {
                pair.downlink =
                    pair.downlink.map(|link| Downlink { rtt: Duration::from_millis(300), ..link });
            }),
            (HdReason::EncoderLimited, |pair| pair.encoder_limit = EncoderLimit::Cpu),
            // Nothing is measured yet: the classes decide.
            (HdReason::Granted, |pair| {
                (pair.uplink, pair.downlink, pair.hd_encoding) = (None, None, LayerMeasure::default());
            }),
        ];
        for (reason, change) in table {
            let mut pair = good();
            change(&mut pair);
            assert_eq!(Course::new().run(1, &pair), reason);
        }
    }

    #[test]
    fn probation_ends_without_confirmation() {
        let dead = PairEvidence { hd_encoding: LayerMeasure::default(), ..good() };
        let narrow = PairEvidence {
            downlink: good().downlink.map(|link| Downlink { estimate: Bitrate::kbps(1_200), ..link }),
            ..good()
        };
        for (pair, reason) in [(dead, HdReason::UplinkUnproven), (narrow, HdReason::DownlinkUnproven)] {
            let mut course = Course::new();
            assert_eq!(course.run(7, &pair), HdReason::Granted);
            let mut reasons = Vec::new();
            for _ in 0..15 {
                let decision = course.permission.evaluate(course.now, &pair);
                reasons.push(decision.reason);
                course.now += Duration::from_millis(200);
            }
            assert!(reasons.contains(&reason), "{reasons:?}");
            assert_eq!(reasons.last(), Some(&HdReason::CoolDown));
        }
    }

    #[test]
    fn what_was_withdrawn_returns_after_cool_down_and_agreement() {
        let mut course = Course::new();
        course.run(10, &good());
        let mut waits = Vec::new();
        for _ in 0..5 {
            course.run(3, &lossy());
            assert!(!course.last.permitted);
            waits.push(course.until_permitted(&good()));
        }
        // 15 s doubled with every grant that failed at once, and 5 s of agreement.
        for (wait, expected) in waits.iter().zip([20, 35, 65, 125, 125]) {
            assert!(wait.abs_diff(expected) <= 2, "{waits:?}");
        }
        course.run(200, &good());
        course.run(3, &lossy());
        let forgiven = course.until_permitted(&good());
        assert!(forgiven <= 22, "{forgiven}");
    }

    #[test]
    fn two_quick_falls_withdraw_and_one_does_not() {
        let mut course = Course::new();
        course.run(10, &good());
        let reached = course.now;
        course.run(3, &good());
        course.permission.handle_drop(course.now, reached);
        assert_eq!(course.run(4, &good()), HdReason::Granted);
        course.permission.handle_drop(course.now, reached);
        assert_ne!(course.run(1, &good()), HdReason::Granted);
    }

    #[test]
    fn a_class_that_comes_back_needs_agreement_and_no_cool_down() {
        let mut course = Course::new();
        let weak = PairEvidence { publisher: on(NetworkClass::FourG), ..good() };
        for _ in 0..3 {
            course.run(70, &good());
            course.run(10, &weak);
            assert_eq!(course.last.reason, HdReason::PublisherClass);
            let wait = course.until_permitted(&good());
            assert!((5..=6).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn a_class_that_goes_to_and_fro_has_to_wait() {
        let mut course = Course::new();
        let weak = PairEvidence { publisher: on(NetworkClass::FourG), ..good() };
        let mut waits = Vec::new();
        for _ in 0..5 {
            course.run(10, &good());
            course.run(5, &weak);
            waits.push(course.until_permitted(&good()));
        }
        // 5 s of agreement; the wait of 15 s and its doubles began with the loss, 5 s before.
        for (wait, expected) in waits.iter().zip([5, 15, 30, 60, 60]) {
            assert!(wait.abs_diff(expected) <= 2, "{waits:?}");
        }
        course.run(70, &good());
        course.run(5, &weak);
        assert!(course.until_permitted(&good()) <= 6, "a steady class is trusted again");
    }

    #[test]
    fn a_pair_that_becomes_hd_grade_late_must_prove_itself_first() {
        let mut course = Course::new();
        let weak = PairEvidence { publisher: on(NetworkClass::FourG), ..good() };
        course.run(60, &weak);
        assert!(!course.last.warm, "an HD encoding that nobody may receive is off");
        let wait = course.until_permitted(&good());
        assert!((5..=7).contains(&wait), "{wait}");
    }
}
