//! The stage of a room, which its halls on other workers see: in its home it is told, in a hall it is put up again from
//! what the home tells, packet by packet.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::MediaAction;
use protocol::quality::UplinkPlan;

use crate::adapt::Publication;
use crate::counters::DropReason;
use crate::directory::ParticipantIndex;
use crate::forward::{Track, TrackIndex};
use crate::premises::Premises;
use crate::relay::{
    Halls, Performer, RelayBody, RelayMessage, RelayOutput, RelayedClock, RelayedPacket, Showing, Stage,
    WorkerId,
};
use crate::room::Room;
use crate::room::participant::{Destination, Participant, Use};
use crate::rtp::{ExtensionValues, RtpHeader, Ssrc};

/// What players ask for before the stage is there, which takes a turn of the home. A worker is handed fewer in one.
const MAX_WAITING: usize = 4_096;

/// What makes a room a hall.
#[derive(Debug)]
pub(super) struct Hall {
    home: WorkerId,
    is_staged: bool,
    waiting: VecDeque<(ParticipantId, MediaAction)>,
    /// How many are seated here that the home has.
    performers: usize,
    shows: Vec<Mirrored>,
    wishes: Vec<(TrackId, Rung)>,
}

/// A track of the home, and its place here.
#[derive(Debug, Clone, Copy)]
struct Mirrored {
    home: TrackIndex,
    here: TrackIndex,
}

impl Hall {
    pub(super) fn new(home: WorkerId) -> Self {
        Self {
            home,
            is_staged: false,
            waiting: VecDeque::new(),
            performers: 0,
            shows: Vec::new(),
            wishes: Vec::new(),
        }
    }

    /// Whether nobody but performers is among so many, and nobody waits for them.
    pub(super) fn is_empty(&self, participants: usize) -> bool {
        self.waiting.is_empty() && participants == self.performers
    }

    fn here(&self, home: TrackIndex) -> Option<TrackIndex> {
        self.shows.iter().find(|shown| shown.home == home).map(|shown| shown.here)
    }
}

/// In the home.
impl Room {
    pub(crate) fn into_halls(self) -> Halls {
        self.halls
    }

    /// Tells the halls who is on the stage, where that has changed.
    pub(super) fn tell_stage(&mut self, premises: &mut Premises) {
        if !self.halls.is_empty() {
            let stage = self.stage();
            self.halls.tell_stage(self.id, stage, &mut premises.relays);
        }
    }

    fn stage(&self) -> Stage {
        let publishers: BTreeSet<ParticipantIndex> =
            self.tracks.iter().flatten().map(|track| track.publisher).collect();
        let performers = publishers.into_iter().filter_map(|index| {
            let participant = self.participants.get(index.0)?.as_ref()?;
            let shows: Vec<Showing> = participant
                .lines
                .iter()
                .filter_map(|(mid, usage)| {
                    let Use::Publishes(place) = *usage else { return None };
                    let track = self.tracks.get(place.0)?.as_ref()?;
                    let rids = track.encodings.iter().filter_map(|encoding| encoding.rid).collect();
                    let (id, source, muted) = (track.id, track.source, track.muted);
                    Some(Showing { id, place, source, mid: *mid, rids, muted })
                })
                .collect();
            let verdict = self.adaptation.verdict(participant.id).filter(|verdict| verdict.proven);
            (!shows.is_empty()).then(|| Performer {
                id: participant.id,
                role: participant.role,
                steerable: participant.steerable,
                proven_class: verdict.map(|verdict| verdict.class),
                extensions: participant.extensions,
                payload_types: participant.payload_types.clone(),
                shows,
            })
        });
        Stage { performers: performers.collect() }
    }

    /// Passes a packet on to the halls.
    pub(super) fn relay(&mut self, destination: Destination, packet: &[u8], premises: &mut Premises) {
        let (Destination::Media { track, encoding } | Destination::Repair { track, encoding }) = destination;
        let is_repair = matches!(destination, Destination::Repair { .. });
        if let Some(packet) = RelayedPacket::new(track, encoding as u8, is_repair, packet) {
            self.halls.tell(self.id, &RelayBody::Packet(packet), &mut premises.relays);
        }
    }

    /// Takes what a hall says.
    pub(crate) fn handle_hall(
        &mut self,
        now: Instant,
        from: WorkerId,
        body: &RelayBody,
        premises: &mut Premises,
    ) {
        match body {
            RelayBody::KeyFrame { track, encoding } => {
                if let Some(place) = self.track_index(*track) {
                    self.ask_for_key_frame(now, place, *encoding);
                }
            }
            RelayBody::Wish { track, rung } => self.adaptation.handle_hall_wish(*track, from, *rung),
            RelayBody::Attach => {
                self.halls.attach(from);
                self.tell_stage(premises);
            }
            RelayBody::Detach => {
                self.halls.detach(from);
                let tracks: Vec<TrackId> = self.tracks.iter().flatten().map(|track| track.id).collect();
                tracks.into_iter().for_each(|id| self.adaptation.handle_hall_wish(id, from, Rung::AudioOnly));
            }
            RelayBody::Stage(_) | RelayBody::Packet(_) | RelayBody::Clock(_) => {}
        }
    }
}

/// In a hall.
impl Room {
    /// Makes an empty room a hall of one that lives elsewhere.
    pub(crate) fn become_hall(&mut self, home: WorkerId, premises: &mut Premises) {
        self.hall = Some(Hall::new(home));
        self.tell_home(RelayBody::Attach, premises);
    }

    pub(crate) fn is_hall_of(&self, worker: WorkerId) -> bool {
        self.hall.as_ref().is_some_and(|hall| hall.home == worker)
    }

    pub(crate) fn close_hall(&self, premises: &mut Premises) {
        self.tell_home(RelayBody::Detach, premises);
    }

    fn tell_home(&self, body: RelayBody, premises: &mut Premises) {
        if let Some(hall) = &self.hall {
            let message = RelayMessage { room: self.id, body };
            premises.relays.push_back(RelayOutput { to: hall.home, message });
        }
    }

    /// Whether the action has to wait for the stage; it does, then.
    pub(super) fn waits_for_stage(
        &mut self,
        participant: ParticipantId,
        action: &MediaAction,
        premises: &mut Premises,
    ) -> bool {
        let Some(hall) = self.hall.as_mut().filter(|hall| !hall.is_staged) else { return false };
        if hall.waiting.len() < MAX_WAITING {
            hall.waiting.push_back((participant, action.clone()));
        } else {
            premises.counters.drop_one(DropReason::RelayFull);
        }
        true
    }

    /// Takes what the home says.
    pub(crate) fn handle_home(&mut self, now: Instant, body: &RelayBody, premises: &mut Premises) {
        self.now = now;
        match body {
            RelayBody::Stage(stage) => self.put_up(now, stage, premises),
            RelayBody::Packet(packet) => self.handle_relayed(now, packet, premises),
            RelayBody::Clock(clock) => self.handle_relayed_clock(now, *clock),
            RelayBody::Attach | RelayBody::Detach | RelayBody::KeyFrame { .. } | RelayBody::Wish { .. } => {}
        }
        self.apply_decisions(now, premises);
    }

    fn put_up(&mut self, now: Instant, stage: &Stage, premises: &mut Premises) {
        let gone: Vec<ParticipantIndex> = self
            .mirrored()
            .filter(|(_, id)| !stage.performers.iter().any(|performer| performer.id == *id))
            .map(|(index, _)| index)
            .collect();
        for index in gone {
            self.leave(now, index, premises);
        }
        for performer in &stage.performers {
            self.seat_performer(now, performer, premises);
        }
        let places = stage.performers.iter().flat_map(|performer| &performer.shows).filter_map(|showing| {
            Some(Mirrored { home: showing.place, here: self.track_index(showing.id)? })
        });
        let places: Vec<Mirrored> = places.collect();
        let performers = self.mirrored().count();
        let Some(hall) = self.hall.as_mut() else { return };
        hall.performers = performers;
        hall.shows = places;
        if !std::mem::replace(&mut hall.is_staged, true) {
            for (participant, action) in std::mem::take(&mut hall.waiting) {
                self.handle_action(now, participant, action, premises);
            }
        }
    }

    fn mirrored(&self) -> impl Iterator<Item = (ParticipantIndex, ParticipantId)> {
        let seats = self.participants.iter().enumerate();
        seats.filter_map(|(index, seat)| {
            let participant = seat.as_ref().filter(|participant| participant.is_mirrored)?;
            Some((ParticipantIndex(index), participant.id))
        })
    }

    fn seat_performer(&mut self, now: Instant, performer: &Performer, premises: &mut Premises) {
        let Performer { id, role, steerable, proven_class, .. } = *performer;
        if self.participant_index(id).is_none() {
            let mut newcomer = Participant::new(now, id, role, steerable, Ssrc(0));
            newcomer.is_mirrored = true;
            self.adaptation.handle_join(now, id, role, steerable);
            self.seat_newcomer(newcomer);
        }
        let Some(index) = self.participant_index(id) else { return };
        let Some(participant) = self.participants[index.0].as_mut().filter(|one| one.is_mirrored) else {
            return;
        };
        participant.extensions = performer.extensions;
        participant.payload_types = performer.payload_types.clone();
        let ended: Vec<TrackIndex> = participant
            .published()
            .filter(|place| {
                let track = self.tracks.get(place.0).and_then(Option::as_ref);
                track.is_none_or(|track| !performer.shows.iter().any(|shown| shown.id == track.id))
            })
            .collect();
        for place in ended {
            self.unpublish(now, place, premises);
            if let Some(participant) = self.participants[index.0].as_mut() {
                participant.lines.retain(|(_, usage)| *usage != Use::Publishes(place));
            }
        }
        if let Some(class) = proven_class {
            self.adaptation.handle_operator(now, id, class);
        }
        for showing in &performer.shows {
            self.put_on_show(now, index, id, showing);
        }
    }

    fn put_on_show(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        publisher: ParticipantId,
        showing: &Showing,
    ) {
        if self.track_index(showing.id).is_none() {
            let track = Track::new(showing.id, index, showing.source, &showing.rids);
            let place = self.place_track(track);
            if let Some(participant) = self.participants[index.0].as_mut() {
                participant.lines.push((showing.mid, Use::Publishes(place)));
            }
            let publication = Publication {
                track: showing.id,
                publisher,
                source: showing.source,
                mid: showing.mid.to_string(),
                rids: rids_of(&showing.rids),
            };
            self.adaptation.handle_publish(now, publication);
        }
        if let Some(track) = self.track_index(showing.id).and_then(|place| self.tracks[place.0].as_mut())
            && track.muted != showing.muted
        {
            track.muted = showing.muted;
            self.adaptation.handle_mute(now, showing.id, showing.muted);
        }
    }

    fn handle_relayed(&mut self, now: Instant, relayed: &RelayedPacket, premises: &mut Premises) {
        let Some(place) = self.hall.as_ref().and_then(|hall| hall.here(relayed.track)) else { return };
        let Some(index) = self.tracks[place.0].as_ref().map(|track| track.publisher) else { return };
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        let Ok(header) = RtpHeader::parse(relayed.packet()) else {
            return premises.counters.drop_one(DropReason::RtpMalformed);
        };
        let values = ExtensionValues::read(&header, &participant.extensions);
        let Some(meaning) = participant.payload_types.meaning(header.pt()) else { return };
        let (track, encoding) = (place, relayed.encoding.into());
        let destination = match relayed.is_repair {
            true => Destination::Repair { track, encoding },
            false => Destination::Media { track, encoding },
        };
        self.handle_media(now, index, (destination, meaning), (&header, &values, 0), premises);
    }

    fn handle_relayed_clock(&mut self, now: Instant, clock: RelayedClock) {
        let Some(place) = self.hall.as_ref().and_then(|hall| hall.here(clock.track)) else { return };
        self.set_clock(now, place, clock.encoding.into(), clock.ntp, clock.rtp_timestamp);
    }

    /// Asks the home for the key frames that players wait for, in the place of the publisher.
    pub(super) fn ask_home(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let Some(participant) = self.participants[index.0].as_ref().filter(|one| one.is_mirrored) else {
            return;
        };
        let places: Vec<TrackIndex> = participant.published().collect();
        for place in places {
            let Some(track) = self.tracks[place.0].as_mut() else { continue };
            let id = track.id;
            let wanted: Vec<u8> = (0_u8..)
                .zip(&mut track.encodings)
                .filter_map(|(number, encoding)| {
                    // Repairs are the home's to ask for; what it gets comes here, too.
                    encoding.nacks.forget();
                    encoding.key_frames.poll(now).then_some(number)
                })
                .collect();
            for encoding in wanted {
                self.tell_home(RelayBody::KeyFrame { track: id, encoding }, premises);
            }
        }
    }

    /// Tells the home what the players have a use for: the plan that a publisher here would be told.
    pub(super) fn wish(&mut self, plan: &UplinkPlan, premises: &mut Premises) {
        let active = plan.encodings.iter().filter(|encoding| encoding.active);
        let rung = active.map(|encoding| encoding.rung).max().unwrap_or(Rung::AudioOnly);
        let Some(hall) = self.hall.as_mut() else { return };
        match hall.wishes.iter_mut().find(|(track, _)| *track == plan.track) {
            Some((_, told)) if *told == rung => return,
            Some((_, told)) => *told = rung,
            None => hall.wishes.push((plan.track, rung)),
        }
        self.tell_home(RelayBody::Wish { track: plan.track, rung }, premises);
    }
}

/// The names of encodings in the words of policy; a single one has none.
pub(super) fn rids_of(rids: &[crate::sdp::Rid]) -> Vec<String> {
    if rids.is_empty() { vec![String::new()] } else { rids.iter().map(ToString::to_string).collect() }
}
