//! Every live session and room. Messages, media events and time go in; answers, events, media commands,
//! records and samples come out. It does no IO, reads no clock, and draws chance from an argument.

mod decisions;
mod media_reports;
mod requests;
#[cfg(test)]
mod stories;
mod telling;
mod viewing;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Instant;

use protocol::PROTOCOL_VERSION;
use protocol::client_message::Resume;
use protocol::ice_server::IceServer;
use protocol::id::{ConsultId, ParticipantId, RoomId, SessionId};
use protocol::media_message::{MediaAction, MediaCommand, NegotiationId};
use protocol::quality::HdMode;
use protocol::server_message::{EndReason, ErrorCode, Event, Response, ServerMessage, Welcome};
use protocol::track::{Role, Track};
use protocol::video_codec::CodecPreference;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::close_reason::CloseReason;
use crate::constant_time;
use crate::consult::{Admission, ClientKind};
use crate::limits::{ENDED_MEMORY, HELLO_TIMEOUT, MAX_ENDED_MEMORY, MAX_SESSIONS, RESUME_WINDOW};
use crate::room::Room;
use crate::sample::{AuthFailure, Limit, Sample};
use crate::session::{ConnectionId, Link, Session};
use crate::start::Census;

pub(crate) use self::decisions::{Explanation, QueryId, Unexplained};

use self::decisions::Inquiry;

/// What the control plane wants done or known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// To one client.
    Send { connection: ConnectionId, message: ServerMessage },
    /// To the media plane.
    Media(MediaCommand),
    /// Close a connection, after what was sent to it.
    Close { connection: ConnectionId, reason: CloseReason },
    /// To whoever asked over the API.
    Explained { query: QueryId, outcome: Result<Explanation, Unexplained> },
    /// To the store.
    Record(SessionStep),
    /// To the observer.
    Count(Sample),
}

/// A step of a session that the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionStep {
    /// Under the invitation that let it in: a player has none of its own.
    Started {
        session: SessionId,
        consult: ConsultId,
        invitation: ParticipantId,
    },
    Joined {
        session: SessionId,
    },
    Ended {
        session: SessionId,
        reason: EndReason,
    },
}

/// Something that happens unless something else does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Hello(ConnectionId),
    Resume(SessionId),
    Negotiation(NegotiationId),
    Inquiry(RoomId),
    Watch(RoomId),
    Viewers(RoomId),
}

/// How many have a place in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Of those who are invited.
    pub(crate) people: usize,
    /// Of those who watch by an invitation of somebody else.
    pub(crate) viewers: usize,
}

/// How an admitted client begins, or goes on.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    /// To be answered.
    pub(crate) request: u32,
    pub(crate) admission: Admission,
    pub(crate) resume: Option<Resume>,
    /// What it is told of STUN and TURN servers.
    pub(crate) ice_servers: Vec<IceServer>,
}

/// An offer that the media plane has not answered yet.
#[derive(Debug, Clone, Copy)]
struct Negotiation {
    session: SessionId,
    connection: ConnectionId,
    request: u32,
    asked_at: Instant,
}

/// A consult that ended a short while ago.
struct EndedConsult {
    consult: ConsultId,
    at: Instant,
}

/// Every live session and room.
pub(crate) struct Registry {
    hd_mode: HdMode,
    video_codecs: CodecPreference,
    places: Places,
    rng: StdRng,
    sessions: HashMap<SessionId, Session>,
    /// `None` until the connection has said hello.
    session_by_connection: HashMap<ConnectionId, Option<SessionId>>,
    session_by_participant: HashMap<ParticipantId, SessionId>,
    rooms: HashMap<RoomId, Room>,
    negotiations: HashMap<NegotiationId, Negotiation>,
    last_negotiation: u64,
    inquiries: HashMap<RoomId, Inquiry>,
    /// Rooms whose decisions are asked for every second.
    watched_rooms: HashSet<RoomId>,
    ended: VecDeque<EndedConsult>,
    deadlines: BTreeSet<(Instant, Deadline)>,
    outputs: VecDeque<Output>,
}

impl Registry {
    /// Makes an empty registry. `rng` draws session ids and secrets.
    pub(crate) fn new(hd_mode: HdMode, video_codecs: CodecPreference, places: Places, rng: StdRng) -> Self {
        Self {
            hd_mode,
            video_codecs,
            places,
            rng,
            sessions: HashMap::new(),
            session_by_connection: HashMap::new(),
            session_by_participant: HashMap::new(),
            rooms: HashMap::new(),
            negotiations: HashMap::new(),
            last_negotiation: 0,
            inquiries: HashMap::new(),
            watched_rooms: HashSet::new(),
            ended: VecDeque::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// A connection is there; it has [`HELLO_TIMEOUT`] to say hello.
    pub(crate) fn handle_connect(&mut self, now: Instant, connection: ConnectionId) {
        self.session_by_connection.insert(connection, None);
        self.deadlines.insert((now + HELLO_TIMEOUT, Deadline::Hello(connection)));
    }

    /// An admitted participant said hello: a session goes on, or a new one begins.
    pub(crate) fn handle_hello(&mut self, now: Instant, connection: ConnectionId, greeting: Greeting) {
        let request = greeting.request;
        match self.session_by_connection.get(&connection) {
            None => return,
            Some(Some(_)) => {
                self.refuse(connection, request, ErrorCode::MalformedMessage);
                return;
            }
            Some(None) => {}
        }
        if self.ended.iter().any(|ended| ended.consult == greeting.admission.consult) {
            self.count(Sample::AuthFailure(AuthFailure::ConsultClosed));
            self.refuse(connection, request, ErrorCode::ConsultClosed);
            self.close(connection, CloseReason::ConsultEnded);
            return;
        }
        match &greeting.resume {
            Some(resume) => self.resume_session(now, connection, &greeting, resume),
            None => self.begin_session(now, connection, greeting),
        }
    }

    /// A connection is gone; the session of a page waits for [`RESUME_WINDOW`].
    pub(crate) fn handle_disconnect(&mut self, now: Instant, connection: ConnectionId) {
        let Some(Some(id)) = self.session_by_connection.remove(&connection) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.connection() != Some(connection) {
            return;
        }
        if session.admission.client == ClientKind::Resource {
            return self.end_session(now, id, EndReason::TooSlow);
        }
        session.link = Link::Dropped { since: now };
        self.deadlines.insert((now + RESUME_WINDOW, Deadline::Resume(id)));
        self.tell_others_of(id);
    }

    /// A consult was closed: its sessions end, and later ones are refused.
    pub(crate) fn handle_consult_end(&mut self, now: Instant, consult: ConsultId) {
        self.ended.push_back(EndedConsult { consult, at: now });
        if self.ended.len() > MAX_ENDED_MEMORY {
            self.ended.pop_front();
        }
        self.end_where(now, EndReason::ConsultClosed, |session| session.admission.consult == consult);
    }

    /// The gateway stops: every session ends.
    pub(crate) fn handle_shutdown(&mut self, now: Instant) {
        self.end_where(now, EndReason::Shutdown, |_| true);
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while self.ended.front().is_some_and(|ended| now >= ended.at + ENDED_MEMORY) {
            self.ended.pop_front();
        }
        while let Some(&(at, deadline)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            match deadline {
                Deadline::Hello(connection) => self.expire_hello(connection),
                Deadline::Resume(session) => self.expire_session(now, session),
                Deadline::Negotiation(negotiation) => self.expire_negotiation(now, negotiation),
                Deadline::Inquiry(room) => self.expire_inquiry(room),
                Deadline::Watch(room) => self.expire_watch(now, room),
                Deadline::Viewers(room) => self.tell_viewers(room),
            }
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next thing to do or know; call until `None`.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What is there at this moment.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census { rooms: self.rooms.len(), ..Census::default() };
        for session in self.sessions.values() {
            match session.link {
                Link::Connected(_) => census.connected_sessions += 1,
                Link::Dropped { .. } => census.dropped_sessions += 1,
            }
            if session.is_in_room()
                && let Some(index) = Role::ALL.iter().position(|role| *role == session.admission.role)
                && let Some(participants) = census.participants_by_role.get_mut(index)
            {
                *participants += 1;
            }
        }
        census
    }

    fn begin_session(&mut self, now: Instant, connection: ConnectionId, greeting: Greeting) {
        let Greeting { request, admission, ice_servers, .. } = greeting;
        if let Some(older) = self.session_by_participant.get(&admission.participant).copied() {
            self.end_session(now, older, EndReason::Replaced);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            self.count(Sample::LimitHit(Limit::Sessions));
            self.refuse(connection, request, ErrorCode::Internal);
            self.close(connection, CloseReason::Overloaded);
            return;
        }
        let id = SessionId::from_bits(self.rng.random());
        let secret = SessionId::from_bits(self.rng.random()).to_string();
        let (consult, participant, invitation) =
            (admission.consult, admission.participant, admission.invitation);
        self.sessions.insert(id, Session::new(id, admission, secret.into(), connection));
        self.session_by_connection.insert(connection, Some(id));
        self.session_by_participant.insert(participant, id);
        self.outputs.push_back(Output::Record(SessionStep::Started { session: id, consult, invitation }));
        self.welcome(connection, request, id, (Continuity::Begun, ice_servers));
    }

    /// Takes up a session where its client shows the secret and has missed nothing that was dropped.
    fn resume_session(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        greeting: &Greeting,
        resume: &Resume,
    ) {
        let Greeting { request, admission, ice_servers, .. } = greeting;
        let request = *request;
        let Some(id) = self.session_by_participant.get(&admission.participant).copied() else {
            self.lose_session(connection, request);
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !constant_time::equal(session.secret.reveal(), &resume.secret) {
            self.count(Sample::AuthFailure(AuthFailure::ResumeSecret));
            self.lose_session(connection, request);
            return;
        }
        let Ok(missed) = session.missed(resume.last_sequence) else {
            self.lose_session(connection, request);
            return;
        };
        let older = std::mem::replace(&mut session.link, Link::Connected(connection));
        self.session_by_connection.insert(connection, Some(id));
        self.count(Sample::Resume { resumed: true });
        match older {
            Link::Dropped { since } => {
                self.deadlines.remove(&(since + RESUME_WINDOW, Deadline::Resume(id)));
                self.count(Sample::ResumedAfter(now.saturating_duration_since(since)));
            }
            Link::Connected(older) => {
                self.close(older, CloseReason::Replaced);
            }
        }
        self.welcome(connection, request, id, (Continuity::Resumed, ice_servers.clone()));
        for event in missed {
            self.send(connection, ServerMessage::Event(event));
        }
        if let Link::Dropped { .. } = older {
            self.tell_others_of(id);
        }
        self.keep_watching(now, admission.consult.into());
    }

    /// The connection stays and may say hello anew.
    fn lose_session(&mut self, connection: ConnectionId, request: u32) {
        self.count(Sample::Resume { resumed: false });
        self.refuse(connection, request, ErrorCode::SessionLost);
    }

    fn welcome(
        &mut self,
        connection: ConnectionId,
        request: u32,
        id: SessionId,
        (continuity, ice_servers): (Continuity, Vec<IceServer>),
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        let welcome = Welcome {
            version: PROTOCOL_VERSION,
            session: id,
            resume_secret: session.secret.reveal().clone(),
            resumed: match continuity {
                Continuity::Begun => false,
                Continuity::Resumed => true,
            },
            consult: session.admission.consult,
            subject: session.admission.subject.reveal().clone(),
            participant: session.participant(),
            role: session.admission.role,
            hd_mode: self.hd_mode,
            video_codecs: self.video_codecs.order().collect(),
            ice_servers,
        };
        self.respond(connection, request, Response::Welcome(welcome));
    }

    /// The tracks that a consult has at this moment.
    pub(crate) fn tracks(&self, consult: ConsultId) -> Vec<Track> {
        self.rooms.get(&consult.into()).map(|room| room.tracks.clone()).unwrap_or_default()
    }

    fn expire_hello(&mut self, connection: ConnectionId) {
        if self.session_by_connection.get(&connection) == Some(&None) {
            self.count(Sample::LimitHit(Limit::HelloTime));
            self.close(connection, CloseReason::TooSlow);
        }
    }

    fn expire_session(&mut self, now: Instant, id: SessionId) {
        if let Some(Session { link: Link::Dropped { since }, .. }) = self.sessions.get(&id)
            && now >= *since + RESUME_WINDOW
        {
            self.end_session(now, id, EndReason::TimedOut);
        }
    }

    fn end_where(&mut self, now: Instant, reason: EndReason, ends: impl Fn(&Session) -> bool) {
        let ending: HashSet<_> =
            self.sessions.values().filter(|session| ends(session)).map(|session| session.id).collect();
        // First out of the rooms, so that nobody hears of others who end with them.
        for room in self.rooms.values_mut() {
            room.people.retain(|(_, member)| !ending.contains(member));
            // A consult ends for all of them.
            if room.viewers.sessions().next().is_some_and(|viewer| ending.contains(&viewer)) {
                room.viewers.clear();
            }
        }
        for id in ending {
            self.end_session(now, id, reason);
        }
    }

    /// Ends a session: its client, the others, the media plane and the store learn of it.
    fn end_session(&mut self, now: Instant, id: SessionId, reason: EndReason) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        if self.session_by_participant.get(&session.participant()) == Some(&id) {
            self.session_by_participant.remove(&session.participant());
        }
        if let Link::Dropped { since } = session.link {
            self.deadlines.remove(&(since + RESUME_WINDOW, Deadline::Resume(id)));
        }
        if let Some(connection) = session.connection() {
            if reason != EndReason::Left
                && let Some(ended) = session.envelope(Event::Ended { reason })
            {
                self.send(connection, ServerMessage::Event(ended));
            }
            self.close(connection, reason.into());
        }
        if session.is_in_room() {
            self.leave_room(now, &session);
        }
        self.outputs.push_back(Output::Record(SessionStep::Ended { session: id, reason }));
        self.count(Sample::SessionEnded(reason));
    }

    fn leave_room(&mut self, now: Instant, session: &Session) {
        let (id, participant) = (session.room(), session.participant());
        self.command(id, participant, MediaAction::Leave);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let was_listed = room.lists(participant);
        let tracks = room.remove_member(participant);
        if room.is_empty() {
            self.rooms.remove(&id);
            return;
        }
        for track in tracks {
            self.tell_room(id, participant, &Event::TrackUnpublished { track });
        }
        if was_listed {
            self.tell_room(id, participant, &Event::ParticipantLeft { participant });
        }
        self.count_viewers(now, id);
    }

    fn command(&mut self, room: RoomId, participant: ParticipantId, action: MediaAction) {
        self.outputs.push_back(Output::Media(MediaCommand { room, participant, action }));
    }

    fn count(&mut self, sample: Sample) {
        self.outputs.push_back(Output::Count(sample));
    }
}

/// Whether a welcome is the first of its session.
#[derive(Clone, Copy)]
enum Continuity {
    Begun,
    Resumed,
}
