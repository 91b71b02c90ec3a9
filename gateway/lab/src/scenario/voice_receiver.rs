//! A receiver of Opus: frames that are not there when their turn comes are gaps that a participant hears. As in NetEQ
//! timestamps say where a frame belongs, however many of them share a packet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rtc_rtp::Packet;

use super::wire::{OPUS, RED};

const PTIME: Duration = Duration::from_millis(20);
/// Ticks of a frame.
const FRAME: u32 = 960;

/// What the jitter buffer holds back at first, and comes back to.
const PLAYOUT_DELAY: Duration = Duration::from_millis(80);

/// What NetEQ can hold; where more comes at once, after an outage, it begins anew with the newest.
const CAPACITY: usize = 200;

/// NetEQ plays about a tenth faster to shorten a delay.
const CATCH_UP_EVERY: u32 = 10;

/// A stretch in which nothing could be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) at: Instant,
    pub(super) length: Duration,
}

pub(super) struct VoiceReceiver {
    pub(super) ssrc: u32,
    /// Frames are numbered from it on.
    first_timestamp: u32,
    arrived: BTreeMap<i64, Instant>,
    /// The next frame to play, and when.
    next: i64,
    due: Option<Instant>,
    /// What was filled in since the last packet that was played.
    filled_in: Duration,
    played_since_jump: u32,
    last_played: Option<Instant>,
    gaps: Vec<Gap>,
    first: Option<Instant>,
    /// What the count in the first frame was ahead of its number.
    count_ahead: Option<u8>,
    redundant_packets: usize,
}

impl VoiceReceiver {
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            first_timestamp: 0,
            arrived: BTreeMap::new(),
            next: 0,
            due: None,
            filled_in: Duration::ZERO,
            played_since_jump: 0,
            last_played: None,
            gaps: Vec::new(),
            first: None,
            count_ahead: None,
            redundant_packets: 0,
        }
    }

    pub(super) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// When something was last heard.
    pub(super) fn last_played(&self) -> Option<Instant> {
        self.last_played
    }

    pub(super) fn first_arrival(&self) -> Option<Instant> {
        self.first
    }

    pub(super) fn handle(&mut self, now: Instant, packet: &Packet) {
        let timestamp = packet.header.timestamp;
        if self.first.is_none() {
            self.first = Some(now);
            self.first_timestamp = timestamp;
            self.due = Some(now + PLAYOUT_DELAY);
        }
        if packet.header.payload_type != RED {
            return self.take(now, timestamp, &packet.payload);
        }
        self.redundant_packets += 1;
        let (headers, mut bodies) = split_headers(&packet.payload);
        for header in headers {
            let offset = header >> 10 & 0x3fff;
            let (body, rest) = bodies.split_at((header & 0x3ff) as usize);
            bodies = rest;
            self.take(now, timestamp.wrapping_sub(offset), body);
        }
        self.take(now, timestamp, bodies);
    }

    /// Packets that carried earlier frames again.
    pub(super) fn redundant_packets(&self) -> usize {
        self.redundant_packets
    }

    fn take(&mut self, now: Instant, timestamp: u32, frame: &[u8]) {
        let number =
            i64::from(timestamp.wrapping_sub(self.first_timestamp).cast_signed() / FRAME.cast_signed());
        let ahead = frame[0].wrapping_sub(number as u8);
        assert_eq!(*self.count_ahead.get_or_insert(ahead), ahead, "every frame comes at its own time");
        if number >= self.next {
            if self.arrived.len() >= CAPACITY {
                self.arrived.clear();
                self.next = number;
            }
            self.arrived.entry(number).or_insert(now);
        }
    }

    /// Plays what is due, as NetEQ does: while nothing is there it fills in, and what comes late is still
    /// played, later; a lost packet is filled in once another is there; a long delay is caught up with.
    pub(super) fn play(&mut self, now: Instant) {
        let Some(mut due) = self.due else { return };
        while due <= now {
            self.play_one(due);
            due += PTIME;
        }
        self.due = Some(due);
    }

    fn play_one(&mut self, at: Instant) {
        let Some((latest, arrived)) = self.arrived.last_key_value().map(|(latest, at)| (*latest, *at)) else {
            self.filled_in += PTIME;
            return self.fill_in(at);
        };
        // What was filled in while waiting stands for packets that were lost meanwhile, and nothing is waited for
        // while more is there than jitter calls for (NetEQ's decision on a future packet).
        let is_full = PTIME * self.arrived.len() as u32 > PLAYOUT_DELAY + PTIME;
        while self.next < latest
            && (is_full || self.filled_in >= PTIME)
            && !self.arrived.contains_key(&self.next)
        {
            self.next += 1;
            self.filled_in = self.filled_in.saturating_sub(PTIME);
        }
        let is_there = self.arrived.remove(&self.next).is_some();
        self.next += 1;
        if is_there {
            self.last_played = Some(at);
            self.filled_in = Duration::ZERO;
            self.catch_up(at, arrived);
        } else {
            self.fill_in(at);
        }
    }

    /// Plays faster while more is buffered than jitter calls for: now and then a packet takes no time.
    fn catch_up(&mut self, at: Instant, latest_arrival: Instant) {
        let buffered = PTIME * self.arrived.len() as u32;
        let is_flowing = at.saturating_duration_since(latest_arrival) < PLAYOUT_DELAY;
        if is_flowing && buffered > PLAYOUT_DELAY + PTIME && self.played_since_jump >= CATCH_UP_EVERY {
            self.played_since_jump = 0;
            if self.arrived.remove(&self.next).is_some() {
                self.next += 1;
            }
        } else {
            self.played_since_jump += 1;
        }
    }

    fn fill_in(&mut self, at: Instant) {
        match self.gaps.last_mut() {
            Some(gap) if self.last_played < Some(gap.at) => gap.length += PTIME,
            _ => self.gaps.push(Gap { at, length: PTIME }),
        }
    }
}

/// The headers of earlier frames, and what comes after the last header (RFC 2198 §3).
fn split_headers(payload: &[u8]) -> (Vec<u32>, &[u8]) {
    let mut headers = Vec::new();
    let mut rest = payload;
    while rest[0] & 0x80 != 0 {
        let (header, after) = rest.split_first_chunk().expect("redundant packets are whole");
        headers.push(u32::from_be_bytes(*header));
        rest = after;
    }
    assert_eq!(rest[0], OPUS, "what is repeated is a voice");
    (headers, &rest[1..])
}
