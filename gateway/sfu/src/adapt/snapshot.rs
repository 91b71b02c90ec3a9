//! A room as allocation sees it: plain values without identities or time.

use protocol::ladder::Rung;
use protocol::track::{Role, TrackSource};
use protocol::units::Bitrate;

use super::measurement::TEMPORAL_LAYERS;
use super::output::Layer;

/// Everything that an allocation depends on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoomSnapshot {
    /// The published video tracks.
    pub sources: Vec<SourceSnapshot>,
    /// What each publisher's uplink carries at most, where it is known to be the limit; sources point here.
    pub uplinks: Vec<Option<Bitrate>>,
    /// Who watches.
    pub subscribers: Vec<SubscriberSnapshot>,
}

/// A published video track.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSnapshot {
    /// Index of its publisher in [`RoomSnapshot::uplinks`].
    pub uplink: usize,
    /// It is off, and sends nothing until it is on again.
    pub is_muted: bool,
    /// Its encodings, lowest first; those that cannot be forwarded are not `usable`.
    pub encodings: Vec<EncodingSnapshot>,
}

/// One encoding of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodingSnapshot {
    /// It arrives and can be forwarded.
    pub usable: bool,
    /// It arrives, or can be had for the asking: worth probing for.
    pub expected: bool,
    /// The rung it carries.
    pub rung: Rung,
    /// Rate up to and including each temporal layer, as measured.
    pub cumulative: [Bitrate; TEMPORAL_LAYERS],
    /// The rate that it may grow to at full frame rate.
    pub ceiling: Bitrate,
    /// The ceiling if all who receive it could pay for it; where that is more, the ceiling follows them.
    pub full: Bitrate,
    /// Whether it has temporal layers to choose from.
    pub temporal_layers: u8,
    /// Frames per second over those of the fastest encoding of the track.
    pub relative_frame_rate: f64,
}

/// One subscriber.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SubscriberSnapshot {
    /// What all its video may cost.
    pub budget: Bitrate,
    /// What a step above the present costs.
    pub pricing: Pricing,
    /// What it would like to see.
    pub demands: Vec<DemandSnapshot>,
}

/// One subscription to a video track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DemandSnapshot {
    /// Index of the track in [`RoomSnapshot::sources`].
    pub source: usize,
    /// What matters more than what.
    pub priority: Priority,
    /// The highest rung that classes and permission allow.
    pub cap: Rung,
    /// The highest temporal layer that the classes allow.
    pub max_temporal: u8,
    /// Lines of the tile.
    pub max_lines: u16,
    /// What is forwarded at present: a step above it must pay for growth, too.
    pub current: Option<Layer>,
    /// The highest layer to consider; `None` for all.
    pub limit: Option<Layer>,
}

/// How a step above what flows at present is priced.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Pricing {
    /// As measured, like everything else.
    #[default]
    Measured,
    /// With what it may grow to, times this margin.
    Growing(f64),
}

/// What a subscription is for; it orders who gets scarce bandwidth first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Clinician and patient see each other.
    Consultation,
    /// A shared screen or image, or an exam device.
    Content,
    /// Everybody else.
    Attendance,
}

impl Priority {
    /// The priority of a source between two roles.
    #[must_use]
    pub const fn of(source: TrackSource, publisher: Role, subscriber: Role) -> Self {
        match (source, publisher, subscriber) {
            (TrackSource::Screen, _, _) | (_, Role::Device, _) => Self::Content,
            (_, Role::Clinician, Role::Patient) | (_, Role::Patient, Role::Clinician) => Self::Consultation,
            _ => Self::Attendance,
        }
    }

    /// The weight of `utility`, which is in hundredths. Tiers are eight apart, so that a step of a higher
    /// tier outweighs any step of a lower one.
    pub(super) fn weigh(self, source_utility: u64) -> u64 {
        let (essential, first, rest) = match self {
            Self::Consultation => (320, TIER.pow(5), TIER.pow(2)),
            Self::Content => (240, TIER.pow(4), TIER.pow(3)),
            Self::Attendance => (100, TIER, 1),
        };
        let low = source_utility.min(essential);
        low * first + (source_utility - low) * rest
    }
}

const TIER: u64 = 8;

/// How many lines short of its tile a picture may be without being seen as small.
pub(super) const TILE_TOLERANCE: f64 = 1.1;

/// Whether a picture of `rung` fills a tile.
pub(super) fn fills(rung: Rung, max_lines: u16) -> bool {
    f64::from(rung.lines()) * TILE_TOLERANCE >= f64::from(max_lines)
}

/// The lowest rung that fills a tile; audio only for a hidden one.
pub(super) fn rung_for_tile(max_lines: u16) -> Rung {
    Rung::ALL.into_iter().find(|rung| fills(*rung, max_lines)).unwrap_or(Rung::P1080)
}
