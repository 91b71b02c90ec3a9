//! What the media plane has decided for the pairs of a room, what each decision rests on, and what changed
//! of late. Ids and roles only; all times are distances from the moment of the snapshot.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::{ParticipantId, TrackId};
use crate::ladder::Rung;
use crate::media_message::EncoderLimit;
use crate::network_class::NetworkClass;
use crate::quality::{HdReason, RungReason};
use crate::track::{Role, TrackSource};
use crate::units::Bitrate;

/// The decisions of one room at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct RoomDecisions {
    /// Everybody in the room.
    pub participants: Vec<ParticipantDecision>,
    /// One entry per subscribed video track.
    pub pairs: Vec<PairDecision>,
    /// The latest changes, oldest first.
    pub changes: Vec<DecisionChange>,
    /// How many older changes are not kept any more.
    pub forgotten_changes: u32,
}

/// What is known of one participant, as far as decisions rest on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantDecision {
    /// Who.
    pub participant: ParticipantId,
    /// Its role.
    pub role: Role,
    /// Nothing has come from it for a while.
    pub lost: bool,
    /// The verdict on its network.
    pub network: NetworkDecision,
    /// What its downlink carries.
    pub downlink: DownlinkDecision,
    /// What is known of its uplink, and of what its device can do.
    pub uplink: UplinkDecision,
}

/// What comes from a publisher, and what is known to hold it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UplinkDecision {
    /// What arrives of all that it sends.
    pub arriving_bps: Bitrate,
    /// What the uplink carries, where less than is wanted of it; what does not fit is not asked for.
    pub carries_bps: Option<Bitrate>,
    /// What holds its encoders back, as its page says.
    pub encoder: EncoderLimit,
}

/// A verdict on a network, with the evidence behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NetworkDecision {
    /// The class.
    pub class: NetworkClass,
    /// How long it has been this class.
    #[ts(type = "number")]
    pub for_ms: u64,
    /// How probable it is, given the evidence.
    pub confidence_percent: u8,
    /// More than a claim stands behind it: enough for HD on probation.
    pub proven: bool,
    /// Two trusted sources contradict each other.
    pub contradicted: bool,
    /// What is known, the most trusted first.
    pub evidence: Vec<EvidenceDecision>,
}

/// One piece of evidence for a network class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct EvidenceDecision {
    /// Who says it.
    pub from: EvidenceWord,
    /// What it says.
    pub class: NetworkClass,
    /// How far it is trusted: 0 (a hint) to 4 (the operator of the mobile network).
    pub tier: u8,
    /// When it was last said.
    #[ts(type = "number")]
    pub ago_ms: u64,
}

/// Who says what a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceWord {
    /// The network cost in the browser's connectivity checks.
    Stun,
    /// The page's Network Information API.
    NetworkInformation,
    /// The app around the page.
    Shell,
    /// The WeChat mini-program around the page.
    WechatMiniProgram,
    /// A person, or whoever made the link: a hint.
    Person,
    /// An enrolled app, signed.
    AttestedApp,
    /// The operator of the gateway vouches for the address.
    Site,
    /// The operator of the mobile network.
    Operator,
}

/// What a downlink carries, and what is left of it for video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DownlinkDecision {
    /// What the estimator makes of it.
    pub state: DownlinkWord,
    /// The estimate.
    pub estimate_bps: Bitrate,
    /// What is kept for voices.
    pub audio_bps: Bitrate,
    /// What all video may cost.
    pub budget_bps: Bitrate,
    /// What all video costs.
    pub spent_bps: Bitrate,
}

/// The state of a downlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DownlinkWord {
    /// No feedback yet: the estimate is a prior.
    Starting,
    /// It carries what is sent.
    Steady,
    /// Queues grow, or packets are lost for lack of room.
    Congested,
    /// Feedback has stopped.
    Silent,
}

/// What a subscriber gets of a video track, what it could get, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PairDecision {
    /// The track.
    pub track: TrackId,
    /// What it shows.
    pub source: TrackSource,
    /// Who publishes it.
    pub publisher: ParticipantId,
    /// Who gets it.
    pub subscriber: ParticipantId,
    /// What it gets.
    pub gets: Delivered,
    /// What each thing that can be in the way would allow.
    pub allows: Allowances,
    /// The next step up; none at the top of what the tile can show.
    pub next: Option<NextStep>,
    /// What holds the pair at its rung.
    pub reason: RungReason,
    /// For how long rung and reason have been so.
    #[ts(type = "number")]
    pub for_ms: u64,
    /// HD permission, or why there is none.
    pub hd: HdReason,
    /// For how long that has been so.
    #[ts(type = "number")]
    pub hd_for_ms: u64,
}

/// A picture as it flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Delivered {
    /// Its rung.
    pub rung: Rung,
    /// The lines that really arrive from the publisher; zero without a picture.
    pub lines: u16,
    /// Frames per second that are passed on; zero while unknown.
    pub frame_rate: u8,
    /// The highest temporal layer that is passed on; none without a picture.
    pub temporal_layer: Option<u8>,
    /// What it costs.
    pub price_bps: Bitrate,
}

/// The highest rung by each thing that can be in the way, were it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Allowances {
    /// The two network classes.
    pub classes: Rung,
    /// HD permission.
    pub permission: Rung,
    /// The tile that shows it.
    pub tile: Rung,
    /// The publisher: its camera, its encoder, its uplink.
    pub publisher: Rung,
    /// The subscriber's downlink, with what its other pictures cost.
    pub downlink: Rung,
    /// The codec of the picture: audio only where the subscriber cannot decode it, and where its layers leave out the
    /// sizes that the classes and the permission would still allow, the size below.
    pub codec: Rung,
}

/// A step up the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NextStep {
    /// To which rung; the same rung with more frames where frames are left out.
    pub rung: Rung,
    /// What it needs, margin included.
    pub needs_bps: Bitrate,
    /// What the budget lacks for it; zero where bandwidth is not what is missing.
    pub missing_bps: Bitrate,
}

/// A change, and how long ago it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DecisionChange {
    /// How long ago.
    #[ts(type = "number")]
    pub ago_ms: u64,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// HD was permitted to a pair, or withdrawn from it.
    Hd {
        /// Who publishes.
        publisher: ParticipantId,
        /// Who subscribes.
        subscriber: ParticipantId,
        /// Whether it is permitted from here on.
        permitted: bool,
        /// Why.
        reason: HdReason,
    },
    /// A subscription moved along the ladder.
    Rung {
        /// Who publishes.
        publisher: ParticipantId,
        /// Who subscribes.
        subscriber: ParticipantId,
        /// Which track.
        track: TrackId,
        /// Before.
        from: Rung,
        /// After.
        to: Rung,
        /// Why.
        cause: ChangeCause,
    },
    /// A participant's network became another.
    NetworkClass {
        /// Whose.
        participant: ParticipantId,
        /// Before.
        from: NetworkClass,
        /// After.
        to: NetworkClass,
    },
    /// A publisher was asked to send something else.
    Uplink {
        /// Whom.
        publisher: ParticipantId,
        /// Which track.
        track: TrackId,
        /// The rungs of the encodings that it shall send, lowest first.
        sends: Vec<Rung>,
        /// Why.
        cause: ChangeCause,
    },
    /// Nothing comes from a participant any more, or something does again.
    Connection {
        /// From whom.
        participant: ParticipantId,
        /// Whether nothing comes.
        lost: bool,
    },
}

/// What made something change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ChangeCause {
    /// The estimate of a downlink.
    Downlink,
    /// HD permission, or the classes of two networks.
    Policy,
    /// The size of a tile.
    Viewport,
    /// What a publisher can send.
    Publisher,
    /// Somebody came, or went.
    Audience,
}

impl RoomDecisions {
    /// What concerns one participant: what it gets, what others get of it, and everybody's network.
    #[must_use]
    pub fn of(&self, participant: ParticipantId) -> Self {
        let ours = |one: ParticipantId, other: ParticipantId| one == participant || other == participant;
        Self {
            participants: self.participants.clone(),
            pairs: self.pairs.iter().filter(|pair| ours(pair.publisher, pair.subscriber)).copied().collect(),
            changes: self
                .changes
                .iter()
                .filter(|change| change.change.concerns(participant))
                .cloned()
                .collect(),
            forgotten_changes: self.forgotten_changes,
        }
    }
}

impl Change {
    /// Whether a participant has a part in it; networks and connections are everybody's.
    #[must_use]
    pub fn concerns(&self, participant: ParticipantId) -> bool {
        match self {
            Self::Hd { publisher, subscriber, .. } | Self::Rung { publisher, subscriber, .. } => {
                [publisher, subscriber].contains(&&participant)
            }
            Self::Uplink { publisher, .. } => *publisher == participant,
            Self::NetworkClass { .. } | Self::Connection { .. } => true,
        }
    }
}
