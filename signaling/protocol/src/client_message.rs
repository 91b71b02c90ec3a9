//! What a browser says to the gateway over its WebSocket. `signaling/docs/protocol.md` is the reference.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::attestation::AttestedReport;
use crate::id::TrackId;
use crate::media_message::{EncoderLimit, Offer, SubscriptionWish};
use crate::network_class::NetworkReport;

/// A request, with the id that its response will carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct ClientEnvelope {
    /// Drawn by the client; unique among its open requests.
    pub id: u32,
    /// The request.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// A request of the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message of a connection: who the client is. Answered by `welcome`.
    Hello(Hello),
    /// Enter the room. Answered by `joined`.
    Join {
        /// The name that others see.
        name: String,
    },
    /// Negotiate media. Answered by `answer`.
    Offer(Offer),
    /// Change how a track is wished for. Answered by `ok`.
    Subscribe(SubscriptionWish),
    /// Mute or unmute one's own track. Answered by `ok`.
    Mute {
        /// The track.
        track: TrackId,
        /// Whether it is silent or dark.
        muted: bool,
    },
    /// What the page or its shell says of its network. Answered by `ok`.
    NetworkReport(NetworkReport),
    /// What an enrolled app says of its network, signed. Answered by `ok`.
    AttestedReport(AttestedReport),
    /// What holds one's own encoder back. Answered by `ok`.
    EncoderLimit {
        /// The track.
        track: TrackId,
        /// The limit.
        limit: EncoderLimit,
    },
    /// Have the decisions of the room told every second, or no more; for clinicians. Answered by `ok`.
    WatchDecisions {
        /// Whether to tell them.
        watch: bool,
    },
    /// Proof of life, at least every 20 seconds. Answered by `pong`.
    Ping,
    /// Leave the consult for good. Answered by `bye`.
    Leave,
}

/// The first message of a connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Hello {
    /// The protocol version that the client speaks.
    pub version: u16,
    /// The token of the invitation link.
    pub token: String,
    /// To go on with a session whose connection dropped.
    #[serde(default)]
    pub resume: Option<Resume>,
}

/// Never prints the token.
impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello").field("version", &self.version).finish_non_exhaustive()
    }
}

/// How a client takes up a session again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Resume {
    /// The secret from the `welcome` of the session.
    pub secret: String,
    /// The `sequence` of the last event that the client has seen; later ones are sent again.
    #[ts(type = "number")]
    pub last_sequence: u64,
}

/// Never prints the secret.
impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume").field("last_sequence", &self.last_sequence).finish_non_exhaustive()
    }
}
