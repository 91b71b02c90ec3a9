//! Whether the voices on one leg carry earlier frames again: it follows the loss of the leg, up at once and down
//! only after a while, and never costs more than the link has.

use std::time::{Duration, Instant};

use protocol::units::Bitrate;

/// How many earlier frames each packet repeats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Redundancy {
    /// None: a link that loses little is left to Opus's own concealment.
    #[default]
    None,
    /// The last one: a single lost packet is not heard.
    Once,
    /// The last two: neither are two lost packets in a row.
    Twice,
}

impl Redundancy {
    /// Frames repeated per packet.
    pub(crate) const fn generations(self) -> usize {
        match self {
            Self::None => 0,
            Self::Once => 1,
            Self::Twice => 2,
        }
    }

    /// What it adds to one voice.
    pub(crate) fn cost(self) -> Bitrate {
        Bitrate::bps(REPEATED_FRAMES.as_bps() * self.generations() as u64)
    }

    /// The most of it that leaves a link of this estimate room for so many voices.
    pub(crate) fn within(self, estimate: Bitrate, voices: usize) -> Self {
        let spendable = estimate.scaled(SPENDABLE).as_bps();
        let fits = |level: &Self| {
            (VOICE.as_bps() + level.cost().as_bps()).saturating_mul(voices.max(1) as u64) <= spendable
        };
        [Self::Twice, Self::Once].into_iter().filter(|level| *level <= self).find(fits).unwrap_or(Self::None)
    }
}

/// Opus at 32 kbit/s, fifty times a second.
const REPEATED_FRAMES: Bitrate = Bitrate::kbps(34);

/// A voice without redundancy, headers included.
const VOICE: Bitrate = Bitrate::kbps(56);

/// Redundancy is no reason to fill a link to its rim: loss would only grow.
const SPENDABLE: f64 = 0.8;

/// Loss at which redundancy begins. A link that loses 5 % must have it, and chance alone takes what is measured of
/// such a link to 3.5 % now and then; 1 % comes near to it seldom. One lost packet in thirty is heard in every second
/// sentence.
const BEGIN: f64 = 0.03;

/// Loss below which it may end. Concealment hides single packets at this rate.
const END: f64 = 0.02;

/// Two lost packets in a row come once a second from here on.
const BEGIN_TWICE: f64 = 0.12;
const END_TWICE: f64 = 0.08;

/// How long loss has to stay low: weak radio comes and goes, and a change costs a publisher a negotiation.
const CALM: Duration = Duration::from_secs(10);

/// Losses count a third after this long. The loss of a moment is chance: at 100 packets a second, these two
/// seconds measure 5 % to within one point.
const MEMORY: Duration = Duration::from_secs(2);

/// Loss-free packets assumed at first, so that the first lost packet is no verdict.
const FIRST_TRUST: f64 = 50.0;

/// The redundancy of one leg.
#[derive(Debug)]
pub(crate) struct RedundancyControl {
    sent: f64,
    lost: f64,
    measured_at: Option<Instant>,
    level: Redundancy,
    /// Since when a lower level would do.
    calm_since: Option<Instant>,
}

impl Default for RedundancyControl {
    fn default() -> Self {
        Self { sent: FIRST_TRUST, lost: 0.0, measured_at: None, level: Redundancy::None, calm_since: None }
    }
}

impl RedundancyControl {
    /// Takes the packets of the time since the last call, and those of them that were lost. Loss of a queue that
    /// is too full must not be told: more bits do not cure that.
    pub(crate) fn handle_loss(&mut self, now: Instant, sent: f64, lost: f64) -> Redundancy {
        let elapsed = self.measured_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.measured_at = Some(now);
        let kept = (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.sent = self.sent * kept + sent.max(0.0);
        self.lost = self.lost * kept + lost.clamp(0.0, sent.max(0.0));
        self.follow(now);
        self.level
    }

    /// The redundancy that this loss asks for.
    pub(crate) fn level(&self) -> Redundancy {
        self.level
    }

    /// The share that was lost lately.
    pub(crate) fn loss(&self) -> f64 {
        // With hardly a packet left to judge by, nothing is known.
        if self.sent < 1.0 { 0.0 } else { self.lost / self.sent }
    }

    fn follow(&mut self, now: Instant) {
        let loss = self.loss();
        let enough = match self.level {
            Redundancy::None => Redundancy::None,
            Redundancy::Once if loss < END => Redundancy::None,
            Redundancy::Once => Redundancy::Once,
            Redundancy::Twice if loss < END => Redundancy::None,
            Redundancy::Twice if loss < END_TWICE => Redundancy::Once,
            Redundancy::Twice => Redundancy::Twice,
        };
        let needed = match loss {
            loss if loss >= BEGIN_TWICE => Redundancy::Twice,
            loss if loss >= BEGIN => Redundancy::Once,
            _ => Redundancy::None,
        };
        if needed > self.level {
            self.level = needed;
            self.calm_since = None;
        } else if enough < self.level {
            let since = *self.calm_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= CALM {
                self.level = enough;
                self.calm_since = None;
            }
        } else {
            self.calm_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::testing::origin;

    const TICK: Duration = Duration::from_millis(200);

    /// A link of a hundred packets a second, tick by tick.
    struct Leg {
        control: RedundancyControl,
        now: Instant,
        rng: StdRng,
    }

    impl Leg {
        fn new(seed: u64) -> Self {
            Self { control: RedundancyControl::default(), now: origin(), rng: StdRng::seed_from_u64(seed) }
        }

        /// Loses that share for a time; the level that each tick ended with.
        fn lose(&mut self, share: f64, seconds: u64) -> Vec<Redundancy> {
            let ticks = seconds * 5;
            (0..ticks)
                .map(|_| {
                    self.now += TICK;
                    let lost = (0..20).filter(|_| self.rng.random_bool(share)).count();
                    self.control.handle_loss(self.now, 20.0, lost as f64)
                })
                .collect()
        }
    }

    #[test]
    fn five_percent_are_met_within_seconds_and_for_good() {
        for seed in 0..50 {
            let mut leg = Leg::new(seed);
            leg.lose(0.0, 5);
            let levels = leg.lose(0.05, 60);
            let begun = levels.iter().position(|level| *level >= Redundancy::Once).expect("it begins");
            assert!(begun <= 35, "seed {seed}: after {begun} ticks");
            assert!(levels[begun..].iter().all(|level| *level >= Redundancy::Once), "seed {seed}");
        }
    }

    #[test]
    fn one_percent_is_left_alone_most_of_the_time() {
        let redundant = (0..50)
            .map(|seed| Leg::new(seed).lose(0.01, 60).iter().filter(|one| **one > Redundancy::None).count());
        let share = redundant.sum::<usize>() as f64 / (50.0 * 300.0);
        assert!(share < 0.1, "{share}");
    }

    #[test]
    fn heavy_loss_is_met_twice_and_calm_takes_ten_seconds() {
        let mut leg = Leg::new(1);
        assert_eq!(leg.lose(0.2, 5).last(), Some(&Redundancy::Twice));
        let levels = leg.lose(0.0, 30);
        let first = |level| levels.iter().position(|one| *one == level);
        // Loss is forgotten within two seconds, and each step down is ten seconds of calm away.
        let (once, none) = (first(Redundancy::Once), first(Redundancy::None));
        assert!(once.is_none_or(|once| once >= 50) && none.is_some_and(|none| (50..=110).contains(&none)));
    }

    #[test]
    fn what_the_link_has_bounds_it() {
        for (kbps, voices, expected) in [
            (64, 1, Redundancy::None),
            (80, 1, Redundancy::None),
            (115, 1, Redundancy::Once),
            (160, 1, Redundancy::Twice),
            (150, 2, Redundancy::None),
            (230, 2, Redundancy::Once),
            (3_000, 8, Redundancy::Twice),
        ] {
            let level = Redundancy::Twice.within(Bitrate::kbps(kbps), voices);
            assert_eq!(level, expected, "{kbps} kbit/s, {voices} voices");
        }
        assert_eq!(Redundancy::None.within(Bitrate::MAX, 1), Redundancy::None);
    }
}
