//! What is told to those outside, each once, when it changes: classes, plans, qualities, and what estimates
//! are wanted for.

use std::time::Instant;

use protocol::decision::Change;
use protocol::id::ParticipantId;
use protocol::ladder::Rung;
use protocol::quality::{EncodingPlan, HdReason, PairQuality, UplinkPlan};

use super::adaptation::Adaptation;
use super::badge::{rung_reason, visible_rung};
use super::demand::demand;
use super::output::AdaptOutput;
use super::participant::SPENDABLE;
use super::published_track::Publication;
use super::snapshot::SourceSnapshot;
use super::uplink::EncodingTarget;

impl Adaptation {
    pub(super) fn tell_class(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.room.participants.get_mut(&id) else { return };
        for _ in 0..participant.classifier.take_conflicts() {
            self.outputs.push_back(AdaptOutput::NetworkConflict);
        }
        let to = participant.classifier.verdict().class;
        let from = std::mem::replace(&mut participant.said_class, to);
        if from != to {
            participant.class_since = now;
            self.log.record(now, Change::NetworkClass { participant: id, from, to });
            self.outputs.push_back(AdaptOutput::NetworkClass { participant: id, from, to });
        }
    }

    pub(super) fn tell_quality(&mut self, now: Instant, id: ParticipantId, sources: &[SourceSnapshot]) {
        let Some(subscriber) = self.room.participants.get(&id) else { return };
        let subscriber_class = subscriber.classifier.verdict().class;
        let pairs = subscriber.demands.iter().filter_map(|track_id| {
            let track = self.room.tracks.get(track_id)?;
            let subscription = self.room.subscriptions.get(&(id, *track_id))?;
            let source = sources.get(self.room.source_index(*track_id)?)?;
            let publisher = track.publication.publisher;
            Some(PairQuality {
                track: *track_id,
                publisher,
                publisher_class: self.room.participants.get(&publisher)?.classifier.verdict().class,
                subscriber_class,
                rung: visible_rung(now, track, subscription),
                rung_reason: rung_reason(&self.room, now, id, (track, source), subscription),
                hd: self.room.decision(publisher, id).map_or(HdReason::Granted, |decision| decision.reason),
            })
        });
        let pairs: Vec<PairQuality> = pairs.collect();
        if let Some(subscriber) = self.room.participants.get_mut(&id)
            && subscriber.quality != pairs
        {
            let before = std::mem::replace(&mut subscriber.quality, pairs.clone());
            self.room.date(now, id, &before, &pairs);
            self.outputs.push_back(AdaptOutput::Quality { subscriber: id, pairs });
        }
    }

    pub(super) fn tell_demand(&mut self, now: Instant, id: ParticipantId, sources: &[SourceSnapshot]) {
        let Some(participant) = self.room.participants.get(&id) else { return };
        let sought: Vec<Rung> = participant
            .demands
            .iter()
            .map(|track| {
                let track = self.room.tracks.get(track);
                track.map_or(Rung::AudioOnly, |track| {
                    self.room.viewing_cap(now, id, track, |hd| hd.sought).rung
                })
            })
            .collect();
        let snapshot = self.room.subscriber_snapshot(now, id);
        let rates = demand(sources, &snapshot, &sought, self.room.audio_reserve(id), SPENDABLE);
        let watching = !participant.demands.is_empty() || participant.demand.is_some();
        if let Some(participant) = self.room.participants.get_mut(&id)
            && watching
            && participant.demand.replace(rates) != Some(rates)
        {
            let [floor, current, next] = rates;
            self.outputs.push_back(AdaptOutput::Demand { subscriber: id, floor, current, next });
        }
    }
}

/// A plan in the words that a publisher is told.
pub(super) fn told_plan(publication: &Publication, plan: &[EncodingTarget]) -> AdaptOutput {
    let unnamed = String::new();
    let rids = publication.rids.iter().chain(std::iter::repeat(&unnamed));
    let encodings = plan.iter().zip(rids).map(|(target, rid)| EncodingPlan {
        rid: rid.clone(),
        active: target.active,
        rung: target.rung,
        max_bitrate_bps: target.max_bitrate,
        max_framerate: target.max_framerate,
    });
    AdaptOutput::Uplink {
        publisher: publication.publisher,
        plan: UplinkPlan {
            track: publication.track,
            mid: publication.mid.clone(),
            encodings: encodings.collect(),
        },
    }
}
