//! The schedules that rivals were measured on, with the columns they were measured by: 30 ms each way and a
//! drop-tail queue of 250 ms, feedback every 50 and every 100 ms.

use std::time::Duration;

use protocol::units::Bitrate;

use crate::hold;
use crate::source::Source;
use crate::world::{World, figure, hd_grade, kbps, link_of, ms, secs, seeds};

const HD: u64 = 1_700;

/// What a schedule amounts to.
#[derive(Debug)]
struct Columns {
    settled: Duration,
    far_above: Duration,
    dropped: f64,
    queue: Duration,
    voice_concealed: f64,
    voice_delay: Duration,
    hd_after: Duration,
    hd_share: f64,
    key_frames: usize,
}

fn columns(world: &World, drop: (u64, u64), rise: u64, until: u64) -> Columns {
    let (dropped_at, low) = drop;
    Columns {
        settled: world.settles_under(0, kbps(low), dropped_at),
        far_above: world.far_above(0, kbps(low), dropped_at, dropped_at + 5_000),
        dropped: world.dropped(),
        queue: world.link_delay_p95(0, until),
        voice_concealed: world.concealed(0, 0, until),
        voice_delay: world.voice_delay(0, 2_000, until),
        hd_after: world.shows(0, HD, rise),
        hd_share: world.share(0, HD, rise + 3_000, until),
        key_frames: world.key_frames(0, dropped_at, rise),
    }
}

fn judge(story: &str, columns: &Columns) {
    figure(story, "columns", columns);
    hold!(columns.settled <= ms(500), "{story}: {columns:?}");
    hold!(columns.far_above <= ms(200), "{story}: {columns:?}");
    hold!(columns.dropped <= 1.0, "{story}: {columns:?}");
    hold!(columns.queue <= ms(150), "{story}: {columns:?}");
    hold!(columns.voice_concealed <= 0.3, "{story}: {columns:?}");
    hold!(columns.voice_delay <= ms(300), "{story}: {columns:?}");
    hold!(columns.key_frames <= 3, "{story}: {columns:?}");
    hold!(columns.hd_after <= ms(2_500), "{story}: {columns:?}");
    hold!(columns.hd_share >= 0.98, "{story}: {columns:?}");
}

#[test]
fn five_to_a_half_and_back() {
    for seed in seeds(21) {
        for interval in [50, 100] {
            let world = World::new(link_of(Bitrate::mbps(5)), seed)
                .flow(Source::camera(), hd_grade())
                .way_back(ms(interval), ms(30))
                .change(40_000 + seed % 97, link_of(kbps(500)))
                .change(70_000 + seed % 89, link_of(Bitrate::mbps(5)))
                .run(100);
            world.trace(0, 39_800, 42_000);
            world.trace(0, 69_800, 73_000);
            let story = format!("5/0.5/5, feedback {interval} ms, seed {seed}");
            judge(&story, &columns(&world, (40_000, 500), 70_000, 100_000));
        }
    }
}

#[test]
fn five_to_two_and_a_half_to_six_tenths_and_back() {
    for seed in seeds(22) {
        for interval in [50, 100] {
            let world = World::new(link_of(Bitrate::mbps(5)), seed)
                .flow(Source::camera(), hd_grade())
                .way_back(ms(interval), ms(30))
                .change(40_000, link_of(kbps(2_500)))
                .change(60_000 + seed % 97, link_of(kbps(600)))
                .change(80_000 + seed % 89, link_of(Bitrate::mbps(5)))
                .run(100);
            world.trace(0, 59_800, 62_000);
            let story = format!("5/2.5/0.6/5, feedback {interval} ms, seed {seed}");
            let columns = columns(&world, (60_000, 600), 80_000, 100_000);
            hold!(world.share(0, HD, 40_500, 60_000) >= 0.95, "{story}: HD fits into 2.5 Mbit/s");
            judge(&story, &columns);
        }
    }
}

#[test]
fn four_with_a_hole_of_two_seconds() {
    for seed in seeds(23) {
        for interval in [50, 100] {
            let good = link_of(Bitrate::mbps(4));
            let at = 40_000 + seed % 97;
            let world = World::new(good.clone(), seed)
                .flow(Source::camera(), hd_grade())
                .way_back(ms(interval), ms(30))
                .change(at, good.clone().outage())
                .change(at + 2_000, good)
                .run(60);
            world.trace(0, 39_800, 44_000);
            let story = format!("a hole of 2 s, feedback {interval} ms, seed {seed}");
            let healed = at + 2_000;
            let before = world.target(0, at - 100);
            let back = world.reaches(0, before.scaled(0.8), healed);
            let picture = world.shows(0, 75, healed);
            let hd = world.shows(0, HD, healed);
            let key_frames = world.key_frames(0, at, healed + 5_000);
            let silent = world.offered(0, at + 1_100, healed);
            let far_above = world.far_above(0, Bitrate::mbps(4), healed, healed + 3_000);
            let concealed = world.concealed(0, healed + 300, 60_000);
            let figures = (back, picture, hd, key_frames, silent, far_above, concealed, world.dropped());
            figure(&story, "80 %, picture, HD, key frames, silent, above, concealed, drops", figures);
            hold!(back <= secs(5) && picture <= secs(1) && hd <= secs(3), "{figures:?}");
            hold!(key_frames <= 2, "{figures:?}");
            hold!(silent <= kbps(50) && far_above == Duration::ZERO, "{figures:?}");
            hold!(concealed <= 0.3, "{figures:?}");
        }
    }
}

#[test]
fn the_first_feedback_that_shows_a_collapse_is_answered() {
    // Whatever the phase of the frames and of the feedback: voice waits no longer than the link's own queue,
    // and what is offered after that fits.
    for phase in 0..20 {
        let world = World::new(link_of(Bitrate::mbps(5)), 24)
            .flow(Source::camera(), hd_grade())
            .change(10_000 + 5 * phase, link_of(kbps(500)))
            .run(15);
        let at = 10_000 + 5 * phase;
        let concealed = world.concealed(0, at, 15_000) * 50.0;
        let settled = world.settles_under(0, kbps(500), at / 50 * 50);
        let offered = world.offered(0, (at / 50 + 4) * 50, (at / 50 + 12) * 50);
        world.trace(0, 9_900, 11_500);
        figure(
            "collapse",
            &format!("phase {phase}: settled, then, concealed ms"),
            (settled, offered, concealed),
        );
        hold!(settled <= ms(300), "{settled:?}");
        hold!(offered <= kbps(500), "{offered}");
    }
}

#[test]
fn the_target_uses_the_link_when_it_is_narrow() {
    // RFC 8867 §5.1 with a picture of fine rungs: the estimate, not the ladder, shall be the limit.
    for seed in seeds(25) {
        for capacity in [500, 600, 1_000, 2_500] {
            let world = World::new(link_of(Bitrate::mbps(5)), seed)
                .flow(Source::camera(), hd_grade())
                .change(10_000, link_of(kbps(capacity)))
                .run(40);
            world.trace(0, 10_000, 40_000);
            let target = world.mean_target(0, 15_000, 40_000).ratio_of(kbps(capacity));
            let queue = world.link_delay_p95(11_000, 40_000);
            figure(
                "narrow",
                &format!("{capacity} kbit/s, seed {seed}: target over capacity, queue"),
                (target, queue),
            );
            hold!((0.85..=1.2).contains(&target), "{capacity}: {target}");
            hold!(queue <= ms(100), "{queue:?}");
        }
    }
}
