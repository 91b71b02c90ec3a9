//! Two participants meet: the picture and the voice arrive.

use crate::scenario::{Link, Scenario, hears, ms, secs, sees};
use protocol::ladder::Rung::P180;

#[test]
fn two_participants_see_and_hear_each_other() {
    Scenario::new(1)
        .participant("doctor")
        .on(Link::wired())
        .participant("patient")
        .on(Link::wired())
        .run_for(secs(3))
        .expect("patient", sees("doctor").at_least(P180).with_frame_rate_over(10.0))
        .expect("doctor", sees("patient").at_least(P180).with_frame_rate_over(10.0))
        .expect("patient", hears("doctor").with_gaps_under(ms(60)))
        .expect("doctor", hears("patient").with_gaps_under(ms(60)));
}

#[test]
fn the_first_picture_comes_at_once() {
    Scenario::new(2)
        .participant("doctor")
        .on(Link::wired())
        .run_for(secs(2))
        .participant("patient")
        .on(Link::wired())
        .run_for(secs(2))
        .expect("patient", sees("doctor").first_within(ms(1_000)))
        .expect("doctor", sees("patient").first_within(ms(1_000)));
}
