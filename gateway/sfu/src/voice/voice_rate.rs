//! At which rate a voice is sent: as good as Opus gets for speech where links have room, less where a listener's link
//! hardly carries the headers. A narrow voice is still understood; a voice that does not fit is not.

use std::time::{Duration, Instant};

use protocol::units::Bitrate;

/// A rate of Opus, headers not included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VoiceRate {
    /// Speech is understood well.
    Narrow,
    /// Full band with artefacts that few notice.
    Low,
    /// Speech in full band.
    #[default]
    Full,
}

impl VoiceRate {
    /// The ceiling for the encoder.
    pub(crate) const fn bitrate(self) -> Bitrate {
        match self {
            Self::Narrow => Bitrate::kbps(16),
            Self::Low => Bitrate::kbps(24),
            Self::Full => Bitrate::kbps(32),
        }
    }

    /// What a link has to carry per voice: headers take 26 kbit/s more, and a link that is full to its rim delays.
    const fn needs(self) -> Bitrate {
        match self {
            Self::Narrow => Bitrate::ZERO,
            Self::Low => Bitrate::kbps(65),
            Self::Full => Bitrate::kbps(80),
        }
    }
}

/// Room beyond what a higher rate needs, before it comes back.
const MARGIN: f64 = 1.2;

/// And for how long.
const DWELL: Duration = Duration::from_secs(5);

/// The rate that one listener's link is good for.
#[derive(Debug, Default)]
pub(crate) struct VoiceRateControl {
    rate: VoiceRate,
    roomy_since: Option<Instant>,
}

impl VoiceRateControl {
    /// Takes what the link has for each voice: down at once, up after a while.
    pub(crate) fn handle_room(&mut self, now: Instant, per_voice: Bitrate) {
        let all = [VoiceRate::Full, VoiceRate::Low, VoiceRate::Narrow];
        let fits =
            |room: Bitrate| all.into_iter().find(|rate| rate.needs() <= room).unwrap_or(VoiceRate::Narrow);
        let allowed = fits(per_voice);
        let higher = fits(per_voice.scaled(1.0 / MARGIN));
        if allowed < self.rate {
            self.rate = allowed;
        }
        if higher <= self.rate {
            self.roomy_since = None;
        } else if now.saturating_duration_since(*self.roomy_since.get_or_insert(now)) >= DWELL {
            self.rate = higher;
            self.roomy_since = None;
        }
    }

    /// The rate.
    pub(crate) fn rate(&self) -> VoiceRate {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    #[test]
    fn the_rate_falls_at_once_and_rises_after_a_while() {
        let mut control = VoiceRateControl::default();
        let mut rate = |seconds, kbps| {
            control.handle_room(origin() + Duration::from_secs(seconds), Bitrate::kbps(kbps));
            control.rate()
        };
        for (seconds, kbps, expected) in [
            (0, 300, VoiceRate::Full),
            (1, 70, VoiceRate::Low),
            (2, 40, VoiceRate::Narrow),
            (3, 70, VoiceRate::Narrow), // within the margin
            (4, 79, VoiceRate::Narrow),
            (8, 79, VoiceRate::Narrow),
            (9, 79, VoiceRate::Low),
            (10, 500, VoiceRate::Low),
            (12, 79, VoiceRate::Low), // and the wait begins anew
            (13, 500, VoiceRate::Low),
            (17, 500, VoiceRate::Low),
            (18, 500, VoiceRate::Full),
        ] {
            assert_eq!(rate(seconds, kbps), expected, "{kbps} kbit/s after {seconds} s");
        }
    }
}
