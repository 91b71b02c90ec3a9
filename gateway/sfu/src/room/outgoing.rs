//! What leaves for the participants: answers to checks, DTLS flights, feedback, and media.

use std::time::Instant;

use crate::burst::BurstSlab;
use crate::directory::ParticipantIndex;
use crate::forward::{Outlet, SubscriptionIndex};
use crate::limits::MAX_DATAGRAM;
use crate::premises::Premises;
use crate::room::Room;
use crate::room::agenda::Stir;
use crate::sfu::Fill;

impl Room {
    /// Seals what is due to leave into the slab.
    pub(crate) fn fill(&mut self, now: Instant, slab: &mut BurstSlab, premises: &mut Premises) -> Fill {
        self.now = now;
        while let Some((index, stir)) = self.agenda.first_stirred() {
            if self.takes_new_key_frames(index) {
                self.request_key_frames_for(now, index);
            }
            let is_served = match stir {
                Stir::Media => self.fill_media(now, index, slab, premises),
                Stir::Anything => self.fill_one(now, index, slab, premises),
            };
            if !is_served {
                return Fill::More;
            }
            match stir {
                Stir::Media => self.agenda.settle_first_besides(self.media_deadline_of(now, index)),
                Stir::Anything => self.agenda.settle_first(self.deadline_of(index)),
            }
        }
        Fill::Drained
    }

    fn takes_new_key_frames(&mut self, index: ParticipantIndex) -> bool {
        let participant = self.participants.get_mut(index.0).and_then(Option::as_mut);
        participant.is_some_and(|participant| participant.egress.take_wants_key_frames())
    }

    /// `false` where the slab was full before everything due was in it.
    fn fill_one(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        slab: &mut BurstSlab,
        premises: &mut Premises,
    ) -> bool {
        if self.hall.is_some() {
            self.ask_home(now, index, premises);
        }
        let Some(transport) = self.transport(index) else { return true };
        while slab.has_room_for(MAX_DATAGRAM) {
            let Some((destination, datagram)) = transport.poll_transmit() else { break };
            slab.push(destination, |out| out.extend_from_slice(&datagram));
        }
        let Some(destination) = transport.agent.selected() else { return true };
        if transport.srtp.is_none() {
            return true;
        }
        if !self.fill_feedback(now, index, destination, slab, premises) {
            return false;
        }
        self.fill_media(now, index, slab, premises)
    }

    /// `false` where the slab was full before all the media due was in it.
    fn fill_media(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        slab: &mut BurstSlab,
        premises: &mut Premises,
    ) -> bool {
        let Some(participant) = self.participants[index.0].as_mut() else { return true };
        let Some(transport) = participant.transport.as_mut() else { return true };
        let (Some(destination), Some(srtp)) = (transport.agent.selected(), transport.srtp.as_mut()) else {
            return true;
        };
        let mut outlet = Outlet { destination, srtp, slab, counters: &mut premises.counters };
        participant.egress.fill(now, &self.tracks, &mut outlet)
    }

    /// Asks publishers for the key frames that subscriptions wait for.
    pub(super) fn request_key_frames(&mut self, now: Instant) {
        for index in (0..self.participants.len()).map(ParticipantIndex) {
            self.request_key_frames_for(now, index);
        }
    }

    /// Asks publishers for the key frames that one subscriber waits for.
    fn request_key_frames_for(&mut self, now: Instant, index: ParticipantIndex) {
        let mut next = SubscriptionIndex(0);
        while let Some(participant) = self.participants.get_mut(index.0).and_then(Option::as_mut)
            && participant.is_connected()
            && let Some((place, track, encoding)) = participant.egress.key_frame_wait(next)
        {
            next = SubscriptionIndex(place.0 + 1);
            self.ask_for_key_frame(now, track, encoding);
        }
    }
}
