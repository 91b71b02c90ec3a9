//! The labels of metrics: closed sets of words, so that no identity can become a label and the number
//! of time series is known at start.

use std::hash::Hash;

use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdMode, HdReason, RungReason};
use protocol::server_message::{EndReason, ErrorCode};
use protocol::track::{MediaKind, Role};
use protocol::video_codec::{CodecReason, VideoCodec};
use sfu::adapt::ReportRefused;
use sfu::counters::DropReason;
use sfu::sample::{JoinStage, SwitchCause, TransportFailure};
use signaling::sample::{AttestationRefused, AuthFailure, Limit, NegotiationOutcome, Route, StoreOperation};

use crate::operator::{EventOutcome, OperatorRequest, RequestOutcome};
use crate::udp_socket::SendFailure;

/// A closed set of words under one name.
pub(crate) trait Label: Copy + Eq + Hash + 'static {
    /// The name of the label.
    const NAME: &'static str;
    /// Every word.
    const VALUES: &'static [Self];

    /// The word itself.
    fn word(self) -> &'static str;
}

/// The labels of one metric: none, one, or several.
pub(crate) trait LabelSet: Copy + Eq + Hash + 'static {
    /// The names, in order.
    fn names() -> Vec<&'static str>;
    /// Every combination.
    fn combinations() -> Vec<Self>;
    /// The words of one combination, in the order of the names.
    fn words(self) -> Vec<&'static str>;
}

impl LabelSet for () {
    fn names() -> Vec<&'static str> {
        Vec::new()
    }

    fn combinations() -> Vec<Self> {
        vec![()]
    }

    fn words(self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> LabelSet for A {
    fn names() -> Vec<&'static str> {
        vec![A::NAME]
    }

    fn combinations() -> Vec<Self> {
        A::VALUES.to_vec()
    }

    fn words(self) -> Vec<&'static str> {
        vec![self.word()]
    }
}

impl<A: Label, B: Label> LabelSet for (A, B) {
    fn names() -> Vec<&'static str> {
        vec![A::NAME, B::NAME]
    }

    fn combinations() -> Vec<Self> {
        A::VALUES.iter().flat_map(|a| B::VALUES.iter().map(|b| (*a, *b))).collect()
    }

    fn words(self) -> Vec<&'static str> {
        vec![self.0.word(), self.1.word()]
    }
}

impl<A: Label, B: Label, C: Label> LabelSet for (A, B, C) {
    fn names() -> Vec<&'static str> {
        vec![A::NAME, B::NAME, C::NAME]
    }

    fn combinations() -> Vec<Self> {
        let tails = <(B, C)>::combinations();
        A::VALUES.iter().flat_map(|a| tails.iter().map(|(b, c)| (*a, *b, *c))).collect()
    }

    fn words(self) -> Vec<&'static str> {
        vec![self.0.word(), self.1.word(), self.2.word()]
    }
}

/// Takes an enum that knows its words as a label.
macro_rules! label {
    ($($name:literal: $label:ty),+ $(,)?) => {$(
        impl Label for $label {
            const NAME: &'static str = $name;
            const VALUES: &'static [Self] = &<$label>::ALL as &[Self];

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    )+};
}

/// Makes an enum that is only a label.
macro_rules! words {
    ($($(#[$doc:meta])* $label:ident($name:literal) { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $label {
            $($variant),+
        }

        impl Label for $label {
            const NAME: &'static str = $name;
            const VALUES: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    )+};
}

label! {
    "role": Role,
    "network_class": NetworkClass,
    "rung": Rung,
    "reason": DropReason,
    "reason": HdReason,
    "reason": RungReason,
    "reason": SendFailure,
    "cause": TransportFailure,
    "cause": SwitchCause,
    "codec": VideoCodec,
    "reason": CodecReason,
    "code": ErrorCode,
    "request": OperatorRequest,
    "outcome": RequestOutcome,
    "outcome": EventOutcome,
}

/// Takes an enum whose `ALL` is a slice already.
macro_rules! slice_label {
    ($($name:literal: $label:ty),+ $(,)?) => {$(
        impl Label for $label {
            const NAME: &'static str = $name;
            const VALUES: &'static [Self] = <$label>::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    )+};
}

slice_label! {
    "reason": AuthFailure,
    "limit": Limit,
    "outcome": NegotiationOutcome,
    "route": Route,
    "operation": StoreOperation,
}

words! {
    /// The media direction as the gateway sees it.
    Direction("direction") { In = "in", Out = "out" }

    /// Upwards or downwards on the ladder.
    Step("step") { Up = "up", Down = "down" }

    /// How a join went, over both planes.
    JoinOutcome("outcome") {
        Ok = "ok",
        Denied = "denied",
        Capacity = "capacity",
        IceFailed = "ice_failed",
        DtlsFailed = "dtls_failed",
    }

    /// Where the time of a join goes.
    Stage("stage") { Total = "total", Ice = "ice", Dtls = "dtls", FirstMedia = "first_media" }

    /// Whether something worked.
    Outcome("outcome") { Ok = "ok", Failed = "failed" }

    /// Why a report of a network was not taken into account.
    ReportRefusal("reason") {
        Stale = "stale",
        TooOften = "too_often",
        ForeignNonce = "foreign_nonce",
        Late = "late",
        UnknownApp = "unknown_app",
        Signature = "signature",
    }

    /// Participants of a room.
    RoomSize("size") {
        One = "1",
        Two = "2",
        Few = "3_to_4",
        Several = "5_to_8",
        Many = "9_or_more",
    }

    /// HTTP methods that routes know.
    Method("method") { Get = "GET", Post = "POST", Put = "PUT", Patch = "PATCH", Delete = "DELETE", Other = "other" }

    /// HTTP status by its first digit.
    StatusClass("status_class") {
        Informational = "1xx",
        Success = "2xx",
        Redirect = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }

    /// What the process does at this moment.
    NodeState("state") { Starting = "starting", Ready = "ready", Stopping = "stopping" }

    /// The class before a change.
    OldClass("from") {
        Wired = "wired",
        Wifi = "wifi",
        FiveG = "5g",
        FourG = "4g",
        ThreeG = "3g",
        TwoG = "2g",
        Cell = "cell",
        Unknown = "unknown",
    }

    /// The `type` of a message on the WebSocket.
    MessageType("type") {
        ActiveSpeaker = "active_speaker",
        Answer = "answer",
        Bye = "bye",
        CodecPlan = "codec_plan",
        Decisions = "decisions",
        EncoderLimit = "encoder_limit",
        Ended = "ended",
        Error = "error",
        Hello = "hello",
        Join = "join",
        Joined = "joined",
        Leave = "leave",
        Malformed = "malformed",
        MediaFailed = "media_failed",
        Mute = "mute",
        NetworkClass = "network_class",
        AttestedReport = "attested_report",
        NetworkReport = "network_report",
        Offer = "offer",
        Ok = "ok",
        ParticipantChanged = "participant_changed",
        ParticipantJoined = "participant_joined",
        ParticipantLeft = "participant_left",
        Ping = "ping",
        Pong = "pong",
        Quality = "quality",
        Subscribe = "subscribe",
        TrackMuted = "track_muted",
        TrackPublished = "track_published",
        TrackUnpublished = "track_unpublished",
        UplinkPlan = "uplink_plan",
        Viewers = "viewers",
        VoicePlan = "voice_plan",
        WatchDecisions = "watch_decisions",
        Welcome = "welcome",
        Other = "other",
    }
}

impl Label for MediaKind {
    const NAME: &'static str = "kind";
    const VALUES: &'static [Self] = &[Self::Audio, Self::Video];

    fn word(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

impl Label for HdMode {
    const NAME: &'static str = "mode";
    const VALUES: &'static [Self] = &[Self::Equivalent, Self::Strict];

    fn word(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Strict => "strict",
        }
    }
}

impl Label for EndReason {
    const NAME: &'static str = "reason";
    const VALUES: &'static [Self] =
        &[Self::Left, Self::ConsultClosed, Self::Replaced, Self::TimedOut, Self::TooSlow, Self::Shutdown];

    fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::ConsultClosed => "consult_closed",
            Self::Replaced => "replaced",
            Self::TimedOut => "timed_out",
            Self::TooSlow => "too_slow",
            Self::Shutdown => "shutdown",
        }
    }
}

impl From<JoinStage> for Stage {
    fn from(stage: JoinStage) -> Self {
        match stage {
            JoinStage::Ice => Self::Ice,
            JoinStage::Dtls => Self::Dtls,
            JoinStage::FirstMedia => Self::FirstMedia,
        }
    }
}

impl From<NetworkClass> for OldClass {
    fn from(class: NetworkClass) -> Self {
        match class {
            NetworkClass::Wired => Self::Wired,
            NetworkClass::Wifi => Self::Wifi,
            NetworkClass::FiveG => Self::FiveG,
            NetworkClass::FourG => Self::FourG,
            NetworkClass::ThreeG => Self::ThreeG,
            NetworkClass::TwoG => Self::TwoG,
            NetworkClass::Cell => Self::Cell,
            NetworkClass::Unknown => Self::Unknown,
        }
    }
}

impl From<ReportRefused> for ReportRefusal {
    fn from(refused: ReportRefused) -> Self {
        match refused {
            ReportRefused::Stale => Self::Stale,
            ReportRefused::TooOften => Self::TooOften,
            ReportRefused::ForeignNonce => Self::ForeignNonce,
            ReportRefused::Late => Self::Late,
        }
    }
}

impl From<AttestationRefused> for ReportRefusal {
    fn from(refused: AttestationRefused) -> Self {
        match refused {
            AttestationRefused::UnknownApp => Self::UnknownApp,
            AttestationRefused::Signature => Self::Signature,
            AttestationRefused::TooOften => Self::TooOften,
        }
    }
}

impl RoomSize {
    /// The size of a room with so many participants.
    pub(crate) fn of(participants: usize) -> Self {
        match participants {
            0 | 1 => Self::One,
            2 => Self::Two,
            3..=4 => Self::Few,
            5..=8 => Self::Several,
            9.. => Self::Many,
        }
    }
}

impl StatusClass {
    /// The class of a status code.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

/// The value of that word, or the one that stands for all others.
fn by_word<L: Label>(word: &str, other: L) -> L {
    L::VALUES.iter().copied().find(|value| value.word() == word).unwrap_or(other)
}

impl MessageType {
    /// The type of that word.
    pub(crate) fn of(word: &str) -> Self {
        by_word(word, Self::Other)
    }
}

impl Method {
    /// The method of that word.
    pub(crate) fn of(word: &str) -> Self {
        by_word(word, Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_change_has_the_same_words_on_both_sides() {
        for class in NetworkClass::ALL {
            assert_eq!(OldClass::from(class).word(), class.word());
        }
    }

    #[test]
    fn combinations_are_complete_and_differ() {
        let all = <(Direction, MediaKind, NetworkClass)>::combinations();
        let words: HashSet<_> = all.iter().map(|labels| labels.words()).collect();
        assert_eq!((all.len(), words.len()), (32, 32));
    }
}
