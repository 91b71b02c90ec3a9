//! Jitter: what varies in the delay of one packet.

use std::time::Duration;

use rand::{Rng, RngExt};

/// How the delay of each packet varies around the fixed delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Every packet takes the fixed delay.
    #[default]
    None,
    /// Evenly spread over plus or minus this much.
    Uniform(Duration),
    /// Normally distributed with this standard deviation.
    Normal(Duration),
}

impl Jitter {
    /// Draws the deviation of one packet, in units of the spread.
    pub(crate) fn draw(self, rng: &mut impl Rng) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Uniform(_) => rng.random::<f64>() * 2.0 - 1.0,
            Self::Normal(_) => {
                // Box-Muller; one minus a draw from [0, 1) keeps the logarithm finite.
                let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
                radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
            }
        }
    }

    /// The delay of a packet with this deviation; never negative.
    pub(crate) fn apply(self, delay: Duration, deviation: f64) -> Duration {
        let spread = match self {
            Self::None => return delay,
            Self::Uniform(spread) | Self::Normal(spread) => spread,
        };
        let seconds = spread.as_secs_f64() * deviation;
        let offset = Duration::try_from_secs_f64(seconds.abs()).unwrap_or(Duration::ZERO);
        if seconds < 0.0 { delay.saturating_sub(offset) } else { delay.saturating_add(offset) }
    }
}

/// A bare duration means an even spread.
impl From<Duration> for Jitter {
    fn from(spread: Duration) -> Self {
        Self::Uniform(spread)
    }
}
