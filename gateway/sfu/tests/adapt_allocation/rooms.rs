//! Rooms to allocate: every shape that a small one can have, and large ones at random.

use protocol::ladder::Rung;
use protocol::units::Bitrate;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use sfu::adapt::{
    DemandSnapshot, EncodingSnapshot, Pricing, Priority, RoomSnapshot, SourceSnapshot, SubscriberSnapshot,
};

pub(crate) fn encoding(rung: Rung, kbps: u64, usable: bool) -> EncodingSnapshot {
    let rate = Bitrate::kbps(kbps);
    EncodingSnapshot {
        usable,
        expected: usable,
        rung,
        cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
        ceiling: rate,
        full: rate,
        temporal_layers: 3,
        relative_frame_rate: 1.0,
    }
}

pub(crate) fn demand(source: usize, priority: Priority) -> DemandSnapshot {
    DemandSnapshot {
        source,
        priority,
        cap: Rung::P720,
        max_temporal: 2,
        max_lines: 720,
        current: None,
        limit: None,
    }
}

pub(crate) fn subscriber(budget: u64, demands: Vec<DemandSnapshot>) -> SubscriberSnapshot {
    SubscriberSnapshot { budget: Bitrate::kbps(budget), pricing: Pricing::Measured, demands }
}

/// Who is there, who publishes each source, and how many rungs each source has.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    participants: usize,
    /// Publisher and number of encodings.
    sources: Vec<(usize, usize)>,
}

/// Every shape of up to four participants, three sources and four rungs.
pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for participants in 1..=4 {
        let kinds: Vec<(usize, usize)> =
            (0..participants).flat_map(|publisher| (1..=4).map(move |rungs| (publisher, rungs))).collect();
        for (index, first) in kinds.iter().enumerate() {
            shapes.push(Shape { participants, sources: vec![*first] });
            for (second_index, second) in kinds.iter().enumerate().skip(index) {
                shapes.push(Shape { participants, sources: vec![*first, *second] });
                for third in &kinds[second_index..] {
                    shapes.push(Shape { participants, sources: vec![*first, *second, *third] });
                }
            }
        }
    }
    shapes
}

const RUNGS: [Rung; 4] = [Rung::P180, Rung::P360, Rung::P480, Rung::P720];

impl Shape {
    /// A room of this shape: rates, budgets, limits, tiles and priorities at random.
    pub(crate) fn room(&self, rng: &mut StdRng) -> RoomSnapshot {
        let sources = self.sources.iter().map(|(publisher, rungs)| {
            let mut chosen: Vec<Rung> = (0..*rungs).map(|_| pick(rng, &RUNGS)).collect();
            chosen.sort_unstable();
            let encodings = chosen.into_iter().map(|rung| {
                let rate = rung.nominal_bitrate().scaled(rng.random_range(0.4..1.3));
                encoding(rung, rate.as_bps() / 1_000, rng.random_bool(0.9))
            });
            SourceSnapshot { uplink: *publisher, is_muted: false, encodings: encodings.collect() }
        });
        let sources: Vec<SourceSnapshot> = sources.collect();
        let subscribers = (0..self.participants).map(|own| {
            let watched = self.sources.iter().enumerate().filter(|(_, (publisher, _))| *publisher != own);
            let demands: Vec<DemandSnapshot> = watched.map(|(source, _)| any_demand(rng, source)).collect();
            subscriber(any_rate(rng, 30.0, 6_000.0), demands)
        });
        let subscribers: Vec<SubscriberSnapshot> = subscribers.collect();
        let uplinks = (0..self.participants)
            .map(|_| rng.random_bool(0.6).then(|| Bitrate::kbps(any_rate(rng, 50.0, 4_000.0))));
        RoomSnapshot { sources, subscribers, uplinks: uplinks.collect() }
    }
}

fn any_demand(rng: &mut StdRng, source: usize) -> DemandSnapshot {
    let priority = pick(rng, &[Priority::Consultation, Priority::Content, Priority::Attendance]);
    DemandSnapshot {
        cap: pick(rng, &Rung::ALL),
        max_temporal: if rng.random_bool(0.8) { 2 } else { rng.random_range(0..2) },
        max_lines: pick(rng, &[0, 180, 360, 540, 720, 1_080]),
        ..demand(source, priority)
    }
}

/// A rate in kbit/s; each order of magnitude is as likely.
pub(crate) fn any_rate(rng: &mut StdRng, least: f64, most: f64) -> u64 {
    (least * (most / least).powf(rng.random::<f64>())) as u64
}

fn pick<T: Copy>(rng: &mut impl Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// A room of so many who all publish a camera, one or two of them a screen, and watch each other in tiles of many
/// sizes. Half of the uplinks are known to be narrow.
pub(crate) fn crowd(rng: &mut StdRng, participants: usize) -> RoomSnapshot {
    let camera = |rng: &mut StdRng, uplink| {
        let middle = pick(rng, &[Rung::P360, Rung::P480]);
        let encodings = [Rung::P180, middle, Rung::P720].into_iter().map(|rung| {
            let rate = rung.nominal_bitrate().scaled(rng.random_range(0.5..1.2));
            encoding(rung, rate.as_bps() / 1_000, rng.random_bool(0.95))
        });
        SourceSnapshot { uplink, is_muted: false, encodings: encodings.collect() }
    };
    let mut sources: Vec<SourceSnapshot> = (0..participants).map(|uplink| camera(rng, uplink)).collect();
    for _ in 0..rng.random_range(0..3) {
        let uplink = rng.random_range(0..participants);
        let steps = [(Rung::P720, 200), (Rung::P720, 400), (Rung::P1080, 1_800)];
        let encodings = steps.map(|(rung, rate)| encoding(rung, rate, true));
        sources.push(SourceSnapshot { uplink, is_muted: false, encodings: encodings.to_vec() });
    }
    let subscribers = (0..participants).map(|own| {
        let others: Vec<usize> = (0..sources.len()).filter(|source| sources[*source].uplink != own).collect();
        let demands = others.iter().map(|source| {
            let priority = match *source {
                screen if screen >= participants => Priority::Content,
                0 | 1 => Priority::Consultation,
                _ => Priority::Attendance,
            };
            DemandSnapshot {
                max_lines: pick(rng, &[0, 120, 180, 180, 180, 360, 720]),
                cap: pick(rng, &[Rung::P360, Rung::P480, Rung::P720, Rung::P720]),
                ..demand(*source, priority)
            }
        });
        let demands = demands.collect();
        subscriber(any_rate(rng, 100.0, 20_000.0), demands)
    });
    let subscribers: Vec<SubscriberSnapshot> = subscribers.collect();
    let uplinks =
        (0..participants).map(|_| rng.random_bool(0.5).then(|| Bitrate::kbps(any_rate(rng, 150.0, 4_000.0))));
    RoomSnapshot { uplinks: uplinks.collect(), subscribers, sources }
}
