//! Things that happen seldom and are worth measuring one by one: the media plane says them,
//! the gateway's metrics count them. Identities never appear here.

use std::time::Duration;

use protocol::decision::ChangeCause;
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::HdReason;
use protocol::track::MediaKind;
use protocol::units::Bitrate;
use protocol::video_codec::{CodecReason, VideoCodec};

use crate::adapt::ReportRefused;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// A participant's transport reached a stage, this long after its first offer.
    JoinStage {
        /// The stage.
        stage: JoinStage,
        /// Since the first offer.
        elapsed: Duration,
        /// The participant's network class.
        class: NetworkClass,
    },
    /// A transport never became usable, or ceased to be.
    TransportFailed {
        /// How.
        cause: TransportFailure,
    },
    /// The first packet of the first complete key frame was forwarded, this long after subscribing.
    FirstFrame {
        /// Since the subscription.
        elapsed: Duration,
        /// The subscriber's network class.
        class: NetworkClass,
    },
    /// The verdict on a participant's network changed.
    NetworkClassChanged {
        /// Before.
        from: NetworkClass,
        /// After.
        to: NetworkClass,
    },
    /// Trusted sources have contradicted each other about a participant's network for long.
    NetworkConflict,
    /// A report of a participant's network was not taken into account.
    ReportRefused(ReportRefused),
    /// HD permission of a pair changed, or the reason for its absence did.
    HdDecided {
        /// Before; `None` for a new pair.
        from: Option<HdReason>,
        /// After.
        to: HdReason,
    },
    /// A room sends its pictures in another codec, or for another reason.
    RoomCodecChanged {
        /// What it sends first from here on.
        codec: VideoCodec,
        /// Why.
        reason: CodecReason,
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
    /// The periodic measurement of one subscriber's downlink.
    Downlink {
        /// Its network class.
        class: NetworkClass,
        /// The estimate.
        estimate: Bitrate,
        /// The round trip.
        rtt: Duration,
        /// Lost packets over sent ones since the last sample.
        loss: f64,
    },
    /// How one voice sounded to one subscriber since the last sample.
    Voice {
        /// The subscriber's network class.
        class: NetworkClass,
        /// Mean opinion score by the E-model.
        mos: f64,
        /// Share of frames that were missed, after redundancy.
        loss: f64,
    },
    /// The periodic measurement of one publisher's uplink.
    Uplink {
        /// Its network class.
        class: NetworkClass,
        /// Audio or video.
        kind: MediaKind,
        /// Interarrival jitter, RFC 3550 §6.4.1.
        jitter: Duration,
        /// Lost packets over expected ones since the last sample, before repair.
        loss: f64,
    },
}

/// Stages of a join, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinStage {
    /// The first authenticated connectivity check.
    Ice,
    /// The DTLS handshake is done.
    Dtls,
    /// The first media packet of the participant.
    FirstMedia,
}

impl JoinStage {
    /// Every stage, in the order of metrics.
    pub const ALL: [Self; 3] = [Self::Ice, Self::Dtls, Self::FirstMedia];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ice => "ice",
            Self::Dtls => "dtls",
            Self::FirstMedia => "first_media",
        }
    }
}

/// How a transport ended without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportFailure {
    /// No authenticated connectivity check arrived in time.
    IceTimeout,
    /// The DTLS handshake failed or took too long.
    Dtls,
    /// ICE consent expired (RFC 7675).
    ConsentExpired,
}

impl TransportFailure {
    /// Every failure, in the order of metrics.
    pub const ALL: [Self; 3] = [Self::IceTimeout, Self::Dtls, Self::ConsentExpired];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IceTimeout => "ice_timeout",
            Self::Dtls => "dtls",
            Self::ConsentExpired => "consent_expired",
        }
    }
}

/// What made a subscription change its rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SwitchCause {
    /// The estimate of the downlink.
    Estimate,
    /// HD permission or a class cap.
    Policy,
    /// The size of the tile.
    Viewport,
    /// What the publisher sends.
    Publisher,
}

impl From<SwitchCause> for ChangeCause {
    fn from(cause: SwitchCause) -> Self {
        match cause {
            SwitchCause::Estimate => Self::Downlink,
            SwitchCause::Policy => Self::Policy,
            SwitchCause::Viewport => Self::Viewport,
            SwitchCause::Publisher => Self::Publisher,
        }
    }
}

impl SwitchCause {
    /// Every cause, in the order of metrics.
    pub const ALL: [Self; 4] = [Self::Estimate, Self::Policy, Self::Viewport, Self::Publisher];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Estimate => "estimate",
            Self::Policy => "policy",
            Self::Viewport => "viewport",
            Self::Publisher => "publisher",
        }
    }
}
