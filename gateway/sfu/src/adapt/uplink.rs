//! What a publisher shall send of one track: which encodings, at which rung, rate and frame rate. What
//! nobody may receive is off at its source; what somebody soon may receive stays warm.

use protocol::ladder::Rung;
use protocol::track::TrackSource;
use protocol::units::Bitrate;

use super::snapshot::{Priority, rung_for_tile};

/// What one encoding shall carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingTarget {
    /// Whether it is sent at all.
    pub active: bool,
    /// At most this many lines.
    pub rung: Rung,
    /// Ceiling of its rate.
    pub max_bitrate: Bitrate,
    /// Ceiling of its frame rate.
    pub max_framerate: u8,
}

/// What one subscriber may receive of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UplinkWish {
    /// The highest rung that classes and permission allow, or ask to keep warm.
    pub cap: Rung,
    /// The highest rung that is allowed already.
    pub permitted: Rung,
    /// Lines of the tile; zero while hidden.
    pub max_lines: u16,
    /// The most that its video could cost of late; `None` before the first estimate.
    pub budget: Option<Bitrate>,
    /// What a picture of this track may cost at this moment; `None` while that is not known.
    pub spare: Option<Bitrate>,
    /// The most that it could cost of late, likewise: levels outlast a dip, rates do not.
    pub lately: Option<Bitrate>,
    /// What it is for.
    pub priority: Priority,
}

/// How the rates of camera encodings are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateRule {
    /// Each rung at its nominal rate.
    Nominal,
    /// A rung's rate follows what the few who receive it can pay, so that no budget lies idle between two
    /// rungs.
    Following,
}

/// Everything that the plan of one track depends on.
#[derive(Debug, Clone, Copy)]
pub struct SourceNeeds<'a> {
    /// Camera or screen.
    pub source: TrackSource,
    /// How many encodings were negotiated.
    pub encodings: usize,
    /// Lines of the source itself, where it is known to be smaller than asked for.
    pub source_lines: Option<u16>,
    /// One wish per subscription.
    pub wishes: &'a [UplinkWish],
    /// The plan in force; empty at first.
    pub previous: &'a [EncodingTarget],
    /// How rates are chosen.
    pub rates: RateRule,
}

/// Plans the encodings of one track, lowest first.
#[must_use]
pub fn plan_uplink(needs: &SourceNeeds<'_>) -> Vec<EncodingTarget> {
    match needs.source {
        TrackSource::Camera => plan_camera(needs),
        TrackSource::Screen => plan_screen(needs),
        TrackSource::Microphone => Vec::new(),
    }
}

fn plan_camera(needs: &SourceNeeds<'_>) -> Vec<EncodingTarget> {
    let reach: Vec<Reach> = needs.wishes.iter().map(|wish| Reach::of(needs, wish)).collect();
    let watched = !needs.wishes.is_empty();
    let mut plan = match needs.encodings {
        0 => Vec::new(),
        1 => vec![camera(watched, single_rung(&reach))],
        2 => {
            let top = reach.iter().map(|reach| reach.allowed).max().unwrap_or(Rung::AudioOnly);
            let upper = if top >= Rung::HD { Rung::HD } else { Rung::P480 };
            vec![camera(watched, Rung::P180), camera(top >= Rung::P360, upper.min(top.max(Rung::P360)))]
        }
        encodings => {
            let mut plan = three_encodings(needs, &reach, watched);
            // More than three are never negotiated; what lies beyond stays off.
            plan.resize(encodings, camera(false, Rung::HD));
            plan
        }
    };
    match needs.rates {
        RateRule::Nominal => {}
        RateRule::Following => follow(&mut plan, needs.previous, &reach),
    }
    plan
}

/// Lowers the rate of each encoding to what those can pay who receive it.
fn follow(plan: &mut [EncodingTarget], previous: &[EncodingTarget], reach: &[Reach]) {
    for index in 0..plan.len() {
        let users = || reach.iter().filter(|reach| reach.received(plan) == Some(index));
        let (rung, least) = (plan[index].rung, least_rate(plan[index].rung));
        let nominal = rung.nominal_bitrate();
        let wanted = match users().count() {
            1..=MAX_FOLLOWED => users()
                .filter_map(|reach| reach.spare)
                .map(|spare| spare.scaled(FOLLOWED_SHARE))
                .min()
                .map_or(nominal, |spare| spare.clamp(least, nominal)),
            _ => nominal,
        };
        let step = nominal.scaled(1.0 / RATE_STEPS);
        let wanted = Bitrate::bps(wanted.as_bps() / step.as_bps().max(1) * step.as_bps()).max(least);
        let before = previous.get(index).filter(|before| before.active && before.rung == rung);
        // Down at once; up when it is worth a message.
        let stays = |before: &&EncodingTarget| {
            let small = wanted < before.max_bitrate + step + step && wanted + step < nominal;
            wanted >= before.max_bitrate && small
        };
        plan[index].max_bitrate = before.filter(stays).map_or(wanted, |before| before.max_bitrate);
    }
}

/// The plan of a camera that sends just these rungs, lowest first.
pub(super) fn plan_levels(rungs: &[Rung], encodings: usize) -> Vec<EncodingTarget> {
    let on = |rung| camera(true, rung);
    let mut plan = match (encodings, rungs) {
        (0, _) => Vec::new(),
        (_, []) => vec![camera(false, Rung::P180)],
        (1, [.., only]) => vec![on(*only)],
        (_, [low]) => vec![on(*low), camera(false, Rung::P360.max(*low))],
        (2, [low, .., upper]) => vec![on(*low), on(*upper)],
        (_, [low, top @ Rung::P720]) => vec![on(*low), camera(false, Rung::P480), on(*top)],
        (_, [low, middle]) => vec![on(*low), on(*middle)],
        (_, [low, middle, .., top]) => vec![on(*low), on(*middle), on(*top)],
    };
    plan.resize(encodings, camera(false, Rung::HD));
    plan
}

/// The least rate at which all frames of a rung are worth showing.
pub(super) fn least_rate(rung: Rung) -> Bitrate {
    rung.nominal_bitrate().scaled(if rung <= Rung::P180 { LEAST_SHARE_180 } else { LEAST_SHARE })
}

fn three_encodings(needs: &SourceNeeds<'_>, reach: &[Reach], watched: bool) -> Vec<EncodingTarget> {
    let hd = reach.iter().any(|reach| reach.allowed >= Rung::HD);
    let middle_in_use = needs.previous.get(1).is_some_and(|target| target.active);
    let near = |reach: &&Reach| {
        let share = if middle_in_use { STAY_WARM } else { GET_WARM };
        reach.budget.is_none_or(|budget| budget >= Rung::P360.nominal_bitrate().scaled(share))
    };
    let mut middle_users = reach.iter().filter(|reach| reach.allowed >= Rung::P360).filter(near).peekable();
    let middle = middle_users.peek().is_some();
    let floor_users = reach.iter().any(|reach| reach.allowed >= Rung::P480 && reach.affordable >= Rung::P480);
    let below_floor = middle_users.any(|reach| reach.allowed.min(reach.affordable) == Rung::P360);
    let low = camera(watched, Rung::P180);
    match (hd, floor_users, below_floor) {
        (true, true, _) => vec![low, camera(middle, Rung::P480), camera(true, Rung::HD)],
        (true, false, _) => vec![low, camera(middle, Rung::P360), camera(true, Rung::HD)],
        // Nobody may have HD, so its encoding is free to carry the clinical floor, and the middle one
        // serves those who cannot reach that.
        (false, true, true) => vec![low, camera(true, Rung::P360), camera(true, Rung::P480)],
        (false, true, false) => vec![low, camera(middle, Rung::P480), camera(false, Rung::HD)],
        (false, false, _) => vec![low, camera(middle, Rung::P360), camera(false, Rung::HD)],
    }
}

/// A single encoding serves everybody, so it follows the weakest who sees it.
fn single_rung(reach: &[Reach]) -> Rung {
    let seen = reach.iter().filter(|reach| reach.allowed > Rung::AudioOnly);
    seen.map(|reach| reach.allowed.min(reach.affordable)).min().unwrap_or(Rung::P180).max(Rung::P180)
}

fn plan_screen(needs: &SourceNeeds<'_>) -> Vec<EncodingTarget> {
    let watched = !needs.wishes.is_empty();
    let tallest =
        needs.wishes.iter().map(|wish| rung_for_tile(wish.max_lines)).max().unwrap_or(Rung::AudioOnly);
    let ladder = match needs.encodings {
        0 => &SCREEN_LADDER[..0],
        1 => &SCREEN_LADDER[2..],
        2 => &SCREEN_LADDER[1..],
        _ => &SCREEN_LADDER[..],
    };
    let mut plan: Vec<EncodingTarget> = Vec::with_capacity(ladder.len());
    for (index, step) in ladder.iter().enumerate() {
        let below_fills = index > 0 && ladder[index - 1].rung >= tallest;
        plan.push(EncodingTarget { active: watched && !below_fills, ..*step });
    }
    plan
}

/// What one subscriber can come to receive.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// By class, permission, tile and source.
    allowed: Rung,
    /// By bandwidth.
    affordable: Rung,
    budget: Option<Bitrate>,
    spare: Option<Bitrate>,
}

impl Reach {
    fn of(needs: &SourceNeeds<'_>, wish: &UplinkWish) -> Self {
        let source = needs.source_lines.map_or(Rung::P1080, rung_for_tile);
        let allowed = wish.cap.min(rung_for_tile(wish.max_lines)).min(source);
        let carried = |rung: Rung| needs.previous.iter().any(|target| target.active && target.rung == rung);
        let affordable = wish.budget.map_or(Rung::P1080, |budget| {
            let fits = |rung: &Rung| {
                let price = match needs.rates {
                    RateRule::Nominal => rung.nominal_bitrate(),
                    RateRule::Following => least_rate(*rung),
                };
                let margin = match (needs.rates, carried(*rung)) {
                    (RateRule::Nominal, true) => KEEP_MARGIN,
                    (RateRule::Following, true) => 1.0,
                    (RateRule::Nominal | RateRule::Following, false) => RAISE_MARGIN,
                };
                budget >= price.scaled(margin)
            };
            Rung::ALL.into_iter().rev().find(fits).unwrap_or(Rung::AudioOnly)
        });
        // Who can afford nothing at all still gets the lowest encoding.
        Self { allowed, affordable: affordable.max(Rung::P180), budget: wish.budget, spare: wish.spare }
    }

    /// The encoding that it can come to receive at present.
    fn received(&self, plan: &[EncodingTarget]) -> Option<usize> {
        let pays = |rung: Rung| self.spare.is_none_or(|spare| spare >= least_rate(rung));
        let fits =
            |target: &EncodingTarget| target.active && target.rung <= self.allowed && pays(target.rung);
        let lowest = (self.allowed > Rung::AudioOnly).then_some(0).filter(|_| !plan.is_empty());
        plan.iter().rposition(fits).or(lowest)
    }
}

/// Camera encodings share one frame rate: browsers encode simulcast frame by frame for all encodings, and
/// temporal layers offer the lower rates.
pub(super) const fn camera(active: bool, rung: Rung) -> EncodingTarget {
    EncodingTarget { active, rung, max_bitrate: rung.nominal_bitrate(), max_framerate: 30 }
}

/// A shared image is read and not watched: lines before frames.
const SCREEN_LADDER: [EncodingTarget; 3] = [
    EncodingTarget { active: true, rung: Rung::P720, max_bitrate: Bitrate::kbps(200), max_framerate: 3 },
    EncodingTarget { active: true, rung: Rung::P720, max_bitrate: Bitrate::kbps(400), max_framerate: 5 },
    EncodingTarget { active: true, rung: Rung::P1080, max_bitrate: Bitrate::kbps(1_800), max_framerate: 15 },
];

/// An estimate this near to the price of the middle encoding keeps it on, or switches it on.
const STAY_WARM: f64 = 0.4;
const GET_WARM: f64 = 0.6;

/// Subscribers that a rate follows: with more, the poorest would set the picture of all.
const MAX_FOLLOWED: usize = 3;

/// Share of what a subscriber can pay that an encoder may take: its rate varies from second to second.
const FOLLOWED_SHARE: f64 = 0.8;

/// Share of its nominal rate below which a rung is no longer worth its lines; a small picture bears more.
const LEAST_SHARE: f64 = 0.7;
const LEAST_SHARE_180: f64 = 0.5;

/// Rates change in steps of so many to the nominal one.
const RATE_STEPS: f64 = 16.0;

/// An encoding changes its rung when the budgets leave this band around the rung's price.
const KEEP_MARGIN: f64 = 0.85;
const RAISE_MARGIN: f64 = 1.2;

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(cap: Rung) -> UplinkWish {
        let (budget, spare, lately, priority) = (None, None, None, Priority::Attendance);
        UplinkWish { cap, permitted: cap, max_lines: 1080, budget, spare, lately, priority }
    }

    fn tile(max_lines: u16) -> UplinkWish {
        UplinkWish { max_lines, ..wish(Rung::P720) }
    }

    fn carries(kbps: u64) -> UplinkWish {
        UplinkWish { budget: Some(Bitrate::kbps(kbps)), ..wish(Rung::P720) }
    }

    fn plan(encodings: usize, wishes: &[UplinkWish], previous: &[EncodingTarget]) -> Vec<EncodingTarget> {
        let source = TrackSource::Camera;
        let rates = RateRule::Nominal;
        plan_uplink(&SourceNeeds { source, encodings, source_lines: None, wishes, previous, rates })
    }

    /// The rungs of the active encodings, with `-` for those that are off.
    fn shape(plan: &[EncodingTarget]) -> String {
        let word = |target: &EncodingTarget| if target.active { target.rung.as_str() } else { "-" };
        plan.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn three_encodings_follow_their_subscribers() {
        let p = Rung::P480;
        let table: [(&str, &[UplinkWish]); 12] = [
            ("- - -", &[]),
            ("180p 480p 720p", &[wish(Rung::P720)]),
            ("180p 480p -", &[wish(p)]),
            ("180p 360p -", &[wish(Rung::P360)]),
            ("180p 360p 480p", &[wish(Rung::P360), wish(p)]),
            ("180p 480p 720p", &[wish(Rung::P360), wish(Rung::P720)]),
            ("180p - -", &[wish(Rung::AudioOnly)]),
            ("180p - -", &[tile(0)]),
            ("180p - -", &[tile(190)]),
            ("180p 360p -", &[tile(300)]),
            ("180p 480p 720p", &[tile(640)]),
            ("180p 480p 720p", &[tile(180), tile(1440)]),
        ];
        for (expected, wishes) in table {
            assert_eq!(shape(&plan(3, wishes, &[])), expected, "{wishes:?}");
        }
    }

    #[test]
    fn the_middle_follows_the_budgets_with_a_dead_band() {
        let wide = plan(3, &[wish(Rung::P480)], &[]);
        let sd = |kbps| UplinkWish { cap: Rung::P480, ..carries(kbps) };
        assert_eq!(shape(&plan(3, &[sd(700)], &wide)), "180p 480p -");
        let narrow = plan(3, &[sd(600)], &wide);
        assert_eq!(shape(&narrow), "180p 360p -");
        assert_eq!(shape(&plan(3, &[sd(800)], &narrow)), "180p 360p -");
        assert_eq!(shape(&plan(3, &[sd(900)], &narrow)), "180p 480p -");
        assert_eq!(shape(&plan(3, &[sd(100)], &narrow)), "180p - -");
        assert_eq!(shape(&plan(3, &[sd(600), sd(2_000)], &wide)), "180p 360p 480p");
    }

    #[test]
    fn fewer_encodings_serve_the_weakest() {
        assert_eq!(shape(&plan(1, &[wish(Rung::P720)], &[])), "720p");
        assert_eq!(shape(&plan(1, &[wish(Rung::P720), wish(Rung::P480)], &[])), "480p");
        assert_eq!(shape(&plan(1, &[carries(200)], &[])), "180p");
        assert_eq!(shape(&plan(1, &[], &[])), "-");
        assert_eq!(shape(&plan(2, &[wish(Rung::P480)], &[])), "180p 480p");
        assert_eq!(shape(&plan(2, &[wish(Rung::P720), wish(Rung::P360)], &[])), "180p 720p");
    }

    #[test]
    fn rates_follow_what_the_receivers_can_pay() {
        let sd = |kbps| UplinkWish { cap: Rung::P480, spare: Some(Bitrate::kbps(kbps)), ..carries(kbps) };
        let followed = |wishes: &[UplinkWish], previous: &[EncodingTarget]| {
            let needs = SourceNeeds {
                source: TrackSource::Camera,
                encodings: 3,
                source_lines: None,
                wishes,
                previous,
                rates: RateRule::Following,
            };
            plan_uplink(&needs)
        };
        for kbps in [60, 100, 150, 280, 300, 350, 400, 450, 525, 600, 700, 900, 2_000] {
            let plan = followed(&[sd(kbps)], &[]);
            let received = plan
                .iter()
                .rfind(|target| target.active && least_rate(target.rung) <= Bitrate::kbps(kbps.max(75)));
            let rate = received.expect("something").max_bitrate;
            assert!(rate <= Bitrate::kbps(kbps.max(75)), "{kbps}: {plan:?}");
            // Between the rungs most of a budget is used.
            let top = Rung::P480.nominal_bitrate().min(Bitrate::kbps(kbps));
            assert!(kbps < 350 || rate >= top.scaled(0.65), "{kbps}: {plan:?}");
        }
        let wide = followed(&[sd(900)], &[]);
        let dip = followed(&[sd(700)], &wide);
        assert!(dip[1].max_bitrate < wide[1].max_bitrate, "down at once");
        let tremble = followed(&[sd(720)], &dip);
        assert_eq!(tremble, dip, "up when it is worth a message");
        assert_eq!(followed(&[sd(900)], &dip), wide);
        let crowd = [sd(600); 4];
        assert_eq!(
            followed(&crowd, &wide)[1].max_bitrate,
            Rung::P480.nominal_bitrate(),
            "a crowd sets no rate"
        );
    }

    #[test]
    fn a_small_camera_is_not_asked_for_more() {
        let wishes = [wish(Rung::P720)];
        let needs = SourceNeeds {
            source: TrackSource::Camera,
            encodings: 3,
            source_lines: Some(480),
            wishes: &wishes,
            previous: &[],
            rates: RateRule::Following,
        };
        assert_eq!(shape(&plan_uplink(&needs)), "180p 480p -");
    }

    #[test]
    fn watched_tracks_never_go_dark() {
        for encodings in 1..=3 {
            for cap in Rung::ALL {
                for max_lines in [0, 90, 360, 2160] {
                    for budget in [None, Some(Bitrate::ZERO), Some(Bitrate::MAX)] {
                        let wishes = [UplinkWish { max_lines, budget, spare: budget, ..wish(cap) }];
                        let plan = plan(encodings, &wishes, &[]);
                        assert!(plan[0].active, "{wishes:?}");
                        assert!(plan.windows(2).all(|pair| pair[0].rung <= pair[1].rung), "{plan:?}");
                    }
                }
            }
        }
    }
}
