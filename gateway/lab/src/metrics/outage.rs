//! Times in which a link carried nothing, and how soon everything was back after them.

use std::time::Duration;

use protocol::units::Bitrate;

use super::sight::Stretch;
use super::voice;
use crate::recording::{Flow, LinkSample, STEP};

/// A shorter one is a pause of the radio, which nothing can react to.
const LEAST: Duration = Duration::from_millis(500);

/// The estimate that counts as before: that of the seconds in front of the outage.
const BEFORE: Duration = Duration::from_secs(3);

/// The share of the estimate before that counts as recovered.
const RECOVERED: f64 = 0.8;

/// What one outage cost beyond itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Recovery {
    pub(super) voice_ms: Option<f64>,
    pub(super) picture_ms: Option<f64>,
    pub(super) estimate_s: Option<f64>,
    pub(super) key_frame_requests: f64,
}

/// The outages of either link since the join.
pub(super) fn outages(flow: &Flow) -> Vec<Stretch> {
    let mut outages = of_links(flow, &flow.subscriber_links, |sample| sample.capacity);
    outages.extend(of_links(flow, &flow.publisher_links, |sample| sample.uplink_capacity));
    outages.sort_by_key(|outage| outage.from);
    outages
}

fn of_links(flow: &Flow, links: &[LinkSample], rate: fn(&LinkSample) -> Bitrate) -> Vec<Stretch> {
    let mut outages: Vec<Stretch> = Vec::new();
    for sample in links.iter().filter(|sample| sample.at >= flow.joined && rate(sample) == Bitrate::ZERO) {
        match outages.last_mut() {
            Some(last) if last.until == sample.at => last.until = sample.at + STEP,
            _ => outages.push(Stretch { from: sample.at, until: sample.at + STEP }),
        }
    }
    outages
}

/// How everything came back after each outage that is long enough to matter and ends before the run does.
pub(super) fn recoveries(flow: &Flow) -> Vec<Recovery> {
    let outages = outages(flow);
    let healed = outages.iter().filter(|outage| outage.length() >= LEAST && outage.until < flow.ended);
    healed.map(|outage| recovery(flow, *outage)).collect()
}

fn recovery(flow: &Flow, outage: Stretch) -> Recovery {
    let healed = outage.until;
    let gap = voice::gaps(flow)
        .into_iter()
        .filter(|gap| gap.overlap(outage) > Duration::ZERO)
        .map(|gap| gap.until)
        .max();
    let shown = flow.frames.iter().find(|frame| frame.at >= healed);
    Recovery {
        voice_ms: gap.map(|end| millis(end.saturating_sub(healed))),
        picture_ms: Some(millis(shown.map_or(flow.ended, |frame| frame.at) - healed)),
        estimate_s: estimate_back(flow, outage),
        key_frame_requests: f64::from(flow.key_frame_requests),
    }
}

fn estimate_back(flow: &Flow, outage: Stretch) -> Option<f64> {
    let estimate = |sample: &LinkSample| Some((sample.at, sample.estimate?.as_bps() as f64));
    let series: Vec<(Duration, f64)> = flow.subscriber_links.iter().filter_map(estimate).collect();
    let first = series.partition_point(|(at, _)| *at + BEFORE < outage.from);
    let end = series.partition_point(|(at, _)| *at <= outage.from);
    let before: Vec<f64> = series[first..end].iter().map(|(_, rate)| *rate).collect();
    let before = super::quantile::quantile(&before, 0.5)?;
    let back = series.iter().find(|(at, rate)| *at >= outage.until && *rate >= RECOVERED * before);
    Some((back.map_or(flow.ended, |(at, _)| *at) - outage.until).as_secs_f64())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
