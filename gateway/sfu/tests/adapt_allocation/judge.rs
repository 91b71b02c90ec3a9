//! What is right in an allocation, written a second time: the rules, the utility, and the best there is, found by
//! trying everything.

use protocol::ladder::Rung;
use protocol::units::Bitrate;
use sfu::adapt::{Allocation, DemandSnapshot, Layer, Priority, RoomSnapshot, SubscriberSnapshot};

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

/// The best utility of a room.
pub(crate) fn best(room: &RoomSnapshot) -> u64 {
    let bits: usize = room.sources.iter().map(|source| source.encodings.len()).sum();
    let tables: Vec<Vec<Option<u64>>> =
        room.subscribers.iter().map(|one| best_by_encodings(room, one, bits)).collect();
    let sets = 0..1_usize << bits;
    let worth = |set: usize| tables.iter().map(|table| table[set].unwrap_or_default()).sum();
    sets.filter(|set| fits(room, *set)).map(worth).max().unwrap_or_default()
}

/// The best utility of one subscriber, by the encodings that are sent.
fn best_by_encodings(room: &RoomSnapshot, one: &SubscriberSnapshot, bits: usize) -> Vec<Option<u64>> {
    let mut best = vec![None; 1 << bits];
    try_all(room, &one.demands, (one.budget, 0, 0), &mut best);
    for bit in 0..bits {
        for set in (0..best.len()).filter(|set| set & (1 << bit) != 0) {
            best[set] = best[set].max(best[set & !(1 << bit)]);
        }
    }
    best
}

fn try_all(
    room: &RoomSnapshot,
    demands: &[DemandSnapshot],
    (budget, used, worth): (Bitrate, usize, u64),
    best: &mut [Option<u64>],
) {
    let Some((demand, rest)) = demands.split_first() else {
        best[used] = best[used].max(Some(worth));
        return;
    };
    try_all(room, rest, (budget, used, worth), best);
    for encoding in 0..room.sources[demand.source].encodings.len() as u8 {
        for temporal in 0..3 {
            let layer = Layer { encoding, temporal };
            let cost = price(room, demand, layer);
            if allowed(room, demand, layer) && cost <= budget {
                let used = used | 1 << (first_bit(room, demand.source) + usize::from(encoding));
                try_all(room, rest, (budget - cost, used, worth + utility(room, demand, layer)), best);
            }
        }
    }
}

fn first_bit(room: &RoomSnapshot, source: usize) -> usize {
    room.sources[..source].iter().map(|source| source.encodings.len()).sum()
}

fn fits(room: &RoomSnapshot, set: usize) -> bool {
    let masks = (0..room.sources.len()).map(|source| (set >> first_bit(room, source)) as u8);
    let masks: Vec<u8> = masks.collect();
    room.uplinks
        .iter()
        .enumerate()
        .all(|(uplink, limit)| limit.is_none_or(|limit| uplink_cost(room, uplink, &masks) <= limit))
}

/// What the encodings of `masks` cost an uplink, all their frames included.
fn uplink_cost(room: &RoomSnapshot, uplink: usize, masks: &[u8]) -> Bitrate {
    let sources = room.sources.iter().zip(masks).filter(|(source, _)| source.uplink == uplink);
    sources
        .flat_map(|(source, mask)| {
            source.encodings.iter().enumerate().filter(move |(index, _)| mask & (1 << index) != 0)
        })
        .map(|(_, encoding)| encoding.cumulative[2])
        .sum()
}

/// Every rule that an allocation breaks.
pub(crate) fn violations(room: &RoomSnapshot, allocation: &Allocation) -> Vec<String> {
    let mut found = Vec::new();
    let mut used = vec![0_u8; room.sources.len()];
    let mut total = 0;
    for (one, layers) in room.subscribers.iter().zip(&allocation.layers) {
        if one.demands.len() != layers.len() {
            found.push("a demand without an answer".to_owned());
        }
        let mut cost = Bitrate::ZERO;
        for (demand, layer) in one.demands.iter().zip(layers) {
            let Some(layer) = layer else { continue };
            if !allowed(room, demand, *layer) {
                found.push(format!("{layer:?} for {demand:?}"));
            }
            cost += price(room, demand, *layer);
            used[demand.source] |= 1 << layer.encoding;
            total += utility(room, demand, *layer);
        }
        if cost > one.budget {
            found.push(format!("{cost} of {}", one.budget));
        }
    }
    for (uplink, limit) in room.uplinks.iter().enumerate() {
        if limit.is_some_and(|limit| uplink_cost(room, uplink, &used) > limit) {
            found.push(format!("uplink {uplink}"));
        }
    }
    if total != allocation.utility {
        found.push(format!("a utility of {total} called {}", allocation.utility));
    }
    found
}
