//! The yardstick policies: what each of them does that the two loops do not.

use std::time::Duration;

use protocol::ladder::Rung;
use protocol::network_class::{NetworkClass, ReportSource};
use protocol::quality::{AdaptationPolicy, HdMode, HdReason};
use protocol::track::Role;
use protocol::units::Bitrate;

use crate::simulation::{ELSEWHERE, FIVE_G, Sim, kbps, secs};

fn pair(policy: AdaptationPolicy, mode: HdMode, patient: (&str, u16)) -> Sim {
    let mut sim = Sim::under(policy, mode);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Patient, patient.0, patient.1, kbps(20_000));
    sim
}

#[test]
fn fixed_by_class_heeds_no_measurement() {
    let mut sim = pair(AdaptationPolicy::FixedByClass, HdMode::Strict, (FIVE_G, 50));
    sim.run(secs(10));
    assert_eq!(sim.sees(0, 1), Rung::P720);
    assert!(sim.adaptation.least_pace().is_some(), "the estimate must not hold back what it sends");
    sim.ends[1].downlink = kbps(300);
    sim.run(secs(30));
    assert_eq!(sim.sees(0, 1), Rung::P720);
    assert!(sim.sent_to(sim.ends[1].id) > kbps(1_000));
    assert_eq!(sim.pair(0, 1).hd, HdReason::Granted);
}

#[test]
fn fixed_by_class_gives_360_lines_unless_both_are_hd_grade() {
    let mut sim = pair(AdaptationPolicy::FixedByClass, HdMode::Strict, (ELSEWHERE, 0));
    sim.run(secs(10));
    assert_eq!((sim.sees(0, 1), sim.sees(1, 0)), (Rung::P360, Rung::P360), "wired in strict mode");
    let mut sim = pair(AdaptationPolicy::FixedByClass, HdMode::Equivalent, (ELSEWHERE, 0));
    sim.run(secs(10));
    assert_eq!((sim.sees(0, 1), sim.sees(1, 0)), (Rung::P720, Rung::P720), "wired in equivalent mode");
    sim.ends[1].report = Some((ReportSource::WechatMiniProgram, NetworkClass::FourG));
    sim.ends[1].cost = 900;
    let changed = sim.until(secs(10), |sim| sim.pair(0, 1).hd != HdReason::Granted).expect("the class");
    sim.run(Duration::from_millis(1_500));
    assert_eq!(sim.sees(0, 1), Rung::P360, "as soon as 360 lines are sent, {changed:?}");
}

#[test]
fn bandwidth_only_takes_what_the_estimate_pays_for_whatever_the_class() {
    let mut sim = pair(AdaptationPolicy::BandwidthOnly, HdMode::Strict, (ELSEWHERE, 980));
    sim.run(secs(10));
    assert_eq!(sim.sees(0, 1), Rung::P720, "2G and all");
    assert_eq!(sim.adaptation.least_pace(), None);
    for _ in 0..5 {
        sim.ends[1].downlink = kbps(1_000);
        sim.run(Duration::from_millis(100));
        let sent = sim.sent_to(sim.ends[1].id);
        assert!(sent > Bitrate::ZERO && sent <= kbps(900), "{sent}");
        assert!(sim.sees(0, 1) <= Rung::P480);
        sim.ends[1].downlink = kbps(20_000);
        let back = sim.until(secs(10), |sim| sim.sees(0, 1) == Rung::P720).expect("HD again");
        assert!(back <= secs(2), "as soon as the estimate is there: {back:?}");
        sim.run(secs(1));
    }
}
