//! What a publisher's page says of its encoders, and what its uplink is known to carry.

use std::time::Duration;

use protocol::decision::UplinkDecision;
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::quality::HdMode;
use protocol::track::Role;
use protocol::units::Bitrate;
use sfu::relay::WorkerId;

use crate::simulation::{ELSEWHERE, Sim, WIRED, five_g_pair, kbps, secs};

fn say(sim: &mut Sim, limit: EncoderLimit) {
    let (now, camera) = (sim.now, sim.ends[0].camera);
    sim.adaptation.handle_encoder_limit(now, camera, limit);
}

/// What the decisions tell of the first end's uplink.
fn told(sim: &Sim) -> UplinkDecision {
    let decisions = sim.adaptation.explain(sim.now);
    let own = decisions.participants.iter().find(|one| one.participant == sim.ends[0].id);
    own.expect("somebody who is there").uplink
}

fn rungs_asked_for(sim: &Sim) -> Vec<Rung> {
    let plan = sim.ends[0].plan.as_ref().expect("a plan");
    plan.encodings.iter().filter(|encoding| encoding.active).map(|encoding| encoding.rung).collect()
}

/// A pair in HD.
fn pair() -> Sim {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    assert_eq!(sim.sees(0, 1), Rung::P720);
    sim
}

#[test]
fn an_uplink_that_the_page_calls_short_is_asked_for_what_it_carries() {
    let mut sim = pair();
    sim.ends[0].uplink = kbps(1_600);
    sim.run(secs(1));
    say(&mut sim, EncoderLimit::Bandwidth);
    sim.run(secs(9));
    assert_eq!(rungs_asked_for(&sim), [Rung::P180, Rung::P480], "once it was invited to probe in vain");
    assert_eq!(told(&sim).encoder, EncoderLimit::Bandwidth);
    assert!(told(&sim).carries_bps.is_some_and(|carries| carries <= kbps(1_600)), "{:?}", told(&sim));
    sim.ends[0].uplink = kbps(20_000);
    say(&mut sim, EncoderLimit::None);
    let time = sim.until(secs(60), |sim| sim.sees(0, 1) == Rung::P720).expect("HD again");
    assert!(time <= secs(20), "{time:?}");
    sim.run(secs(40));
    assert_eq!(sim.sees(0, 1), Rung::P720);
    assert_eq!(rungs_asked_for(&sim), [Rung::P180, Rung::P480, Rung::P720]);
    assert_eq!(told(&sim).carries_bps, None, "and the limit is forgotten");
}

#[test]
fn a_browser_that_believes_in_too_little_is_asked_for_little_and_then_for_everything() {
    let mut sim = pair();
    sim.ends[0].uplink = kbps(300);
    sim.run(secs(2));
    say(&mut sim, EncoderLimit::Bandwidth);
    let rate = |sim: &Sim| {
        let plan = sim.ends[0].plan.as_ref().expect("a plan");
        let active = plan.encodings.iter().filter(|encoding| encoding.active);
        active.map(|encoding| encoding.max_bitrate_bps).sum::<Bitrate>()
    };
    let rest = sim.until(secs(2), |sim| rate(sim) <= kbps(60));
    assert!(rest.is_some(), "asked for {:?}", rate(&sim));
    let resting = sim.until(secs(5), |sim| rungs_asked_for(sim) == [Rung::P180, Rung::P480, Rung::P720]);
    assert!(resting.is_some_and(|time| (secs(1)..secs(3)).contains(&time)), "{resting:?}");
}

#[test]
fn a_word_about_bandwidth_takes_nothing_where_everything_comes() {
    let mut sim = pair();
    let before = sim.rungs.len();
    for _ in 0..8 {
        say(&mut sim, EncoderLimit::Bandwidth);
        sim.run(secs(15));
        assert_eq!(sim.sees(0, 1), Rung::P720);
    }
    assert_eq!(sim.rungs.len(), before, "{:?}", sim.rungs);
    assert_eq!(told(&sim).carries_bps, None);
}

#[test]
fn a_word_that_is_not_repeated_is_forgotten() {
    let mut sim = pair();
    say(&mut sim, EncoderLimit::Cpu);
    sim.run(secs(5));
    assert_eq!(sim.sees(0, 1), Rung::P480);
    assert_eq!(told(&sim).encoder, EncoderLimit::Cpu);
    sim.run(secs(25));
    assert_eq!(sim.sees(0, 1), Rung::P480, "for a while it stands");
    let time = sim.until(secs(60), |sim| sim.sees(0, 1) == Rung::P720).expect("HD again");
    assert!(time >= secs(9), "the word counts for forty seconds: {time:?}");
    assert_eq!(told(&sim).encoder, EncoderLimit::None);
}

#[test]
fn a_word_that_is_repeated_stands() {
    let mut sim = pair();
    for _ in 0..12 {
        say(&mut sim, EncoderLimit::Cpu);
        sim.run(secs(15));
        assert!(sim.sees(0, 1) <= Rung::P480);
    }
    say(&mut sim, EncoderLimit::None);
    assert!(sim.until(Duration::from_secs(60), |sim| sim.sees(0, 1) == Rung::P720).is_some());
}

#[test]
fn the_only_picture_of_a_device_is_shown_where_nothing_speaks_against_it() {
    for (publisher, steerable, watcher, downlink, expected) in [
        (ELSEWHERE, false, (ELSEWHERE, 50), 20_000, Rung::P720),
        (WIRED, false, (WIRED, 50), 20_000, Rung::P720),
        (WIRED, true, (WIRED, 50), 20_000, Rung::AudioOnly),
        (ELSEWHERE, false, (ELSEWHERE, 910), 20_000, Rung::AudioOnly),
        (ELSEWHERE, false, (ELSEWHERE, 50), 700, Rung::AudioOnly),
    ] {
        let mut sim = Sim::new(HdMode::Strict);
        sim.join_as(Role::Device, steerable, publisher, 50, kbps(20_000));
        sim.join(Role::Observer, watcher.0, watcher.1, kbps(downlink));
        sim.sends_only(0, 720);
        sim.run(secs(10));
        for _ in 0..100 {
            sim.run(Duration::from_millis(200));
            assert_eq!(sim.sees(0, 1), expected, "{publisher} {steerable} to {watcher:?} {downlink}");
        }
    }
}

#[test]
fn what_players_on_another_worker_have_a_use_for_is_sent() {
    let mut sim = Sim::new(HdMode::Strict);
    sim.join(Role::Clinician, WIRED, 50, kbps(20_000));
    sim.run(secs(10));
    assert_eq!(rungs_asked_for(&sim), [], "nobody watches");
    let (camera, hall) = (sim.ends[0].camera, WorkerId(1));
    sim.adaptation.handle_hall_wish(camera, hall, Rung::P360);
    sim.run(secs(2));
    assert_eq!(rungs_asked_for(&sim).last(), Some(&Rung::P360));
    sim.adaptation.handle_hall_wish(camera, hall, Rung::AudioOnly);
    sim.run(secs(10));
    assert_eq!(rungs_asked_for(&sim), [], "they have left");
}
