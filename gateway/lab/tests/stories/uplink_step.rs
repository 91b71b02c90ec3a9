//! A publisher's uplink shrinks and grows again: its browser drops encodings by itself, and those who
//! watch go over to what is still sent.

use protocol::ladder::Rung::{P180, P720};
use protocol::network_class::NetworkClass::Wired;

use crate::scenario::{Link, Scenario, hears, is_told_the_truth_of, kbps, ms, secs, sees};

fn uplink(kilobits: u64) -> Link {
    Link::narrow(kbps(kilobits))
}

fn call(seed: u64) -> Scenario {
    Scenario::new(seed)
        .consult(Wired, Link::wired(), (uplink(8_000), Link::wired().delay(ms(30))))
        .run_for(secs(10))
        .expect("doctor", sees("patient").at_least(P720))
}

#[test]
fn watchers_follow_a_publisher_whose_uplink_shrinks() {
    call(1)
        .change_uplink("patient", uplink(700))
        .run_for(secs(5))
        .expect("doctor", sees("patient").at_least(P180).with_freezes_under(secs(1)))
        .expect("doctor", is_told_the_truth_of("patient"))
        .run_for(secs(10))
        .expect("doctor", sees("patient").at_least(P180).with_freezes_under(secs(1)))
        .expect("doctor", hears("patient").with_gaps_under(ms(100)));
}

#[test]
fn a_very_thin_uplink_still_carries_a_small_picture() {
    call(2)
        .change_uplink("patient", uplink(250))
        .run_for(secs(6))
        .expect("doctor", sees("patient").at_least(P180).at_most(P180).with_freezes_under(secs(2)));
}

#[test]
fn hd_comes_back_with_the_uplink() {
    call(3)
        .change_uplink("patient", uplink(700))
        .run_for(secs(10))
        .change_uplink("patient", uplink(8_000))
        .run_for(secs(15))
        .expect("doctor", sees("patient").at_least(P720).with_frame_rate_over(24.0));
}
