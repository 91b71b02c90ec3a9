//! Explains a room: what each subscriber gets of each picture, what everything that can be in the way would
//! allow, and what the decisions rest on. Reads the state, changes nothing, and runs only when somebody asks.

use std::time::Instant;

use protocol::decision::{
    Allowances, Delivered, DownlinkDecision, DownlinkWord, EvidenceDecision, EvidenceWord, NetworkDecision,
    NextStep, PairDecision, ParticipantDecision, RoomDecisions, UplinkDecision,
};
use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::network_class::ReportSource;
use protocol::quality::{HdReason, RungReason};
use protocol::track::TrackSource;
use protocol::units::Bitrate;

use super::adaptation::Adaptation;
use super::badge::{rung_reason, visible_rung};
use super::choice;
use super::classifier::NetworkClassifier;
use super::decision_log::millis;
use super::evidence::{Evidence, EvidenceSource};
use super::measurement::{DownlinkState, TEMPORAL_LAYERS};
use super::output::Layer;
use super::participant::Participant;
use super::policy::FULL_RATE;
use super::published_track::Track;
use super::room_state::{RoomState, Subscription};
use super::snapshot::{DemandSnapshot, Pricing, SourceSnapshot, SubscriberSnapshot, rung_for_tile};

impl Adaptation {
    /// What is decided at this moment, what it rests on, and what changed of late.
    #[must_use]
    pub fn explain(&self, now: Instant) -> RoomDecisions {
        RoomDecisions {
            participants: explain_participants(&self.room, now),
            pairs: explain(&self.room, now),
            changes: self.log.told(now),
            forgotten_changes: self.log.forgotten(),
        }
    }
}

/// Every subscription to a picture, as decided.
pub(super) fn explain(room: &RoomState, now: Instant) -> Vec<PairDecision> {
    let sources = room.sources(now);
    let tracks: Vec<TrackId> = room.video_tracks().map(|(id, _)| id).collect();
    let mut pairs = Vec::new();
    for (subscriber, _) in room.explained() {
        let snapshot = room.subscriber_snapshot(now, subscriber);
        let spent = spent(&sources, &snapshot);
        for demand in &snapshot.demands {
            let view = tracks.get(demand.source).zip(sources.get(demand.source)).and_then(|(id, source)| {
                let track = room.tracks.get(id)?;
                let subscription = room.subscriptions.get(&(subscriber, *id))?;
                let (budget, pricing) = (snapshot.budget, snapshot.pricing);
                Some(View { subscriber, track, source, subscription, demand, budget, pricing, spent })
            });
            pairs.extend(view.map(|view| view.explain(room, now)));
        }
    }
    pairs
}

/// Everybody's network and downlink.
fn explain_participants(room: &RoomState, now: Instant) -> Vec<ParticipantDecision> {
    let sources = room.sources(now);
    let explain = |(id, participant): (ParticipantId, &Participant)| {
        let snapshot = room.subscriber_snapshot(now, id);
        ParticipantDecision {
            participant: id,
            role: participant.role,
            lost: participant.is_lost(),
            network: network(&participant.classifier, now, participant.class_since),
            downlink: DownlinkDecision {
                state: downlink_word(participant),
                estimate_bps: participant.estimate(),
                audio_bps: room.audio_reserve(id),
                budget_bps: snapshot.budget,
                spent_bps: spent(&sources, &snapshot),
            },
            uplink: UplinkDecision {
                arriving_bps: participant.uplink.map_or(Bitrate::ZERO, |uplink| uplink.rate),
                carries_bps: participant.uplink_limit.carries(),
                encoder: encoder_limit(room, now, id),
            },
        }
    };
    room.explained().map(explain).collect()
}

/// What holds the encoders of a publisher back: the processor, where that is said of any of them.
fn encoder_limit(room: &RoomState, now: Instant, publisher: ParticipantId) -> EncoderLimit {
    let own = room.video_tracks().filter(|(_, track)| track.publication.publisher == publisher);
    let limits = own.map(|(_, track)| track.encoder_limit(now));
    let weight = |limit: &EncoderLimit| match limit {
        EncoderLimit::None => 0,
        EncoderLimit::Other => 1,
        EncoderLimit::Bandwidth => 2,
        EncoderLimit::Cpu => 3,
    };
    limits.max_by_key(weight).unwrap_or_default()
}

fn downlink_word(participant: &Participant) -> DownlinkWord {
    match participant.downlink.map(|downlink| downlink.state) {
        None | Some(DownlinkState::Starting) => DownlinkWord::Starting,
        Some(DownlinkState::Steady) => DownlinkWord::Steady,
        Some(DownlinkState::Congested) => DownlinkWord::Congested,
        Some(DownlinkState::Silent) => DownlinkWord::Silent,
    }
}

fn spent(sources: &[SourceSnapshot], subscriber: &SubscriberSnapshot) -> Bitrate {
    let prices = subscriber.demands.iter().filter_map(|demand| {
        Some(layer_price(sources.get(demand.source)?, demand.current?, Pricing::Measured, demand.current))
    });
    prices.sum()
}

fn layer_price(source: &SourceSnapshot, layer: Layer, pricing: Pricing, current: Option<Layer>) -> Bitrate {
    let encoding = source.encodings.get(usize::from(layer.encoding));
    encoding.map_or(Bitrate::ZERO, |encoding| choice::price(encoding, layer, current, pricing))
}

/// One subscription with everything that its decision rests on.
struct View<'a> {
    subscriber: ParticipantId,
    track: &'a Track,
    source: &'a SourceSnapshot,
    subscription: &'a Subscription,
    demand: &'a DemandSnapshot,
    budget: Bitrate,
    pricing: Pricing,
    /// By all pictures of the subscriber.
    spent: Bitrate,
}

impl View<'_> {
    fn explain(&self, room: &RoomState, now: Instant) -> PairDecision {
        let publication = &self.track.publication;
        let publisher = publication.publisher;
        let lost = room.participants.get(&publisher).is_some_and(Participant::is_lost);
        let (track, subscription) = (self.track, self.subscription);
        let pair = room.pairs.get(&(publisher, self.subscriber));
        let reason = rung_reason(room, now, self.subscriber, (track, self.source), subscription);
        PairDecision {
            track: publication.track,
            source: publication.source,
            publisher,
            subscriber: self.subscriber,
            gets: self.delivered(now),
            allows: Allowances {
                classes: room.class_cap(now, self.subscriber, track).rung,
                permission: self.permission(pair.is_some_and(|pair| pair.decision.permitted)),
                tile: rung_for_tile(subscription.max_lines).min(self.best()),
                publisher: if lost { Rung::AudioOnly } else { self.sendable(now) },
                downlink: self.affordable(),
                codec: if reason == RungReason::Codec {
                    visible_rung(now, track, subscription)
                } else {
                    self.best()
                },
            },
            next: self.next_step().filter(|_| !subscription.is_undecodable(now)),
            reason,
            for_ms: millis(now, subscription.since),
            hd: pair.map_or(HdReason::Granted, |pair| pair.decision.reason),
            hd_for_ms: pair.map_or(0, |pair| millis(now, pair.since)),
        }
    }

    /// The highest rung that anybody may have of such a source.
    fn best(&self) -> Rung {
        match self.track.publication.source {
            TrackSource::Camera => Rung::HD,
            TrackSource::Screen | TrackSource::Microphone => Rung::P1080,
        }
    }

    fn permission(&self, permitted: bool) -> Rung {
        let asks = self.track.publication.source == TrackSource::Camera;
        if asks && !permitted { Rung::P480 } else { self.best() }
    }

    fn delivered(&self, now: Instant) -> Delivered {
        let rung = visible_rung(now, self.track, self.subscription);
        let flowing = self.subscription.flowing.map_or(self.subscription.target, Into::into);
        let Some(layer) = flowing.filter(|_| rung > Rung::AudioOnly) else {
            return Delivered {
                rung,
                lines: 0,
                frame_rate: 0,
                temporal_layer: None,
                price_bps: Bitrate::ZERO,
            };
        };
        let measure = self.track.measure(usize::from(layer.encoding));
        let top = usize::from(FULL_RATE).min(TEMPORAL_LAYERS - 1);
        let halvings =
            if measure.temporal_layers > 1 { top.saturating_sub(usize::from(layer.temporal)) } else { 0 };
        let frame_rate = measure.frame_rate / f64::from(1_u32 << halvings);
        Delivered {
            rung,
            lines: measure.height.unwrap_or_else(|| rung.lines()),
            frame_rate: frame_rate.round().clamp(0.0, 255.0) as u8,
            temporal_layer: Some(layer.temporal),
            price_bps: if measure.alive { self.present_price_of(layer) } else { Bitrate::ZERO },
        }
    }

    /// The highest rung that the publisher can be had to send, as far as is known.
    fn sendable(&self, now: Instant) -> Rung {
        if self.track.muted || self.track.is_silent(now) {
            return Rung::AudioOnly;
        }
        let arrives = self.source.encodings.iter().filter(|encoding| encoding.usable);
        let arriving = arrives.map(|encoding| encoding.rung).max().unwrap_or(Rung::AudioOnly);
        let withheld = (0..self.source.encodings.len()).any(|index| self.track.is_withheld(now, index));
        let by_size =
            self.track.source_lines.map(|(lines, _)| Rung::at_most(lines.saturating_add(lines / 20)));
        let sendable = if withheld { arriving } else { self.best() };
        sendable.min(by_size.unwrap_or(Rung::P1080))
    }

    /// What is left of the budget for this picture.
    fn purse(&self) -> Bitrate {
        self.budget - (self.spent - self.present_price())
    }

    fn present_price_of(&self, layer: Layer) -> Bitrate {
        layer_price(self.source, layer, Pricing::Measured, Some(layer))
    }

    fn present_price(&self) -> Bitrate {
        self.demand.current.map_or(Bitrate::ZERO, |layer| self.present_price_of(layer))
    }

    /// What a rung costs at its full frame rate: as it arrives, or as an encoder may grow to.
    fn price_of(&self, rung: Rung) -> Bitrate {
        let arriving =
            self.source.encodings.iter().position(|encoding| encoding.usable && encoding.rung == rung);
        if let Some(index) = arriving {
            let layer = Layer { encoding: index as u8, temporal: FULL_RATE };
            return layer_price(self.source, layer, self.pricing, self.demand.current);
        }
        match self.pricing {
            Pricing::Growing(margin) if rung > self.subscription.rung => {
                rung.nominal_bitrate().scaled(margin)
            }
            Pricing::Growing(_) | Pricing::Measured => rung.nominal_bitrate(),
        }
    }

    fn affordable(&self) -> Rung {
        let purse = self.purse();
        let rungs = Rung::ALL.into_iter().filter(|rung| *rung <= self.best());
        let paid = rungs.rev().find(|rung| self.price_of(*rung) <= purse).unwrap_or(Rung::AudioOnly);
        // What flows is carried, whatever it would cost to get there.
        paid.max(self.subscription.rung)
    }

    fn next_step(&self) -> Option<NextStep> {
        let (rung, wanted) =
            (self.subscription.rung, rung_for_tile(self.subscription.max_lines).min(self.best()));
        if self.track.muted || wanted == Rung::AudioOnly {
            return None;
        }
        let encoding =
            self.demand.current.and_then(|layer| self.source.encodings.get(usize::from(layer.encoding)));
        let frames_left_out = self.demand.current.is_some_and(|layer| layer.temporal < FULL_RATE)
            && encoding.is_some_and(|encoding| encoding.temporal_layers > 1);
        let next = if frames_left_out {
            rung
        } else if rung < wanted {
            let offered = self.source.encodings.iter().map(|encoding| encoding.rung);
            let above = || Rung::ALL.into_iter().filter(|other| *other > rung);
            offered.filter(|other| *other > rung).min().or_else(|| above().next())?
        } else {
            return None;
        };
        let needs = self.price_of(next);
        Some(NextStep { rung: next, needs_bps: needs, missing_bps: needs - self.purse() })
    }
}

fn network(classifier: &NetworkClassifier, now: Instant, since: Instant) -> NetworkDecision {
    let verdict = classifier.verdict();
    let mut evidence: Vec<Evidence> = classifier.evidence(now).copied().collect();
    evidence.sort_by_key(|one| std::cmp::Reverse(one.trust));
    NetworkDecision {
        class: verdict.class,
        for_ms: millis(now, since),
        confidence_percent: (verdict.confidence * 100.0).round().clamp(0.0, 100.0) as u8,
        proven: verdict.proven,
        contradicted: classifier.is_contradicted(),
        evidence: evidence
            .iter()
            .map(|one| EvidenceDecision {
                from: word_of(one.source),
                class: one.class,
                tier: one.trust as u8,
                ago_ms: millis(now, one.heard),
            })
            .collect(),
    }
}

const fn word_of(source: EvidenceSource) -> EvidenceWord {
    match source {
        EvidenceSource::Stun => EvidenceWord::Stun,
        EvidenceSource::Report(ReportSource::NetworkInformation) => EvidenceWord::NetworkInformation,
        EvidenceSource::Report(ReportSource::Shell) => EvidenceWord::Shell,
        EvidenceSource::Report(ReportSource::WechatMiniProgram) => EvidenceWord::WechatMiniProgram,
        EvidenceSource::Report(ReportSource::Person) => EvidenceWord::Person,
        EvidenceSource::AttestedApp => EvidenceWord::AttestedApp,
        EvidenceSource::Site => EvidenceWord::Site,
        EvidenceSource::Operator => EvidenceWord::Operator,
    }
}
