//! Statistics as JSON: one line per link, direction and interval.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::units::Bitrate;
use serde::Serialize;

use super::command::Direction;
use super::direction::Report;

/// When intervals begin and how long they are, on the clock of the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// The beginning of the first interval.
    pub since: SystemTime,
    /// How long each is.
    pub interval: Duration,
}

/// One line of the statistics file. Counts and rates are of its interval; `queued` and `capacity` of its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatsLine {
    /// The end of the interval, in seconds since the beginning.
    pub second: f64,
    /// The same, in milliseconds since 1970.
    pub unix_ms: u64,
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
    /// The line of the time between two reports.
    #[must_use]
    pub fn between(
        calendar: Calendar,
        link: &str,
        direction: Direction,
        before: &Report,
        after: &Report,
    ) -> Self {
        let (old, new) = (&before.stats, &after.stats);
        let interval = calendar.interval.as_secs_f64();
        let second = after.interval as f64 * interval;
        let seconds = (after.interval - before.interval) as f64 * interval;
        let rate = |bytes: u64| bytes as f64 * 8.0 / 1e3 / seconds;
        let since = calendar.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            // Sums of binary fractions show: a millisecond is exact enough for a time.
            second: (second * 1e3).round() / 1e3,
            unix_ms: ((since.as_secs_f64() + second) * 1e3).round() as u64,
            link: link.to_owned(),
            direction: direction.as_str(),
            capacity_kbps: (after.capacity < Bitrate::MAX).then(|| after.capacity.as_bps() as f64 / 1e3),
            offered_kbps: rate((new.offered_size - old.offered_size).as_bytes()),
            delivered_kbps: rate((new.delivered_size - old.delivered_size).as_bytes()),
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
    fn a_line_tells_of_its_interval_alone() {
        let report = |interval, delivered, bytes, delay_ms: Option<u64>| Report {
            interval,
            stats: LinkStats { delivered, delivered_size: DataSize::bytes(bytes), ..LinkStats::default() },
            capacity: if delay_ms.is_some() { Bitrate::kbps(500) } else { Bitrate::MAX },
            queue_delay: delay_ms.map(Duration::from_millis),
            ..Report::default()
        };
        let calendar =
            Calendar { since: UNIX_EPOCH + Duration::from_secs(100), interval: Duration::from_millis(50) };
        let line = |before: &Report, after: &Report| {
            StatsLine::between(calendar, "doctor", Direction::Ab, before, after)
        };
        let busy = line(&report(2, 1, 1_000, None), &report(3, 3, 3_500, Some(40)));
        assert_eq!((busy.second, busy.unix_ms), (0.15, 100_150));
        assert_eq!((busy.delivered, busy.delivered_kbps), (2, 400.0));
        assert_eq!((busy.capacity_kbps, busy.queue_ms), (Some(500.0), Some(40.0)));
        let unlimited = line(&report(3, 1, 1, None), &report(4, 1, 1, None));
        assert_eq!((unlimited.capacity_kbps, unlimited.queue_ms), (None, None));
        let after_a_gap = line(&report(3, 1, 1_000, None), &report(7, 3, 3_500, None));
        assert_eq!(after_a_gap.delivered_kbps, 100.0);
    }
}
