//! What speaks against HD for a directed pair at one moment, as pure functions of the evidence.

use std::time::Duration;

use protocol::ladder::Rung;
use protocol::media_message::EncoderLimit;
use protocol::quality::{HdMode, HdReason};
use protocol::units::Bitrate;

use super::classifier::Verdict;
use super::measurement::{Downlink, DownlinkState, LayerMeasure, Uplink};
use super::policy::{self, HdTerms};

/// What is known of a directed pair when its permission is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairEvidence {
    /// Which classes are HD-grade.
    pub mode: HdMode,
    /// The publisher's network.
    pub publisher: Verdict,
    /// The subscriber's network.
    pub subscriber: Verdict,
    /// The publisher's link, once measured.
    pub uplink: Option<Uplink>,
    /// The subscriber's link, once measured.
    pub downlink: Option<Downlink>,
    /// The HD encoding as it arrives.
    pub hd_encoding: LayerMeasure,
    /// What holds the publisher's encoder back.
    pub encoder_limit: EncoderLimit,
    /// The publisher's uplink is known not to carry all that is wanted of it: what is missing is not asked for.
    pub uplink_limited: bool,
    /// The subscriber has a use for HD: a large tile of a camera that is not muted.
    pub wanted: bool,
    /// HD flows to the subscriber.
    pub flowing: bool,
}

pub(super) fn is_measured(link: &Downlink) -> bool {
    match link.state {
        DownlinkState::Starting | DownlinkState::Silent => false,
        DownlinkState::Steady | DownlinkState::Congested => true,
    }
}

pub(super) fn class_objection(pair: &PairEvidence) -> Option<HdReason> {
    if hd_terms(pair).is_none() {
        Some(lesser_end(pair))
    } else if !(pair.publisher.proven && pair.subscriber.proven)
        || (pair.mode == HdMode::Strict && is_veiled(pair))
    {
        Some(HdReason::EvidenceWeak)
    } else {
        None
    }
}

pub(super) fn hd_terms(pair: &PairEvidence) -> Option<HdTerms> {
    policy::hd_terms(pair.mode, pair.publisher.class, pair.subscriber.class)
}

/// The end whose class is not HD-grade.
pub(super) fn lesser_end(pair: &PairEvidence) -> HdReason {
    if policy::hd_grade(pair.mode, pair.publisher.class) {
        HdReason::SubscriberClass
    } else {
        HdReason::PublisherClass
    }
}

/// What takes a permission away if it lasts.
pub(super) fn severe_objection(pair: &PairEvidence) -> Option<HdReason> {
    if let Some(reason) = trouble(pair) {
        Some(reason)
    } else if hopeless(pair) {
        Some(HdReason::DownlinkUnproven)
    } else if pair.wanted && pair.uplink.is_some() && !pair.hd_encoding.alive {
        Some(HdReason::UplinkUnproven)
    } else {
        None
    }
}

/// Links or an encoder that behave too badly for HD, whatever their room.
pub(super) fn trouble(pair: &PairEvidence) -> Option<HdReason> {
    if pair.encoder_limit == EncoderLimit::Cpu {
        return Some(HdReason::EncoderLimited);
    }
    link_trouble(pair.uplink.as_ref(), pair.downlink.as_ref())
}

/// Whether the links of one participant behave too badly for HD.
pub(super) fn is_in_trouble(uplink: Option<&Uplink>, downlink: Option<&Downlink>) -> bool {
    link_trouble(uplink, downlink).is_some()
}

fn link_trouble(uplink: Option<&Uplink>, downlink: Option<&Downlink>) -> Option<HdReason> {
    let too_long = |rtt: Duration| rtt > REVOKING_RTT;
    let lossy = |loss: f64| loss > REVOKING_LOSS;
    if uplink.is_some_and(|link| lossy(link.loss)) || downlink.is_some_and(|link| lossy(link.loss)) {
        Some(HdReason::Loss)
    } else if uplink.and_then(|link| link.rtt).is_some_and(too_long)
        || downlink.is_some_and(|link| too_long(link.rtt))
    {
        Some(HdReason::RoundTrip)
    } else {
        None
    }
}

/// Whether a VPN hides what is between an end and the gateway: then measurement alone decides.
pub(super) fn is_veiled(pair: &PairEvidence) -> bool {
    pair.publisher.flags.vpn || pair.subscriber.flags.vpn
}

/// The downlink is measured to be far from carrying HD.
fn hopeless(pair: &PairEvidence) -> bool {
    let least = hd_price(pair).scaled(HOPELESS);
    pair.wanted && pair.downlink.is_some_and(|link| is_measured(&link) && link.estimate < least)
}

/// A publisher proves its uplink by sending HD: alive, at full size and a fair rate. What its browser says of
/// its bandwidth is advice; what arrives is proof.
pub(super) fn uplink_objection(pair: &PairEvidence) -> Option<HdReason> {
    let hd = pair.hd_encoding;
    let small = hd.height.is_some_and(|height| height < PROVEN_HD_LINES);
    let slow = hd.frame_rate > 0.0 && hd.frame_rate < PROVEN_FRAME_RATE;
    (!hd.alive || small || slow).then_some(HdReason::UplinkUnproven)
}

/// A downlink proves itself by carrying HD without trouble, or by an estimate with room to spare.
pub(super) fn downlink_objection(pair: &PairEvidence) -> Option<HdReason> {
    let enough = pair.downlink.is_some_and(|link| {
        let carries = pair.flowing && link.state == DownlinkState::Steady && link.loss <= GRANTING_LOSS;
        carries || (is_measured(&link) && link.estimate >= hd_price(pair).scaled(PROVEN_ROOM))
    });
    (!enough).then_some(HdReason::DownlinkUnproven)
}

/// How well both links must behave before a grant.
pub(super) fn link_objection(pair: &PairEvidence) -> Option<HdReason> {
    if pair.encoder_limit == EncoderLimit::Cpu {
        return Some(HdReason::EncoderLimited);
    }
    let (Some(uplink), Some(downlink)) = (pair.uplink, pair.downlink) else { return None };
    let up_rtt = uplink.rtt.unwrap_or(downlink.rtt);
    if uplink.loss > GRANTING_LOSS || downlink.loss > GRANTING_LOSS {
        Some(HdReason::Loss)
    } else if up_rtt > GRANTING_RTT || downlink.rtt > GRANTING_RTT {
        Some(HdReason::RoundTrip)
    } else if downlink.jitter > GRANTING_JITTER {
        Some(HdReason::Jitter)
    } else {
        None
    }
}

/// What HD costs: as measured where it flows, but not less than a quiet picture that starts to move.
fn hd_price(pair: &PairEvidence) -> Bitrate {
    let [.., measured] = pair.hd_encoding.cumulative;
    let floor = Rung::HD.nominal_bitrate().scaled(QUIET_PICTURE);
    if pair.hd_encoding.alive { measured.max(floor) } else { Rung::HD.nominal_bitrate() }
}

const GRANTING_LOSS: f64 = 0.02;
const REVOKING_LOSS: f64 = 0.05;

/// Per leg; two such legs and the codecs stay within 250 ms one way.
const GRANTING_RTT: Duration = Duration::from_millis(120);
const REVOKING_RTT: Duration = Duration::from_millis(250);
const GRANTING_JITTER: Duration = Duration::from_millis(30);

/// Room over the price that a downlink must show.
const PROVEN_ROOM: f64 = 1.2;

/// A downlink below this share of the price is not about to carry HD.
const HOPELESS: f64 = 0.5;

/// Share of the nominal price that a picture at rest is counted with.
const QUIET_PICTURE: f64 = 0.7;

/// 720 lines less what an encoder trims to its alignment.
const PROVEN_HD_LINES: u16 = 700;

/// Cameras in a dim room give 15 frames per second; less is an uplink or an encoder that gives up.
const PROVEN_FRAME_RATE: f64 = 12.0;
