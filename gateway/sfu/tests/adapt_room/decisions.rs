//! What a participant comes to see of another, and when.

use std::time::Duration;

use protocol::id::ParticipantId;
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::network_class::{NetworkClass, ReportSource};
use protocol::quality::{HdMode, HdReason, RungReason};
use protocol::track::{Role, TrackSource};
use protocol::units::Bitrate;
use sfu::adapt::Publication;

use crate::simulation::{Change, ELSEWHERE, FIVE_G, STEP, Sim, five_g_pair, kbps, secs};

#[test]
fn a_5g_pair_starts_in_hd() {
    let mut sim = five_g_pair(kbps(20_000));
    let hd = |sim: &Sim| sim.sees(0, 1) == Rung::P720 && sim.sees(1, 0) == Rung::P720;
    let time = sim.until(secs(20), hd).expect("HD");
    assert!(time <= Duration::from_millis(4_500), "{time:?}: {:?}", sim.rungs);
    sim.run(secs(120));
    assert!(hd(&sim));
    assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Best);
    let first = sim.rungs.iter().position(|change| change.2 == Rung::P720).expect("HD");
    assert!(sim.rungs.len() <= first + 2, "a good link does not flap: {:?}", sim.rungs);
}

#[test]
fn an_end_that_becomes_4g_takes_the_pair_below_hd_within_five_seconds() {
    for down in
        [(ReportSource::Shell, NetworkClass::FourG), (ReportSource::WechatMiniProgram, NetworkClass::FourG)]
    {
        let mut sim = five_g_pair(kbps(20_000));
        sim.run(secs(20));
        assert_eq!(sim.sees(0, 1), Rung::P720);
        sim.ends[1].report = Some(down);
        let lowered = |sim: &Sim| sim.sees(0, 1) <= Rung::P480 && sim.sees(1, 0) <= Rung::P480;
        let time = sim.until(secs(10), lowered).expect("lowered");
        assert!(time <= secs(5), "{down:?}: {time:?}");
        assert_eq!(sim.pair(0, 1).hd, HdReason::SubscriberClass);
        assert_eq!(sim.pair(1, 0).hd, HdReason::PublisherClass);
        sim.run(secs(10));
        assert_eq!(sim.sees(0, 1), Rung::P480);
        assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Class);
        let plan = sim.ends[0].plan.clone().expect("a plan");
        assert!(!plan.encodings[2].active, "HD is off at its source");
    }
}

#[test]
fn hd_returns_when_5g_does() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FourG));
    sim.run(secs(30));
    sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FiveG));
    let time = sim.until(secs(60), |sim| sim.sees(0, 1) == Rung::P720).expect("HD again");
    assert!(time > secs(9) && time < secs(13), "the dwell and the agreement: {time:?}");
}

#[test]
fn claims_alone_never_yield_hd() {
    for source in [ReportSource::NetworkInformation, ReportSource::Shell] {
        for cost in [50, 900, 999] {
            for class in [NetworkClass::FiveG, NetworkClass::Wifi, NetworkClass::Wired] {
                let mut sim = Sim::new(HdMode::Equivalent);
                sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
                sim.join(Role::Patient, ELSEWHERE, cost, kbps(20_000));
                sim.ends[1].report = Some((source, class));
                sim.run(secs(60));
                assert!(sim.sees(0, 1) <= Rung::P480, "{source:?} {cost} {class}: {:?}", sim.pair(0, 1));
                assert!(!sim.hd.iter().any(|(_, reason)| *reason == HdReason::Granted));
            }
        }
    }
}

#[test]
fn a_label_without_the_bandwidth_yields_no_hd() {
    let mut sim = five_g_pair(kbps(1_200));
    sim.run(secs(120));
    assert!(sim.rungs.iter().all(|change| change.2 <= Rung::P480), "{:?}", sim.rungs);
    assert_ne!(sim.pair(0, 1).hd, HdReason::Granted);
}

#[test]
fn an_uplink_that_cannot_carry_hd_loses_its_permission() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.ends[0].uplink = kbps(1_100);
    sim.run(secs(15));
    assert_eq!(sim.sees(0, 1), Rung::P480);
    assert_eq!(sim.sees(1, 0), Rung::P720, "the other direction is its own pair");
    assert!(sim.hd.iter().any(|(_, reason)| *reason == HdReason::UplinkUnproven), "{:?}", sim.hd);
    let plan = sim.ends[0].plan.clone().expect("a plan");
    assert!(!plan.encodings[2].active);
}

#[test]
fn an_overloaded_encoder_loses_hd() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    let (now, camera) = (sim.now, sim.ends[0].camera);
    sim.adaptation.handle_encoder_limit(now, camera, EncoderLimit::Cpu);
    let time = sim.until(secs(10), |sim| sim.sees(0, 1) <= Rung::P480).expect("relief");
    assert!(time <= secs(4), "{time:?}");
    assert!(sim.hd.iter().any(|(_, reason)| *reason == HdReason::EncoderLimited));
}

#[test]
fn a_lossy_or_distant_link_is_found_out() {
    let worsen: [(&str, Change, HdReason); 2] = [
        ("loss", |end| end.uplink_loss = 0.08, HdReason::Loss),
        ("rtt", |end| end.rtt = Duration::from_millis(400), HdReason::RoundTrip),
    ];
    for (name, worsen, reason) in worsen {
        let mut sim = five_g_pair(kbps(20_000));
        sim.run(secs(15));
        worsen(&mut sim.ends[0]);
        sim.run(secs(5));
        assert!(sim.sees(0, 1) <= Rung::P480, "{name}");
        assert!(sim.hd.iter().any(|(_, said)| *said == reason), "{name}: {:?}", sim.hd);
    }
}

#[test]
fn a_short_shortage_costs_frames_and_a_lasting_one_lines() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    let changes = sim.rungs.len();
    sim.ends[1].downlink = kbps(1_250);
    sim.run(STEP);
    let sent = sim.sent_to(sim.ends[1].id);
    assert!(sent <= kbps(1_250), "at once less is sent: {sent}");
    sim.run(secs(1));
    sim.ends[1].downlink = kbps(20_000);
    sim.run(secs(20));
    assert_eq!(sim.rungs.len(), changes, "{:?}", sim.rungs);
    assert_eq!(sim.sees(0, 1), Rung::P720);
    sim.ends[1].downlink = kbps(1_250);
    let time = sim.until(secs(10), |sim| sim.sees(0, 1) == Rung::P480).expect("480 lines at full rate");
    assert!(time >= secs(1) && time <= secs(3), "{time:?}");
}

#[test]
fn a_fall_of_the_downlink_is_followed_in_the_same_report() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    sim.ends[1].downlink = kbps(600);
    sim.run(STEP);
    let sent = sim.sent_to(sim.ends[1].id);
    assert!(sent <= kbps(600), "{sent}");
    assert_eq!(sim.sees(1, 0), Rung::P720, "the other direction is not touched");
    assert_eq!(sim.pair(0, 1).hd, HdReason::Granted, "a dip lowers the rung and not the permission");
    sim.run(secs(2));
    sim.ends[1].downlink = kbps(20_000);
    let floor = sim.until(secs(20), |sim| sim.sees(0, 1) >= Rung::P480).expect("the floor");
    let hd = sim.until(secs(20), |sim| sim.sees(0, 1) >= Rung::P720).expect("HD");
    assert!(floor <= secs(4), "{floor:?}");
    assert!(floor + hd <= secs(10), "{hd:?}");
}

#[test]
fn there_is_always_a_picture_that_fits() {
    for rate in [110, 200, 300, 450, 700, 1_000, 1_500, 2_200, 3_000] {
        let mut sim = five_g_pair(kbps(5_000));
        sim.ends[1].downlink = kbps(rate);
        sim.run(secs(30));
        let sent = sim.sent_to(sim.ends[1].id);
        assert!(sent > Bitrate::ZERO, "{rate}");
        assert!(sent <= kbps(rate), "{rate}: {sent}");
        let late = sim.rungs.iter().filter(|change| change.0 > secs(20)).count();
        assert_eq!(late, 0, "{rate}: {:?}", sim.rungs);
    }
}

#[test]
fn a_narrow_pair_gets_360_lines_from_its_publisher() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.ends[1].downlink = kbps(550);
    sim.run(secs(40));
    assert_eq!(sim.sees(0, 1), Rung::P360, "{:?}", sim.rungs);
}

#[test]
fn an_unsteady_link_does_not_flap() {
    let mut sim = five_g_pair(kbps(20_000));
    for step in 0..120 {
        sim.ends[1].downlink = if step % 2 == 0 { kbps(1_300) } else { kbps(2_600) };
        sim.run(secs(2));
    }
    let seen = sim.rungs.len();
    assert!(seen <= 24, "{seen} changes in four minutes: {:?}", sim.rungs);
}

#[test]
fn tiles_decide_what_is_sent() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    let (now, subscriber, camera) = (sim.now, sim.ends[1].id, sim.ends[0].camera);
    sim.adaptation.handle_subscribe(now, subscriber, camera, 180);
    sim.run(secs(1));
    assert_eq!(sim.sees(0, 1), Rung::P180);
    assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Viewport);
    assert_eq!(sim.pair(0, 1).hd, HdReason::Granted, "a small tile costs no permission");
    let now = sim.now;
    sim.adaptation.handle_subscribe(now, subscriber, camera, 0);
    sim.run(secs(1));
    assert_eq!(sim.sees(0, 1), Rung::AudioOnly);
    let now = sim.now;
    sim.adaptation.handle_subscribe(now, subscriber, camera, 900);
    sim.run(secs(12));
    assert_eq!(sim.sees(0, 1), Rung::P720);
}

#[test]
fn muted_cameras_keep_their_layers() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    let (now, camera) = (sim.now, sim.ends[0].camera);
    sim.adaptation.handle_mute(now, camera, true);
    assert_eq!((sim.sees(0, 1), sim.pair(0, 1).rung_reason), (Rung::AudioOnly, RungReason::Muted));
    sim.run(secs(60));
    let now = sim.now;
    sim.adaptation.handle_mute(now, camera, false);
    assert_eq!(sim.sees(0, 1), Rung::P720);
}

#[test]
fn the_consultation_comes_before_the_audience() {
    let mut sim = Sim::new(HdMode::Equivalent);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Patient, FIVE_G, 50, kbps(20_000));
    for _ in 0..6 {
        sim.join(Role::Observer, FIVE_G, 50, kbps(20_000));
    }
    sim.ends[0].downlink = kbps(1_500);
    sim.run(secs(30));
    assert!(sim.sees(1, 0) >= Rung::P480, "{:?}", sim.adaptation.quality(sim.ends[0].id));
    let thumbnails = (2..8).filter(|publisher| sim.sees(*publisher, 0) == Rung::P180).count();
    assert!(thumbnails >= 2, "{:?}", sim.adaptation.quality(sim.ends[0].id));
    assert_eq!(sim.sees(0, 3), Rung::P720);
}

/// A player is measured five times a second; what cannot wait for that does not.
#[test]
fn a_player_whose_link_gives_out_gets_less_at_once() {
    let mut sim = Sim::new(HdMode::Equivalent);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    let player = sim.join_as(Role::Observer, false, FIVE_G, 50, kbps(20_000));
    sim.run(secs(20));
    let player_id = sim.ends[player].id;
    let before = sim.sent_to(player_id);
    assert!(before >= kbps(700), "{before}");
    sim.ends[player].downlink = kbps(400);
    sim.run(STEP);
    let after = sim.sent_to(player_id);
    assert!(after <= kbps(400), "{before} to {after}");
}

#[test]
fn a_third_on_3g_lowers_only_its_own_pairs() {
    let mut sim = Sim::new(HdMode::Equivalent);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Patient, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Family, ELSEWHERE, 910, kbps(1_500));
    sim.run(secs(20));
    assert_eq!(sim.sees(0, 1), Rung::P720);
    assert!(sim.sees(0, 2) <= Rung::P360 && sim.sees(0, 2) > Rung::AudioOnly);
    assert!(sim.sees(2, 0) <= Rung::P360 && sim.sees(2, 0) > Rung::AudioOnly);
}

#[test]
fn a_plan_comes_with_the_track_and_the_encoder_starts_for_who_has_just_come() {
    let mut sim = Sim::new(HdMode::Strict);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.drain();
    let shape = |sim: &Sim, end: usize| {
        let plan = sim.ends[end].plan.clone().expect("a plan");
        plan.encodings.iter().map(|encoding| encoding.active.then_some(encoding.rung)).collect::<Vec<_>>()
    };
    let (now, patient) = (sim.now, ParticipantId::from_bits(77));
    sim.adaptation.handle_publish(
        now,
        Publication {
            track: sim.ends[0].camera,
            publisher: sim.ends[0].id,
            source: TrackSource::Camera,
            mid: "1".into(),
            rids: ["low", "mid", "high"].map(str::to_owned).to_vec(),
        },
    );
    sim.drain();
    assert_eq!(shape(&sim, 0), [None, None, None], "nobody is there");
    sim.adaptation.handle_join(now, patient, Role::Patient, true);
    sim.drain();
    assert_eq!(shape(&sim, 0), [Some(Rung::P180), Some(Rung::P480), None]);
    sim.adaptation.handle_address(now, patient, FIVE_G.parse().expect("an address"));
    sim.drain();
    assert_eq!(shape(&sim, 0), [Some(Rung::P180), Some(Rung::P480), Some(Rung::P720)]);
    sim.run(secs(10));
    assert_eq!(shape(&sim, 0), [None, None, None], "it did not subscribe");
}

#[test]
fn nobody_watching_means_nothing_sent() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(10));
    let (now, patient) = (sim.now, sim.ends[1].id);
    sim.adaptation.handle_leave(now, patient);
    sim.ends.truncate(1);
    sim.run(secs(1));
    let plan = sim.ends[0].plan.clone().expect("a plan");
    assert!(plan.encodings.iter().all(|encoding| !encoding.active));
}

#[test]
fn wifi_is_hd_grade_in_equivalent_mode_only() {
    for (mode, rung) in [(HdMode::Equivalent, Rung::P720), (HdMode::Strict, Rung::P480)] {
        let mut sim = Sim::new(mode);
        sim.join(Role::Clinician, ELSEWHERE, 0, kbps(20_000));
        sim.join(Role::Patient, ELSEWHERE, 10, kbps(20_000));
        sim.run(secs(10));
        assert_eq!(sim.sees(0, 1), rung, "{mode:?}: {:?}", sim.pair(0, 1));
    }
}
