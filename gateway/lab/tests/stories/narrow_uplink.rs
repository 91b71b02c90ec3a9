//! A publisher whose uplink carries less than its subscribers could receive: what it is asked for is what serves
//! them best together, and all of it comes back with the uplink.

use protocol::ladder::Rung::{P180, P480, P720};
use protocol::network_class::NetworkClass::Wired;
use protocol::quality::RungReason;

use crate::scenario::{Link, Scenario, hears, is_told_rung, is_told_the_truth_of, kbps, ms, secs, sees};

/// A patient on an uplink of 5 Mbit/s whom somebody watches on such a downlink; nobody else has a camera.
fn patient_watched_on(seed: u64, downlinks: &[(&str, u64)]) -> Scenario {
    let mut story = Scenario::new(seed);
    for (name, kilobits) in downlinks {
        let watcher = story.participant(name).on_links(Link::wired(), Link::narrow(kbps(*kilobits)));
        story = watcher.class(Wired).with_camera_of(0);
    }
    let story = story.participant("patient").on_links(Link::narrow(kbps(5_000)), Link::wired().delay(ms(30)));
    story.class(Wired).run_for(secs(15)).expect("doctor", sees("patient").at_least(P720))
}

#[test]
fn three_watchers_are_served_together() {
    patient_watched_on(1, &[("doctor", 8_000), ("nurse", 1_000), ("daughter", 500)])
        .change_uplink("patient", Link::narrow(kbps(1_200)))
        .run_for(secs(5))
        .expect("doctor", sees("patient").at_least(P180).with_freezes_under(secs(1)))
        .run_for(secs(30))
        .expect("doctor", sees("patient").at_least(P480).mostly(P480).with_freezes_under(ms(400)))
        .expect("doctor", is_told_rung("patient", P480, RungReason::Publisher))
        .expect("doctor", is_told_the_truth_of("patient"))
        .expect("nurse", sees("patient").at_least(P480).mostly(P480).with_frame_rate_over(24.0))
        .expect("daughter", sees("patient").at_least(P180).with_freezes_under(ms(600)))
        .expect("daughter", hears("patient").with_gaps_under(ms(100)))
        .change_uplink("patient", Link::narrow(kbps(5_000)))
        .run_for(secs(7))
        .expect("doctor", sees("patient").at_least(P720).with_freezes_under(ms(400)))
        .expect("nurse", sees("patient").at_least(P480).mostly(P480));
}

#[test]
fn a_level_that_nobody_needs_makes_room_for_hd() {
    patient_watched_on(2, &[("doctor", 8_000)])
        .change_uplink("patient", Link::narrow(kbps(1_700)))
        .run_for(secs(14))
        .expect("doctor", sees("patient").at_least(P720).mostly(P480).with_freezes_under(ms(600)))
        .run_for(secs(30))
        .expect("doctor", sees("patient").mostly(P720).with_frame_rate_over(24.0))
        .change_uplink("patient", Link::narrow(kbps(5_000)))
        .run_for(secs(10))
        .expect("doctor", sees("patient").mostly(P720).with_freezes_under(ms(400)));
}

#[test]
fn minutes_on_a_thin_uplink_are_made_good_within_seconds() {
    for (seed, kilobits) in [(3, 300), (4, 500), (5, 700)] {
        patient_watched_on(seed, &[("doctor", 8_000)])
            .change_uplink("patient", Link::narrow(kbps(kilobits)))
            .run_for(secs(150))
            .expect("doctor", sees("patient").at_least(P180).with_frozen_share_under(0.02))
            .change_uplink("patient", Link::narrow(kbps(5_000)))
            .run_for(secs(7))
            .expect("doctor", sees("patient").at_least(P480))
            // The permission of HD has gone in the meantime, and takes its time to agree again.
            .run_for(secs(8))
            .expect("doctor", sees("patient").at_least(P720).with_frame_rate_over(24.0));
    }
}
