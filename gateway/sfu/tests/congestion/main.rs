//! Congestion control and pacer over an emulated link, with a source that behaves as the allocator does.
//! `cargo test -p sfu --test congestion -- --nocapture` prints the figures; `TRACE=1` prints every 50 ms.

mod fairness;
mod recovery;
mod schedules;
mod source;
mod subscriber;
mod tcp;
mod voice;
mod world;

use std::time::Duration;

use link::{Jitter, LinkSettings, Loss};
use protocol::network_class::NetworkClass;
use protocol::units::{Bitrate, DataSize};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sfu::congestion::{CongestionController, PacketClass, PacketStatus, SentPacket, StartRate};

use source::Source;
use subscriber::SLICE;
use world::{World, figure, hd_grade, kbps, link_of, ms, origin, secs, unknown};

#[test]
fn a_step_down_is_obeyed_and_a_step_up_is_found() {
    let (good, bad) = (Bitrate::mbps(5), kbps(500));
    let world = World::new(link_of(good), 1)
        .flow(Source::layered(), hd_grade())
        .change(40_000, link_of(bad))
        .change(70_000, link_of(good))
        .run(100);
    world.trace(0, 0, 6_000);
    world.trace(0, 39_800, 44_000);
    world.trace(0, 69_000, 76_000);
    let story = "step 5/0.5/5 Mbit/s";
    let join = world.shows(0, 1_700, 0);
    let settled = world.settles_under(0, bad, 40_000);
    let far_above = world.far_above(0, bad, 40_000, 43_000);
    let queue = world.link_delay_p95(41_000, 70_000);
    let hd = world.shows(0, 1_700, 70_000);
    let back = world.reaches(0, good.scaled(0.8), 70_000);
    let bad_use = world.offered(0, 45_000, 69_000).ratio_of(bad);
    let gap = world.longest_audio_gap(0, 39_000, 75_000);
    figure(story, "HD after the join", join);
    figure(story, "offered at or below capacity after the drop", settled);
    figure(story, "time above 1.5 times capacity", far_above);
    figure(story, "queue of the link at 0.5 Mbit/s, p95", queue);
    figure(story, "use at 0.5 Mbit/s", bad_use);
    figure(story, "longest gap of audio", gap);
    figure(story, "HD after the rise", hd);
    figure(story, "80 % of the link after the rise", back);
    assert!(join <= secs(2), "{join:?}");
    assert!(settled <= ms(1_000), "{settled:?}");
    assert!(far_above <= ms(200), "{far_above:?}");
    assert!(queue <= ms(150), "{queue:?}");
    assert!(hd <= secs(3), "{hd:?}");
    assert!(back <= secs(5), "{back:?}");
}

#[test]
fn one_flow_follows_a_changing_link() {
    // RFC 8867 §5.1.
    let phases = [(0, 1_000), (40_000, 2_500), (60_000, 600), (80_000, 1_000), (100_000, 1_000)];
    for (name, source) in [("backlog", Source::Elastic), ("layered", Source::layered())] {
        let settings = |rate| LinkSettings::default().capacity(kbps(rate)).delay(ms(50)).queue(ms(300));
        let mut world = World::new(settings(phases[0].1), 2).flow(source, unknown());
        for (at, rate) in &phases[1..4] {
            world = world.change(*at, settings(*rate));
        }
        let world = world.run(100);
        world.trace(0, 59_900, 63_500);
        let story = format!("RFC 8867 5.1, {name}");
        for pair in phases.windows(2) {
            let ((from, rate), (to, _)) = (pair[0], pair[1]);
            let used = world.offered(0, from + 5_000, to).ratio_of(kbps(rate));
            let queue = world.link_delay_p95(from + 3_000, to);
            figure(&story, &format!("at {rate} kbit/s: use, queue p95"), (used, queue));
            assert!(queue <= ms(150), "{queue:?}");
            assert!(used <= 1.02, "{used}");
            if name == "backlog" {
                assert!(used >= 0.75, "{used}");
            }
        }
        let settled = world.settles_under(0, kbps(600), 60_000);
        figure(&story, "offered at or below capacity after the drop", settled);
        assert!(settled <= ms(1_000), "{settled:?}");
    }
}

#[test]
fn a_blackout_stops_video_and_ends_in_hd() {
    for (outage, name) in [(2_000, "2 s"), (8_000, "8 s")] {
        let good = link_of(Bitrate::mbps(4));
        let world = World::new(good.clone(), 3)
            .flow(Source::layered(), hd_grade())
            .change(20_000, good.clone().outage())
            .change(20_000 + outage, good)
            .run(45);
        world.trace(0, 19_800, 26_000);
        let story = format!("blackout of {name}");
        let before = world.offered(0, 19_000, 20_000);
        let target = world.slices(0, 20_000, 20_050)[0].target;
        let slices = world.slices(0, 20_000, 22_000);
        let halved = slices.iter().position(|slice| slice.target <= target.scaled(0.5));
        let halved = halved.map_or(Duration::MAX, |index| SLICE * index as u32);
        let silent = world.offered(0, 21_100, 20_000 + outage);
        let after = world.offered(0, 20_000 + outage, 20_500 + outage);
        let hd = world.shows(0, 1_700, 20_000 + outage);
        figure(&story, "offered before", before);
        figure(&story, "rate halved after", halved);
        figure(&story, "offered once feedback is lost", silent);
        figure(&story, "offered in the half second after", after);
        figure(&story, "HD after the link's return", hd);
        assert!(halved <= ms(350), "{halved:?}");
        assert!(silent <= kbps(50), "{silent}");
        assert!(hd <= secs(2), "{hd:?}");
    }
}

#[test]
fn random_loss_does_not_push_a_flow_down() {
    for percent in [0.0, 1.0, 5.0, 10.0] {
        let capacity = Bitrate::mbps(2);
        let settings = link_of(capacity).loss(Loss::percent(percent));
        let world = World::new(settings, 4).flow(Source::Elastic, hd_grade()).run(60);
        let used = world.offered(0, 5_000, 60_000).ratio_of(capacity);
        figure(
            &format!("loss of {percent} %"),
            "use, estimated loss",
            (used, world.flows[0].controller.estimate().loss),
        );
        world.trace(0, 0, 20_000);
        assert!(used >= 0.85, "{percent} %: {used}");
        let world = World::new(link_of(Bitrate::mbps(4)).loss(Loss::percent(percent)), 5)
            .flow(Source::layered(), hd_grade())
            .run(60);
        let hd = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
        let share = hd as f64 / 1_100.0;
        figure(&format!("loss of {percent} %"), "share of HD at 4 Mbit/s", share);
        assert!(share >= 0.9, "{percent} %: {share}");
    }
}

#[test]
fn two_flows_share() {
    for (seed, late) in [(6, 0), (7, 10)] {
        let capacity = Bitrate::mbps(4);
        let world = World::new(link_of(capacity), seed)
            .flow(Source::Elastic, unknown())
            .flow_from(Source::Elastic, unknown(), late)
            .run(120);
        let rates = [world.offered(0, 40_000, 120_000), world.offered(1, 40_000, 120_000)];
        let [a, b] = rates.map(|rate| rate.as_bps() as f64);
        let jain = (a + b).powi(2) / (2.0 * (a * a + b * b));
        let used = (rates[0] + rates[1]).ratio_of(capacity);
        figure("two flows", &format!("the second after {late} s: rates, Jain, use"), (rates, jain, used));
        world.trace(0, 0, 15_000);
        assert!(jain >= 0.9, "{jain}");
        assert!(used >= 0.75, "{used}");
    }
}

#[test]
fn jitter_alone_does_not_collapse_the_rate() {
    for (name, jitter) in
        [("normal, 20 ms", Jitter::Normal(ms(20))), ("even, ±15 ms", Jitter::Uniform(ms(15)))]
    {
        for (order, settings) in [
            ("kept", link_of(Bitrate::mbps(4)).delay(ms(60)).jitter(jitter)),
            ("free", link_of(Bitrate::mbps(4)).delay(ms(60)).jitter(jitter).reordering()),
        ] {
            let world = World::new(settings, 8).flow(Source::layered(), hd_grade()).run(60);
            let hd = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
            let share = hd as f64 / 1_100.0;
            let least = world.slices(0, 5_000, 60_000).iter().map(|slice| slice.target).min();
            figure("jitter", &format!("{name}, order {order}: HD share, least target"), (share, least));
            world.trace(0, 0, 20_000);
            assert!(share >= 0.9, "{share}");
        }
    }
}

#[test]
fn a_thin_source_learns_that_hd_fits() {
    for (capacity, fits) in [(5_000, true), (1_200, false)] {
        let world = World::new(link_of(kbps(capacity)), 9)
            .flow(Source::Thin { rate: 300, next: 1_700 }, unknown())
            .run(30);
        let learnt = world.reaches(0, kbps(2_000), 0);
        let overhead = world.offered(0, 10_000, 30_000);
        let queue = world.link_delay_p95(5_000, 30_000);
        figure(
            "thin source",
            &format!("at {capacity} kbit/s: learnt after, sent, queue p95"),
            (learnt, overhead, queue),
        );
        world.trace(0, 0, 10_000);
        assert_eq!(learnt <= secs(3), fits);
        assert!(overhead <= kbps(400), "{overhead}");
        assert!(queue <= ms(80), "{queue:?}");
    }
}

#[test]
fn a_longer_path_is_no_congestion() {
    let near = link_of(Bitrate::mbps(4));
    let world = World::new(near.clone(), 12)
        .flow(Source::layered(), hd_grade())
        .change(15_000, near.clone().delay(ms(80)))
        .change(30_000, near.delay(ms(150)))
        .run(60);
    world.trace(0, 29_900, 35_000);
    let hd = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
    let share = hd as f64 / 1_100.0;
    figure("delay 30/80/150 ms", "share of HD", share);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn pictures_share_a_link() {
    // Three subscribers behind one access link, joining one after the other.
    let capacity = Bitrate::kbps(3_500);
    let world = World::new(link_of(capacity).delay(ms(50)).queue(ms(300)), 13)
        .flow(Source::layered(), hd_grade())
        .flow_from(Source::layered(), hd_grade(), 20)
        .flow_from(Source::layered(), hd_grade(), 40)
        .run(120);
    let rates = [0, 1, 2].map(|flow| world.offered(flow, 60_000, 120_000));
    let used = rates.into_iter().sum::<Bitrate>().ratio_of(capacity);
    let queue = world.link_delay_p95(60_000, 120_000);
    let switches = [0, 1, 2].map(|flow| {
        world.slices(flow, 60_000, 120_000).windows(2).filter(|pair| pair[0].video != pair[1].video).count()
    });
    figure("three pictures", "rates, use, queue p95, switches a minute", (rates, used, queue, switches));
    world.trace(0, 60_000, 80_000);
    assert!(queue <= ms(150), "{queue:?}");
    assert!(used >= 0.5, "{used}");
    assert!(rates.iter().all(|rate| *rate >= kbps(300)), "{rates:?}");
}

#[test]
fn the_lowest_rung_lives_on_a_bad_link() {
    for capacity in [80, 130, 200, 300] {
        let settings = link_of(kbps(capacity)).delay(ms(150)).queue(ms(1_500));
        let world =
            World::new(settings, 14).flow(Source::layered(), StartRate::of(NetworkClass::TwoG)).run(60);
        let shown = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video > Bitrate::ZERO).count()
            as f64
            / 1_100.0;
        let queue = world.link_delay_p95(5_000, 60_000);
        let used = world.offered(0, 5_000, 60_000).ratio_of(kbps(capacity));
        figure(&format!("{capacity} kbit/s"), "share with a picture, use, queue p95", (shown, used, queue));
        world.trace(0, 0, 20_000);
        assert!(used <= 1.02, "{used}");
        assert!(shown >= if capacity >= 130 { 0.9 } else { 0.0 }, "{shown}");
        assert!(queue <= ms(400), "{queue:?}");
    }
}

#[test]
fn a_liar_cannot_raise_the_rate() {
    let start = origin();
    let mut controller = CongestionController::new(start, unknown());
    let mut rng = StdRng::seed_from_u64(10);
    let size = DataSize::bytes(500);
    for turn in 0..2_000_u32 {
        let now = start + ms(20) * turn;
        let sequence =
            controller.handle_sent(now, SentPacket { class: PacketClass::Video, size, probe: None });
        // Claims arrivals of what was never sent, at absurd times, over and over.
        let lies: Vec<_> = (0..50_u16)
            .map(|ahead| PacketStatus {
                sequence: sequence.wrapping_add(ahead),
                arrival: rng.random_bool(0.9).then(|| Duration::from_nanos(rng.random())),
            })
            .collect();
        controller.handle_feedback(now + ms(10), &lies);
        controller.handle_timeout(now + ms(10));
        let _ = controller.poll_probe(now + ms(10));
        let estimate = controller.estimate();
        assert!(estimate.target <= kbps(600), "{}", estimate.target);
        assert!(estimate.loss.is_finite() && (0.0..=1.0).contains(&estimate.loss));
        assert!(estimate.queue_delay <= secs(10) && estimate.rtt <= secs(2));
    }
}

#[test]
fn a_shallow_queue_shows_a_step_by_loss() {
    // A queue of 20 ms leaves no delay to see.
    for rate in [500, 1_500] {
        let settings = |rate| link_of(rate).queue(ms(20));
        let world = World::new(settings(Bitrate::mbps(5)), 5)
            .flow(Source::layered(), hd_grade())
            .change(20_000, settings(kbps(rate)))
            .change(40_000, settings(Bitrate::mbps(5)))
            .run(50);
        world.trace(0, 19_900, 23_000);
        let settled = world.settles_under(0, kbps(rate), 20_000);
        let hd = world.shows(0, 1_700, 40_000);
        figure("a queue of 20 ms", &format!("5 to {rate} kbit/s: settled, HD after the rise"), (settled, hd));
        assert!(settled <= ms(1_000), "{settled:?}");
        assert!(hd <= secs(3), "{hd:?}");
    }
}

#[test]
fn short_runs_of_loss_cost_no_rate() {
    // The radio loses everything during 60 ms of each second.
    let good = link_of(Bitrate::mbps(20));
    let mut world = World::new(good.clone(), 11).flow(Source::layered(), hd_grade());
    for second in 3..40 {
        world = world.change(second * 1_000, good.clone().outage()).change(second * 1_000 + 60, good.clone());
    }
    let world = world.run(40);
    let hd = world.slices(0, 5_000, 40_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
    let share = hd as f64 / 700.0;
    figure("losses of 60 ms", "share of HD", share);
    world.trace(0, 3_000, 10_000);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn steady_bursts_of_a_radio_are_no_congestion() {
    // The radio sleeps 60 ms of each second, then delivers what has gathered.
    let good = link_of(Bitrate::mbps(20)).queue(DataSize::bytes(256 * 1024));
    let mut world = World::new(good.clone(), 11).flow(Source::layered(), hd_grade());
    for second in 3..40 {
        world = world.change(second * 1_000, good.clone().outage()).change(second * 1_000 + 60, good.clone());
    }
    let world = world.run(40);
    let hd = world.slices(0, 5_000, 40_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
    let share = hd as f64 / 700.0;
    figure("pauses of 60 ms", "share of HD", share);
    world.trace(0, 3_000, 10_000);
    assert!(share >= 0.9, "{share}");
}
