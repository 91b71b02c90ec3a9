//! What is no congestion, and what comes after congestion: radio pauses, new paths, policers, outages, and
//! the faults that were seen in others.

use std::time::Duration;

use link::{LinkSettings, Loss};
use protocol::units::{Bitrate, DataSize};

use crate::hold;
use crate::source::Source;
use crate::world::{World, figure, hd_grade, kbps, link_of, ms, secs, seeds};

const HD: u64 = 1_700;

/// A radio that holds everything back for a moment and then delivers it.
fn pausing(world: World, link: &LinkSettings, pauses: impl IntoIterator<Item = (u64, u64)>) -> World {
    let deep = link.clone().queue(DataSize::bytes(1 << 20));
    pauses.into_iter().fold(world, |world, (at, length)| {
        world.change(at, deep.clone().outage()).change(at + length, deep.clone())
    })
}

#[test]
fn a_radio_that_pauses_is_not_congested() {
    // Handovers and scheduling: 50 to 250 ms, loss-free, every second or two.
    for seed in seeds(41) {
        for (length, every) in [(50, 1_000), (100, 1_000), (150, 1_500), (250, 2_000)] {
            for rate in [6, 20] {
                let link = link_of(Bitrate::mbps(rate)).queue(DataSize::bytes(1 << 20));
                let world = World::new(link.clone(), seed).flow(Source::camera(), hd_grade());
                let pauses = (3_000..40_000).step_by(every).map(|at| (at + seed * 13 % 100, length));
                let world = pausing(world, &link, pauses).run(42);
                world.trace(0, 3_000, 10_000);
                let share = world.share(0, HD, 5_000, 40_000);
                let least = world.slices(0, 5_000, 40_000).iter().map(|slice| slice.target).min();
                let story = format!("pauses of {length} ms at {rate} Mbit/s");
                figure(&story, &format!("seed {seed}: HD, least target"), (share, least));
                hold!(share >= 0.9, "{story}: {share}");
            }
        }
    }
}

#[test]
fn a_path_that_gets_longer_is_not_congested() {
    for seed in seeds(42) {
        let near = link_of(Bitrate::mbps(4));
        let world = World::new(near.clone(), seed)
            .flow(Source::camera(), hd_grade())
            .change(20_000 + seed % 97, near.delay(ms(100)))
            .run(40);
        world.trace(0, 19_900, 25_000);
        let share = world.share(0, HD, 20_000, 40_000);
        let least = world.slices(0, 20_000, 40_000).iter().map(|slice| slice.target).min();
        figure("70 ms longer", &format!("seed {seed}: HD, least target"), (share, least));
        hold!(share >= 0.9, "{share}");
        hold!(least >= Some(kbps(400)), "{least:?}");
    }
}

#[test]
fn a_policer_without_a_queue_is_found_by_its_loss() {
    for seed in seeds(43) {
        for (rate, queue, rung) in [(1_500, 10, 750), (3_000, 5, 1_700)] {
            let policed = link_of(kbps(rate)).queue(ms(queue));
            let world = World::new(policed, seed).flow(Source::camera(), hd_grade()).run(60);
            world.trace(0, 0, 20_000);
            let share = world.share(0, rung, 10_000, 60_000);
            let stats = world.link.stats();
            let lost = stats.queue_full as f64 / stats.offered as f64;
            let mean = world.mean_target(0, 10_000, 60_000);
            figure(
                "policer",
                &format!("{rate} kbit/s, seed {seed}: share of its rung, lost, target"),
                (share, lost, mean),
            );
            hold!(share >= 0.8, "{share}");
            hold!(lost <= 0.08, "{lost}");
        }
    }
}

#[test]
fn loss_of_the_radio_on_top_of_a_step_does_not_collapse_the_rate() {
    for seed in seeds(44) {
        let lossy = |rate| link_of(rate).loss(Loss::percent(3.0));
        let world = World::new(lossy(Bitrate::mbps(5)), seed)
            .flow(Source::camera(), hd_grade())
            .change(20_000, lossy(kbps(1_000)))
            .change(40_000, lossy(Bitrate::mbps(5)))
            .run(60);
        let low = world.mean_target(0, 23_000, 40_000).ratio_of(kbps(1_000));
        let hd = world.shows(0, HD, 40_000);
        let least = world.slices(0, 21_000, 60_000).iter().map(|slice| slice.target).min();
        figure(
            "3 % and a step",
            &format!("seed {seed}: target at 1 Mbit/s, HD after, least"),
            (low, hd, least),
        );
        hold!(low >= 0.7, "{low}");
        hold!(hd <= secs(3), "{hd:?}");
    }
}

#[test]
fn lesson_1_repairs_stay_inside_the_estimate() {
    for seed in seeds(51) {
        let world = World::new(link_of(Bitrate::mbps(5)), seed)
            .flow(Source::camera(), hd_grade())
            .change(20_000, link_of(kbps(500)))
            .run(30);
        let slices = world.slices(0, 20_200, 30_000);
        let repairs: DataSize = slices.iter().map(|slice| slice.repairs).sum();
        let share = repairs.per(ms(9_800)).ratio_of(kbps(500));
        let offered = world.offered(0, 20_200, 21_200);
        figure("lesson 1", &format!("seed {seed}: repairs, offered in the second after"), (share, offered));
        hold!(share <= 0.1, "{share}");
        hold!(offered <= kbps(500), "{offered}");
    }
}

#[test]
fn lesson_2_there_is_always_a_picture_that_fits() {
    for seed in seeds(52) {
        let world = World::new(link_of(Bitrate::mbps(5)), seed)
            .flow(Source::camera(), hd_grade())
            .change(20_000, link_of(kbps(600)))
            .change(40_000, link_of(kbps(250)))
            .run(60);
        let least = world.slices(0, 21_000, 40_000).iter().map(|slice| slice.target).min();
        let shown = world.share(0, 75, 20_000, 60_000);
        figure(
            "lesson 2",
            &format!("seed {seed}: least target at 600, share with a picture"),
            (least, shown),
        );
        hold!(least >= Some(kbps(300)), "{least:?}");
        hold!(shown >= 0.99, "{shown}");
    }
}

#[test]
fn lesson_3_nothing_is_locked_after_a_fall() {
    for seed in seeds(53) {
        let good = link_of(Bitrate::mbps(5));
        let world = World::new(good.clone(), seed)
            .flow(Source::camera(), hd_grade())
            .change(20_000, link_of(kbps(700)))
            .change(22_000, good)
            .run(30);
        let hd = world.shows(0, HD, 22_000);
        figure("lesson 3", &format!("seed {seed}: HD after a fall of 2 s"), hd);
        hold!(hd <= ms(2_000), "{hd:?}");
    }
}

#[test]
fn lesson_4_an_outage_costs_no_long_climb() {
    for seed in seeds(54) {
        for outage in [500, 1_000, 2_000, 8_000] {
            let good = link_of(Bitrate::mbps(20));
            let world = World::new(good.clone(), seed)
                .flow(Source::camera(), hd_grade())
                .change(20_000, good.clone().outage())
                .change(20_000 + outage, good)
                .run(40);
            let before = world.target(0, 19_900);
            let back = world.reaches(0, before.scaled(0.8), 20_000 + outage);
            figure("lesson 4", &format!("seed {seed}, {outage} ms: 80 % after"), back);
            hold!(back <= secs(2), "{back:?}");
        }
    }
}

#[test]
fn lesson_5_silence_stops_video_and_nothing_is_replayed() {
    for seed in seeds(55) {
        let good = link_of(Bitrate::mbps(4));
        let world = World::new(good.clone(), seed)
            .flow(Source::camera(), hd_grade())
            .change(20_000, good.clone().outage())
            .change(28_000, good)
            .run(32);
        let at = world.target(0, 20_000);
        let halved = world.slices(0, 20_000, 22_000).iter().position(|slice| slice.target <= at.scaled(0.5));
        let halved = halved.map_or(Duration::MAX, |index| ms(50) * index as u32);
        let dark = world.offered(0, 21_050, 28_000);
        let most = world.slices(0, 28_000, 29_000).iter().map(|slice| slice.offered.per(ms(50))).max();
        figure(
            "lesson 5",
            &format!("seed {seed}: halved, in the dark, most at once after"),
            (halved, dark, most),
        );
        hold!(halved <= ms(300), "{halved:?}");
        hold!(dark <= kbps(50), "{dark}");
        hold!(most <= Some(Bitrate::mbps(5)), "{most:?}");
    }
}

#[test]
fn a_prior_that_is_far_too_high_is_corrected_for_good() {
    for seed in seeds(61) {
        for capacity in [200, 300, 500] {
            let world = World::new(link_of(kbps(capacity)), seed).flow(Source::camera(), hd_grade()).run(40);
            world.trace(0, 0, 40_000);
            let fits = world.settles_under(0, kbps(capacity), 0);
            let most = world.slices(0, 2_000, 40_000).iter().map(|slice| slice.target).max();
            let queue = world.link_delay_p95(2_000, 40_000);
            let concealed = world.concealed(0, 2_000, 40_000);
            let story = format!("{capacity} kbit/s, seed {seed}");
            figure("a high prior", &story, (fits, most, queue, concealed));
            hold!(fits <= ms(1_000), "{story}: {fits:?}");
            hold!(most <= Some(kbps(capacity).scaled(1.15)), "{story}: {most:?}");
            hold!(queue <= ms(100), "{story}: {queue:?}");
            hold!(concealed <= 0.5, "{story}: {concealed}");
        }
    }
}
