//! What a subscriber heard.

use std::time::Duration;

use super::quantile::quantile;
use super::sight::{Stretch, least_rates};
use crate::recording::{Flow, LinkSample};
use sfu::voice::e_model::{Hearing, mean_opinion};

/// A score is of so much speech: a sentence.
const WINDOW: Duration = Duration::from_secs(5);

/// A voice with its headers takes half of it, and one that repeats its frames all of it.
const VOICE_FITS_KBPS: u64 = 100;

const SECOND: Duration = Duration::from_secs(1);

/// What a microphone's packet and the jitter buffer of the simulated browser add to the way.
const DEVICE_DELAY_MS: f64 = 100.0;

/// The gaps as stretches, from the first voice on. A voice that is not heard again is missing until the end.
pub(super) fn gaps(flow: &Flow) -> Vec<Stretch> {
    flow.gaps.iter().map(|gap| Stretch { from: gap.at, until: gap.at + gap.length }).collect()
}

/// The share of the time since the voice was first heard that was filled in.
pub(super) fn concealed_share(flow: &Flow, holes: &[Stretch]) -> Option<f64> {
    let heard = flow.ended.saturating_sub(flow.first_voice?);
    let missing: Duration = gaps(flow).into_iter().map(|gap| beyond(gap, holes)).sum();
    (!heard.is_zero()).then(|| missing.as_secs_f64() / heard.as_secs_f64())
}

/// What of a stretch lies outside of those times in which a link carried nothing.
pub(super) fn beyond(stretch: Stretch, holes: &[Stretch]) -> Duration {
    let within: Duration = holes.iter().map(|hole| stretch.overlap(*hole)).sum();
    stretch.length().saturating_sub(within)
}

/// Whole seconds in which nothing was heard though both links carried enough for a voice.
pub(super) fn starved_seconds(flow: &Flow) -> usize {
    let Some(first) = flow.first_voice else { return 0 };
    let seconds = least_rates(flow).into_iter().enumerate().map(|(number, kbps)| {
        let from = flow.joined + SECOND * number as u32;
        (kbps, Stretch { from, until: from + SECOND })
    });
    let could_be_heard = seconds.filter(|(kbps, second)| *kbps >= VOICE_FITS_KBPS && second.from >= first);
    let gaps = gaps(flow);
    let missing = |second: Stretch| gaps.iter().map(|gap| gap.overlap(second)).sum::<Duration>();
    could_be_heard.filter(|(_, second)| missing(*second) >= SECOND).count()
}

/// Nineteen of twenty looks at both links found a packet's way at most so long; dark links have none.
pub(super) fn way_p95_ms(flow: &Flow) -> Option<f64> {
    let of_call = |sample: &&LinkSample| sample.at >= flow.joined;
    let up = flow.publisher_links.iter().filter(of_call);
    let down = flow.subscriber_links.iter().filter(of_call);
    let ways = up
        .zip(down)
        .filter_map(|(up, down)| Some(up.uplink_delay + up.uplink_queue? + down.delay + down.queue?));
    quantile(&ways.map(|way| way.as_secs_f64() * 1e3).collect::<Vec<_>>(), 0.95)
}

/// One window in twenty sounded at most so well; windows in which a link carried nothing are left out.
pub(super) fn mean_opinion_p5(flow: &Flow, holes: &[Stretch]) -> Option<f64> {
    let first = flow.first_voice?;
    let count = (flow.ended.saturating_sub(first).as_secs() / WINDOW.as_secs()) as u32;
    let windows = (0..count).map(|number| first + number * WINDOW);
    let is_dark = |from: Duration| {
        let window = Stretch { from, until: from + WINDOW };
        holes.iter().any(|hole| window.overlap(*hole) > Duration::ZERO)
    };
    let scores: Vec<f64> = windows.filter(|from| !is_dark(*from)).map(|from| opinion(flow, from)).collect();
    quantile(&scores, 0.05)
}

fn opinion(flow: &Flow, from: Duration) -> f64 {
    let window = Stretch { from, until: from + WINDOW };
    let missing: Duration = gaps(flow).into_iter().map(|gap| gap.overlap(window)).sum();
    let delay = Duration::from_secs_f64((way_ms(flow, window) + DEVICE_DELAY_MS) / 1e3);
    mean_opinion(&Hearing { delay, loss: missing.as_secs_f64() / WINDOW.as_secs_f64(), burstiness: 1.0 })
}

/// The mean way from the publisher's to the subscriber's network interface. A link that carries nothing
/// has no delay: what is on it is lost.
fn way_ms(flow: &Flow, window: Stretch) -> f64 {
    let of = |links: &[LinkSample], is_uplink: bool| {
        let first = links.partition_point(|sample| sample.at < window.from);
        let end = links.partition_point(|sample| sample.at < window.until);
        let ways = links[first..end].iter().map(|sample| {
            let (delay, queue) = if is_uplink {
                (sample.uplink_delay, sample.uplink_queue)
            } else {
                (sample.delay, sample.queue)
            };
            (delay + queue.unwrap_or_default()).as_secs_f64() * 1e3
        });
        ways.sum::<f64>() / (end - first).max(1) as f64
    };
    of(&flow.publisher_links, true) + of(&flow.subscriber_links, false)
}
