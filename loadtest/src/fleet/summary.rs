//! What a measurement found, as rows of a report.

use std::time::Duration;

use report::results::{Row, Target};

use super::figures::Figures;
use super::histogram::Histogram;
use super::process_usage::ProcessUsage;

/// What has to hold for the command to succeed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Thresholds {
    /// Share of packets that did not come.
    pub(crate) loss_percent: Option<f64>,
    /// Share of the published packets that came at least; a server that thins a picture out, or dies, loses none.
    pub(crate) delivered_percent: Option<f64>,
    /// Latency of all packets but one in a hundred.
    pub(crate) p99_ms: Option<f64>,
}

/// Everything that was measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Begins the name of every row.
    pub(crate) name: String,
    /// Viewers that were to play.
    pub(crate) viewers: usize,
    /// As many of them as watch the same publisher.
    pub(crate) viewers_per_room: usize,
    /// Whether the publishers were silent.
    pub(crate) is_idle: bool,
    /// What was counted within the time.
    pub(crate) window: Figures,
    /// The time.
    pub(crate) took: Duration,
    /// What the server used within it, and how many KiB its memory grew from before the viewers to its end.
    pub(crate) server: Option<(ProcessUsage, u64)>,
    /// Processor time that measuring itself took.
    pub(crate) own_cpu: Duration,
}

impl Measured {
    /// One row per figure.
    pub(crate) fn rows(&self, thresholds: Thresholds) -> Vec<Row> {
        let (window, total) = (&self.window, self.window.total());
        let seconds = self.took.as_secs_f64();
        if self.is_idle {
            let connected = self.row("viewers connected", window.connected as f64, "");
            let mut rows = vec![connected.against(Target::AtLeast(self.viewers as f64))];
            rows.extend(self.costs(seconds));
            return rows;
        }
        let mut rows = vec![
            self.row("viewers playing", window.playing() as f64, "")
                .against(Target::AtLeast(self.viewers as f64)),
        ];
        rows.extend(self.quantiles("setup, request to first packet", &window.setup_us, &[0.5, 0.95]));
        rows.push(self.row("packets delivered", total.received as f64, ""));
        rows.push(self.row("packets delivered per second", total.received as f64 / seconds, "1/s"));
        rows.push(self.row("bitrate of a viewer", self.viewer_mbps(), "Mbit/s"));
        let loss = self.row("packets lost", self.loss_percent().unwrap_or(0.0), "%");
        rows.push(against(loss, thresholds.loss_percent));
        let delivered =
            self.row("of the published picture delivered", self.delivered_percent().unwrap_or(0.0), "%");
        rows.push(match thresholds.delivered_percent {
            Some(least) => delivered.against(Target::AtLeast(least)),
            None => delivered,
        });
        rows.push(self.row("repairs and probes that came besides", total.others as f64, ""));
        rows.push(self.row(
            "packets that the server asked the publisher for again",
            window.resent as f64,
            "",
        ));
        rows.push(self.row("datagrams that the kernel refused to send", window.unsent as f64, ""));
        rows.extend(self.quantiles("added latency", &window.latency_us, &[0.5, 0.95]));
        let p99 = self.quantiles("added latency", &window.latency_us, &[0.99]);
        rows.extend(p99.into_iter().map(|row| against(row, thresholds.p99_ms)));
        rows.push(
            self.row("packets opened for their latency", window.latency_us.total() as f64, "")
                .against(Target::AtLeast(1.0)),
        );
        rows.extend(self.costs(seconds));
        rows
    }

    /// Of the packets that were sent to viewers, those that did not come, in percent; `None` where there were none.
    pub(crate) fn loss_percent(&self) -> Option<f64> {
        let total = self.window.total();
        let lost = total.expected.saturating_sub(total.received);
        (total.expected > 0).then(|| percent(lost, total.expected))
    }

    /// Of the packets that were published, those that came, in percent; `None` where there were none.
    pub(crate) fn delivered_percent(&self) -> Option<f64> {
        let published = self.window.published * self.viewers_per_room as u64;
        (published > 0).then(|| percent(self.window.total().pictures, published))
    }

    /// What the server needed for each packet that came; `None` where no process was named, or nothing came.
    pub(crate) fn server_us_per_packet(&self) -> Option<f64> {
        self.server.filter(|_| self.window.total().received > 0).map(|(used, _)| self.per_packet(used.cpu))
    }

    /// Of the cores, how many the server kept busy; `None` where no process was named.
    pub(crate) fn server_cores_busy(&self) -> Option<f64> {
        self.server.map(|(used, _)| used.cpu.as_secs_f64() / self.took.as_secs_f64())
    }

    /// What this share of the opened packets needed at most; `None` where none was opened.
    pub(crate) fn latency_ms(&self, share: f64) -> Option<f64> {
        self.window.latency_us.quantile(share).map(|us| us as f64 / 1e3)
    }

    /// What all viewers but one in twenty needed from the request to the first packet; `None` where none got one.
    pub(crate) fn setup_p95_ms(&self) -> Option<f64> {
        self.window.setup_us.quantile(0.95).map(|us| us as f64 / 1e3)
    }

    /// How much larger the server was for each viewer, in KiB; `None` where no process was named.
    pub(crate) fn server_kib_per_viewer(&self) -> Option<f64> {
        self.server.map(|(_, grown_kib)| grown_kib as f64 / self.viewers.max(1) as f64)
    }

    fn per_packet(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.window.total().received.max(1) as f64
    }

    fn costs(&self, seconds: f64) -> Vec<Row> {
        let mut rows = Vec::new();
        let per_packet = |cpu| (!self.is_idle).then(|| self.per_packet(cpu));
        if let Some((server, _)) = self.server {
            let per_packet = per_packet(server.cpu);
            rows.extend(
                per_packet.map(|us| self.row("server, processor time per packet delivered", us, "µs")),
            );
            rows.push(self.row("server, cores busy", server.cpu.as_secs_f64() / seconds, ""));
        }
        let per_viewer = self.server_kib_per_viewer();
        rows.extend(per_viewer.map(|kib| self.row("server, memory grown per viewer", kib, "KiB")));
        rows.extend(
            per_packet(self.own_cpu).map(|us| self.row("fleet, processor time per packet", us, "µs")),
        );
        rows.push(self.row("fleet, cores busy", self.own_cpu.as_secs_f64() / seconds, ""));
        rows
    }

    fn viewer_mbps(&self) -> f64 {
        let bits = self.window.total().bytes as f64 * 8.0;
        bits / self.took.as_secs_f64() / self.viewers.max(1) as f64 / 1e6
    }

    fn quantiles(&self, what: &str, microseconds: &Histogram, shares: &[f64]) -> Vec<Row> {
        let row = |share: &f64| {
            let value = microseconds.quantile(*share)? as f64 / 1e3;
            Some(self.row(&format!("{what}, p{}", (share * 100.0).round()), value, "ms"))
        };
        shares.iter().filter_map(row).collect()
    }

    fn row(&self, what: &str, value: f64, unit: &str) -> Row {
        let rooms = self.viewers / self.viewers_per_room.max(1);
        let who = match rooms {
            0 | 1 => format!("{} viewers", self.viewers),
            _ => format!("{rooms} rooms of {} viewers", self.viewers_per_room),
        };
        Row::new(format!("{}, {who}: {what}", self.name), value, unit)
    }
}

fn against(row: Row, limit: Option<f64>) -> Row {
    match limit {
        Some(limit) => row.against(Target::AtMost(limit)),
        None => row,
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// A measurement for tests: ten viewers with a loss of 1 %.
#[cfg(test)]
pub(crate) mod testing {
    use super::super::viewer::Counts;
    use super::*;

    /// One whose server needed so much time per packet.
    pub(crate) fn measured(per_packet: Duration) -> Measured {
        let mut window = Figures { published: 1_000, ..Figures::default() };
        for viewer in 0..10 {
            let counts =
                Counts { expected: 1_000, received: 990, pictures: 990, bytes: 1_250_000, others: 0 };
            window.by_viewer.insert(viewer, counts);
            window.setup_us.record(20_000);
        }
        (0..100).for_each(|_| window.latency_us.record(1_500));
        let usage = ProcessUsage { cpu: per_packet * 9_900, resident_kib: 9_999 };
        Measured {
            name: "a server".to_owned(),
            viewers: 10,
            viewers_per_room: 10,
            is_idle: false,
            window,
            took: Duration::from_secs(10),
            server: Some((usage, 1_000)),
            own_cpu: Duration::from_millis(50),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        testing::measured(Duration::from_micros(10))
    }

    fn value(rows: &[Row], what: &str) -> f64 {
        let row = rows.iter().find(|row| row.what == format!("a server, 10 viewers: {what}"));
        row.unwrap_or_else(|| panic!("no {what} among {rows:#?}")).value
    }

    #[test]
    fn rows_say_what_was_counted() {
        let rows = measured().rows(Thresholds::default());
        let table = [
            ("viewers playing", 10.0),
            ("packets delivered", 9_900.0),
            ("packets lost", 1.0),
            ("of the published picture delivered", 99.0),
            ("bitrate of a viewer", 1.0),
            ("server, processor time per packet delivered", 10.0),
            ("server, memory grown per viewer", 100.0),
        ];
        for (what, expected) in table {
            assert!((value(&rows, what) - expected).abs() < 1e-6, "{what}: {}", value(&rows, what));
        }
        assert!((value(&rows, "added latency, p99") / 1.5 - 1.0).abs() < 0.035);
        assert!(rows.iter().all(|row| row.met != Some(false)));
    }

    #[test]
    fn rooms_are_named_and_only_their_own_publisher_counts() {
        let rows = Measured { viewers_per_room: 5, ..measured() }.rows(Thresholds::default());
        let delivered = "a server, 2 rooms of 5 viewers: of the published picture delivered";
        let delivered = rows.iter().find(|row| row.what == delivered).map(|row| row.value);
        assert_eq!(delivered, Some(198.0), "published is the sum over rooms");
    }

    #[test]
    fn thresholds_are_held_against() {
        let missed = |loss, p99| {
            let delivered_percent = Some(99.0);
            let thresholds = Thresholds { loss_percent: Some(loss), delivered_percent, p99_ms: Some(p99) };
            measured().rows(thresholds).iter().filter(|row| row.met == Some(false)).count()
        };
        assert_eq!(missed(1.0, 2.0), 0);
        assert_eq!(missed(0.5, 2.0), 1);
        assert_eq!(missed(0.5, 1.0), 2);
    }

    #[test]
    fn viewers_that_only_wait_need_no_packet() {
        let window = |connected| Figures { connected, ..Figures::default() };
        let rows = |connected| {
            Measured { is_idle: true, window: window(connected), ..measured() }.rows(Thresholds::default())
        };
        assert!((value(&rows(10), "server, memory grown per viewer") - 100.0).abs() < 1e-6);
        assert!(rows(10).iter().all(|row| row.met != Some(false) && !row.what.contains("per packet")));
        assert_eq!(rows(9).iter().filter(|row| row.met == Some(false)).count(), 1);
    }

    #[test]
    fn a_fleet_that_saw_nothing_has_failed() {
        let measured = Measured { window: Figures::default(), ..measured() };
        let rows = measured.rows(Thresholds::default());
        assert_eq!(rows.iter().filter(|row| row.met == Some(false)).count(), 2);
        assert!(rows.iter().all(|row| row.value.is_finite()));
    }
}
