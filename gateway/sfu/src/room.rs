//! A room: its participants, their tracks, and the one place where packets and policy meet. `forward`
//! moves packets, `adaptation` decides, and the room carries what one must know to the other.

mod agenda;
mod arrival_loss;
mod codec_choice;
mod codec_plans;
mod connection;
mod decisions;
mod ingress;
mod measurement;
mod negotiation;
mod outgoing;
mod participant;
mod payload_types;
mod reports;
mod room_codecs;
mod stage;
mod train_meter;
mod voices;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, RoomId, TrackId};
use protocol::media_message::{MediaAction, MediaReport, NegotiationFailure};
use protocol::network_class::NetworkClass;
use protocol::quality::PairQuality;
use protocol::track::{MediaKind, Role};
use rand::RngExt;

use crate::adapt::{Adaptation, ReportRefused};
use crate::congestion::SOONEST_LATE;
use crate::counters::Census;
use crate::directory::{ParticipantIndex, RoomIndex, Seat};
use crate::forward::{ActiveSpeaker, Encoding, SubscriptionIndex, Track, TrackIndex};
use crate::limits::{MAX_PARTICIPANTS, MAX_VIEWERS};
use crate::premises::Premises;
use crate::relay::Halls;
use crate::room::agenda::Agenda;
use crate::room::participant::{Participant, Use};
use crate::room::room_codecs::RoomCodecs;
use crate::room::stage::Hall;
use crate::rtp::Ssrc;
use crate::sample::Sample;
use crate::transport::Transport;

/// How often encodings are looked at: a picture that stops is missed after a tenth of a second.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// How often measurements go from packets to policy when no feedback brings them there sooner.
const MEASURE_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) use self::payload_types::PayloadTypes;

/// A room.
pub(crate) struct Room {
    id: RoomId,
    index: RoomIndex,
    participants: Vec<Option<Box<Participant>>>,
    indices: HashMap<ParticipantId, ParticipantIndex>,
    /// How many of them are players.
    players: usize,
    agenda: Agenda,
    tracks: Vec<Option<Track>>,
    adaptation: Adaptation,
    codecs: RoomCodecs,
    speaker: ActiveSpeaker<ParticipantIndex>,
    /// Its halls on other workers.
    halls: Halls,
    /// It is a hall itself.
    hall: Option<Hall>,
    watch_at: Instant,
    measure_at: Instant,
    sample_at: Instant,
    is_stirred: bool,
    deadline: Option<Instant>,
    /// The newest instant that the room was told.
    now: Instant,
}

impl Room {
    pub(crate) fn new(now: Instant, id: RoomId, index: RoomIndex, halls: Halls, premises: &Premises) -> Self {
        Self {
            id,
            index,
            participants: Vec::new(),
            indices: HashMap::new(),
            players: 0,
            agenda: Agenda::default(),
            tracks: Vec::new(),
            adaptation: Adaptation::new(&premises.config),
            codecs: RoomCodecs::new(premises.config.video_codecs.clone()),
            speaker: ActiveSpeaker::default(),
            halls,
            hall: None,
            watch_at: now + WATCH_INTERVAL,
            measure_at: now + MEASURE_INTERVAL,
            sample_at: now,
            is_stirred: false,
            deadline: None,
            now,
        }
    }

    pub(crate) fn id(&self) -> RoomId {
        self.id
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.hall {
            None => self.indices.is_empty(),
            Some(hall) => hall.is_empty(self.indices.len()),
        }
    }

    /// Takes a request of the signaling plane.
    pub(crate) fn handle_action(
        &mut self,
        now: Instant,
        id: ParticipantId,
        action: MediaAction,
        premises: &mut Premises,
    ) {
        self.now = now;
        if self.waits_for_stage(id, &action, premises) {
            return;
        }
        let index = self.participant_index(id);
        match (action, index) {
            (MediaAction::Join { role, steerable }, None) => self.join(now, id, (role, steerable), premises),
            (MediaAction::Negotiate { negotiation, offer }, index) => {
                let outcome = match index {
                    Some(index) => self.negotiate(now, index, &offer, premises),
                    None => Err(NegotiationFailure::NotJoined),
                };
                let report = MediaReport::Negotiated { participant: id, negotiation, outcome };
                premises.report(self.id, report);
            }
            (MediaAction::Join { .. }, Some(_)) | (_, None) => {}
            (MediaAction::Subscribe(wish), Some(index)) => {
                // A wish for a track that is not negotiated would be decided on with nobody to carry it out.
                if self.is_subscribed(index, wish.track) {
                    self.adaptation.handle_subscribe(now, id, wish.track, wish.max_lines);
                }
            }
            (MediaAction::Mute { track, muted }, Some(index)) => {
                self.mute(now, index, track, muted, premises)
            }
            (MediaAction::Report(report), Some(_)) => {
                let outcome = self.adaptation.handle_report(now, id, &report);
                count_refusal(outcome, premises);
            }
            (MediaAction::Attested(claim), Some(_)) => {
                let outcome = self.adaptation.handle_attested(now, id, &claim);
                count_refusal(outcome, premises);
            }
            (MediaAction::Operator { class }, Some(_)) => self.adaptation.handle_operator(now, id, class),
            (MediaAction::EncoderLimit { track, limit }, Some(index)) => {
                if self.track_of(index, track).is_some() {
                    self.adaptation.handle_encoder_limit(now, track, limit);
                }
            }
            (MediaAction::Explain, Some(_)) => {
                let decisions = self.adaptation.explain(now);
                premises.report(self.id, MediaReport::Decisions(decisions));
            }
            (MediaAction::Leave, Some(index)) => self.leave(now, index, premises),
        }
        if let Some(index) = self.participant_index(id) {
            self.agenda.stir(index);
        }
        self.tell_stage(premises);
        self.tell_codecs(now, premises);
        self.apply_decisions(now, premises);
    }

    fn join(
        &mut self,
        now: Instant,
        id: ParticipantId,
        (role, steerable): (Role, bool),
        premises: &mut Premises,
    ) {
        let mut participant = Participant::new(now, id, role, steerable, Ssrc(premises.rng.random()));
        let is_full = match participant.is_player() {
            true => self.players >= MAX_VIEWERS,
            false => self.indices.len() - self.players >= MAX_PARTICIPANTS,
        };
        if is_full {
            return;
        }
        if let Some(pace) = self.adaptation.least_pace() {
            participant.egress.keep_pace(now, pace);
        }
        self.seat_newcomer(participant);
        self.adaptation.handle_join(now, id, role, steerable);
    }

    fn seat_newcomer(&mut self, participant: Participant) {
        let id = participant.id;
        self.players += usize::from(participant.is_player());
        let free = self.participants.iter().position(Option::is_none);
        let place = free.unwrap_or(self.participants.len());
        match self.participants.get_mut(place) {
            Some(seat) => *seat = Some(Box::new(participant)),
            None => self.participants.push(Some(Box::new(participant))),
        }
        self.indices.insert(id, ParticipantIndex(place));
    }

    fn leave(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        self.say_farewell(now, index, premises);
        self.drop_transport(index, premises);
        self.end_lines(now, index, premises);
        self.speaker.remove(index);
        if let Some(participant) = self.participants[index.0].take() {
            self.indices.remove(&participant.id);
            self.players -= usize::from(participant.is_player());
            self.adaptation.handle_leave(now, participant.id);
            self.recount_codecs(now);
        }
    }

    /// Tells a player that it is over: it hears of nothing else than its transport, and may ask anew. Pages are told by
    /// signaling.
    fn say_farewell(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let player = self.participants[index.0].as_mut().filter(|one| one.is_player());
        if let Some(transport) = player.and_then(|player| player.transport.as_mut()) {
            premises.farewells.extend(transport.close(now));
        }
    }

    /// Ends everything that the participant publishes and receives.
    fn end_lines(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let lines = self.participants[index.0].as_mut().map(|one| std::mem::take(&mut one.lines));
        for (_, usage) in lines.into_iter().flatten() {
            match usage {
                Use::Publishes(track) => self.unpublish(now, track, premises),
                Use::Subscribes(subscription) => self.unsubscribe(now, index, subscription),
            }
        }
    }

    fn mute(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        id: TrackId,
        muted: bool,
        premises: &mut Premises,
    ) {
        let Some(place) = self.track_of(index, id) else { return };
        let publisher = self.participants[index.0].as_ref().map(|participant| participant.id);
        let (Some(track), Some(publisher)) = (&mut self.tracks[place.0], publisher) else { return };
        if track.muted == muted {
            return;
        }
        track.muted = muted;
        let changed = protocol::track::Track { id, publisher, source: track.source, muted };
        self.adaptation.handle_mute(now, id, muted);
        premises.report(self.id, MediaReport::TrackMuted(changed));
    }

    fn unpublish(&mut self, now: Instant, place: TrackIndex, premises: &mut Premises) {
        let Some(track) = self.tracks[place.0].take() else { return };
        for (subscriber, subscription) in &track.subscribers {
            if let Some(participant) = self.participants[subscriber.0].as_mut() {
                participant.egress.unsubscribe(*subscription);
                participant.lines.retain(|(_, usage)| *usage != Use::Subscribes(*subscription));
            }
        }
        self.adaptation.handle_unpublish(now, track.id);
        if let Some(participant) = self.participants[track.publisher.0].as_mut() {
            participant.unbind(place);
            let Track { id, source, muted, .. } = track;
            let ended = protocol::track::Track { id, publisher: participant.id, source, muted };
            premises.report(self.id, MediaReport::TrackUnpublished(ended));
        }
    }

    fn unsubscribe(&mut self, now: Instant, index: ParticipantIndex, place: SubscriptionIndex) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let Some(subscription) = participant.egress.unsubscribe(place) else { return };
        if let Some(track) = self.tracks[subscription.track.0].as_mut() {
            track.subscribers.retain(|subscriber| *subscriber != (index, place));
            self.adaptation.handle_unsubscribe(now, participant.id, track.id);
        }
    }

    /// Takes note that time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, premises: &mut Premises) {
        self.now = now;
        while let Some(index) = self.agenda.poll_due(now) {
            self.handle_transport_timeout(now, index, premises);
            if let Some(participant) = self.participants[index.0].as_mut() {
                participant.egress.handle_timeout(now);
            }
        }
        if self.watch_at <= now {
            self.watch_at = now + WATCH_INTERVAL;
            self.watch_layers(now);
        }
        if self.measure_at <= now {
            self.measure_at = now + MEASURE_INTERVAL;
            self.measure(now, premises);
            self.tell_stage(premises);
            self.tell_codecs(now, premises);
        }
        if self.adaptation.poll_timeout().is_some_and(|due| due <= now) {
            self.adaptation.handle_timeout(now);
        }
        self.apply_decisions(now, premises);
    }

    /// Notes that something happened; `false` where that was noted already.
    pub(crate) fn stir(&mut self) -> bool {
        !std::mem::replace(&mut self.is_stirred, true)
    }

    /// The deadline was taken out of the worker's list.
    pub(crate) fn forget_deadline(&mut self) {
        self.deadline = None;
    }

    /// The deadline in the worker's list.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Goes back to sleep: the deadline until now, and the next one.
    pub(crate) fn settle(&mut self) -> (Option<Instant>, Option<Instant>) {
        self.is_stirred = false;
        let previous = self.deadline;
        self.deadline = Some(self.next_deadline());
        (previous, self.deadline)
    }

    fn next_deadline(&self) -> Instant {
        let own = [Some(self.measure_at), self.agenda.poll_timeout(), self.adaptation.poll_timeout()];
        own.into_iter().flatten().fold(self.watch_at, Instant::min)
    }

    /// When a participant has something to do if nothing happens to it.
    fn deadline_of(&self, index: ParticipantIndex) -> Option<Instant> {
        let participant = self.participants.get(index.0)?.as_ref()?;
        let transport = participant.transport.as_ref().map(Transport::poll_timeout);
        if !participant.is_connected() && !participant.is_mirrored {
            return transport;
        }
        let encodings = participant.published().filter_map(|track| self.tracks.get(track.0)?.as_ref());
        let heard = encodings.flat_map(|track| &track.encodings).filter(|encoding| encoding.ssrc.is_some());
        let egress = participant.egress.poll_timeout(self.now);
        let own = [transport, egress, participant.arrivals.poll_timeout(), participant.report_at];
        own.into_iter().flatten().chain(heard.filter_map(Encoding::poll_timeout)).min()
    }

    /// When a participant may have something to do on account of media that just went to it.
    fn media_deadline_of(&self, now: Instant, index: ParticipantIndex) -> Instant {
        let participant = self.participants.get(index.0).and_then(Option::as_ref);
        // Congestion control waits for nothing that comes sooner than the feedback on it may be late.
        let soonest = now + SOONEST_LATE;
        participant
            .map_or(soonest, |one| one.egress.poll_media_timeout(now).map_or(soonest, |due| due.min(soonest)))
    }

    /// Asks the publisher of a track for a key frame of one encoding, if that is sent at all.
    fn ask_for_key_frame(&mut self, now: Instant, track: TrackIndex, encoding: u8) {
        let Some(track) = self.tracks.get_mut(track.0).and_then(Option::as_mut) else { return };
        let publisher = track.publisher;
        if let Some(encoding) = track.stream_of_mut(encoding).filter(|encoding| encoding.ssrc.is_some()) {
            encoding.key_frames.request(now);
            self.agenda.stir(publisher);
        }
    }

    /// Adds what is here to a census.
    pub(crate) fn count_into(&self, census: &mut Census) {
        let own = || self.participants.iter().flatten().filter(|participant| !participant.is_mirrored);
        if self.hall.is_none() {
            census.rooms += 1;
            census.room_sizes.push(own().count());
        }
        for participant in own() {
            census.participants[participant.role as usize] += 1;
            if let Some(place) = NetworkClass::ALL.iter().position(|class| *class == participant.class) {
                census.network_classes[place] += 1;
            }
            for PairQuality { rung, rung_reason, hd, .. } in self.adaptation.quality(participant.id) {
                census.video_subscriptions[*rung as usize] += 1;
                census.rung_reasons[*rung_reason as usize] += 1;
                census.hd_permitted += usize::from(*hd == protocol::quality::HdReason::Granted);
            }
            let voices = participant.egress.subscriptions().filter(|(_, one)| one.kind() == MediaKind::Audio);
            census.audio_subscriptions += voices.count();
        }
        for track in self.tracks.iter().flatten().filter(|_| self.hall.is_none()) {
            match track.kind() {
                MediaKind::Audio => census.audio_tracks += 1,
                MediaKind::Video => census.video_tracks += 1,
            }
        }
    }

    fn seat(&self, participant: ParticipantIndex) -> Seat {
        Seat { room: self.index, participant }
    }

    fn class(&self, index: ParticipantIndex) -> NetworkClass {
        let participant = self.participants.get(index.0).and_then(Option::as_ref);
        participant.map_or(NetworkClass::Unknown, |participant| participant.class)
    }

    fn transport(&mut self, index: ParticipantIndex) -> Option<&mut Transport> {
        self.participants.get_mut(index.0)?.as_mut()?.transport.as_mut()
    }

    fn participant_index(&self, id: ParticipantId) -> Option<ParticipantIndex> {
        self.indices.get(&id).copied()
    }

    fn track_index(&self, id: TrackId) -> Option<TrackIndex> {
        let is_it = |one: &Option<Track>| one.as_ref().is_some_and(|track| track.id == id);
        self.tracks.iter().position(is_it).map(TrackIndex)
    }

    fn is_subscribed(&self, subscriber: ParticipantIndex, id: TrackId) -> bool {
        let track = self.track_index(id).and_then(|place| self.tracks[place.0].as_ref());
        track.is_some_and(|track| track.subscribers.iter().any(|(one, _)| *one == subscriber))
    }

    /// The place of a track, if that participant publishes it.
    fn track_of(&self, publisher: ParticipantIndex, id: TrackId) -> Option<TrackIndex> {
        let place = self.track_index(id)?;
        self.tracks[place.0].as_ref().filter(|track| track.publisher == publisher).map(|_| place)
    }
}

/// The verdict stands as it is; whoever runs the gateway may want to know.
fn count_refusal(outcome: Result<(), ReportRefused>, premises: &mut Premises) {
    if let Err(refused) = outcome {
        premises.sample(Sample::ReportRefused(refused));
    }
}
