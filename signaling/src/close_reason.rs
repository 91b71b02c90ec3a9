//! Why the gateway closes a WebSocket, and the close code that says so (RFC 6455 §7.4; 4000 to 4999 are ours).

use protocol::server_message::EndReason;

/// Why the gateway closes a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The participant left.
    Left,
    /// The gateway stops.
    GoingAway,
    /// What comes is not the WebSocket protocol.
    ProtocolViolation,
    /// A text is not UTF-8.
    InvalidText,
    /// A message exceeds its bound.
    MessageTooBig,
    /// The first message was no hello, or of a version that is not spoken.
    Unspoken,
    /// The token does not admit.
    Unauthorized,
    /// The client was silent, or did not read, for too long.
    TooSlow,
    /// Another connection of the participant took over.
    Replaced,
    /// The consult is over.
    ConsultEnded,
    /// Too many messages, or too many failed proofs.
    RateLimited,
    /// The gateway has no place for another session.
    Overloaded,
}

impl CloseReason {
    /// Every one, in the order of the reference.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Left,
        Self::GoingAway,
        Self::ProtocolViolation,
        Self::InvalidText,
        Self::MessageTooBig,
        Self::Unspoken,
        Self::Unauthorized,
        Self::TooSlow,
        Self::Replaced,
        Self::ConsultEnded,
        Self::RateLimited,
        Self::Overloaded,
    ];

    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Left => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolViolation => 1002,
            Self::InvalidText => 1007,
            Self::MessageTooBig => 1009,
            Self::Unspoken => 4400,
            Self::Unauthorized => 4401,
            Self::TooSlow => 4408,
            Self::Replaced => 4409,
            Self::ConsultEnded => 4410,
            Self::RateLimited => 4429,
            Self::Overloaded => 4503,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::GoingAway => "going away",
            Self::ProtocolViolation => "protocol violation",
            Self::InvalidText => "text is not UTF-8",
            Self::MessageTooBig => "message too big",
            Self::Unspoken => "hello of a spoken version expected",
            Self::Unauthorized => "unauthorized",
            Self::TooSlow => "too slow",
            Self::Replaced => "replaced",
            Self::ConsultEnded => "consult ended",
            Self::RateLimited => "rate limited",
            Self::Overloaded => "overloaded",
        }
    }
}

impl From<EndReason> for CloseReason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Left => Self::Left,
            EndReason::ConsultClosed => Self::ConsultEnded,
            EndReason::Replaced => Self::Replaced,
            EndReason::TimedOut | EndReason::TooSlow => Self::TooSlow,
            EndReason::Shutdown => Self::GoingAway,
        }
    }
}
