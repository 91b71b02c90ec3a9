//! Who wants to know what was decided for a room. The media plane is asked only while somebody does, with
//! one inquiry per room at a time, whoever waits for it; its answer serves all of them.

use std::time::Instant;

use protocol::decision::RoomDecisions;
use protocol::id::{ConsultId, RoomId, SessionId};
use protocol::media_message::MediaAction;
use protocol::server_message::{ErrorCode, Event, Participant, Response};
use protocol::track::Role;

use super::requests::Reply;
use super::{Deadline, Output, Registry};
use crate::limits::{DECISIONS_TIMEOUT, MAX_WAITING_QUERIES, WATCH_INTERVAL};
use crate::room::Room;

/// One question of the API; drawn by the shell, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueryId(pub(crate) u64);

/// What was decided for a room, and whom it lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Explanation {
    pub(crate) participants: Vec<Participant>,
    pub(crate) decisions: RoomDecisions,
}

/// Why there is no explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unexplained {
    /// The media plane does not answer.
    MediaSilent,
    /// Too many ask at once.
    TooMany,
}

/// A question that the media plane has not answered yet.
#[derive(Debug)]
pub(super) struct Inquiry {
    asked_at: Instant,
    waiting: Vec<QueryId>,
    /// Whether the watching clinicians are due.
    for_watchers: bool,
}

impl Registry {
    /// The API asks what was decided for a consult; answered by [`Output::Explained`] in any case.
    pub(crate) fn handle_query(&mut self, now: Instant, query: QueryId, consult: ConsultId) {
        let room = consult.into();
        if !self.rooms.contains_key(&room) {
            return self.explain(query, Ok(Explanation::default()));
        }
        let waiting = &mut self.inquire(now, room).waiting;
        if waiting.len() < MAX_WAITING_QUERIES {
            waiting.push(query);
        } else {
            self.explain(query, Err(Unexplained::TooMany));
        }
    }

    /// A clinician opens or closes its view of the decisions.
    pub(super) fn watch_decisions(
        &mut self,
        now: Instant,
        id: SessionId,
        watch: bool,
    ) -> Result<Reply, ErrorCode> {
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::Internal)?;
        if session.admission.role != Role::Clinician {
            return Err(ErrorCode::Forbidden);
        }
        if !session.is_in_room() {
            return Err(ErrorCode::NotJoined);
        }
        session.watches_decisions = watch;
        let room = session.room();
        self.keep_watching(now, room);
        Ok(Reply::Now(Response::Ok))
    }

    /// Asks now and every second from here on, where somebody watches and nobody has asked.
    pub(super) fn keep_watching(&mut self, now: Instant, room: RoomId) {
        if self.watched_rooms.contains(&room) || self.watchers(room).is_empty() {
            return;
        }
        self.watched_rooms.insert(room);
        self.deadlines.insert((now + WATCH_INTERVAL, Deadline::Watch(room)));
        self.inquire(now, room).for_watchers = true;
    }

    pub(super) fn expire_watch(&mut self, now: Instant, room: RoomId) {
        self.watched_rooms.remove(&room);
        self.keep_watching(now, room);
    }

    pub(super) fn expire_inquiry(&mut self, room: RoomId) {
        let Some(inquiry) = self.inquiries.remove(&room) else { return };
        for query in inquiry.waiting {
            self.explain(query, Err(Unexplained::MediaSilent));
        }
    }

    /// The media plane has answered.
    pub(super) fn set_decisions(&mut self, room: RoomId, decisions: RoomDecisions) {
        let Some(inquiry) = self.inquiries.remove(&room) else { return };
        self.deadlines.remove(&(inquiry.asked_at + DECISIONS_TIMEOUT, Deadline::Inquiry(room)));
        if inquiry.for_watchers {
            for session in self.watchers(room) {
                let Some(participant) = self.sessions.get(&session).map(|one| one.participant()) else {
                    continue;
                };
                self.tell(session, Event::Decisions(decisions.of(participant)));
            }
        }
        if inquiry.waiting.is_empty() {
            return;
        }
        let listed = self.rooms.get(&room).into_iter().flat_map(Room::listed);
        let seen = listed.filter_map(|session| self.sessions.get(&session)?.as_seen());
        let explanation = Explanation { participants: seen.collect(), decisions };
        for query in inquiry.waiting {
            self.explain(query, Ok(explanation.clone()));
        }
    }

    /// The inquiry that is under way, or a new one.
    fn inquire(&mut self, now: Instant, room: RoomId) -> &mut Inquiry {
        if !self.inquiries.contains_key(&room) {
            self.deadlines.insert((now + DECISIONS_TIMEOUT, Deadline::Inquiry(room)));
            // A command is about one participant, and whichever is there will do.
            let anybody = self.rooms.get(&room).and_then(Room::anybody);
            if let Some(participant) = anybody {
                self.command(room, participant, MediaAction::Explain);
            }
        }
        self.inquiries.entry(room).or_insert(Inquiry {
            asked_at: now,
            waiting: Vec::new(),
            for_watchers: false,
        })
    }

    /// The sessions of a room that watch and can be told.
    fn watchers(&self, room: RoomId) -> Vec<SessionId> {
        let Some(room) = self.rooms.get(&room) else { return Vec::new() };
        let watches = |id: &SessionId| {
            self.sessions
                .get(id)
                .is_some_and(|session| session.watches_decisions && session.connection().is_some())
        };
        room.people.iter().map(|(_, session)| *session).filter(watches).collect()
    }

    fn explain(&mut self, query: QueryId, outcome: Result<Explanation, Unexplained>) {
        self.outputs.push_back(Output::Explained { query, outcome });
    }
}
