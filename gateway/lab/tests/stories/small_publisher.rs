//! A publisher that cannot send all that it negotiated: its camera is small, or its uplink carries only the
//! lowest encoding. What flows is shown, at once and for as long as it does, and the badge says whose limit it is.

use protocol::ladder::Rung::{self, P180, P360, P480};
use protocol::network_class::NetworkClass::Wired;
use protocol::quality::RungReason;

use crate::scenario::{Link, Scenario, is_told_rung, is_told_the_truth_of, kbps, ms, secs, sees};

fn watched(story: Scenario, expected: Rung) {
    story
        .run_for(secs(5))
        .expect("doctor", sees("patient").first_within(ms(1_000)).with_freezes_under(secs(1)))
        .run_for(secs(20))
        .expect("doctor", sees("patient").at_least(expected).at_most(expected).with_frame_rate_over(20.0))
        .expect("doctor", sees("patient").with_freezes_under(ms(500)))
        .expect("doctor", is_told_rung("patient", expected, RungReason::Publisher))
        .expect("doctor", is_told_the_truth_of("patient"));
}

fn patient(seed: u64) -> Scenario {
    Scenario::new(seed)
        .participant("doctor")
        .on(Link::wired())
        .class(Wired)
        .participant("patient")
        .class(Wired)
}

#[test]
fn a_small_camera_is_seen_as_it_is() {
    for (lines, expected) in [(180, P180), (360, P360), (480, P480)] {
        watched(patient(1).on(Link::wired()).with_camera_of(lines), expected);
    }
}

#[test]
fn an_uplink_for_the_lowest_encoding_alone_is_seen_small() {
    let thin = Link::narrow(kbps(250));
    watched(patient(2).on_links(thin, Link::wired()), P180);
}
