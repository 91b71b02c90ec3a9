//! Rooms of more than two: everybody sees everybody, whoever comes and goes.

use protocol::ladder::Rung::P180;
use protocol::media_message::TransportState;
use protocol::network_class::NetworkClass::Wired;

use crate::scenario::{Link, Scenario, hears, is_told_to_be, ms, secs, sees, sees_nothing_of};

const EIGHT: [&str; 8] =
    ["doctor", "patient", "nurse", "interpreter", "daughter", "son", "specialist", "student"];

fn room_of(seed: u64, names: &[&str]) -> Scenario {
    names.iter().fold(Scenario::new(seed), |story, name| {
        story.participant(name).on(Link::wired()).class(Wired).with_tiles_of(360)
    })
}

fn all_see_and_hear_each_other(story: Scenario, names: &[&str]) -> Scenario {
    names.iter().fold(story, |story, observer| {
        names.iter().filter(|name| *name != observer).fold(story, |story, name| {
            story
                .expect(observer, sees(name).at_least(P180).with_frame_rate_over(10.0))
                .expect(observer, hears(name).with_gaps_under(ms(100)))
        })
    })
}

#[test]
fn who_falls_silent_is_told_to_the_others_until_heard_again() {
    Scenario::new(9)
        .participant("doctor")
        .on(Link::wired())
        .participant("patient")
        .on(Link::wired())
        .run_for(secs(5))
        .expect("patient", is_told_to_be(TransportState::Connected))
        .change("patient", Link::wired().outage())
        .run_for(secs(3))
        .expect("patient", is_told_to_be(TransportState::Connected))
        .run_for(secs(2))
        .expect("patient", is_told_to_be(TransportState::Disconnected))
        .expect("doctor", is_told_to_be(TransportState::Connected))
        .change("patient", Link::wired())
        .run_for(secs(3))
        .expect("patient", is_told_to_be(TransportState::Connected));
}

#[test]
fn three_see_each_other() {
    let names = &EIGHT[..3];
    all_see_and_hear_each_other(room_of(1, names).run_for(secs(5)), names);
}

#[test]
fn eight_see_each_other() {
    let story = room_of(2, &EIGHT).run_for(secs(6));
    let census = story.census();
    assert_eq!((census.rooms, census.video_tracks, census.audio_subscriptions), (1, 8, 56));
    all_see_and_hear_each_other(story, &EIGHT);
}

#[test]
fn a_latecomer_is_seen_and_a_leaver_is_not() {
    let story = room_of(3, &EIGHT[..2])
        .run_for(secs(3))
        .participant("nurse")
        .on(Link::wired())
        .class(Wired)
        .with_tiles_of(360)
        .run_for(secs(3));
    let story = all_see_and_hear_each_other(story, &EIGHT[..3])
        .leave("patient")
        .run_for(secs(3))
        .expect("doctor", sees_nothing_of("patient"))
        .expect("nurse", sees_nothing_of("patient"))
        .expect("doctor", sees("nurse").at_least(P180).with_freezes_under(ms(500)))
        .expect("nurse", hears("doctor").with_gaps_under(ms(60)))
        .participant("daughter")
        .on(Link::wired())
        .class(Wired)
        .run_for(secs(3));
    let story = all_see_and_hear_each_other(story, &["doctor", "nurse", "daughter"]);
    assert_eq!(story.census().room_sizes, [3]);
}

#[test]
fn a_room_ends_with_its_last_participant() {
    let story = room_of(4, &EIGHT[..2]).run_for(secs(2)).leave("doctor").leave("patient").run_for(secs(1));
    let census = story.census();
    assert_eq!((census.rooms, census.video_tracks, census.audio_tracks), (0, 0, 0));
}
