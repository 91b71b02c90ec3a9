//! What a room knows of its participants, tracks and subscriptions, as far as decisions need it, and the
//! snapshot of it that allocation sees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdMode, HdReason, PairQuality, RungReason};
use protocol::track::{MediaKind, Role, TrackSource};
use protocol::units::Bitrate;

use super::allocator::{Allocator, LinkView};
use super::classifier::NetworkClassifier;
use super::hd_permission::{HdDecision, HdPermission, PairEvidence};
use super::measurement::{Downlink, DownlinkState, LayerMeasure, TEMPORAL_LAYERS, Uplink};
use super::output::{ForwardTarget, Layer};
use super::policy;
use super::snapshot::{
    DemandSnapshot, EncodingSnapshot, Pricing, Priority, SourceSnapshot, SubscriberSnapshot, fills,
};
use super::uplink::{EncodingTarget, UplinkWish};
use crate::limits::MAX_ENCODINGS;

/// A track as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its id.
    pub track: TrackId,
    /// Who publishes it.
    pub publisher: ParticipantId,
    /// What it shows or carries; audio counts for the reserve only.
    pub source: TrackSource,
    /// The media description (`a=mid`) that carries it.
    pub mid: String,
    /// The RIDs of its encodings, lowest first; one entry, possibly empty, without simulcast. At most
    /// [`MAX_ENCODINGS`](crate::limits::MAX_ENCODINGS) count.
    pub rids: Vec<String>,
}

/// One participant.
pub(super) struct Participant {
    joined_at: Instant,
    pub(super) role: Role,
    pub(super) classifier: NetworkClassifier,
    pub(super) allocator: Allocator,
    pub(super) uplink: Option<Uplink>,
    pub(super) downlink: Option<Downlink>,
    /// The largest estimate of late, for what should stay warm.
    peak: Option<(Bitrate, Instant)>,
    roomy_downlink_since: Option<Instant>,
    clean_uplink_since: Option<Instant>,
    /// The video tracks that it subscribes to, in the order of its allocator's demands.
    pub(super) demands: Vec<TrackId>,
    /// What was last said of it.
    pub(super) quality: Vec<PairQuality>,
    pub(super) demand: Option<[Bitrate; 3]>,
    pub(super) said_class: NetworkClass,
}

/// One track.
pub(super) struct Track {
    published_at: Instant,
    pub(super) publication: Publication,
    pub(super) muted: bool,
    pub(super) encoder_limit: EncoderLimit,
    pub(super) plan: Vec<EncodingTarget>,
    pub(super) planned_at: Instant,
    layers: [(LayerMeasure, Option<Instant>); MAX_ENCODINGS],
    pub(super) source_lines: Option<(u16, Instant)>,
    small_since: Option<Instant>,
}

/// One subscription to a video track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    pub(super) max_lines: u16,
    pub(super) target: Option<Layer>,
    pub(super) rung: Rung,
    pub(super) reason: RungReason,
    /// What really flows, where the room tells.
    pub(super) flowing: Option<ForwardTarget>,
    pub(super) hd_since: Option<Instant>,
}

/// The HD permission of a pair, as last decided.
pub(super) struct Pair {
    pub(super) permission: HdPermission,
    pub(super) decision: HdDecision,
    pub(super) said: Option<HdReason>,
}

/// All of it. Bounded by the room's own limits on participants, tracks and subscriptions.
pub(super) struct RoomState {
    pub(super) mode: HdMode,
    pub(super) participants: BTreeMap<ParticipantId, Participant>,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) subscriptions: BTreeMap<(ParticipantId, TrackId), Subscription>,
    /// By publisher and subscriber.
    pub(super) pairs: BTreeMap<(ParticipantId, ParticipantId), Pair>,
}

impl Participant {
    pub(super) fn new(now: Instant, role: Role, classifier: NetworkClassifier) -> Self {
        Self {
            joined_at: now,
            role,
            classifier,
            allocator: Allocator::new(now),
            uplink: None,
            downlink: None,
            peak: None,
            roomy_downlink_since: None,
            clean_uplink_since: None,
            demands: Vec::new(),
            quality: Vec::new(),
            demand: None,
            said_class: NetworkClass::Unknown,
        }
    }

    pub(super) fn measure_downlink(&mut self, now: Instant, downlink: Downlink) {
        let held = self.peak.filter(|(peak, at)| {
            *peak > downlink.estimate && now.saturating_duration_since(*at) < PEAK_MEMORY
        });
        self.peak = held.or(Some((downlink.estimate, now)));
        let roomy = downlink.estimate >= SUSTAINED_ROOM;
        self.roomy_downlink_since = roomy.then(|| self.roomy_downlink_since.unwrap_or(now));
        self.downlink = Some(downlink);
    }

    pub(super) fn measure_uplink(&mut self, now: Instant, uplink: Uplink) {
        let clean = uplink.loss <= CLEAN_LOSS;
        self.clean_uplink_since = clean.then(|| self.clean_uplink_since.unwrap_or(now));
        self.uplink = Some(uplink);
    }

    /// The estimate to plan with. A steady link carries at least what was just acknowledged.
    fn estimate(&self) -> Bitrate {
        match self.downlink {
            None => START_ESTIMATE,
            Some(Downlink { estimate, acknowledged, state: DownlinkState::Steady, .. }) => {
                estimate.max(acknowledged)
            }
            Some(downlink) => downlink.estimate,
        }
    }

    /// What all video may cost, given what audio takes.
    pub(super) fn budget(&self, audio: Bitrate) -> Bitrate {
        let estimate = self.estimate();
        let budget = estimate.scaled(SPENDABLE) - audio;
        // As long as anything flows, a small picture of few frames shows more than none.
        if estimate >= LEAST_FOR_VIDEO { budget.max(LEAST_PICTURE) } else { budget }
    }

    pub(super) fn link_view(&self, audio: Bitrate) -> LinkView {
        let floor = self.budget(audio);
        let relief = self
            .downlink
            .map_or(floor, |link| link.acknowledged.min(link.estimate).scaled(HOLD_SHARE) - audio);
        let hold = (self.estimate().scaled(1.0 / HOLD_SHARE) - audio).max(floor);
        LinkView { hold, relief: relief.max(LEAST_PICTURE), downlink: self.downlink }
    }

    /// The most that its video could have cost within the last seconds; `None` while the estimate still
    /// climbs from where every call starts.
    fn recent_budget(&self, now: Instant, audio: Bitrate) -> Option<Bitrate> {
        self.peak.filter(|_| !self.allocator.is_starting(now)).map(|(peak, _)| peak.scaled(SPENDABLE) - audio)
    }
}

impl Track {
    pub(super) fn new(now: Instant, publication: Publication) -> Self {
        Self {
            published_at: now,
            publication,
            muted: false,
            encoder_limit: EncoderLimit::None,
            plan: Vec::new(),
            planned_at: now,
            layers: Default::default(),
            source_lines: None,
            small_since: None,
        }
    }

    pub(super) fn is_video(&self) -> bool {
        self.publication.source.kind() == MediaKind::Video
    }

    pub(super) fn encodings(&self) -> usize {
        self.publication.rids.len().clamp(1, MAX_ENCODINGS)
    }

    /// Returns whether an encoding came or went.
    pub(super) fn measure_layers(&mut self, now: Instant, measures: &[LayerMeasure]) -> bool {
        let mut changed = false;
        for ((measure, alive_since), new) in self.layers.iter_mut().zip(measures) {
            changed |= measure.alive != new.alive;
            *measure = *new;
            *alive_since = new.alive.then(|| alive_since.unwrap_or(now));
        }
        self.learn_source_lines(now);
        changed
    }

    pub(super) fn limit_encoder(&mut self, limit: EncoderLimit) {
        self.encoder_limit = limit;
        self.small_since = None;
    }

    /// The encoding that is planned to carry HD, as it arrives.
    fn hd_encoding(&self) -> LayerMeasure {
        let hd =
            self.plan.iter().zip(&self.layers).rev().find(|(plan, _)| plan.active && plan.rung >= Rung::HD);
        hd.map_or_else(LayerMeasure::default, |(_, (measure, _))| *measure)
    }

    /// An unhindered encoder that sends fewer lines than it may shows how small the camera is.
    fn learn_source_lines(&mut self, now: Instant) {
        if self.source_lines.is_some_and(|(_, at)| now.saturating_duration_since(at) >= SOURCE_MEMORY) {
            self.source_lines = None;
        }
        let top = self.plan.iter().zip(&self.layers).rev().find(|(plan, _)| plan.active);
        let Some((plan, (LayerMeasure { alive: true, height: Some(height), .. }, _))) = top else {
            self.small_since = None;
            return;
        };
        let asked_for_long = now.saturating_duration_since(self.planned_at) >= PLAN_GRACE;
        let small = u32::from(*height) * 20 < u32::from(plan.rung.lines()) * 19;
        if !(small && asked_for_long && self.encoder_limit == EncoderLimit::None) {
            self.small_since = None;
            return;
        }
        let since = *self.small_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= SMALL_PATIENCE {
            self.source_lines = Some((*height, now));
        }
    }

    pub(super) fn rung_of(&self, now: Instant, encoding: usize) -> Rung {
        let planned = self.plan.get(encoding).map_or(Rung::P180, |plan| plan.rung);
        let measured = self.layers.get(encoding).and_then(|(measure, _)| measure.height).map(|height| {
            // Encoders trim to their alignment.
            Rung::at_most(height.saturating_add(height / 20)).max(Rung::P180)
        });
        match measured {
            None => planned,
            // The publisher needs a moment to follow its plan.
            Some(measured) if now.saturating_duration_since(self.planned_at) < PLAN_GRACE => {
                measured.min(planned)
            }
            Some(measured) => measured,
        }
    }

    fn snapshot(&self, now: Instant) -> SourceSnapshot {
        let fastest = self.layers.iter().map(|(measure, _)| measure.frame_rate).fold(0.0, f64::max);
        let settling = now.saturating_duration_since(self.planned_at) < SETTLING;
        let lowest_alive = self.layers.iter().position(|(measure, _)| measure.alive);
        let encodings = (0..self.encodings()).map(|index| {
            let (measure, alive_since) = self.layers[index];
            let ripe = alive_since.is_some_and(|since| now.saturating_duration_since(since) >= RIPE);
            let planned = self.plan.get(index).is_some_and(|plan| plan.active);
            let usable = match lowest_alive {
                _ if self.muted => planned,
                // Nothing arrives: the lowest is what comes first.
                None => index == 0,
                Some(lowest) => measure.alive && (ripe || index == lowest),
            };
            let ceiling = self.plan.get(index).map_or(Bitrate::ZERO, |plan| plan.max_bitrate);
            let [.., whole] = measure.cumulative;
            let cumulative = if whole == Bitrate::ZERO {
                EXPECTED_SHARES.map(|share| ceiling.scaled(share))
            } else {
                measure.cumulative
            };
            let known_rate = measure.frame_rate > 0.0 && fastest > 0.0;
            EncodingSnapshot {
                usable,
                expected: measure.alive || !planned || settling,
                rung: self.rung_of(now, index),
                cumulative,
                ceiling,
                temporal_layers: measure.temporal_layers,
                relative_frame_rate: if known_rate { measure.frame_rate / fastest } else { 1.0 },
            }
        });
        SourceSnapshot { uplink: 0, encodings: encodings.collect() }
    }
}

impl Pair {
    pub(super) fn new() -> Self {
        let decision =
            HdDecision { permitted: false, warm: false, sought: false, reason: HdReason::EvidenceWeak };
        Self { permission: HdPermission::new(), decision, said: None }
    }
}

impl RoomState {
    pub(super) fn new(mode: HdMode) -> Self {
        Self {
            mode,
            participants: BTreeMap::new(),
            tracks: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            pairs: BTreeMap::new(),
        }
    }

    pub(super) fn video_tracks(&self) -> impl Iterator<Item = (TrackId, &Track)> {
        self.tracks.iter().filter(|(_, track)| track.is_video()).map(|(id, track)| (*id, track))
    }

    /// What audio takes of a subscriber's estimate.
    pub(super) fn audio_reserve(&self, subscriber: ParticipantId) -> Bitrate {
        let voices = self
            .tracks
            .values()
            .filter(|track| !track.is_video() && track.publication.publisher != subscriber)
            .count();
        Bitrate::bps(AUDIO_RATE.as_bps() * voices.min(MAX_SPEAKERS) as u64)
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
        let cap =
            policy::cap(self.mode, *source, from.classifier.verdict().class, to.classifier.verdict().class);
        let lasting = |since: Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= SUSTAINED_FOR)
        };
        let sustained = lasting(to.roomy_downlink_since) && lasting(from.clean_uplink_since);
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

    pub(super) fn sources(&self, now: Instant) -> Vec<SourceSnapshot> {
        self.video_tracks().map(|(_, track)| track.snapshot(now)).collect()
    }

    pub(super) fn subscriber_snapshot(&self, now: Instant, subscriber: ParticipantId) -> SubscriberSnapshot {
        let Some(participant) = self.participants.get(&subscriber) else {
            return SubscriberSnapshot::default();
        };
        let indices: BTreeMap<TrackId, usize> =
            self.video_tracks().enumerate().map(|(index, (id, _))| (id, index)).collect();
        let demands = participant.demands.iter().enumerate().filter_map(|(index, id)| {
            let track = self.tracks.get(id)?;
            let publisher = self.participants.get(&track.publication.publisher)?;
            let cap = self.cap(now, subscriber, track, |decision| decision.permitted);
            Some(DemandSnapshot {
                source: *indices.get(id)?,
                priority: Priority::of(track.publication.source, publisher.role, participant.role),
                cap: cap.rung,
                max_temporal: cap.max_temporal,
                max_lines: self.subscriptions.get(&(subscriber, *id))?.max_lines,
                current: participant.allocator.layer(index),
                limit: participant.allocator.limit(now, index),
            })
        });
        SubscriberSnapshot {
            budget: participant.budget(self.audio_reserve(subscriber)),
            pricing: Pricing::Growing(participant.allocator.raise_margin(now)),
            demands: demands.collect(),
        }
    }

    /// What the subscribers of a track may come to receive of it, and those who are about to subscribe.
    pub(super) fn wishes(&self, now: Instant, id: TrackId, track: &Track) -> Vec<UplinkWish> {
        let others = self.participants.iter().filter(|(other, _)| **other != track.publication.publisher);
        others
            .filter_map(|(subscriber, participant)| {
                let Some(subscription) = self.subscriptions.get(&(*subscriber, id)) else {
                    return self.presumed_wish(now, *subscriber, participant, track);
                };
                Some(UplinkWish {
                    cap: self.cap(now, *subscriber, track, |decision| decision.warm).rung,
                    max_lines: subscription.max_lines,
                    budget: participant.recent_budget(now, self.audio_reserve(*subscriber)),
                })
            })
            .collect()
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
        let cap = self.class_cap(now, subscriber, track).rung;
        let cap = if publisher.proven && verdict.proven { cap } else { cap.min(Rung::P480) };
        let fresh = now.saturating_duration_since(since) < PRESUMED_FOR;
        fresh.then_some(UplinkWish { cap, max_lines: Rung::HD.lines(), budget: None })
    }

    /// The pairs of a publisher and a subscriber of its camera, each with what decides its HD permission.
    pub(super) fn pair_evidence(&self) -> Vec<((ParticipantId, ParticipantId), PairEvidence)> {
        let mut pairs: BTreeMap<(ParticipantId, ParticipantId), PairEvidence> = BTreeMap::new();
        for ((subscriber, id), subscription) in &self.subscriptions {
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
                encoder_limit: track.encoder_limit,
                wanted: self.wants_hd(track, *id, subscription),
            };
            let slot = pairs.entry((publisher, *subscriber)).or_insert(evidence);
            // Of several cameras, the one that is shown large counts.
            if evidence.wanted && !slot.wanted {
                *slot = evidence;
            }
        }
        pairs.into_iter().collect()
    }

    fn wants_hd(&self, track: &Track, id: TrackId, subscription: &Subscription) -> bool {
        let large = subscription.max_lines > 0 && !fills(Rung::P480, subscription.max_lines);
        let source_has_it = track.source_lines.is_none_or(|(lines, _)| !fills(Rung::P480, lines));
        // A single encoding is HD for all of its subscribers or for none.
        let shared = track.encodings() > 1
            || self.subscriptions.keys().filter(|(_, track)| *track == id).all(|(subscriber, _)| {
                let classes = [track.publication.publisher, *subscriber];
                classes
                    .iter()
                    .filter_map(|id| self.participants.get(id))
                    .all(|participant| policy::hd_grade(self.mode, participant.classifier.verdict().class))
            });
        large && source_has_it && shared && !track.muted
    }
}

/// Until congestion control says something: what nearly every link carries.
const START_ESTIMATE: Bitrate = Bitrate::kbps(600);

/// Share of the estimate that media may take; the rest is for RTCP, repair and error.
pub(super) const SPENDABLE: f64 = 0.9;

/// What flows may stay until the estimate falls below this share of it.
const HOLD_SHARE: f64 = 0.85;

/// 180 lines at a quarter of the frame rate.
const LEAST_PICTURE: Bitrate = Bitrate::kbps(60);
const LEAST_FOR_VIDEO: Bitrate = Bitrate::kbps(100);

/// A voice with forward error correction, for as many as speak at once.
const AUDIO_RATE: Bitrate = Bitrate::kbps(40);
const MAX_SPEAKERS: usize = 3;

/// Encodings stay warm for this long after the estimate has left their reach.
const PEAK_MEMORY: Duration = Duration::from_secs(5);

/// What lifts the cap of a pair of 4G and an unknown cellular network, and for how long it must last.
const SUSTAINED_ROOM: Bitrate = Bitrate::kbps(1_500);
const SUSTAINED_FOR: Duration = Duration::from_secs(8);
const CLEAN_LOSS: f64 = 0.02;

/// An encoding must have arrived for this long before a step up to it; its rate is not known earlier.
const RIPE: Duration = Duration::from_millis(500);

/// A publisher follows a plan within this time: a message, and a key frame of another size.
const PLAN_GRACE: Duration = Duration::from_secs(3);

/// An encoding that is asked for and has not come after this time is not to be expected.
const SETTLING: Duration = Duration::from_secs(10);

/// A page subscribes within this time of joining, or of a track's coming.
const PRESUMED_FOR: Duration = Duration::from_secs(5);

/// How long an unhindered encoder must send less than it may, and how long that is believed.
const SMALL_PATIENCE: Duration = Duration::from_secs(4);
const SOURCE_MEMORY: Duration = Duration::from_secs(60);

/// Rates of the temporal layers over the whole, before they are measured.
const EXPECTED_SHARES: [f64; TEMPORAL_LAYERS] = [0.4, 0.6, 1.0];
