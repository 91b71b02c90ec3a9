//! The real-time loop of one direction: packets from one device enter a [`Link`], and leave it to the other
//! device when they are due. It runs in a thread of its own and is told what to do over a channel.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use link::{Link, LinkSettings, LinkStats};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use protocol::units::{Bitrate, DataSize};

use super::sys;

/// How long an order may wait: the loop looks at its channel at least this often.
const ORDER_INTERVAL: Duration = Duration::from_millis(10);

/// Packets taken from the device before looking at what is due, so that a flood cannot hold deliveries up.
const MAX_READS: usize = 64;

/// Larger than the device's packets.
const BUFFER: usize = 2_048;

/// Reports kept for whoever collects them: ten seconds of the shortest intervals. Older ones go, and are missed.
const MAX_REPORTS: usize = 1_000;

/// What the loop is told.
#[derive(Debug)]
pub enum Order {
    /// Change the link.
    Set(Box<LinkSettings>),
    /// Hand over the reports made since the last time.
    Collect(SyncSender<Vec<Report>>),
}

/// What one direction did up to the end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// Counts the intervals, beginning at 1.
    pub interval: u64,
    /// The link's own account, since the beginning.
    pub stats: LinkStats,
    /// The rate of the link at the moment.
    pub capacity: Bitrate,
    /// What is queued would take this long; `None` in an outage without end.
    pub queue_delay: Option<Duration>,
    /// How much later than due packets were delivered, since the last report.
    pub lateness: Lateness,
    /// Packets that the device did not take, since the beginning.
    pub write_failures: u64,
}

/// How late the loop itself was: the error of the emulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness {
    sum: Duration,
    packets: u32,
    /// The worst of them.
    pub max: Duration,
}

impl Lateness {
    fn add(&mut self, late: Duration) {
        self.sum += late;
        self.packets += 1;
        self.max = self.max.max(late);
    }

    /// On average.
    #[must_use]
    pub fn mean(&self) -> Duration {
        self.sum.checked_div(self.packets).unwrap_or_default()
    }
}

/// Whether threads ask for real-time priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// They do.
    RealTime,
    /// They run as any other thread.
    Ordinary,
}

/// When to make reports. All directions of a run have the same, so that their intervals are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportTimes {
    /// The beginning of the first interval.
    pub since: Instant,
    /// How long each is.
    pub interval: Duration,
}

impl ReportTimes {
    /// How many intervals are over.
    fn over(self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.since).as_nanos();
        u64::try_from(passed / self.interval.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

/// One direction between two devices.
pub struct Shuttle {
    from: File,
    to: File,
    link: Link<Vec<u8>>,
    lateness: Lateness,
    write_failures: u64,
    times: ReportTimes,
    /// Intervals that reports were made of.
    reported: u64,
    reports: VecDeque<Report>,
}

impl Shuttle {
    /// Joins two devices by a link that begins now.
    #[must_use]
    pub fn new(from: File, to: File, settings: LinkSettings, seed: u64, times: ReportTimes) -> Self {
        let link = Link::new(Instant::now(), settings, seed);
        Self {
            from,
            to,
            link,
            lateness: Lateness::default(),
            write_failures: 0,
            times,
            reported: 0,
            reports: VecDeque::new(),
        }
    }

    /// Carries packets until the other end of the channel is gone.
    ///
    /// # Errors
    /// Where a device fails.
    pub fn run(mut self, orders: &Receiver<Order>, scheduling: Scheduling) -> anyhow::Result<()> {
        // The kernel rounds timers of ordinary threads by 50 µs unless told otherwise.
        prctl::set_timerslack(1)?;
        if scheduling == Scheduling::RealTime
            && let Err(error) = sys::become_realtime()
        {
            tracing::warn!(%error, "no real-time priority: delays are less exact on a busy machine");
        }
        loop {
            match orders.try_recv() {
                Ok(Order::Set(settings)) => self.link.set(Instant::now(), *settings),
                Ok(Order::Collect(reply)) => {
                    let _ = reply.try_send(self.reports.drain(..).collect());
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
            self.report();
            self.deliver();
            self.wait()?;
            // What is read now belongs to the interval that began meanwhile.
            self.report();
            self.take_in()?;
        }
    }

    fn deliver(&mut self) {
        while let Some((due, packet)) = self.link.poll(Instant::now()) {
            self.lateness.add(due.elapsed());
            if self.to.write(&packet).is_err() {
                self.write_failures += 1;
            }
        }
    }

    fn wait(&self) -> anyhow::Result<()> {
        let due = self.link.poll_timeout().map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = due.map_or(ORDER_INTERVAL, |due| due.min(ORDER_INTERVAL));
        let mut readable = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut readable, Some(TimeSpec::from_duration(timeout)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_in(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; BUFFER];
        for _ in 0..MAX_READS {
            let length = match self.from.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(error) => return Err(error.into()),
            };
            let packet = buffer[..length].to_vec();
            // The link counts what it drops.
            let _ = self.link.enqueue(Instant::now(), DataSize::bytes(length as u64), packet);
        }
        Ok(())
    }

    /// Makes the reports that are due. One that is due more than once was idle for so long: nothing is lost by it.
    fn report(&mut self) {
        let now = Instant::now();
        let over = self.times.over(now);
        while self.reported < over {
            self.reported = (self.reported + 1).max(over.saturating_sub(MAX_REPORTS as u64));
            if self.reports.len() == MAX_REPORTS {
                self.reports.pop_front();
            }
            self.reports.push_back(Report {
                interval: self.reported,
                stats: self.link.stats(),
                capacity: self.link.rate(now),
                queue_delay: self.link.queue_delay(),
                lateness: std::mem::take(&mut self.lateness),
                write_failures: self.write_failures,
            });
        }
    }
}
