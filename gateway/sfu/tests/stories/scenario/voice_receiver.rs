//! A receiver of Opus: packets that are not there when their turn comes are gaps that a participant hears.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rtc_rtp::Packet;

use super::wire::{AUDIO_CLOCK, Unwrap};

const PTIME: Duration = Duration::from_millis(20);

/// What the jitter buffer holds back beyond the fastest packet of late.
const PLAYOUT_DELAY: Duration = Duration::from_millis(100);
const BASE_WINDOW: Duration = Duration::from_secs(5);

/// A stretch in which nothing could be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) at: Instant,
    pub(super) length: Duration,
}

pub(super) struct VoiceReceiver {
    pub(super) ssrc: u32,
    origin: Instant,
    unwrap: Unwrap,
    timestamps: Option<(u32, i64)>,
    /// Arrival less media time of recent packets.
    transits: VecDeque<(Instant, i64)>,
    arrived: BTreeMap<i64, Instant>,
    /// The next packet to play, and its media time.
    next: Option<(i64, i64)>,
    last_played: Option<Instant>,
    gaps: Vec<Gap>,
    first: Option<Instant>,
}

impl VoiceReceiver {
    pub(super) fn new(ssrc: u32, origin: Instant) -> Self {
        Self {
            ssrc,
            origin,
            unwrap: Unwrap::default(),
            timestamps: None,
            transits: VecDeque::new(),
            arrived: BTreeMap::new(),
            next: None,
            last_played: None,
            gaps: Vec::new(),
            first: None,
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
        let sequence = self.unwrap.next(packet.header.sequence_number);
        let media = self.media_micros(packet.header.timestamp);
        self.transits.push_back((now, (now - self.origin).as_micros() as i64 - media));
        while self.transits.front().is_some_and(|(at, _)| now - *at > BASE_WINDOW) {
            self.transits.pop_front();
        }
        self.first.get_or_insert(now);
        self.next.get_or_insert((sequence, media));
        self.arrived.insert(sequence, now);
    }

    fn media_micros(&mut self, timestamp: u32) -> i64 {
        let (last, total) = self.timestamps.unwrap_or((timestamp, 0));
        let total = total + i64::from(timestamp.wrapping_sub(last).cast_signed());
        self.timestamps = Some((timestamp, total));
        total * 1_000_000 / AUDIO_CLOCK as i64
    }

    /// Plays what is due.
    pub(super) fn play(&mut self, now: Instant) {
        let Some(base) = self.transits.iter().map(|(_, transit)| *transit).min() else { return };
        let clock = (now - self.origin).as_micros() as i64 - base - PLAYOUT_DELAY.as_micros() as i64;
        while let Some((sequence, media)) = self.next
            && media <= clock
        {
            self.next = Some((sequence + 1, media + PTIME.as_micros() as i64));
            if self.arrived.remove(&sequence).is_some() {
                self.last_played = Some(now);
                continue;
            }
            match self.gaps.last_mut() {
                Some(gap) if gap.at + gap.length + PTIME > now && self.last_played < Some(gap.at) => {
                    gap.length += PTIME;
                }
                _ => self.gaps.push(Gap { at: now, length: PTIME }),
            }
        }
        self.arrived = match self.next {
            Some((next, _)) => self.arrived.split_off(&next),
            None => BTreeMap::new(),
        };
    }
}
