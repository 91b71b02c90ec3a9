//! What decisions need to know of one published track: its plan, and its encodings as they arrive.

use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::track::{MediaKind, TrackSource};
use protocol::units::Bitrate;

use super::measurement::{LayerMeasure, TEMPORAL_LAYERS};
use super::snapshot::{EncodingSnapshot, SourceSnapshot};
use super::uplink::{EncodingTarget, UplinkWish, least_rate};
use super::uplink_limit::Shortage;
use crate::limits::MAX_ENCODINGS;
use crate::relay::WorkerId;

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

/// One track.
pub(super) struct Track {
    pub(super) published_at: Instant,
    pub(super) publication: Publication,
    pub(super) muted: bool,
    /// Its publisher follows no plan: what arrives is what there is.
    fixed: bool,
    /// Its publisher and all of its subscribers are on networks that are good for HD.
    pub(super) all_graded: bool,
    /// The most that players on other workers have a use for, by worker.
    pub(super) hall_wishes: Vec<(WorkerId, Rung)>,
    /// What its page last said to hold the encoder back, and when.
    encoder_limit: (EncoderLimit, Instant),
    pub(super) plan: Vec<EncodingTarget>,
    pub(super) planned_at: Instant,
    /// Since when each encoding is asked for as it is.
    asked_since: [Option<Instant>; MAX_ENCODINGS],
    /// What the plan in force was made for.
    pub(super) wishes: Vec<UplinkWish>,
    /// Not all that there is a use for is asked for: the uplink does not carry it.
    pub(super) reduced: bool,
    /// Something of it has arrived.
    has_begun: bool,
    layers: [(LayerMeasure, Option<Instant>); MAX_ENCODINGS],
    /// The uplink carries less than what is sent.
    is_short: bool,
    pub(super) source_lines: Option<(u16, Instant)>,
    small_since: Option<Instant>,
    /// Encodings that were asked for and did not come, and when that was last so.
    withheld: [Option<Instant>; MAX_ENCODINGS],
}

impl Track {
    pub(super) fn new(now: Instant, publication: Publication, fixed: bool) -> Self {
        Self {
            published_at: now,
            publication,
            muted: false,
            fixed,
            all_graded: false,
            hall_wishes: Vec::new(),
            encoder_limit: (EncoderLimit::None, now),
            plan: Vec::new(),
            planned_at: now,
            asked_since: Default::default(),
            wishes: Vec::new(),
            reduced: false,
            has_begun: false,
            layers: Default::default(),
            is_short: false,
            source_lines: None,
            small_since: None,
            withheld: Default::default(),
        }
    }

    pub(super) fn is_video(&self) -> bool {
        self.publication.source.kind() == MediaKind::Video
    }

    pub(super) fn encodings(&self) -> usize {
        self.publication.rids.len().clamp(1, MAX_ENCODINGS)
    }

    /// Whether a plan asks for more than other rates.
    pub(super) fn changes_shape(&self, plan: &[EncodingTarget]) -> bool {
        let shape = |target: &EncodingTarget| (target.active, target.rung, target.max_framerate);
        !self.plan.iter().map(shape).eq(plan.iter().map(shape))
    }

    /// Takes a plan over. Other rates alone are followed without a break.
    pub(super) fn follow(&mut self, now: Instant, plan: Vec<EncodingTarget>) {
        if self.changes_shape(&plan) {
            self.planned_at = now;
        }
        for (index, since) in self.asked_since.iter_mut().enumerate() {
            let target = plan.get(index).filter(|target| target.active);
            let before = self.plan.get(index).filter(|target| target.active);
            let stays = target.map(|target| target.rung) == before.map(|before| before.rung);
            *since = target.map(|_| since.filter(|_| stays).unwrap_or(now));
        }
        self.plan = plan;
    }

    /// Returns whether an encoding came, went, or changed its size.
    pub(super) fn measure_layers(&mut self, now: Instant, measures: &[LayerMeasure]) -> bool {
        self.has_begun |= measures.iter().any(|measure| measure.alive);
        let is_short = measures.iter().any(|measure| measure.stalled);
        let mut changed = std::mem::replace(&mut self.is_short, is_short) != is_short;
        changed |= self.find_spatial_layers(measures.len());
        for (index, ((measure, alive_since), new)) in self.layers.iter_mut().zip(measures).enumerate() {
            changed |= (measure.alive, measure.height) != (new.alive, new.height);
            *measure = *new;
            // What lies above the lowest has to prove itself anew once the uplink carries what is sent.
            let begins = if is_short && index > 0 { now } else { alive_since.unwrap_or(now) };
            *alive_since = new.alive.then_some(begins);
        }
        self.learn_source_lines(now);
        self.learn_withheld(now);
        changed
    }

    /// A single stream turns out to carry several encodings, as its spatial layers.
    fn find_spatial_layers(&mut self, count: usize) -> bool {
        let is_new = self.publication.rids.len() <= 1 && count > self.encodings();
        if is_new {
            self.publication.rids.resize(count.min(MAX_ENCODINGS), String::new());
        }
        is_new
    }

    fn learn_withheld(&mut self, now: Instant) {
        let asked_for_long = now.saturating_duration_since(self.planned_at) >= PLAN_GRACE;
        for ((withheld, (measure, _)), plan) in self.withheld.iter_mut().zip(&self.layers).zip(&self.plan) {
            if measure.alive {
                *withheld = None;
            } else if plan.active && asked_for_long {
                *withheld = Some(now);
            }
        }
    }

    /// Whether nothing of it arrives, although it has before and is asked for.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let asked_for = self.plan.iter().any(|plan| plan.active);
        let asked_for_long = now.saturating_duration_since(self.planned_at) >= PLAN_GRACE;
        let arrives = self.layers.iter().any(|(measure, _)| measure.alive);
        self.has_begun && asked_for && asked_for_long && !arrives && !self.muted
    }

    /// An encoding as it arrives.
    pub(super) fn measure(&self, encoding: usize) -> LayerMeasure {
        self.layers.get(encoding).map_or_else(LayerMeasure::default, |(measure, _)| *measure)
    }

    /// Whether the publisher has not sent this encoding when it was last asked to.
    pub(super) fn is_withheld(&self, now: Instant, encoding: usize) -> bool {
        let at = self.withheld.get(encoding).copied().flatten();
        at.is_some_and(|at| now.saturating_duration_since(at) < SOURCE_MEMORY)
    }

    /// Whether this encoding has been asked for so lately that it may still come.
    pub(super) fn is_due(&self, now: Instant, encoding: usize) -> bool {
        let asked_since = self.asked_since.get(encoding).copied().flatten();
        asked_since.is_some_and(|since| now.saturating_duration_since(since) < PLAN_GRACE)
    }

    /// Takes what the page says to hold the encoder back.
    pub(super) fn limit_encoder(&mut self, now: Instant, limit: EncoderLimit) {
        self.encoder_limit = (limit, now);
        self.small_since = None;
    }

    /// What holds the encoder back, by its page's word; a word that is not repeated counts for a while.
    pub(super) fn encoder_limit(&self, now: Instant) -> EncoderLimit {
        let (limit, at) = self.encoder_limit;
        if now.saturating_duration_since(at) < LIMIT_MEMORY { limit } else { EncoderLimit::None }
    }

    /// Whether its encodings are spatial layers of one stream.
    pub(super) fn is_layered(&self) -> bool {
        self.publication.rids.len() > 1 && self.publication.rids.iter().all(String::is_empty)
    }

    /// Whether encodings that are asked for do not come as asked, for want of an uplink as far as can be seen. An
    /// encoding that is thin is no evidence by itself: a picture at rest is thin, too.
    pub(super) fn shortage(&self, now: Instant) -> Shortage {
        let limit = self.encoder_limit(now);
        let arrives = self.layers.first().is_some_and(|(measure, _)| measure.alive);
        let is_told = match limit {
            EncoderLimit::Cpu => return Shortage::None,
            EncoderLimit::Bandwidth => true,
            EncoderLimit::None | EncoderLimit::Other => false,
        };
        if self.publication.source != TrackSource::Camera || self.muted || !arrives {
            return Shortage::None;
        }
        let for_long = |since: &Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= PLAN_GRACE)
        };
        let asked = || {
            let planned = self.plan.iter().zip(&self.layers).zip(&self.asked_since);
            planned.filter(|(_, since)| for_long(since)).map(|(planned, _)| planned)
        };
        let missing = asked().any(|(_, (measure, _))| !measure.alive);
        let thin = |(plan, (measure, _)): (&EncodingTarget, &(LayerMeasure, _))| {
            let [.., whole] = measure.cumulative;
            measure.alive && whole < least_rate(plan.rung).min(plan.max_bitrate).scaled(THIN)
        };
        match (missing || self.is_short, is_told) {
            (true, true) => Shortage::Told,
            (false, true) if asked().any(thin) => Shortage::Told,
            (true, false) => Shortage::Seen,
            (false, _) => Shortage::None,
        }
    }

    /// Whether its larger pictures do not come although they have been asked for, and the page says that its browser
    /// believes in no more.
    pub(super) fn withholds(&self, now: Instant) -> bool {
        let may_come = !self.muted && !self.is_layered() && self.publication.source == TrackSource::Camera;
        let is_told = self.encoder_limit(now) == EncoderLimit::Bandwidth;
        let lags = |since: &Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= PROBE_GRACE)
        };
        let mut encodings = self.layers.iter().map(|(measure, _)| measure.alive).zip(&self.asked_since);
        let lowest_comes = encodings.next().is_some_and(|(alive, _)| alive);
        may_come && is_told && lowest_comes && encodings.any(|(alive, since)| !alive && lags(since))
    }

    /// Less than half of what comes of the plan, and nothing that does not come.
    pub(super) fn rested(&self) -> Vec<EncodingTarget> {
        let rested = |(target, (measure, _)): (&EncodingTarget, &(LayerMeasure, _))| {
            let [.., whole] = measure.cumulative;
            EncodingTarget {
                active: target.active && measure.alive,
                max_bitrate: target.max_bitrate.min(whole.scaled(RESTED).max(LEAST_RESTED)),
                ..*target
            }
        };
        self.plan.iter().zip(&self.layers).map(rested).collect()
    }

    /// The encoding that is planned to carry HD, as it arrives.
    pub(super) fn hd_encoding(&self) -> LayerMeasure {
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
        if !(small && asked_for_long && self.encoder_limit(now) == EncoderLimit::None) {
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
            Some(measured) if !self.fixed && now.saturating_duration_since(self.planned_at) < PLAN_GRACE => {
                measured.min(planned)
            }
            Some(measured) => measured,
        }
    }

    /// The size of a camera's only picture, where its publisher makes it no smaller.
    pub(super) fn only_rung(&self, now: Instant) -> Option<Rung> {
        let is_only = self.fixed && self.encodings() == 1 && self.publication.source == TrackSource::Camera;
        (is_only && self.measure(0).alive).then(|| self.rung_of(now, 0))
    }

    /// Whether something that is asked for has come so lately that those who watch may not have gone over to it.
    pub(super) fn is_changing_over(&self, now: Instant) -> bool {
        let asked = self.plan.iter().zip(&self.layers).filter(|(plan, _)| plan.active);
        let newest = asked.filter_map(|(_, (_, since))| *since).max();
        newest.is_some_and(|since| now.saturating_duration_since(since) < CHANGE_OVER)
    }

    /// The encodings that can be forwarded, as bits.
    pub(super) fn ripe_encodings(&self, now: Instant) -> u8 {
        let ripe =
            |since: Option<Instant>| since.is_some_and(|since| now.saturating_duration_since(since) >= RIPE);
        let layers =
            self.layers.iter().enumerate().filter(|(_, (measure, since))| measure.alive && ripe(*since));
        layers.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    pub(super) fn snapshot(&self, now: Instant) -> SourceSnapshot {
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
                // What is given up for others to come is left before it ends.
                Some(lowest) => index == lowest || measure.alive && ripe && (planned || !self.reduced),
            };
            let [.., whole] = measure.cumulative;
            // Where none is followed, no plan says what it may grow to.
            let ceiling = match self.plan.get(index) {
                _ if self.fixed => whole,
                plan => plan.map_or(Bitrate::ZERO, |plan| plan.max_bitrate),
            };
            let rung = self.rung_of(now, index);
            let full = match self.publication.source {
                _ if self.fixed => whole,
                TrackSource::Camera if !self.reduced => ceiling.max(rung.nominal_bitrate()),
                // What an uplink lowers gives way for no receiver.
                TrackSource::Camera | TrackSource::Screen | TrackSource::Microphone => ceiling,
            };
            let cumulative = if whole == Bitrate::ZERO {
                EXPECTED_SHARES.map(|share| ceiling.scaled(share))
            } else {
                measure.cumulative
            };
            let known_rate = measure.frame_rate > 0.0 && fastest > 0.0;
            EncodingSnapshot {
                usable,
                expected: measure.alive || !planned || settling,
                rung,
                cumulative,
                ceiling,
                full,
                temporal_layers: measure.temporal_layers,
                relative_frame_rate: if known_rate { measure.frame_rate / fastest } else { 1.0 },
            }
        });
        SourceSnapshot { uplink: 0, is_muted: self.muted, encodings: encodings.collect() }
    }
}

/// An encoding must have arrived for this long before a step up to it; its rate is not known earlier.
const RIPE: Duration = Duration::from_millis(500);

/// A publisher follows a plan within this time: a message, and a key frame of another size.
const PLAN_GRACE: Duration = Duration::from_secs(3);

/// A browser that finds room has found it after this time: a probe takes a round trip, an encoder a key frame.
const PROBE_GRACE: Duration = Duration::from_millis(1_200);

/// The share of its rate that an encoding keeps while its browser rests, and the least that a video encoder of
/// libwebrtc goes down to.
const RESTED: f64 = 0.4;
const LEAST_RESTED: Bitrate = Bitrate::kbps(30);

/// Those who watch go over to an encoding that is new within this time, or not at all.
const CHANGE_OVER: Duration = Duration::from_secs(10);

/// An encoding that is asked for and has not come after this time is not to be expected.
const SETTLING: Duration = Duration::from_secs(10);

/// How long an unhindered encoder must send less than it may, and how long that is believed.
const SMALL_PATIENCE: Duration = Duration::from_secs(2);
const SOURCE_MEMORY: Duration = Duration::from_secs(60);

/// A page repeats what holds its encoder back while it does, every fifteen seconds; one that does not is believed
/// for this long.
const LIMIT_MEMORY: Duration = Duration::from_secs(40);

/// Encoders stay a little below what they are allowed.
const THIN: f64 = 0.85;

/// Rates of the temporal layers over the whole, before they are measured.
const EXPECTED_SHARES: [f64; TEMPORAL_LAYERS] = [0.4, 0.6, 1.0];
