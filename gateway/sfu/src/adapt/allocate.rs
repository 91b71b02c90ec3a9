//! Who gets which layer, as one pure and total function: knapsack per subscriber, merge per publisher,
//! reduction where an uplink carries less than is asked of it.

use super::choice::{self, Choice};
use super::knapsack;
use super::output::Layer;
use super::reduction;
use super::snapshot::RoomSnapshot;

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
    reduction::reduce(room, plan).into_allocation()
}

/// Every encoding may be used.
pub(super) const ALL_ENCODINGS: u8 = u8::MAX;

/// What everybody together gets of a source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// The encodings that somebody gets, as a bit set.
    pub(super) encodings: u8,
    /// The utility that each of them brings.
    pub(super) worth: [u64; u8::BITS as usize],
}

/// An allocation in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) picks: Vec<Vec<Option<Choice>>>,
}

impl Plan {
    /// Solves every subscriber with the encodings that `masks` leaves of each source.
    pub(super) fn solve(room: &RoomSnapshot, masks: &[u8]) -> Self {
        let mut plan = Self { picks: vec![Vec::new(); room.subscribers.len()] };
        (0..room.subscribers.len()).for_each(|subscriber| plan.solve_again(room, masks, subscriber));
        plan
    }

    /// Solves one subscriber.
    pub(super) fn solve_again(&mut self, room: &RoomSnapshot, masks: &[u8], subscriber: usize) {
        let (Some(picks), Some(subscriber)) =
            (self.picks.get_mut(subscriber), room.subscribers.get(subscriber))
        else {
            return;
        };
        let lists: Vec<Vec<Choice>> = subscriber
            .demands
            .iter()
            .map(|demand| {
                room.sources.get(demand.source).map_or_else(Vec::new, |source| {
                    let mask = masks.get(demand.source).copied().unwrap_or(ALL_ENCODINGS);
                    choice::choices(source, demand, mask, subscriber.pricing)
                })
            })
            .collect();
        *picks = knapsack::solve(&lists, subscriber.budget);
    }

    pub(super) fn utility(&self) -> u64 {
        self.picks.iter().flatten().flatten().map(|choice| choice.utility).sum()
    }

    /// What everybody gets of each source: the merge.
    pub(super) fn usage(&self, room: &RoomSnapshot) -> Vec<Usage> {
        let mut usage = vec![Usage::default(); room.sources.len()];
        for (demand, choice) in self.taken(room) {
            if let Some(usage) = usage.get_mut(demand.1)
                && let Some(worth) = usage.worth.get_mut(usize::from(choice.layer.encoding))
            {
                usage.encodings |= 1 << choice.layer.encoding;
                *worth += choice.utility;
            }
        }
        usage
    }

    /// Who takes of which source, and what.
    pub(super) fn taken(&self, room: &RoomSnapshot) -> impl Iterator<Item = ((usize, usize), Choice)> {
        room.subscribers.iter().zip(&self.picks).enumerate().flat_map(|(index, (subscriber, picks))| {
            let demands = subscriber.demands.iter().zip(picks);
            demands.filter_map(move |(demand, pick)| Some(((index, demand.source), (*pick)?)))
        })
    }

    fn into_allocation(self) -> Allocation {
        let utility = self.utility();
        let layers =
            self.picks.into_iter().map(|picks| picks.into_iter().map(|pick| pick.map(|c| c.layer)).collect());
        Allocation { layers: layers.collect(), utility }
    }
}
