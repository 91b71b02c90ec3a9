//! How a voice sounds, from what its packets met on the way: the E-model of ITU-T G.107 with its defaults, where
//! only delay and loss differ from a perfect call.

use std::time::Duration;

/// The transmission rating of a call without delay and loss: all of G.107's other defaults together.
const PERFECT: f64 = 93.2;

/// One-way delay up to here does not disturb a conversation, beyond the slope that is always there.
const NOTICED_DELAY_MS: f64 = 177.3;

/// How Opus bears a lost packet, in percent of loss that halve the way to the worst (`Bpl`). Neither ITU-T G.113
/// nor anybody else has published it for Opus; 25 is what others calculate with, and near to a G.711 that conceals.
const LOSS_ROBUSTNESS: f64 = 25.0;

/// The worst that an impairment of equipment can be.
const WORST_EQUIPMENT: f64 = 95.0;

/// What a listener's side of a call is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hearing {
    /// From mouth to ear: packets, links, and what the player holds back.
    pub delay: Duration,
    /// Share of frames that never came, after every repair.
    pub loss: f64,
    /// How much longer runs of loss are than by chance (`BurstR`); one where losses are independent.
    pub burstiness: f64,
}

/// The mean opinion score: 4.4 is the best there is, 3.6 still satisfies most, below 3.1 most are not satisfied.
pub fn mean_opinion(hearing: &Hearing) -> f64 {
    let rating = (PERFECT - delay_impairment(hearing.delay) - loss_impairment(hearing)).clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating)).clamp(1.0, 4.5)
}

/// `Id`, in the approximation of Cole and Rosenbluth for a call without echo.
fn delay_impairment(delay: Duration) -> f64 {
    let millis = delay.as_secs_f64() * 1_000.0;
    0.024 * millis + 0.11 * (millis - NOTICED_DELAY_MS).max(0.0)
}

/// `Ie,eff`, G.107 §7.5, with an `Ie` of zero.
fn loss_impairment(hearing: &Hearing) -> f64 {
    let percent = hearing.loss.clamp(0.0, 1.0) * 100.0;
    WORST_EQUIPMENT * percent / (percent / hearing.burstiness.max(1.0) + LOSS_ROBUSTNESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(millis: u64, loss: f64, burstiness: f64) -> f64 {
        mean_opinion(&Hearing { delay: Duration::from_millis(millis), loss, burstiness })
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        // Calculated by hand: 1 + 0.035 R + 7e-6 R (R - 60) (100 - R).
        for (millis, loss, burstiness, expected) in [
            (0, 0.0, 1.0, 4.409),    // R = 93.2
            (100, 0.0, 1.0, 4.358),  // R = 90.8
            (150, 0.0, 1.0, 4.329),  // R = 89.6
            (400, 0.0, 1.0, 3.053),  // R = 59.103
            (100, 0.01, 1.0, 4.263), // R = 87.146
            (100, 0.05, 1.0, 3.820), // R = 74.967
            (100, 0.05, 2.0, 3.758), // R = 73.527
            (100, 0.10, 1.0, 3.287), // R = 63.657
        ] {
            let score = score(millis, loss, burstiness);
            assert!((score - expected).abs() < 0.002, "{millis} ms, {loss}, {burstiness}: {score:.4}");
        }
    }

    #[test]
    fn worse_is_never_better() {
        for millis in (0..2_000).step_by(50) {
            for loss in [0.0, 0.01, 0.03, 0.1, 0.5, 1.0] {
                let here = score(millis, loss, 1.0);
                assert!((1.0..=4.5).contains(&here));
                assert!(score(millis + 50, loss, 1.0) <= here);
                assert!(score(millis, loss + 0.01, 1.0) <= here);
                assert!(score(millis, loss, 3.0) <= here);
            }
        }
    }
}
