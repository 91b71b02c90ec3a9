//! The bitrate ladder: the ordered choices a subscriber has for one camera, audio-only at the bottom.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::units::Bitrate;

/// A step of the camera ladder, named after its number of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
pub enum Rung {
    /// No picture; the voice goes on.
    #[serde(rename = "audio_only")]
    AudioOnly,
    /// 320×180 at 15 frames per second: presence.
    #[serde(rename = "180p")]
    P180,
    /// 640×360 at 20 to 30 frames per second: below the clinical floor.
    #[serde(rename = "360p")]
    P360,
    /// 854×480 at 30 frames per second: the clinical floor (ATA core guidelines, 2014).
    #[serde(rename = "480p")]
    P480,
    /// 1280×720 at 30 frames per second: HD.
    #[serde(rename = "720p")]
    P720,
    /// 1920×1080 at 30 frames per second: HD, on request.
    #[serde(rename = "1080p")]
    P1080,
}

impl Rung {
    /// Every rung from the bottom up.
    pub const ALL: [Self; 6] = [Self::AudioOnly, Self::P180, Self::P360, Self::P480, Self::P720, Self::P1080];

    /// The lowest rung that counts as HD.
    pub const HD: Self = Self::P720;

    /// The rung below which a consult is clinically impaired.
    pub const CLINICAL_FLOOR: Self = Self::P480;

    /// Lines of the picture; zero without one.
    #[must_use]
    pub const fn lines(self) -> u16 {
        match self {
            Self::AudioOnly => 0,
            Self::P180 => 180,
            Self::P360 => 360,
            Self::P480 => 480,
            Self::P720 => 720,
            Self::P1080 => 1080,
        }
    }

    /// What the rung costs in VP8 or H264 at its full frame rate.
    #[must_use]
    pub const fn nominal_bitrate(self) -> Bitrate {
        match self {
            Self::AudioOnly => Bitrate::ZERO,
            Self::P180 => Bitrate::kbps(150),
            Self::P360 => Bitrate::kbps(400),
            Self::P480 => Bitrate::kbps(750),
            Self::P720 => Bitrate::kbps(1_700),
            Self::P1080 => Bitrate::kbps(3_200),
        }
    }

    /// The highest rung of at most `lines` lines.
    #[must_use]
    pub fn at_most(lines: u16) -> Self {
        Self::ALL.into_iter().rev().find(|rung| rung.lines() <= lines).unwrap_or(Self::AudioOnly)
    }

    /// The word used on the wire, in metrics and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AudioOnly => "audio_only",
            Self::P180 => "180p",
            Self::P360 => "360p",
            Self::P480 => "480p",
            Self::P720 => "720p",
            Self::P1080 => "1080p",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
