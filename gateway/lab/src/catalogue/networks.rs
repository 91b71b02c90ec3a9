//! Networks that change under a participant: the class flips while the link stays good, or the device goes
//! over to another network.

use protocol::network_class::NetworkClass::{FiveG, FourG, Wifi, Wired};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::plan::{Group, Plan};
use crate::scenario::{Link, Scenario, ms, secs};

/// Segments of 5G on a drive: a quarter lasts less than 5 s, half less than 30 s.
fn segment(rng: &mut StdRng) -> u64 {
    let short = [1_000, 2_500, 4_000, 7_000, 12_000, 25_000, 40_000, 60_000];
    short[rng.random_range(0..short.len())]
}

fn class_flips(story: Scenario) -> Scenario {
    let mut rng = StdRng::seed_from_u64(8_867);
    let mut story = story
        .participant("doctor")
        .on(Link::wired())
        .class(Wired)
        .participant("patient")
        .on(Link::nr5g())
        .in_native_shell(FiveG);
    let mut left = 300_000;
    let mut class = FiveG;
    while left > 0 {
        let length = segment(&mut rng).min(left);
        story = story.run_for(ms(length));
        left -= length;
        class = if class == FiveG { FourG } else { FiveG };
        story = story.on_radio("patient", class);
    }
    story
}

/// Wi-Fi fades away for a second, the device goes over to 5G, and back again later.
fn handover(story: Scenario) -> Scenario {
    let people = story
        .participant("doctor")
        .on(Link::wired())
        .class(Wired)
        .participant("patient")
        .on(Link::wifi())
        .class(Wifi)
        .run_for(secs(20));
    let walk = |story: Scenario, from: Link, class, to: Link| {
        story
            .change("patient", from.outage())
            .run_for(secs(1))
            .hand_over("patient", class)
            .change("patient", to)
            .run_for(secs(19))
    };
    let outside = walk(people, Link::wifi(), FiveG, Link::nr5g());
    walk(outside, Link::nr5g(), Wifi, Link::wifi())
}

pub(super) fn plans() -> Vec<Plan> {
    vec![
        Plan::new("class-flips", Group::Networks, class_flips),
        Plan::new("wifi-to-5g-and-back", Group::Networks, handover).runs(3),
    ]
}
