//! What is lost of a voice is made good by redundancy where links lose packets, and nowhere else; and a voice gets
//! through where nothing else does.

use std::time::Duration;

use link::{CapacityTrace, Loss};
use protocol::network_class::NetworkClass::{Wifi, Wired};
use protocol::units::Bitrate;

use crate::scenario::{Link, Scenario, hears, kbps, mbps, ms, secs};

/// A doctor on a good link, and a patient on `link`, long enough for loss to be known; then the time that is judged.
fn consult(seed: u64, link: Link) -> Scenario {
    Scenario::new(seed).consult(Wifi, Link::wifi(), (link.clone(), link)).run_for(secs(10)).run_for(secs(30))
}

#[test]
fn five_percent_both_ways_are_hardly_heard() {
    for seed in 1..4 {
        let heard = |whom| hears(whom).with_concealed_share_under(0.015).with_gaps_under(ms(70));
        consult(seed, Link::wifi().loss(0.05))
            .expect("patient", heard("doctor").with_redundancy())
            // The doctor's own link is good: what the patient repeats is unwrapped on the way.
            .expect("doctor", heard("patient").without_redundancy());
    }
}

#[test]
fn a_link_that_loses_nothing_carries_nothing_twice() {
    let story = consult(4, Link::wifi())
        .expect("patient", hears("doctor").without_redundancy().with_concealed_share_under(0.008))
        .expect("doctor", hears("patient").without_redundancy().with_concealed_share_under(0.008));
    assert_eq!(story.counters().redundant_bytes_out, 0);
    assert_eq!(story.counters().voice_packets_recovered, 0);
}

#[test]
fn runs_of_loss_are_met_with_two_frames() {
    for seed in 5..8 {
        consult(seed, Link::wifi().loss(Loss::bursts(0.15, 1.5)))
            .expect("patient", hears("doctor").with_concealed_share_under(0.04).with_gaps_under(ms(200)))
            .expect("doctor", hears("patient").with_concealed_share_under(0.06).with_gaps_under(ms(200)));
    }
}

#[test]
fn a_browser_without_redundancy_is_neither_sent_nor_asked_for_it() {
    let story = Scenario::new(9)
        .participant("doctor")
        .on(Link::wifi())
        .class(Wifi)
        .participant("patient")
        .on(Link::wifi().loss(0.05))
        .class(Wifi)
        .without_redundancy()
        .run_for(secs(10))
        .run_for(secs(20))
        .expect("patient", hears("doctor").without_redundancy().with_gaps_under(ms(120)))
        .expect("doctor", hears("patient").without_redundancy().with_gaps_under(ms(120)));
    assert_eq!(story.counters().redundant_bytes_out, 0);
}

#[test]
fn a_voice_without_a_picture_gets_through_the_narrowest_link() {
    for rate in [64, 80] {
        Scenario::new(10)
            .participant("doctor")
            .on(Link::wifi())
            .class(Wifi)
            .without_camera()
            .participant("patient")
            .on_links(Link::wifi(), Link::wifi().capacity(kbps(rate)).delay(ms(80)).queue(ms(400)))
            .without_camera()
            .run_for(secs(10))
            .run_for(secs(30))
            .expect("patient", hears("doctor").with_concealed_share_under(0.01).with_gaps_under(ms(100)));
    }
}

/// A consult whose patient hears nothing for two seconds: how many packets of voices left in that time.
fn voice_packets_into_the_dark(seed: u64, takes_redundancy: bool) -> u64 {
    let narrow = || Link::narrow(mbps(4));
    let doctor = Scenario::new(seed).participant("doctor").on(Link::wired()).class(Wired);
    let patient = doctor.participant("patient").on_links(Link::wired(), narrow()).class(Wired);
    let story = if takes_redundancy { patient } else { patient.without_redundancy() };
    let story = story.run_for(secs(10)).change_downlink("patient", narrow().outage());
    let before = story.counters().egress.audio_packets;
    let story = story.run_for(secs(2));
    let packets = story.counters().egress.audio_packets - before;
    story
        .change_downlink("patient", narrow())
        // The way takes 30 ms, and a player that has run dry holds some frames back.
        .run_for(ms(150))
        .expect("patient", hears("doctor").with_gaps_under(ms(150)))
        .run_for(secs(2))
        .expect("patient", hears("doctor").with_gaps_under(ms(40)))
        .run_for(secs(5))
        .expect("patient", hears("doctor").with_gaps_under(ms(20)));
    packets
}

#[test]
fn a_voice_goes_into_the_dark_in_fewer_packets_and_is_back_as_soon() {
    for seed in 12..15 {
        let (one_by_one, together) =
            (voice_packets_into_the_dark(seed, false), voice_packets_into_the_dark(seed, true));
        assert!(one_by_one >= 198, "{one_by_one}: two voices of fifty a second");
        assert!(together + 40 <= one_by_one, "{together} and {one_by_one}");
    }
}

#[test]
fn a_voice_loses_nothing_where_only_the_way_back_is_dark() {
    for seed in 15..18 {
        let uplink = || Link::wired().delay(ms(30));
        Scenario::new(seed)
            .consult(Wired, Link::wired(), (uplink(), Link::narrow(mbps(4))))
            .run_for(secs(10))
            .change_uplink("patient", uplink().outage())
            .run_for(secs(4))
            .expect("patient", hears("doctor").with_redundancy().with_gaps_under(ms(20)))
            .change_uplink("patient", uplink())
            .run_for(secs(5))
            .expect("patient", hears("doctor").with_gaps_under(ms(20)));
    }
}

/// What hardly carries a voice with its headers.
const DARK: Bitrate = Bitrate::kbps(64);

/// The longest stretch of a trace that carries no voice, and the share of its time that does not.
fn darkness(trace: &CapacityTrace) -> (Duration, f64) {
    let rows = trace.rows();
    let ends = rows.iter().skip(1).map(|row| row.at).chain([trace.period()]);
    let (mut longest, mut run, mut all) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for (row, end) in rows.iter().zip(ends) {
        let length = end - row.at;
        run = if row.capacity < DARK { run + length } else { Duration::ZERO };
        all += if row.capacity < DARK { length } else { Duration::ZERO };
        longest = longest.max(run);
    }
    (longest, all.as_secs_f64() / trace.period().as_secs_f64())
}

#[test]
fn pictures_never_starve_a_voice_on_any_trace() {
    // What may be missed beyond the darkness itself: an outage of seconds costs more than its own time.
    for (name, trace, more) in [
        ("drive_5g", CapacityTrace::drive_5g(), 0.03),
        ("drive_4g", CapacityTrace::drive_4g(), 0.03),
        ("drive_3g", CapacityTrace::drive_3g(), 0.03),
        ("office_wifi", CapacityTrace::office_wifi(), 0.03),
        ("blackout", CapacityTrace::blackout(), 0.07),
    ] {
        let (longest, dark) = darkness(&trace);
        eprintln!("{name}: dark for {longest:?} at a time and {dark:.4} of {:?}", trace.period());
        let period = trace.period();
        Scenario::new(11)
            .participant("doctor")
            .on(Link::wifi())
            .class(Wifi)
            .participant("patient")
            .on_links(Link::wifi(), Link::lte().capacity(trace))
            .run_for(secs(5))
            .run_for(period)
            .expect(
                "patient",
                hears("doctor").with_gaps_under(longest + ms(500)).with_concealed_share_under(dark + more),
            );
    }
}
