//! One subscriber: the owner of a controller and a pacer, and the browser at the far end.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use link::Link;
use protocol::units::{Bitrate, DataSize};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sfu::congestion::{
    CongestionController, Enqueued, Lane, LinkState, Pacer, PacketClass, PacketStatus, Release, Resend,
    SentPacket, StartRate,
};

use crate::source::{AUDIO, Source};
use crate::voice::VoiceReceiver;
use crate::world::{Item, ms, secs};

const MTU: u64 = 1_200;
const FRAMES_PER_SECOND: u64 = 30;

/// How the way back to the gateway is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WayBack {
    /// How often feedback leaves the receiver: browsers take 50 to 250 ms.
    pub(crate) interval: Duration,
    pub(crate) delay: Duration,
}

impl Default for WayBack {
    fn default() -> Self {
        Self { interval: ms(50), delay: ms(30) }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) flow: usize,
    sequence: u16,
    video: Option<u64>,
    voice: Option<u64>,
    sent: Instant,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    size: DataSize,
    first_sent: Instant,
    last_sent: Instant,
    resends: u8,
}

/// What a flow did in one slice of 50 ms.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slice {
    pub(crate) offered: DataSize,
    pub(crate) repairs: DataSize,
    pub(crate) target: Bitrate,
    pub(crate) queue_delay: Duration,
    pub(crate) audio_delay: Duration,
    pub(crate) audio_gap: Duration,
    pub(crate) video: Bitrate,
}

pub(crate) const SLICE: Duration = Duration::from_millis(50);

pub(crate) struct Flow {
    pub(crate) controller: CongestionController,
    pacer: Pacer<Option<u64>>,
    source: Source,
    pub(crate) starts: Duration,
    /// Nothing is wanted during this time: a camera is covered, a tab is hidden.
    pub(crate) pause: Option<(Duration, Duration)>,
    pub(crate) way_back: WayBack,
    rng: StdRng,
    next_frame: Instant,
    next_audio: Instant,
    needs_key_frame: bool,
    next_video: u64,
    next_voice: u64,
    key_frame_at: u64,
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
    pub(crate) voice: VoiceReceiver,
    // What came of it.
    pub(crate) key_frames: Vec<Duration>,
    pub(crate) slices: Vec<Slice>,
    pub(crate) states: Vec<(Duration, LinkState)>,
    refused_repairs: u64,
}

impl Flow {
    pub(crate) fn new(start: Instant, source: Source, prior: StartRate, starts: Duration, seed: u64) -> Self {
        let controller = CongestionController::new(start, prior);
        let pacer = Pacer::new(controller.pace());
        let begin = start + starts;
        Self {
            controller,
            pacer,
            source,
            starts,
            pause: None,
            way_back: WayBack::default(),
            rng: StdRng::seed_from_u64(seed),
            next_frame: begin + ms(seed % 30),
            next_audio: begin,
            needs_key_frame: true,
            next_video: 0,
            next_voice: 0,
            key_frame_at: 0,
            sent_video: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            received_up_to: None,
            reported_up_to: None,
            missing: BTreeMap::new(),
            highest_video: None,
            next_feedback: begin,
            on_the_way_back: VecDeque::new(),
            last_audio: None,
            voice: VoiceReceiver::default(),
            key_frames: Vec::new(),
            slices: Vec::new(),
            states: Vec::new(),
            refused_repairs: 0,
        }
    }

    pub(crate) fn step(&mut self, index: usize, start: Instant, now: Instant, link: &mut Link<Item>) {
        if now < start + self.starts {
            return;
        }
        self.take_feedback(now);
        if self.controller.poll_timeout().is_some_and(|due| due <= now) {
            self.controller.handle_timeout(now);
        }
        self.apply(start, now);
        self.produce(start, now);
        while let Some(release) = self.pacer.poll(now) {
            self.send(index, now, &release, link);
        }
    }

    pub(crate) fn take_feedback(&mut self, now: Instant) {
        while let Some((due, ..)) = self.on_the_way_back.front()
            && *due <= now
            && let Some((_, statuses, nacks)) = self.on_the_way_back.pop_front()
        {
            self.controller.handle_feedback(now, &statuses);
            for video in nacks {
                // Nothing is sent again of what a key frame has replaced.
                let Some(stored) = self.sent_video.get(&video).filter(|_| video >= self.key_frame_at) else {
                    continue;
                };
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

    pub(crate) fn apply(&mut self, start: Instant, now: Instant) {
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

    pub(crate) fn produce(&mut self, start: Instant, now: Instant) {
        if now >= self.next_audio {
            self.next_audio += ms(20);
            let _ = self.pacer.enqueue(now, Lane::Audio, AUDIO * ms(20), None);
        }
        if now < self.next_frame {
            return;
        }
        self.next_frame += secs(1) / FRAMES_PER_SECOND as u32;
        let estimate = self.controller.estimate();
        if self.needs_key_frame && estimate.state == LinkState::FeedbackLate {
            return;
        }
        let rate = self.source.video(estimate.target, estimate.state);
        let is_paused = self.pause.is_some_and(|(from, until)| now >= start + from && now < start + until);
        if rate == Bitrate::ZERO || is_paused {
            return;
        }
        let mut factor = self.rng.random_range(0.75..1.25);
        if self.needs_key_frame && !matches!(self.source, Source::Elastic) {
            factor = 5.0;
            self.key_frames.push(now - start);
            self.key_frame_at = self.next_video;
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

    pub(crate) fn send(
        &mut self,
        flow: usize,
        now: Instant,
        release: &Release<Option<u64>>,
        link: &mut Link<Item>,
    ) {
        let (size, class) = (release.size(), release.class());
        let sequence = self.controller.handle_sent(now, SentPacket { class, size, probe: release.probe() });
        let video = match release {
            Release::Packet { item, .. } => *item,
            Release::Padding { .. } => None,
        };
        let is_repair = class == PacketClass::Retransmission;
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
        let voice = (class == PacketClass::Audio).then_some(self.next_voice);
        self.next_voice += u64::from(voice.is_some());
        let _ = link.enqueue(now, size, Item::Media(Packet { flow, sequence, video, voice, sent: now }));
    }

    /// The receiver gets a packet.
    pub(crate) fn receive(&mut self, at: Instant, packet: &Packet) {
        let unwrapped = match self.received_up_to {
            None => u64::from(packet.sequence),
            Some(last) => {
                let ahead = packet.sequence.wrapping_sub(last as u16) as i16;
                last.saturating_add_signed(ahead.into())
            }
        };
        self.received_up_to = self.received_up_to.max(Some(unwrapped));
        self.arrivals.insert(unwrapped, at);
        if let Some(voice) = packet.voice
            && let Some(slice) = self.slices.last_mut()
        {
            self.voice.handle(at, voice);
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
    pub(crate) fn report(&mut self, now: Instant, start: Instant) {
        self.voice.play(now);
        if now < self.next_feedback {
            return;
        }
        self.next_feedback = now + self.way_back.interval;
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
        self.on_the_way_back.push_back((now + self.way_back.delay, statuses, nacks));
    }

    pub(crate) fn begin_slice(&mut self) {
        let estimate = self.controller.estimate();
        self.slices.push(Slice {
            target: estimate.target,
            queue_delay: estimate.queue_delay,
            video: self.source.video(estimate.target, estimate.state),
            ..Slice::default()
        });
    }
}
