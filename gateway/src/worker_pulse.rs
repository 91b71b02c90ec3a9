//! How busy and how punctual a media worker is, and its report to the metrics, once a second.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use sfu::counters::Counters;
use sfu::sfu::Sfu;

use crate::metrics::{Metrics, WorkerReport};
use crate::udp_socket::SocketCounts;

/// Gauges are read every few seconds; more often would only cost.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a worker remembers from one report to the next.
#[derive(Debug)]
pub(crate) struct WorkerPulse {
    worker: usize,
    last_report: Instant,
    cpu_time: Duration,
    lag: Duration,
    counters: Counters,
    sockets: SocketCounts,
    events_lost: u64,
}

impl WorkerPulse {
    /// Begins to measure.
    pub(crate) fn new(worker: usize, now: Instant) -> Self {
        Self {
            worker,
            last_report: now,
            cpu_time: Duration::ZERO,
            lag: Duration::ZERO,
            counters: Counters::default(),
            sockets: SocketCounts::default(),
            events_lost: 0,
        }
    }

    /// When to report.
    pub(crate) fn next_report(&self) -> Instant {
        self.last_report + INTERVAL
    }

    /// Takes note of how late a deadline is met; one that lies ahead is not.
    pub(crate) fn meet(&mut self, now: Instant, deadline: Instant) {
        self.lag = self.lag.max(now.saturating_duration_since(deadline));
    }

    /// Reports what happened since the last report.
    pub(crate) fn report(
        &mut self,
        now: Instant,
        metrics: &Metrics,
        sfu: &Sfu,
        sockets: impl Iterator<Item = SocketCounts>,
        events_lost: u64,
    ) {
        let counters = sfu.counters().clone();
        let sockets = sockets.fold(SocketCounts::default(), SocketCounts::plus);
        let cpu_time = thread_cpu_time();
        let elapsed = now.saturating_duration_since(self.last_report).as_secs_f64();
        metrics.worker_report(WorkerReport {
            worker: self.worker,
            census: sfu.census(),
            counters: (&counters, &self.counters),
            sockets: (sockets, self.sockets),
            events_lost: events_lost - self.events_lost,
            busy: cpu_time.saturating_sub(self.cpu_time).as_secs_f64() / elapsed.max(f64::EPSILON),
            lag: self.lag,
        });
        let worker = self.worker;
        *self =
            Self { worker, last_report: now, cpu_time, lag: Duration::ZERO, counters, sockets, events_lost };
    }
}

fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
