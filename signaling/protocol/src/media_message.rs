//! The edge between the planes: what signaling asks of the media plane, and what that reports back.
//! In one process these travel over channels; between nodes the same words travel over a bus.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::attestation::AttestedClaim;
use crate::decision::RoomDecisions;
use crate::id::{ParticipantId, RoomId, ShellNonce, TrackId};
use crate::network_class::{NetworkClass, NetworkReport};
use crate::quality::{PairQuality, UplinkPlan, VoicePlan};
use crate::track::{Role, Track, TrackSource};
use crate::video_codec::{CodecPlan, VideoCodec};

/// Says which offer an answer belongs to; drawn by whoever sends the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NegotiationId(pub u64);

/// A request to the media plane, about one participant of one room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaCommand {
    /// The room; it is made by its first [`MediaAction::Join`] and ends with its last leave.
    pub room: RoomId,
    /// The participant.
    pub participant: ParticipantId,
    /// What to do.
    pub action: MediaAction,
}

/// What a [`MediaCommand`] asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MediaAction {
    /// Admit the participant to the room. Idempotent.
    Join {
        /// Its role.
        role: Role,
        /// Whether it follows plans; a camera that publishes by plain HTTP sends what it likes.
        steerable: bool,
    },
    /// Negotiate the participant's transport, tracks and subscriptions.
    Negotiate {
        /// To find the answer by.
        negotiation: NegotiationId,
        /// The offer.
        offer: Offer,
    },
    /// Change how a subscription is wished for.
    Subscribe(SubscriptionWish),
    /// Mute or unmute a track of the participant.
    Mute {
        /// The track.
        track: TrackId,
        /// Whether it is silent or dark.
        muted: bool,
    },
    /// What the page or its shell says of its network.
    Report(NetworkReport),
    /// What an enrolled app says of its network; its signature has been verified.
    Attested(AttestedClaim),
    /// What the mobile network operator says of the participant; `unknown` takes earlier words back.
    Operator {
        /// The class.
        class: NetworkClass,
    },
    /// What holds the participant's encoder back.
    EncoderLimit {
        /// The track.
        track: TrackId,
        /// The limit.
        limit: EncoderLimit,
    },
    /// Tell what was decided for the room, and why; answered by [`MediaReport::Decisions`].
    Explain,
    /// Remove the participant; its transport and tracks end.
    Leave,
}

/// An SDP offer of the client, which is always the offerer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Offer {
    /// The session description.
    pub sdp: String,
    /// What the sending media descriptions carry.
    pub tracks: Vec<PublishedMid>,
    /// What the receiving media descriptions are for.
    pub subscriptions: Vec<SubscribedMid>,
}

/// A media description that sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PublishedMid {
    /// Its `a=mid`.
    pub mid: String,
    /// What it sends.
    pub source: TrackSource,
}

/// A media description that receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SubscribedMid {
    /// Its `a=mid`.
    pub mid: String,
    /// The track that it shall receive.
    pub track: TrackId,
}

/// How a subscriber would like to see a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SubscriptionWish {
    /// The track.
    pub track: TrackId,
    /// Lines of the tile that shows it, in device pixels; zero while hidden.
    pub max_lines: u16,
}

/// What holds an encoder back, as in `qualityLimitationReason` of webrtc-stats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EncoderLimit {
    /// Nothing.
    #[default]
    None,
    /// The processor.
    Cpu,
    /// The uplink.
    Bandwidth,
    /// Something else.
    Other,
}

/// A report of the media plane, about one room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaEvent {
    /// The room.
    pub room: RoomId,
    /// What happened.
    pub report: MediaReport,
}

/// What a [`MediaEvent`] tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MediaReport {
    /// The answer to an offer, or why there is none.
    Negotiated {
        /// Whose offer it was.
        participant: ParticipantId,
        /// Which one.
        negotiation: NegotiationId,
        /// The SDP answer and the tracks that it made.
        outcome: Result<Answer, NegotiationFailure>,
    },
    /// The participant's transport changed.
    Transport {
        /// Whose.
        participant: ParticipantId,
        /// What it is now.
        state: TransportState,
    },
    /// A track began; it can be subscribed to.
    TrackPublished(Track),
    /// A track changed its muted state.
    TrackMuted(Track),
    /// A track ended.
    TrackUnpublished(Track),
    /// What a publisher shall send from here on.
    UplinkPlan {
        /// The publisher.
        participant: ParticipantId,
        /// The plan.
        plan: UplinkPlan,
    },
    /// How a publisher shall send its voice from here on.
    VoicePlan {
        /// The publisher.
        participant: ParticipantId,
        /// The plan.
        plan: VoicePlan,
    },
    /// Which codec a publisher shall send a picture in from here on.
    CodecPlan {
        /// The publisher.
        participant: ParticipantId,
        /// The plan.
        plan: CodecPlan,
    },
    /// What everybody in the room can decode changed: whoever comes begins with the first of these.
    RoomCodecs {
        /// The most liked first.
        codecs: Vec<VideoCodec>,
    },
    /// What a subscriber gets of every video track that it receives.
    Quality {
        /// The subscriber.
        participant: ParticipantId,
        /// One entry per subscribed video track.
        pairs: Vec<PairQuality>,
    },
    /// The verdict on a participant's network changed.
    NetworkClass {
        /// The participant.
        participant: ParticipantId,
        /// Its class from here on.
        class: NetworkClass,
    },
    /// What was decided for the room, asked for by [`MediaAction::Explain`].
    Decisions(RoomDecisions),
    /// Another participant speaks, or nobody does.
    ActiveSpeaker {
        /// Who.
        participant: Option<ParticipantId>,
    },
}

/// The answer to an [`Offer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Answer {
    /// The session description.
    pub sdp: String,
    /// The tracks that the sending media descriptions became, by `a=mid`.
    pub tracks: Vec<AnsweredMid>,
    /// What an enrolled app has to sign in its reports over this transport.
    pub shell_nonce: ShellNonce,
}

/// A sending media description, and the track that it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AnsweredMid {
    /// Its `a=mid`.
    pub mid: String,
    /// The track.
    pub track: TrackId,
}

/// Why an offer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NegotiationFailure {
    /// The participant is not in the room.
    #[error("the participant has not joined")]
    NotJoined,
    /// The text is not a session description within the limits.
    #[error("the session description cannot be read")]
    Malformed,
    /// It lacks what every offer needs: ICE credentials, a DTLS fingerprint, BUNDLE, rtcp-mux.
    #[error("the session description lacks what it needs")]
    Incomplete,
    /// It offers no codec that the gateway forwards.
    #[error("no codec in common")]
    NoCommonCodec,
    /// It names a media description that it does not have, or a track that does not exist.
    #[error("a media description or track does not exist")]
    UnknownMid,
    /// It asks for more tracks or subscriptions than the gateway allows.
    #[error("too many media descriptions")]
    TooMany,
}

/// The state of a participant's transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TransportState {
    /// ICE has a pair and DTLS is done: media flows.
    Connected,
    /// Nothing has arrived for a while; it may come back.
    Disconnected,
    /// It will not come back: ICE consent expired, or DTLS failed.
    Failed,
    /// The client closed it.
    Closed,
}
