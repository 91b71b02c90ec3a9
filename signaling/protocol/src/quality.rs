//! What a pair gets and why, and what a publisher is asked to send: the decisions of the media plane
//! in the form that badges, metrics, logs and records show.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::{ParticipantId, TrackId};
use crate::ladder::Rung;
use crate::network_class::NetworkClass;
use crate::units::Bitrate;

/// Which pairs of network classes may have HD at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HdMode {
    /// 5G, wired and Wi-Fi are HD-grade, once measurement agrees.
    #[default]
    Equivalent,
    /// Only 5G to 5G.
    Strict,
}

/// Which rules choose the pictures of a room. All but the first are yardsticks to measure the first against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AdaptationPolicy {
    /// Network class and measurement permit HD, slowly; measured bandwidth chooses the rung, fast.
    #[default]
    TwoLoop,
    /// 720 lines between two HD-grade classes, 360 lines otherwise, whatever the links carry.
    FixedByClass,
    /// The best rung that the latest estimate pays for, whatever the classes; nothing is held.
    BandwidthOnly,
}

/// Why a directed pair has HD permission, or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HdReason {
    /// Permitted: both classes are HD-grade and the measurements agree.
    Granted,
    /// The publisher's network class is not HD-grade in this mode.
    PublisherClass,
    /// The subscriber's network class is not HD-grade in this mode.
    SubscriberClass,
    /// A class that would be HD-grade has too little evidence behind it.
    EvidenceWeak,
    /// Everything agrees, but not yet for long enough.
    Dwell,
    /// The publisher's uplink has not proven enough room.
    UplinkUnproven,
    /// The subscriber's downlink has not proven enough room.
    DownlinkUnproven,
    /// The round trip is too long.
    RoundTrip,
    /// Too many packets are lost.
    Loss,
    /// Packets arrive too unevenly.
    Jitter,
    /// The publisher's encoder cannot keep up.
    EncoderLimited,
    /// HD was withdrawn a short while ago.
    CoolDown,
}

impl HdReason {
    /// Every reason, in the order of metrics.
    pub const ALL: [Self; 12] = [
        Self::Granted,
        Self::PublisherClass,
        Self::SubscriberClass,
        Self::EvidenceWeak,
        Self::Dwell,
        Self::UplinkUnproven,
        Self::DownlinkUnproven,
        Self::RoundTrip,
        Self::Loss,
        Self::Jitter,
        Self::EncoderLimited,
        Self::CoolDown,
    ];

    /// The word used on the wire, in metrics and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::PublisherClass => "publisher_class",
            Self::SubscriberClass => "subscriber_class",
            Self::EvidenceWeak => "evidence_weak",
            Self::Dwell => "dwell",
            Self::UplinkUnproven => "uplink_unproven",
            Self::DownlinkUnproven => "downlink_unproven",
            Self::RoundTrip => "round_trip",
            Self::Loss => "loss",
            Self::Jitter => "jitter",
            Self::EncoderLimited => "encoder_limited",
            Self::CoolDown => "cool_down",
        }
    }
}

/// What holds a subscription at its rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RungReason {
    /// Nothing: it is the best there is.
    Best,
    /// The two network classes allow no more.
    Class,
    /// HD permission is missing; see [`HdReason`].
    HdPermission,
    /// The subscriber's downlink carries no more.
    Downlink,
    /// The publisher sends no more: its uplink, its camera or its encoder is the limit.
    Publisher,
    /// The tile is too small to show more, or hidden.
    Viewport,
    /// The publisher has muted the track.
    Muted,
    /// A higher rung is on its way.
    AwaitingKeyframe,
    /// Nothing arrives from the publisher: its connection is interrupted.
    PublisherLost,
    /// The codec of the picture: the subscriber cannot decode it, or its layers come in no size between.
    Codec,
}

impl RungReason {
    /// Every reason, in the order of metrics.
    pub const ALL: [Self; 10] = [
        Self::Best,
        Self::Class,
        Self::HdPermission,
        Self::Downlink,
        Self::Publisher,
        Self::Viewport,
        Self::Muted,
        Self::AwaitingKeyframe,
        Self::PublisherLost,
        Self::Codec,
    ];

    /// The word used on the wire, in metrics and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Class => "class",
            Self::HdPermission => "hd_permission",
            Self::Downlink => "downlink",
            Self::Publisher => "publisher",
            Self::Viewport => "viewport",
            Self::Muted => "muted",
            Self::AwaitingKeyframe => "awaiting_keyframe",
            Self::PublisherLost => "publisher_lost",
            Self::Codec => "codec",
        }
    }
}

/// One subscription as decided: what the subscriber gets of a video track, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PairQuality {
    /// The track.
    pub track: TrackId,
    /// Who publishes it.
    pub publisher: ParticipantId,
    /// The network class of the publisher.
    pub publisher_class: NetworkClass,
    /// The network class of the subscriber.
    pub subscriber_class: NetworkClass,
    /// The rung it gets.
    pub rung: Rung,
    /// What holds it there.
    pub rung_reason: RungReason,
    /// HD permission, or why there is none.
    pub hd: HdReason,
}

/// What a publisher is asked to send of one camera or screen, an entry per encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UplinkPlan {
    /// The track it is about.
    pub track: TrackId,
    /// The media description (`a=mid`) that carries the track.
    pub mid: String,
    /// One entry per negotiated encoding, in the order of the RIDs.
    pub encodings: Vec<EncodingPlan>,
}

/// How a publisher is asked to send its voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct VoicePlan {
    /// The track it is about.
    pub track: TrackId,
    /// The media description (`a=mid`) that carries the track.
    pub mid: String,
    /// Ceiling of its rate.
    pub max_bitrate_bps: Bitrate,
    /// Whether every packet shall carry the frame before once more (RED, RFC 2198).
    pub redundancy: bool,
}

/// What one encoding shall carry, in the words of `RTCRtpEncodingParameters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct EncodingPlan {
    /// The RID of the encoding.
    pub rid: String,
    /// Whether to send it at all.
    pub active: bool,
    /// The rung it carries: at most this many lines.
    pub rung: Rung,
    /// Ceiling of its rate.
    pub max_bitrate_bps: Bitrate,
    /// Ceiling of its frame rate.
    pub max_framerate: u8,
}
