//! What wants to be sent: a picture with rungs, chosen as the allocator would.

use protocol::units::Bitrate;
use sfu::congestion::{Demand, LinkState};

use crate::world::kbps;

pub(crate) const AUDIO: Bitrate = Bitrate::kbps(40);

/// What wants to be sent.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Follows the target, as a backlog would.
    Elastic,
    /// A picture with these rungs: down at once, up where the estimate exceeds the price by a fifth.
    Layered { rungs: &'static [u64], at: Option<usize> },
    /// Never more than this, whatever the target, and a wish for more.
    Thin { rate: u64, next: u64 },
}

pub(crate) const LADDER: &[u64] = &[75, 150, 400, 750, 1_700, 3_200];

/// The camera of a consult: 180, 360, 480 and 720 lines, the lowest two with half and a quarter of the frames.
pub(crate) const CAMERA: &[u64] = &[75, 150, 270, 400, 750, 1_700];

impl Source {
    pub(crate) fn camera() -> Self {
        Self::Layered { rungs: CAMERA, at: None }
    }

    pub(crate) fn layered() -> Self {
        Self::Layered { rungs: LADDER, at: None }
    }

    /// Chooses by the target; says whether a key frame is needed.
    pub(crate) fn adapt(&mut self, target: Bitrate, state: LinkState) -> bool {
        let Self::Layered { rungs, at } = self else { return false };
        let before = *at;
        let price = |rung: usize| AUDIO + kbps(rungs[rung]);
        if state == LinkState::FeedbackLost {
            *at = None;
            return false;
        }
        if state == LinkState::FeedbackLate {
            // A key frame would be sent into the dark.
            return false;
        }
        while let Some(rung) = *at
            && price(rung) > target
        {
            *at = rung.checked_sub(1);
        }
        let up = (0..rungs.len()).rev().find(|rung| price(*rung).scaled(1.2) <= target);
        *at = (*at).max(up);
        // Rungs between which only the frame rate differs need no key frame.
        let encoding = |rung: usize| match rungs[rung] {
            75 => 150,
            270 => 400,
            rate => rate,
        };
        at.map(encoding) != before.map(encoding)
    }

    pub(crate) fn video(&self, target: Bitrate, state: LinkState) -> Bitrate {
        match self {
            Self::Elastic if state == LinkState::FeedbackLost => Bitrate::ZERO,
            Self::Elastic => target - AUDIO,
            Self::Layered { rungs, at } => at.map_or(Bitrate::ZERO, |rung| kbps(rungs[rung])),
            Self::Thin { rate, .. } => kbps(*rate),
        }
    }

    pub(crate) fn demand(&self, target: Bitrate) -> Demand {
        let floor = AUDIO + kbps(75);
        match self {
            Self::Elastic => Demand { floor, current: target, next: None },
            Self::Layered { rungs, at } => Demand {
                floor,
                current: AUDIO + at.map_or(Bitrate::ZERO, |rung| kbps(rungs[rung])),
                next: rungs.get(at.map_or(0, |rung| rung + 1)).map(|rung| AUDIO + kbps(*rung)),
            },
            Self::Thin { rate, next } => {
                Demand { floor, current: AUDIO + kbps(*rate), next: Some(AUDIO + kbps(*next)) }
            }
        }
    }
}
