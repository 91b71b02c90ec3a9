//! Both ends on 5G get HD; where one end is not, the picture lowers by itself.

use protocol::ladder::Rung::{P180, P480, P720};
use protocol::network_class::NetworkClass::{FiveG, FourG, Wired};
use protocol::quality::{HdMode, HdReason};

use crate::scenario::{Link, Scenario, hears, is_on, is_told_hd, ms, secs, sees};

fn call_on_5g(seed: u64, mode: HdMode) -> Scenario {
    Scenario::in_mode(seed, mode).consult(FiveG, Link::nr5g(), (Link::nr5g(), Link::nr5g()))
}

#[test]
fn both_on_5g_get_hd_within_six_seconds() {
    call_on_5g(1, HdMode::Equivalent)
        .run_for(secs(6))
        .expect("patient", is_on(FiveG))
        .expect("patient", is_told_hd("doctor", HdReason::Granted))
        .expect("patient", sees("doctor").at_least(P720))
        .expect("doctor", sees("patient").at_least(P720));
}

#[test]
fn strict_mode_grants_hd_to_5g_as_well() {
    call_on_5g(2, HdMode::Strict)
        .run_for(secs(6))
        .expect("patient", sees("doctor").at_least(P720))
        .expect("doctor", sees("patient").at_least(P720));
}

#[test]
fn hd_stays_while_both_stay_on_5g() {
    call_on_5g(3, HdMode::Equivalent)
        .run_for(secs(8))
        .run_for(secs(20))
        .expect(
            "patient",
            sees("doctor").at_least(P720).with_frame_rate_over(24.0).with_freezes_under(ms(500)),
        )
        .expect(
            "doctor",
            sees("patient").at_least(P720).with_frame_rate_over(24.0).with_freezes_under(ms(500)),
        )
        .expect("patient", hears("doctor").with_gaps_under(ms(60)));
}

#[test]
fn a_patient_on_4g_is_met_below_hd() {
    Scenario::new(4)
        .participant("doctor")
        .on(Link::nr5g())
        .class(FiveG)
        .participant("patient")
        .on(Link::lte())
        .class(FourG)
        .run_for(secs(8))
        .expect("patient", sees("doctor").at_least(P480).at_most(P480))
        .expect("doctor", sees("patient").at_least(P480).at_most(P480))
        .expect("patient", is_told_hd("doctor", HdReason::SubscriberClass))
        .expect("doctor", is_told_hd("patient", HdReason::PublisherClass));
}

#[test]
fn falling_back_to_4g_lowers_the_picture_within_five_seconds() {
    call_on_5g(5, HdMode::Equivalent)
        .run_for(secs(8))
        .expect("doctor", sees("patient").at_least(P720))
        .hand_over("patient", FourG)
        .change("patient", Link::lte())
        .run_for(secs(5))
        .expect("patient", is_on(FourG))
        .expect("patient", sees("doctor").at_least(P180).at_most(P480).with_freezes_under(secs(2)))
        .expect("doctor", sees("patient").at_least(P180).at_most(P480).with_freezes_under(secs(2)));
}

#[test]
fn wired_is_worth_5g_unless_the_operator_is_strict() {
    let call = |mode| {
        Scenario::in_mode(6, mode)
            .participant("doctor")
            .on(Link::wired())
            .class(Wired)
            .participant("patient")
            .on(Link::wired())
            .class(Wired)
            .run_for(secs(8))
    };
    call(HdMode::Equivalent)
        .expect("patient", sees("doctor").at_least(P720))
        .expect("doctor", sees("patient").at_least(P720));
    call(HdMode::Strict)
        .expect("patient", sees("doctor").at_least(P480).at_most(P480))
        .expect("patient", is_told_hd("doctor", HdReason::PublisherClass));
}

#[test]
fn a_claim_of_5g_is_no_proof() {
    Scenario::new(7)
        .participant("doctor")
        .on(Link::nr5g())
        .class(FiveG)
        .participant("patient")
        .on(Link::nr5g())
        .run_for(secs(2))
        .reports("patient", FiveG)
        .run_for(secs(8))
        .expect("patient", sees("doctor").at_least(P180).at_most(P480))
        .expect("doctor", sees("patient").at_least(P180).at_most(P480));
}

#[test]
fn a_browser_that_tells_of_a_cellular_network_gets_no_hd_from_its_address() {
    Scenario::new(8)
        .participant("doctor")
        .on(Link::wired())
        .class(Wired)
        .participant("patient")
        .on(Link::nr5g())
        .network_cost(900)
        .run_for(secs(8))
        .expect("patient", sees("doctor").at_least(P180).at_most(P480))
        .expect("doctor", sees("patient").at_least(P180).at_most(P480));
}
