//! What a room knows of its participants, tracks and subscriptions, as far as decisions need it, and the
//! snapshot of it that allocation sees.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdMode, HdReason, PairQuality, RungReason};
use protocol::track::TrackSource;
use protocol::units::Bitrate;

use super::classifier::Verdict;
use super::hd_objection::PairEvidence;
use super::hd_permission::{HdDecision, HdPermission};
use super::output::{Flowing, Layer};
use super::participant::Participant;
use super::policy::{self, HdTerms};
use super::published_track::{Publication, Track};
use super::snapshot::{DemandSnapshot, Pricing, Priority, SourceSnapshot, SubscriberSnapshot, fills};
use super::strategy::{Spending, Steps, Strategy};
use super::uplink::UplinkWish;

/// One subscription to a video track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    pub(super) max_lines: u16,
    pub(super) target: Option<Layer>,
    pub(super) rung: Rung,
    pub(super) reason: RungReason,
    /// What really flows, where the room tells.
    pub(super) flowing: Option<Flowing>,
    /// Since when nothing flows because the subscriber cannot decode what comes.
    pub(super) undecodable_since: Option<Instant>,
    pub(super) hd_since: Option<Instant>,
    /// Since when what the subscriber was last told has been so.
    pub(super) since: Instant,
}

impl Subscription {
    /// Whether the subscriber cannot decode what comes, for longer than a publisher takes to change its codec.
    pub(super) fn is_undecodable(&self, now: Instant) -> bool {
        self.undecodable_since.is_some_and(|since| now.saturating_duration_since(since) >= CODEC_PATIENCE)
    }

    /// Whether HD is not only decided but flows, as far as the room tells.
    fn flows_in_hd(&self) -> bool {
        let target = self.target.map(|layer| layer.encoding);
        let flowing = self.flowing.map(|flowing| Option::<Layer>::from(flowing).map(|layer| layer.encoding));
        self.rung >= Rung::HD && flowing.is_none_or(|flowing| flowing == target)
    }
}

/// The HD permission of a pair, as last decided.
pub(super) struct Pair {
    pub(super) permission: HdPermission,
    pub(super) decision: HdDecision,
    pub(super) said: Option<HdReason>,
    /// Since when that has been so.
    pub(super) since: Instant,
}

/// All of it. Bounded by the room's own limits on participants, tracks and subscriptions.
pub(super) struct RoomState {
    pub(super) mode: HdMode,
    pub(super) strategy: Strategy,
    pub(super) participants: BTreeMap<ParticipantId, Participant>,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) subscriptions: BTreeMap<(ParticipantId, TrackId), Subscription>,
    /// By publisher and subscriber.
    pub(super) pairs: BTreeMap<(ParticipantId, ParticipantId), Pair>,
}

impl Pair {
    pub(super) fn new(now: Instant) -> Self {
        let decision =
            HdDecision { permitted: false, warm: false, sought: false, reason: HdReason::EvidenceWeak };
        Self { permission: HdPermission::new(), decision, said: None, since: now }
    }
}

impl RoomState {
    pub(super) fn new(mode: HdMode, strategy: Strategy) -> Self {
        Self {
            mode,
            strategy,
            participants: BTreeMap::new(),
            tracks: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            pairs: BTreeMap::new(),
        }
    }

    pub(super) fn video_tracks(&self) -> impl Iterator<Item = (TrackId, &Track)> {
        self.tracks.iter().filter(|(_, track)| track.is_video()).map(|(id, track)| (*id, track))
    }

    /// Those whose decisions are told: everybody, and the first of those who only watch, who fare alike.
    pub(super) fn explained(&self) -> impl Iterator<Item = (ParticipantId, &Participant)> {
        let mut players = 0;
        self.participants.iter().map(|(id, participant)| (*id, participant)).filter(
            move |(_, participant)| {
                players += usize::from(participant.is_player());
                !participant.is_player() || players <= MOST_PLAYERS_EXPLAINED
            },
        )
    }

    /// The place of a picture among the sources of a snapshot.
    pub(super) fn source_index(&self, id: TrackId) -> Option<usize> {
        self.video_tracks().position(|(known, _)| known == id)
    }

    /// Forgets what one who only watched was given.
    pub(super) fn forget_viewer(&mut self, viewer: ParticipantId) {
        let watched: Vec<TrackId> =
            subscriptions_of(&self.subscriptions, viewer).map(|(track, _)| track).collect();
        for id in watched {
            self.subscriptions.remove(&(viewer, id));
            if let Some(track) = self.tracks.get(&id) {
                self.pairs.remove(&(track.publication.publisher, viewer));
            }
        }
    }

    /// Finds the pictures whose every subscriber is on a network that is good for HD, and publisher, too: a single
    /// encoding is HD for all of its subscribers or for none.
    pub(super) fn compare_grades(&mut self) {
        let (mode, participants) = (self.mode, &self.participants);
        let is_graded = |id: &ParticipantId| {
            let participant = participants.get(id);
            participant.is_none_or(|one| policy::hd_grade(mode, one.classifier.verdict().class))
        };
        for track in self.tracks.values_mut() {
            track.all_graded = is_graded(&track.publication.publisher);
        }
        for (subscriber, id) in self.subscriptions.keys() {
            if let Some(track) = self.tracks.get_mut(id).filter(|track| track.all_graded) {
                track.all_graded = is_graded(subscriber);
            }
        }
    }

    /// What audio takes of a subscriber's estimate.
    pub(super) fn audio_reserve(&self, subscriber: ParticipantId) -> Bitrate {
        let voices = self
            .tracks
            .values()
            .filter(|track| !track.is_video() && track.publication.publisher != subscriber)
            .count();
        let redundancy = self.participants.get(&subscriber).map(|one| one.voice_redundancy);
        let voice = AUDIO_RATE + redundancy.unwrap_or(Bitrate::ZERO);
        Bitrate::bps(voice.as_bps() * voices.min(MAX_SPEAKERS) as u64)
    }

    /// What a publisher's own voices take of its uplink.
    pub(super) fn voices_of(&self, publisher: ParticipantId) -> Bitrate {
        let own = |track: &&Track| !track.is_video() && track.publication.publisher == publisher;
        self.tracks.values().filter(own).map(|_| AUDIO_RATE).sum()
    }

    /// The cap of a subscription by the two classes alone.
    pub(super) fn class_cap(
        &self,
        now: Instant,
        subscriber: ParticipantId,
        track: &Track,
    ) -> policy::PairCap {
        let Publication { publisher, source, .. } = &track.publication;
        let (Some(from), Some(to)) = (self.participants.get(publisher), self.participants.get(&subscriber))
        else {
            return policy::PairCap { rung: Rung::AudioOnly, sustained: Rung::AudioOnly, max_temporal: 0 };
        };
        let (from_class, to_class) = (from.classifier.verdict().class, to.classifier.verdict().class);
        let cap = self.strategy.cap(self.mode, *source, from_class, to_class);
        let sustained = to.has_lasting_room(now) && from.has_lasting_order(now);
        policy::PairCap { rung: if sustained { cap.sustained } else { cap.rung }, ..cap }
    }

    pub(super) fn decision(&self, publisher: ParticipantId, subscriber: ParticipantId) -> Option<HdDecision> {
        self.pairs.get(&(publisher, subscriber)).map(|pair| pair.decision)
    }

    /// The cap of a subscription by classes and HD permission; `allows` picks what the permission allows.
    pub(super) fn cap(
        &self,
        now: Instant,
        subscriber: ParticipantId,
        track: &Track,
        allows: fn(HdDecision) -> bool,
    ) -> policy::PairCap {
        let cap = self.class_cap(now, subscriber, track);
        let hd = match track.publication.source {
            TrackSource::Camera => self.decision(track.publication.publisher, subscriber).is_some_and(allows),
            TrackSource::Screen | TrackSource::Microphone => true,
        };
        if hd { cap } else { policy::PairCap { rung: cap.rung.min(Rung::P480), ..cap } }
    }

    /// The cap of what a subscriber is shown. What the publisher is asked for goes by [`Self::cap`]: one that sends
    /// what it likes would seem to follow otherwise, and be measured by that.
    pub(super) fn viewing_cap(
        &self,
        now: Instant,
        subscriber: ParticipantId,
        track: &Track,
        allows: fn(HdDecision) -> bool,
    ) -> policy::PairCap {
        let cap = self.cap(now, subscriber, track, allows);
        policy::PairCap { rung: cap.rung.max(self.only_rung(now, subscriber, track)), ..cap }
    }

    /// What a publisher that sends one picture and follows no plan leaves to choose from: that picture or none. An exam
    /// camera is what the consult is about, and only what is known to be slow speaks against it.
    fn only_rung(&self, now: Instant, subscriber: ParticipantId, track: &Track) -> Rung {
        let is_slow = |end: &ParticipantId| {
            let class = self.participants.get(end).map(|end| end.classifier.verdict().class);
            class.is_none_or(|class| policy::merit(class) < policy::merit(NetworkClass::Unknown))
        };
        let only =
            track.only_rung(now).filter(|_| ![track.publication.publisher, subscriber].iter().any(is_slow));
        only.unwrap_or(Rung::AudioOnly)
    }

    /// Dates what a subscriber is told that it was not told before.
    pub(super) fn date(
        &mut self,
        now: Instant,
        subscriber: ParticipantId,
        before: &[PairQuality],
        after: &[PairQuality],
    ) {
        let same = |one: &PairQuality, other: &PairQuality| {
            (one.track, one.rung, one.rung_reason) == (other.track, other.rung, other.rung_reason)
        };
        for pair in after.iter().filter(|pair| !before.iter().any(|other| same(pair, other))) {
            if let Some(subscription) = self.subscriptions.get_mut(&(subscriber, pair.track)) {
                subscription.since = now;
            }
        }
    }

    pub(super) fn sources(&self, now: Instant) -> Vec<SourceSnapshot> {
        self.video_tracks().map(|(_, track)| track.snapshot(now)).collect()
    }

    pub(super) fn subscriber_snapshot(&self, now: Instant, subscriber: ParticipantId) -> SubscriberSnapshot {
        let Some(participant) = self.participants.get(&subscriber) else {
            return SubscriberSnapshot::default();
        };
        let demands = participant.demands.iter().enumerate().filter_map(|(index, id)| {
            let track = self.tracks.get(id)?;
            let publisher = self.participants.get(&track.publication.publisher)?;
            let cap = self.viewing_cap(now, subscriber, track, |decision| decision.permitted);
            Some(DemandSnapshot {
                source: self.source_index(*id)?,
                priority: Priority::of(track.publication.source, publisher.role, participant.role),
                cap: cap.rung,
                max_temporal: cap.max_temporal,
                max_lines: self.subscriptions.get(&(subscriber, *id))?.max_lines,
                current: participant.allocator.layer(index),
                limit: participant.allocator.limit(now, index),
            })
        });
        SubscriberSnapshot {
            budget: match self.strategy.spending {
                Spending::Estimated => participant.budget(self.audio_reserve(subscriber)),
                Spending::Unlimited => Bitrate::MAX,
            },
            pricing: match self.strategy.steps {
                Steps::Held => Pricing::Growing(participant.allocator.raise_margin(now)),
                Steps::AtOnce => Pricing::Measured,
            },
            demands: demands.collect(),
        }
    }

    /// What the subscribers of a track may come to receive of it, and those who are about to subscribe.
    pub(super) fn wishes(&self, now: Instant, id: TrackId, track: &Track) -> Vec<UplinkWish> {
        let others = self.participants.iter().filter(|(other, _)| **other != track.publication.publisher);
        // What players elsewhere have a use for is within their means already.
        let elsewhere = track.hall_wishes.iter().map(|(_, rung)| UplinkWish {
            cap: *rung,
            permitted: *rung,
            max_lines: rung.lines(),
            budget: None,
            spare: None,
            lately: None,
            priority: Priority::Attendance,
        });
        others
            .filter_map(|(subscriber, participant)| {
                let Some(subscription) = self.subscriptions.get(&(*subscriber, id)) else {
                    return self.presumed_wish(now, *subscriber, participant, track);
                };
                Some(UplinkWish {
                    cap: self.planned_cap(now, *subscriber, track),
                    permitted: self.cap(now, *subscriber, track, |decision| decision.permitted).rung,
                    max_lines: subscription.max_lines,
                    budget: match self.strategy.spending {
                        Spending::Estimated => {
                            participant.recent_budget(now, self.audio_reserve(*subscriber))
                        }
                        Spending::Unlimited => None,
                    },
                    spare: match self.strategy.spending {
                        Spending::Estimated if participant.downlink.is_some() => {
                            Some(participant.spare(id, self.audio_reserve(*subscriber)))
                        }
                        Spending::Estimated | Spending::Unlimited => None,
                    },
                    lately: match self.strategy.spending {
                        Spending::Estimated if participant.downlink.is_some() => {
                            Some(participant.spare_of_late(now, id, self.audio_reserve(*subscriber)))
                        }
                        Spending::Estimated | Spending::Unlimited => None,
                    },
                    priority: self.priority(track, participant),
                })
            })
            .chain(elsewhere)
            .collect()
    }

    /// The encodings of a track that somebody receives, as bits.
    pub(super) fn watched(&self, id: TrackId) -> u8 {
        let of_it = self.subscriptions.iter().filter(|((_, track), _)| *track == id);
        let targets = of_it.filter_map(|(_, subscription)| subscription.target);
        targets.fold(0, |bits, layer| bits | 1_u8.checked_shl(layer.encoding.into()).unwrap_or_default())
    }

    fn priority(&self, track: &Track, subscriber: &Participant) -> Priority {
        let publisher = self.participants.get(&track.publication.publisher);
        publisher.map_or(Priority::Attendance, |publisher| {
            Priority::of(track.publication.source, publisher.role, subscriber.role)
        })
    }

    /// The cap to plan with. While an end that has just come is still to show its network, the encoder starts
    /// at the clinical floor and not below: to begin lower would cost a second start.
    fn planned_cap(&self, now: Instant, subscriber: ParticipantId, track: &Track) -> Rung {
        let cap = self.cap(now, subscriber, track, |decision| decision.warm).rung;
        let ends = [track.publication.publisher, subscriber];
        let unknown = ends.iter().filter_map(|end| self.participants.get(end)).any(|end| {
            end.classifier.verdict() == Verdict::NONE
                && now.saturating_duration_since(end.joined_at) < PRESUMED_FOR
        });
        if unknown { cap.max(Rung::CLINICAL_FLOOR) } else { cap }
    }

    /// Who has just come will subscribe to what is there, and to what has just come: the encoder starts
    /// in the meantime.
    fn presumed_wish(
        &self,
        now: Instant,
        subscriber: ParticipantId,
        participant: &Participant,
        track: &Track,
    ) -> Option<UplinkWish> {
        let since = participant.joined_at.max(track.published_at);
        let publisher = self.participants.get(&track.publication.publisher)?.classifier.verdict();
        let verdict = participant.classifier.verdict();
        let usual = policy::hd_terms(self.mode, publisher.class, verdict.class) == Some(HdTerms::Usual);
        let cap = if usual && publisher.proven && verdict.proven {
            self.class_cap(now, subscriber, track).rung
        } else {
            self.planned_cap(now, subscriber, track).min(Rung::P480)
        };
        let fresh = now.saturating_duration_since(since) < PRESUMED_FOR;
        let priority = self.priority(track, participant);
        let (budget, spare, lately, max_lines) = (None, None, None, Rung::HD.lines());
        fresh.then_some(UplinkWish { cap, permitted: cap, max_lines, budget, spare, lately, priority })
    }

    /// The pairs of a publisher and a subscriber of its camera, or those of one subscriber, each with what decides its HD
    /// permission.
    pub(super) fn pair_evidence(
        &self,
        now: Instant,
        subscriber: Option<ParticipantId>,
    ) -> Vec<((ParticipantId, ParticipantId), PairEvidence)> {
        let mut pairs: BTreeMap<(ParticipantId, ParticipantId), PairEvidence> = BTreeMap::new();
        let subscriptions = match subscriber {
            Some(one) => self.subscriptions.range(all_of(one)),
            None => self.subscriptions.range(..),
        };
        for ((subscriber, id), subscription) in subscriptions {
            let Some(track) = self.tracks.get(id) else { continue };
            let publisher = track.publication.publisher;
            let (Some(from), Some(to)) =
                (self.participants.get(&publisher), self.participants.get(subscriber))
            else {
                continue;
            };
            if track.publication.source != TrackSource::Camera {
                continue;
            }
            let evidence = PairEvidence {
                mode: self.mode,
                publisher: from.classifier.verdict(),
                subscriber: to.classifier.verdict(),
                uplink: from.uplink,
                downlink: to.downlink,
                hd_encoding: track.hd_encoding(),
                encoder_limit: track.encoder_limit(now),
                uplink_limited: track.reduced,
                wanted: wants_hd(track, subscription),
                flowing: subscription.flows_in_hd(),
            };
            let slot = pairs.entry((publisher, *subscriber)).or_insert(evidence);
            // Of several cameras, the one that is shown large counts.
            if evidence.wanted && !slot.wanted {
                *slot = evidence;
            }
        }
        pairs.into_iter().collect()
    }
}

/// The subscriptions of one subscriber.
pub(super) fn subscriptions_of(
    subscriptions: &BTreeMap<(ParticipantId, TrackId), Subscription>,
    subscriber: ParticipantId,
) -> impl Iterator<Item = (TrackId, &Subscription)> {
    subscriptions.range(all_of(subscriber)).map(|((_, track), subscription)| (*track, subscription))
}

fn all_of(subscriber: ParticipantId) -> RangeInclusive<(ParticipantId, TrackId)> {
    (subscriber, TrackId::from_bits(0))..=(subscriber, TrackId::from_bits(u128::MAX))
}

fn wants_hd(track: &Track, subscription: &Subscription) -> bool {
    let large = subscription.max_lines > 0 && !fills(Rung::P480, subscription.max_lines);
    let source_has_it = track.source_lines.is_none_or(|(lines, _)| !fills(Rung::P480, lines));
    // A single encoding is HD for all of its subscribers or for none.
    let shared = track.encodings() > 1 || track.all_graded;
    large && source_has_it && shared && !track.muted
}

/// More would make a message that nobody reads to the end.
const MOST_PLAYERS_EXPLAINED: usize = 50;

/// A publisher that is told to send another codec does so within a second or two, and nobody needs to hear of that.
const CODEC_PATIENCE: Duration = Duration::from_secs(3);

/// A voice with forward error correction, for as many as speak at once.
const AUDIO_RATE: Bitrate = Bitrate::kbps(40);
const MAX_SPEAKERS: usize = 3;

/// A page subscribes within this time of joining, or of a track's coming.
const PRESUMED_FOR: Duration = Duration::from_secs(5);
