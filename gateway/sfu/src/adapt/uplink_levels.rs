//! Which levels of its pictures a publisher shall send where its uplink does not carry all that there is a use for:
//! those that together serve the subscribers best. The rest is given up, and who would have received it is solved
//! again with what is left.

use protocol::ladder::Rung;
use protocol::track::TrackSource;
use protocol::units::Bitrate;

use super::measurement::TEMPORAL_LAYERS;
use super::policy::FULL_RATE;
use super::reduction::{Reducible, best_sets};
use super::snapshot::{
    DemandSnapshot, EncodingSnapshot, Pricing, RoomSnapshot, SourceSnapshot, SubscriberSnapshot,
};
use super::uplink::{EncodingTarget, UplinkWish, camera, least_rate, plan_levels};
use super::uplink_limit::UplinkShare;

/// One track of a publisher whose uplink is limited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender<'a> {
    pub(super) source: TrackSource,
    /// Whether its encodings are spatial layers of one stream, each of which needs those below.
    pub(super) layered: bool,
    /// What it would be asked for if the uplink carried it.
    pub(super) free: &'a [EncodingTarget],
    /// What it is asked for at present.
    pub(super) sent: &'a [EncodingTarget],
    /// Which of that arrives, as bits.
    pub(super) arriving: u8,
    /// Which somebody would lose who is about to go over to another.
    pub(super) watched: u8,
    pub(super) wishes: &'a [UplinkWish],
}

/// Plans the encodings of all tracks of a publisher within its share of the uplink.
pub(super) fn fit(share: UplinkShare, contenders: &[Contender<'_>]) -> Vec<Vec<EncodingTarget>> {
    let asked = |one: &Contender<'_>| one.free.iter().map(|target| one.cost(target)).sum::<Bitrate>();
    let (mut plans, tried) = if contenders.iter().map(asked).sum::<Bitrate>() <= share.rate {
        (contenders.iter().map(|one| one.free.to_vec()).collect(), false)
    } else {
        reduce(share, contenders)
    };
    squeeze(contenders, &mut plans, UplinkShare { trying: tried, ..share });
    plans
}

/// The least that the active encodings of a plan take.
pub(super) fn least_of(source: TrackSource, plan: &[EncodingTarget]) -> Bitrate {
    plan.iter().map(|target| least(source, target)).sum()
}

/// Chooses the levels of each, and says whether one more than fits is among them.
fn reduce(share: UplinkShare, contenders: &[Contender<'_>]) -> (Vec<Vec<EncodingTarget>>, bool) {
    let levels: Vec<Vec<EncodingTarget>> = contenders.iter().map(Contender::levels).collect();
    let reducible = contenders.iter().zip(&levels).map(|(one, levels)| one.reducible(levels));
    let mut sets = best_sets(&reducible.collect::<Vec<_>>(), share.rate);
    let mut tried = false;
    for ((one, levels), set) in contenders.iter().zip(&levels).zip(&mut sets) {
        // What a browser has no room for it leaves out by itself; asked for nothing more, it would never look for room.
        let is_least = *set == 1 && one.source == TrackSource::Camera;
        if (share.trying && !tried || is_least)
            && let Some(more) = one.one_more(levels, *set)
        {
            *set = more;
            tried = true;
        }
    }
    for ((one, levels), set) in contenders.iter().zip(&levels).zip(&mut sets) {
        *set = one.keeping(levels, *set);
    }
    let plans = contenders.iter().zip(&levels).zip(sets).map(|((one, levels), set)| one.plan(levels, set));
    (plans.collect(), tried)
}

impl Contender<'_> {
    /// How many encodings can be chosen freely.
    fn slots(&self) -> usize {
        if self.layered { 1 } else { self.free.len() }
    }

    /// Everything that it could send: a camera any rung up to the highest that there is a use for.
    fn levels(&self) -> Vec<EncodingTarget> {
        let top = self.free.iter().filter(|target| target.active).map(|target| target.rung).max();
        match (self.source, top) {
            (TrackSource::Camera, Some(top)) => {
                let rungs = Rung::ALL.into_iter().filter(|rung| (Rung::P180..=top).contains(rung));
                rungs.map(|rung| camera(true, rung)).collect()
            }
            (TrackSource::Screen | TrackSource::Microphone, Some(_)) => {
                self.free.iter().filter(|target| target.active).copied().collect()
            }
            (_, None) => Vec::new(),
        }
    }

    /// The sets of levels that can be sent, each with the least that it takes and what it is worth.
    fn reducible(&self, levels: &[EncodingTarget]) -> Reducible {
        let slots = self.slots();
        // One encoding serves everybody; of several the lowest is what is left when all else fails.
        let may_send = |set: &u8| {
            let count = set.count_ones() as usize;
            if slots == 1 { count == 1 } else { set & 1 != 0 && count <= slots }
        };
        let sets: Vec<u8> = (1..1_u8 << levels.len().min(MAX_LEVELS)).filter(may_send).collect();
        Reducible { room: self.room(levels), sets, costs: levels.iter().map(|one| self.cost(one)).collect() }
    }

    /// The room of those who wish for it.
    fn room(&self, levels: &[EncodingTarget]) -> RoomSnapshot {
        let encodings = levels.iter().map(|level| {
            let rate = least(self.source, level);
            EncodingSnapshot {
                usable: true,
                expected: true,
                rung: level.rung,
                cumulative: EXPECTED_SHARES.map(|share| rate.scaled(share)),
                ceiling: rate,
                full: rate,
                temporal_layers: TEMPORAL_LAYERS as u8,
                relative_frame_rate: 1.0,
            }
        });
        let subscribers = self.wishes.iter().map(|wish| SubscriberSnapshot {
            budget: wish.lately.or(wish.budget).unwrap_or(Bitrate::MAX),
            pricing: Pricing::Measured,
            demands: vec![DemandSnapshot {
                source: 0,
                priority: wish.priority,
                // Who may not have HD yet loses nothing for its sake.
                cap: wish.permitted,
                max_temporal: FULL_RATE,
                max_lines: wish.max_lines,
                current: None,
                limit: None,
            }],
        });
        RoomSnapshot {
            sources: vec![SourceSnapshot { uplink: 0, is_muted: false, encodings: encodings.collect() }],
            uplinks: vec![None],
            subscribers: subscribers.collect(),
        }
    }

    /// What a level takes of the uplink at least. One that is not sent yet must have room to spare, so that two
    /// sets do not take turns.
    fn cost(&self, level: &EncodingTarget) -> Bitrate {
        let is_sent = self.sent.iter().any(|sent| sent.active && sent.rung == level.rung);
        let least = least(self.source, level);
        if is_sent || level.rung <= Rung::P180 { least } else { least.scaled(RAISE_MARGIN) }
    }

    /// The set with the next level above, where an encoding is left for it.
    fn one_more(&self, levels: &[EncodingTarget], set: u8) -> Option<u8> {
        let next = u8::BITS - set.leading_zeros();
        let is_free =
            (set.count_ones() as usize) < self.slots() && (next as usize) < levels.len().min(MAX_LEVELS);
        is_free.then(|| set | 1 << next)
    }

    /// The set with what arrives at present, as long as something of the set does not, and with what is watched for
    /// a while after that: nobody loses a picture before there is another.
    fn keeping(&self, levels: &[EncodingTarget], set: u8) -> u8 {
        let present = self.bits_of(levels, self.arriving);
        let kept = if set & !present == 0 { present & self.bits_of(levels, self.watched) } else { present };
        // The highest first, as far as there are encodings.
        (0..u8::BITS).rev().map(|index| kept & (1 << index)).fold(set, |set, bit| {
            let grown = set | bit;
            if grown.count_ones() as usize <= self.slots() { grown } else { set }
        })
    }

    /// The levels that some of the encodings which are sent carry.
    fn bits_of(&self, levels: &[EncodingTarget], encodings: u8) -> u8 {
        let of_them = self.sent.iter().enumerate().filter(|(index, _)| encodings & (1 << index) != 0);
        let carried = of_them
            .filter(|(_, sent)| sent.active)
            .filter_map(|(_, sent)| levels.iter().take(MAX_LEVELS).position(|level| level.rung == sent.rung));
        carried.fold(0, |bits, index| bits | 1 << index)
    }

    fn plan(&self, levels: &[EncodingTarget], set: u8) -> Vec<EncodingTarget> {
        let chosen = levels
            .iter()
            .enumerate()
            .filter(|(index, _)| set & 1_u8.checked_shl(*index as u32).unwrap_or(0) != 0);
        let chosen: Vec<EncodingTarget> = chosen.map(|(_, level)| *level).collect();
        match self.source {
            TrackSource::Camera if !self.layered => {
                let rungs: Vec<Rung> = chosen.iter().map(|level| level.rung).collect();
                let mut plan = plan_levels(&rungs, self.free.len());
                // What its receivers pay for is known of the rungs that stay.
                for target in &mut plan {
                    let free = self.free.iter().find(|free| free.active && free.rung == target.rung);
                    target.max_bitrate = free.map_or(target.max_bitrate, |free| free.max_bitrate);
                }
                plan
            }
            TrackSource::Camera => {
                let top = chosen.last().map_or(Rung::P180, |level| level.rung);
                let keep = |target: &EncodingTarget| EncodingTarget {
                    active: target.active && target.rung <= top,
                    ..*target
                };
                self.free.iter().map(keep).collect()
            }
            TrackSource::Screen | TrackSource::Microphone => {
                let keep =
                    |target: &EncodingTarget| EncodingTarget { active: chosen.contains(target), ..*target };
                self.free.iter().map(keep).collect()
            }
        }
    }
}

/// The least that one encoding takes, if it is sent. What is shared is read, and a page at rest costs little.
fn least(source: TrackSource, target: &EncodingTarget) -> Bitrate {
    match source {
        _ if !target.active => Bitrate::ZERO,
        TrackSource::Camera if target.rung <= Rung::P180 => least_rate(target.rung),
        TrackSource::Camera => target.rung.nominal_bitrate().scaled(LEAST_SHARE),
        TrackSource::Screen | TrackSource::Microphone => target.max_bitrate.scaled(SCREEN_SHARE),
    }
}

/// Lowers the rates of all plans so that they fit together, none below the least that its rung is worth. What is only
/// tried comes last at its browser, and shows as much as it can.
fn squeeze(contenders: &[Contender<'_>], plans: &mut [Vec<EncodingTarget>], share: UplinkShare) {
    let sources = contenders.iter().map(|one| one.source);
    let mut squeezed: Vec<(Bitrate, &mut EncodingTarget)> = Vec::new();
    for (source, plan) in sources.zip(plans) {
        let mut active: Vec<&mut EncodingTarget> = plan.iter_mut().filter(|one| one.active).collect();
        if share.trying && active.len() > 1 {
            active.pop();
        }
        squeezed.extend(active.into_iter().map(|one| (least(source, one).min(one.max_bitrate), one)));
    }
    let floors: Bitrate = squeezed.iter().map(|(floor, _)| *floor).sum();
    let most: Bitrate = squeezed.iter().map(|(_, target)| target.max_bitrate).sum();
    if most <= share.rate {
        return;
    }
    // While two levels change over, the higher one waits for what the other still takes.
    let excess = floors - share.rate;
    if let Some((floor, target)) = squeezed.last_mut() {
        *floor = (*floor - excess).max(target.rung.nominal_bitrate().scaled(STARTING_SHARE)).min(*floor);
    }
    let part = (share.rate - floors).ratio_of(most - floors);
    for (floor, target) in squeezed {
        let rate = floor + (target.max_bitrate - floor).scaled(part);
        // In the steps of other rates, so that a trembling limit is not said anew each time.
        let step = target.rung.nominal_bitrate().scaled(1.0 / RATE_STEPS).as_bps().max(1);
        target.max_bitrate = Bitrate::bps(rate.as_bps() / step * step).max(floor);
    }
}

/// Levels that are weighed against each other: 180, 360, 480 and 720 lines, and a shared page has fewer.
const MAX_LEVELS: usize = 5;

/// Rates of the temporal layers over the whole.
const EXPECTED_SHARES: [f64; TEMPORAL_LAYERS] = [0.4, 0.6, 1.0];

/// Room that a level needs above its least rate before it is added.
const RAISE_MARGIN: f64 = 1.2;

/// Share of its nominal rate that a level must have: an uplink is short for all who watch, so that a level may be
/// thinner than where a rate follows one who could have another.
const LEAST_SHARE: f64 = 0.6;

/// Share of its nominal rate that a level needs to begin with: browsers leave out what gets less than a third.
const STARTING_SHARE: f64 = 0.45;

/// Share of its ceiling at which a shared page is still read in time.
const SCREEN_SHARE: f64 = 0.5;

/// As the rates of plans.
const RATE_STEPS: f64 = 16.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::adapt::snapshot::Priority;

    const FREE: [EncodingTarget; 3] =
        [camera(true, Rung::P180), camera(true, Rung::P480), camera(true, Rung::P720)];

    fn wish(spare: u64) -> UplinkWish {
        let spare = Some(Bitrate::kbps(spare));
        let (cap, priority) = (Rung::P720, Priority::Consultation);
        UplinkWish { cap, permitted: cap, max_lines: 720, budget: spare, spare, lately: spare, priority }
    }

    fn fitted(
        rate: u64,
        wishes: &[UplinkWish],
        sent: &[EncodingTarget],
        trying: bool,
    ) -> Vec<EncodingTarget> {
        let one = Contender {
            source: TrackSource::Camera,
            layered: false,
            free: &FREE,
            sent,
            arriving: 0,
            watched: 0,
            wishes,
        };
        let share = UplinkShare { rate: Bitrate::kbps(rate), trying };
        fit(share, &[one]).remove(0)
    }

    /// The rungs of the active encodings, with `-` for those that are off.
    fn shape(plan: &[EncodingTarget]) -> String {
        let word = |target: &EncodingTarget| if target.active { target.rung.as_str() } else { "-" };
        plan.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_dip_of_one_receiver_changes_no_level() {
        let sent = fitted(970, &[wish(3_200), wish(800), wish(300)], &FREE, false);
        assert_eq!(shape(&sent), "180p 480p -");
        let dip = UplinkWish { spare: Some(Bitrate::kbps(216)), ..wish(300) };
        let during = fitted(970, &[wish(3_200), wish(800), dip], &sent, false);
        assert_eq!(shape(&during), "180p 480p -");
        let lasting = fitted(970, &[wish(3_200), wish(800), wish(216)], &sent, false);
        assert_eq!(shape(&lasting), "180p 360p 480p", "what lasts does");
    }

    #[test]
    fn the_levels_that_serve_all_best_are_sent() {
        let (wide, medium, narrow) = (wish(4_000), wish(700), wish(100));
        let unproven = UplinkWish { permitted: Rung::P480, ..wide };
        let table: [(u64, &[UplinkWish], &str); 11] = [
            (3_000, &[wide, medium, narrow], "180p 480p 720p"),
            // HD for one is worth less than the clinical floor for two.
            (1_500, &[wide, medium, narrow], "180p 480p -"),
            (1_000, &[wide, medium, narrow], "180p 480p -"),
            (500, &[wide, medium, narrow], "180p 360p -"),
            (200, &[wide, medium, narrow], "180p 360p -"),
            (0, &[wide], "180p 360p -"),
            // A level in between that nobody needs makes room for HD.
            (1_600, &[wide], "180p - 720p"),
            (1_600, &[wide, narrow], "180p - 720p"),
            (1_200, &[wide], "180p 480p -"),
            // But not before HD is permitted.
            (1_600, &[unproven], "180p 480p -"),
            (1_600, &[], "180p 360p -"),
        ];
        for (rate, wishes, expected) in table {
            assert_eq!(shape(&fitted(rate, wishes, &[], false)), expected, "{rate} for {}", wishes.len());
        }
    }

    #[test]
    fn what_is_sent_stays_where_a_newcomer_would_need_more() {
        let sent = [camera(true, Rung::P180), camera(false, Rung::P480), camera(true, Rung::P720)];
        assert_eq!(shape(&fitted(1_400, &[wish(4_000)], &sent, false)), "180p - 720p");
        assert_eq!(shape(&fitted(1_000, &[wish(4_000)], &sent, false)), "180p 480p -");
    }

    #[test]
    fn what_arrives_stays_until_something_better_does() {
        let sent = [camera(true, Rung::P180), camera(true, Rung::P480), camera(false, Rung::P720)];
        let risen = [camera(true, Rung::P180), camera(true, Rung::P480), camera(true, Rung::P720)];
        let wishes = [wish(4_000)];
        let plan = |sent, arriving, watched| {
            let one = Contender {
                source: TrackSource::Camera,
                layered: false,
                free: &FREE,
                sent,
                arriving,
                watched,
                wishes: &wishes,
            };
            fit(UplinkShare { rate: Bitrate::kbps(1_400), trying: false }, &[one]).remove(0)
        };
        let change = plan(&sent, 0b011, 0b010);
        assert_eq!(shape(&change), "180p 480p 720p");
        assert!(change[1].max_bitrate < Bitrate::kbps(500), "it makes room: {change:?}");
        assert_eq!(shape(&plan(&risen, 0b011, 0b010)), "180p 480p 720p");
        assert_eq!(shape(&plan(&risen, 0b111, 0b010)), "180p 480p 720p", "and until they have gone over");
        assert_eq!(shape(&plan(&risen, 0b111, 0b100)), "180p - 720p");
    }

    #[test]
    fn an_attempt_adds_a_level_and_takes_none() {
        let wide = [wish(4_000)];
        let sent = [camera(true, Rung::P180), camera(true, Rung::P480), camera(false, Rung::P720)];
        for (rate, expected) in [(200, "180p 360p -"), (500, "180p 360p 480p"), (900, "180p 480p 720p")] {
            assert_eq!(shape(&fitted(rate, &wide, &sent, true)), expected, "{rate}");
        }
    }

    #[test]
    fn a_shared_page_and_a_camera_share_the_uplink() {
        let page = |active| EncodingTarget {
            active,
            rung: Rung::P1080,
            max_bitrate: Bitrate::kbps(1_800),
            max_framerate: 15,
        };
        let small = EncodingTarget { max_bitrate: Bitrate::kbps(400), ..page(true) };
        let content = UplinkWish {
            priority: Priority::Content,
            cap: Rung::P1080,
            permitted: Rung::P1080,
            max_lines: 1_080,
            ..wish(4_000)
        };
        let screen = [small, page(true)];
        let contenders = [
            Contender {
                source: TrackSource::Camera,
                layered: false,
                free: &FREE,
                sent: &FREE,
                arriving: 0,
                watched: 0,
                wishes: &[wish(4_000)],
            },
            Contender {
                source: TrackSource::Screen,
                layered: false,
                free: &screen,
                sent: &screen,
                arriving: 0,
                watched: 0,
                wishes: &[content],
            },
        ];
        for rate in (0..4_000).step_by(100) {
            let plans = fit(UplinkShare { rate: Bitrate::kbps(rate), trying: false }, &contenders);
            assert!(plans.iter().all(|plan| plan[0].active), "{plans:?}");
            let sum: Bitrate =
                plans.iter().flatten().filter(|one| one.active).map(|one| one.max_bitrate).sum();
            // Beyond the least of both, a browser may look for room for one level more.
            let tried = if shape(&plans[0]) == "180p 360p -" { 400 } else { 0 };
            assert!(sum <= Bitrate::kbps(rate.max(75 + 200) + tried), "{rate}: {plans:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// No other set of levels that fits is worth more, and what is asked for fits.
        #[test]
        fn plans_fit_and_none_serves_better(
            rate in 0_u64..3_000,
            spares in proptest::collection::vec(0_u64..3_000, 0..5),
            sent in 0_usize..3,
        ) {
            let wishes: Vec<UplinkWish> = spares.into_iter().map(wish).collect();
            let sent = &FREE[..sent];
            let plan = fitted(rate, &wishes, sent, false);
            let one = Contender { source: TrackSource::Camera, layered: false, free: &FREE, sent, arriving: 0, watched: 0, wishes: &wishes };
            let levels = one.levels();
            let room = one.room(&levels);
            let worth = |rungs: &[Rung]| {
                let kept = levels.iter().enumerate().filter(|(_, level)| rungs.contains(&level.rung));
                crate::adapt::allocate::Plan::solve(&room, &[kept.map(|(index, _)| 1 << index).sum()]).utility()
            };
            let cost = |rungs: &[Rung]| rungs.iter().map(|rung| one.cost(&camera(true, *rung))).sum::<Bitrate>();
            let chosen: Vec<Rung> = plan.iter().filter(|one| one.active).map(|one| one.rung).collect();
            let limit = Bitrate::kbps(rate);
            let more = chosen == [Rung::P180, Rung::P360];
            prop_assert!(cost(&chosen) <= limit || more, "{chosen:?}");
            let free = plan.iter().zip(&FREE).all(|(plan, free)| (plan.active, plan.rung) == (free.active, free.rung));
            for set in 0..8_u8 {
                let above = [Rung::P360, Rung::P480, Rung::P720].into_iter().enumerate();
                let above = above.filter(|(index, _)| set & (1 << index) != 0).map(|(_, rung)| rung);
                let other: Vec<Rung> = std::iter::once(Rung::P180).chain(above).collect();
                if !free && other.len() <= 3 && cost(&other) <= limit {
                    prop_assert!(worth(&other) <= worth(&chosen), "{other:?} for {chosen:?}");
                }
            }
            let sum: Bitrate = plan.iter().filter(|one| one.active).map(|one| one.max_bitrate).sum();
            prop_assert!(sum <= limit || more, "{plan:?}");
        }
    }
}
