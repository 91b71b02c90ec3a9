//! The verdict on a network: what each kind of evidence is worth, and how long a change takes.

use std::time::{Duration, Instant};

use protocol::attestation::AttestedClaim;
use protocol::id::ShellNonce;
use protocol::network_class::NetworkClass::{self, Cell, FiveG, FourG, ThreeG, TwoG, Unknown, Wifi, Wired};
use protocol::network_class::{NetworkReport, ReportSource};
use sfu::adapt::{MAX_REPORTS_PER_SECOND, NetworkClassifier, NetworkFlags, ReportRefused, Trust};

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
fn origin() -> Instant {
    Instant::now()
}

/// A piece of evidence, said again every second.
#[derive(Debug, Clone, Copy)]
enum Says {
    Stun(u16),
    Page(NetworkClass),
    Shell(NetworkClass),
    WeChat(NetworkClass),
    Person(NetworkClass),
    App(NetworkClass),
    Site(NetworkClass),
    Operator(NetworkClass),
}

use Says::{App, Operator, Page, Person, Shell, Site, Stun, WeChat};

const NONCE: ShellNonce = ShellNonce::from_bits(7);

struct Story {
    started: Instant,
    now: Instant,
    classifier: NetworkClassifier,
    sequence: u32,
    network: u16,
}

impl Story {
    fn new() -> Self {
        Self::with(NetworkClassifier::new(false))
    }

    fn with(mut classifier: NetworkClassifier) -> Self {
        let now = origin();
        classifier.handle_shell_nonce(NONCE);
        Self { started: now, now, classifier, sequence: 0, network: 1 }
    }

    fn attest(&mut self, class: NetworkClass) -> Result<(), ReportRefused> {
        self.sequence += 1;
        let time_ms = 50_000 + (self.now - self.started).as_millis() as u64;
        let claim = AttestedClaim { nonce: NONCE, sequence: self.sequence, class, time_ms };
        self.classifier.handle_attested(self.now, &claim)
    }

    fn report(&mut self, source: ReportSource, class: NetworkClass) -> Result<(), ReportRefused> {
        self.sequence += 1;
        let report = NetworkReport::plain(source, class, self.sequence);
        self.classifier.handle_report(self.now, &report)
    }

    fn hear(&mut self, says: Says) {
        let taken = match says {
            Stun(cost) => {
                self.classifier.handle_network_cost(self.now, self.network, cost);
                Ok(())
            }
            Page(class) => self.report(ReportSource::NetworkInformation, class),
            Shell(class) => self.report(ReportSource::Shell, class),
            WeChat(class) => self.report(ReportSource::WechatMiniProgram, class),
            Person(class) => self.report(ReportSource::Person, class),
            App(class) => self.attest(class),
            Site(class) => {
                self.classifier.handle_address(self.now, Some(class));
                Ok(())
            }
            Operator(class) => {
                self.classifier.handle_operator(self.now, class);
                Ok(())
            }
        };
        taken.expect("an honest report");
    }

    /// Time passes by the classifier's own timeouts, with the evidence repeated every second.
    fn run(&mut self, seconds: u64, says: &[Says]) {
        for _ in 0..seconds {
            for one in says {
                self.hear(*one);
            }
            let second = self.now + Duration::from_secs(1);
            while let Some(due) = self.classifier.poll_timeout().filter(|due| *due <= second) {
                assert!(due >= self.now, "a timeout in the past");
                self.now = due;
                self.classifier.handle_timeout(due);
                if self.classifier.poll_timeout() == Some(due) {
                    break;
                }
            }
            self.now = second;
        }
    }

    fn class(&self) -> NetworkClass {
        self.classifier.verdict().class
    }
}

#[test]
fn what_evidence_is_worth() {
    let table: [(&[Says], NetworkClass, bool); 45] = [
        (&[], Unknown, false),
        (&[Stun(50)], Unknown, false),
        (&[Stun(999)], Unknown, false),
        (&[Stun(0)], Wired, true),
        (&[Stun(10)], Wifi, true),
        (&[Stun(900)], Cell, true),
        (&[Stun(250)], FiveG, true),
        (&[Stun(500)], FourG, true),
        (&[Stun(980)], TwoG, true),
        (&[Page(Wifi)], Wifi, false),
        (&[Page(FiveG)], Cell, false),
        (&[Shell(FiveG)], Cell, false),
        (&[Shell(FiveG), Stun(900)], Cell, false),
        (&[Shell(FourG), Stun(900)], FourG, false),
        (&[WeChat(FiveG)], FiveG, true),
        (&[WeChat(FiveG), Stun(900)], FiveG, true),
        // The radio is not what the media uses.
        (&[WeChat(FiveG), Stun(10)], Wifi, true),
        (&[WeChat(FiveG), Page(Wifi)], Wifi, false),
        (&[Operator(FiveG), Stun(0)], Wired, true),
        // The page is wrong: the pair that carries the media is cellular.
        (&[WeChat(FiveG), Page(Wifi), Stun(900)], FiveG, true),
        (&[Shell(Wifi), Stun(900)], Cell, true),
        (&[Operator(FiveG)], FiveG, true),
        (&[Operator(FourG), WeChat(FiveG)], FourG, true),
        (&[Site(FiveG)], FiveG, true),
        // A cable behind a 5G router.
        (&[Site(FiveG), Stun(0)], FiveG, true),
        (&[Site(FiveG), Stun(500)], FourG, true),
        (&[Site(FiveG), Shell(FourG)], FourG, false),
        (&[Site(FiveG), Page(Cell)], FiveG, true),
        (&[Site(Wired), Stun(900)], Cell, true),
        (&[Site(Wired), Stun(10)], Wired, true),
        // A hint weighs, but decides nothing.
        (&[Person(FiveG)], Unknown, false),
        (&[Person(Wifi)], Unknown, false),
        (&[Person(FiveG), Stun(900)], Cell, true),
        (&[Person(FiveG), Shell(FiveG), Page(Cell), Stun(900)], Cell, false),
        (&[Person(TwoG), Stun(10)], Wifi, true),
        (&[Person(FourG), WeChat(FiveG)], Cell, false),
        (&[Person(FourG), App(FiveG)], FiveG, true),
        (&[App(FiveG), Stun(900)], FiveG, true),
        (&[App(FourG)], FourG, true),
        (&[App(FiveG), Stun(10)], Wifi, true),
        (&[App(Wifi), Stun(900)], Cell, true),
        // Of two that are trusted, the lower class.
        (&[App(FiveG), Stun(500)], FourG, true),
        (&[App(FourG), WeChat(FiveG)], FourG, true),
        (&[Operator(FiveG), App(ThreeG)], ThreeG, true),
        (&[Operator(FiveG), App(Wifi)], Wifi, true),
    ];
    for (says, class, proven) in table {
        let mut story = Story::new();
        story.run(10, says);
        let verdict = story.classifier.verdict();
        assert_eq!((verdict.class, verdict.proven), (class, proven), "{says:?}: {verdict:?}");
    }
}

#[test]
fn trust_is_that_of_the_deciding_evidence() {
    for (says, trust) in
        [(Stun(900), Trust::Claim), (WeChat(FiveG), Trust::Native), (Site(FiveG), Trust::Vouched)]
    {
        let mut story = Story::new();
        story.run(1, &[says]);
        assert_eq!(story.classifier.verdict().trust, trust, "{says:?}");
    }
}

#[test]
fn a_demonstration_may_take_a_claim_for_proof() {
    let mut story = Story::with(NetworkClassifier::new(true));
    story.run(3, &[Shell(FiveG), Stun(900)]);
    assert!(story.class() == FiveG && story.classifier.verdict().proven);
    story.run(10, &[Shell(FiveG), Stun(10)]);
    assert_eq!(story.class(), Wifi, "the veto stands");
}

/// Seconds until the class is `to`, with `says` repeated.
fn seconds_until(story: &mut Story, to: NetworkClass, says: &[Says]) -> u64 {
    (0..60)
        .find(|_| {
            let there = story.class() == to;
            if !there {
                story.run(1, says);
            }
            there
        })
        .expect("the class within a minute")
}

#[test]
fn changes_wait_for_their_dwell() {
    let table: [(&[Says], &[Says], NetworkClass, u64); 7] = [
        (&[Stun(250)], &[Stun(500)], FourG, 4),
        (&[Stun(500)], &[Stun(250)], FiveG, 5),
        (&[Site(FiveG)], &[Shell(FourG)], FourG, 4),
        (&[Stun(10)], &[Stun(900)], Cell, 4),
        (&[Stun(900), WeChat(FiveG)], &[Stun(900), WeChat(ThreeG)], ThreeG, 4),
        (&[App(FiveG)], &[App(FourG)], FourG, 4),
        (&[App(FourG)], &[App(FiveG)], FiveG, 5),
    ];
    for (before, after, class, dwell) in table {
        let mut story = Story::new();
        story.run(10, before);
        let taken = seconds_until(&mut story, class, after);
        assert!(taken >= dwell && taken <= dwell + 1, "{before:?} to {after:?}: {taken} s");
    }
}

#[test]
fn the_first_verdict_does_not_wait() {
    let mut story = Story::new();
    story.hear(Stun(900));
    assert_eq!(story.class(), Cell);
    story.hear(WeChat(FiveG));
    assert_eq!(story.class(), FiveG, "evidence of a join arrives piece by piece");
}

#[test]
fn another_network_takes_the_class_down_at_once() {
    let mut story = Story::new();
    story.run(10, &[Stun(10)]);
    story.network = 2;
    story.hear(Stun(900));
    assert_eq!(story.class(), Cell);
}

#[test]
fn what_was_said_on_another_network_is_forgotten() {
    let mut story = Story::new();
    story.run(10, &[Stun(900), WeChat(FiveG)]);
    story.run(3, &[Stun(900)]);
    story.network = 2;
    story.run(4, &[Stun(900)]);
    assert_eq!(story.class(), Cell);
}

#[test]
fn a_request_that_was_overtaken_changes_nothing() {
    let mut story = Story::new();
    story.run(10, &[Stun(10)]);
    story.network = 2;
    story.run(1, &[Stun(900), WeChat(FiveG)]);
    story.now -= Duration::from_millis(600);
    story.network = 1;
    story.hear(Stun(10));
    assert_eq!(story.class(), Cell, "an older request of the network before");
    story.now += Duration::from_millis(600);
    story.network = 2;
    story.run(6, &[Stun(900), WeChat(FiveG)]);
    assert_eq!(story.class(), FiveG, "what was said on this network still counts");
    // Who goes back for good is believed a second later.
    story.network = 1;
    story.run(2, &[Stun(10)]);
    assert_eq!(story.class(), Wifi);
}

#[test]
fn a_link_in_trouble_does_not_wait_for_the_lower_class() {
    for (in_trouble, class) in [(false, FiveG), (true, FourG)] {
        let mut story = Story::new();
        story.run(10, &[Stun(250)]);
        story.classifier.handle_link(story.now, in_trouble);
        assert_eq!(story.class(), FiveG, "trouble alone is no other network");
        story.hear(Stun(500));
        assert_eq!(story.class(), class, "in trouble: {in_trouble}");
    }
    let mut story = Story::new();
    story.run(10, &[Stun(500)]);
    story.classifier.handle_link(story.now, true);
    story.run(4, &[Stun(250)]);
    assert_eq!(story.class(), FourG, "upwards it waits all the same");
}

#[test]
fn lasting_contradictions_of_trusted_sources_are_counted_once() {
    let table: [(&[Says], u64, u32); 7] = [
        (&[App(FiveG), Stun(500)], 10, 1),
        (&[App(FiveG), Stun(500)], 2, 0),
        (&[Operator(FiveG), WeChat(FourG)], 30, 1),
        (&[Site(FiveG), Operator(FourG)], 10, 1),
        // A cable behind a 5G router, an unattested shell, and a radio that the media does not use.
        (&[Site(FiveG), Stun(0)], 10, 0),
        (&[App(FiveG), Shell(FourG)], 10, 0),
        (&[App(FiveG), Stun(900)], 10, 0),
    ];
    for (says, seconds, conflicts) in table {
        let mut story = Story::new();
        story.run(seconds, says);
        assert_eq!(story.classifier.take_conflicts(), conflicts, "{says:?}");
        assert_eq!(story.classifier.take_conflicts(), 0, "said once");
    }
    let mut story = Story::new();
    for _ in 0..3 {
        story.run(5, &[App(FiveG), Stun(500)]);
        story.run(5, &[App(FourG), Stun(500)]);
    }
    assert_eq!(story.classifier.take_conflicts(), 3);
}

#[test]
fn a_vpn_keeps_the_class_and_takes_confidence() {
    let mut plain = Story::new();
    plain.run(6, &[WeChat(FiveG)]);
    let mut story = Story::new();
    story.sequence = 1;
    for second in 0..6 {
        let report = NetworkReport {
            vpn: true,
            roaming: second > 2,
            save_data: second > 3,
            ..NetworkReport::plain(ReportSource::WechatMiniProgram, FiveG, 10 + second)
        };
        story.classifier.handle_report(story.now, &report).expect("an honest report");
        story.run(1, &[]);
    }
    let (verdict, before) = (story.classifier.verdict(), plain.classifier.verdict());
    assert_eq!((verdict.class, verdict.proven), (FiveG, true));
    assert!((verdict.confidence - 0.7 * before.confidence).abs() < 1e-9, "{verdict:?}");
    assert_eq!(verdict.flags, NetworkFlags { vpn: true, roaming: true, save_data: true });
    // Another network: the VPN and the roaming belonged to the one before, the wish does not.
    story.run(1, &[Stun(900)]);
    story.run(3, &[]);
    story.network = 2;
    story.run(1, &[Stun(900)]);
    assert_eq!(story.classifier.verdict().flags, NetworkFlags { save_data: true, ..NetworkFlags::default() });
    let mut by_cost = Story::new();
    by_cost.run(3, &[Stun(11)]);
    assert!(by_cost.class() == Wifi && by_cost.classifier.verdict().flags.vpn);
    by_cost.run(1, &[Stun(10)]);
    assert!(!by_cost.classifier.verdict().flags.vpn);
}

#[test]
fn each_tier_lasts_for_its_time_and_fades_over_the_same_again() {
    for (says, seconds) in
        [(Stun(900), 5), (Page(Wifi), 15), (App(FourG), 10), (WeChat(FourG), 10), (Operator(FourG), 60)]
    {
        let mut story = Story::new();
        story.hear(says);
        let confidence = |story: &Story| story.classifier.verdict().confidence;
        let fresh = confidence(&story);
        story.run(seconds, &[]);
        assert!((confidence(&story) - fresh).abs() < 1e-9, "{says:?} holds for {seconds} s");
        story.run(seconds / 2, &[]);
        assert!(confidence(&story) < fresh - 0.03, "{says:?} fades");
    }
    for lasting in [Site(FiveG), Site(Wired)] {
        let mut story = Story::new();
        story.hear(lasting);
        let fresh = story.classifier.verdict();
        story.run(3_600, &[]);
        assert_eq!(story.classifier.verdict(), fresh, "{lasting:?}");
    }
}

#[test]
fn to_know_nothing_any_more_counts_as_down() {
    for before in [Stun(900), Stun(980), Operator(FourG)] {
        let mut story = Story::new();
        story.run(5, &[before]);
        let known = story.class();
        // Until the evidence is gone, and for a dwell after that.
        let gone = if matches!(before, Operator(_)) { 120 } else { 10 };
        story.run(gone - 1 + 3, &[]);
        assert_eq!(story.class(), known, "{before:?}");
        story.run(3, &[]);
        assert_eq!(story.class(), Unknown, "{before:?}");
    }
}

#[test]
fn signed_reports_are_for_one_transport_in_order_and_in_time() {
    let mut story = Story::new();
    story.run(5, &[App(FourG)]);
    let claim = |nonce, sequence, time_ms| AttestedClaim { nonce, sequence, class: FiveG, time_ms };
    let other = ShellNonce::from_bits(8);
    for (claim, refused) in [
        (claim(other, 100, 60_000), ReportRefused::ForeignNonce),
        (claim(NONCE, story.sequence, 60_000), ReportRefused::Stale),
        (claim(NONCE, 1, 60_000), ReportRefused::Stale),
        (claim(NONCE, 101, 40_000), ReportRefused::Stale),
    ] {
        story.now += Duration::from_secs(1);
        assert_eq!(story.classifier.handle_attested(story.now, &claim), Err(refused));
        assert_eq!(story.class(), FourG);
    }
    // A new signaling session does not reopen what the transport has seen.
    story.classifier.handle_new_session();
    story.now += Duration::from_secs(1);
    let replayed = claim(NONCE, story.sequence, 60_000);
    assert_eq!(story.classifier.handle_attested(story.now, &replayed), Err(ReportRefused::Stale));
    // A new transport does, and takes nothing of the old one.
    story.classifier.handle_shell_nonce(other);
    assert_eq!(story.classifier.handle_attested(story.now, &replayed), Err(ReportRefused::ForeignNonce));
    assert_eq!(story.classifier.handle_attested(story.now, &claim(other, 1, 5)), Ok(()));
}

#[test]
fn short_flaps_change_nothing() {
    let mut story = Story::new();
    story.run(10, &[Stun(250)]);
    for _ in 0..20 {
        story.run(2, &[Stun(500)]);
        assert_eq!(story.class(), FiveG);
        story.run(3, &[Stun(250)]);
        assert_eq!(story.class(), FiveG);
    }
}

#[test]
fn silence_takes_5g_back() {
    let mut story = Story::new();
    story.run(10, &[WeChat(FiveG)]);
    story.run(9, &[]);
    assert_eq!(story.class(), FiveG);
    story.run(15, &[]);
    assert_ne!(story.class(), FiveG);
    story.run(20, &[]);
    assert_eq!(story.class(), Unknown);
}

#[test]
fn a_claim_for_less_outlasts_its_reports() {
    let mut story = Story::new();
    story.run(5, &[Site(FiveG), Shell(FourG)]);
    story.run(120, &[Site(FiveG)]);
    assert_eq!(story.class(), FourG, "silence is no retraction");
    story.run(7, &[Site(FiveG), Shell(FiveG)]);
    assert_eq!(story.class(), FiveG);
}

#[test]
fn reports_are_ordered_and_few() {
    let mut story = Story::new();
    for _ in 0..MAX_REPORTS_PER_SECOND {
        assert_eq!(story.report(ReportSource::Shell, FourG), Ok(()));
    }
    assert_eq!(story.report(ReportSource::Shell, FiveG), Err(ReportRefused::TooOften));
    assert_eq!(story.class(), FourG);
    story.now += Duration::from_secs(1);
    story.sequence = 1;
    assert_eq!(story.report(ReportSource::Shell, FiveG), Err(ReportRefused::Stale));
    assert_eq!(story.class(), FourG);
    story.classifier.handle_new_session();
    story.now += Duration::from_secs(1);
    story.sequence = 0;
    assert_eq!(story.report(ReportSource::Shell, ThreeG), Ok(()));
}

#[test]
fn no_claim_of_the_page_or_shell_proves_5g() {
    for stun in [None, Some(50), Some(900), Some(999)] {
        for source in [ReportSource::NetworkInformation, ReportSource::Shell] {
            let mut story = Story::new();
            for _ in 0..600 {
                if let Some(cost) = stun {
                    story.hear(Stun(cost));
                }
                story.report(source, FiveG).expect("an honest pace");
                story.run(1, &[]);
                assert_ne!(story.class(), FiveG);
            }
        }
    }
}
