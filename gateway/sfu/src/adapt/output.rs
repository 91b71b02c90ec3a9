//! What the decisions of a room ask for.

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdReason, PairQuality, UplinkPlan};
use protocol::units::Bitrate;

use crate::sample::SwitchCause;

/// An encoding with everything up to a temporal layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layer {
    /// Index of the encoding, in the order of the RIDs, lowest first.
    pub encoding: u8,
    /// The highest temporal layer that is forwarded.
    pub temporal: u8,
}

/// What to forward of a track to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardTarget {
    /// Nothing.
    None,
    /// This layer.
    Layer(Layer),
}

impl From<Option<Layer>> for ForwardTarget {
    fn from(layer: Option<Layer>) -> Self {
        layer.map_or(Self::None, Self::Layer)
    }
}

impl From<ForwardTarget> for Option<Layer> {
    fn from(target: ForwardTarget) -> Self {
        match target {
            ForwardTarget::None => None,
            ForwardTarget::Layer(layer) => Some(layer),
        }
    }
}

/// What really flows of a track to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flowing {
    /// Nothing.
    None,
    /// Nothing, for the subscriber has not negotiated the codec that the track comes in.
    Undecodable,
    /// This layer.
    Layer(Layer),
}

impl From<Option<Layer>> for Flowing {
    fn from(layer: Option<Layer>) -> Self {
        layer.map_or(Self::None, Self::Layer)
    }
}

impl From<Flowing> for Option<Layer> {
    fn from(flow: Flowing) -> Self {
        match flow {
            Flowing::None | Flowing::Undecodable => None,
            Flowing::Layer(layer) => Some(layer),
        }
    }
}

/// A decision. Each is said once, when it changes.
#[derive(Debug, Clone, PartialEq)]
pub enum AdaptOutput {
    /// Forward this layer from here on; a lower temporal layer at once, another encoding from its key frame.
    Forward {
        /// To whom.
        subscriber: ParticipantId,
        /// Of which track.
        track: TrackId,
        /// What.
        target: ForwardTarget,
    },
    /// Ask a publisher to send this.
    Uplink {
        /// Whom.
        publisher: ParticipantId,
        /// What of one track.
        plan: UplinkPlan,
    },
    /// Tell a subscriber what it gets, and why.
    Quality {
        /// Whom.
        subscriber: ParticipantId,
        /// One entry per subscribed video track.
        pairs: Vec<PairQuality>,
    },
    /// The verdict on a participant's network changed.
    NetworkClass {
        /// Whose.
        participant: ParticipantId,
        /// Before.
        from: NetworkClass,
        /// After.
        to: NetworkClass,
    },
    /// Trusted sources have contradicted each other about a participant's network for long.
    NetworkConflict,
    /// HD permission of a pair changed, or the reason for its absence did.
    Hd {
        /// Before; `None` for a new pair.
        from: Option<HdReason>,
        /// After.
        to: HdReason,
    },
    /// A subscription moved to another rung.
    RungChanged {
        /// Before.
        from: Rung,
        /// After.
        to: Rung,
        /// Why.
        cause: SwitchCause,
    },
    /// What a subscriber's estimate is wanted for, audio included.
    Demand {
        /// Whose.
        subscriber: ParticipantId,
        /// The least that still shows every subscribed picture.
        floor: Bitrate,
        /// What is sent.
        current: Bitrate,
        /// What everything would cost after the next step up: probe for a quarter more. Equal to `current`
        /// where nothing better is wanted.
        next: Bitrate,
    },
}
