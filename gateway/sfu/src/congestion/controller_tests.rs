//! The controller's stories that need no link.

use super::*;
use crate::congestion::packet::{PacketClass, ProbeId};
use crate::testing::origin;
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A subscriber whose packets arrive 30 ms after they left and are reported at once.
struct Path {
    start: Instant,
    now: Instant,
    controller: CongestionController,
}

impl Path {
    fn new(start_rate: StartRate) -> Self {
        let start = origin();
        Self { start, now: start, controller: CongestionController::new(start, start_rate) }
    }

    fn send(&mut self, class: PacketClass, probe: Option<ProbeId>) -> u16 {
        let size = DataSize::bytes(1_000);
        self.controller.handle_sent(self.now, SentPacket { class, size, probe })
    }

    fn report(&mut self, sequence: u16, arrives: bool) {
        let arrival = arrives.then(|| self.now - self.start + ms(30));
        self.controller.handle_feedback(self.now + ms(60), &[PacketStatus { sequence, arrival }]);
    }

    /// Sends video at 800 kbit/s for this long, and more of another class, of which nothing arrives.
    fn run_losing(&mut self, milliseconds: u64, class: Option<(PacketClass, Option<ProbeId>)>) {
        for _ in 0..milliseconds / 10 {
            self.now += ms(10);
            let video = self.send(PacketClass::Video, None);
            let other = class.map(|(class, probe)| self.send(class, probe));
            self.report(video, true);
            if let Some(other) = other {
                self.report(other, false);
            }
        }
    }

    fn target(&self) -> Bitrate {
        self.controller.estimate().target
    }
}

fn one_mbps() -> StartRate {
    StartRate { rate: Bitrate::mbps(1), probe: None }
}

#[test]
fn lost_repairs_and_padding_are_no_evidence() {
    for class in [PacketClass::Retransmission, PacketClass::Padding] {
        let mut path = Path::new(one_mbps());
        path.run_losing(5_000, Some((class, None)));
        assert!(path.target() >= Bitrate::mbps(1), "{class:?}: {}", path.target());
        assert_eq!(path.controller.estimate().loss, 0.0, "{class:?}");
    }
}

#[test]
fn lost_video_is_evidence() {
    let mut path = Path::new(one_mbps());
    path.run_losing(700, Some((PacketClass::Video, None)));
    assert!(path.target() < Bitrate::kbps(900), "{}", path.target());
    assert!(path.controller.estimate().loss > 0.4);
}

#[test]
fn silence_halves_and_then_stops_and_then_resumes() {
    let mut path = Path::new(one_mbps());
    path.run_losing(2_000, None);
    let before = path.target();
    let mut sequence = path.send(PacketClass::Audio, None);
    let silent_since = path.now;
    for (after, state, at_most) in [
        (150, LinkState::Steady, before),
        (300, LinkState::FeedbackLate, before.scaled(0.5)),
        (480, LinkState::FeedbackLate, before.scaled(0.25)),
        (600, LinkState::FeedbackLost, LEAST_TARGET),
    ] {
        path.now = silent_since + ms(after);
        sequence = path.send(PacketClass::Audio, None);
        path.controller.handle_timeout(path.now);
        let estimate = path.controller.estimate();
        assert_eq!((estimate.state, estimate.target <= at_most), (state, true), "{after}: {estimate:?}");
        if state == LinkState::FeedbackLate {
            assert!(path.controller.pace().rate <= at_most.scaled(0.5), "pictures go more slowly still");
        }
    }
    path.report(sequence, true);
    assert_eq!(path.controller.estimate().state, LinkState::Recovering);
    let resumed = path.target();
    assert!(resumed >= before.scaled(0.3) && resumed <= before.scaled(0.4), "{resumed}");
    let probe = path.controller.poll_probe(path.now + ms(60)).expect("probes at once");
    assert!(probe.rate >= before.scaled(0.99), "{}", probe.rate);
}

#[test]
fn a_timeout_is_due_before_each_change_of_silence() {
    let mut path = Path::new(one_mbps());
    path.run_losing(2_000, None);
    let _ = path.send(PacketClass::Audio, None);
    let silent_since = path.now;
    let mut due_after = Vec::new();
    while let Some(due) = path.controller.poll_timeout() {
        assert!(due > path.now);
        path.now = due;
        path.controller.handle_timeout(due);
        due_after.push((due - silent_since).as_millis());
    }
    assert_eq!(due_after, [260, 460, 560]);
}

#[test]
fn receiver_reports_count_where_there_is_nothing_better() {
    for (name, hears, fraction, expected) in [
        ("heavy loss", false, 0.4, 800..=800),
        ("some loss", false, 0.05, 1_000..=1_000),
        ("nonsense", false, f64::NAN, 1_000..=1_000),
        ("feedback is better", true, 0.4, 1_000..=1_100),
    ] {
        let mut path = Path::new(one_mbps());
        if hears {
            path.run_losing(500, None);
        }
        path.controller.handle_receiver_loss(path.now, fraction);
        assert!(expected.contains(&path.target().as_kbps()), "{name}: {}", path.target());
    }
}

#[test]
fn what_nobody_can_probe_for_is_tried_as_long_as_nothing_is_lost() {
    let run = |lost_at: Option<u64>| {
        let mut path = Path::new(one_mbps());
        path.controller.set_demand(Demand { next: Some(Bitrate::kbps(1_800)), ..Demand::default() });
        for second in 1..=10 {
            let fraction = if Some(second) == lost_at { 0.05 } else { 0.0 };
            path.now += Duration::from_secs(1);
            path.controller.handle_receiver_loss(path.now, fraction);
        }
        path.target().as_kbps()
    };
    assert!((1_800..=2_200).contains(&run(None)), "what is sought, and hardly more: {}", run(None));
    assert!((1_300..=1_700).contains(&run(Some(1))), "more slowly after a loss: {}", run(Some(1)));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Send(u64, Option<u32>),
    Report(Vec<(u16, Option<u64>)>),
    Loss(f64),
    Demand(u64, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..3_000_000).prop_map(Step::Wait),
        (0_u64..2_000_000, prop::option::of(0_u32..4)).prop_map(|(size, probe)| Step::Send(size, probe)),
        prop::collection::vec((0_u16..64, prop::option::of(any::<u64>())), 0..20).prop_map(Step::Report),
        any::<f64>().prop_map(Step::Loss),
        (any::<u64>(), prop::option::of(any::<u64>()))
            .prop_map(|(current, next)| Step::Demand(current, next)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_verdict_is_finite(steps in prop::collection::vec(step(), 0..200)) {
        let mut path = Path::new(StartRate { rate: Bitrate::mbps(1), probe: Some(Bitrate::ZERO) });
        for step in steps {
            match step {
                Step::Wait(micros) => path.now += Duration::from_micros(micros),
                Step::Send(size, probe) => {
                    let (class, size) = (PacketClass::Video, DataSize::bytes(size));
                    let packet = SentPacket { class, size, probe: probe.map(ProbeId) };
                    let _ = path.controller.handle_sent(path.now, packet);
                }
                Step::Report(statuses) => {
                    let statuses: Vec<_> = statuses
                        .into_iter()
                        .map(|(sequence, arrival)| PacketStatus { sequence, arrival: arrival.map(Duration::from_nanos) })
                        .collect();
                    path.controller.handle_feedback(path.now, &statuses);
                }
                Step::Loss(fraction) => path.controller.handle_receiver_loss(path.now, fraction),
                Step::Demand(current, next) => path.controller.set_demand(Demand {
                    floor: Bitrate::kbps(115),
                    current: Bitrate::bps(current),
                    next: next.map(Bitrate::bps),
                }),
            }
            path.controller.handle_timeout(path.now);
            let probe = path.controller.poll_probe(path.now);
            prop_assert!(probe.is_none_or(|probe| probe.rate <= Bitrate::mbps(20)));
            let estimate = path.controller.estimate();
            prop_assert!(estimate.target >= LEAST_TARGET && estimate.target <= Bitrate::mbps(20), "{estimate:?}");
            prop_assert!(estimate.loss.is_finite() && (0.0..=1.0).contains(&estimate.loss));
            let pace = path.controller.pace();
            prop_assert!(pace.rate > Bitrate::ZERO && pace.rate <= Bitrate::mbps(40));
            let _ = path.controller.poll_timeout();
        }
    }
}
