//! Losses are repaired where time allows, and do not look like congestion.

use protocol::ladder::Rung::{P180, P360, P480};
use protocol::network_class::NetworkClass::Wifi;

use crate::scenario::{Link, Scenario, hears, ms, secs, sees};

fn call_with_loss(seed: u64, share: f64) -> Scenario {
    let lossy = Link::wifi().loss(share);
    call(seed, (lossy.clone(), lossy))
}

/// A doctor on a good link, and a patient on these, settled; then the time that is judged.
fn call(seed: u64, patient: (Link, Link)) -> Scenario {
    Scenario::new(seed).consult(Wifi, Link::wifi(), patient).run_for(secs(5)).run_for(secs(15))
}

#[test]
fn one_percent_is_hardly_seen() {
    call_with_loss(1, 0.01)
        .expect(
            "patient",
            sees("doctor").at_least(P480).with_frame_rate_over(24.0).with_frozen_share_under(0.01),
        )
        .expect(
            "doctor",
            sees("patient").at_least(P480).with_frame_rate_over(24.0).with_frozen_share_under(0.01),
        )
        .expect("patient", hears("doctor").with_gaps_under(ms(100)));
}

#[test]
fn five_percent_leave_a_picture_that_moves() {
    call_with_loss(2, 0.05)
        .expect(
            "patient",
            sees("doctor").at_least(P180).with_frame_rate_over(20.0).with_freezes_under(secs(1)),
        )
        .expect(
            "doctor",
            sees("patient").at_least(P180).with_frame_rate_over(20.0).with_freezes_under(secs(1)),
        )
        .expect("patient", hears("doctor").with_gaps_under(ms(120)));
}

#[test]
fn ten_percent_toward_a_subscriber_cost_no_lines() {
    for seed in 3..8 {
        call(seed, (Link::wifi(), Link::wifi().loss(0.1)))
            .expect(
                "patient",
                sees("doctor").mostly(P360).with_frame_rate_over(20.0).with_freezes_under(ms(500)),
            )
            .expect("patient", hears("doctor").with_gaps_under(ms(160)));
    }
}

#[test]
fn ten_percent_both_ways_leave_a_picture_that_moves() {
    let moves =
        |whom| sees(whom).at_least(P180).with_frame_rate_over(10.0).with_at_most_one_freeze_over(ms(500));
    for seed in 3..8 {
        call_with_loss(seed, 0.1)
            .expect("patient", moves("doctor"))
            .expect("doctor", moves("patient"))
            .expect("patient", hears("doctor").with_gaps_under(ms(160)));
    }
}

#[test]
fn a_call_begins_however_the_first_packets_fare() {
    for seed in 10..30 {
        Scenario::new(seed)
            .participant("doctor")
            .on(Link::wifi().loss(0.1))
            .participant("patient")
            .on(Link::wifi().loss(0.1))
            .run_for(secs(8))
            .expect("patient", sees("doctor").first_within(secs(6)))
            .expect("doctor", sees("patient").first_within(secs(6)));
    }
}
