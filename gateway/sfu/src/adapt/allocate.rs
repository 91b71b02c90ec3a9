//! Who gets which layer, as one pure and total function: knapsack per subscriber, merge per publisher,
//! reduction where an uplink carries less than is asked of it.

use protocol::units::Bitrate;

use super::knapsack::{self, Choice};
use super::output::Layer;
use super::snapshot::{RoomSnapshot, SubscriberSnapshot};

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
    let mut masks = vec![ALL_ENCODINGS; room.sources.len()];
    let mut plan = Plan::solve(room, &masks);
    if (0..room.uplinks.len()).any(|uplink| excess(room, &plan, uplink) > Bitrate::ZERO) {
        plan = reduce(room, &mut masks, plan);
    }
    plan.into_allocation()
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

/// Rounds of reduction: each fixes one publisher's encodings; a second pass settles what they do to each other.
const PASSES: usize = 2;

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

/// Takes encodings away until every uplink fits. Removal is greedy; then each limited publisher tries
/// every other set of its encodings that fits, and keeps the best.
fn reduce(room: &RoomSnapshot, masks: &mut [u8], mut plan: Plan) -> Plan {
    let limited: Vec<usize> =
        (0..room.uplinks.len()).filter(|uplink| room.uplinks[*uplink].is_some()).collect();
    for uplink in &limited {
        while excess(room, &plan, *uplink) > Bitrate::ZERO {
            let Some((source, mask, cheaper)) = cheapest_removal(room, masks, &plan, *uplink) else { break };
            masks[source] = mask;
            plan = cheaper;
        }
    }
    for _ in 0..PASSES {
        for uplink in &limited {
            for source in sources_of(room, *uplink).collect::<Vec<_>>() {
                plan = best_mask(room, masks, plan, (*uplink, source));
            }
        }
    }
    plan
}

/// The encoding whose removal loses the least utility per bit freed.
fn cheapest_removal(
    room: &RoomSnapshot,
    masks: &[u8],
    plan: &Plan,
    uplink: usize,
) -> Option<(usize, u8, Plan)> {
    let before = plan.utility();
    let mut best: Option<(f64, (usize, u8, Plan))> = None;
    for source in sources_of(room, uplink) {
        let used = plan.used(room, source);
        for encoding in (0..room.sources[source].encodings.len()).filter(|index| used & (1 << index) != 0) {
            let mut trial = masks.to_vec();
            trial[source] &= !(1 << encoding);
            let candidate = Plan::solve(room, &trial);
            let freed = cost(room, source, 1 << encoding).as_bps().max(1);
            let loss = before.saturating_sub(candidate.utility()) as f64 / freed as f64;
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, (source, trial[source], candidate)));
            }
        }
    }
    best.map(|(_, removal)| removal)
}

/// Tries every set of one source's encodings and keeps the best that fits.
fn best_mask(
    room: &RoomSnapshot,
    masks: &mut [u8],
    mut plan: Plan,
    (uplink, source): (usize, usize),
) -> Plan {
    let sets = 1_u8 << room.sources[source].encodings.len().min(crate::limits::MAX_ENCODINGS);
    for mask in 0..sets {
        let before = masks[source];
        masks[source] = mask;
        let candidate = Plan::solve(room, masks);
        let fits = excess(room, &candidate, uplink) == Bitrate::ZERO;
        if fits && candidate.utility() > plan.utility() {
            plan = candidate;
        } else {
            masks[source] = before;
        }
    }
    plan
}
