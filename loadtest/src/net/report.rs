//! Statistics as JSON: one line per link, direction and second.

use protocol::units::Bitrate;
use serde::Serialize;

use super::command::Direction;
use super::direction::Report;

/// One line of the statistics file. Counts and rates are of the last second; `queued` and `capacity` of its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatsLine {
    /// Seconds since the beginning.
    pub second: u64,
    /// The link.
    pub link: String,
    /// `ab` or `ba`.
    pub direction: &'static str,
    /// Rate of the link; absent where it is without limit.
    pub capacity_kbps: Option<f64>,
    /// Rate of what was offered.
    pub offered_kbps: f64,
    /// Rate of what arrived.
    pub delivered_kbps: f64,
    /// Packets offered.
    pub offered: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets lost at random.
    pub lost: u64,
    /// Packets that a full queue refused.
    pub queue_full: u64,
    /// Bytes in the queue.
    pub queued_bytes: u64,
    /// What is queued takes this long; absent in an outage without end.
    pub queue_ms: Option<f64>,
    /// How late packets were delivered, on average.
    pub late_mean_us: f64,
    /// How late the latest was.
    pub late_max_us: f64,
    /// Packets that the device did not take, since the beginning.
    pub write_failures: u64,
}

impl StatsLine {
    /// The line of one second, from the reports at its two ends.
    #[must_use]
    pub fn between(second: u64, link: &str, direction: Direction, before: &Report, after: &Report) -> Self {
        let (old, new) = (&before.stats, &after.stats);
        let kilobits = |bytes: u64| bytes as f64 * 8.0 / 1e3;
        Self {
            second,
            link: link.to_owned(),
            direction: direction.as_str(),
            capacity_kbps: (after.capacity < Bitrate::MAX).then(|| after.capacity.as_bps() as f64 / 1e3),
            offered_kbps: kilobits((new.offered_size - old.offered_size).as_bytes()),
            delivered_kbps: kilobits((new.delivered_size - old.delivered_size).as_bytes()),
            offered: new.offered - old.offered,
            delivered: new.delivered - old.delivered,
            lost: new.lost - old.lost,
            queue_full: new.queue_full - old.queue_full,
            queued_bytes: new.queued_size.as_bytes(),
            queue_ms: after.queue_delay.map(|delay| delay.as_secs_f64() * 1e3),
            late_mean_us: after.lateness.mean().as_secs_f64() * 1e6,
            late_max_us: after.lateness.max.as_secs_f64() * 1e6,
            write_failures: after.write_failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use link::LinkStats;
    use protocol::units::DataSize;

    use super::*;

    #[test]
    fn a_line_tells_of_its_second_alone() {
        let report = |delivered, bytes, delay_ms: Option<u64>| Report {
            stats: LinkStats { delivered, delivered_size: DataSize::bytes(bytes), ..LinkStats::default() },
            capacity: if delay_ms.is_some() { Bitrate::kbps(500) } else { Bitrate::MAX },
            queue_delay: delay_ms.map(Duration::from_millis),
            ..Report::default()
        };
        let line = StatsLine::between(
            2,
            "doctor",
            Direction::Ab,
            &report(1, 1_000, None),
            &report(3, 3_500, Some(40)),
        );
        assert_eq!((line.delivered, line.delivered_kbps), (2, 20.0));
        assert_eq!((line.capacity_kbps, line.queue_ms), (Some(500.0), Some(40.0)));
        let unlimited =
            StatsLine::between(2, "doctor", Direction::Ab, &report(1, 1, None), &report(1, 1, None));
        assert_eq!((unlimited.capacity_kbps, unlimited.queue_ms), (None, None));
    }
}
