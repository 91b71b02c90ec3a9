//! What clients are told, and which of them.

use protocol::id::{ParticipantId, RoomId, SessionId};
use protocol::server_message::{ErrorCode, Event, Response, ResponseEnvelope, ServerMessage};

use super::{Output, Registry};
use crate::close_reason::CloseReason;
use crate::message_type::error_text;
use crate::sample::Sample;
use crate::session::ConnectionId;

impl Registry {
    /// Tells the room how a participant looks from here on.
    pub(super) fn tell_others_of(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (room, participant) = (session.room(), session.participant());
        if self.rooms.get(&room).is_some_and(|room| room.lists(participant))
            && let Some(seen) = session.as_seen()
        {
            self.tell_room(room, participant, &Event::ParticipantChanged(seen));
        }
    }

    /// Tells the people in a room, but one. Of all that happens, only the end of what they play concerns viewers.
    pub(super) fn tell_room(&mut self, room: RoomId, except: ParticipantId, event: &Event) {
        let Some(room) = self.rooms.get(&room) else { return };
        let people = room.people.iter().filter(|(member, _)| *member != except).map(|(_, session)| *session);
        let mut listeners: Vec<_> = people.collect();
        if let Event::TrackUnpublished { .. } = event {
            listeners.extend(room.viewers.sessions());
        }
        for session in listeners {
            self.tell(session, event.clone());
        }
    }

    /// Sends an event where the client has a use for it and is there.
    pub(super) fn tell(&mut self, id: SessionId, event: Event) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(envelope) = session.envelope(event) else { return };
        if let Some(connection) = session.connection() {
            self.send(connection, ServerMessage::Event(envelope));
        }
    }

    pub(super) fn respond(&mut self, connection: ConnectionId, request: u32, response: Response) {
        self.send(connection, ServerMessage::Response(ResponseEnvelope { id: request, response }));
    }

    pub(super) fn refuse(&mut self, connection: ConnectionId, request: u32, code: ErrorCode) {
        self.refuse_because(connection, request, code, error_text(code));
    }

    pub(super) fn refuse_because(
        &mut self,
        connection: ConnectionId,
        request: u32,
        code: ErrorCode,
        why: &str,
    ) {
        self.count(Sample::Error(code));
        self.respond(connection, request, Response::Error { code, message: why.to_owned() });
    }

    pub(super) fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { connection, message });
    }

    /// Closes a connection; what it says from here on is void.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        self.session_by_connection.remove(&connection);
        self.outputs.push_back(Output::Close { connection, reason });
    }
}
