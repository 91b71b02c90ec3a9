//! The decisions of one room: everything that the room tells, and everything that it is told to do.
//! Driven by the room's events, by every feedback report, and by a tick.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::decision::Change;
use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::network_class::NetworkReport;
use protocol::quality::{PairQuality, RungReason};
use protocol::track::Role;
use protocol::units::Bitrate;

use super::allocate::allocate;
use super::classifier::{NetworkClassifier, ReportRefused, Verdict};
use super::decision_log::DecisionLog;
use super::measurement::{Downlink, Hearing, LayerMeasure, Uplink};
use super::output::{AdaptOutput, Flowing};
use super::participant::Participant;
use super::published_track::{Publication, Track};
use super::room_state::{Pair, RoomState, Subscription, subscriptions_of};
use super::snapshot::{RoomSnapshot, SourceSnapshot};
use super::strategy::{Steps, Strategy};
use crate::config::{SfuConfig, SiteProfile};

/// The decisions of one room.
pub struct Adaptation {
    site_profiles: Vec<SiteProfile>,
    accept_unattested_5g: bool,
    pub(super) room: RoomState,
    pub(super) outputs: VecDeque<AdaptOutput>,
    pub(super) log: DecisionLog,
    next_tick: Option<Instant>,
    /// When the verdict on somebody's network may change by itself, or before that. Those who only watch wait for the tick.
    verdict_due: Option<Instant>,
}

impl Adaptation {
    /// Makes the decisions of an empty room.
    #[must_use]
    pub fn new(config: &SfuConfig) -> Self {
        Self {
            site_profiles: config.site_profiles.clone(),
            accept_unattested_5g: config.accept_unattested_5g,
            room: RoomState::new(config.hd_mode, Strategy::of(config.adaptation)),
            outputs: VecDeque::new(),
            log: DecisionLog::default(),
            next_tick: None,
            verdict_due: None,
        }
    }

    /// Admits a participant; for one that is there already, a new signaling session begins. One that is not `steerable`
    /// follows no plans.
    pub fn handle_join(&mut self, now: Instant, participant: ParticipantId, role: Role, steerable: bool) {
        if let Some(present) = self.room.participants.get_mut(&participant) {
            present.role = role;
            present.classifier.handle_new_session();
        } else {
            let classifier = NetworkClassifier::new(self.accept_unattested_5g);
            let joined = Participant::new(now, role, steerable, classifier);
            self.room.participants.insert(participant, joined);
        }
        if !self.is_player(participant) {
            self.update(now);
        }
    }

    /// Removes a participant with its tracks and subscriptions.
    pub fn handle_leave(&mut self, now: Instant, participant: ParticipantId) {
        let is_player = self.is_player(participant);
        self.room.participants.remove(&participant);
        if is_player {
            self.room.forget_viewer(participant);
            return;
        }
        let tracks = &mut self.room.tracks;
        tracks.retain(|_, track| track.publication.publisher != participant);
        self.room.subscriptions.retain(|(who, track), _| *who != participant && tracks.contains_key(track));
        self.update(now);
    }

    /// Takes a new track; a video track gets its uplink plan at once.
    pub fn handle_publish(&mut self, now: Instant, publication: Publication) {
        if self.room.participants.contains_key(&publication.publisher) {
            let publisher = self.room.participants.get(&publication.publisher);
            let fixed = publisher.is_some_and(|publisher| !publisher.steerable);
            self.room.tracks.insert(publication.track, Track::new(now, publication, fixed));
            self.update(now);
        }
    }

    /// Removes a track with its subscriptions.
    pub fn handle_unpublish(&mut self, now: Instant, track: TrackId) {
        self.room.tracks.remove(&track);
        self.room.subscriptions.retain(|(_, id), _| *id != track);
        self.update(now);
    }

    /// Takes note that a track is muted or not.
    pub fn handle_mute(&mut self, now: Instant, track: TrackId, muted: bool) {
        if let Some(track) = self.room.tracks.get_mut(&track) {
            track.muted = muted;
        }
        self.update(now);
    }

    /// Takes what redundancy adds to every voice that a subscriber is sent.
    pub fn handle_voice_redundancy(&mut self, subscriber: ParticipantId, per_voice: Bitrate) {
        if let Some(participant) = self.room.participants.get_mut(&subscriber) {
            participant.voice_redundancy = per_voice;
        }
    }

    /// Takes a new or changed subscription; `max_lines` is zero while the tile is hidden.
    pub fn handle_subscribe(
        &mut self,
        now: Instant,
        subscriber: ParticipantId,
        track: TrackId,
        max_lines: u16,
    ) {
        let is_video = self.room.tracks.get(&track).is_some_and(Track::is_video);
        if !is_video || !self.room.participants.contains_key(&subscriber) {
            return;
        }
        let fresh = Subscription {
            max_lines,
            target: None,
            rung: Rung::AudioOnly,
            reason: RungReason::AwaitingKeyframe,
            flowing: None,
            undecodable_since: None,
            hd_since: None,
            since: now,
        };
        let subscription = self.room.subscriptions.entry((subscriber, track)).or_insert(fresh);
        subscription.max_lines = max_lines;
        self.update_for(now, subscriber);
    }

    /// Removes a subscription.
    pub fn handle_unsubscribe(&mut self, now: Instant, subscriber: ParticipantId, track: TrackId) {
        self.room.subscriptions.remove(&(subscriber, track));
        self.update_for(now, subscriber);
    }

    /// Takes the GOOG_NETWORK_INFO of an authenticated STUN request on the selected pair.
    pub fn handle_network_cost(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        network_id: u16,
        cost: u16,
    ) {
        self.classify(now, participant, |classifier| classifier.handle_network_cost(now, network_id, cost));
    }

    /// Takes the source address of a participant's media, when first known and when it changes.
    pub fn handle_address(&mut self, now: Instant, participant: ParticipantId, address: IpAddr) {
        let site =
            self.site_profiles.iter().find(|site| site.range.contains(&address)).map(|site| site.class);
        self.classify(now, participant, |classifier| classifier.handle_address(now, site));
    }

    /// Takes what a page or its shell says of its network.
    ///
    /// # Errors
    ///
    /// [`ReportRefused`] where the report is out of order or one too many; nothing changes then.
    pub fn handle_report(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        report: &NetworkReport,
    ) -> Result<(), ReportRefused> {
        let mut outcome = Ok(());
        self.classify(now, participant, |classifier| outcome = classifier.handle_report(now, report));
        outcome
    }

    /// Takes what holds a publisher's encoder back.
    pub fn handle_encoder_limit(&mut self, now: Instant, track: TrackId, limit: EncoderLimit) {
        if let Some(track) = self.room.tracks.get_mut(&track) {
            track.limit_encoder(now, limit);
        }
    }

    /// Takes a measurement of a subscriber's link, once per feedback report: what must go down goes down here.
    pub fn handle_downlink(&mut self, now: Instant, subscriber: ParticipantId, downlink: Downlink) {
        let Some(participant) = self.room.participants.get_mut(&subscriber) else { return };
        let state_before = participant.downlink.map(|before| before.state);
        participant.measure_downlink(now, downlink);
        self.note_verdict_due(subscriber);
        let is_minor = state_before == Some(downlink.state);
        if is_minor && self.room.strategy.steps == Steps::Held {
            let sources = self.room.sources(now);
            self.step(now, &snapshot_of(sources), subscriber, None);
        } else {
            self.update_for(now, subscriber);
        }
    }

    /// Takes a measurement of a subscriber's downlink between two that are due. A player whose link bears what it gets
    /// waits for those: thousands report many times a second.
    pub fn notice_downlink(&mut self, now: Instant, subscriber: ParticipantId, downlink: Downlink) {
        let audio = self.room.audio_reserve(subscriber);
        let participant = self.room.participants.get(&subscriber);
        if participant.is_none_or(|one| !one.is_player() || !one.is_borne_by(&downlink, audio)) {
            self.handle_downlink(now, subscriber, downlink);
        }
    }

    /// Takes a measurement of a publisher's link.
    pub fn handle_uplink(&mut self, now: Instant, publisher: ParticipantId, uplink: Uplink) {
        if let Some(participant) = self.room.participants.get_mut(&publisher) {
            participant.measure_uplink(now, uplink);
            self.note_verdict_due(publisher);
        }
    }

    /// Takes note that nothing comes from a participant any more, or that something does again.
    pub fn handle_hearing(&mut self, now: Instant, participant: ParticipantId, hearing: Hearing) {
        let Some(heard) = self.room.participants.get_mut(&participant) else { return };
        if std::mem::replace(&mut heard.hearing, hearing) != hearing {
            let lost = heard.is_lost();
            self.log.record(now, Change::Connection { participant, lost });
            self.update_for(now, participant);
        }
    }

    /// Takes measurements of a track's encodings, in the order of its RIDs.
    pub fn handle_layers(&mut self, now: Instant, track: TrackId, layers: &[LayerMeasure]) {
        let Some(track) = self.room.tracks.get_mut(&track) else { return };
        if track.measure_layers(now, layers) {
            self.update(now);
        }
    }

    /// Takes note of what really flows to a subscriber. A room that calls this for a subscription calls it
    /// on every change; without a call the target counts as flowing.
    pub fn handle_forwarded(
        &mut self,
        now: Instant,
        subscriber: ParticipantId,
        track: TrackId,
        flowing: Flowing,
    ) {
        if let Some(subscription) = self.room.subscriptions.get_mut(&(subscriber, track))
            && subscription.flowing.replace(flowing) != Some(flowing)
        {
            subscription.undecodable_since = (flowing == Flowing::Undecodable).then_some(now);
            let sources = self.room.sources(now);
            self.tell_quality(now, subscriber, &sources);
        }
    }

    /// Takes note that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        self.find_verdict_due();
        if self.poll_timeout().is_some_and(|due| now >= due) {
            for participant in self.room.participants.values_mut() {
                participant.classifier.handle_timeout(now);
            }
            self.find_verdict_due();
            self.update(now);
        }
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.verdict_due.into_iter().chain(self.next_tick).min()
    }

    /// The next decision; call until `None`.
    pub fn poll_output(&mut self) -> Option<AdaptOutput> {
        self.outputs.pop_front()
    }

    /// The pace to send at where the estimate falls below it; `None` where the estimate rules.
    #[must_use]
    pub fn least_pace(&self) -> Option<Bitrate> {
        self.room.strategy.least_pace()
    }

    /// The verdict on a participant's network.
    #[must_use]
    pub fn verdict(&self, participant: ParticipantId) -> Option<Verdict> {
        self.room.participants.get(&participant).map(|participant| participant.classifier.verdict())
    }

    /// What a subscriber gets of its video tracks, as last decided.
    #[must_use]
    pub fn quality(&self, subscriber: ParticipantId) -> &[PairQuality] {
        self.room.participants.get(&subscriber).map_or(&[], |participant| &participant.quality)
    }

    pub(super) fn classify(
        &mut self,
        now: Instant,
        id: ParticipantId,
        learn: impl FnOnce(&mut NetworkClassifier),
    ) {
        let Some(participant) = self.room.participants.get_mut(&id) else { return };
        let before = participant.classifier.verdict();
        learn(&mut participant.classifier);
        let after = participant.classifier.verdict();
        self.note_verdict_due(id);
        if (before.class, before.proven) != (after.class, after.proven) {
            self.update_for(now, id);
        }
    }

    fn is_player(&self, id: ParticipantId) -> bool {
        self.room.participants.get(&id).is_some_and(Participant::is_player)
    }

    fn note_verdict_due(&mut self, id: ParticipantId) {
        let participant = self.room.participants.get(&id).filter(|participant| !participant.is_player());
        let due = participant.and_then(|participant| participant.classifier.poll_timeout());
        self.verdict_due = self.verdict_due.into_iter().chain(due).min();
    }

    fn find_verdict_due(&mut self) {
        let others = self.room.participants.values().filter(|participant| !participant.is_player());
        self.verdict_due = others.filter_map(|participant| participant.classifier.poll_timeout()).min();
    }

    /// Decides what somebody's news bear on: everything, or for one who only watches what that one gets. What its news
    /// mean to others waits for the tick, so that many who watch cost what each of them does.
    fn update_for(&mut self, now: Instant, id: ParticipantId) {
        if !self.is_player(id) {
            return self.update(now);
        }
        self.tell_class(now, id);
        self.permit(now, Some(id));
        self.list_demands(id);
        let mut snapshot = snapshot_of(self.room.sources(now));
        snapshot.subscribers = vec![self.room.subscriber_snapshot(now, id)];
        let ideal = allocate(&snapshot);
        self.step(now, &snapshot, id, ideal.layers.first().map(Vec::as_slice));
        self.tell_quality(now, id, &snapshot.sources);
        self.tell_demand(now, id, &snapshot.sources);
    }

    /// Decides everything anew. Permissions come before plans, and plans before layers, since each rests on
    /// the one before.
    fn update(&mut self, now: Instant) {
        let ids: Vec<ParticipantId> = self.room.participants.keys().copied().collect();
        for id in &ids {
            self.tell_class(now, *id);
        }
        self.room.compare_grades();
        self.permit(now, None);
        self.plan_uplinks(now);
        for id in &ids {
            self.list_demands(*id);
        }
        let mut snapshot = snapshot_of(self.room.sources(now));
        snapshot.subscribers = ids.iter().map(|id| self.room.subscriber_snapshot(now, *id)).collect();
        let ideal = allocate(&snapshot);
        for (id, layers) in ids.iter().zip(&ideal.layers) {
            self.step(now, &snapshot, *id, Some(layers));
        }
        for id in ids {
            self.tell_quality(now, id, &snapshot.sources);
            self.tell_demand(now, id, &snapshot.sources);
        }
        let ticking = self.room.video_tracks().next().is_some();
        self.next_tick = ticking.then(|| now + TICK);
    }

    /// Decides which pairs may have HD: all, or those of one subscriber.
    fn permit(&mut self, now: Instant, subscriber: Option<ParticipantId>) {
        let evidence = self.room.pair_evidence(now, subscriber);
        let strategy = self.room.strategy;
        let pairs = &mut self.room.pairs;
        if subscriber.is_none() {
            pairs.retain(|key, _| evidence.binary_search_by_key(key, |(key, _)| *key).is_ok());
        }
        for (key, evidence) in evidence {
            let pair = pairs.entry(key).or_insert_with(|| Pair::new(now));
            pair.decision = strategy.permit(now, &mut pair.permission, &evidence);
            let to = pair.decision.reason;
            let from = pair.said.replace(to);
            if from != Some(to) {
                pair.since = now;
                self.log.record_permission(now, key, from, to);
                self.outputs.push_back(AdaptOutput::Hd { from, to });
            }
        }
    }

    /// Brings the demands of a subscriber's allocator in line with its subscriptions.
    fn list_demands(&mut self, id: ParticipantId) {
        let Some(participant) = self.room.participants.get_mut(&id) else { return };
        let tracks = || subscriptions_of(&self.room.subscriptions, id).map(|(track, _)| track);
        if tracks().eq(participant.demands.iter().copied()) {
            return;
        }
        let kept: Vec<Option<usize>> =
            tracks().map(|track| participant.demands.iter().position(|before| *before == track)).collect();
        participant.allocator.handle_demands(&kept);
        participant.demands = tracks().collect();
    }
}

fn snapshot_of(sources: Vec<SourceSnapshot>) -> RoomSnapshot {
    // What an uplink cannot carry is given up in its plan, so that what is offered here fits already.
    RoomSnapshot { sources, uplinks: vec![None], subscribers: Vec::new() }
}

/// How often everything is decided anew, so that what waits for time to pass does not wait for an event.
const TICK: Duration = Duration::from_millis(200);
