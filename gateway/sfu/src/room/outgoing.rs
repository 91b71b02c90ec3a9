//! What leaves for the participants: answers to checks, DTLS flights, feedback, and media.

use std::time::Instant;

use crate::burst::BurstSlab;
use crate::directory::ParticipantIndex;
use crate::forward::Outlet;
use crate::limits::MAX_DATAGRAM;
use crate::premises::Premises;
use crate::room::Room;
use crate::room::participant::Participant;
use crate::sfu::Fill;

impl Room {
    /// Seals what is due to leave into the slab.
    pub(crate) fn fill(&mut self, now: Instant, slab: &mut BurstSlab, premises: &mut Premises) -> Fill {
        self.now = now;
        let spoilt = |participant: &mut Participant| participant.egress.take_wants_key_frames();
        if self.participants.iter_mut().flatten().map(spoilt).fold(false, |any, one| any | one) {
            self.request_key_frames(now);
        }
        for index in (0..self.participants.len()).map(ParticipantIndex) {
            if !self.fill_one(now, index, slab, premises) {
                return Fill::More;
            }
        }
        Fill::Drained
    }

    /// `false` where the slab was full before everything due was in it.
    fn fill_one(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        slab: &mut BurstSlab,
        premises: &mut Premises,
    ) -> bool {
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
        let Some(participant) = self.participants[index.0].as_mut() else { return true };
        let Some(srtp) = participant.transport.as_mut().and_then(|transport| transport.srtp.as_mut()) else {
            return true;
        };
        let mut outlet = Outlet { destination, srtp, slab, counters: &mut premises.counters };
        participant.egress.fill(now, &self.tracks, &mut outlet)
    }

    /// Asks publishers for the key frames that subscriptions wait for.
    pub(super) fn request_key_frames(&mut self, now: Instant) {
        for track in self.tracks.iter_mut().flatten() {
            for number in 0..track.subscribers.len() {
                let (subscriber, place) = track.subscribers[number];
                let Some(participant) = self.participants[subscriber.0].as_mut() else { continue };
                if !participant.is_connected() {
                    continue;
                }
                let wanted = participant.egress.awaits_key_frame(place);
                let encoding = wanted.and_then(|wanted| track.stream_of_mut(wanted));
                if let Some(encoding) = encoding.filter(|encoding| encoding.ssrc.is_some()) {
                    encoding.key_frames.request(now);
                }
            }
        }
    }
}
