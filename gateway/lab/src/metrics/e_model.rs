//! How good a voice sounds, by the E-model of ITU-T G.107 reduced to what a packet network changes: delay
//! and loss. Fullband extensions are left out, so the scale ends at 4.4, as for telephone speech.

/// Transmission rating without any impairment of delay or loss.
const BEST_RATING: f64 = 93.2;

/// Beyond this delay, people begin to interrupt each other.
const DELAY_KNEE_MS: f64 = 177.3;

/// Opus: no impairment without loss, and the loss that it bears, as common tools assume for it.
const EQUIPMENT_IMPAIRMENT: f64 = 0.0;
const LOSS_ROBUSTNESS: f64 = 25.0;

/// One for independent losses.
const BURST_RATIO: f64 = 1.0;

/// The mean opinion score, 1 to 4.5, of a voice with this delay from mouth to ear and this share of it concealed.
#[must_use]
pub fn mean_opinion_score(delay_ms: f64, concealed: f64) -> f64 {
    let late = (delay_ms - DELAY_KNEE_MS).max(0.0);
    let delay_impairment = 0.024 * delay_ms + 0.11 * late;
    let loss = 100.0 * concealed;
    let loss_impairment =
        EQUIPMENT_IMPAIRMENT + (95.0 - EQUIPMENT_IMPAIRMENT) * loss / (loss / BURST_RATIO + LOSS_ROBUSTNESS);
    let rating = (BEST_RATING - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_and_loss_lower_the_score() {
        // (delay, concealed, score)
        let table = [
            (0.0, 0.0, 4.41),
            (100.0, 0.0, 4.36),
            (150.0, 0.01, 4.26),
            (400.0, 0.0, 3.39),
            (100.0, 0.1, 3.19),
        ];
        for (delay, concealed, expected) in table {
            let score = mean_opinion_score(delay, concealed);
            assert!((score - expected).abs() < 0.02, "{delay} ms, {concealed}: {score:.3}");
        }
    }
}
