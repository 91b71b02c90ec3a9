//! Subscribers behind one emulated link, and what can be said of a run.

use std::time::{Duration, Instant};

use link::{Link, LinkSettings};
use protocol::network_class::NetworkClass;
use protocol::units::{Bitrate, DataSize};
use sfu::congestion::StartRate;

use crate::source::Source;
use crate::subscriber::{Flow, Packet, SLICE, Slice, WayBack};
use crate::tcp::Tcp;

const TICK: Duration = Duration::from_millis(1);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn kbps(kbps: u64) -> Bitrate {
    Bitrate::kbps(kbps)
}

pub(crate) fn link_of(capacity: Bitrate) -> LinkSettings {
    LinkSettings::default().capacity(capacity).delay(ms(30)).queue(ms(250))
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// What crosses the link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item {
    Media(Packet),
    /// A segment of one of the transfers beside the calls.
    Tcp {
        transfer: usize,
        segment: u64,
    },
}

pub(crate) struct World {
    start: Instant,
    now: Instant,
    pub(crate) link: Link<Item>,
    pub(crate) tcp: Vec<Tcp>,
    pub(crate) flows: Vec<Flow>,
    seed: u64,
    changes: Vec<(Duration, LinkSettings)>,
    pub(crate) link_delays: Vec<Duration>,
}

impl World {
    pub(crate) fn new(settings: LinkSettings, seed: u64) -> Self {
        let start = origin();
        let link = Link::new(start, settings, seed);
        Self {
            start,
            now: start,
            seed,
            link,
            tcp: Vec::new(),
            flows: Vec::new(),
            changes: Vec::new(),
            link_delays: Vec::new(),
        }
    }

    /// A transfer beside the calls that takes what it gets.
    pub(crate) fn transfer(mut self, from: u64, until: u64, round_trip: Duration) -> Self {
        self.tcp.push(Tcp::new(self.start + ms(from), self.start + ms(until), round_trip));
        self
    }

    /// How feedback of the last flow comes back.
    pub(crate) fn way_back(mut self, interval: Duration, delay: Duration) -> Self {
        if let Some(flow) = self.flows.last_mut() {
            flow.way_back = WayBack { interval, delay };
        }
        self
    }

    /// The last flow has nothing to show between these seconds.
    pub(crate) fn paused(mut self, from: u64, until: u64) -> Self {
        if let Some(flow) = self.flows.last_mut() {
            flow.pause = Some((secs(from), secs(until)));
        }
        self
    }

    pub(crate) fn flow(self, source: Source, prior: StartRate) -> Self {
        self.flow_from(source, prior, 0)
    }

    pub(crate) fn flow_from(mut self, source: Source, prior: StartRate, starts: u64) -> Self {
        let seed = 17 * (self.flows.len() as u64 + 1) + 31 * self.seed;
        self.flows.push(Flow::new(self.start, source, prior, secs(starts), seed));
        self
    }

    pub(crate) fn change(mut self, at: u64, settings: LinkSettings) -> Self {
        self.changes.push((ms(at), settings));
        self
    }

    pub(crate) fn run(mut self, until: u64) -> Self {
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
            for (index, tcp) in self.tcp.iter_mut().enumerate() {
                tcp.step(index, self.now, &mut self.link);
            }
            while let Some((at, item)) = self.link.poll(self.now) {
                match item {
                    Item::Media(packet) => self.flows[packet.flow].receive(at, &packet),
                    Item::Tcp { transfer, segment } => self.tcp[transfer].receive(at, segment),
                }
            }
            self.flows.iter_mut().for_each(|flow| flow.report(self.now, self.start));
            self.now += TICK;
        }
        self
    }

    pub(crate) fn slices(&self, flow: usize, from: u64, to: u64) -> &[Slice] {
        let slice = |at: u64| (ms(at).as_millis() / SLICE.as_millis()) as usize;
        &self.flows[flow].slices[slice(from)..slice(to)]
    }

    pub(crate) fn offered(&self, flow: usize, from: u64, to: u64) -> Bitrate {
        self.slices(flow, from, to).iter().map(|slice| slice.offered).sum::<DataSize>().per(ms(to - from))
    }

    /// The target at a time.
    pub(crate) fn target(&self, flow: usize, at: u64) -> Bitrate {
        self.flows[flow].slices[(at / 50) as usize].target
    }

    pub(crate) fn mean_target(&self, flow: usize, from: u64, to: u64) -> Bitrate {
        let slices = self.slices(flow, from, to);
        slices.iter().map(|slice| slice.target).sum::<Bitrate>().scaled(1.0 / slices.len() as f64)
    }

    /// How long after `from` the flow begins to offer no more than `capacity`: over 200 ms, to even out
    /// its frames, and over the second after it.
    pub(crate) fn settles_under(&self, flow: usize, capacity: Bitrate, from: u64) -> Duration {
        let fits = |slices: &[Slice]| {
            let offered: DataSize = slices.iter().map(|slice| slice.offered).sum();
            offered.per(SLICE * slices.len() as u32) <= capacity
        };
        let slices = self.slices(flow, from, from + 4_000);
        let settled = slices.windows(20).position(|second| fits(&second[..4]) && fits(second));
        settled.map_or(Duration::MAX, |index| SLICE * index as u32)
    }

    /// How long the flow offers more than 1.5 times `capacity`, after `from`.
    pub(crate) fn far_above(&self, flow: usize, capacity: Bitrate, from: u64, to: u64) -> Duration {
        let slices = self.slices(flow, from, to);
        let far = |pair: &&[Slice]| (pair[0].offered + pair[1].offered).per(SLICE * 2) > capacity.scaled(1.5);
        SLICE * slices.windows(2).filter(far).count() as u32
    }

    /// How long after `from` the target first reaches `rate`.
    pub(crate) fn reaches(&self, flow: usize, rate: Bitrate, from: u64) -> Duration {
        let slices = &self.flows[flow].slices[(from / 50) as usize..];
        slices
            .iter()
            .position(|slice| slice.target >= rate)
            .map_or(Duration::MAX, |index| SLICE * index as u32)
    }

    /// How long after `from` the picture costs at least `rate`.
    pub(crate) fn shows(&self, flow: usize, rate: u64, from: u64) -> Duration {
        let slices = &self.flows[flow].slices[(from / 50) as usize..];
        slices
            .iter()
            .position(|slice| slice.video >= kbps(rate))
            .map_or(Duration::MAX, |index| SLICE * index as u32)
    }

    pub(crate) fn link_delay_p95(&self, from: u64, to: u64) -> Duration {
        let mut delays = self.link_delays[(from / 50) as usize..(to / 50) as usize].to_vec();
        delays.sort();
        delays[delays.len() * 95 / 100]
    }

    pub(crate) fn longest_audio_gap(&self, flow: usize, from: u64, to: u64) -> Duration {
        self.slices(flow, from, to).iter().map(|slice| slice.audio_gap).max().unwrap_or_default()
    }

    /// Share of a time, in percent, during which the voice was concealed.
    pub(crate) fn concealed(&self, flow: usize, from: u64, to: u64) -> f64 {
        let concealed = self.flows[flow].voice.concealed(self.start + ms(from), self.start + ms(to));
        100.0 * concealed.as_secs_f64() / ms(to - from).as_secs_f64()
    }

    /// Share of the packets, in percent, that the link's queue had no room for.
    pub(crate) fn dropped(&self) -> f64 {
        let stats = self.link.stats();
        100.0 * stats.queue_full as f64 / stats.offered.max(1) as f64
    }

    /// Key frames asked for within a time.
    pub(crate) fn key_frames(&self, flow: usize, from: u64, to: u64) -> usize {
        self.flows[flow].key_frames.iter().filter(|at| **at >= ms(from) && **at < ms(to)).count()
    }

    /// Share of a time during which the picture costs at least `rate`.
    pub(crate) fn share(&self, flow: usize, rate: u64, from: u64, to: u64) -> f64 {
        let slices = self.slices(flow, from, to);
        slices.iter().filter(|slice| slice.video >= kbps(rate)).count() as f64 / slices.len() as f64
    }

    /// The most that a voice packet took, beside the path's own delay.
    pub(crate) fn voice_delay(&self, flow: usize, from: u64, to: u64) -> Duration {
        self.slices(flow, from, to).iter().map(|slice| slice.audio_delay).max().unwrap_or_default()
    }

    pub(crate) fn trace(&self, flow: usize, from: u64, to: u64) {
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

/// Seeds from the base on: one, or as many as `STORY_SWEEP` says.
pub(crate) fn seeds(base: u64) -> impl Iterator<Item = u64> {
    let sweep = std::env::var("STORY_SWEEP").ok().and_then(|count| count.parse().ok());
    base..base + sweep.unwrap_or(1_u64)
}

/// Asserts; in a sweep over seeds, tells of what is missed and goes on.
#[macro_export]
macro_rules! hold {
    ($holds:expr, $($message:tt)+) => {
        let holds: bool = $holds;
        if std::env::var_os("STORY_SWEEP").is_none() {
            assert!(holds, $($message)+);
        } else if !holds {
            eprintln!("missed at {}:{}: {}", file!(), line!(), format!($($message)+));
        }
    };
}

/// Jain's index of fairness.
pub(crate) fn jain(rates: &[Bitrate]) -> f64 {
    let rates = || rates.iter().map(|rate| rate.as_bps() as f64);
    rates().sum::<f64>().powi(2) / (rates().count() as f64 * rates().map(|rate| rate * rate).sum::<f64>())
}

pub(crate) fn hd_grade() -> StartRate {
    StartRate::of(NetworkClass::FiveG)
}

pub(crate) fn unknown() -> StartRate {
    StartRate::of(NetworkClass::Unknown)
}

pub(crate) fn figure(story: &str, name: &str, value: impl std::fmt::Debug) {
    eprintln!("{story:<28} {name:<44} {value:?}");
}
