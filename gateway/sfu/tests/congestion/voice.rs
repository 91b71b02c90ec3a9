//! The far end of a voice: a jitter buffer that adapts as NetEQ does, and what it had to conceal.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const PTIME: Duration = Duration::from_millis(20);

/// What the buffer holds back at first, and comes back to.
const PLAYOUT_DELAY: Duration = Duration::from_millis(80);

/// It plays about a tenth faster to shorten a delay.
const CATCH_UP_EVERY: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct VoiceReceiver {
    arrived: BTreeSet<u64>,
    next: u64,
    due: Option<Instant>,
    waited: Duration,
    played: u32,
    started: Option<Instant>,
    /// When concealment was played, each for 20 ms.
    concealed: Vec<Instant>,
}

impl VoiceReceiver {
    pub(crate) fn handle(&mut self, at: Instant, packet: u64) {
        if self.started.is_none() {
            self.started = Some(at);
            self.next = packet;
            self.due = Some(at + PLAYOUT_DELAY);
        }
        if packet >= self.next {
            self.arrived.insert(packet);
        }
    }

    pub(crate) fn play(&mut self, now: Instant) {
        while let Some(due) = self.due
            && due <= now
        {
            self.play_one(due);
            self.due = Some(due + PTIME);
        }
    }

    /// What was concealed between two times.
    pub(crate) fn concealed(&self, from: Instant, to: Instant) -> Duration {
        PTIME * self.concealed.iter().filter(|at| **at >= from && **at < to).count() as u32
    }

    /// Nothing there: conceals and waits. Something later there: what was concealed stands for what is lost.
    fn play_one(&mut self, at: Instant) {
        let Some(latest) = self.arrived.last().copied() else {
            self.waited += PTIME;
            self.played = 0;
            return self.concealed.push(at);
        };
        while self.next < latest && self.waited >= PTIME && !self.arrived.contains(&self.next) {
            self.next += 1;
            self.waited -= PTIME;
        }
        let is_there = self.arrived.remove(&self.next);
        self.next += 1;
        if !is_there {
            return self.concealed.push(at);
        }
        self.played += 1;
        if self.played > CATCH_UP_EVERY {
            self.waited = Duration::ZERO;
        }
        let buffered = PTIME * self.arrived.len() as u32;
        if buffered > PLAYOUT_DELAY + PTIME && self.played > CATCH_UP_EVERY {
            self.played = 0;
            self.arrived.remove(&self.next);
            self.next += 1;
        }
    }
}
