//! Who gets which layer, as one pure and total function: knapsack per subscriber, merge per publisher,
//! reduction where an uplink carries less than is asked of it.

use protocol::units::Bitrate;

use super::knapsack::{self, Choice};
use super::output::Layer;
use super::snapshot::{RoomSnapshot, SubscriberSnapshot};
use crate::limits::MAX_ENCODINGS;

/// A layer, or none, for every demand of every subscriber, in the order of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allocation {
    /// One list per subscriber, one entry per demand.
    pub layers: Vec<Vec<Option<Layer>>>,
    /// The sum of all utilities.
    pub utility: u64,
}

/// Allocates a room. Any budget, zero too, yields an allocation; audio is not part of it.
#[must_use]
pub fn allocate(room: &RoomSnapshot) -> Allocation {
    let plan = Plan::solve(room, &vec![ALL_ENCODINGS; room.sources.len()]);
    let fits = (0..room.uplinks.len()).all(|uplink| excess(room, &plan, uplink) == Bitrate::ZERO);
    if fits { plan.into_allocation() } else { reduce(room).into_allocation() }
}

/// Solves one subscriber alone.
fn solve_subscriber(
    room: &RoomSnapshot,
    subscriber: &SubscriberSnapshot,
    masks: &[u8],
) -> Vec<Option<Choice>> {
    let lists: Vec<Vec<Choice>> = subscriber
        .demands
        .iter()
        .map(|demand| {
            room.sources.get(demand.source).map_or_else(Vec::new, |source| {
                let mask = masks.get(demand.source).copied().unwrap_or(ALL_ENCODINGS);
                knapsack::choices(source, demand, mask, subscriber.pricing)
            })
        })
        .collect();
    knapsack::solve(&lists, subscriber.budget)
}

/// Every encoding may be used.
pub(super) const ALL_ENCODINGS: u8 = u8::MAX;

const PASSES: usize = 2;

/// Video tracks of one publisher that reduction weighs against each other: camera, screen, exam camera.
const MAX_REDUCED_SOURCES: usize = 3;

#[derive(Debug, Clone)]
struct Plan {
    picks: Vec<Vec<Option<Choice>>>,
}

impl Plan {
    fn solve(room: &RoomSnapshot, masks: &[u8]) -> Self {
        let picks =
            room.subscribers.iter().map(|subscriber| solve_subscriber(room, subscriber, masks)).collect();
        Self { picks }
    }

    fn utility(&self) -> u64 {
        self.picks.iter().flatten().flatten().map(|choice| choice.utility).sum()
    }

    /// The encodings of a source that somebody gets, as a bit set: the merge.
    fn used(&self, room: &RoomSnapshot, source: usize) -> u8 {
        room.subscribers
            .iter()
            .zip(&self.picks)
            .flat_map(|(subscriber, picks)| subscriber.demands.iter().zip(picks))
            .filter(|(demand, _)| demand.source == source)
            .filter_map(|(_, pick)| pick.map(|choice| 1 << choice.layer.encoding))
            .fold(0, |used, bit: u8| used | bit)
    }

    fn into_allocation(self) -> Allocation {
        let utility = self.utility();
        let layers =
            self.picks.into_iter().map(|picks| picks.into_iter().map(|pick| pick.map(|c| c.layer)).collect());
        Allocation { layers: layers.collect(), utility }
    }
}

/// By how much the encodings in use exceed a publisher's uplink.
fn excess(room: &RoomSnapshot, plan: &Plan, uplink: usize) -> Bitrate {
    let Some(limit) = room.uplinks.get(uplink).copied().flatten() else { return Bitrate::ZERO };
    let used = sources_of(room, uplink).map(|source| cost(room, source, plan.used(room, source)));
    used.sum::<Bitrate>() - limit
}

fn sources_of(room: &RoomSnapshot, uplink: usize) -> impl Iterator<Item = usize> {
    room.sources.iter().enumerate().filter(move |(_, source)| source.uplink == uplink).map(|(index, _)| index)
}

/// What the encodings of a bit set cost on the uplink: an encoder sends all temporal layers.
fn cost(room: &RoomSnapshot, source: usize, encodings: u8) -> Bitrate {
    let source = &room.sources[source];
    let sent = source.encodings.iter().enumerate().filter(|(index, _)| encodings & (1 << index) != 0);
    sent.map(|(_, encoding)| encoding.cumulative[encoding.cumulative.len() - 1]).sum()
}

/// Gives every limited uplink the set of encodings that serves the room best. The first pass makes all fit,
/// the second settles what the choices of two publishers do to each other.
fn reduce(room: &RoomSnapshot) -> Plan {
    let mut masks = vec![ALL_ENCODINGS; room.sources.len()];
    let mut plan = Plan::solve(room, &masks);
    for _ in 0..PASSES {
        for (uplink, limit) in room.uplinks.iter().enumerate() {
            if let Some(limit) = limit {
                plan = fit_uplink(room, &mut masks, uplink, *limit);
            }
        }
    }
    plan
}

/// Tries the largest sets of encodings that fit one uplink, and leaves the best in `masks`.
fn fit_uplink(room: &RoomSnapshot, masks: &mut [u8], uplink: usize, limit: Bitrate) -> Plan {
    let sources: Vec<usize> = sources_of(room, uplink).take(MAX_REDUCED_SOURCES).collect();
    for source in sources_of(room, uplink) {
        masks[source] = 0;
    }
    let mut best = (masks.to_vec(), Plan::solve(room, masks));
    for number in 0..1_u32 << (sources.len() * MAX_ENCODINGS) {
        for (position, source) in sources.iter().enumerate() {
            masks[*source] = (number >> (position * MAX_ENCODINGS)) as u8 & ((1 << MAX_ENCODINGS) - 1);
        }
        let total: Bitrate = sources.iter().map(|source| cost(room, *source, masks[*source])).sum();
        if total > limit || !is_largest(room, &sources, masks, limit - total) {
            continue;
        }
        let candidate = Plan::solve(room, masks);
        if candidate.utility() > best.1.utility() {
            best = (masks.to_vec(), candidate);
        }
    }
    masks.copy_from_slice(&best.0);
    best.1
}

/// Whether nothing that is left out would still fit.
fn is_largest(room: &RoomSnapshot, sources: &[usize], masks: &[u8], spare: Bitrate) -> bool {
    sources.iter().all(|source| {
        (0..MAX_ENCODINGS).all(|encoding| {
            let exists = encoding < room.sources[*source].encodings.len();
            let set = masks[*source] & (1 << encoding) != 0;
            if exists { set || cost(room, *source, 1 << encoding) > spare } else { !set }
        })
    })
}
