//! What a subscriber saw, from the pictures that were shown.

use std::time::Duration;

use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;

use super::link_use::DEMAND;
use crate::plan::highest_rung;
use crate::recording::{Flow, Frame, LinkSample};

const SECOND: Duration = Duration::from_secs(1);

/// libwebrtc's rule (`video_quality_observer2.cc`): a frame later than three times the average interval, and
/// than the average and this.
const FREEZE_MARGIN: Duration = Duration::from_millis(150);

/// Frames that the average is of, and the fewest that make one.
const FREEZE_SAMPLES: usize = 30;
const FREEZE_LEAST_SAMPLES: usize = 5;

/// Fewer frames a second are no HD worth the name.
const FULL_RATE: usize = 24;

/// What a link must carry for HD to be possible, and for the clinical floor to fit.
const FLOOR_FITS_KBPS: u64 = 1_000;

/// A freeze, or a time in which a link carried nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its beginning.
    pub from: Duration,
    /// Its end.
    pub until: Duration,
}

impl Stretch {
    pub(super) fn length(self) -> Duration {
        self.until - self.from
    }

    pub(super) fn overlap(self, other: Self) -> Duration {
        self.until.min(other.until).saturating_sub(self.from.max(other.from))
    }
}

/// The freezes: a whole interval between two pictures, by libwebrtc's rule. A picture that never moves again
/// is frozen until the end.
#[must_use]
pub fn freezes(flow: &Flow) -> Vec<Stretch> {
    let mut instants: Vec<Duration> = flow.frames.iter().map(|frame| frame.at).collect();
    instants.push(flow.ended);
    let mut freezes = Vec::new();
    for index in FREEZE_LEAST_SAMPLES + 1..instants.len() {
        let first = index.saturating_sub(FREEZE_SAMPLES + 1);
        let average = (instants[index - 1] - instants[first]) / (index - 1 - first) as u32;
        let interval = instants[index] - instants[index - 1];
        if interval > (3 * average).max(average + FREEZE_MARGIN) {
            freezes.push(Stretch { from: instants[index - 1], until: instants[index] });
        }
    }
    freezes
}

/// One second as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenSecond {
    /// Lines of the picture that stood last; none before the first.
    pub lines: u16,
    /// Pictures that were shown.
    pub frames: usize,
}

impl SeenSecond {
    /// HD lines.
    #[must_use]
    pub fn is_hd(self) -> bool {
        self.lines >= Rung::P720.lines()
    }

    /// HD at 24 frames or more.
    #[must_use]
    pub fn is_full_hd_rate(self) -> bool {
        self.is_hd() && self.frames >= FULL_RATE
    }
}

/// The whole seconds from the join on.
#[must_use]
pub fn seconds(flow: &Flow) -> Vec<SeenSecond> {
    let count = (flow.ended.saturating_sub(flow.joined)).as_secs() as u32;
    let starts = (0..count).map(|number| flow.joined + number * SECOND);
    starts.map(|from| second_at(flow, from)).collect()
}

fn second_at(flow: &Flow, from: Duration) -> SeenSecond {
    let first = flow.frames.partition_point(|frame| frame.at < from);
    let end = flow.frames.partition_point(|frame| frame.at < from + SECOND);
    SeenSecond { lines: end.checked_sub(1).map_or(0, |last| flow.frames[last].lines), frames: end - first }
}

/// Whether the links carried HD in each of those seconds: the ceiling of every share of HD.
pub(super) fn possible_seconds(flow: &Flow) -> Vec<bool> {
    least_rates(flow).into_iter().map(|kbps| kbps >= DEMAND.as_kbps()).collect()
}

/// The least that both links carried in each second; of a shared link, an equal share.
pub(super) fn least_rates(flow: &Flow) -> Vec<u64> {
    let rates = |links: &[LinkSample], from: Duration, is_uplink: bool| {
        let first = links.partition_point(|sample| sample.at < from);
        let end = links.partition_point(|sample| sample.at < from + SECOND);
        let rate = |sample: &LinkSample| {
            if is_uplink { sample.uplink_capacity } else { sample.fair_capacity() }
        };
        links[first..end].iter().map(|sample| rate(sample).as_kbps()).min().unwrap_or_default()
    };
    let count = (flow.ended.saturating_sub(flow.joined)).as_secs() as u32;
    (0..count)
        .map(|number| {
            let from = flow.joined + number * SECOND;
            rates(&flow.publisher_links, from, true).min(rates(&flow.subscriber_links, from, false))
        })
        .collect()
}

/// Changes of the lines that are shown.
pub(super) fn switches(flow: &Flow) -> usize {
    flow.frames.windows(2).filter(|pair| pair[0].lines != pair[1].lines).count()
}

/// From the join to the first HD picture.
pub(super) fn time_to_hd(flow: &Flow) -> Option<Duration> {
    let first = flow.frames.iter().find(|frame| frame.lines >= Rung::P720.lines());
    first.map(|frame| frame.at.saturating_sub(flow.joined))
}

/// From an instant to the beginning of the first second that is HD throughout, with 24 frames or more.
pub(super) fn back_to_full_hd(flow: &Flow, since: Duration) -> Option<Duration> {
    let is_hd = |frame: &Frame| frame.lines >= Rung::P720.lines();
    let first = flow.frames.partition_point(|frame| frame.at < since);
    let starts = flow.frames.iter().enumerate().skip(first).filter(|(_, frame)| is_hd(frame));
    for (index, frame) in starts {
        let end = flow.frames.partition_point(|other| other.at < frame.at + SECOND);
        let of_second = &flow.frames[index..end];
        if of_second.len() >= FULL_RATE && of_second.iter().all(is_hd) && frame.at + SECOND <= flow.ended {
            return Some(frame.at - since);
        }
    }
    None
}

/// The times it took to come back to the clinical floor: from the second in which both links carry 1 Mbit/s
/// again while less is shown, to the first picture of 480 lines. Where the links fail again before that,
/// there is nothing to judge, unless the floor was out of reach for 8 s; a time is no longer than the links carry
/// the floor. Where the classes keep a pair below it, there is nothing to come back to.
pub(super) fn recoveries_to_floor(flow: &Flow) -> Vec<f64> {
    let rates = least_rates(flow);
    let mut recoveries = Vec::new();
    for (number, pair) in rates.windows(2).enumerate() {
        let is_rise = pair[0] < FLOOR_FITS_KBPS && pair[1] >= FLOOR_FITS_KBPS;
        let from = flow.joined + SECOND * (number as u32 + 1);
        let shown = flow.frames.partition_point(|frame| frame.at < from);
        let is_below = shown.checked_sub(1).is_some_and(|last| flow.frames[last].lines < Rung::P480.lines());
        let networks = network_at(&flow.publisher_links, from).zip(network_at(&flow.subscriber_links, from));
        let is_kept_below = networks.is_some_and(|(up, down)| highest_rung(up, down) < Rung::P480);
        if !is_rise || !is_below || is_kept_below {
            continue;
        }
        let fit = rates[number + 1..].iter().take_while(|kbps| **kbps >= FLOOR_FITS_KBPS).count();
        let fits_until = from + SECOND * fit as u32;
        let back = flow.frames[shown..].iter().find(|frame| frame.lines >= Rung::P480.lines());
        let took = back.map_or(flow.ended, |frame| frame.at) - from;
        if from + took <= fits_until || fit >= 8 {
            recoveries.push(took.min(fits_until - from).as_secs_f64());
        }
    }
    recoveries
}

/// The network that a participant is on at that instant.
pub(super) fn network_at(links: &[LinkSample], at: Duration) -> Option<NetworkClass> {
    links.get(links.partition_point(|sample| sample.at < at)).map(|sample| sample.network)
}
