//! A transfer that fills queues: TCP NewReno (RFC 5681, 6582), reduced to what a neighbour feels of it.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use link::Link;
use protocol::units::{Bitrate, DataSize};

use crate::world::Item;

const SEGMENT: DataSize = DataSize::bytes(1_500);

#[derive(Debug)]
pub(crate) struct Tcp {
    from: Instant,
    until: Instant,
    /// From the far end back to the sender, both constant delays together.
    way_back: Duration,
    window: f64,
    threshold: f64,
    next: u64,
    /// Everything below it arrived.
    acknowledged: u64,
    above: BTreeSet<u64>,
    acks: VecDeque<(Instant, u64)>,
    heard: u64,
    duplicates: u32,
    /// Losses up to here are one event.
    recovering_to: u64,
    last_progress: Instant,
    delivered: u64,
}

impl Tcp {
    pub(crate) fn new(from: Instant, until: Instant, way_back: Duration) -> Self {
        Self {
            from,
            until,
            way_back,
            window: 10.0,
            threshold: f64::INFINITY,
            next: 0,
            acknowledged: 0,
            above: BTreeSet::new(),
            acks: VecDeque::new(),
            heard: 0,
            duplicates: 0,
            recovering_to: 0,
            last_progress: from,
            delivered: 0,
        }
    }

    /// What it got through over its life.
    pub(crate) fn rate(&self) -> Bitrate {
        DataSize::bytes(self.delivered * SEGMENT.as_bytes()).per(self.until - self.from)
    }

    pub(crate) fn receive(&mut self, at: Instant, segment: u64) {
        self.delivered += 1;
        self.above.insert(segment);
        while self.above.remove(&self.acknowledged) {
            self.acknowledged += 1;
        }
        self.acks.push_back((at + self.way_back, self.acknowledged));
    }

    pub(crate) fn step(&mut self, transfer: usize, now: Instant, link: &mut Link<Item>) {
        if now < self.from || now >= self.until {
            return;
        }
        let mut again = None;
        while let Some((due, acknowledged)) = self.acks.front().copied()
            && due <= now
        {
            self.acks.pop_front();
            again = self.handle_ack(now, acknowledged).or(again);
        }
        if now >= self.last_progress + Duration::from_secs(1) && self.next > self.heard {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.last_progress = now;
            self.recovering_to = self.next;
            again = Some(self.heard);
        }
        if let Some(segment) = again {
            let _ = link.enqueue(now, SEGMENT, Item::Tcp { transfer, segment });
        }
        while ((self.next - self.heard) as f64) < self.window + f64::from(self.duplicates) {
            let segment = self.next;
            self.next += 1;
            let _ = link.enqueue(now, SEGMENT, Item::Tcp { transfer, segment });
        }
    }

    /// Takes an acknowledgement; says what to send again.
    fn handle_ack(&mut self, now: Instant, acknowledged: u64) -> Option<u64> {
        if acknowledged > self.heard {
            let fresh = (acknowledged - self.heard) as f64;
            self.heard = acknowledged;
            self.last_progress = now;
            self.duplicates = 0;
            if acknowledged < self.recovering_to {
                return Some(acknowledged);
            }
            self.window += if self.window < self.threshold { fresh } else { fresh / self.window };
            return None;
        }
        self.duplicates += 1;
        if self.duplicates == 3 && acknowledged >= self.recovering_to {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = self.threshold;
            self.recovering_to = self.next;
            return Some(acknowledged);
        }
        None
    }
}
