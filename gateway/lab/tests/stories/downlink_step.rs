//! A subscriber's downlink shrinks and grows again: the voice goes on, the picture follows.

use protocol::ladder::Rung::{P180, P360, P480, P720};
use protocol::network_class::NetworkClass::Wired;
use protocol::units::DataSize;

use crate::scenario::{Link, Scenario, hears, is_told_the_truth_of, kbps, mbps, ms, secs, sees};

fn downlink(kilobits: u64) -> Link {
    Link::narrow(kbps(kilobits))
}

fn call(seed: u64) -> Scenario {
    Scenario::new(seed)
        .consult(Wired, Link::wired(), (Link::wired().delay(ms(30)), downlink(5_000)))
        .run_for(secs(10))
        .expect("patient", sees("doctor").at_least(P720))
}

#[test]
fn a_step_down_keeps_the_voice_and_moves_the_picture() {
    call(1)
        .change_downlink("patient", downlink(500))
        .run_for(secs(10))
        .expect("patient", hears("doctor").with_gaps_under(ms(300)))
        .expect("patient", sees("doctor").at_least(P180).at_most(P360).with_freezes_under(ms(500)))
        .expect("patient", is_told_the_truth_of("doctor"))
        .run_for(secs(10))
        .expect("patient", hears("doctor").with_gaps_under(ms(60)))
        .expect("patient", sees("doctor").at_least(P180).with_freezes_under(ms(500)));
}

#[test]
fn a_step_up_brings_hd_back() {
    call(2)
        .change_downlink("patient", downlink(500))
        .run_for(secs(15))
        .change_downlink("patient", downlink(5_000))
        .run_for(secs(5))
        .expect("patient", sees("doctor").at_least(P720).with_freezes_under(ms(500)))
        .expect("patient", is_told_the_truth_of("doctor"))
        .run_for(secs(7))
        .expect("patient", sees("doctor").at_least(P720).with_frame_rate_over(24.0));
}

#[test]
fn a_blackout_of_two_seconds_is_over_when_it_is_over() {
    call(3)
        .change_downlink("patient", downlink(5_000).outage())
        .run_for(secs(2))
        .change_downlink("patient", downlink(5_000))
        .run_for(secs(3))
        .expect("patient", sees("doctor").at_least(P180).with_freezes_under(secs(4)))
        .run_for(secs(10))
        .expect("patient", hears("doctor").with_gaps_under(ms(60)))
        .expect(
            "patient",
            sees("doctor").at_least(P720).with_frame_rate_over(24.0).with_freezes_under(ms(500)),
        );
}

#[test]
fn a_thin_link_from_the_start_carries_voice_and_a_small_picture() {
    Scenario::new(4)
        .consult(Wired, Link::wired(), (Link::wired(), downlink(300)))
        .run_for(secs(5))
        .run_for(secs(10))
        .expect("patient", hears("doctor").with_gaps_under(ms(60)))
        .expect("patient", sees("doctor").at_least(P180).at_most(P180).with_freezes_under(secs(1)));
}

#[test]
fn a_publisher_on_a_thin_uplink_is_seen_small() {
    Scenario::new(5)
        .consult(Wired, Link::wired(), (Link::wired().capacity(kbps(600)), Link::wired().capacity(mbps(20))))
        .run_for(secs(5))
        .run_for(secs(10))
        .expect("doctor", hears("patient").with_gaps_under(ms(100)))
        .expect("doctor", sees("patient").at_least(P180).at_most(P480).with_freezes_under(secs(1)))
        .expect("patient", sees("doctor").at_least(P720));
}

/// A transfer that waits for loss keeps the queue full whatever is sent beside it: smaller pictures would not
/// shorten it.
#[test]
fn a_transfer_that_fills_the_queue_leaves_room_for_a_picture() {
    let line = Link::default().capacity(kbps(2_000)).queue(ms(300));
    Scenario::new(5)
        .bottleneck("line", line)
        .participant("doctor")
        .on(Link::wired())
        .class(Wired)
        .participant("patient")
        .on(Link::wired().delay(ms(50)))
        .behind("line")
        .class(Wired)
        .transfer("line", DataSize::bytes(1 << 40), ms(50))
        .run_for(secs(30))
        .run_for(secs(30))
        .expect("patient", sees("doctor").mostly(P360).with_frozen_share_under(0.1));
}
