//! How the adaptation policies differ, as data: each policy is one row, and whoever decides asks the row.

use std::time::Instant;

use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::{AdaptationPolicy, HdMode, HdReason};
use protocol::track::TrackSource;
use protocol::units::Bitrate;

use super::hd_objection::PairEvidence;
use super::hd_permission::{HdDecision, HdPermission};
use super::policy::{self, PairCap};
use super::uplink::RateRule;

/// The rules of one adaptation policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strategy {
    caps: Caps,
    permission: Permission,
    pub(super) spending: Spending,
    pub(super) steps: Steps,
    pub(super) rates: RateRule,
}

/// What the network classes of a pair allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caps {
    /// The policy matrix.
    Matrix,
    /// HD or 360 lines.
    HdOrLow,
    /// HD, whatever the classes.
    Open,
}

/// What permits HD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    /// Classes and lasting measurement.
    Measured,
    /// The classes alone.
    ByClass,
    /// Nothing forbids it.
    Always,
}

/// What a subscriber's pictures may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spending {
    /// What the estimate pays for.
    Estimated,
    /// Anything, whatever the link carries.
    Unlimited,
}

/// How a subscription goes from one layer to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// Down at once, up when the evidence has lasted.
    Held,
    /// To what fits best, with every report.
    AtOnce,
}

impl Strategy {
    pub(super) const fn of(policy: AdaptationPolicy) -> Self {
        match policy {
            AdaptationPolicy::TwoLoop => Self {
                caps: Caps::Matrix,
                permission: Permission::Measured,
                spending: Spending::Estimated,
                steps: Steps::Held,
                rates: RateRule::Following,
            },
            AdaptationPolicy::FixedByClass => Self {
                caps: Caps::HdOrLow,
                permission: Permission::ByClass,
                spending: Spending::Unlimited,
                steps: Steps::AtOnce,
                rates: RateRule::Nominal,
            },
            AdaptationPolicy::BandwidthOnly => Self {
                caps: Caps::Open,
                permission: Permission::Always,
                spending: Spending::Estimated,
                steps: Steps::AtOnce,
                rates: RateRule::Nominal,
            },
        }
    }

    /// The cap of a directed pair by its classes.
    pub(super) fn cap(
        self,
        mode: HdMode,
        source: TrackSource,
        publisher: NetworkClass,
        subscriber: NetworkClass,
    ) -> PairCap {
        let matrix = policy::cap(mode, source, publisher, subscriber);
        let both = policy::hd_grade(mode, publisher) && policy::hd_grade(mode, subscriber);
        let fixed = |rung| PairCap { rung, sustained: rung, max_temporal: policy::FULL_RATE };
        match (source, self.caps) {
            (TrackSource::Screen | TrackSource::Microphone, _) | (_, Caps::Matrix) => matrix,
            (TrackSource::Camera, Caps::HdOrLow) => fixed(if both { Rung::HD } else { Rung::P360 }),
            (TrackSource::Camera, Caps::Open) => fixed(Rung::HD),
        }
    }

    /// Decides the HD permission of a pair anew.
    pub(super) fn permit(
        self,
        now: Instant,
        permission: &mut HdPermission,
        evidence: &PairEvidence,
    ) -> HdDecision {
        let reason = match self.permission {
            Permission::Measured => return permission.evaluate(now, evidence),
            Permission::Always => HdReason::Granted,
            Permission::ByClass if !policy::hd_grade(evidence.mode, evidence.publisher.class) => {
                HdReason::PublisherClass
            }
            Permission::ByClass if !policy::hd_grade(evidence.mode, evidence.subscriber.class) => {
                HdReason::SubscriberClass
            }
            Permission::ByClass => HdReason::Granted,
        };
        let permitted = reason == HdReason::Granted;
        HdDecision { permitted, warm: permitted, sought: permitted, reason }
    }

    /// The pace to send at where the estimate falls below it; `None` where the estimate rules.
    pub(super) const fn least_pace(self) -> Option<Bitrate> {
        match self.spending {
            Spending::Estimated => None,
            Spending::Unlimited => Some(UNLIMITED_PACE),
        }
    }
}

/// Several pictures in HD leave as they come.
const UNLIMITED_PACE: Bitrate = Bitrate::mbps(50);
