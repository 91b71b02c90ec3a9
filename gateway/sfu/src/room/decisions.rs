//! How what policy has decided is carried out.

use std::time::Instant;

use protocol::id::{ParticipantId, TrackId};
use protocol::media_message::MediaReport;
use protocol::network_class::NetworkClass;

use super::Room;
use crate::adapt::AdaptOutput;
use crate::forward::Layer;
use crate::premises::Premises;
use crate::sample::Sample;

impl Room {
    /// Carries out what policy has decided.
    pub(super) fn apply_decisions(&mut self, now: Instant, premises: &mut Premises) {
        while let Some(output) = self.adaptation.poll_output() {
            match output {
                AdaptOutput::Forward { subscriber, track, target } => {
                    self.retarget(now, subscriber, track, target.into());
                }
                AdaptOutput::Uplink { publisher, plan } => {
                    self.wish(&plan, premises);
                    premises.report(self.id, MediaReport::UplinkPlan { participant: publisher, plan });
                }
                // A player has nobody to show it to.
                AdaptOutput::Quality { subscriber, .. } if self.is_player(subscriber) => {}
                AdaptOutput::Quality { subscriber, pairs } => {
                    premises.report(self.id, MediaReport::Quality { participant: subscriber, pairs });
                }
                AdaptOutput::NetworkClass { participant, from, to } => {
                    if !self.reclassify(participant, to) {
                        continue;
                    }
                    premises.sample(Sample::NetworkClassChanged { from, to });
                    premises.report(self.id, MediaReport::NetworkClass { participant, class: to });
                }
                AdaptOutput::NetworkConflict => premises.sample(Sample::NetworkConflict),
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

    fn is_player(&self, id: ParticipantId) -> bool {
        let seat = self.participant_index(id).and_then(|index| self.participants.get(index.0)?.as_ref());
        seat.is_some_and(|participant| participant.is_player())
    }

    /// Whether the participant is one to tell of: of those on the stage of another worker, that one tells.
    fn reclassify(&mut self, id: ParticipantId, class: NetworkClass) -> bool {
        let Some(index) = self.participant_index(id) else { return true };
        let Some(participant) = self.participants[index.0].as_mut() else { return true };
        participant.class = class;
        !participant.is_mirrored
    }

    fn retarget(
        &mut self,
        now: Instant,
        subscriber: ParticipantId,
        track: TrackId,
        target: Option<crate::adapt::Layer>,
    ) {
        let Some(index) = self.participant_index(subscriber) else { return };
        let Some(track_place) = self.track_index(track) else { return };
        let Some(track) = self.tracks[track_place.0].as_ref() else { return };
        let subscribed = track.subscribers.iter().find(|(one, _)| *one == index);
        let Some(&(_, place)) = subscribed else { return };
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let descent = participant.egress.descent(place, track, now);
        let target = target.map(|layer| Layer { encoding: layer.encoding, temporal: layer.temporal });
        let Some(subscription) = participant.egress.subscription(place) else { return };
        subscription.set_target(target, descent);
        // Ask at once: waiting for the next tick would cost a fifth of a second of picture.
        if let Some(wanted) = participant.egress.awaits_key_frame(place) {
            self.ask_for_key_frame(now, track_place, wanted);
        }
        self.agenda.stir(index);
    }
}
