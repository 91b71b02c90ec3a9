//! From a client's offer to the tracks and subscriptions of its participant, and back to an answer.

use std::time::Instant;

use protocol::id::TrackId;
use protocol::ladder::Rung;
use protocol::media_message::{Answer, AnsweredMid, MediaReport, NegotiationFailure, Offer};
use protocol::track::{MediaKind, TrackSource};
use rand::RngExt;

use crate::adapt::Publication;
use crate::directory::{ParticipantIndex, Seat};
use crate::dtls::DtlsSession;
use crate::forward::{Subscription, SubscriptionIndex, SubscriptionLine, Track, TrackIndex};
use crate::ice::{IceCredentials, LiteAgent};
use crate::limits::{MAX_SUBSCRIPTIONS, MAX_TRACKS};
use crate::premises::Premises;
use crate::room::Room;
use crate::room::participant::{Destination, Use};
use crate::room::stage::rids_of;
use crate::rtp::Ssrc;
use crate::sdp::{
    CodecSet, GatewayDirection, LinePlan, LocalTransport, Mid, NegotiatedMedia, RemoteOffer, SendPlan,
    negotiate,
};
use crate::transport::Transport;

/// What an offer does to the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransportChange {
    /// There was none, or the client has made a new one: nothing of the old one holds.
    New,
    /// A new ICE generation of the same one.
    Restart,
    /// It goes on as it is.
    Keep,
}

/// What one media description of an offer is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Publish(TrackSource),
    Subscribe(TrackIndex),
    Nothing,
}

impl Room {
    /// Answers an offer and carries it out. A refused offer changes nothing.
    pub(super) fn negotiate(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        offer: &Offer,
        premises: &mut Premises,
    ) -> Result<Answer, NegotiationFailure> {
        let remote = RemoteOffer::parse(&offer.sdp)?;
        let wishes = self.wishes(index, &remote, offer)?;
        let known = self.participants[index.0].as_ref().and_then(|participant| participant.decodes);
        let decodes = remote.decodable().or(known).or_else(|| remote.presumably_decodable());
        let mut codecs = self.codecs_with(now, index, decodes);
        let plans = self.plans(index, &remote, &wishes, codecs.choice().streams, premises);
        let change = self.transport_change(index, &remote);
        let credentials = match (change, self.transport(index)) {
            (TransportChange::Keep, Some(transport)) => transport.agent.credentials().clone(),
            _ => IceCredentials::draw(&mut premises.rng),
        };
        let (session_id, session_version) = match (change, self.transport(index)) {
            (TransportChange::New, _) | (_, None) => (premises.rng.random::<u64>() >> 2, 0),
            (_, Some(transport)) => (transport.session_id, transport.session_version + 1),
        };
        let local = LocalTransport {
            ice_ufrag: &credentials.ufrag,
            ice_password: &credentials.password,
            fingerprint: premises.certificate.fingerprint(),
            candidates: &premises.config.candidates,
            session_id,
            session_version,
        };
        let (sdp, negotiated) = negotiate(&remote, &local, &plans)?;

        match change {
            TransportChange::New => {
                self.drop_transport(index, premises);
                let agent = LiteAgent::new(now, credentials, remote.ice_ufrag.clone());
                let dtls = DtlsSession::new(premises.certificate.clone(), remote.fingerprint);
                self.install_transport(index, Transport::new(now, agent, dtls, session_id), premises);
            }
            TransportChange::Restart => {
                self.restart_ice(now, index, credentials, &remote.ice_ufrag, premises);
            }
            TransportChange::Keep => {}
        }
        if let Some(transport) = self.transport(index) {
            transport.session_version = session_version;
        }
        self.learn(index, &negotiated.media);
        let tracks = self.apply(now, index, &negotiated.media, &wishes_by_mid(&remote, &wishes), premises);
        if let Some(participant) = self.participants[index.0].as_mut() {
            participant.decodes = decodes;
        }
        self.note_pictures(index, &remote, &negotiated.media, &mut codecs);
        self.codecs = codecs;
        let id =
            self.participants[index.0].as_ref().map(|one| one.id).ok_or(NegotiationFailure::NotJoined)?;
        let shell_nonce = premises.nonces.nonce(id, &remote.fingerprint, session_id);
        self.adaptation.handle_shell_nonce(id, shell_nonce);
        Ok(Answer { sdp, tracks, shell_nonce })
    }

    fn wishes(
        &self,
        index: ParticipantIndex,
        remote: &RemoteOffer,
        offer: &Offer,
    ) -> Result<Vec<Wish>, NegotiationFailure> {
        if offer.tracks.len() > MAX_TRACKS || offer.subscriptions.len() > MAX_SUBSCRIPTIONS {
            return Err(NegotiationFailure::TooMany);
        }
        let named = offer.tracks.iter().map(|line| &line.mid);
        let mut named = named.chain(offer.subscriptions.iter().map(|line| &line.mid));
        if !named.all(|mid| remote.media_of(mid).is_some()) {
            return Err(NegotiationFailure::UnknownMid);
        }
        let wish = |mid: &Mid| {
            if let Some(line) = offer.tracks.iter().find(|line| line.mid == mid.as_str()) {
                return Wish::Publish(line.source);
            }
            let subscribed = offer.subscriptions.iter().find(|line| line.mid == mid.as_str());
            // A track that ended while the offer was under way is no reason to refuse the rest.
            let track = subscribed.and_then(|line| self.track_index(line.track));
            match track.filter(|track| self.tracks[track.0].as_ref().is_some_and(|t| t.publisher != index)) {
                Some(track) => Wish::Subscribe(track),
                None => Wish::Nothing,
            }
        };
        Ok(remote.media.iter().map(|media| wish(&media.mid)).collect())
    }

    fn plans(
        &mut self,
        index: ParticipantIndex,
        remote: &RemoteOffer,
        wishes: &[Wish],
        pictures: CodecSet,
        premises: &mut Premises,
    ) -> Vec<LinePlan> {
        let mut plan = |mid: Mid, wish: Wish| match wish {
            Wish::Publish(_) => LinePlan::Receive(pictures),
            Wish::Nothing => LinePlan::Idle,
            Wish::Subscribe(track) => match self.send_plan(index, mid, track, premises) {
                Some(plan) => LinePlan::Send(plan),
                None => LinePlan::Idle,
            },
        };
        remote.media.iter().zip(wishes).map(|(media, wish)| plan(media.mid, *wish)).collect()
    }

    /// The streams of a subscription: those it has, or new ones.
    fn send_plan(
        &mut self,
        index: ParticipantIndex,
        mid: Mid,
        track: TrackIndex,
        premises: &mut Premises,
    ) -> Option<SendPlan> {
        let existing = self.subscription_on(index, mid, track).map(|line| (line.ssrc, line.rtx_ssrc));
        let (ssrc, rtx_ssrc) = match existing {
            Some((ssrc, Some(rtx_ssrc))) => (ssrc, rtx_ssrc),
            Some((ssrc, None)) => (ssrc, Ssrc(premises.rng.random())),
            None => (Ssrc(premises.rng.random()), Ssrc(premises.rng.random())),
        };
        let published = self.tracks[track.0].as_ref()?;
        let publisher = self.participants[published.publisher.0].as_ref()?.id;
        Some(SendPlan { publisher, track: published.id, ssrc, rtx_ssrc })
    }

    fn subscription_on(
        &self,
        index: ParticipantIndex,
        mid: Mid,
        track: TrackIndex,
    ) -> Option<&SubscriptionLine> {
        let participant = self.participants[index.0].as_ref()?;
        let (_, on_line) = participant.lines.iter().find(|(known, _)| *known == mid)?;
        let Use::Subscribes(wanted) = on_line else { return None };
        let mut subscriptions = participant.egress.subscriptions();
        let (_, subscription) = subscriptions.find(|(known, _)| known == wanted)?;
        (subscription.track == track).then(|| subscription.line())
    }

    fn transport_change(&mut self, index: ParticipantIndex, remote: &RemoteOffer) -> TransportChange {
        let Some(transport) = self.transport(index) else { return TransportChange::New };
        if transport.dtls.remote_fingerprint() != remote.fingerprint || transport.dtls.has_ended() {
            TransportChange::New
        } else if transport.agent.remote_ufrag() == remote.ice_ufrag {
            TransportChange::Keep
        } else {
            TransportChange::Restart
        }
    }

    fn install_transport(&mut self, index: ParticipantIndex, transport: Transport, premises: &mut Premises) {
        premises.directory.list_ufrag(&transport.agent.credentials().ufrag, self.seat(index));
        if let Some(participant) = self.participants[index.0].as_mut() {
            participant.transport = Some(transport);
            participant.has_sent_media = false;
        }
    }

    fn restart_ice(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        credentials: IceCredentials,
        remote_ufrag: &str,
        premises: &mut Premises,
    ) {
        let seat: Seat = self.seat(index);
        let Some(transport) = self.transport(index) else { return };
        premises.directory.strike_ufrag(&transport.agent.credentials().ufrag);
        premises.directory.list_ufrag(&credentials.ufrag, seat);
        transport.agent.restart(now, credentials, remote_ufrag.to_owned());
    }

    /// Learns how packets of this participant are to be read.
    fn learn(&mut self, index: ParticipantIndex, media: &[NegotiatedMedia]) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        for line in media.iter().filter(|line| matches!(line.direction, GatewayDirection::Receive { .. })) {
            line.codecs.iter().for_each(|codec| participant.payload_types.learn(codec));
            participant.extensions.merge(&line.extensions);
        }
    }

    /// Ends what the negotiated media descriptions carry no more, and begins what they carry anew.
    fn apply(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        media: &[NegotiatedMedia],
        wishes: &[(Mid, Wish)],
        premises: &mut Premises,
    ) -> Vec<AnsweredMid> {
        let wish_of = |mid: Mid| wishes.iter().find(|(known, _)| *known == mid).map(|(_, wish)| *wish);
        self.end_what_is_gone(now, index, media, &wish_of, premises);
        let mut answered = Vec::new();
        for line in media {
            match (&line.direction, wish_of(line.mid)) {
                (GatewayDirection::Receive { .. }, Some(Wish::Publish(source))) => {
                    let track = self.publish(now, index, line, source, premises);
                    answered.extend(track.map(|track| AnsweredMid { mid: line.mid.to_string(), track }));
                }
                (GatewayDirection::Send { ssrc, rtx_ssrc }, Some(Wish::Subscribe(track))) => {
                    let line = SubscriptionLine {
                        kind: line.kind,
                        mid: line.mid,
                        ssrc: *ssrc,
                        rtx_ssrc: *rtx_ssrc,
                        codecs: line.codecs.clone(),
                        extensions: line.extensions,
                    };
                    self.subscribe(now, index, line, track, premises);
                }
                _ => {}
            }
        }
        answered
    }

    fn end_what_is_gone(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        media: &[NegotiatedMedia],
        wish_of: &impl Fn(Mid) -> Option<Wish>,
        premises: &mut Premises,
    ) {
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        let direction_of = |mid: Mid| media.iter().find(|line| line.mid == mid).map(|line| &line.direction);
        let gone: Vec<(Mid, Use)> = participant
            .lines
            .iter()
            .copied()
            .filter(|(mid, usage)| match (usage, wish_of(*mid), direction_of(*mid)) {
                (
                    Use::Publishes(track),
                    Some(Wish::Publish(source)),
                    Some(GatewayDirection::Receive { .. }),
                ) => self.tracks[track.0].as_ref().is_none_or(|track| track.source != source),
                (Use::Subscribes(_), Some(Wish::Subscribe(track)), Some(GatewayDirection::Send { .. })) => {
                    self.subscription_on(index, *mid, track).is_none()
                }
                _ => true,
            })
            .collect();
        for (mid, usage) in gone {
            match usage {
                Use::Publishes(track) => self.unpublish(now, track, premises),
                Use::Subscribes(subscription) => self.unsubscribe(now, index, subscription),
            }
            if let Some(participant) = self.participants[index.0].as_mut() {
                participant.lines.retain(|(known, _)| *known != mid);
            }
        }
    }

    fn publish(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        line: &NegotiatedMedia,
        source: TrackSource,
        premises: &mut Premises,
    ) -> Option<TrackId> {
        let GatewayDirection::Receive { rids, streams } = &line.direction else { return None };
        let participant = self.participants[index.0].as_mut()?;
        let published = participant.lines.iter().find(|(mid, _)| *mid == line.mid);
        if let Some((_, Use::Publishes(track))) = published {
            return self.tracks[track.0].as_ref().map(|track| track.id);
        }
        let id = TrackId::from_bits(premises.rng.random());
        let track = Track::new(id, index, source, rids);
        let place = free_place(&self.tracks);
        for (stream, encoding) in streams.iter().zip(0..track.encodings.len()) {
            participant.bind(stream.ssrc, Destination::Media { track: place, encoding });
            if let Some(repair) = stream.rtx_ssrc {
                participant.bind(repair, Destination::Repair { track: place, encoding });
            }
        }
        participant.lines.push((line.mid, Use::Publishes(place)));
        let publication = Publication {
            track: id,
            publisher: participant.id,
            source,
            mid: line.mid.to_string(),
            rids: rids_of(rids),
        };
        let announcement = protocol::track::Track { id, publisher: participant.id, source, muted: false };
        self.place_track(track);
        self.adaptation.handle_publish(now, publication);
        premises.report(self.id, MediaReport::TrackPublished(announcement));
        Some(id)
    }

    fn subscribe(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        line: SubscriptionLine,
        track: TrackIndex,
        premises: &mut Premises,
    ) {
        let (Some(participant), Some(published)) =
            (&mut self.participants[index.0], &mut self.tracks[track.0])
        else {
            return;
        };
        let (mid, kind) = (line.mid, line.kind);
        if let Some((_, Use::Subscribes(existing))) =
            participant.lines.iter().find(|(known, _)| *known == mid)
        {
            if let Some(subscription) = participant.egress.subscription(*existing) {
                subscription.renegotiate(line);
            }
            return;
        }
        let (sequence, timestamp) = (premises.rng.random(), premises.rng.random());
        let subscription = Subscription::new(now, track, line, sequence, timestamp);
        let place: SubscriptionIndex = participant.egress.subscribe(subscription);
        participant.lines.push((mid, Use::Subscribes(place)));
        published.subscribers.push((index, place));
        if kind == MediaKind::Video {
            // Until the page says how large its tile is, it may have all there is below 1080 lines.
            self.adaptation.handle_subscribe(now, participant.id, published.id, Rung::P720.lines());
        }
    }
}

impl Room {
    /// Finds a place for a track: the one that [`free_place`] names.
    pub(super) fn place_track(&mut self, track: Track) -> TrackIndex {
        let place = free_place(&self.tracks);
        match self.tracks.get_mut(place.0) {
            Some(free) => *free = Some(track),
            None => self.tracks.push(Some(track)),
        }
        place
    }
}

fn free_place(tracks: &[Option<Track>]) -> TrackIndex {
    TrackIndex(tracks.iter().position(Option::is_none).unwrap_or(tracks.len()))
}

fn wishes_by_mid(remote: &RemoteOffer, wishes: &[Wish]) -> Vec<(Mid, Wish)> {
    remote.media.iter().map(|media| media.mid).zip(wishes.iter().copied()).collect()
}
