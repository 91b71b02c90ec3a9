//! What the gateway says to a browser: responses, which carry the id of their request, and events,
//! which carry a sequence number so that a resumed session misses none.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::decision::RoomDecisions;
use crate::ice_server::IceServer;
use crate::id::{ConsultId, ParticipantId, SessionId, TrackId};
use crate::media_message::Answer;
use crate::network_class::NetworkClass;
use crate::quality::{HdMode, PairQuality, UplinkPlan, VoicePlan};
use crate::track::{Role, Track};
use crate::video_codec::{CodecPlan, CodecPreference, VideoCodec};

/// One message of the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum ServerMessage {
    /// An answer to a request.
    Response(ResponseEnvelope),
    /// Something that happened.
    Event(EventEnvelope),
}

/// A response with the id of its request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct ResponseEnvelope {
    /// The id of the request; zero where the request could not be read.
    pub id: u32,
    /// The response.
    #[serde(flatten)]
    pub response: Response,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    /// To `hello`.
    Welcome(Welcome),
    /// To `join`.
    Joined(RoomSnapshot),
    /// To `offer`.
    Answer(Answer),
    /// To requests without a result.
    Ok,
    /// To `ping`.
    Pong,
    /// To `leave`.
    Bye,
    /// To a request that failed.
    Error {
        /// Stable, for programs.
        code: ErrorCode,
        /// For people who read logs; may change.
        message: String,
    },
}

/// Why a request failed. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message is not JSON, or not a request of this protocol.
    MalformedMessage,
    /// The gateway does not speak this protocol version.
    UnsupportedVersion,
    /// The first message must be `hello`.
    HelloExpected,
    /// The token is not one of this gateway's, or was altered.
    TokenInvalid,
    /// The token was valid once.
    TokenExpired,
    /// The consult does not exist or has ended.
    ConsultClosed,
    /// The session to resume is not there any more: start a new one.
    SessionLost,
    /// The request needs `join` first.
    NotJoined,
    /// A name must have 1 to 64 characters.
    NameInvalid,
    /// The session description was refused.
    OfferRejected,
    /// No such track.
    UnknownTrack,
    /// The role does not allow it.
    Forbidden,
    /// The consult has no place left.
    RoomFull,
    /// Too many requests in too short a time.
    RateLimited,
    /// The media plane did not answer in time.
    MediaUnavailable,
    /// The gateway failed; the log has the reason.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the reference and of metrics.
    pub const ALL: [Self; 16] = [
        Self::MalformedMessage,
        Self::UnsupportedVersion,
        Self::HelloExpected,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::ConsultClosed,
        Self::SessionLost,
        Self::NotJoined,
        Self::NameInvalid,
        Self::OfferRejected,
        Self::UnknownTrack,
        Self::Forbidden,
        Self::RoomFull,
        Self::RateLimited,
        Self::MediaUnavailable,
        Self::Internal,
    ];

    /// The word used on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedMessage => "malformed_message",
            Self::UnsupportedVersion => "unsupported_version",
            Self::HelloExpected => "hello_expected",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::ConsultClosed => "consult_closed",
            Self::SessionLost => "session_lost",
            Self::NotJoined => "not_joined",
            Self::NameInvalid => "name_invalid",
            Self::OfferRejected => "offer_rejected",
            Self::UnknownTrack => "unknown_track",
            Self::Forbidden => "forbidden",
            Self::RoomFull => "room_full",
            Self::RateLimited => "rate_limited",
            Self::MediaUnavailable => "media_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// The answer to `hello`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Welcome {
    /// The protocol version that the gateway speaks.
    pub version: u16,
    /// The session.
    pub session: SessionId,
    /// The secret that resumes it.
    pub resume_secret: String,
    /// Whether an earlier session goes on; then its room and media are as they were.
    pub resumed: bool,
    /// The consult.
    pub consult: ConsultId,
    /// The subject of the consult, for its participants' eyes only.
    pub subject: String,
    /// Who the client is in it.
    pub participant: ParticipantId,
    /// Its role.
    pub role: Role,
    /// Which pairs may have HD at all.
    pub hd_mode: HdMode,
    /// The codecs for pictures, the one that the site likes best first.
    pub video_codecs: CodecPreference,
    /// Servers that help where a network lets media take no way of its own; for an `RTCPeerConnection`.
    pub ice_servers: Vec<IceServer>,
}

/// Never prints the secret or the subject.
impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welcome")
            .field("session", &self.session)
            .field("resumed", &self.resumed)
            .field("participant", &self.participant)
            .finish_non_exhaustive()
    }
}

/// Who and what is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct RoomSnapshot {
    /// The others: people in the order they came, and then the first of those who only watch.
    pub participants: Vec<Participant>,
    /// How many more watch than are listed.
    pub unlisted_viewers: u32,
    /// Their tracks.
    pub tracks: Vec<Track>,
    /// The codecs for pictures that everybody here can decode, the most liked first. A client sends the first that
    /// it can.
    pub video_codecs: Vec<VideoCodec>,
}

/// A participant as others see it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Participant {
    /// Its id.
    pub id: ParticipantId,
    /// The name it gave.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The verdict on its network.
    pub network_class: NetworkClass,
    /// Whether its signaling connection is there and its media arrives; both may come back.
    pub connected: bool,
}

/// Never prints the name.
impl std::fmt::Debug for Participant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Participant")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("network_class", &self.network_class)
            .field("connected", &self.connected)
            .finish_non_exhaustive()
    }
}

/// An event with its place in the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct EventEnvelope {
    /// Grows by one with every event of the session.
    #[ts(type = "number")]
    pub sequence: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened in the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Somebody entered the room.
    ParticipantJoined(Participant),
    /// Somebody's network class or connection changed.
    ParticipantChanged(Participant),
    /// Somebody left.
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
    },
    /// Another number watches besides those who are listed as participants; told at most once a second.
    Viewers {
        /// How many.
        unlisted: u32,
    },
    /// A track can be subscribed to.
    TrackPublished(Track),
    /// A track was muted or unmuted.
    TrackMuted(Track),
    /// A track ended.
    TrackUnpublished {
        /// Which one.
        track: TrackId,
    },
    /// What to send of a track from here on.
    UplinkPlan(UplinkPlan),
    /// How to send one's voice from here on.
    VoicePlan(VoicePlan),
    /// Which codec to send a picture in from here on.
    CodecPlan(CodecPlan),
    /// What the client gets of every video track it receives.
    Quality {
        /// One entry per video track.
        pairs: Vec<PairQuality>,
    },
    /// The decisions that concern the client, every second while it watches them.
    Decisions(RoomDecisions),
    /// Another participant speaks, or nobody does.
    ActiveSpeaker {
        /// Who.
        participant: Option<ParticipantId>,
    },
    /// The verdict on the client's own network.
    NetworkClass {
        /// Its class from here on.
        class: NetworkClass,
    },
    /// The client's media transport failed: send an offer with new ICE credentials.
    MediaFailed,
    /// The consult is over, or the client was removed; the connection closes.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The participant left.
    Left,
    /// The consult was closed.
    ConsultClosed,
    /// The same link was opened elsewhere, and that one took over.
    Replaced,
    /// The client was silent for too long.
    TimedOut,
    /// The client read too slowly.
    TooSlow,
    /// The gateway stops.
    Shutdown,
}
