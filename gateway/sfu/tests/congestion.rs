//! Congestion control and pacer over an emulated link, with a source that behaves as the allocator does.
//! `cargo test -p sfu --test congestion -- --nocapture` prints the figures.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use link::{Jitter, Link, LinkSettings, Loss};
use protocol::units::{Bitrate, DataSize};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sfu::congestion::{
    CongestionController, Demand, Enqueued, Lane, LinkState, Pacer, PacketStatus, Release, Resend,
    SentPacket, StartRate,
};

const AUDIO: Bitrate = Bitrate::kbps(40);
const MTU: u64 = 1_200;
const FRAMES_PER_SECOND: u64 = 30;
const TICK: Duration = Duration::from_millis(1);
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
const RETURN_DELAY: Duration = Duration::from_millis(30);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::kbps(kbps)
}

fn link_of(capacity: Bitrate) -> LinkSettings {
    LinkSettings::default().capacity(capacity).delay(ms(30)).queue(ms(250))
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
fn origin() -> Instant {
    Instant::now()
}

// ---- the source -----------------------------------------------------------------------------------------

/// What wants to be sent.
#[derive(Debug, Clone)]
enum Source {
    /// Follows the target, as a backlog would.
    Elastic,
    /// A picture with these rungs: down at once, up where the estimate exceeds the price by a fifth.
    Layered { rungs: &'static [u64], at: Option<usize> },
    /// Never more than this, whatever the target, and a wish for more.
    Thin { rate: u64, next: u64 },
}

const LADDER: &[u64] = &[75, 150, 400, 750, 1_700, 3_200];

impl Source {
    fn layered() -> Self {
        Self::Layered { rungs: LADDER, at: None }
    }

    /// Chooses by the target; says whether a key frame is needed.
    fn adapt(&mut self, target: Bitrate, state: LinkState) -> bool {
        let Self::Layered { rungs, at } = self else { return false };
        let before = *at;
        let price = |rung: usize| AUDIO + kbps(rungs[rung]);
        if state == LinkState::FeedbackLost {
            *at = None;
            return false;
        }
        while let Some(rung) = *at
            && price(rung) > target
        {
            *at = rung.checked_sub(1);
        }
        let up = (0..rungs.len()).rev().find(|rung| price(*rung).scaled(1.2) <= target);
        *at = (*at).max(up);
        // The two lowest rungs differ in frame rate alone.
        *at != before && at.map(|rung| rung.max(1)) != before.map(|rung| rung.max(1))
    }

    fn video(&self, target: Bitrate, state: LinkState) -> Bitrate {
        match self {
            Self::Elastic if state == LinkState::FeedbackLost => Bitrate::ZERO,
            Self::Elastic => target - AUDIO,
            Self::Layered { rungs, at } => at.map_or(Bitrate::ZERO, |rung| kbps(rungs[rung])),
            Self::Thin { rate, .. } => kbps(*rate),
        }
    }

    fn demand(&self, target: Bitrate) -> Demand {
        let floor = AUDIO + kbps(75);
        match self {
            Self::Elastic => Demand { floor, current: target, next: None },
            Self::Layered { rungs, at } => Demand {
                floor,
                current: AUDIO + at.map_or(Bitrate::ZERO, |rung| kbps(rungs[rung])),
                next: rungs.get(at.map_or(0, |rung| rung + 1)).map(|rung| AUDIO + kbps(*rung)),
            },
            Self::Thin { rate, next } => {
                Demand { floor, current: AUDIO + kbps(*rate), next: Some(AUDIO + kbps(*next)) }
            }
        }
    }
}

// ---- one subscriber -------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy)]
struct Packet {
    flow: usize,
    sequence: u16,
    video: Option<u64>,
    is_audio: bool,
    sent: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    size: DataSize,
    first_sent: Instant,
    last_sent: Instant,
    resends: u8,
}

/// What a flow did in one slice of 50 ms.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    offered: DataSize,
    repairs: DataSize,
    target: Bitrate,
    queue_delay: Duration,
    audio_delay: Duration,
    audio_gap: Duration,
    video: Bitrate,
}

const SLICE: Duration = Duration::from_millis(50);

struct Flow {
    controller: CongestionController,
    pacer: Pacer<Option<u64>>,
    source: Source,
    starts: Duration,
    rng: StdRng,
    next_frame: Instant,
    next_audio: Instant,
    needs_key_frame: bool,
    next_video: u64,
    sent_video: BTreeMap<u64, Stored>,
    // The receiver's side.
    arrivals: BTreeMap<u64, Instant>,
    received_up_to: Option<u64>,
    reported_up_to: Option<u64>,
    missing: BTreeMap<u64, (Instant, u8)>,
    highest_video: Option<u64>,
    next_feedback: Instant,
    on_the_way_back: VecDeque<(Instant, Vec<PacketStatus>, Vec<u64>)>,
    last_audio: Option<Instant>,
    // What came of it.
    slices: Vec<Slice>,
    states: Vec<(Duration, LinkState)>,
    refused_repairs: u64,
}

impl Flow {
    fn new(start: Instant, source: Source, prior: StartRate, starts: Duration, seed: u64) -> Self {
        let controller = CongestionController::new(start, prior);
        let pacer = Pacer::new(controller.pace());
        let begin = start + starts;
        Self {
            controller,
            pacer,
            source,
            starts,
            rng: StdRng::seed_from_u64(seed),
            next_frame: begin + ms(seed % 30),
            next_audio: begin,
            needs_key_frame: true,
            next_video: 0,
            sent_video: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            received_up_to: None,
            reported_up_to: None,
            missing: BTreeMap::new(),
            highest_video: None,
            next_feedback: begin,
            on_the_way_back: VecDeque::new(),
            last_audio: None,
            slices: Vec::new(),
            states: Vec::new(),
            refused_repairs: 0,
        }
    }

    fn step(&mut self, index: usize, start: Instant, now: Instant, link: &mut Link<Packet>) {
        if now < start + self.starts {
            return;
        }
        self.take_feedback(now);
        if self.controller.poll_timeout().is_some_and(|due| due <= now) {
            self.controller.handle_timeout(now);
        }
        self.apply(start, now);
        self.produce(now);
        while let Some(release) = self.pacer.poll(now) {
            self.send(index, now, &release, link);
        }
    }

    fn take_feedback(&mut self, now: Instant) {
        while let Some((due, ..)) = self.on_the_way_back.front()
            && *due <= now
            && let Some((_, statuses, nacks)) = self.on_the_way_back.pop_front()
        {
            self.controller.handle_feedback(now, &statuses);
            for video in nacks {
                let Some(stored) = self.sent_video.get(&video) else { continue };
                let resend = Resend {
                    first_sent: stored.first_sent,
                    last_sent: stored.last_sent,
                    resends: stored.resends,
                };
                match self.pacer.enqueue(now, Lane::Retransmission(resend), stored.size, Some(video)) {
                    Enqueued::Queued | Enqueued::QueuedAfterDrop(_) => {}
                    Enqueued::Refused { .. } => self.refused_repairs += 1,
                }
            }
        }
    }

    fn apply(&mut self, start: Instant, now: Instant) {
        let estimate = self.controller.estimate();
        if self.source.adapt(estimate.target, estimate.state) {
            self.needs_key_frame = true;
        }
        self.controller.set_demand(self.source.demand(estimate.target));
        if !self.pacer.set_pace(now, self.controller.pace()).is_none() {
            self.needs_key_frame = true;
        }
        if estimate.state == LinkState::FeedbackLost && !self.pacer.drop_video().is_none() {
            self.needs_key_frame = true;
        }
        if let Some(cluster) = self.controller.poll_probe(now) {
            self.pacer.start_probe(now, cluster);
        }
        while self.pacer.poll_dropped().is_some() {}
        if self.states.last().is_none_or(|(_, state)| *state != estimate.state) {
            self.states.push((now - start, estimate.state));
        }
    }

    fn produce(&mut self, now: Instant) {
        if now >= self.next_audio {
            self.next_audio += ms(20);
            let _ = self.pacer.enqueue(now, Lane::Audio, AUDIO * ms(20), None);
        }
        if now < self.next_frame {
            return;
        }
        self.next_frame += secs(1) / FRAMES_PER_SECOND as u32;
        let estimate = self.controller.estimate();
        let rate = self.source.video(estimate.target, estimate.state);
        if rate == Bitrate::ZERO {
            return;
        }
        let mut factor = self.rng.random_range(0.75..1.25);
        if self.needs_key_frame && !matches!(self.source, Source::Elastic) {
            factor = 5.0;
        }
        self.needs_key_frame = false;
        let mut left = (rate * secs(1)).as_bytes() as f64 / FRAMES_PER_SECOND as f64 * factor;
        while left > 0.0 {
            let size = DataSize::bytes((left as u64).clamp(100, MTU));
            left -= MTU as f64;
            let video = self.next_video;
            self.next_video += 1;
            if let Enqueued::QueuedAfterDrop(_) = self.pacer.enqueue(now, Lane::Video, size, Some(video)) {
                self.needs_key_frame = true;
            }
            let stored = Stored { size, first_sent: now, last_sent: now, resends: 0 };
            self.sent_video.insert(video, stored);
            if self.sent_video.len() > 2_000 {
                self.sent_video.pop_first();
            }
        }
    }

    fn send(&mut self, flow: usize, now: Instant, release: &Release<Option<u64>>, link: &mut Link<Packet>) {
        let (size, class) = (release.size(), release.class());
        let sequence = self.controller.handle_sent(now, SentPacket { class, size, probe: release.probe() });
        let video = match release {
            Release::Packet { item, .. } => *item,
            Release::Padding { .. } => None,
        };
        let is_repair = class == sfu::congestion::PacketClass::Retransmission;
        if let Some(stored) = video.and_then(|video| self.sent_video.get_mut(&video)) {
            stored.last_sent = now;
            stored.resends += u8::from(is_repair);
        }
        if let Some(slice) = self.slices.last_mut() {
            slice.offered += size;
            if is_repair {
                slice.repairs += size;
            }
        }
        let is_audio = class == sfu::congestion::PacketClass::Audio;
        let _ = link.enqueue(now, size, Packet { flow, sequence, video, is_audio, sent: now });
    }

    /// The receiver gets a packet.
    fn receive(&mut self, at: Instant, packet: &Packet) {
        let unwrapped = match self.received_up_to {
            None => u64::from(packet.sequence),
            Some(last) => {
                let ahead = packet.sequence.wrapping_sub(last as u16) as i16;
                last.saturating_add_signed(ahead.into())
            }
        };
        self.received_up_to = self.received_up_to.max(Some(unwrapped));
        self.arrivals.insert(unwrapped, at);
        if packet.is_audio
            && let Some(slice) = self.slices.last_mut()
        {
            slice.audio_delay = slice.audio_delay.max(at - packet.sent);
            if let Some(last) = self.last_audio.replace(at) {
                slice.audio_gap = slice.audio_gap.max(at.saturating_duration_since(last));
            }
        }
        if let Some(video) = packet.video {
            self.missing.remove(&video);
            for gap in self.highest_video.map_or(video, |highest| highest + 1)..video {
                self.missing.insert(gap, (at, 0));
            }
            self.highest_video = self.highest_video.max(Some(video));
        }
    }

    /// Feedback and NACKs leave the receiver.
    fn report(&mut self, now: Instant, start: Instant) {
        if now < self.next_feedback {
            return;
        }
        self.next_feedback = now + FEEDBACK_INTERVAL;
        let round_trip = self.controller.estimate().rtt;
        let mut nacks = Vec::new();
        self.missing.retain(|_, (_, tries)| *tries < 10);
        for (video, (next, tries)) in &mut self.missing {
            if *next <= now {
                *next = now + round_trip;
                *tries += 1;
                nacks.push(*video);
            }
        }
        let Some(highest) = self.received_up_to else { return };
        // As browsers do: what arrived late is reported too, with what is missing after it.
        let next = self.reported_up_to.map_or(0, |reported| reported + 1);
        let from = self.arrivals.keys().next().map_or(next, |first| next.min(*first));
        let statuses: Vec<_> = (from..=highest)
            .map(|sequence| PacketStatus {
                sequence: sequence as u16,
                // The receiver's clock runs from an epoch of its own, in steps of 250 µs.
                arrival: self
                    .arrivals
                    .remove(&sequence)
                    .map(|at| secs(5_000) + ms(250) * ((at - start).as_micros() / 250) as u32 / 1_000),
            })
            .collect();
        if statuses.is_empty() && nacks.is_empty() {
            return;
        }
        self.reported_up_to = Some(highest);
        self.on_the_way_back.push_back((now + RETURN_DELAY, statuses, nacks));
    }

    fn begin_slice(&mut self) {
        let estimate = self.controller.estimate();
        self.slices.push(Slice {
            target: estimate.target,
            queue_delay: estimate.queue_delay,
            video: self.source.video(estimate.target, estimate.state),
            ..Slice::default()
        });
    }
}

// ---- the world ------------------------------------------------------------------------------------------

struct World {
    start: Instant,
    now: Instant,
    link: Link<Packet>,
    flows: Vec<Flow>,
    changes: Vec<(Duration, LinkSettings)>,
    link_delays: Vec<Duration>,
}

impl World {
    fn new(settings: LinkSettings, seed: u64) -> Self {
        let start = origin();
        let link = Link::new(start, settings, seed);
        Self { start, now: start, link, flows: Vec::new(), changes: Vec::new(), link_delays: Vec::new() }
    }

    fn flow(self, source: Source, prior: StartRate) -> Self {
        self.flow_from(source, prior, 0)
    }

    fn flow_from(mut self, source: Source, prior: StartRate, starts: u64) -> Self {
        let seed = 17 * (self.flows.len() as u64 + 1);
        self.flows.push(Flow::new(self.start, source, prior, secs(starts), seed));
        self
    }

    fn change(mut self, at: u64, settings: LinkSettings) -> Self {
        self.changes.push((ms(at), settings));
        self
    }

    fn run(mut self, until: u64) -> Self {
        while self.now < self.start + secs(until) {
            let elapsed = self.now - self.start;
            if elapsed.as_millis().is_multiple_of(SLICE.as_millis()) {
                self.flows.iter_mut().for_each(Flow::begin_slice);
                self.link_delays.push(self.link.queue_delay().unwrap_or(secs(9)));
            }
            if let Some((_, settings)) = self.changes.iter().find(|(at, _)| *at == elapsed) {
                self.link.set(self.now, settings.clone());
            }
            for (index, flow) in self.flows.iter_mut().enumerate() {
                flow.step(index, self.start, self.now, &mut self.link);
            }
            while let Some((at, packet)) = self.link.poll(self.now) {
                self.flows[packet.flow].receive(at, &packet);
            }
            self.flows.iter_mut().for_each(|flow| flow.report(self.now, self.start));
            self.now += TICK;
        }
        self
    }

    fn slices(&self, flow: usize, from: u64, to: u64) -> &[Slice] {
        let slice = |at: u64| (ms(at).as_millis() / SLICE.as_millis()) as usize;
        &self.flows[flow].slices[slice(from)..slice(to)]
    }

    fn offered(&self, flow: usize, from: u64, to: u64) -> Bitrate {
        self.slices(flow, from, to).iter().map(|slice| slice.offered).sum::<DataSize>().per(ms(to - from))
    }

    /// How long after `from` the flow begins to offer no more than `capacity`: over 200 ms, to even out
    /// its frames, and over the second after it.
    fn settles_under(&self, flow: usize, capacity: Bitrate, from: u64) -> Duration {
        let fits = |slices: &[Slice]| {
            let offered: DataSize = slices.iter().map(|slice| slice.offered).sum();
            offered.per(SLICE * slices.len() as u32) <= capacity
        };
        let slices = self.slices(flow, from, from + 4_000);
        let settled = slices.windows(20).position(|second| fits(&second[..4]) && fits(second));
        settled.map_or(Duration::MAX, |index| SLICE * index as u32)
    }

    /// How long the flow offers more than 1.5 times `capacity`, after `from`.
    fn far_above(&self, flow: usize, capacity: Bitrate, from: u64, to: u64) -> Duration {
        let slices = self.slices(flow, from, to);
        SLICE * slices.iter().filter(|slice| slice.offered.per(SLICE) > capacity.scaled(1.5)).count() as u32
    }

    /// How long after `from` the target first reaches `rate`.
    fn reaches(&self, flow: usize, rate: Bitrate, from: u64) -> Duration {
        let slices = &self.flows[flow].slices[(from / 50) as usize..];
        slices
            .iter()
            .position(|slice| slice.target >= rate)
            .map_or(Duration::MAX, |index| SLICE * index as u32)
    }

    /// How long after `from` the picture costs at least `rate`.
    fn shows(&self, flow: usize, rate: u64, from: u64) -> Duration {
        let slices = &self.flows[flow].slices[(from / 50) as usize..];
        slices
            .iter()
            .position(|slice| slice.video >= kbps(rate))
            .map_or(Duration::MAX, |index| SLICE * index as u32)
    }

    fn link_delay_p95(&self, from: u64, to: u64) -> Duration {
        let mut delays = self.link_delays[(from / 50) as usize..(to / 50) as usize].to_vec();
        delays.sort();
        delays[delays.len() * 95 / 100]
    }

    fn longest_audio_gap(&self, flow: usize, from: u64, to: u64) -> Duration {
        self.slices(flow, from, to).iter().map(|slice| slice.audio_gap).max().unwrap_or_default()
    }

    fn trace(&self, flow: usize, from: u64, to: u64) {
        if std::env::var_os("TRACE").is_none() {
            return;
        }
        for (index, slice) in self.slices(flow, from, to).iter().enumerate() {
            let at = from + 50 * index as u64;
            eprintln!(
                "{at:>6} target {:>6} offered {:>6} rtx {:>5} video {:>5} queue {:>4} link {:>4}",
                slice.target.as_kbps(),
                slice.offered.per(SLICE).as_kbps(),
                slice.repairs.per(SLICE).as_kbps(),
                slice.video.as_kbps(),
                slice.queue_delay.as_millis(),
                self.link_delays[(at / 50) as usize].as_millis(),
            );
        }
        eprintln!("{:?}", self.flows[flow].states);
    }
}

fn hd_grade() -> StartRate {
    StartRate::of(protocol::network_class::NetworkClass::FiveG)
}

fn unknown() -> StartRate {
    StartRate::of(protocol::network_class::NetworkClass::Unknown)
}

#[expect(clippy::print_stderr, reason = "the figures are the point of the run with --nocapture")]
fn figure(story: &str, name: &str, value: impl std::fmt::Debug) {
    eprintln!("{story:<28} {name:<44} {value:?}");
}

// ---- the stories ----------------------------------------------------------------------------------------

#[test]
fn a_step_down_is_obeyed_and_a_step_up_is_found() {
    let (good, bad) = (Bitrate::mbps(5), kbps(500));
    let world = World::new(link_of(good), 1)
        .flow(Source::layered(), hd_grade())
        .change(40_000, link_of(bad))
        .change(70_000, link_of(good))
        .run(100);
    world.trace(0, 0, 6_000);
    world.trace(0, 39_800, 44_000);
    world.trace(0, 69_000, 76_000);
    let story = "step 5/0.5/5 Mbit/s";
    let join = world.shows(0, 1_700, 0);
    let settled = world.settles_under(0, bad, 40_000);
    let far_above = world.far_above(0, bad, 40_000, 43_000);
    let queue = world.link_delay_p95(41_000, 70_000);
    let hd = world.shows(0, 1_700, 70_000);
    let back = world.reaches(0, good.scaled(0.8), 70_000);
    let bad_use = world.offered(0, 45_000, 69_000).ratio_of(bad);
    let gap = world.longest_audio_gap(0, 39_000, 75_000);
    figure(story, "HD after the join", join);
    figure(story, "offered at or below capacity after the drop", settled);
    figure(story, "time above 1.5 times capacity", far_above);
    figure(story, "queue of the link at 0.5 Mbit/s, p95", queue);
    figure(story, "use at 0.5 Mbit/s", bad_use);
    figure(story, "longest gap of audio", gap);
    figure(story, "HD after the rise", hd);
    figure(story, "80 % of the link after the rise", back);
    assert!(join <= secs(2), "{join:?}");
    assert!(settled <= ms(1_000), "{settled:?}");
    assert!(far_above <= ms(200), "{far_above:?}");
    assert!(queue <= ms(150), "{queue:?}");
    assert!(hd <= secs(3), "{hd:?}");
    assert!(back <= secs(5), "{back:?}");
}

#[test]
fn one_flow_follows_a_changing_link() {
    // RFC 8867 §5.1.
    let phases = [(0, 1_000), (40_000, 2_500), (60_000, 600), (80_000, 1_000), (100_000, 1_000)];
    for (name, source) in [("backlog", Source::Elastic), ("layered", Source::layered())] {
        let settings = |rate| LinkSettings::default().capacity(kbps(rate)).delay(ms(50)).queue(ms(300));
        let mut world = World::new(settings(phases[0].1), 2).flow(source, unknown());
        for (at, rate) in &phases[1..4] {
            world = world.change(*at, settings(*rate));
        }
        let world = world.run(100);
        world.trace(0, 59_900, 63_500);
        let story = format!("RFC 8867 5.1, {name}");
        for pair in phases.windows(2) {
            let ((from, rate), (to, _)) = (pair[0], pair[1]);
            let used = world.offered(0, from + 5_000, to).ratio_of(kbps(rate));
            let queue = world.link_delay_p95(from + 3_000, to);
            figure(&story, &format!("at {rate} kbit/s: use, queue p95"), (used, queue));
            assert!(queue <= ms(150), "{queue:?}");
            assert!(used <= 1.02, "{used}");
            if name == "backlog" {
                assert!(used >= 0.75, "{used}");
            }
        }
        let settled = world.settles_under(0, kbps(600), 60_000);
        figure(&story, "offered at or below capacity after the drop", settled);
        assert!(settled <= ms(1_000), "{settled:?}");
    }
}

#[test]
fn a_blackout_stops_video_and_ends_in_hd() {
    for (outage, name) in [(2_000, "2 s"), (8_000, "8 s")] {
        let good = link_of(Bitrate::mbps(4));
        let world = World::new(good.clone(), 3)
            .flow(Source::layered(), hd_grade())
            .change(20_000, good.clone().outage())
            .change(20_000 + outage, good)
            .run(45);
        world.trace(0, 19_800, 26_000);
        let story = format!("blackout of {name}");
        let before = world.offered(0, 19_000, 20_000);
        let target = world.slices(0, 20_000, 20_050)[0].target;
        let slices = world.slices(0, 20_000, 22_000);
        let halved = slices.iter().position(|slice| slice.target <= target.scaled(0.5));
        let halved = halved.map_or(Duration::MAX, |index| SLICE * index as u32);
        let silent = world.offered(0, 21_100, 20_000 + outage);
        let after = world.offered(0, 20_000 + outage, 20_500 + outage);
        let hd = world.shows(0, 1_700, 20_000 + outage);
        figure(&story, "offered before", before);
        figure(&story, "rate halved after", halved);
        figure(&story, "offered once feedback is lost", silent);
        figure(&story, "offered in the half second after", after);
        figure(&story, "HD after the link's return", hd);
        assert!(halved <= ms(350), "{halved:?}");
        assert!(silent <= kbps(50), "{silent}");
        assert!(hd <= secs(2), "{hd:?}");
    }
}

#[test]
fn random_loss_does_not_push_a_flow_down() {
    for percent in [0.0, 1.0, 5.0, 10.0] {
        let capacity = Bitrate::mbps(2);
        let settings = link_of(capacity).loss(Loss::percent(percent));
        let world = World::new(settings, 4).flow(Source::Elastic, hd_grade()).run(60);
        let used = world.offered(0, 5_000, 60_000).ratio_of(capacity);
        figure(
            &format!("loss of {percent} %"),
            "use, estimated loss",
            (used, world.flows[0].controller.estimate().loss),
        );
        world.trace(0, 0, 20_000);
        assert!(used >= 0.85, "{percent} %: {used}");
        let world = World::new(link_of(Bitrate::mbps(4)).loss(Loss::percent(percent)), 5)
            .flow(Source::layered(), hd_grade())
            .run(60);
        let hd = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
        let share = hd as f64 / 1_100.0;
        figure(&format!("loss of {percent} %"), "share of HD at 4 Mbit/s", share);
        assert!(share >= 0.9, "{percent} %: {share}");
    }
}

#[test]
fn two_flows_share() {
    for (seed, late) in [(6, 0), (7, 10)] {
        let capacity = Bitrate::mbps(4);
        let world = World::new(link_of(capacity), seed)
            .flow(Source::Elastic, unknown())
            .flow_from(Source::Elastic, unknown(), late)
            .run(120);
        let rates = [world.offered(0, 40_000, 120_000), world.offered(1, 40_000, 120_000)];
        let [a, b] = rates.map(|rate| rate.as_bps() as f64);
        let jain = (a + b).powi(2) / (2.0 * (a * a + b * b));
        let used = (rates[0] + rates[1]).ratio_of(capacity);
        figure("two flows", &format!("the second after {late} s: rates, Jain, use"), (rates, jain, used));
        world.trace(0, 0, 15_000);
        assert!(jain >= 0.9, "{jain}");
        assert!(used >= 0.75, "{used}");
    }
}

#[test]
fn jitter_alone_does_not_collapse_the_rate() {
    for (name, jitter) in
        [("normal, 20 ms", Jitter::Normal(ms(20))), ("even, ±15 ms", Jitter::Uniform(ms(15)))]
    {
        for (order, settings) in [
            ("kept", link_of(Bitrate::mbps(4)).delay(ms(60)).jitter(jitter)),
            ("free", link_of(Bitrate::mbps(4)).delay(ms(60)).jitter(jitter).reordering()),
        ] {
            let world = World::new(settings, 8).flow(Source::layered(), hd_grade()).run(60);
            let hd = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
            let share = hd as f64 / 1_100.0;
            let least = world.slices(0, 5_000, 60_000).iter().map(|slice| slice.target).min();
            figure("jitter", &format!("{name}, order {order}: HD share, least target"), (share, least));
            world.trace(0, 0, 20_000);
            assert!(share >= 0.9, "{share}");
        }
    }
}

#[test]
fn a_thin_source_learns_that_hd_fits() {
    for (capacity, fits) in [(5_000, true), (1_200, false)] {
        let world = World::new(link_of(kbps(capacity)), 9)
            .flow(Source::Thin { rate: 300, next: 1_700 }, unknown())
            .run(30);
        let learnt = world.reaches(0, kbps(2_000), 0);
        let overhead = world.offered(0, 10_000, 30_000);
        let queue = world.link_delay_p95(5_000, 30_000);
        figure(
            "thin source",
            &format!("at {capacity} kbit/s: learnt after, sent, queue p95"),
            (learnt, overhead, queue),
        );
        world.trace(0, 0, 10_000);
        assert_eq!(learnt <= secs(3), fits);
        assert!(overhead <= kbps(400), "{overhead}");
        assert!(queue <= ms(80), "{queue:?}");
    }
}

#[test]
fn a_longer_path_is_no_congestion() {
    let near = link_of(Bitrate::mbps(4));
    let world = World::new(near.clone(), 12)
        .flow(Source::layered(), hd_grade())
        .change(15_000, near.clone().delay(ms(80)))
        .change(30_000, near.delay(ms(150)))
        .run(60);
    world.trace(0, 29_900, 35_000);
    let hd = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
    let share = hd as f64 / 1_100.0;
    figure("delay 30/80/150 ms", "share of HD", share);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn pictures_share_a_link() {
    // Three subscribers behind one access link, joining one after the other.
    let capacity = Bitrate::kbps(3_500);
    let world = World::new(link_of(capacity).delay(ms(50)).queue(ms(300)), 13)
        .flow(Source::layered(), hd_grade())
        .flow_from(Source::layered(), hd_grade(), 20)
        .flow_from(Source::layered(), hd_grade(), 40)
        .run(120);
    let rates = [0, 1, 2].map(|flow| world.offered(flow, 60_000, 120_000));
    let used = rates.into_iter().sum::<Bitrate>().ratio_of(capacity);
    let queue = world.link_delay_p95(60_000, 120_000);
    let switches = [0, 1, 2].map(|flow| {
        world.slices(flow, 60_000, 120_000).windows(2).filter(|pair| pair[0].video != pair[1].video).count()
    });
    figure("three pictures", "rates, use, queue p95, switches a minute", (rates, used, queue, switches));
    world.trace(0, 60_000, 80_000);
    assert!(queue <= ms(150), "{queue:?}");
    assert!(used >= 0.5, "{used}");
    assert!(rates.iter().all(|rate| *rate >= kbps(300)), "{rates:?}");
}

#[test]
fn the_lowest_rung_lives_on_a_bad_link() {
    for capacity in [80, 130, 200, 300] {
        let settings = link_of(kbps(capacity)).delay(ms(150)).queue(ms(1_500));
        let world = World::new(settings, 14)
            .flow(Source::layered(), StartRate::of(protocol::network_class::NetworkClass::TwoG))
            .run(60);
        let shown = world.slices(0, 5_000, 60_000).iter().filter(|slice| slice.video > Bitrate::ZERO).count()
            as f64
            / 1_100.0;
        let queue = world.link_delay_p95(5_000, 60_000);
        let used = world.offered(0, 5_000, 60_000).ratio_of(kbps(capacity));
        figure(&format!("{capacity} kbit/s"), "share with a picture, use, queue p95", (shown, used, queue));
        world.trace(0, 0, 20_000);
        assert!(used <= 1.02, "{used}");
        assert!(shown >= if capacity >= 130 { 0.9 } else { 0.0 }, "{shown}");
        assert!(queue <= ms(400), "{queue:?}");
    }
}

#[test]
fn a_liar_cannot_raise_the_rate() {
    let start = origin();
    let mut controller = CongestionController::new(start, unknown());
    let mut rng = StdRng::seed_from_u64(10);
    let size = DataSize::bytes(500);
    for turn in 0..2_000_u32 {
        let now = start + ms(20) * turn;
        let sequence = controller
            .handle_sent(now, SentPacket { class: sfu::congestion::PacketClass::Video, size, probe: None });
        // Claims arrivals of what was never sent, at absurd times, over and over.
        let lies: Vec<_> = (0..50_u16)
            .map(|ahead| PacketStatus {
                sequence: sequence.wrapping_add(ahead),
                arrival: rng.random_bool(0.9).then(|| Duration::from_nanos(rng.random())),
            })
            .collect();
        controller.handle_feedback(now + ms(10), &lies);
        controller.handle_timeout(now + ms(10));
        let _ = controller.poll_probe(now + ms(10));
        let estimate = controller.estimate();
        assert!(estimate.target <= kbps(600), "{}", estimate.target);
        assert!(estimate.loss.is_finite() && (0.0..=1.0).contains(&estimate.loss));
        assert!(estimate.queue_delay <= secs(10) && estimate.rtt <= secs(2));
    }
}

#[test]
fn short_runs_of_loss_cost_no_rate() {
    // The radio loses everything during 60 ms of each second.
    let good = link_of(Bitrate::mbps(20));
    let mut world = World::new(good.clone(), 11).flow(Source::layered(), hd_grade());
    for second in 3..40 {
        world = world.change(second * 1_000, good.clone().outage()).change(second * 1_000 + 60, good.clone());
    }
    let world = world.run(40);
    let hd = world.slices(0, 5_000, 40_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
    let share = hd as f64 / 700.0;
    figure("losses of 60 ms", "share of HD", share);
    world.trace(0, 3_000, 10_000);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn steady_bursts_of_a_radio_are_no_congestion() {
    // The radio sleeps 60 ms of each second, then delivers what has gathered.
    let good = link_of(Bitrate::mbps(20)).queue(DataSize::bytes(256 * 1024));
    let mut world = World::new(good.clone(), 11).flow(Source::layered(), hd_grade());
    for second in 3..40 {
        world = world.change(second * 1_000, good.clone().outage()).change(second * 1_000 + 60, good.clone());
    }
    let world = world.run(40);
    let hd = world.slices(0, 5_000, 40_000).iter().filter(|slice| slice.video >= kbps(1_700)).count();
    let share = hd as f64 / 700.0;
    figure("pauses of 60 ms", "share of HD", share);
    world.trace(0, 3_000, 10_000);
    assert!(share >= 0.9, "{share}");
}
