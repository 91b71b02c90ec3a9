//! What a welcomed client may ask for: the right comes from its session alone, never from the message.

use std::time::Instant;

use protocol::attestation::AttestedClaim;
use protocol::client_message::{ClientEnvelope, ClientMessage};
use protocol::id::{SessionId, TrackId};
use protocol::media_message::{MediaAction, NegotiationId, Offer, SubscriptionWish};
use protocol::network_class::NetworkReport;
use protocol::server_message::{EndReason, ErrorCode, Event, Response, RoomSnapshot};
use protocol::track::Role;

use super::{Deadline, Negotiation, Output, Registry, SessionStep};
use crate::close_reason::CloseReason;
use crate::consult::ClientKind;
use crate::display_name::display_name;
use crate::limits::{
    MAX_OFFERED_SUBSCRIPTIONS, MAX_OFFERED_TRACKS, MAX_OPEN_NEGOTIATIONS, NEGOTIATION_TIMEOUT,
};
use crate::sample::{JoinOutcome, NegotiationOutcome, Sample};
use crate::session::{ConnectionId, MediaState, Place, Session};

/// What becomes of a request: an answer now, or one of the media plane later.
pub(super) enum Reply {
    Now(Response),
    Later,
}

impl Registry {
    /// A client asks for something.
    pub(crate) fn handle_message(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        envelope: ClientEnvelope,
    ) {
        let request = envelope.id;
        let session = match self.session_by_connection.get(&connection) {
            // Closed already: what was on its way is void.
            None => return,
            Some(None) => {
                self.refuse(connection, request, ErrorCode::HelloExpected);
                self.close(connection, CloseReason::Unspoken);
                return;
            }
            Some(Some(session)) => *session,
        };
        match self.answer(now, connection, session, envelope) {
            Ok(Reply::Now(response)) => self.respond(connection, request, response),
            Ok(Reply::Later) => {}
            Err(ErrorCode::RoomFull) => self.refuse_place(connection, request, session),
            Err(code) => self.refuse(connection, request, code),
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        session: SessionId,
        envelope: ClientEnvelope,
    ) -> Result<Reply, ErrorCode> {
        match envelope.message {
            // Both are taken out on their way here.
            ClientMessage::Hello(_) | ClientMessage::AttestedReport(_) => Err(ErrorCode::MalformedMessage),
            ClientMessage::Join { name } => self.join(now, session, &name),
            ClientMessage::Offer(offer) => self.negotiate(now, connection, session, envelope.id, offer),
            ClientMessage::Subscribe(wish) => self.subscribe(session, wish),
            ClientMessage::Mute { track, muted } => {
                self.act_on_own_track(session, track, MediaAction::Mute { track, muted })
            }
            ClientMessage::NetworkReport(report) => self.report_network(session, report),
            ClientMessage::EncoderLimit { track, limit } => {
                self.act_on_own_track(session, track, MediaAction::EncoderLimit { track, limit })
            }
            ClientMessage::WatchDecisions { watch } => self.watch_decisions(now, session, watch),
            ClientMessage::Ping => Ok(Reply::Now(Response::Pong)),
            ClientMessage::Leave => {
                self.respond(connection, envelope.id, Response::Bye);
                self.end_session(now, session, EndReason::Left);
                Ok(Reply::Later)
            }
        }
    }

    /// Enters the room. In the room already, it changes the name and tells anew who is there.
    fn join(&mut self, now: Instant, id: SessionId, name: &str) -> Result<Reply, ErrorCode> {
        let Some(name) = display_name(name) else {
            self.count(Sample::Join(JoinOutcome::NameInvalid));
            return Err(ErrorCode::NameInvalid);
        };
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::Internal)?;
        let (room_id, participant) = (session.room(), session.participant());
        if let Place::Room { name: known, .. } = &mut session.place {
            if *known.reveal() != name {
                *known = name.into();
                self.tell_others_of(id);
            }
            return Ok(Reply::Now(Response::Joined(self.snapshot_for(id))));
        }
        if !self.has_place(id) {
            self.count(Sample::Join(JoinOutcome::RoomFull));
            return Err(ErrorCode::RoomFull);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Err(ErrorCode::Internal) };
        let room = self.rooms.entry(room_id).or_default();
        if session.admission.is_viewer() {
            room.viewers.insert(participant, id);
        } else {
            room.people.push((participant, id));
        }
        let is_listed = room.lists(participant);
        session.place = Place::Room { name: name.into(), since: now, media: MediaState::Awaited };
        let steerable = session.admission.client == ClientKind::Page;
        let (role, reports, seen) = (session.admission.role, session.take_reports(), session.as_seen());
        self.command(room_id, participant, MediaAction::Join { role, steerable });
        for report in reports {
            self.command(room_id, participant, MediaAction::Report(report));
        }
        if let Some(seen) = seen.filter(|_| is_listed) {
            self.tell_room(room_id, participant, &Event::ParticipantJoined(seen));
        }
        self.count_viewers(now, room_id);
        self.outputs.push_back(Output::Record(SessionStep::Joined { session: id }));
        self.count(Sample::Join(JoinOutcome::Ok));
        Ok(Reply::Now(Response::Joined(self.snapshot_for(id))))
    }

    /// The others in the room, and their tracks; nothing for a client that shows them to nobody.
    fn snapshot_for(&self, id: SessionId) -> RoomSnapshot {
        let shows = |session: &&Session| session.admission.client == ClientKind::Page;
        let Some(session) = self.sessions.get(&id).filter(shows) else { return RoomSnapshot::default() };
        let Some(room) = self.rooms.get(&session.room()) else { return RoomSnapshot::default() };
        let me = session.participant();
        RoomSnapshot {
            participants: room
                .listed()
                .filter(|other| *other != id)
                .filter_map(|other| self.sessions.get(&other)?.as_seen())
                .collect(),
            unlisted_viewers: room.viewers.told(),
            tracks: room.tracks.iter().filter(|track| track.publisher != me).copied().collect(),
            video_codecs: room.video_codecs.clone().unwrap_or_else(|| self.video_codecs.order().collect()),
        }
    }

    fn negotiate(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        id: SessionId,
        request: u32,
        offer: Offer,
    ) -> Result<Reply, ErrorCode> {
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::Internal)?;
        if !session.is_in_room() {
            return Err(ErrorCode::NotJoined);
        }
        if session.admission.role == Role::Observer && !offer.tracks.is_empty() {
            return Err(ErrorCode::Forbidden);
        }
        if offer.tracks.len() > MAX_OFFERED_TRACKS || offer.subscriptions.len() > MAX_OFFERED_SUBSCRIPTIONS {
            return Err(ErrorCode::OfferRejected);
        }
        if session.open_negotiations >= MAX_OPEN_NEGOTIATIONS {
            return Err(ErrorCode::RateLimited);
        }
        session.open_negotiations += 1;
        session.note_offer(&offer);
        let (room, participant) = (session.room(), session.participant());
        self.last_negotiation += 1;
        let negotiation = NegotiationId(self.last_negotiation);
        self.negotiations
            .insert(negotiation, Negotiation { session: id, connection, request, asked_at: now });
        self.deadlines.insert((now + NEGOTIATION_TIMEOUT, Deadline::Negotiation(negotiation)));
        self.command(room, participant, MediaAction::Negotiate { negotiation, offer });
        Ok(Reply::Later)
    }

    fn subscribe(&mut self, id: SessionId, wish: SubscriptionWish) -> Result<Reply, ErrorCode> {
        let session = self.sessions.get(&id).ok_or(ErrorCode::Internal)?;
        if !session.is_in_room() {
            return Err(ErrorCode::NotJoined);
        }
        let (room, participant) = (session.room(), session.participant());
        if !self.rooms.get(&room).is_some_and(|room| room.offers(wish.track, participant)) {
            return Err(ErrorCode::UnknownTrack);
        }
        self.command(room, participant, MediaAction::Subscribe(wish));
        Ok(Reply::Now(Response::Ok))
    }

    fn act_on_own_track(
        &mut self,
        id: SessionId,
        track: TrackId,
        action: MediaAction,
    ) -> Result<Reply, ErrorCode> {
        let session = self.sessions.get(&id).ok_or(ErrorCode::Internal)?;
        if !session.is_in_room() {
            return Err(ErrorCode::NotJoined);
        }
        if !session.owns(track) {
            return Err(ErrorCode::UnknownTrack);
        }
        self.command(session.room(), session.participant(), action);
        Ok(Reply::Now(Response::Ok))
    }

    /// In the lobby there is no one on the media plane to report to: the report waits for the join.
    fn report_network(&mut self, id: SessionId, report: NetworkReport) -> Result<Reply, ErrorCode> {
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::Internal)?;
        if session.is_in_room() {
            let (room, participant) = (session.room(), session.participant());
            self.command(room, participant, MediaAction::Report(report));
        } else {
            session.keep_report(report);
        }
        Ok(Reply::Now(Response::Ok))
    }

    /// A client's enrolled app says what network it is on; the signature has been verified.
    pub(crate) fn handle_attested(&mut self, connection: ConnectionId, request: u32, claim: AttestedClaim) {
        let Some(Some(id)) = self.session_by_connection.get(&connection) else { return };
        let Some(session) = self.sessions.get(id) else { return };
        // Without a transport there is nothing yet that it could be for.
        if !session.is_in_room() {
            return self.refuse(connection, request, ErrorCode::NotJoined);
        }
        let (room, participant) = (session.room(), session.participant());
        self.command(room, participant, MediaAction::Attested(claim));
        self.respond(connection, request, Response::Ok);
    }

    pub(super) fn expire_negotiation(&mut self, now: Instant, id: NegotiationId) {
        let Some(negotiation) = self.take_negotiation(now, id, NegotiationOutcome::TimedOut) else { return };
        if self.is_current(negotiation) {
            self.refuse(negotiation.connection, negotiation.request, ErrorCode::MediaUnavailable);
        }
    }

    /// Closes the books of a negotiation.
    pub(super) fn take_negotiation(
        &mut self,
        now: Instant,
        id: NegotiationId,
        outcome: NegotiationOutcome,
    ) -> Option<Negotiation> {
        let negotiation = self.negotiations.remove(&id)?;
        self.deadlines.remove(&(negotiation.asked_at + NEGOTIATION_TIMEOUT, Deadline::Negotiation(id)));
        if let Some(session) = self.sessions.get_mut(&negotiation.session) {
            session.open_negotiations = session.open_negotiations.saturating_sub(1);
            let after = now.saturating_duration_since(negotiation.asked_at);
            self.count(Sample::Negotiation { outcome, after });
        }
        Some(negotiation)
    }

    /// Whether the connection that asked is still the one of its session.
    pub(super) fn is_current(&self, negotiation: Negotiation) -> bool {
        self.sessions
            .get(&negotiation.session)
            .is_some_and(|session| session.connection() == Some(negotiation.connection))
    }
}
