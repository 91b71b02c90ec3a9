//! What the control plane tells an observer, as plain values; the gateway turns them into metrics.
//! Nothing here carries an identity: every label is a word of a closed set.

use std::time::Duration;

use protocol::network_class::NetworkClass;
use protocol::server_message::{EndReason, ErrorCode};

/// Something to count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Somebody asked to join.
    Join(JoinOutcome),
    /// The first time that media of a session flowed.
    MediaConnected {
        /// Since the join.
        after: Duration,
        /// The class known by then.
        network_class: NetworkClass,
    },
    /// A media transport failed; the client was told to negotiate anew.
    MediaFailed,
    /// The media plane answered an offer, or did not.
    Negotiation {
        /// How it went.
        outcome: NegotiationOutcome,
        /// Since the offer.
        after: Duration,
    },
    /// A message came, by its `type`; `malformed` where it has none.
    MessageIn(&'static str),
    /// A message went, by its `type`.
    MessageOut(&'static str),
    /// A request was refused.
    Error(ErrorCode),
    /// An HTTP request was answered.
    ApiRequest {
        /// The route.
        route: Route,
        /// The method; `OTHER` where the route has none of that name.
        method: &'static str,
        /// The status, such as 201.
        status: u16,
        /// Since its header was read.
        duration: Duration,
    },
    /// Somebody could not prove who they are.
    AuthFailure(AuthFailure),
    /// A signed report of a network was not believed.
    AttestationRefused(AttestationRefused),
    /// A client tried to go on with a session.
    Resume {
        /// Whether it could.
        resumed: bool,
    },
    /// How long a resumed session was without a connection.
    ResumedAfter(Duration),
    /// A session ended.
    SessionEnded(EndReason),
    /// A WebSocket or HTTP limit was reached.
    LimitHit(Limit),
    /// The store was asked.
    StoreRequest {
        /// For what.
        operation: StoreOperation,
        /// Whether it answered.
        ok: bool,
        /// How long it took.
        duration: Duration,
    },
}

/// Makes an enum of words: `ALL` of them, and `as_str` for labels.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one, in the order of metrics.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in metrics and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// How a join went.
    JoinOutcome {
        /// The participant is in the room.
        Ok = "ok",
        /// The name was refused.
        NameInvalid = "name_invalid",
        /// The consult has no place left.
        RoomFull = "room_full",
    }
}

words! {
    /// How a negotiation went.
    NegotiationOutcome {
        /// An answer.
        Answered = "answered",
        /// The offer was refused.
        Rejected = "rejected",
        /// No answer in time.
        TimedOut = "timed_out",
    }
}

words! {
    /// Why a signed report was not believed.
    AttestationRefused {
        /// No app of that name is enrolled.
        UnknownApp = "unknown_app",
        /// The signature is not that of its key over this report.
        Signature = "signature",
        /// Too many within a second.
        TooOften = "too_often",
    }
}

words! {
    /// Why a proof of identity failed.
    AuthFailure {
        /// Not a token of this gateway: altered, of another key, algorithm, audience or issuer.
        TokenInvalid = "token_invalid",
        /// The token was valid once.
        TokenExpired = "token_expired",
        /// The token is not valid yet.
        TokenImmature = "token_immature",
        /// The token names no participant of an open consult.
        ConsultClosed = "consult_closed",
        /// The API key is missing or wrong.
        ApiKey = "api_key",
        /// The page's origin may not open a session.
        Origin = "origin",
        /// The secret of the session to resume is wrong.
        ResumeSecret = "resume_secret",
    }
}

words! {
    /// A limit that was reached.
    Limit {
        /// All connections.
        Connections = "connections",
        /// Connections from one address.
        ConnectionsPerAddress = "connections_per_address",
        /// Time for the header of a request.
        HeaderTime = "header_time",
        /// Time for the body of a request.
        BodyTime = "body_time",
        /// Size of a body.
        BodySize = "body_size",
        /// API requests per second of one address.
        ApiRate = "api_rate",
        /// Requests over plain HTTP per second of one address.
        ResourceRate = "resource_rate",
        /// Failed proofs per minute of one address.
        MissRate = "miss_rate",
        /// Time for the first message.
        HelloTime = "hello_time",
        /// Size of a WebSocket message.
        MessageSize = "message_size",
        /// Messages per second of one connection.
        MessageRate = "message_rate",
        /// Messages or bytes that wait for a slow reader.
        Outbox = "outbox",
        /// Silence of a client.
        Silence = "silence",
        /// Sessions in all.
        Sessions = "sessions",
        /// Commands that wait for the media plane.
        MediaBacklog = "media_backlog",
        /// Records that wait for the store.
        StoreBacklog = "store_backlog",
    }
}

words! {
    /// What the store is asked for.
    StoreOperation {
        /// Keep a new consult.
        CreateConsult = "create_consult",
        /// Find a consult.
        FindConsult = "find_consult",
        /// End a consult.
        EndConsult = "end_consult",
        /// Keep a step of a session.
        RecordSession = "record_session",
    }
}

words! {
    /// A route, by its template.
    Route {
        /// `/api/v1/consults`
        Consults = "/api/v1/consults",
        /// `/api/v1/consults/{id}`
        Consult = "/api/v1/consults/{id}",
        /// `/api/v1/session`
        Session = "/api/v1/session",
        /// `/whip`: where media is published by plain HTTP.
        Whip = "/whip",
        /// `/whep`: where it is played.
        Whep = "/whep",
        /// `/whip/{id}` and `/whep/{id}`.
        MediaResource = "/whip/{id}",
        /// `/operator/events`
        OperatorEvents = "/operator/events",
        /// The page and its assets.
        Page = "page",
        /// Nothing that exists.
        Unknown = "unknown",
    }
}
