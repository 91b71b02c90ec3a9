//! A flow over time, as CSV: what pictures are drawn from. Calls between real browsers write the same columns.

use std::fmt::Write as _;
use std::time::Duration;

use protocol::ladder::Rung;
use protocol::quality::HdReason;
use protocol::units::Bitrate;

use crate::metrics::freezes;
use crate::recording::{Flow, LinkSample, STEP};

const HEADER: &str = "seconds,capacity_kbps,estimate_kbps,sent_kbps,queue_ms,lines,fps,class_publisher,class_subscriber,hd,frozen\n";

/// A row for so much time: 5 looks at the links.
const STEPS_PER_ROW: usize = 5;

/// Capacities beyond this are drawn as this; nothing that is sent comes near.
const HIGHEST: Bitrate = Bitrate::mbps(100);

const SECOND: Duration = Duration::from_secs(1);

/// The series of a flow, a row each 250 ms. `capacity` is the least of both ends, `fps` is of the last second,
/// `hd` whether HD is permitted, and `frozen` whether the picture stands in a freeze.
#[must_use]
pub fn csv(flow: &Flow) -> String {
    let mut text = HEADER.to_owned();
    let freezes = freezes(flow);
    let rows = flow.subscriber_links.windows(STEPS_PER_ROW + 1).step_by(STEPS_PER_ROW);
    for row in rows {
        let (before, sample) = (&row[0], &row[STEPS_PER_ROW]);
        let at = sample.at;
        let publisher = nearest(&flow.publisher_links, at);
        let capacity =
            publisher.map_or(HIGHEST, |links| links.uplink_capacity).min(sample.capacity).min(HIGHEST);
        let sent = (sample.offered - before.offered).per(STEP * STEPS_PER_ROW as u32);
        let shown = flow.frames.partition_point(|frame| frame.at <= at);
        let lines = shown.checked_sub(1).map_or(0, |last| flow.frames[last].lines);
        let recent = flow.frames.partition_point(|frame| frame.at + SECOND <= at);
        let permission = flow.permissions.iter().rev().find(|(told, _)| *told <= at);
        let _ = writeln!(
            text,
            "{:.2},{},{},{},{},{},{},{},{},{},{}",
            at.as_secs_f64(),
            capacity.as_kbps(),
            sample.estimate.map(|rate| rate.min(HIGHEST).as_kbps().to_string()).unwrap_or_default(),
            sent.as_kbps(),
            sample.queue.map(|queue| queue.as_millis().to_string()).unwrap_or_default(),
            Rung::at_most(lines).lines(),
            shown - recent,
            publisher.map_or("", |links| links.class.as_str()),
            sample.class,
            u8::from(permission.is_some_and(|(_, reason)| *reason == HdReason::Granted)),
            u8::from(freezes.iter().any(|freeze| (freeze.from..freeze.until).contains(&at))),
        );
    }
    text
}

fn nearest(links: &[LinkSample], at: Duration) -> Option<&LinkSample> {
    links.get(links.partition_point(|sample| sample.at < at)).or(links.last())
}
