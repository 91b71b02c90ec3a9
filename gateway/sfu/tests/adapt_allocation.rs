//! The allocation against brute force in small rooms, and its speed in large ones.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use protocol::ladder::Rung;
use protocol::units::Bitrate;
use sfu::adapt::{
    Allocation, DemandSnapshot, EncodingSnapshot, Layer, Pricing, Priority, RoomSnapshot, SourceSnapshot,
    SubscriberSnapshot, allocate,
};

fn encoding(rung: Rung, kbps: u64, usable: bool) -> EncodingSnapshot {
    let rate = Bitrate::kbps(kbps);
    EncodingSnapshot {
        usable,
        expected: usable,
        rung,
        cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
        ceiling: rate,
        temporal_layers: 3,
        relative_frame_rate: 1.0,
    }
}

fn camera(uplink: usize) -> SourceSnapshot {
    let encodings = vec![
        encoding(Rung::P180, 150, true),
        encoding(Rung::P480, 750, true),
        encoding(Rung::P720, 1_700, true),
    ];
    SourceSnapshot { uplink, encodings }
}

fn demand(source: usize, priority: Priority) -> DemandSnapshot {
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

fn subscriber(budget: u64, demands: Vec<DemandSnapshot>) -> SubscriberSnapshot {
    SubscriberSnapshot { budget: Bitrate::kbps(budget), pricing: Pricing::Measured, demands }
}

/// What one camera gets within a budget.
fn alone(budget: u64) -> Option<Layer> {
    let room = RoomSnapshot {
        sources: vec![camera(0)],
        uplinks: vec![None],
        subscribers: vec![subscriber(budget, vec![demand(0, Priority::Consultation)])],
    };
    allocate(&room).layers[0][0]
}

#[test]
fn one_camera_by_budget() {
    let layer = |encoding, temporal| Some(Layer { encoding, temporal });
    let table = [
        (0, None),
        (59, None),
        (60, layer(0, 0)),
        (90, layer(0, 1)),
        (150, layer(0, 2)),
        // 480 lines at 7 frames per second show less of a face than 180 at 30.
        (400, layer(0, 2)),
        (450, layer(1, 1)),
        (750, layer(1, 2)),
        // Nor do 720 lines at 15 frames beat 480 at 30.
        (1_100, layer(1, 2)),
        (1_700, layer(2, 2)),
        (100_000, layer(2, 2)),
    ];
    for (budget, expected) in table {
        assert_eq!(alone(budget), expected, "{budget} kbit/s");
    }
}

#[test]
fn scarce_budget_goes_to_the_consultation_first() {
    let demands = |budget| {
        let wanted = vec![
            demand(0, Priority::Attendance),
            demand(1, Priority::Consultation),
            demand(2, Priority::Content),
        ];
        let room = RoomSnapshot {
            sources: vec![camera(0), camera(1), camera(2)],
            uplinks: vec![None; 3],
            subscribers: vec![subscriber(budget, wanted)],
        };
        allocate(&room).layers[0].iter().map(|layer| layer.map(|layer| layer.encoding)).collect::<Vec<_>>()
    };
    assert_eq!(demands(760), [None, Some(1), None]);
    assert_eq!(demands(1_510), [None, Some(1), Some(1)]);
    assert_eq!(demands(2_700), [Some(0), Some(1), Some(2)]);
    assert_eq!(demands(9_000), [Some(2), Some(2), Some(2)]);
}

#[test]
fn a_narrow_uplink_sends_the_most_useful_encodings() {
    let room = |limit| RoomSnapshot {
        sources: vec![camera(0)],
        uplinks: vec![Some(Bitrate::kbps(limit))],
        subscribers: vec![
            subscriber(9_000, vec![demand(0, Priority::Consultation)]),
            subscriber(200, vec![demand(0, Priority::Attendance)]),
        ],
    };
    let encodings = |limit| {
        let layers = allocate(&room(limit)).layers;
        [layers[0][0], layers[1][0]].map(|layer| layer.map(|layer| layer.encoding))
    };
    assert_eq!(encodings(3_000), [Some(2), Some(0)]);
    assert_eq!(encodings(1_000), [Some(1), Some(0)]);
    assert_eq!(encodings(100), [None, None]);
}

#[test]
fn a_tile_is_not_overfilled() {
    let small = DemandSnapshot { max_lines: 180, ..demand(0, Priority::Consultation) };
    let hidden = DemandSnapshot { max_lines: 0, ..small };
    let room = RoomSnapshot {
        sources: vec![camera(0)],
        uplinks: vec![None],
        subscribers: vec![subscriber(9_000, vec![small]), subscriber(9_000, vec![hidden])],
    };
    let layers = allocate(&room).layers;
    assert_eq!(layers[0][0], Some(Layer { encoding: 0, temporal: 2 }));
    assert_eq!(layers[1][0], None);
}

const TIER: u64 = 8;

/// The utility as the design states it, written a second time.
fn utility(room: &RoomSnapshot, demand: &DemandSnapshot, layer: Layer) -> u64 {
    let encoding = &room.sources[demand.source].encodings[usize::from(layer.encoding)];
    let shown = |rung: Rung| match rung {
        Rung::AudioOnly => 0,
        Rung::P180 => 100,
        Rung::P360 => 220,
        Rung::P480 => 320,
        Rung::P720 => 420,
        Rung::P1080 => 470,
    };
    let tile = Rung::ALL
        .into_iter()
        .skip(1)
        .find(|rung| f64::from(rung.lines()) * 1.1 >= f64::from(demand.max_lines));
    let rate = [30, 72, 100][usize::from(layer.temporal)];
    let plain = shown(encoding.rung.min(tile.unwrap_or(Rung::P1080))) * rate / 100;
    let (essential, first, rest) = match demand.priority {
        Priority::Consultation => (320, TIER.pow(5), TIER.pow(2)),
        Priority::Content => (240, TIER.pow(4), TIER.pow(3)),
        Priority::Attendance => (100, TIER, 1),
    };
    plain.min(essential) * first + plain.saturating_sub(essential) * rest
}

fn price(room: &RoomSnapshot, demand: &DemandSnapshot, layer: Layer) -> Bitrate {
    room.sources[demand.source].encodings[usize::from(layer.encoding)].cumulative[usize::from(layer.temporal)]
}

fn allowed(room: &RoomSnapshot, demand: &DemandSnapshot, layer: Layer) -> bool {
    let encoding = &room.sources[demand.source].encodings[usize::from(layer.encoding)];
    encoding.usable
        && encoding.rung <= demand.cap
        && layer.temporal <= demand.max_temporal
        && demand.max_lines > 0
        && demand.limit.is_none_or(|limit| layer <= limit)
}

/// The best utility of one subscriber with the encodings of `masks`, by trying everything.
fn best_of(room: &RoomSnapshot, demands: &[DemandSnapshot], budget: Bitrate, masks: &[u8]) -> u64 {
    let Some((demand, rest)) = demands.split_first() else { return 0 };
    let mut best = best_of(room, rest, budget, masks);
    for encoding in 0..room.sources[demand.source].encodings.len() as u8 {
        for temporal in 0..3 {
            let layer = Layer { encoding, temporal };
            let cost = price(room, demand, layer);
            if masks[demand.source] & (1 << encoding) != 0 && allowed(room, demand, layer) && cost <= budget {
                best = best.max(utility(room, demand, layer) + best_of(room, rest, budget - cost, masks));
            }
        }
    }
    best
}

fn uplink_cost(room: &RoomSnapshot, uplink: usize, masks: &[u8]) -> Bitrate {
    let sources = room.sources.iter().zip(masks).filter(|(source, _)| source.uplink == uplink);
    sources
        .flat_map(|(source, mask)| {
            source.encodings.iter().enumerate().filter(move |(index, _)| mask & (1 << index) != 0)
        })
        .map(|(_, encoding)| encoding.cumulative[2])
        .sum()
}

fn brute_force(room: &RoomSnapshot) -> u64 {
    let sets: Vec<u8> = room.sources.iter().map(|source| 1 << source.encodings.len()).collect();
    let combinations: usize = sets.iter().map(|count| usize::from(*count)).product();
    let mut best = 0;
    for mut number in 0..combinations {
        let mut masks = Vec::new();
        for count in &sets {
            masks.push((number % usize::from(*count)) as u8);
            number /= usize::from(*count);
        }
        let fits = |uplink: usize| {
            room.uplinks[uplink].is_none_or(|limit| uplink_cost(room, uplink, &masks) <= limit)
        };
        if (0..room.uplinks.len()).all(fits) {
            let each = room.subscribers.iter().map(|one| best_of(room, &one.demands, one.budget, &masks));
            best = best.max(each.sum());
        }
    }
    best
}

fn assert_valid(room: &RoomSnapshot, allocation: &Allocation) {
    let mut used = vec![0_u8; room.sources.len()];
    let mut total = 0;
    for (one, layers) in room.subscribers.iter().zip(&allocation.layers) {
        assert_eq!(one.demands.len(), layers.len());
        let mut cost = Bitrate::ZERO;
        for (demand, layer) in one.demands.iter().zip(layers) {
            let Some(layer) = layer else { continue };
            assert!(allowed(room, demand, *layer), "{demand:?} {layer:?}");
            cost += price(room, demand, *layer);
            used[demand.source] |= 1 << layer.encoding;
            total += utility(room, demand, *layer);
        }
        assert!(cost <= one.budget, "{cost} of {}", one.budget);
    }
    for (uplink, limit) in room.uplinks.iter().enumerate() {
        assert!(limit.is_none_or(|limit| uplink_cost(room, uplink, &used) <= limit), "uplink {uplink}");
    }
    assert_eq!(total, allocation.utility);
}

fn any_source() -> impl Strategy<Value = SourceSnapshot> {
    let rungs = [Rung::P180, Rung::P360, Rung::P480, Rung::P720];
    (0..2_usize, prop::collection::vec((0..4_usize, 50..2_000_u64, prop::bool::weighted(0.85)), 1..4))
        .prop_map(move |(uplink, mut encodings)| {
            encodings.sort_unstable();
            let encodings =
                encodings.into_iter().map(|(rung, rate, usable)| encoding(rungs[rung], rate, usable));
            SourceSnapshot { uplink, encodings: encodings.collect() }
        })
}

fn any_demand(sources: usize) -> impl Strategy<Value = DemandSnapshot> {
    let priorities =
        prop::sample::select(vec![Priority::Consultation, Priority::Content, Priority::Attendance]);
    let lines = prop::sample::select(vec![0_u16, 180, 360, 540, 720, 1080]);
    let caps = prop::sample::select(Rung::ALL.to_vec());
    (0..sources, priorities, lines, caps, 0..3_u8).prop_map(
        |(source, priority, max_lines, cap, max_temporal)| DemandSnapshot {
            cap,
            max_temporal,
            max_lines,
            ..demand(source, priority)
        },
    )
}

fn any_room() -> impl Strategy<Value = RoomSnapshot> {
    let limits = prop::collection::vec(prop::option::weighted(0.5, 0..4_000_u64), 2);
    (prop::collection::vec(any_source(), 1..4), limits).prop_flat_map(|(sources, limits)| {
        let demands = prop::collection::vec(any_demand(sources.len()), 0..4);
        let subscribers = prop::collection::vec((0..5_000_u64, demands), 1..4);
        subscribers.prop_map(move |subscribers| RoomSnapshot {
            sources: sources.clone(),
            uplinks: limits.iter().map(|limit| limit.map(Bitrate::kbps)).collect(),
            subscribers: subscribers
                .into_iter()
                .map(|(budget, demands)| subscriber(budget, demands))
                .collect(),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn close_to_brute_force_and_within_every_limit(room in any_room()) {
        let allocation = allocate(&room);
        assert_valid(&room, &allocation);
        let best = brute_force(&room);
        prop_assert!(allocation.utility <= best);
        prop_assert!(allocation.utility * 100 >= best * 95, "{} of {best}", allocation.utility);
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the speed is for the reader of the test run"
)]
fn thirty_participants_are_quick() {
    const PARTICIPANTS: usize = 30;
    let room = |budget| RoomSnapshot {
        sources: (0..PARTICIPANTS).map(camera).collect(),
        uplinks: vec![None; PARTICIPANTS],
        subscribers: (0..PARTICIPANTS)
            .map(|own| {
                let others = (0..PARTICIPANTS).filter(|source| *source != own);
                let priority =
                    |source| if source < 2 { Priority::Consultation } else { Priority::Attendance };
                subscriber(budget, others.map(|source| demand(source, priority(source))).collect())
            })
            .collect(),
    };
    for budget in [0, 800, 3_000, 8_000, 100_000] {
        let room = room(budget);
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let begun = Instant::now();
                let allocation = allocate(&room);
                let time = begun.elapsed();
                assert_valid(&room, &allocation);
                time
            })
            .collect();
        times.sort_unstable();
        println!(
            "{PARTICIPANTS} participants of {budget} kbit/s: median {:?}, longest {:?}",
            times[10], times[19]
        );
        // Far above what it takes, so that a busy machine does not fail, and a quadratic mistake does.
        assert!(times[10] < Duration::from_millis(500), "{:?}", times[10]);
    }
}
