//! Random loss on the way into the link: independent, or in bursts after Gilbert and Elliott.

use rand::{Rng, RngExt};

/// How a link loses packets, apart from a full queue. All shares are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// Nothing is lost.
    #[default]
    None,
    /// Every packet is lost with this probability, whatever happened to the one before.
    Independent(f64),
    /// A chain of a good and a bad state that takes one step with each packet.
    GilbertElliott {
        /// Probability of going from good to bad.
        to_bad: f64,
        /// Probability of going from bad to good.
        to_good: f64,
        /// Share lost while bad.
        loss_bad: f64,
        /// Share lost while good.
        loss_good: f64,
    },
}

impl Loss {
    /// Independent loss of so many packets in a hundred.
    #[must_use]
    pub fn percent(percent: f64) -> Self {
        Self::Independent(percent / 100.0)
    }

    /// Bursts that lose everything, `mean_length` packets long on average, which lose `share` of all packets.
    #[must_use]
    pub fn bursts(share: f64, mean_length: f64) -> Self {
        let share = share.clamp(0.0, 0.99);
        let to_good = 1.0 / mean_length.max(1.0);
        let to_bad = (to_good * share / (1.0 - share)).min(1.0);
        Self::GilbertElliott { to_bad, to_good, loss_bad: 1.0, loss_good: 0.0 }
    }

    /// The share of packets lost in the long run.
    #[must_use]
    pub fn expected(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Independent(share) => share,
            Self::GilbertElliott { to_bad, to_good, loss_bad, loss_good } => {
                if to_bad + to_good <= 0.0 {
                    return loss_good;
                }
                let bad = to_bad / (to_bad + to_good);
                bad * loss_bad + (1.0 - bad) * loss_good
            }
        }
    }
}

/// A bare number is the share lost independently: `0.02` loses two packets in a hundred.
impl From<f64> for Loss {
    fn from(share: f64) -> Self {
        Self::Independent(share)
    }
}

/// The state of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Channel {
    #[default]
    Good,
    Bad,
}

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Passed,
}

impl Channel {
    /// Takes one step with one packet.
    pub(crate) fn step(&mut self, loss: Loss, rng: &mut impl Rng) -> Fate {
        let share = match loss {
            Loss::None => return Fate::Passed,
            Loss::Independent(share) => share,
            Loss::GilbertElliott { to_bad, to_good, loss_bad, loss_good } => {
                let turn = match self {
                    Self::Good => to_bad,
                    Self::Bad => to_good,
                };
                if rng.random::<f64>() < turn {
                    *self = match self {
                        Self::Good => Self::Bad,
                        Self::Bad => Self::Good,
                    };
                }
                match self {
                    Self::Good => loss_good,
                    Self::Bad => loss_bad,
                }
            }
        };
        if rng.random::<f64>() < share { Fate::Lost } else { Fate::Passed }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const PACKETS: usize = 200_000;

    /// Length of every run of lost packets.
    fn loss_runs(loss: Loss, seed: u64) -> Vec<usize> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut channel = Channel::default();
        let mut runs = vec![0];
        for _ in 0..PACKETS {
            match channel.step(loss, &mut rng) {
                Fate::Lost => *runs.last_mut().expect("a run is open") += 1,
                Fate::Passed => runs.push(0),
            }
        }
        runs.retain(|length| *length > 0);
        runs
    }

    #[test]
    fn share_and_burst_length_are_as_asked() {
        // (loss, share, mean run)
        let table = [
            (Loss::None, 0.0, 0.0),
            (Loss::percent(1.0), 0.01, 1.01),
            (Loss::from(0.2), 0.2, 1.25),
            (Loss::bursts(0.02, 5.0), 0.02, 5.0),
            (
                Loss::GilbertElliott { to_bad: 0.005, to_good: 0.1, loss_bad: 0.5, loss_good: 0.0 },
                0.0238,
                1.82,
            ),
        ];
        for (loss, share, run) in table {
            let runs = loss_runs(loss, 7);
            let measured = runs.iter().sum::<usize>() as f64 / PACKETS as f64;
            let mean_run = measured * PACKETS as f64 / runs.len().max(1) as f64;
            assert!((loss.expected() - share).abs() < 1e-4, "{loss:?} expects {}", loss.expected());
            assert!((measured - share).abs() <= share * 0.08, "{loss:?} lost {measured}");
            assert!((mean_run - run).abs() <= run * 0.08, "{loss:?} ran {mean_run}");
        }
    }

    #[test]
    fn a_seed_repeats_its_losses() {
        let loss = Loss::bursts(0.05, 3.0);
        assert_eq!(loss_runs(loss, 3), loss_runs(loss, 3));
        assert_ne!(loss_runs(loss, 3), loss_runs(loss, 4));
    }
}
