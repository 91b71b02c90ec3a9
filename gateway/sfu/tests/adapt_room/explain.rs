//! What a room says of itself when somebody asks why.

use protocol::decision::{Change, ChangeCause, EvidenceWord, PairDecision, RoomDecisions};
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::network_class::{NetworkClass, ReportSource};
use protocol::quality::{HdMode, HdReason, RungReason};
use protocol::track::Role;
use protocol::units::Bitrate;
use sfu::adapt::{Flowing, Hearing, Layer};

use crate::simulation::{ELSEWHERE, FIVE_G, Sim, five_g_pair, kbps, secs};

impl Sim {
    fn explained(&self) -> RoomDecisions {
        self.adaptation.explain(self.now)
    }

    /// What the second end gets of the first.
    fn decision(&self) -> PairDecision {
        let explained = self.explained();
        let mut pairs = explained.pairs.into_iter();
        pairs.find(|pair| pair.subscriber == self.ends[1].id).expect("a subscription")
    }

    fn shows(&mut self, lines: u16) {
        let (now, subscriber, camera) = (self.now, self.ends[1].id, self.ends[0].camera);
        self.adaptation.handle_subscribe(now, subscriber, camera, lines);
    }
}

#[test]
fn every_reason_is_told_with_what_it_allows() {
    struct Case {
        link: Bitrate,
        change: fn(&mut Sim),
        reason: RungReason,
        rung: Rung,
    }
    let roomy = kbps(20_000);
    let cases = [
        Case { link: roomy, change: |_| {}, reason: RungReason::Best, rung: Rung::P720 },
        Case {
            link: roomy,
            change: |sim| sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FourG)),
            reason: RungReason::Class,
            rung: Rung::P480,
        },
        Case {
            link: roomy,
            change: |sim| {
                let (now, camera) = (sim.now, sim.ends[0].camera);
                sim.adaptation.handle_encoder_limit(now, camera, EncoderLimit::Cpu);
            },
            reason: RungReason::HdPermission,
            rung: Rung::P480,
        },
        Case {
            link: roomy,
            change: |sim| sim.ends[1].downlink = kbps(550),
            reason: RungReason::Downlink,
            rung: Rung::P360,
        },
        Case {
            link: roomy,
            change: |sim| sim.ends[0].uplink = kbps(200),
            reason: RungReason::Publisher,
            rung: Rung::P180,
        },
        Case { link: roomy, change: |sim| sim.shows(180), reason: RungReason::Viewport, rung: Rung::P180 },
        Case {
            link: roomy,
            change: |sim| {
                let (now, camera) = (sim.now, sim.ends[0].camera);
                sim.adaptation.handle_mute(now, camera, true);
            },
            reason: RungReason::Muted,
            rung: Rung::AudioOnly,
        },
        Case {
            link: roomy,
            change: |sim| {
                let (now, id) = (sim.now, sim.ends[0].id);
                sim.adaptation.handle_hearing(now, id, Hearing::Silent);
            },
            reason: RungReason::PublisherLost,
            rung: Rung::P720,
        },
    ];
    for Case { link, change, reason, rung } in cases {
        let mut sim = five_g_pair(link);
        sim.run(secs(20));
        change(&mut sim);
        sim.run(secs(10));
        let told = sim.decision();
        assert_eq!((told.reason, told.gets.rung), (reason, rung), "{told:?}");
        let narrowest = [
            told.allows.classes,
            told.allows.permission,
            told.allows.tile,
            told.allows.publisher,
            told.allows.downlink,
            told.allows.codec,
        ];
        let narrowest = narrowest.into_iter().min().expect("six");
        match reason {
            RungReason::Class => assert_eq!(told.allows.classes, Rung::P480),
            RungReason::HdPermission => {
                assert_eq!((told.allows.permission, told.hd), (Rung::P480, HdReason::CoolDown));
            }
            RungReason::Downlink => assert!(told.allows.downlink < Rung::P480 && told.next.is_some()),
            RungReason::Publisher => assert_eq!(told.allows.publisher, rung),
            RungReason::Viewport => assert_eq!((told.allows.tile, told.next), (Rung::P180, None)),
            RungReason::Muted | RungReason::PublisherLost => {
                assert_eq!(told.allows.publisher, Rung::AudioOnly);
            }
            RungReason::Best | RungReason::AwaitingKeyframe | RungReason::Codec => {
                assert_eq!(narrowest, Rung::P720);
            }
        }
        assert!(told.for_ms <= 30_000, "{told:?}");
    }
}

#[test]
fn a_picture_that_is_switched_is_on_its_way() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    let (now, subscriber, camera) = (sim.now, sim.ends[1].id, sim.ends[0].camera);
    sim.adaptation.handle_forwarded(now, subscriber, camera, Flowing::None);
    let told = sim.decision();
    assert_eq!(
        (told.reason, told.gets.lines, told.gets.temporal_layer),
        (RungReason::AwaitingKeyframe, 0, None)
    );
}

#[test]
fn a_picture_that_begins_is_on_its_way_and_nobodys_fault() {
    let mut sim = five_g_pair(kbps(20_000));
    let begun = sim.until(secs(5), |sim| sim.sees(0, 1) >= Rung::P180).expect("a picture");
    let mut waited = 0;
    while sim.sees(0, 1) < Rung::P480 && waited < 40 {
        sim.run(crate::simulation::STEP);
        waited += 1;
        assert_ne!(sim.pair(0, 1).rung_reason, RungReason::Publisher, "{waited} steps after {begun:?}");
    }
    assert!((1..40).contains(&waited), "{waited} steps");
}

#[test]
fn a_picture_that_cannot_be_decoded_does_not_come_and_that_is_said() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    let (subscriber, camera) = (sim.ends[1].id, sim.ends[0].camera);
    sim.adaptation.handle_forwarded(sim.now, subscriber, camera, Flowing::Undecodable);
    sim.run(secs(2));
    assert_eq!(sim.decision().reason, RungReason::AwaitingKeyframe, "the publisher may change its codec");
    sim.run(secs(2));
    let told = sim.decision();
    assert_eq!((told.reason, told.allows.codec, told.next), (RungReason::Codec, Rung::AudioOnly, None));
    assert_eq!(told.gets.rung, Rung::AudioOnly);
    assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Codec);
    let layer = Layer { encoding: 2, temporal: 2 };
    sim.adaptation.handle_forwarded(sim.now, subscriber, camera, Flowing::Layer(layer));
    let told = sim.decision();
    assert_eq!((told.reason, told.allows.codec), (RungReason::Best, Rung::P720));
}

#[test]
fn a_size_that_spatial_layers_leave_out_is_told_as_the_codec() {
    let mut sim = Sim::new(HdMode::Strict);
    for role in [Role::Clinician, Role::Patient, Role::Observer] {
        sim.join(role, FIVE_G, 50, kbps(20_000));
    }
    sim.sends_spatial_layers(0);
    sim.run(secs(20));
    assert_eq!(sim.decision().reason, RungReason::Best);
    sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FourG));
    sim.run(secs(10));
    assert_eq!(sim.sees(0, 2), Rung::P720, "somebody still has a use for HD");
    let told = sim.decision();
    assert_eq!((told.gets.rung, told.reason), (Rung::P360, RungReason::Codec), "{told:?}");
    assert_eq!((told.allows.classes, told.allows.codec), (Rung::P480, Rung::P360));
    // When nobody has, what is left can be of any size.
    sim.ends[2].report = sim.ends[1].report;
    sim.run(secs(10));
    let told = sim.decision();
    assert_eq!((told.gets.rung, told.reason), (Rung::P480, RungReason::Class), "{told:?}");
}

#[test]
fn the_next_step_says_what_it_needs_and_what_is_missing() {
    let mut sim = five_g_pair(kbps(700));
    sim.run(secs(20));
    let told = sim.explained();
    let own = told.participants.iter().find(|one| one.participant == sim.ends[1].id).expect("the subscriber");
    let (downlink, pair) = (own.downlink, sim.decision());
    let next = pair.next.expect("a step up");
    assert!(downlink.budget_bps < downlink.estimate_bps && downlink.spent_bps == pair.gets.price_bps);
    assert!(next.rung > pair.gets.rung && next.needs_bps > downlink.budget_bps);
    assert_eq!(next.missing_bps, next.needs_bps - downlink.budget_bps);
    sim.ends[1].downlink = kbps(20_000);
    sim.ends[0].uplink = kbps(20_000);
    sim.run(secs(60));
    assert_eq!(sim.decision().next, None, "the top is the top");
}

#[test]
fn a_network_is_told_with_its_evidence() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    let told = sim.explained();
    let network = &told.participants[0].network;
    assert_eq!((network.class, network.proven, network.contradicted), (NetworkClass::FiveG, true, false));
    let site = network.evidence.first().expect("a site profile");
    assert_eq!((site.from, site.class, site.tier), (EvidenceWord::Site, NetworkClass::FiveG, 3));
    assert!(network.confidence_percent > 80 && network.for_ms >= 15_000, "{network:?}");

    let mut vague = Sim::new(HdMode::Strict);
    vague.join(Role::Clinician, ELSEWHERE, 50, kbps(20_000));
    vague.join(Role::Patient, FIVE_G, 50, kbps(20_000));
    vague.run(secs(5));
    let network = &vague.explained().participants[0].network;
    assert_eq!(
        (network.class, network.confidence_percent, network.proven),
        (NetworkClass::Unknown, 0, false)
    );
}

#[test]
fn the_history_says_what_happened_and_why() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    let before = sim.explained().changes.len();
    sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FourG));
    sim.run(secs(6));
    let (publisher, subscriber) = (sim.ends[0].id, sim.ends[1].id);
    let told = sim.explained();
    let news: Vec<&Change> = told.changes.iter().skip(before).map(|change| &change.change).collect();
    let (from, to) = (NetworkClass::FiveG, NetworkClass::FourG);
    assert!(news.contains(&&Change::NetworkClass { participant: subscriber, from, to }), "{news:?}");
    let reason = HdReason::SubscriberClass;
    assert!(news.contains(&&Change::Hd { publisher, subscriber, permitted: false, reason }), "{news:?}");
    let falls = |change: &&&Change| {
        matches!(change, Change::Rung { subscriber: to, from: Rung::P720, cause: ChangeCause::Policy, .. }
            if *to == subscriber)
    };
    assert_eq!(news.iter().filter(falls).count(), 1, "{news:?}");
    let planned = |change: &&&Change| {
        matches!(change, Change::Uplink { publisher: whose, sends, cause: ChangeCause::Policy, .. }
            if *whose == publisher && !sends.contains(&Rung::P720))
    };
    assert!(news.iter().any(|change| planned(&change)), "{news:?}");
    assert!(told.changes.windows(2).all(|two| two[0].ago_ms >= two[1].ago_ms), "oldest first");
}

#[test]
fn who_is_lost_and_comes_back_is_told_as_such() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    let id = sim.ends[0].id;
    for (hearing, lost) in [(Hearing::Silent, true), (Hearing::Heard, false)] {
        let now = sim.now;
        sim.adaptation.handle_hearing(now, id, hearing);
        sim.drain();
        assert_eq!(sim.pair(0, 1).rung_reason == RungReason::PublisherLost, lost);
        let told = sim.explained();
        assert_eq!(told.participants[0].lost, lost);
        let last = told.changes.last().map(|change| change.change.clone());
        assert_eq!(last, Some(Change::Connection { participant: id, lost }));
        sim.run(secs(1));
    }
}
