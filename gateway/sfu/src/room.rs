//! A room: its participants, their tracks, and the one place where packets and policy meet. `forward`
//! moves packets, `adaptation` decides, and the room carries what one must know to the other.

mod ingress;
mod measurement;
mod negotiation;
mod outgoing;
mod participant;
mod payload_types;
mod reports;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, RoomId, TrackId};
use protocol::media_message::{MediaAction, MediaReport, NegotiationFailure, TransportState};
use protocol::network_class::NetworkClass;
use protocol::quality::PairQuality;
use protocol::track::{MediaKind, Role};
use rand::RngExt;

use crate::adapt::{AdaptOutput, Adaptation};
use crate::counters::{Census, DropReason};
use crate::directory::{ParticipantIndex, RoomIndex, Seat};
use crate::dtls::DtlsEvent;
use crate::forward::{ActiveSpeaker, Layer, SubscriptionIndex, Track, TrackIndex};
use crate::ice::{ConnectivityCheck, Selection};
use crate::limits::MAX_PARTICIPANTS;
use crate::premises::Premises;
use crate::room::participant::{Participant, Use};
use crate::rtp::Ssrc;
use crate::sample::{JoinStage, Sample, TransportFailure};
use crate::srtp::SrtpSession;
use crate::transport::Transport;

/// How often encodings are looked at: a picture that stops is missed after a tenth of a second.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// How often measurements go from packets to policy when no feedback brings them there sooner.
const MEASURE_INTERVAL: Duration = Duration::from_millis(200);

/// A room.
pub(crate) struct Room {
    id: RoomId,
    index: RoomIndex,
    participants: Vec<Option<Participant>>,
    tracks: Vec<Option<Track>>,
    adaptation: Adaptation,
    speaker: ActiveSpeaker<ParticipantIndex>,
    watch_at: Instant,
    measure_at: Instant,
    sample_at: Instant,
    is_stirred: bool,
    deadline: Option<Instant>,
    /// The newest instant that the room was told.
    now: Instant,
}

impl Room {
    pub(crate) fn new(now: Instant, id: RoomId, index: RoomIndex, premises: &Premises) -> Self {
        Self {
            id,
            index,
            participants: Vec::new(),
            tracks: Vec::new(),
            adaptation: Adaptation::new(&premises.config),
            speaker: ActiveSpeaker::default(),
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
        self.participants.iter().all(Option::is_none)
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
        let index = self.participant_index(id);
        match (action, index) {
            (MediaAction::Join { role }, None) => self.join(now, id, role, premises),
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
                // A refused report is the page's affair; the verdict stands as it is.
                let _ = self.adaptation.handle_report(now, id, &report);
            }
            (MediaAction::EncoderLimit { track, limit }, Some(index)) => {
                if self.track_of(index, track).is_some() {
                    self.adaptation.handle_encoder_limit(now, track, limit);
                }
            }
            (MediaAction::Leave, Some(index)) => self.leave(now, index, premises),
        }
        self.apply_decisions(now, premises);
    }

    fn join(&mut self, now: Instant, id: ParticipantId, role: Role, premises: &mut Premises) {
        let free = self.participants.iter().position(Option::is_none);
        let place = free.unwrap_or(self.participants.len());
        if place >= MAX_PARTICIPANTS {
            return;
        }
        let participant = Some(Participant::new(now, id, role, Ssrc(premises.rng.random())));
        match self.participants.get_mut(place) {
            Some(seat) => *seat = participant,
            None => self.participants.push(participant),
        }
        self.adaptation.handle_join(now, id, role);
    }

    fn leave(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        self.drop_transport(index, premises);
        self.end_lines(now, index, premises);
        self.speaker.remove(index);
        if let Some(participant) = self.participants[index.0].take() {
            self.adaptation.handle_leave(now, participant.id);
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

    /// Takes a connectivity check that names this room's participant and is not trusted yet.
    pub(crate) fn handle_check(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        source: SocketAddr,
        mut check: ConnectivityCheck,
        premises: &mut Premises,
    ) {
        self.now = now;
        let seat = self.seat(index);
        let Some(participant) = self.participants.get_mut(index.0).and_then(Option::as_mut) else { return };
        let Some(transport) = participant.transport.as_mut() else { return };
        let password = transport.agent.credentials().password.clone();
        if !check.is_authentic(&password, premises.crypto()) {
            return premises.counters.drop_one(DropReason::StunUnauthenticated);
        }
        participant.heard_at = now;
        let is_first = !transport.agent.is_validated();
        let (selection, evicted) = transport.agent.handle_check(now, source, check.nominates());
        if let Some(evicted) = evicted {
            premises.directory.strike_address(evicted, seat);
        }
        premises.directory.list_address(source, seat);
        transport.dtls.handle_validated(now);
        if let Some(response) = check.response(source, &password, premises.crypto()) {
            transport.send(source, response);
        }
        let (id, offered_at, selected) = (participant.id, transport.offered_at, transport.agent.selected());
        if selection == Selection::Changed {
            self.adaptation.handle_address(now, id, source.ip());
        }
        if let Some(network) = check.network_info().filter(|_| selected == Some(source)) {
            self.adaptation.handle_network_cost(now, id, network.network_id, network.cost);
        }
        self.apply_decisions(now, premises);
        if is_first {
            let class = self.class(index);
            let elapsed = now.saturating_duration_since(offered_at);
            premises.sample(Sample::JoinStage { stage: JoinStage::Ice, elapsed, class });
        }
    }

    /// Takes a DTLS datagram from a validated address.
    pub(crate) fn handle_dtls(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        datagram: &[u8],
        premises: &mut Premises,
    ) {
        self.now = now;
        let mut events = Vec::new();
        let Some(transport) = self.transport(index) else { return };
        if !transport.handle_dtls(now, datagram, &mut events) {
            premises.counters.drop_one(DropReason::DtlsRefused);
        }
        self.handle_dtls_events(now, index, events, premises);
    }

    fn handle_dtls_events(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        events: Vec<DtlsEvent>,
        premises: &mut Premises,
    ) {
        for event in events {
            match event {
                DtlsEvent::Connected { profile, keying_material } => {
                    match SrtpSession::from_dtls(profile, &keying_material) {
                        Ok(srtp) => self.connected(now, index, srtp, premises),
                        Err(_) => self.fail_transport(index, TransportFailure::Dtls, premises),
                    }
                }
                DtlsEvent::Failed => self.fail_transport(index, TransportFailure::Dtls, premises),
                // The client closed it on purpose: it leaves by signaling, or negotiates anew.
                DtlsEvent::Closed => self.drop_transport(index, premises),
            }
        }
    }

    fn connected(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        srtp: SrtpSession,
        premises: &mut Premises,
    ) {
        let class = self.class(index);
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let Some(transport) = participant.transport.as_mut() else { return };
        transport.srtp = Some(srtp);
        let elapsed = now.saturating_duration_since(transport.offered_at);
        participant.egress.begin(now, class);
        participant.report_at = Some(now + reports::INTERVAL);
        let report = MediaReport::Transport { participant: participant.id, state: TransportState::Connected };
        premises.sample(Sample::JoinStage { stage: JoinStage::Dtls, elapsed, class });
        premises.report(self.id, report);
    }

    fn fail_transport(&mut self, index: ParticipantIndex, cause: TransportFailure, premises: &mut Premises) {
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        let report = MediaReport::Transport { participant: participant.id, state: TransportState::Failed };
        premises.sample(Sample::TransportFailed { cause });
        premises.report(self.id, report);
        self.drop_transport(index, premises);
    }

    fn drop_transport(&mut self, index: ParticipantIndex, premises: &mut Premises) {
        let seat = self.seat(index);
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        if let Some(transport) = participant.transport.take() {
            premises.directory.strike_ufrag(&transport.agent.credentials().ufrag);
            transport.agent.validated().for_each(|address| premises.directory.strike_address(address, seat));
            participant.forget_streams();
        }
    }

    /// Carries out what policy has decided.
    fn apply_decisions(&mut self, now: Instant, premises: &mut Premises) {
        while let Some(output) = self.adaptation.poll_output() {
            match output {
                AdaptOutput::Forward { subscriber, track, target } => {
                    self.retarget(now, subscriber, track, target.into());
                }
                AdaptOutput::Uplink { publisher, plan } => {
                    premises.report(self.id, MediaReport::UplinkPlan { participant: publisher, plan });
                }
                AdaptOutput::Quality { subscriber, pairs } => {
                    premises.report(self.id, MediaReport::Quality { participant: subscriber, pairs });
                }
                AdaptOutput::NetworkClass { participant, from, to } => {
                    self.reclassify(participant, to);
                    premises.sample(Sample::NetworkClassChanged { from, to });
                    premises.report(self.id, MediaReport::NetworkClass { participant, class: to });
                }
                AdaptOutput::Hd { from, to } => premises.sample(Sample::HdDecided { from, to }),
                AdaptOutput::RungChanged { from, to, cause } => {
                    premises.sample(Sample::RungChanged { from, to, cause });
                }
                AdaptOutput::Demand { subscriber, floor, current, next } => {
                    self.demand(now, subscriber, floor, current, next);
                }
            }
        }
    }

    fn reclassify(&mut self, id: ParticipantId, class: NetworkClass) {
        if let Some(index) = self.participant_index(id)
            && let Some(participant) = self.participants[index.0].as_mut()
        {
            participant.class = class;
        }
    }

    fn retarget(
        &mut self,
        now: Instant,
        subscriber: ParticipantId,
        track: TrackId,
        target: Option<crate::adapt::Layer>,
    ) {
        let Some(index) = self.participant_index(subscriber) else { return };
        let Some(track) = self.track_index(track).and_then(|place| self.tracks[place.0].as_mut()) else {
            return;
        };
        let Some((_, place)) = track.subscribers.iter().find(|(one, _)| *one == index) else { return };
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let descent = participant.egress.descent(*place, track, now);
        let target = target.map(|layer| Layer { encoding: layer.encoding, temporal: layer.temporal });
        let Some(subscription) = participant.egress.subscription(*place) else { return };
        subscription.set_target(target, descent);
        // Ask at once: waiting for the next tick would cost a fifth of a second of picture.
        if let Some(wanted) = subscription.awaits_key_frame()
            && let Some(encoding) = track.encodings.get_mut(usize::from(wanted))
            && encoding.ssrc.is_some()
        {
            encoding.key_frames.request(now);
        }
    }

    /// Takes note that time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, premises: &mut Premises) {
        self.now = now;
        for index in (0..self.participants.len()).map(ParticipantIndex) {
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
        }
        if self.adaptation.poll_timeout().is_some_and(|due| due <= now) {
            self.adaptation.handle_timeout(now);
        }
        self.apply_decisions(now, premises);
    }

    fn handle_transport_timeout(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let Some(transport) = self.transport(index) else { return };
        if transport.agent.expires_at() <= now {
            let cause = if transport.agent.is_validated() {
                TransportFailure::ConsentExpired
            } else {
                TransportFailure::IceTimeout
            };
            return self.fail_transport(index, cause, premises);
        }
        let mut events = Vec::new();
        transport.handle_timeout(now, &mut events);
        self.handle_dtls_events(now, index, events, premises);
    }

    /// Notes that something happened; `false` where that was noted already.
    pub(crate) fn stir(&mut self) -> bool {
        !std::mem::replace(&mut self.is_stirred, true)
    }

    /// The deadline was taken out of the worker's list.
    pub(crate) fn forget_deadline(&mut self) {
        self.deadline = None;
    }

    /// Goes back to sleep: the deadline until now, and the next one.
    pub(crate) fn settle(&mut self) -> (Option<Instant>, Option<Instant>) {
        self.is_stirred = false;
        let previous = self.deadline;
        self.deadline = Some(self.next_deadline());
        (previous, self.deadline)
    }

    fn next_deadline(&self) -> Instant {
        let of_participants = self.participants.iter().flatten().flat_map(|participant| {
            let transport = participant.transport.as_ref().map(Transport::poll_timeout);
            let connected = participant.is_connected();
            let egress = participant.egress.poll_timeout(self.now).filter(|_| connected);
            let arrivals = participant.arrivals.poll_timeout().filter(|_| connected);
            [transport, egress, arrivals, participant.report_at.filter(|_| connected)]
        });
        let is_heard = |track: &&Track| {
            self.participants[track.publisher.0].as_ref().is_some_and(Participant::is_connected)
        };
        let heard = self.tracks.iter().flatten().filter(is_heard).flat_map(|track| &track.encodings);
        let of_tracks = heard.map(|encoding| encoding.poll_timeout().filter(|_| encoding.ssrc.is_some()));
        let own = [Some(self.watch_at), Some(self.measure_at), self.adaptation.poll_timeout()];
        of_participants.chain(of_tracks).chain(own).flatten().min().unwrap_or(self.measure_at)
    }

    /// Adds what is here to a census.
    pub(crate) fn count_into(&self, census: &mut Census) {
        census.rooms += 1;
        census.room_sizes.push(self.participants.iter().flatten().count());
        for participant in self.participants.iter().flatten() {
            census.participants[participant.role as usize] += 1;
            if let Some(place) = NetworkClass::ALL.iter().position(|class| *class == participant.class) {
                census.network_classes[place] += 1;
            }
            for PairQuality { rung, hd, .. } in self.adaptation.quality(participant.id) {
                census.video_subscriptions[*rung as usize] += 1;
                census.hd_permitted += usize::from(*hd == protocol::quality::HdReason::Granted);
            }
            let voices = participant.egress.subscriptions().filter(|(_, one)| one.kind() == MediaKind::Audio);
            census.audio_subscriptions += voices.count();
        }
        for track in self.tracks.iter().flatten() {
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
        let is_it = |one: &Option<Participant>| one.as_ref().is_some_and(|participant| participant.id == id);
        self.participants.iter().position(is_it).map(ParticipantIndex)
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
