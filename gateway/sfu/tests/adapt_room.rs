//! The decisions of a room against simulated links: what each participant would come to see, and when.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use protocol::quality::{AdaptationPolicy, HdMode, HdReason, PairQuality, RungReason, UplinkPlan};
use protocol::track::{Role, TrackSource};
use protocol::units::Bitrate;
use sfu::adapt::{
    AdaptOutput, Adaptation, Downlink, DownlinkState, ForwardTarget, LayerMeasure, Publication, Uplink,
};
use sfu::config::{SfuConfig, SiteProfile};
use sfu::sample::SwitchCause;

/// What a test does to an end.
type Change = fn(&mut End);

/// One participant's end of the simulation. Links carry what they carry; the estimate doubles every
/// second until it exceeds what is wanted of it by a third, and falls at once.
struct End {
    id: ParticipantId,
    camera: TrackId,
    uplink: Bitrate,
    downlink: Bitrate,
    estimate: Bitrate,
    rtt: Duration,
    uplink_loss: f64,
    demand: Bitrate,
    plan: Option<UplinkPlan>,
    /// Since when each encoding is on.
    on_since: [Option<Instant>; 3],
    cost: u16,
    report: Option<(ReportSource, NetworkClass)>,
    sequence: u32,
}

struct Sim {
    start: Instant,
    now: Instant,
    adaptation: Adaptation,
    ends: Vec<End>,
    forwarded: BTreeMap<(ParticipantId, TrackId), ForwardTarget>,
    quality: BTreeMap<ParticipantId, Vec<PairQuality>>,
    hd: Vec<(Duration, HdReason)>,
    rungs: Vec<(Duration, Rung, Rung, SwitchCause)>,
}

const STEP: Duration = Duration::from_millis(50);

/// Congestion control goes on from here after an outage.
const LEAST_ESTIMATE: Bitrate = Bitrate::kbps(50);

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
fn origin() -> Instant {
    Instant::now()
}

fn kbps(rate: u64) -> Bitrate {
    Bitrate::kbps(rate)
}

impl Sim {
    fn new(mode: HdMode) -> Self {
        let profile = |range: &str, class| SiteProfile { range: range.parse().expect("a range"), class };
        let config = SfuConfig {
            candidates: Vec::new(),
            hd_mode: mode,
            adaptation: AdaptationPolicy::default(),
            site_profiles: vec![
                profile("10.5.0.0/16", NetworkClass::FiveG),
                profile("10.1.0.0/16", NetworkClass::Wired),
            ],
            accept_unattested_5g: false,
        };
        let start = origin();
        Self {
            start,
            now: start,
            adaptation: Adaptation::new(&config),
            ends: Vec::new(),
            forwarded: BTreeMap::new(),
            quality: BTreeMap::new(),
            hd: Vec::new(),
            rungs: Vec::new(),
        }
    }

    /// Joins, publishes a camera and subscribes to everybody, as everybody does in return.
    fn join(&mut self, role: Role, address: &str, cost: u16, link: Bitrate) -> usize {
        let number = self.ends.len() as u128 + 1;
        let (id, camera) = (ParticipantId::from_bits(number), TrackId::from_bits(100 + number));
        let address: IpAddr = address.parse().expect("an address");
        self.adaptation.handle_join(self.now, id, role);
        let rids = ["low", "mid", "high"].map(str::to_owned).to_vec();
        let source = TrackSource::Camera;
        let publication = Publication { track: camera, publisher: id, source, mid: "1".into(), rids };
        self.adaptation.handle_publish(self.now, publication);
        for other in &self.ends {
            self.adaptation.handle_subscribe(self.now, id, other.camera, 720);
            self.adaptation.handle_subscribe(self.now, other.id, camera, 720);
        }
        self.adaptation.handle_address(self.now, id, address);
        self.ends.push(End {
            id,
            camera,
            uplink: link,
            downlink: link,
            estimate: kbps(600),
            rtt: Duration::from_millis(40),
            uplink_loss: 0.0,
            demand: kbps(600),
            plan: None,
            on_since: [None; 3],
            cost,
            report: None,
            sequence: 0,
        });
        self.ends.len() - 1
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.drain();
            self.now += STEP;
            let whole_second = (self.now - self.start).as_millis().is_multiple_of(1_000);
            for index in 0..self.ends.len() {
                self.measure(index);
                if whole_second {
                    self.tell_network(index);
                }
            }
            if self.adaptation.poll_timeout().is_some_and(|due| due <= self.now) {
                self.adaptation.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    fn tell_network(&mut self, index: usize) {
        let end = &mut self.ends[index];
        self.adaptation.handle_network_cost(self.now, end.id, 1, end.cost);
        if let Some((source, class)) = end.report {
            end.sequence += 1;
            let report = NetworkReport { source, class, save_data: false, sequence: end.sequence };
            self.adaptation.handle_report(self.now, end.id, &report).expect("a report in order");
        }
    }

    /// What the encodings of an end send: filled from the lowest up, within two seconds of being asked for.
    fn layers(&self, index: usize) -> [LayerMeasure; 3] {
        let end = &self.ends[index];
        let mut layers = [LayerMeasure::default(); 3];
        let Some(plan) = &end.plan else { return layers };
        let mut spare = end.uplink;
        for (position, (layer, encoding)) in layers.iter_mut().zip(&plan.encodings).enumerate() {
            let ramp = Duration::from_millis(300 + 600 * position as u64);
            let fits = encoding.max_bitrate_bps.scaled(0.7) <= spare;
            let ramped = end.on_since[position].is_some_and(|since| self.now - since >= ramp);
            if !ramped || !fits {
                continue;
            }
            let rate = encoding.max_bitrate_bps.scaled(0.9).min(spare);
            spare = spare - rate;
            *layer = LayerMeasure {
                alive: true,
                stalled: false,
                height: Some(encoding.rung.lines()),
                cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
                temporal_layers: 3,
                frame_rate: 30.0,
            };
        }
        layers
    }

    fn sent_to(&self, subscriber: ParticipantId) -> Bitrate {
        let targets = self.forwarded.iter().filter(|((to, _), _)| *to == subscriber);
        targets
            .filter_map(|((_, track), target)| {
                let ForwardTarget::Layer(layer) = target else { return None };
                let publisher = self.ends.iter().position(|end| end.camera == *track)?;
                Some(
                    self.layers(publisher)[usize::from(layer.encoding)].cumulative
                        [usize::from(layer.temporal)],
                )
            })
            .sum()
    }

    fn measure(&mut self, index: usize) {
        let layers = self.layers(index);
        let sent = self.sent_to(self.ends[index].id);
        let end = &mut self.ends[index];
        let grown = end.estimate.max(LEAST_ESTIMATE).scaled(1.0 + STEP.as_secs_f64());
        end.estimate = if grown < end.demand.scaled(1.3) { grown } else { end.estimate }.min(end.downlink);
        let link = Downlink {
            estimate: end.estimate,
            acknowledged: sent.min(end.downlink),
            rtt: end.rtt,
            loss: 0.0,
            jitter: Duration::from_millis(5),
            queue_delay: Duration::ZERO,
            state: DownlinkState::Steady,
        };
        let rate = layers.iter().map(|layer| layer.cumulative[2]).sum();
        let jitter = Duration::from_millis(5);
        let uplink = Uplink { rate, loss: end.uplink_loss, jitter, rtt: Some(end.rtt) };
        let (id, camera) = (end.id, end.camera);
        self.adaptation.handle_layers(self.now, camera, &layers);
        self.adaptation.handle_uplink(self.now, id, uplink);
        self.adaptation.handle_downlink(self.now, id, link);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.adaptation.poll_output() {
            let at = self.now - self.start;
            match output {
                AdaptOutput::Forward { subscriber, track, target } => {
                    let before = self.forwarded.insert((subscriber, track), target);
                    assert_ne!(before, Some(target), "said twice");
                }
                AdaptOutput::Uplink { publisher, plan } => {
                    if let Some(end) = self.ends.iter_mut().find(|end| end.id == publisher) {
                        for (since, encoding) in end.on_since.iter_mut().zip(&plan.encodings) {
                            *since = encoding.active.then(|| since.unwrap_or(self.now));
                        }
                        end.plan = Some(plan);
                    }
                }
                AdaptOutput::Quality { subscriber, pairs } => {
                    self.quality.insert(subscriber, pairs);
                }
                AdaptOutput::Hd { to, .. } => self.hd.push((at, to)),
                AdaptOutput::RungChanged { from, to, cause } => self.rungs.push((at, from, to, cause)),
                AdaptOutput::Demand { subscriber, floor, current, next } => {
                    assert!(floor <= current.max(floor) && current <= next, "{floor} {current} {next}");
                    if let Some(end) = self.ends.iter_mut().find(|end| end.id == subscriber) {
                        end.demand = next;
                    }
                }
                AdaptOutput::NetworkClass { .. } => {}
            }
        }
    }

    fn pair(&self, publisher: usize, subscriber: usize) -> PairQuality {
        let pairs = self.adaptation.quality(self.ends[subscriber].id);
        let camera = self.ends[publisher].camera;
        *pairs.iter().find(|pair| pair.track == camera).expect("a subscription")
    }

    fn sees(&self, publisher: usize, subscriber: usize) -> Rung {
        self.pair(publisher, subscriber).rung
    }

    /// Runs until the condition holds, and says how long that took.
    fn until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Option<Duration> {
        let begun = self.now;
        while self.now - begun < limit {
            if condition(self) {
                return Some(self.now - begun);
            }
            self.run(STEP);
        }
        None
    }
}

const FIVE_G: &str = "10.5.0.1";
const ELSEWHERE: &str = "192.0.2.1";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A clinician and a patient, both on a 5G site.
fn five_g_pair(link: Bitrate) -> Sim {
    let mut sim = Sim::new(HdMode::Strict);
    sim.join(Role::Clinician, FIVE_G, 50, link);
    sim.join(Role::Patient, FIVE_G, 50, link);
    sim
}

#[test]
fn a_5g_pair_starts_in_hd() {
    let mut sim = five_g_pair(kbps(20_000));
    let hd = |sim: &Sim| sim.sees(0, 1) == Rung::P720 && sim.sees(1, 0) == Rung::P720;
    let time = sim.until(secs(20), hd).expect("HD");
    assert!(time <= Duration::from_millis(4_500), "{time:?}: {:?}", sim.rungs);
    sim.run(secs(120));
    assert!(hd(&sim));
    assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Best);
    let first = sim.rungs.iter().position(|change| change.2 == Rung::P720).expect("HD");
    assert!(sim.rungs.len() <= first + 2, "a good link does not flap: {:?}", sim.rungs);
}

#[test]
fn an_end_that_becomes_4g_takes_the_pair_below_hd_within_five_seconds() {
    for down in
        [(ReportSource::Shell, NetworkClass::FourG), (ReportSource::WechatMiniProgram, NetworkClass::FourG)]
    {
        let mut sim = five_g_pair(kbps(20_000));
        sim.run(secs(20));
        assert_eq!(sim.sees(0, 1), Rung::P720);
        sim.ends[1].report = Some(down);
        let lowered = |sim: &Sim| sim.sees(0, 1) <= Rung::P480 && sim.sees(1, 0) <= Rung::P480;
        let time = sim.until(secs(10), lowered).expect("lowered");
        assert!(time <= Duration::from_millis(4_300), "{down:?}: {time:?}");
        assert_eq!(sim.pair(0, 1).hd, HdReason::SubscriberClass);
        assert_eq!(sim.pair(1, 0).hd, HdReason::PublisherClass);
        sim.run(secs(10));
        assert_eq!(sim.sees(0, 1), Rung::P480);
        assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Class);
        let plan = sim.ends[0].plan.clone().expect("a plan");
        assert!(!plan.encodings[2].active, "HD is off at its source");
    }
}

#[test]
fn hd_returns_when_5g_does() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FourG));
    sim.run(secs(30));
    sim.ends[1].report = Some((ReportSource::Shell, NetworkClass::FiveG));
    let time = sim.until(secs(60), |sim| sim.sees(0, 1) == Rung::P720).expect("HD again");
    assert!(time > secs(9) && time < secs(20), "the dwell and the agreement: {time:?}");
}

#[test]
fn claims_alone_never_yield_hd() {
    for source in [ReportSource::NetworkInformation, ReportSource::Shell] {
        for cost in [50, 900, 999] {
            for class in [NetworkClass::FiveG, NetworkClass::Wifi, NetworkClass::Wired] {
                let mut sim = Sim::new(HdMode::Equivalent);
                sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
                sim.join(Role::Patient, ELSEWHERE, cost, kbps(20_000));
                sim.ends[1].report = Some((source, class));
                sim.run(secs(60));
                assert!(sim.sees(0, 1) <= Rung::P480, "{source:?} {cost} {class}: {:?}", sim.pair(0, 1));
                assert!(!sim.hd.iter().any(|(_, reason)| *reason == HdReason::Granted));
            }
        }
    }
}

#[test]
fn a_label_without_the_bandwidth_yields_no_hd() {
    let mut sim = five_g_pair(kbps(1_200));
    sim.run(secs(120));
    assert!(sim.rungs.iter().all(|change| change.2 <= Rung::P480), "{:?}", sim.rungs);
    assert_ne!(sim.pair(0, 1).hd, HdReason::Granted);
}

#[test]
fn an_uplink_that_cannot_carry_hd_loses_its_permission() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.ends[0].uplink = kbps(1_100);
    sim.run(secs(15));
    assert_eq!(sim.sees(0, 1), Rung::P480);
    assert_eq!(sim.sees(1, 0), Rung::P720, "the other direction is its own pair");
    assert!(sim.hd.iter().any(|(_, reason)| *reason == HdReason::UplinkUnproven), "{:?}", sim.hd);
    let plan = sim.ends[0].plan.clone().expect("a plan");
    assert!(!plan.encodings[2].active);
}

#[test]
fn an_overloaded_encoder_loses_hd() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    let (now, camera) = (sim.now, sim.ends[0].camera);
    sim.adaptation.handle_encoder_limit(now, camera, EncoderLimit::Cpu);
    let time = sim.until(secs(10), |sim| sim.sees(0, 1) <= Rung::P480).expect("relief");
    assert!(time <= secs(4), "{time:?}");
    assert!(sim.hd.iter().any(|(_, reason)| *reason == HdReason::EncoderLimited));
}

#[test]
fn a_lossy_or_distant_link_is_found_out() {
    let worsen: [(&str, Change, HdReason); 2] = [
        ("loss", |end| end.uplink_loss = 0.08, HdReason::Loss),
        ("rtt", |end| end.rtt = Duration::from_millis(400), HdReason::RoundTrip),
    ];
    for (name, worsen, reason) in worsen {
        let mut sim = five_g_pair(kbps(20_000));
        sim.run(secs(15));
        worsen(&mut sim.ends[0]);
        sim.run(secs(5));
        assert!(sim.sees(0, 1) <= Rung::P480, "{name}");
        assert!(sim.hd.iter().any(|(_, said)| *said == reason), "{name}: {:?}", sim.hd);
    }
}

#[test]
fn a_fall_of_the_downlink_is_followed_in_the_same_report() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(20));
    sim.ends[1].downlink = kbps(600);
    sim.run(STEP);
    let sent = sim.sent_to(sim.ends[1].id);
    assert!(sent <= kbps(600), "{sent}");
    assert_eq!(sim.sees(1, 0), Rung::P720, "the other direction is not touched");
    assert_eq!(sim.pair(0, 1).hd, HdReason::Granted, "a dip lowers the rung and not the permission");
    sim.run(secs(2));
    sim.ends[1].downlink = kbps(20_000);
    let floor = sim.until(secs(20), |sim| sim.sees(0, 1) >= Rung::P480).expect("the floor");
    let hd = sim.until(secs(20), |sim| sim.sees(0, 1) >= Rung::P720).expect("HD");
    assert!(floor <= secs(4), "{floor:?}");
    assert!(floor + hd <= secs(10), "{hd:?}");
}

#[test]
fn there_is_always_a_picture_that_fits() {
    for rate in [110, 200, 300, 450, 700, 1_000, 1_500, 2_200, 3_000] {
        let mut sim = five_g_pair(kbps(5_000));
        sim.ends[1].downlink = kbps(rate);
        sim.run(secs(30));
        let sent = sim.sent_to(sim.ends[1].id);
        assert!(sent > Bitrate::ZERO, "{rate}");
        assert!(sent <= kbps(rate), "{rate}: {sent}");
        let late = sim.rungs.iter().filter(|change| change.0 > secs(20)).count();
        assert_eq!(late, 0, "{rate}: {:?}", sim.rungs);
    }
}

#[test]
fn a_narrow_pair_gets_360_lines_from_its_publisher() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.ends[1].downlink = kbps(550);
    sim.run(secs(40));
    assert_eq!(sim.sees(0, 1), Rung::P360, "{:?}", sim.rungs);
}

#[test]
fn an_unsteady_link_does_not_flap() {
    let mut sim = five_g_pair(kbps(20_000));
    for step in 0..120 {
        sim.ends[1].downlink = if step % 2 == 0 { kbps(1_300) } else { kbps(2_600) };
        sim.run(secs(2));
    }
    let seen = sim.rungs.len();
    assert!(seen <= 24, "{seen} changes in four minutes: {:?}", sim.rungs);
}

#[test]
fn tiles_decide_what_is_sent() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    let (now, subscriber, camera) = (sim.now, sim.ends[1].id, sim.ends[0].camera);
    sim.adaptation.handle_subscribe(now, subscriber, camera, 180);
    sim.run(secs(1));
    assert_eq!(sim.sees(0, 1), Rung::P180);
    assert_eq!(sim.pair(0, 1).rung_reason, RungReason::Viewport);
    assert_eq!(sim.pair(0, 1).hd, HdReason::Granted, "a small tile costs no permission");
    let now = sim.now;
    sim.adaptation.handle_subscribe(now, subscriber, camera, 0);
    sim.run(secs(1));
    assert_eq!(sim.sees(0, 1), Rung::AudioOnly);
    let now = sim.now;
    sim.adaptation.handle_subscribe(now, subscriber, camera, 900);
    sim.run(secs(12));
    assert_eq!(sim.sees(0, 1), Rung::P720);
}

#[test]
fn muted_cameras_keep_their_layers() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(15));
    let (now, camera) = (sim.now, sim.ends[0].camera);
    sim.adaptation.handle_mute(now, camera, true);
    assert_eq!((sim.sees(0, 1), sim.pair(0, 1).rung_reason), (Rung::AudioOnly, RungReason::Muted));
    sim.run(secs(60));
    let now = sim.now;
    sim.adaptation.handle_mute(now, camera, false);
    assert_eq!(sim.sees(0, 1), Rung::P720);
}

#[test]
fn the_consultation_comes_before_the_audience() {
    let mut sim = Sim::new(HdMode::Equivalent);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Patient, FIVE_G, 50, kbps(20_000));
    for _ in 0..6 {
        sim.join(Role::Observer, FIVE_G, 50, kbps(20_000));
    }
    sim.ends[0].downlink = kbps(1_500);
    sim.run(secs(30));
    assert!(sim.sees(1, 0) >= Rung::P480, "{:?}", sim.adaptation.quality(sim.ends[0].id));
    let thumbnails = (2..8).filter(|publisher| sim.sees(*publisher, 0) == Rung::P180).count();
    assert!(thumbnails >= 2, "{:?}", sim.adaptation.quality(sim.ends[0].id));
    assert_eq!(sim.sees(0, 3), Rung::P720);
}

#[test]
fn a_third_on_3g_lowers_only_its_own_pairs() {
    let mut sim = Sim::new(HdMode::Equivalent);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Patient, FIVE_G, 50, kbps(20_000));
    sim.join(Role::Family, ELSEWHERE, 910, kbps(1_500));
    sim.run(secs(20));
    assert_eq!(sim.sees(0, 1), Rung::P720);
    assert!(sim.sees(0, 2) <= Rung::P360 && sim.sees(0, 2) > Rung::AudioOnly);
    assert!(sim.sees(2, 0) <= Rung::P360 && sim.sees(2, 0) > Rung::AudioOnly);
}

#[test]
fn a_plan_comes_with_the_track_and_the_encoder_starts_for_who_has_just_come() {
    let mut sim = Sim::new(HdMode::Strict);
    sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
    sim.drain();
    let shape = |sim: &Sim, end: usize| {
        let plan = sim.ends[end].plan.clone().expect("a plan");
        plan.encodings.iter().map(|encoding| encoding.active.then_some(encoding.rung)).collect::<Vec<_>>()
    };
    let (now, patient) = (sim.now, ParticipantId::from_bits(77));
    sim.adaptation.handle_publish(
        now,
        Publication {
            track: sim.ends[0].camera,
            publisher: sim.ends[0].id,
            source: TrackSource::Camera,
            mid: "1".into(),
            rids: ["low", "mid", "high"].map(str::to_owned).to_vec(),
        },
    );
    sim.drain();
    assert_eq!(shape(&sim, 0), [None, None, None], "nobody is there");
    sim.adaptation.handle_join(now, patient, Role::Patient);
    sim.drain();
    assert_eq!(shape(&sim, 0), [Some(Rung::P180), Some(Rung::P480), None]);
    sim.adaptation.handle_address(now, patient, FIVE_G.parse().expect("an address"));
    sim.drain();
    assert_eq!(shape(&sim, 0), [Some(Rung::P180), Some(Rung::P480), Some(Rung::P720)]);
    sim.run(secs(10));
    assert_eq!(shape(&sim, 0), [None, None, None], "it did not subscribe");
}

#[test]
fn nobody_watching_means_nothing_sent() {
    let mut sim = five_g_pair(kbps(20_000));
    sim.run(secs(10));
    let (now, patient) = (sim.now, sim.ends[1].id);
    sim.adaptation.handle_leave(now, patient);
    sim.ends.truncate(1);
    sim.run(secs(1));
    let plan = sim.ends[0].plan.clone().expect("a plan");
    assert!(plan.encodings.iter().all(|encoding| !encoding.active));
}

#[test]
fn wifi_is_hd_grade_in_equivalent_mode_only() {
    for (mode, rung) in [(HdMode::Equivalent, Rung::P720), (HdMode::Strict, Rung::P480)] {
        let mut sim = Sim::new(mode);
        sim.join(Role::Clinician, ELSEWHERE, 0, kbps(20_000));
        sim.join(Role::Patient, ELSEWHERE, 10, kbps(20_000));
        sim.run(secs(10));
        assert_eq!(sim.sees(0, 1), rung, "{mode:?}: {:?}", sim.pair(0, 1));
    }
}

fn traces() -> Option<PathBuf> {
    let folder = std::env::var_os("TRACES_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

/// A second of a drive: what the link carries, and the label of the radio.
fn seconds(path: &Path) -> Vec<(Bitrate, NetworkClass)> {
    let text = std::fs::read_to_string(path).expect("a readable trace");
    let second = |line: &str| {
        let mut fields = line.split(',').skip(1);
        let rate = kbps(fields.next()?.parse().ok()?);
        let label = fields.next()?;
        Some((rate, NetworkClass::ALL.into_iter().find(|class| class.as_str() == label)?))
    };
    text.lines().skip(1).filter_map(second).collect()
}

/// The patient drives, the clinician sits on a good 5G link. The estimate knows the capacity at once, so
/// that what is left is the decisions' own doing.
#[test]
#[expect(clippy::print_stdout, reason = "the figures are for the reader, and a skipped test says so")]
fn recorded_drives_are_followed() {
    let Some(folder) = traces() else {
        println!("SKIPPED: no traces; set TRACES_DIR");
        return;
    };
    for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("ucc_") {
            continue;
        }
        let mut sim = Sim::new(HdMode::Strict);
        sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
        sim.join(Role::Patient, ELSEWHERE, 900, kbps(20_000));
        let drive = seconds(&entry.path());
        let [mut overloaded, mut hd, mut eligible, mut dark] = [0_usize; 4];
        for (capacity, class) in &drive {
            sim.ends[1].downlink = *capacity;
            sim.ends[1].report = Some((ReportSource::WechatMiniProgram, *class));
            sim.run(secs(1));
            let sent = sim.sent_to(sim.ends[1].id);
            overloaded += usize::from(sent > *capacity);
            dark += usize::from(sent == Bitrate::ZERO);
            let could = *class == NetworkClass::FiveG && *capacity >= kbps(2_500);
            eligible += usize::from(could);
            hd += usize::from(could && sim.sees(0, 1) == Rung::P720);
        }
        let minutes = drive.len() as f64 / 60.0;
        let switches = sim.rungs.len() as f64 / minutes;
        let policy =
            sim.hd.iter().filter(|(_, reason)| *reason == HdReason::Granted).count() as f64 / minutes;
        println!(
            "{name}: {overloaded} s overloaded and {dark} s dark of {}, HD in {hd} of {eligible} eligible s, \
             {switches:.1} rung changes and {policy:.2} grants a minute",
            drive.len()
        );
        assert!(overloaded * 50 <= drive.len(), "{name}: {overloaded} s overloaded");
    }
}
