//! The media plane of one worker: rooms, and the ways from a datagram to the participant it belongs to.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaAction, MediaCommand, MediaReport, NegotiationFailure};
use protocol::units::Bitrate;
use rand::rngs::StdRng;
use rtc_crypto::providers::AwsLcRsProvider;

use crate::burst::BurstSlab;
use crate::config::SfuConfig;
use crate::counters::{Census, Counters, DropReason};
use crate::demux::Protocol;
use crate::directory::{RoomIndex, Seat};
use crate::dtls::DtlsCertificate;
use crate::ice::ConnectivityCheck;
use crate::limits::{MAX_DATAGRAM, MAX_ROOMS};
use crate::premises::Premises;
use crate::relay::{Halls, RelayBody, RelayMessage, RelayOutput, Stage, WorkerId};
use crate::room::Room;
use crate::shell_nonce::NonceKey;

pub use crate::output::{Output, Path};
pub use crate::setup_error::SetupError;

/// Whether [`Sfu::fill`] has emptied everything that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing else is due.
    Drained,
    /// The slab is full: send it, clear it, and call again.
    More,
}

/// The media plane of one worker.
pub struct Sfu {
    premises: Premises,
    rooms: Vec<Option<Room>>,
    indices_by_room: HashMap<RoomId, RoomIndex>,
    /// Rooms that something happened in since the last [`Self::fill`].
    stirred: Vec<RoomIndex>,
    deadlines: BTreeSet<(Instant, RoomIndex)>,
    /// Halls whose home this is, and does not have the room at present.
    halls_of_absent: HashMap<RoomId, Halls>,
}

impl Sfu {
    /// Makes a media plane without rooms, with a DTLS certificate of its own. `rng` draws credentials
    /// and ids; keys come from the cryptography's own source.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where no certificate can be made.
    pub fn new(config: SfuConfig, rng: StdRng) -> Result<Self, SetupError> {
        let certificate = DtlsCertificate::generate(Arc::new(AwsLcRsProvider::new()))?;
        Ok(Self {
            premises: Premises::new(config, certificate, NonceKey::draw()?, rng),
            rooms: Vec::new(),
            indices_by_room: HashMap::new(),
            stirred: Vec::new(),
            deadlines: BTreeSet::new(),
            halls_of_absent: HashMap::new(),
        })
    }

    /// Takes a request of the signaling plane.
    pub fn handle_command(&mut self, now: Instant, command: MediaCommand) {
        self.clear_away(&command);
        self.carry_out(now, command);
    }

    fn carry_out(&mut self, now: Instant, command: MediaCommand) {
        let MediaCommand { room, participant, action } = command;
        let index = match (self.indices_by_room.get(&room), &action) {
            (Some(index), _) => *index,
            (None, MediaAction::Join { .. }) if self.indices_by_room.len() < MAX_ROOMS => {
                self.open_room(now, room)
            }
            (None, MediaAction::Negotiate { negotiation, .. }) => {
                let outcome = Err(NegotiationFailure::NotJoined);
                let report = MediaReport::Negotiated { participant, negotiation: *negotiation, outcome };
                return self.premises.report(room, report);
            }
            (None, _) => return,
        };
        if let Some(Some(room)) = self.rooms.get_mut(index.0) {
            room.handle_action(now, participant, action, &mut self.premises);
            self.stir(index);
        }
    }

    /// Takes a request about a room whose home is another worker: one about a player that is to be served here.
    pub fn handle_command_of(&mut self, now: Instant, home: WorkerId, command: MediaCommand) {
        self.clear_away(&command);
        let is_new = !self.indices_by_room.contains_key(&command.room);
        if is_new
            && matches!(command.action, MediaAction::Join { .. })
            && self.indices_by_room.len() < MAX_ROOMS
        {
            let index = self.open_room(now, command.room);
            self.premises.halls.insert(command.room);
            if let Some(Some(room)) = self.rooms.get_mut(index.0) {
                room.become_hall(home, &mut self.premises);
            }
        }
        self.carry_out(now, command);
    }

    /// Takes what another worker says of a room that spans both.
    pub fn handle_relay(&mut self, now: Instant, from: WorkerId, message: &RelayMessage) {
        let RelayMessage { room: id, body } = message;
        let index = self.indices_by_room.get(id).copied();
        let room = index.and_then(|index| self.rooms.get_mut(index.0)?.as_mut());
        match (body, room) {
            (RelayBody::Stage(_) | RelayBody::Packet(_) | RelayBody::Clock(_), Some(hall))
                if hall.is_hall_of(from) =>
            {
                hall.handle_home(now, body, &mut self.premises);
            }
            (RelayBody::Stage(_) | RelayBody::Packet(_) | RelayBody::Clock(_), _) => {}
            (_, Some(home)) => home.handle_hall(now, from, body, &mut self.premises),
            (RelayBody::Attach, None) => {
                let halls = self.halls_of_absent.entry(*id).or_default();
                halls.attach(from);
                halls.tell_stage(*id, Stage::default(), &mut self.premises.relays);
            }
            (RelayBody::Detach, None) => {
                if let Some(halls) = self.halls_of_absent.get_mut(id) {
                    halls.detach(from);
                    self.halls_of_absent.retain(|_, halls| !halls.is_empty());
                }
            }
            (RelayBody::KeyFrame { .. } | RelayBody::Wish { .. }, None) => {}
        }
        if let Some(index) = index {
            self.stir(index);
        }
    }

    /// The next thing to tell another worker; call until `None`.
    pub fn poll_relay(&mut self) -> Option<RelayOutput> {
        self.premises.relays.pop_front()
    }

    /// Counts something for another worker that its queue had no room for.
    pub fn count_lost_relay(&mut self) {
        self.premises.counters.drop_one(DropReason::RelayFull);
    }

    fn open_room(&mut self, now: Instant, id: RoomId) -> RoomIndex {
        let free = self.rooms.iter().position(Option::is_none);
        let index = RoomIndex(free.unwrap_or(self.rooms.len()));
        let halls = self.halls_of_absent.remove(&id).unwrap_or_default();
        let room = Some(Room::new(now, id, index, halls, &self.premises));
        match self.rooms.get_mut(index.0) {
            Some(place) => *place = room,
            None => self.rooms.push(room),
        }
        self.indices_by_room.insert(id, index);
        index
    }

    /// Takes a datagram from the socket; SRTP is opened in place.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &mut [u8]) {
        let protocol = Protocol::of(datagram).filter(|_| datagram.len() <= MAX_DATAGRAM);
        let Some(protocol) = protocol else {
            return self.premises.counters.drop_one(DropReason::UnknownProtocol);
        };
        if protocol == Protocol::Stun {
            return self.handle_stun(now, source, datagram);
        }
        // Nothing but STUN reaches a parser before its source has proved an ICE password.
        let Some(seat) = self.premises.directory.by_address(source) else {
            return self.premises.counters.drop_one(DropReason::UnvalidatedSource);
        };
        let Some(Some(room)) = self.rooms.get_mut(seat.room.0) else { return };
        match protocol {
            Protocol::Stun => {}
            Protocol::Dtls => room.handle_dtls(now, seat.participant, datagram, &mut self.premises),
            Protocol::Rtp => room.handle_rtp(now, seat.participant, datagram, &mut self.premises),
            Protocol::Rtcp => room.handle_rtcp(now, seat.participant, datagram, &mut self.premises),
        }
        self.stir(seat.room);
    }

    fn handle_stun(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        let Ok(check) = ConnectivityCheck::parse(datagram) else {
            return self.premises.counters.drop_one(DropReason::StunMalformed);
        };
        let Some(Seat { room, participant }) = self.premises.directory.by_ufrag(check.local_ufrag()) else {
            return self.premises.counters.drop_one(DropReason::StunUnauthenticated);
        };
        let Some(Some(home)) = self.rooms.get_mut(room.0) else { return };
        home.handle_check(now, participant, source, check, &mut self.premises);
        self.stir(room);
    }

    /// Takes note that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(deadline, index)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(Some(room)) = self.rooms.get_mut(index.0) {
                room.forget_deadline();
                room.handle_timeout(now, &mut self.premises);
                self.stir(index);
            }
        }
    }

    /// When to call [`Self::handle_timeout`] and then [`Self::fill`], at the latest. It holds once
    /// `fill` has said [`Fill::Drained`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The next thing to do or know; call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.premises.poll_output()
    }

    /// Seals what is due to leave by `now` into the slab.
    pub fn fill(&mut self, now: Instant, slab: &mut BurstSlab) -> Fill {
        while slab.has_room_for(MAX_DATAGRAM)
            && let Some((destination, datagram)) = self.premises.farewells.pop_front()
        {
            slab.push(destination, |out| out.extend_from_slice(&datagram));
        }
        if !self.premises.farewells.is_empty() {
            return Fill::More;
        }
        while let Some(index) = self.stirred.last().copied() {
            let Some(room) = self.rooms.get_mut(index.0).and_then(Option::as_mut) else {
                self.stirred.pop();
                continue;
            };
            if room.fill(now, slab, &mut self.premises) == Fill::More {
                return Fill::More;
            }
            self.stirred.pop();
            self.settle(index);
        }
        Fill::Drained
    }

    fn stir(&mut self, index: RoomIndex) {
        if let Some(Some(room)) = self.rooms.get_mut(index.0)
            && room.stir()
        {
            self.stirred.push(index);
        }
    }

    /// Puts a room that has nothing more to send back to sleep until its next deadline.
    fn settle(&mut self, index: RoomIndex) {
        let Some(Some(room)) = self.rooms.get_mut(index.0) else { return };
        let (previous, next) = room.settle();
        if previous != next {
            if let Some(previous) = previous {
                self.deadlines.remove(&(previous, index));
            }
            if let Some(next) = next {
                self.deadlines.insert((next, index));
            }
        }
        if room.is_empty() {
            self.close_room(index);
        }
    }

    /// Closes a room that everybody has left and that is only about to go: what begins anew may live elsewhere.
    fn clear_away(&mut self, command: &MediaCommand) {
        if matches!(command.action, MediaAction::Join { .. })
            && let Some(index) = self.indices_by_room.get(&command.room).copied()
            && self.rooms.get(index.0).and_then(Option::as_ref).is_some_and(Room::is_empty)
        {
            self.close_room(index);
        }
    }

    fn close_room(&mut self, index: RoomIndex) {
        let Some(room) = self.rooms.get_mut(index.0).and_then(Option::take) else { return };
        let id = room.id();
        if let Some(deadline) = room.deadline() {
            self.deadlines.remove(&(deadline, index));
        }
        self.indices_by_room.remove(&id);
        if self.premises.halls.remove(&id) {
            room.close_hall(&mut self.premises);
        }
        let halls = room.into_halls();
        if !halls.is_empty() {
            self.halls_of_absent.insert(id, halls);
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.premises.counters
    }

    /// What the downlink of a participant is believed to carry, for those who compare it with what it does.
    #[must_use]
    pub fn downlink_estimate(&mut self, room: RoomId, participant: ParticipantId) -> Option<Bitrate> {
        let index = self.indices_by_room.get(&room)?;
        self.rooms.get_mut(index.0)?.as_mut()?.downlink_estimate(participant)
    }

    /// What is there at this moment.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for room in self.rooms.iter().flatten() {
            room.count_into(&mut census);
        }
        census
    }
}
