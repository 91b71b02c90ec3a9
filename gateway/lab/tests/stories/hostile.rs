//! Datagrams of people who have no place in the call change nothing, and get no answer.

use std::net::SocketAddr;

use protocol::ladder::Rung::P180;

use crate::scenario::{Link, Scenario, client_hello, garbage, hears, ms, secs, sees};

const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 66], 6_666);

fn two(seed: u64) -> Scenario {
    Scenario::new(seed).participant("doctor").on(Link::wired()).participant("patient").on(Link::wired())
}

fn goes_on(story: Scenario) -> Scenario {
    story
        .expect(
            "patient",
            sees("doctor").at_least(P180).with_frame_rate_over(10.0).with_freezes_under(secs(1)),
        )
        .expect(
            "doctor",
            sees("patient").at_least(P180).with_frame_rate_over(10.0).with_freezes_under(secs(1)),
        )
        .expect("patient", hears("doctor").with_gaps_under(ms(60)))
        .expect("doctor", hears("patient").with_gaps_under(ms(60)))
}

fn from(source: SocketAddr, datagrams: Vec<Vec<u8>>) -> Vec<(SocketAddr, Vec<u8>)> {
    datagrams.into_iter().map(|datagram| (source, datagram)).collect()
}

#[test]
fn garbage_of_a_stranger_is_dropped_without_an_answer() {
    let stranger = SocketAddr::from(STRANGER);
    let story = goes_on(two(1).sprayed_with(from(stranger, garbage(1, 900)), ms(1)).run_for(secs(4)));
    assert_eq!(story.sent_to(stranger), 0);
    assert!(story.counters().dropped.iter().sum::<u64>() >= 4_000);
}

#[test]
fn a_client_hello_of_a_stranger_wins_no_race() {
    let stranger = SocketAddr::from(STRANGER);
    let story = goes_on(two(2).sprayed_with(from(stranger, vec![client_hello()]), ms(1)).run_for(secs(4)));
    assert_eq!(story.sent_to(stranger), 0);
}

#[test]
fn a_spoofed_client_hello_does_not_spoil_the_handshake() {
    let story = two(3);
    let victim = story.address_of("patient");
    goes_on(story.sprayed_with(from(victim, vec![client_hello()]), ms(40)).run_for(secs(4)));
}

#[test]
fn garbage_from_a_participants_own_address_changes_nothing() {
    let story = two(4).run_for(secs(2));
    let victim = story.address_of("patient");
    goes_on(story.sprayed_with(from(victim, garbage(4, 900)), ms(2)).run_for(secs(4)));
}
