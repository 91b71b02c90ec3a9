//! What the media plane reports, turned into responses and events. What concerns somebody who has left
//! is void: the two planes learn of a leave at different times.

use std::time::Instant;

use protocol::id::{ParticipantId, RoomId, SessionId};
use protocol::media_message::{
    Answer, MediaEvent, MediaReport, NegotiationFailure, NegotiationId, TransportState,
};
use protocol::network_class::NetworkClass;
use protocol::server_message::{EndReason, ErrorCode, Event, Response};
use protocol::track::Track;

use super::Registry;
use crate::consult::ClientKind;
use crate::room::TrackChange;
use crate::sample::{NegotiationOutcome, Sample};
use crate::session::{MediaState, Place};

impl Registry {
    /// The media plane reports something.
    pub(crate) fn handle_media_event(&mut self, now: Instant, event: MediaEvent) {
        let room = event.room;
        match event.report {
            MediaReport::Negotiated { negotiation, outcome, .. } => {
                self.finish_negotiation(now, negotiation, outcome);
            }
            MediaReport::Transport { participant, state } => {
                self.transport_changed(now, room, participant, state);
            }
            MediaReport::TrackPublished(track) | MediaReport::TrackMuted(track) => {
                self.set_track(room, track);
            }
            MediaReport::TrackUnpublished(track) => self.remove_track(room, track),
            MediaReport::UplinkPlan { participant, plan } => {
                self.tell_participant(room, participant, Event::UplinkPlan(plan));
            }
            MediaReport::VoicePlan { participant, plan } => {
                self.tell_participant(room, participant, Event::VoicePlan(plan));
            }
            MediaReport::CodecPlan { participant, plan } => {
                self.tell_participant(room, participant, Event::CodecPlan(plan));
            }
            MediaReport::RoomCodecs { codecs } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.video_codecs = Some(codecs);
                }
            }
            MediaReport::Quality { participant, pairs } => {
                self.tell_participant(room, participant, Event::Quality { pairs });
            }
            MediaReport::Decisions(decisions) => self.set_decisions(room, decisions),
            MediaReport::NetworkClass { participant, class } => self.set_class(room, participant, class),
            MediaReport::ActiveSpeaker { participant } => self.set_speaker(room, participant),
        }
    }

    fn member(&self, room: RoomId, participant: ParticipantId) -> Option<SessionId> {
        self.rooms.get(&room)?.member(participant)
    }

    fn tell_participant(&mut self, room: RoomId, participant: ParticipantId, event: Event) {
        if let Some(session) = self.member(room, participant) {
            self.tell(session, event);
        }
    }

    fn finish_negotiation(
        &mut self,
        now: Instant,
        id: NegotiationId,
        outcome: Result<Answer, NegotiationFailure>,
    ) {
        let counted = match &outcome {
            Ok(_) => NegotiationOutcome::Answered,
            Err(_) => NegotiationOutcome::Rejected,
        };
        let Some(negotiation) = self.take_negotiation(now, id, counted) else { return };
        if let (Ok(answer), Some(session)) = (&outcome, self.sessions.get_mut(&negotiation.session)) {
            session.add_tracks(answer.tracks.iter().map(|answered| answered.track));
        }
        if !self.is_current(negotiation) {
            return;
        }
        match outcome {
            Ok(answer) => {
                self.respond(negotiation.connection, negotiation.request, Response::Answer(answer));
            }
            Err(failure) => self.refuse_because(
                negotiation.connection,
                negotiation.request,
                ErrorCode::OfferRejected,
                &failure.to_string(),
            ),
        }
    }

    fn transport_changed(
        &mut self,
        now: Instant,
        room: RoomId,
        participant: ParticipantId,
        state: TransportState,
    ) {
        let Some(id) = self.member(room, participant) else { return };
        match state {
            TransportState::Connected => {
                self.count_first_media(now, id);
                self.change_media(id, MediaState::Silent, MediaState::Reached);
            }
            // The client sees the silence itself; the others are told whose picture stands still, and why.
            TransportState::Disconnected => self.change_media(id, MediaState::Reached, MediaState::Silent),
            TransportState::Failed => {
                self.count(Sample::MediaFailed);
                match self.client_of(id) {
                    ClientKind::Page => self.tell(id, Event::MediaFailed),
                    ClientKind::Resource => self.end_session(now, id, EndReason::TimedOut),
                }
            }
            TransportState::Closed => match self.client_of(id) {
                // It says itself what comes next.
                ClientKind::Page => {}
                ClientKind::Resource => self.end_session(now, id, EndReason::Left),
            },
        }
    }

    fn client_of(&self, id: SessionId) -> ClientKind {
        self.sessions.get(&id).map_or(ClientKind::Page, |session| session.admission.client)
    }

    /// Moves a participant's media from one state to another, and tells the others what that looks like.
    fn change_media(&mut self, id: SessionId, from: MediaState, to: MediaState) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Place::Room { media, .. } = &mut session.place
            && *media == from
        {
            *media = to;
            self.tell_others_of(id);
        }
    }

    fn count_first_media(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let network_class = session.network_class;
        if let Place::Room { since, media: media @ MediaState::Awaited, .. } = &mut session.place {
            *media = MediaState::Reached;
            let after = now.saturating_duration_since(*since);
            self.count(Sample::MediaConnected { after, network_class });
        }
    }

    fn set_track(&mut self, room: RoomId, track: Track) {
        let Some(id) = self.member(room, track.publisher) else { return };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.add_tracks(std::iter::once(track.id));
        }
        let change = self.rooms.get_mut(&room).and_then(|room| room.set_track(track));
        let event = match change {
            None => return,
            Some(TrackChange::Published) => Event::TrackPublished(track),
            Some(TrackChange::Muted) => Event::TrackMuted(track),
        };
        self.tell_room(room, track.publisher, &event);
    }

    fn remove_track(&mut self, room: RoomId, track: Track) {
        if let Some(id) = self.member(room, track.publisher)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.forget_track(track.id);
        }
        if self.rooms.get_mut(&room).is_some_and(|room| room.remove_track(track.id)) {
            self.tell_room(room, track.publisher, &Event::TrackUnpublished { track: track.id });
        }
    }

    fn set_class(&mut self, room: RoomId, participant: ParticipantId, class: NetworkClass) {
        let Some(id) = self.member(room, participant) else { return };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.network_class = class;
        }
        self.tell(id, Event::NetworkClass { class });
        self.tell_others_of(id);
    }

    /// The speaker itself learns that no other speaks.
    fn set_speaker(&mut self, room: RoomId, speaker: Option<ParticipantId>) {
        let Some(people) = self.rooms.get(&room).map(|room| room.people.clone()) else { return };
        let speaker = speaker.filter(|speaker| people.iter().any(|(member, _)| member == speaker));
        for (member, session) in people {
            let participant = speaker.filter(|speaker| *speaker != member);
            self.tell(session, Event::ActiveSpeaker { participant });
        }
    }
}
