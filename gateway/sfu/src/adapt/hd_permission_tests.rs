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
        uplink_limited: false,
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
            pair.downlink = pair.downlink.map(|link| Downlink { rtt: Duration::from_millis(300), ..link });
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
        course.run(4, &lossy());
        assert!(!course.last.permitted);
        waits.push(course.until_permitted(&good()));
    }
    // 15 s doubled with every grant that failed at once, and 5 s of agreement.
    for (wait, expected) in waits.iter().zip([20, 35, 65, 125, 125]) {
        assert!(wait.abs_diff(expected) <= 2, "{waits:?}");
    }
    course.run(200, &good());
    course.run(4, &lossy());
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
        assert!((3..=4).contains(&wait), "{wait}");
    }
}

#[test]
fn hd_that_a_fade_took_needs_less_agreement_than_hd_that_failed() {
    let faded = |mut pair: PairEvidence| {
        pair.hd_encoding.alive = false;
        pair
    };
    let mut course = Course::new();
    course.run(10, &good());
    course.run(62, &faded(good()));
    assert!(!course.last.permitted, "{:?}", course.last);
    let wait = course.until_permitted(&good());
    assert!((3..=4).contains(&wait), "{wait}");
    // What measurement failed agrees for as long as at first, though a fade follows.
    course.run(10, &good());
    course.run(4, &lossy());
    course.run(40, &lossy());
    let wait = course.until_permitted(&good());
    assert!((5..=6).contains(&wait), "{wait}");
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
    // 3 s of agreement; the wait of 15 s and its doubles began with the loss, 5 s before.
    for (wait, expected) in waits.iter().zip([3, 13, 28, 58, 58]) {
        assert!(wait.abs_diff(expected) <= 1, "{waits:?}");
    }
    course.run(70, &good());
    course.run(5, &weak);
    assert!(course.until_permitted(&good()) <= 6, "a steady class is trusted again");
}

#[test]
fn an_end_on_4g_must_show_the_room_for_long_in_equivalent_mode() {
    let guarded =
        |class| PairEvidence { mode: HdMode::Equivalent, subscriber: on(class), flowing: false, ..good() };
    let mut course = Course::new();
    assert_eq!(course.run(20, &guarded(NetworkClass::FourG)), HdReason::SubscriberClass);
    assert!(!course.last.warm, "nobody may receive HD yet");
    let wait = course.until_permitted(&guarded(NetworkClass::FourG));
    assert!((10..=12).contains(&wait), "{wait}");
    // Room that goes away begins the wait anew.
    let narrow = PairEvidence {
        downlink: good().downlink.map(|link| Downlink { estimate: Bitrate::kbps(1_500), ..link }),
        ..guarded(NetworkClass::FourG)
    };
    let mut course = Course::new();
    course.run(25, &guarded(NetworkClass::FourG));
    course.run(2, &narrow);
    let wait = course.until_permitted(&guarded(NetworkClass::FourG));
    assert!((30..=32).contains(&wait), "{wait}");
    // What was held on better classes is not kept on 4G.
    let mut course = Course::new();
    assert_eq!(course.run(10, &guarded(NetworkClass::FiveG)), HdReason::Granted);
    assert_eq!(course.run(1, &guarded(NetworkClass::FourG)), HdReason::SubscriberClass);
    let wait = course.until_permitted(&guarded(NetworkClass::FourG));
    assert!((28..=32).contains(&wait), "{wait}");
    for class in [NetworkClass::Cell, NetworkClass::ThreeG] {
        assert_eq!(Course::new().run(60, &guarded(class)), HdReason::SubscriberClass);
    }
    let on_cable = PairEvidence { publisher: on(NetworkClass::Wired), ..guarded(NetworkClass::FourG) };
    assert_eq!(Course::new().run(60, &on_cable), HdReason::SubscriberClass);
    let strict = PairEvidence { mode: HdMode::Strict, ..guarded(NetworkClass::FourG) };
    assert_eq!(Course::new().run(60, &strict), HdReason::SubscriberClass);
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
