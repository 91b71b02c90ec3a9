//! Which encodings of a publisher go where its uplink carries less than is asked of it. In a small room the sets
//! that fit are tried; in a large one encodings go one by one, those first that are missed least.

use protocol::units::Bitrate;

use super::allocate::{ALL_ENCODINGS, Plan, Usage};
use super::snapshot::RoomSnapshot;

/// Makes a plan fit every uplink.
pub(super) fn reduce(room: &RoomSnapshot, plan: Plan) -> Plan {
    if exceeded(room, &plan.usage(room)).next().is_none() {
        return plan;
    }
    if room.subscribers.len() <= SMALL_ROOM { try_sets(room) } else { shed(room, plan) }
}

/// Up to here all sets of encodings are tried.
const SMALL_ROOM: usize = 4;

/// Passes over the uplinks: the first makes all fit, the others settle what the choices of two publishers do to
/// each other.
const PASSES: usize = 3;

/// Video tracks of one publisher that are weighed against each other: camera, screen, exam camera.
const MAX_REDUCED_SOURCES: usize = 3;

/// Encodings of one source that are considered.
const MAX_CONSIDERED: usize = 4;

/// Gives every limited uplink the set of encodings that serves the room best.
fn try_sets(room: &RoomSnapshot) -> Plan {
    let mut masks = vec![ALL_ENCODINGS; room.sources.len()];
    let mut plan = Plan::default();
    for _ in 0..PASSES {
        let before = masks.clone();
        for (uplink, limit) in room.uplinks.iter().enumerate() {
            if let Some(limit) = limit {
                plan = fit_uplink(room, &mut masks, uplink, *limit);
            }
        }
        if masks == before {
            break;
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
    let widths: Vec<usize> =
        sources.iter().map(|source| room.sources[*source].encodings.len().min(MAX_CONSIDERED)).collect();
    for number in 0..1_u32 << widths.iter().sum::<usize>() {
        let mut bits = number;
        for (source, width) in sources.iter().zip(&widths) {
            masks[*source] = bits as u8 & ((1 << width) - 1);
            bits >>= width;
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
        let considered = room.sources[*source].encodings.len().min(MAX_CONSIDERED);
        (0..considered).all(|encoding| {
            masks[*source] & (1 << encoding) != 0 || cost(room, *source, 1 << encoding) > spare
        })
    })
}

/// Takes from every uplink that is exceeded the encoding that is missed least for what it frees, until all fit.
/// Each round takes one of each, so that there are no more rounds than a publisher has encodings.
fn shed(room: &RoomSnapshot, mut plan: Plan) -> Plan {
    let mut masks = vec![ALL_ENCODINGS; room.sources.len()];
    loop {
        let usage = plan.usage(room);
        let mut taken = vec![0_u8; room.sources.len()];
        for uplink in exceeded(room, &usage) {
            if let Some((source, encoding)) = least_missed(room, &usage, uplink) {
                taken[source] |= 1 << encoding;
                masks[source] &= !(1 << encoding);
            }
        }
        let mut affected = vec![false; room.subscribers.len()];
        for ((subscriber, source), choice) in plan.taken(room) {
            affected[subscriber] |= taken[source] & (1 << choice.layer.encoding) != 0;
        }
        if !affected.contains(&true) {
            return plan;
        }
        for (subscriber, _) in affected.iter().enumerate().filter(|(_, affected)| **affected) {
            plan.solve_again(room, &masks, subscriber);
        }
    }
}

/// What a source may send of what it could: the sets of its encodings, before any is chosen.
#[derive(Debug, Clone)]
pub(super) struct Reducible {
    /// The source alone, with those who wish for it.
    pub(super) room: RoomSnapshot,
    /// The sets that can be sent, as bits.
    pub(super) sets: Vec<u8>,
    /// What each encoding takes of the uplink.
    pub(super) costs: Vec<Bitrate>,
}

/// One set of encodings, what it takes, and what it is worth to all who wish for the source.
#[derive(Debug, Clone, Copy)]
struct Offer {
    set: u8,
    cost: Bitrate,
    utility: u64,
}

/// For each source of one uplink the set of encodings, so that they fit together and are worth most; of equals the
/// cheapest. Where nothing fits, the cheapest of each.
pub(super) fn best_sets(sources: &[Reducible], limit: Bitrate) -> Vec<u8> {
    let offers: Vec<Vec<Offer>> = sources.iter().map(Reducible::offers).collect();
    let cheapest = |offers: &Vec<Offer>| offers.iter().min_by_key(|offer| offer.cost).copied();
    let mut picked: Vec<Option<Offer>> = offers.iter().map(cheapest).collect();
    let weighed = offers.len().min(MAX_REDUCED_SOURCES);
    let fixed: Bitrate = picked[weighed..].iter().flatten().map(|offer| offer.cost).sum();
    let mut best: Option<(u64, std::cmp::Reverse<Bitrate>)> = None;
    let combinations: usize = offers[..weighed].iter().map(|offers| offers.len().max(1)).product();
    for number in 0..combinations {
        let mut rest = number;
        let candidate = offers[..weighed].iter().map(|offers| {
            let place = rest % offers.len().max(1);
            rest /= offers.len().max(1);
            offers.get(place).copied()
        });
        let candidate: Vec<Option<Offer>> = candidate.collect();
        let cost = candidate.iter().flatten().map(|offer| offer.cost).sum::<Bitrate>() + fixed;
        let merit = (candidate.iter().flatten().map(|offer| offer.utility).sum(), std::cmp::Reverse(cost));
        if cost <= limit && best.is_none_or(|best| merit > best) {
            best = Some(merit);
            picked[..weighed].copy_from_slice(&candidate);
        }
    }
    picked.into_iter().map(|offer| offer.map_or(0, |offer| offer.set)).collect()
}

impl Reducible {
    fn offers(&self) -> Vec<Offer> {
        let offer = |set: &u8| {
            let sent = self.costs.iter().enumerate().filter(|(index, _)| set & (1 << index) != 0);
            let cost = sent.map(|(_, cost)| *cost).sum();
            Offer { set: *set, cost, utility: Plan::solve(&self.room, &[*set]).utility() }
        };
        self.sets.iter().map(offer).collect()
    }
}

/// The uplinks that carry less than the encodings in use.
fn exceeded(room: &RoomSnapshot, usage: &[Usage]) -> impl Iterator<Item = usize> {
    let mut sent = vec![Bitrate::ZERO; room.uplinks.len()];
    for (index, (source, usage)) in room.sources.iter().zip(usage).enumerate() {
        if let Some(sent) = sent.get_mut(source.uplink) {
            *sent += cost(room, index, usage.encodings);
        }
    }
    let limits = room.uplinks.iter().zip(sent).enumerate();
    limits.filter(|(_, (limit, sent))| limit.is_some_and(|limit| *sent > limit)).map(|(uplink, _)| uplink)
}

/// The encoding in use whose users lose least for what it frees: they fall back to what is next below it.
fn least_missed(room: &RoomSnapshot, usage: &[Usage], uplink: usize) -> Option<(usize, u8)> {
    let in_use = sources_of(room, uplink).flat_map(|source| {
        let used = usage[source].encodings;
        (0..u8::BITS as u8).filter(move |encoding| used & (1 << encoding) != 0).map(move |one| (source, one))
    });
    let missed = in_use.map(|(source, encoding)| {
        let (below, own) = room.sources[source].encodings.split_at(usize::from(encoding));
        let lines = own.first().map_or(1, |own| own.rung.lines().max(1));
        let below = below.iter().rev().find(|below| below.usable).map_or(0, |below| below.rung.lines());
        let share = 1.0 - (f64::from(below) / f64::from(lines)).min(1.0);
        let freed = cost(room, source, 1 << encoding).as_bps().max(1);
        ((source, encoding), usage[source].worth[usize::from(encoding)] as f64 * share / freed as f64)
    });
    missed.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(encoding, _)| encoding)
}

/// The sources of one publisher.
fn sources_of(room: &RoomSnapshot, uplink: usize) -> impl Iterator<Item = usize> {
    room.sources.iter().enumerate().filter(move |(_, source)| source.uplink == uplink).map(|(index, _)| index)
}

/// What the encodings of a bit set cost on the uplink: an encoder sends all temporal layers.
fn cost(room: &RoomSnapshot, source: usize, encodings: u8) -> Bitrate {
    let source = &room.sources[source];
    let sent = source.encodings.iter().enumerate().filter(|(index, _)| encodings & (1 << index) != 0);
    sent.map(|(_, encoding)| encoding.cumulative[encoding.cumulative.len() - 1]).sum()
}
