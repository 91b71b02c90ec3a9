//! The `type` words of messages, as labels of metrics, and what an error code says to people.

use protocol::client_message::ClientMessage;
use protocol::server_message::{ErrorCode, Event, Response, ServerMessage};

/// The `type` of a request.
pub(crate) const fn client_message_type(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Hello(_) => "hello",
        ClientMessage::Join { .. } => "join",
        ClientMessage::Offer(_) => "offer",
        ClientMessage::Subscribe(_) => "subscribe",
        ClientMessage::Mute { .. } => "mute",
        ClientMessage::NetworkReport(_) => "network_report",
        ClientMessage::AttestedReport(_) => "attested_report",
        ClientMessage::EncoderLimit { .. } => "encoder_limit",
        ClientMessage::WatchDecisions { .. } => "watch_decisions",
        ClientMessage::Ping => "ping",
        ClientMessage::Leave => "leave",
    }
}

/// The `type` of a response or event.
pub(crate) const fn server_message_type(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Response(envelope) => match &envelope.response {
            Response::Welcome(_) => "welcome",
            Response::Joined(_) => "joined",
            Response::Answer(_) => "answer",
            Response::Ok => "ok",
            Response::Pong => "pong",
            Response::Bye => "bye",
            Response::Error { .. } => "error",
        },
        ServerMessage::Event(envelope) => match &envelope.event {
            Event::ParticipantJoined(_) => "participant_joined",
            Event::ParticipantChanged(_) => "participant_changed",
            Event::ParticipantLeft { .. } => "participant_left",
            Event::Viewers { .. } => "viewers",
            Event::TrackPublished(_) => "track_published",
            Event::TrackMuted(_) => "track_muted",
            Event::TrackUnpublished { .. } => "track_unpublished",
            Event::UplinkPlan(_) => "uplink_plan",
            Event::VoicePlan(_) => "voice_plan",
            Event::CodecPlan(_) => "codec_plan",
            Event::Quality { .. } => "quality",
            Event::Decisions(_) => "decisions",
            Event::ActiveSpeaker { .. } => "active_speaker",
            Event::NetworkClass { .. } => "network_class",
            Event::MediaFailed => "media_failed",
            Event::Ended { .. } => "ended",
        },
    }
}

/// What an error code says to people.
pub(crate) const fn error_text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::MalformedMessage => "the message is not a request of this protocol at this point",
        ErrorCode::UnsupportedVersion => "this protocol version is not spoken",
        ErrorCode::HelloExpected => "the first message must be hello",
        ErrorCode::TokenInvalid => "the token is not one of this gateway's",
        ErrorCode::TokenExpired => "the token has expired",
        ErrorCode::ConsultClosed => "the consult does not exist or has ended",
        ErrorCode::SessionLost => "the session is not there any more; say hello without `resume`",
        ErrorCode::NotJoined => "join first",
        ErrorCode::NameInvalid => "a name has 1 to 64 printable characters",
        ErrorCode::OfferRejected => "the session description was refused",
        ErrorCode::UnknownTrack => "no such track",
        ErrorCode::Forbidden => "the role does not allow it",
        ErrorCode::RoomFull => "the consult has no place left",
        ErrorCode::RateLimited => "too many requests in too short a time",
        ErrorCode::MediaUnavailable => "the media plane did not answer in time",
        ErrorCode::Internal => "the gateway failed",
    }
}

#[cfg(test)]
mod tests {
    use protocol::server_message::{EventEnvelope, ResponseEnvelope};

    use super::*;

    #[test]
    fn labels_are_the_words_on_the_wire() {
        let messages = [
            ServerMessage::Response(ResponseEnvelope { id: 1, response: Response::Ok }),
            ServerMessage::Response(ResponseEnvelope {
                id: 1,
                response: Response::Error { code: ErrorCode::Internal, message: String::new() },
            }),
            ServerMessage::Event(EventEnvelope { sequence: 1, event: Event::MediaFailed }),
            ServerMessage::Event(EventEnvelope { sequence: 1, event: Event::Quality { pairs: Vec::new() } }),
        ];
        for message in messages {
            let json = serde_json::to_value(&message).expect("messages are JSON");
            assert_eq!(json["type"], server_message_type(&message));
        }
        let request = serde_json::to_value(ClientMessage::Ping).expect("messages are JSON");
        assert_eq!(request["type"], client_message_type(&ClientMessage::Ping));
    }
}
