//! The rung loop: allocation with memory. Down at once and by temporal layers first, up only when the
//! evidence has lasted, and after a failed step up with a wait that doubles.

use std::time::{Duration, Instant};

use protocol::ladder::Rung;
use protocol::units::Bitrate;

use super::affordable::Affordable;
use super::allocate::ALL_ENCODINGS;
use super::choice::{self, Choice};
use super::knapsack;
use super::measurement::{Downlink, DownlinkState};
use super::output::Layer;
use super::participant::LEAST_PICTURE;
use super::rung_memory::{Fall, RungMemory};
use super::snapshot::{DemandSnapshot, Pricing, RoomSnapshot, SubscriberSnapshot};

/// What the rung loop needs to know of a subscriber's link besides its budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkView {
    /// What may stay allocated: wider than the budget for new choices, so that small dips change nothing.
    pub hold: Bitrate,
    /// What all its video may cost if the link is in trouble.
    pub relief: Bitrate,
    /// The last measurement; `None` before the first.
    pub downlink: Option<Downlink>,
}

/// The rung loop of one subscriber.
#[derive(Debug, Clone)]
pub struct Allocator {
    started: Instant,
    settled: bool,
    queueing_since: Option<Instant>,
    lossy_since: Option<Instant>,
    relieved_at: Option<Instant>,
    memory: Vec<RungMemory>,
    affordable: Affordable,
}

/// Whether a step went down for the sake of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relief {
    None,
    Given,
}

/// How steps above the present are priced while a subscriber is new: its links are probed on purpose.
const START_MARGIN: f64 = 1.05;

/// Room over the price that a step up needs.
const RAISE_MARGIN: f64 = 1.2;

impl Allocator {
    /// Makes the loop of a subscriber that just came.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            settled: false,
            queueing_since: None,
            lossy_since: None,
            relieved_at: None,
            memory: Vec::new(),
            affordable: Affordable::default(),
        }
    }

    /// How much a step up must have to spare at present.
    #[must_use]
    pub fn raise_margin(&self, now: Instant) -> f64 {
        if self.is_starting(now) { START_MARGIN } else { RAISE_MARGIN }
    }

    /// Takes note that the demands are others from here on; `kept` tells where each was before.
    pub fn handle_demands(&mut self, kept: &[Option<usize>]) {
        let before = std::mem::take(&mut self.memory);
        let remembered = |index: &Option<usize>| index.and_then(|index| before.get(index).copied());
        self.memory = kept.iter().map(|index| remembered(index).unwrap_or_default()).collect();
        self.affordable.forget();
    }

    /// Decides one subscriber anew. `ideal` is its part of the room's allocation, or `None` between two of
    /// those, when it can only go down.
    pub fn step(
        &mut self,
        now: Instant,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        ideal: Option<&[Option<Layer>]>,
        link: &LinkView,
    ) {
        self.memory.resize(subscriber.demands.len(), RungMemory::default());
        for (memory, demand) in self.memory.iter_mut().zip(&subscriber.demands) {
            memory.watch_cap(now, demand.cap);
            memory.watch_room(now, subscriber.budget);
        }
        self.leave_what_is_gone(room, subscriber);
        self.start_new(ideal);
        if self.relieve(now, room, subscriber, link) == Relief::None
            && let Some(ideal) = ideal
        {
            self.fatten(now, room, subscriber, ideal);
            self.raise(now, room, subscriber, ideal, link);
        }
    }

    /// Takes over an allocation as it is.
    pub(super) fn follow(&mut self, ideal: Option<&[Option<Layer>]>) {
        let Some(ideal) = ideal else { return };
        self.memory = ideal.iter().map(|layer| RungMemory::holding(*layer)).collect();
    }

    /// The layers as decided, one per demand.
    pub fn layers(&self) -> impl Iterator<Item = Option<Layer>> {
        self.memory.iter().map(|memory| memory.layer)
    }

    /// The layers as decided, by index of the demand.
    #[must_use]
    pub fn layer(&self, demand: usize) -> Option<Layer> {
        self.memory.get(demand)?.layer
    }

    /// Whether a demand was lowered last because its link gave out, which says nothing of what it held.
    #[must_use]
    pub fn is_let_down(&self, demand: usize) -> bool {
        self.memory.get(demand).is_some_and(RungMemory::is_let_down)
    }

    /// The highest layer that a demand may rise to, while a higher one has failed a short while ago.
    #[must_use]
    pub fn limit(&self, now: Instant, demand: usize) -> Option<Layer> {
        self.memory.get(demand)?.limit(now)
    }

    /// Whether the links of a new subscriber are still being explored.
    pub(super) fn is_starting(&self, now: Instant) -> bool {
        !self.settled && now.saturating_duration_since(self.started) < START_PHASE
    }

    /// Falls back to the best of what is still offered below what flowed.
    fn leave_what_is_gone(&mut self, room: &RoomSnapshot, subscriber: &SubscriberSnapshot) {
        for (memory, demand) in self.memory.iter_mut().zip(&subscriber.demands) {
            let (Some(layer), Some(source)) = (memory.layer, room.sources.get(demand.source)) else {
                continue;
            };
            if choice::may_continue(source, demand, layer) {
                continue;
            }
            let offer = choice::choices(source, demand, ALL_ENCODINGS, Pricing::Measured);
            let below = offer.iter().rev().find(|choice| choice.layer < layer);
            // Where nothing lies below, the least of what there is keeps the picture alive.
            memory.replace(below.or(offer.first()).map(|choice| choice.layer));
        }
    }

    /// A subscription's first picture waits for nothing.
    fn start_new(&mut self, ideal: Option<&[Option<Layer>]>) {
        for (memory, layer) in self.memory.iter_mut().zip(ideal.unwrap_or_default()) {
            if !memory.started && memory.layer.is_none() && layer.is_some() {
                memory.start(*layer);
            }
        }
    }

    /// Goes down at once where what flows is more than the link holds, or the link is in trouble.
    fn relieve(
        &mut self,
        now: Instant,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        link: &LinkView,
    ) -> Relief {
        let cost = self.cost(room, subscriber);
        let trouble = self.trouble(now, link);
        let overspent = cost > link.hold;
        let silent = link.downlink.is_some_and(|downlink| downlink.state == DownlinkState::Silent);
        let (budget, fall) = match trouble {
            None if overspent && silent => (subscriber.budget, Fall::Silence),
            Some((budget, _)) if overspent => (budget.min(subscriber.budget), Fall::Shortage),
            Some(relief) => relief,
            None if overspent && is_loss_alone(link) => (subscriber.budget, Fall::Loss),
            None if overspent && subscriber.budget < cost.scaled(COLLAPSE) => {
                (subscriber.budget, Fall::Collapse)
            }
            None if overspent => (subscriber.budget, Fall::Shortage),
            None => return Relief::None,
        };
        if cost <= budget {
            return Relief::None;
        }
        let picks = self.fewer_frames(now, room, subscriber, budget, fall);
        let picks = picks.unwrap_or_else(|| self.solve_below(room, subscriber, budget, fall));
        for (memory, pick) in self.memory.iter_mut().zip(picks) {
            let layer = pick.map(|choice| choice.layer);
            if layer < memory.layer {
                memory.fall(now, layer, fall);
            } else {
                memory.layer = layer;
            }
        }
        self.settled = true;
        self.affordable.forget();
        self.relieved_at = Some(now);
        Relief::Given
    }

    /// The best allocation of the same encodings, if half the frames suffice: an experiment of congestion control or
    /// a dip that may be over in a second should not cost two key frames and two changes of size. A collapse leaves
    /// no room for that, and a shortage soon after a step up is no dip. What lasts is answered by [`Self::fatten`].
    fn fewer_frames(
        &self,
        now: Instant,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        budget: Bitrate,
        fall: Fall,
    ) -> Option<Vec<Option<Choice>>> {
        match fall {
            Fall::Loss => {}
            Fall::Shortage if !self.memory.iter().any(|memory| memory.is_on_trial(now)) => {}
            Fall::Shortage | Fall::Jitter | Fall::Collapse | Fall::Silence => return None,
        }
        let kept = subscriber.demands.iter().zip(&self.memory).map(|(demand, memory)| {
            let (Some(source), Some(layer)) = (room.sources.get(demand.source), memory.layer) else {
                return Vec::new();
            };
            let lower = DemandSnapshot { limit: Some(layer), ..*demand };
            let same = |choice: &Choice| {
                choice.layer.encoding == layer.encoding
                    && choice.layer.temporal >= HALF_RATE.min(layer.temporal)
            };
            // For good, a smaller picture of all frames is better and cheaper than half the frames of a large one.
            let offers = choice::offers(source, &lower, ALL_ENCODINGS, Pricing::Measured);
            choice::undominated(offers.into_iter().filter(same).collect())
        });
        let lists: Vec<Vec<Choice>> = kept.collect();
        let picks = knapsack::solve(&lists, budget);
        let is_whole =
            picks.iter().zip(&self.memory).all(|(pick, memory)| pick.is_some() || memory.layer.is_none());
        is_whole.then_some(picks)
    }

    /// What each demand holds, and what it may have of that or less.
    fn offers_below<'a>(
        &'a self,
        room: &'a RoomSnapshot,
        subscriber: &'a SubscriberSnapshot,
    ) -> impl Iterator<Item = (Layer, Vec<Choice>)> + 'a {
        subscriber.demands.iter().zip(&self.memory).map(|(demand, memory)| {
            let (Some(source), Some(layer)) = (room.sources.get(demand.source), memory.layer) else {
                return (Layer { encoding: 0, temporal: 0 }, Vec::new());
            };
            let lower = DemandSnapshot { limit: Some(layer), ..*demand };
            (layer, choice::choices(source, &lower, ALL_ENCODINGS, Pricing::Measured))
        })
    }

    /// The best allocation within `budget` that raises nobody. Jitter without loss costs frames only.
    fn solve_below(
        &self,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        budget: Bitrate,
        fall: Fall,
    ) -> Vec<Option<Choice>> {
        let lists: Vec<Vec<Choice>> = self
            .offers_below(room, subscriber)
            .map(|(layer, list)| {
                if fall == Fall::Jitter {
                    let same: Vec<Choice> = list
                        .iter()
                        .copied()
                        .filter(|choice| choice.layer.encoding == layer.encoding)
                        .collect();
                    if !same.is_empty() {
                        return same;
                    }
                }
                list
            })
            .collect();
        let mut picks = knapsack::solve(&lists, budget);
        if budget >= LEAST_PICTURE && picks.iter().all(Option::is_none) {
            // A small picture of few frames may cost a little more than it should, and is better than none.
            let least = lists.iter().map(|list| list.first().copied()).enumerate();
            let cheapest = least
                .filter_map(|(index, choice)| Some((choice?, index)))
                .min_by_key(|(choice, _)| choice.price);
            if let Some((choice, index)) = cheapest
                && let Some(pick) = picks.get_mut(index)
            {
                *pick = Some(choice);
            }
        }
        if fall == Fall::Jitter {
            // A queue that drains is no reason to lose a picture: the least of each list stays.
            return picks
                .into_iter()
                .zip(&lists)
                .map(|(pick, list)| pick.or(list.first().copied()))
                .collect();
        }
        picks
    }

    fn cost(&self, room: &RoomSnapshot, subscriber: &SubscriberSnapshot) -> Bitrate {
        self.prices(room, subscriber).sum()
    }

    /// What each demand costs as it is; nothing while the picture is off.
    pub(super) fn prices(
        &self,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
    ) -> impl Iterator<Item = Bitrate> {
        subscriber.demands.iter().zip(&self.memory).map(|(demand, memory)| {
            let source = room.sources.get(demand.source).filter(|source| !source.is_muted);
            let layer = memory.layer.zip(source.map(|source| &source.encodings));
            let encoding = layer.and_then(|(layer, of)| Some((layer, of.get(usize::from(layer.encoding))?)));
            encoding.map_or(Bitrate::ZERO, |(layer, encoding)| {
                choice::price(encoding, layer, Some(layer), Pricing::Measured)
            })
        })
    }

    /// Whether queues or losses ask for relief beyond what the estimate says, and how much.
    fn trouble(&mut self, now: Instant, link: &LinkView) -> Option<(Bitrate, Fall)> {
        let downlink = link.downlink?;
        let lasting = |since: &mut Option<Instant>, holds: bool, patience: Duration| {
            *since = holds.then(|| since.unwrap_or(now));
            since.is_some_and(|since| now.saturating_duration_since(since) >= patience)
        };
        let queueing = downlink.queue_delay > QUEUE_LIMIT;
        let queued = lasting(&mut self.queueing_since, queueing, QUEUE_PATIENCE);
        // Loss without a queue is the path's, or congestion control answers for it by the estimate.
        let losing = downlink.loss > LOSS_LIMIT && downlink.queue_delay > NO_QUEUE;
        let lossy = lasting(&mut self.lossy_since, losing, LOSS_PATIENCE);
        let fresh = self.relieved_at.is_some_and(|at| now.saturating_duration_since(at) < RELIEF_PAUSE);
        if fresh || !(queued || lossy) {
            return None;
        }
        let stands = self.queueing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let mere_jitter = !lossy && downlink.loss == 0.0 && stands < QUEUE_PATIENCE + JITTER_RECOVERY;
        Some((link.relief, if mere_jitter { Fall::Jitter } else { Fall::Shortage }))
    }

    /// Commits what has been affordable for long enough.
    fn raise(
        &mut self,
        now: Instant,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        ideal: &[Option<Layer>],
        link: &LinkView,
    ) {
        let congested = link.downlink.is_some_and(|downlink| match downlink.state {
            DownlinkState::Congested | DownlinkState::Silent => true,
            DownlinkState::Starting | DownlinkState::Steady => false,
        });
        if congested || !self.is_worthwhile(room, subscriber, ideal) {
            self.affordable.forget();
            return;
        }
        let held: Vec<Option<Layer>> = self.layers().collect();
        self.affordable.observe(now, ideal, &held);
        let urgent = held.iter().any(Option::is_none);
        let patience = |layers: &[Option<Layer>]| self.patience(now, room, subscriber, layers);
        let Some(layers) = self.affordable.ripe(now, patience, urgent).map(<[_]>::to_vec) else { return };
        for (memory, layer) in self.memory.iter_mut().zip(layers) {
            if layer > memory.layer {
                memory.raise(now, layer, subscriber.budget);
            } else {
                memory.layer = layer;
            }
        }
        self.affordable.forget();
    }

    /// Gives a large picture that has been short of frames for too long up for a smaller one of all frames.
    fn fatten(
        &mut self,
        now: Instant,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        ideal: &[Option<Layer>],
    ) {
        for ((memory, demand), wish) in self.memory.iter_mut().zip(&subscriber.demands).zip(ideal) {
            let worth = |layer| choice::worth(room.sources.get(demand.source), demand, layer);
            if memory.is_thin(now) && *wish < memory.layer && worth(*wish) > worth(memory.layer) {
                memory.fall(now, *wish, Fall::Shortage);
                self.affordable.forget();
            }
        }
    }

    /// Whether a wish raises somebody, and by enough where it lowers somebody else: pictures that take turns
    /// at one rung are worse than either.
    fn is_worthwhile(
        &self,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        wish: &[Option<Layer>],
    ) -> bool {
        let compared = || self.memory.iter().map(|memory| memory.layer).zip(wish);
        if !compared().any(|(layer, wish)| *wish > layer) {
            return false;
        }
        // A picture that is off is not missed.
        let mut seen = compared().zip(&subscriber.demands).filter(|(_, demand)| is_seen(room, demand));
        if seen.all(|((layer, wish), _)| *wish >= layer) {
            return true;
        }
        let worth = |layers: &mut dyn Iterator<Item = Option<Layer>>| -> u64 {
            let demands = subscriber.demands.iter().zip(layers);
            demands.map(|(demand, layer)| choice::worth(room.sources.get(demand.source), demand, layer)).sum()
        };
        let before = worth(&mut self.memory.iter().map(|memory| memory.layer));
        let after = worth(&mut wish.iter().copied());
        after as f64 >= before as f64 * WORTHWHILE
    }

    /// The longest of what the steps of a candidate ask for.
    fn patience(
        &self,
        now: Instant,
        room: &RoomSnapshot,
        subscriber: &SubscriberSnapshot,
        layers: &[Option<Layer>],
    ) -> Duration {
        if self.is_starting(now) {
            return START_PATIENCE;
        }
        let demands = self.memory.iter().zip(&subscriber.demands).zip(layers);
        let rising =
            demands.filter(|((memory, demand), layer)| **layer > memory.layer && is_seen(room, demand));
        rising
            .map(|((memory, demand), layer)| memory.patience(now, *layer, rung_of(room, demand, *layer)))
            .max()
            .unwrap_or(Duration::ZERO)
    }
}

fn is_seen(room: &RoomSnapshot, demand: &DemandSnapshot) -> bool {
    room.sources.get(demand.source).is_some_and(|source| !source.is_muted)
}

fn rung_of(room: &RoomSnapshot, demand: &DemandSnapshot, layer: Option<Layer>) -> Rung {
    let encodings = room.sources.get(demand.source).map(|source| &source.encodings);
    let encoding = layer.and_then(|layer| encodings?.get(usize::from(layer.encoding)));
    encoding.map_or(Rung::AudioOnly, |encoding| encoding.rung)
}

/// Whether packets get lost while nothing stands in queues.
fn is_loss_alone(link: &LinkView) -> bool {
    link.downlink.is_some_and(|downlink| {
        downlink.state == DownlinkState::Steady
            && downlink.loss > NOTABLE_LOSS
            && downlink.queue_delay <= NO_QUEUE
    })
}

/// A link that pays for less than this share of what flows is not the one that it was.
const COLLAPSE: f64 = 0.5;

/// The temporal layer up to which half the frames go.
const HALF_RATE: u8 = 1;

/// Loss that may have moved the estimate.
const NOTABLE_LOSS: f64 = 0.03;

/// A queue below this is the radio's own.
const NO_QUEUE: Duration = Duration::from_millis(25);

/// Gain over the present that a plan must bring to lower one picture for another.
const WORTHWHILE: f64 = 1.1;

/// A subscriber starts high: until its first shortage, at most this long, steps up follow in quick succession.
const START_PHASE: Duration = Duration::from_secs(10);
const START_PATIENCE: Duration = Duration::from_millis(300);

/// What may stand in queues, and for how long, before relief.
const QUEUE_LIMIT: Duration = Duration::from_millis(80);
const QUEUE_PATIENCE: Duration = Duration::from_millis(300);

/// Delay without loss that passes within this time is 5G scheduling or a handover, not congestion.
const JITTER_RECOVERY: Duration = Duration::from_millis(250);

const LOSS_LIMIT: f64 = 0.1;
const LOSS_PATIENCE: Duration = Duration::from_secs(1);

/// A queue needs this long to show that relief has worked; without the pause one queue would cost every rung.
const RELIEF_PAUSE: Duration = Duration::from_millis(250);
