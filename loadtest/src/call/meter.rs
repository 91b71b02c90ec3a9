//! What a participant experiences of one received track, from the headers of its packets alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::track::MediaKind;
use protocol::units::{Bitrate, DataSize};
use serde::Serialize;

/// A gap of two packets is covered by any concealment; beyond three, people hear it.
const AUDIO_GAP: Duration = Duration::from_millis(60);

/// A picture freezes where the next frame takes 150 ms longer than usual (webrtc-stats, `freezeCount`) ...
const FREEZE_EXTRA: Duration = Duration::from_millis(150);

/// ... or three times as long, whichever is more.
const FREEZE_FACTOR: u32 = 3;

/// Sequence numbers still waited for; older ones are lost for good.
const MAX_MISSING: usize = 2_048;

/// Frames held back by a missing packet; some seconds of them.
const MAX_HELD: usize = 256;

/// A repair takes a round trip; what is missing for longer has to be replaced by a key frame.
const REPAIR_WAIT: Duration = Duration::from_millis(300);

/// One received packet, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it came.
    pub at: Instant,
    /// Its RTP sequence number.
    pub sequence: u16,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Whether it ends a frame.
    pub marker: bool,
    /// The size of its payload.
    pub size: DataSize,
    /// Whether it begins a key frame.
    pub begins_key_frame: bool,
}

/// Measures one track.
#[derive(Debug)]
pub struct TrackMeter {
    kind: MediaKind,
    began_at: Instant,
    first_at: Option<Instant>,
    highest: Option<u64>,
    missing: BTreeSet<u64>,
    /// Frames that ended behind a missing packet, by the number of their last packet: a decoder cannot show them yet.
    held: BTreeMap<u64, Instant>,
    /// The number of the last key frame's first packet; what is missing before it holds nothing back.
    shown_from: u64,
    last_at: Option<Instant>,
    last_frame_at: Option<Instant>,
    /// Smoothed time between frames.
    usual_frame_time: Option<Duration>,
    figures: Figures,
}

/// The figures of a track since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Figures {
    /// Packets received, each counted once.
    pub packets: u64,
    /// Packets that never came, neither at first nor sent again.
    pub lost: u64,
    /// Packets that came out of order or were sent again.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Bytes of payload.
    pub payload_bytes: u64,
    /// Frames that could be shown.
    pub frames: u64,
    /// Key frames that began.
    pub key_frames: u64,
    /// Freezes of the picture, or gaps in the sound.
    pub gaps: u64,
    /// How long they were together.
    pub gap_ms: u64,
    /// How long the longest was.
    pub longest_gap_ms: u64,
    /// From the beginning to the first packet.
    pub first_packet_ms: Option<u64>,
}

impl Figures {
    /// Packets that never came, of all that were sent.
    #[must_use]
    pub fn loss_ratio(&self) -> f64 {
        self.lost as f64 / (self.packets + self.lost).max(1) as f64
    }

    /// The rate between two readings.
    #[must_use]
    pub fn rate_since(&self, earlier: &Self, time: Duration) -> Bitrate {
        DataSize::bytes(self.payload_bytes.saturating_sub(earlier.payload_bytes)).per(time)
    }

    /// Frames per second between two readings.
    #[must_use]
    pub fn frame_rate_since(&self, earlier: &Self, time: Duration) -> f64 {
        self.frames.saturating_sub(earlier.frames) as f64 / time.as_secs_f64().max(1e-9)
    }
}

impl TrackMeter {
    /// Begins to measure at `now`, before the first packet.
    #[must_use]
    pub fn new(now: Instant, kind: MediaKind) -> Self {
        Self {
            kind,
            began_at: now,
            first_at: None,
            highest: None,
            missing: BTreeSet::new(),
            held: BTreeMap::new(),
            shown_from: 0,
            last_at: None,
            last_frame_at: None,
            usual_frame_time: None,
            figures: Figures::default(),
        }
    }

    /// Takes one packet into account.
    pub fn handle_arrival(&mut self, arrival: Arrival) {
        let Some(number) = self.new_number(arrival.sequence) else {
            self.figures.duplicates += 1;
            return;
        };
        if self.first_at.is_none() {
            self.first_at = Some(arrival.at);
            self.figures.first_packet_ms = Some(millis(arrival.at - self.began_at));
        }
        self.figures.packets += 1;
        self.figures.payload_bytes += arrival.size.as_bytes();
        self.figures.key_frames += u64::from(arrival.begins_key_frame);
        match self.kind {
            MediaKind::Audio => self.note_sound(arrival.at),
            MediaKind::Video => self.note_picture(number, arrival),
        }
        self.last_at = Some(arrival.at);
    }

    /// The figures at `now`: a gap that still lasts counts as far as it has come.
    #[must_use]
    pub fn figures(&self, now: Instant) -> Figures {
        let mut figures = self.figures;
        figures.lost += self.missing.len() as u64;
        let (last, limit) = match self.kind {
            MediaKind::Audio => (self.last_at, AUDIO_GAP),
            MediaKind::Video => (self.last_frame_at, self.freeze_limit()),
        };
        if let Some(silent) =
            last.map(|last| now.saturating_duration_since(last)).filter(|silent| *silent > limit)
        {
            add_gap(&mut figures, silent);
        }
        figures
    }

    /// Whether the picture stands still for a packet that no repair brought: time to ask for a key frame.
    #[must_use]
    pub fn awaits_key_frame(&self, now: Instant) -> bool {
        self.held.values().any(|at| now.saturating_duration_since(*at) > REPAIR_WAIT)
    }

    /// The whole number of a packet, by the 16 bits of it that are sent; `None` where it came before.
    fn new_number(&mut self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            // Far from zero, so that packets before the first one have a number too.
            return Some(*self.highest.insert((1 << 32) | u64::from(sequence)));
        };
        let step = sequence.wrapping_sub(highest as u16).cast_signed();
        let number = highest.saturating_add_signed(step.into());
        if number > highest {
            self.missing.extend(highest + 1..number);
            while self.missing.len() > MAX_MISSING {
                self.missing.pop_first();
                self.figures.lost += 1;
            }
            self.highest = Some(number);
            return Some(number);
        }
        let was_missing = self.missing.remove(&number);
        self.figures.late += u64::from(was_missing);
        was_missing.then_some(number)
    }

    fn note_sound(&mut self, at: Instant) {
        let gap = self.last_at.map(|last| at.saturating_duration_since(last));
        if let Some(gap) = gap.filter(|gap| *gap > AUDIO_GAP) {
            add_gap(&mut self.figures, gap);
        }
    }

    /// Shows the frames that nothing missing holds back any more.
    fn note_picture(&mut self, number: u64, arrival: Arrival) {
        if arrival.begins_key_frame && number > self.shown_from {
            self.shown_from = number;
            self.held = self.held.split_off(&number);
        }
        if arrival.marker && number >= self.shown_from {
            self.held.insert(number, arrival.at);
        }
        let blocked_from = self.missing.range(self.shown_from..).next().copied().unwrap_or(u64::MAX);
        while let Some(frame) = self.held.first_entry().filter(|frame| *frame.key() < blocked_from) {
            frame.remove();
            self.note_frame(arrival.at);
        }
        while self.held.len() > MAX_HELD {
            self.held.pop_first();
        }
    }

    fn note_frame(&mut self, at: Instant) {
        self.figures.frames += 1;
        if let Some(last) = self.last_frame_at.replace(at) {
            let gap = at.saturating_duration_since(last);
            if gap > self.freeze_limit() {
                add_gap(&mut self.figures, gap);
            }
            let usual = self.usual_frame_time.unwrap_or(gap);
            self.usual_frame_time = Some((usual * 7 + gap) / 8);
        }
    }

    fn freeze_limit(&self) -> Duration {
        let usual = self.usual_frame_time.unwrap_or_default();
        (usual * FREEZE_FACTOR).max(usual + FREEZE_EXTRA)
    }
}

fn add_gap(figures: &mut Figures, gap: Duration) {
    figures.gaps += 1;
    figures.gap_ms += millis(gap);
    figures.longest_gap_ms = figures.longest_gap_ms.max(millis(gap));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A meter fed with packets at milliseconds since it began.
    struct Bench {
        begin: Instant,
        meter: TrackMeter,
    }

    impl Bench {
        fn new(kind: MediaKind) -> Self {
            let begin = Instant::now();
            Self { begin, meter: TrackMeter::new(begin, kind) }
        }

        fn packet(&mut self, ms: u64, sequence: u16) {
            self.meter.handle_arrival(Arrival {
                at: self.begin + Duration::from_millis(ms),
                sequence,
                timestamp: 0,
                marker: true,
                size: DataSize::bytes(100),
                begins_key_frame: sequence.is_multiple_of(100),
            });
        }

        fn figures(&self, ms: u64) -> Figures {
            self.meter.figures(self.begin + Duration::from_millis(ms))
        }
    }

    #[test]
    fn packets_are_counted_once_across_the_wrap_of_their_numbers() {
        // (sequence numbers, packets, lost, late, duplicates)
        let table: [(&[u16], _); 6] = [
            (&[1, 2, 3], (3, 0, 0, 0)),
            (&[65_534, 65_535, 0, 1], (4, 0, 0, 0)),
            (&[65_534, 1], (2, 2, 0, 0)),
            (&[1, 4, 2], (3, 1, 1, 0)),
            (&[1, 2, 2, 2], (2, 0, 0, 2)),
            (&[5, 4], (1, 0, 0, 1)),
        ];
        for (sequence, expected) in table {
            let mut bench = Bench::new(MediaKind::Audio);
            for number in sequence {
                bench.packet(0, *number);
            }
            let figures = bench.figures(0);
            let counts = (figures.packets, figures.lost, figures.late, figures.duplicates);
            assert_eq!(counts, expected, "{sequence:?}");
        }
    }

    #[test]
    fn what_is_missing_for_long_stays_lost_without_taking_room() {
        let mut bench = Bench::new(MediaKind::Audio);
        for number in 0..20_000u32 {
            bench.packet(0, (number * 2) as u16);
        }
        assert!(bench.meter.missing.len() <= MAX_MISSING);
        assert_eq!(bench.figures(0).lost, 19_999);
    }

    #[test]
    fn a_sound_gap_is_heard_from_60_ms() {
        let mut bench = Bench::new(MediaKind::Audio);
        for (number, ms) in [20, 40, 100, 161, 181].into_iter().enumerate() {
            bench.packet(ms, number as u16);
        }
        let figures = bench.figures(200);
        assert_eq!((figures.gaps, figures.gap_ms, figures.first_packet_ms), (1, 61, Some(20)));
        let figures = bench.figures(281);
        assert_eq!((figures.gaps, figures.longest_gap_ms), (2, 100));
    }

    #[test]
    fn a_missing_packet_holds_the_picture_until_repair_or_key_frame() {
        let mut bench = Bench::new(MediaKind::Video);
        let at = |number: u16| u64::from(number) * 33;
        (1..10).chain(11..30).for_each(|number| bench.packet(at(number), number));
        assert_eq!(bench.figures(at(29)).frames, 9);
        assert!(bench.meter.awaits_key_frame(bench.begin + Duration::from_millis(at(29))));
        bench.packet(at(30), 10);
        assert_eq!(bench.figures(at(30)).frames, 29);
        assert!(!bench.meter.awaits_key_frame(bench.begin + Duration::from_millis(at(60))));

        (31..100).for_each(|number| bench.packet(at(number), number));
        assert_eq!(bench.figures(at(99)).frames, 29);
        bench.packet(at(100), 100);
        let figures = bench.figures(at(100));
        assert_eq!((figures.frames, figures.lost, figures.key_frames), (30, 1, 1));
    }

    #[test]
    fn a_picture_freezes_by_the_rule_of_webrtc_stats() {
        // Frames every 33 ms: 183 ms is the limit. (gap, freezes)
        for (gap, freezes) in [(33, 0), (180, 0), (190, 1), (2_000, 1)] {
            let mut bench = Bench::new(MediaKind::Video);
            for number in 0..30 {
                bench.packet(u64::from(number) * 33, number);
            }
            bench.packet(29 * 33 + gap, 30);
            let figures = bench.figures(29 * 33 + gap);
            assert_eq!((figures.gaps, figures.frames, figures.key_frames), (freezes, 31, 1), "{gap} ms");
        }
    }
}
