//! A room's decisions against simulated ends: each has a camera, an encoder that follows its plan, and links.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use protocol::quality::{AdaptationPolicy, HdMode, HdReason, PairQuality, UplinkPlan};
use protocol::track::{Role, TrackSource};
use protocol::units::Bitrate;
use protocol::video_codec::CodecPreference;
use sfu::adapt::{
    AdaptOutput, Adaptation, Downlink, DownlinkState, ForwardTarget, LayerMeasure, Publication, Uplink,
};
use sfu::config::{SfuConfig, SiteProfile};
use sfu::sample::SwitchCause;

/// What a test does to an end.
pub(crate) type Change = fn(&mut End);

/// One participant's end of the simulation. Links carry what they carry; the estimate doubles every
/// second until it exceeds what is wanted of it by a third, and falls at once.
pub(crate) struct End {
    pub(crate) id: ParticipantId,
    pub(crate) camera: TrackId,
    pub(crate) uplink: Bitrate,
    pub(crate) downlink: Bitrate,
    pub(crate) estimate: Bitrate,
    pub(crate) rtt: Duration,
    pub(crate) uplink_loss: f64,
    pub(crate) demand: Bitrate,
    pub(crate) plan: Option<UplinkPlan>,
    /// Since when each encoding is on.
    pub(crate) on_since: [Option<Instant>; 3],
    pub(crate) cost: u16,
    pub(crate) report: Option<(ReportSource, NetworkClass)>,
    pub(crate) sequence: u32,
    /// Its encodings are spatial layers of one stream, each of half the lines of the next.
    pub(crate) spatial: bool,
    /// It sends one picture of so many lines, whatever it is asked for.
    pub(crate) only_lines: Option<u16>,
}

pub(crate) struct Sim {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) adaptation: Adaptation,
    pub(crate) ends: Vec<End>,
    pub(crate) forwarded: BTreeMap<(ParticipantId, TrackId), ForwardTarget>,
    pub(crate) quality: BTreeMap<ParticipantId, Vec<PairQuality>>,
    pub(crate) hd: Vec<(Duration, HdReason)>,
    pub(crate) rungs: Vec<(Duration, Rung, Rung, SwitchCause)>,
}

pub(crate) const STEP: Duration = Duration::from_millis(50);

/// How often links are measured besides what feedback tells.
const REGULAR: Duration = Duration::from_millis(200);

/// Congestion control goes on from here after an outage.
pub(crate) const LEAST_ESTIMATE: Bitrate = Bitrate::kbps(50);

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn kbps(rate: u64) -> Bitrate {
    Bitrate::kbps(rate)
}

impl Sim {
    pub(crate) fn new(mode: HdMode) -> Self {
        Self::under(AdaptationPolicy::TwoLoop, mode)
    }

    pub(crate) fn under(policy: AdaptationPolicy, mode: HdMode) -> Self {
        let profile = |range: &str, class| SiteProfile { range: range.parse().expect("a range"), class };
        let config = SfuConfig {
            candidates: Vec::new(),
            hd_mode: mode,
            adaptation: policy,
            video_codecs: CodecPreference::default(),
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
    pub(crate) fn join(&mut self, role: Role, address: &str, cost: u16, link: Bitrate) -> usize {
        self.join_as(role, true, address, cost, link)
    }

    /// Likewise, for one that may follow no plans.
    pub(crate) fn join_as(
        &mut self,
        role: Role,
        steerable: bool,
        address: &str,
        cost: u16,
        link: Bitrate,
    ) -> usize {
        let number = self.ends.len() as u128 + 1;
        let (id, camera) = (ParticipantId::from_bits(number), TrackId::from_bits(100 + number));
        let address: IpAddr = address.parse().expect("an address");
        self.adaptation.handle_join(self.now, id, role, steerable);
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
            spatial: false,
            only_lines: None,
        });
        self.ends.len() - 1
    }

    /// Publishes the camera of an end anew, as one stream with spatial layers.
    pub(crate) fn sends_spatial_layers(&mut self, index: usize) {
        self.publishes_one_stream(index);
        self.ends[index].spatial = true;
    }

    /// Publishes the camera of an end anew, as one stream that follows no plan.
    pub(crate) fn sends_only(&mut self, index: usize, lines: u16) {
        self.publishes_one_stream(index);
        self.ends[index].only_lines = Some(lines);
    }

    fn publishes_one_stream(&mut self, index: usize) {
        let (publisher, track) = (self.ends[index].id, self.ends[index].camera);
        self.adaptation.handle_unpublish(self.now, track);
        let (source, rids) = (TrackSource::Camera, vec![String::new()]);
        let publication = Publication { track, publisher, source, mid: "2".into(), rids };
        self.adaptation.handle_publish(self.now, publication);
        self.drain();
        self.forwarded.retain(|(_, forwarded), _| *forwarded != track);
        for other in self.ends.iter().filter(|end| end.id != publisher) {
            self.adaptation.handle_subscribe(self.now, other.id, track, 720);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
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

    pub(crate) fn tell_network(&mut self, index: usize) {
        let end = &mut self.ends[index];
        self.adaptation.handle_network_cost(self.now, end.id, 1, end.cost);
        if let Some((source, class)) = end.report {
            end.sequence += 1;
            let report = NetworkReport::plain(source, class, end.sequence);
            self.adaptation.handle_report(self.now, end.id, &report).expect("a report in order");
        }
    }

    /// What the encodings of an end send: filled from the lowest up, within two seconds of being asked for.
    pub(crate) fn layers(&self, index: usize) -> [LayerMeasure; 3] {
        let end = &self.ends[index];
        let mut layers = [LayerMeasure::default(); 3];
        let rate = kbps(1_500);
        if let Some(lines) = end.only_lines {
            layers[0] = LayerMeasure {
                alive: true,
                stalled: false,
                height: Some(lines),
                cumulative: [rate; 3],
                temporal_layers: 1,
                frame_rate: 30.0,
            };
            return layers;
        }
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
                height: Some(if end.spatial { halved(plan, position) } else { encoding.rung.lines() }),
                cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
                temporal_layers: 3,
                frame_rate: 30.0,
            };
        }
        layers
    }

    pub(crate) fn sent_to(&self, subscriber: ParticipantId) -> Bitrate {
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

    pub(crate) fn measure(&mut self, index: usize) {
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
        let streams = if end.only_lines.is_some() { 1 } else { layers.len() };
        self.adaptation.handle_layers(self.now, camera, &layers[..streams]);
        self.adaptation.handle_uplink(self.now, id, uplink);
        if (self.now - self.start).as_millis().is_multiple_of(REGULAR.as_millis()) {
            self.adaptation.handle_downlink(self.now, id, link);
        } else {
            self.adaptation.notice_downlink(self.now, id, link);
        }
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
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
                AdaptOutput::NetworkClass { .. } | AdaptOutput::NetworkConflict => {}
            }
        }
    }

    pub(crate) fn pair(&self, publisher: usize, subscriber: usize) -> PairQuality {
        let pairs = self.adaptation.quality(self.ends[subscriber].id);
        let camera = self.ends[publisher].camera;
        *pairs.iter().find(|pair| pair.track == camera).expect("a subscription")
    }

    pub(crate) fn sees(&self, publisher: usize, subscriber: usize) -> Rung {
        self.pair(publisher, subscriber).rung
    }

    /// Runs until the condition holds, and says how long that took.
    pub(crate) fn until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Option<Duration> {
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

/// The lines of a spatial layer: half of those of the next one up, down from what the plan has at the top.
fn halved(plan: &UplinkPlan, position: usize) -> u16 {
    let above = plan.encodings.iter().skip(position + 1).filter(|encoding| encoding.active);
    let top = plan.encodings.iter().rfind(|encoding| encoding.active);
    top.map_or(0, |top| top.rung.lines()) >> above.count()
}

pub(crate) const FIVE_G: &str = "10.5.0.1";
pub(crate) const WIRED: &str = "10.1.0.1";
pub(crate) const ELSEWHERE: &str = "192.0.2.1";

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A clinician and a patient, both on a 5G site.
pub(crate) fn five_g_pair(link: Bitrate) -> Sim {
    let mut sim = Sim::new(HdMode::Strict);
    sim.join(Role::Clinician, FIVE_G, 50, link);
    sim.join(Role::Patient, FIVE_G, 50, link);
    sim
}
