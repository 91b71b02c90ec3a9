//! Those who only watch. However many they are, a room is told of the first few one by one, and of the others how
//! many there are, at most once a second.

use std::time::Instant;

use protocol::id::{RoomId, SessionId};
use protocol::server_message::{ErrorCode, Event};

use super::{Deadline, Registry};
use crate::limits::VIEWERS_INTERVAL;
use crate::message_type::error_text;
use crate::session::ConnectionId;

impl Registry {
    /// Whether a session may enter its room. People and viewers take no places from each other.
    pub(super) fn has_place(&self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let Some(room) = self.rooms.get(&session.room()) else {
            return !session.admission.is_viewer() || self.places.viewers > 0;
        };
        if session.admission.is_viewer() {
            room.viewers.len() < self.places.viewers
        } else {
            room.people.len() < self.places.people
        }
    }

    /// Says which places are taken.
    pub(super) fn refuse_place(&mut self, connection: ConnectionId, request: u32, id: SessionId) {
        let is_viewer = self.sessions.get(&id).is_some_and(|session| session.admission.is_viewer());
        let code = ErrorCode::RoomFull;
        let why = if is_viewer { "as many watch as may" } else { error_text(code) };
        self.refuse_because(connection, request, code, why);
    }

    /// Sees to it that the room hears how many watch, where that has changed.
    pub(super) fn count_viewers(&mut self, now: Instant, id: RoomId) {
        if self.rooms.get_mut(&id).is_some_and(|room| room.viewers.becomes_due()) {
            self.deadlines.insert((now + VIEWERS_INTERVAL, Deadline::Viewers(id)));
        }
    }

    /// Tells the people in a room how many watch besides those whom they know of.
    pub(super) fn tell_viewers(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(unlisted) = room.viewers.take_news() else { return };
        let people: Vec<_> = room.people.iter().map(|(_, session)| *session).collect();
        for session in people {
            self.tell(session, Event::Viewers { unlisted });
        }
    }
}
