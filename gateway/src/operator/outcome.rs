//! What is counted of the traffic with the operator, as closed sets of words.

/// What the operator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum OperatorRequest {
    /// The network type of a device.
    Retrieve,
    /// To tell of its changes.
    Subscribe,
    /// To stop that.
    Unsubscribe,
    /// An access token.
    Token,
}

impl OperatorRequest {
    pub(crate) const ALL: [Self; 4] = [Self::Retrieve, Self::Subscribe, Self::Unsubscribe, Self::Token];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Retrieve => "retrieve",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Token => "token",
        }
    }
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RequestOutcome {
    /// As asked.
    Ok,
    /// The operator does not know the device, or cannot tell.
    UnknownDevice,
    /// The credentials were not accepted.
    Unauthorized,
    /// Too many requests.
    TooMany,
    /// Another refusal.
    Refused,
    /// The operator failed.
    ServerError,
    /// It took too long.
    Timeout,
    /// There was no connection.
    Unreachable,
    /// The answer is not what the interface says.
    Malformed,
    /// The answer is larger than any should be.
    TooLarge,
}

impl RequestOutcome {
    pub(crate) const ALL: [Self; 10] = [
        Self::Ok,
        Self::UnknownDevice,
        Self::Unauthorized,
        Self::TooMany,
        Self::Refused,
        Self::ServerError,
        Self::Timeout,
        Self::Unreachable,
        Self::Malformed,
        Self::TooLarge,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnknownDevice => "unknown_device",
            Self::Unauthorized => "unauthorized",
            Self::TooMany => "too_many",
            Self::Refused => "refused",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

/// What became of an event that the operator sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventOutcome {
    /// It was taken into account.
    Taken,
    /// It tells nothing new: repeated, or overtaken by a later one.
    Old,
    /// Of a subscription that is not ours, or no longer.
    UnknownSubscription,
    /// Without the credential that the subscription gave.
    Unauthorized,
    /// Not an event of this interface.
    Malformed,
    /// Larger than any should be.
    TooLarge,
    /// More than can be taken.
    TooMany,
}

impl EventOutcome {
    pub(crate) const ALL: [Self; 7] = [
        Self::Taken,
        Self::Old,
        Self::UnknownSubscription,
        Self::Unauthorized,
        Self::Malformed,
        Self::TooLarge,
        Self::TooMany,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Old => "old",
            Self::UnknownSubscription => "unknown_subscription",
            Self::Unauthorized => "unauthorized",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
        }
    }
}
