//! What decisions need to know of one participant: its network, its links, and what it was last told.

use std::time::{Duration, Instant};

use protocol::id::TrackId;
use protocol::network_class::NetworkClass;
use protocol::quality::PairQuality;
use protocol::track::Role;
use protocol::units::Bitrate;

use super::allocator::{Allocator, LinkView};
use super::classifier::NetworkClassifier;
use super::hd_objection::is_in_trouble;
use super::measurement::{Downlink, DownlinkState, Hearing, Uplink};
use super::probe_invitation::ProbeInvitation;
use super::uplink_limit::UplinkLimit;

/// One participant.
pub(super) struct Participant {
    pub(super) joined_at: Instant,
    pub(super) role: Role,
    /// It follows plans.
    pub(super) steerable: bool,
    pub(super) classifier: NetworkClassifier,
    pub(super) allocator: Allocator,
    pub(super) uplink: Option<Uplink>,
    pub(super) uplink_limit: UplinkLimit,
    pub(super) probe_invitation: ProbeInvitation,
    pub(super) downlink: Option<Downlink>,
    /// The largest estimate of late, for what should stay warm.
    peak: Option<(Bitrate, Instant)>,
    roomy_downlink_since: Option<Instant>,
    clean_uplink_since: Option<Instant>,
    /// The video tracks that it subscribes to, in the order of its allocator's demands.
    pub(super) demands: Vec<TrackId>,
    /// What each of them costs at present.
    pub(super) prices: Vec<Bitrate>,
    /// What was last said of it.
    pub(super) quality: Vec<PairQuality>,
    pub(super) demand: Option<[Bitrate; 3]>,
    pub(super) said_class: NetworkClass,
    pub(super) class_since: Instant,
    pub(super) hearing: Hearing,
    /// What redundancy adds to every voice that it is sent.
    pub(super) voice_redundancy: Bitrate,
}

impl Participant {
    pub(super) fn new(now: Instant, role: Role, steerable: bool, classifier: NetworkClassifier) -> Self {
        Self {
            joined_at: now,
            role,
            steerable,
            classifier,
            allocator: Allocator::new(now),
            uplink: None,
            uplink_limit: UplinkLimit::default(),
            probe_invitation: ProbeInvitation::default(),
            downlink: None,
            peak: None,
            roomy_downlink_since: None,
            clean_uplink_since: None,
            demands: Vec::new(),
            prices: Vec::new(),
            quality: Vec::new(),
            demand: None,
            said_class: NetworkClass::Unknown,
            class_since: now,
            hearing: Hearing::Heard,
            voice_redundancy: Bitrate::ZERO,
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
        self.judge_link(now);
    }

    pub(super) fn measure_uplink(&mut self, now: Instant, uplink: Uplink) {
        let clean = uplink.loss <= CLEAN_LOSS;
        self.clean_uplink_since = clean.then(|| self.clean_uplink_since.unwrap_or(now));
        self.uplink = Some(uplink);
        self.judge_link(now);
    }

    /// A link in trouble is on the lower of two classes, if that is what changes.
    fn judge_link(&mut self, now: Instant) {
        let silent = self.downlink.is_some_and(|link| link.state == DownlinkState::Silent);
        let in_trouble = silent || is_in_trouble(self.uplink.as_ref(), self.downlink.as_ref());
        self.classifier.handle_link(now, in_trouble);
    }

    /// The estimate to plan with. A steady link carries at least what was just acknowledged.
    pub(super) fn estimate(&self) -> Bitrate {
        match self.downlink {
            None => START_ESTIMATE,
            Some(Downlink { estimate, state: DownlinkState::Starting, .. }) => {
                estimate.min(UNMEASURED_ESTIMATE)
            }
            Some(Downlink { estimate, acknowledged, state: DownlinkState::Steady, .. }) => {
                estimate.max(acknowledged)
            }
            Some(downlink) => downlink.estimate,
        }
    }

    /// Whether a link that was steady before still is, and bears what it carries.
    pub(super) fn is_borne_by(&self, link: &Downlink, audio: Bitrate) -> bool {
        let is_steady = |state| state == DownlinkState::Steady;
        let spent = self.prices.iter().copied().sum::<Bitrate>();
        self.downlink.is_some_and(|before| is_steady(before.state))
            && is_steady(link.state)
            && link.estimate.scaled(SPENDABLE) >= spent + audio
            && link.loss <= CLEAN_LOSS
            && link.queue_delay <= CLEAN_QUEUE
    }

    /// What all video may cost, given what audio takes.
    pub(super) fn budget(&self, audio: Bitrate) -> Bitrate {
        let estimate = self.estimate();
        let budget = estimate.scaled(SPENDABLE) - audio;
        // As long as anything flows, a small picture of few frames shows more than none.
        if estimate >= LEAST_FOR_VIDEO { budget.max(LEAST_PICTURE) } else { budget }
    }

    /// What a picture of one track may cost while the others cost what they do.
    pub(super) fn spare(&self, track: TrackId, audio: Bitrate) -> Bitrate {
        self.budget(audio) - self.price_of_others(track)
    }

    /// The most that it could have cost within the last seconds.
    pub(super) fn spare_of_late(&self, now: Instant, track: TrackId, audio: Bitrate) -> Bitrate {
        let budget = self.budget(audio);
        self.recent_budget(now, audio).map_or(budget, |recent| recent.max(budget))
            - self.price_of_others(track)
    }

    fn price_of_others(&self, track: TrackId) -> Bitrate {
        let others = self.demands.iter().zip(&self.prices).filter(|(id, _)| **id != track);
        others.map(|(_, price)| *price).sum()
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
    pub(super) fn recent_budget(&self, now: Instant, audio: Bitrate) -> Option<Bitrate> {
        self.peak.filter(|_| !self.allocator.is_starting(now)).map(|(peak, _)| peak.scaled(SPENDABLE) - audio)
    }
}

impl Participant {
    /// Whether it is a player: it shows nothing, and nobody follows what it is told.
    pub(super) fn is_player(&self) -> bool {
        self.role == Role::Observer && !self.steerable
    }

    /// Whether nothing comes from it any more.
    pub(super) fn is_lost(&self) -> bool {
        self.hearing == Hearing::Silent
    }

    /// Whether its downlink has had room for long enough to lift a cautious cap.
    pub(super) fn has_lasting_room(&self, now: Instant) -> bool {
        lasts(now, self.roomy_downlink_since)
    }

    /// Whether its uplink has been clean for long enough to lift a cautious cap.
    pub(super) fn has_lasting_order(&self, now: Instant) -> bool {
        lasts(now, self.clean_uplink_since)
    }
}

fn lasts(now: Instant, since: Option<Instant>) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) >= SUSTAINED_FOR)
}

/// Until congestion control says something: what nearly every link carries.
const START_ESTIMATE: Bitrate = Bitrate::kbps(600);

/// A prior may start a call at 480 lines, but HD takes a measurement.
const UNMEASURED_ESTIMATE: Bitrate = Bitrate::kbps(1_200);

/// Share of the estimate that media may take; the rest is for RTCP, repair and error.
pub(super) const SPENDABLE: f64 = 0.9;

/// What flows may stay until the estimate falls below this share of it.
const HOLD_SHARE: f64 = 0.85;

/// 180 lines at a quarter of the frame rate.
pub(super) const LEAST_PICTURE: Bitrate = Bitrate::kbps(60);
const LEAST_FOR_VIDEO: Bitrate = Bitrate::kbps(100);

/// Encodings stay warm for this long after the estimate has left their reach.
const PEAK_MEMORY: Duration = Duration::from_millis(2_500);

/// What lifts the cap of a pair of 4G and an unknown cellular network, and for how long it must last.
const SUSTAINED_ROOM: Bitrate = Bitrate::kbps(1_500);
const SUSTAINED_FOR: Duration = Duration::from_secs(8);
const CLEAN_LOSS: f64 = 0.02;

/// A queue this short troubles nobody.
const CLEAN_QUEUE: Duration = Duration::from_millis(25);
