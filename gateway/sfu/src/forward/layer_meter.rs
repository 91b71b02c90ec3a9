//! What one encoding really carries: its rate up to each temporal layer, its frame rate, and whether it
//! is alive at all. Policy is priced with these, never with what an encoder was asked for.

use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};

/// Temporal layers that browsers send.
pub(crate) const TEMPORAL_LAYERS: usize = 3;

/// The window is one second, in buckets of 100 ms: long enough for a frame interval at 7.5 frames per
/// second, short enough to see an encoder step down.
const BUCKETS: usize = 10;
const BUCKET: Duration = Duration::from_millis(100);

/// An encoding is not alive once so many of its frames in a row have not come,
const MISSED_FRAMES: u32 = 6;

/// where frames are frequent not before this time: a hiccup of a radio is shorter,
const SHORTEST_SILENCE: Duration = Duration::from_millis(200);

/// and at the latest after this: four frames of a shared screen.
const LONGEST_SILENCE: Duration = Duration::from_millis(1_200);

/// Three frames at 30 frames per second.
const FRESH: Duration = Duration::from_millis(100);

/// The time of a few frames of the slowest encoding.
const RETURN_TIME: Duration = Duration::from_millis(150);

/// A link that is silent for longer is an outage, and the page should say so.
const LONGEST_INTERRUPTION: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    bytes: [u64; TEMPORAL_LAYERS],
    frames: u32,
}

/// The meter of one encoding.
#[derive(Debug)]
pub(crate) struct LayerMeter {
    buckets: [Bucket; BUCKETS],
    /// When the newest bucket began, and its place.
    newest: Option<(Instant, usize)>,
    started_at: Option<Instant>,
    last_packet_at: Option<Instant>,
    /// How long it may be silent, by the frames of the last second.
    patience: Duration,
    /// When it came back, if it has been silent before.
    returned_at: Option<Instant>,
}

/// What a meter shows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct LayerRates {
    /// The rate of all layers up to each one.
    pub(crate) up_to: [Bitrate; TEMPORAL_LAYERS],
    /// How many temporal layers are there.
    pub(crate) temporal_layers: u8,
    /// Frames per second.
    pub(crate) frame_rate: f64,
    /// Packets are arriving.
    pub(crate) alive: bool,
}

impl Default for LayerMeter {
    fn default() -> Self {
        Self {
            buckets: [Bucket::default(); BUCKETS],
            newest: None,
            started_at: None,
            last_packet_at: None,
            patience: LONGEST_SILENCE,
            returned_at: None,
        }
    }
}

impl LayerMeter {
    /// Takes a packet; `ends_frame` on the last one of a frame.
    pub(crate) fn record(&mut self, now: Instant, temporal: u8, size: usize, ends_frame: bool) {
        if self.last_packet_at.is_none_or(|last| now.saturating_duration_since(last) > self.patience) {
            // After a pause the window holds nothing that counts.
            let returned_at = self.last_packet_at.map(|_| now);
            *self = Self { started_at: Some(now), returned_at, ..Self::default() };
        }
        self.last_packet_at = Some(now);
        self.count(now, temporal, size, ends_frame);
        self.patience = self.silence(now);
    }

    /// Takes a packet that was sent again: it belongs to the rate, but an encoder that stopped is still asked
    /// for what got lost before.
    pub(crate) fn record_repair(&mut self, now: Instant, temporal: u8, size: usize, ends_frame: bool) {
        if self.started_at.is_some() {
            self.count(now, temporal, size, ends_frame);
        }
    }

    /// Whether packets arrive at this moment, and have for longer than encodings take to return one after the
    /// other once a link is back.
    pub(crate) fn is_steady(&self, now: Instant) -> bool {
        let within = |at: Instant, time: Duration| now.saturating_duration_since(at) < time;
        self.last_packet_at.is_some_and(|last| within(last, FRESH))
            && !self.returned_at.is_some_and(|returned_at| within(returned_at, RETURN_TIME))
    }

    /// Whether it has been heard of lately.
    pub(crate) fn is_remembered(&self, now: Instant) -> bool {
        self.last_packet_at.is_some_and(|last| now.saturating_duration_since(last) < LONGEST_INTERRUPTION)
    }

    fn silence(&self, now: Instant) -> Duration {
        let frames: u32 = self.buckets.iter().map(|bucket| bucket.frames).sum();
        let missed = self.window(now) * MISSED_FRAMES / frames.max(1);
        missed.clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
    }

    fn window(&self, now: Instant) -> Duration {
        let since =
            self.started_at.map_or(Duration::ZERO, |started_at| now.saturating_duration_since(started_at));
        since.clamp(BUCKET, BUCKET * BUCKETS as u32)
    }

    fn count(&mut self, now: Instant, temporal: u8, size: usize, ends_frame: bool) {
        let place = self.advance(now);
        let bucket = &mut self.buckets[place];
        bucket.bytes[usize::from(temporal).min(TEMPORAL_LAYERS - 1)] += size as u64;
        bucket.frames += u32::from(ends_frame);
    }

    fn advance(&mut self, now: Instant) -> usize {
        let Some((mut began, mut place)) = self.newest else {
            self.newest = Some((now, 0));
            return 0;
        };
        for _ in 0..BUCKETS {
            if now.saturating_duration_since(began) < BUCKET {
                break;
            }
            began += BUCKET;
            place = (place + 1) % BUCKETS;
            self.buckets[place] = Bucket::default();
        }
        self.newest = Some((began, place));
        place
    }

    /// The rates over the last second, or since the encoding came alive.
    pub(crate) fn rates(&self, now: Instant) -> LayerRates {
        let alive =
            self.last_packet_at.is_some_and(|last| now.saturating_duration_since(last) <= self.patience);
        if !alive {
            return LayerRates::default();
        }
        let window = self.window(now);
        let mut sum = 0;
        let up_to = std::array::from_fn(|layer| {
            sum += self.buckets.iter().map(|bucket| bucket.bytes[layer]).sum::<u64>();
            DataSize::bytes(sum).per(window)
        });
        let frames: u32 = self.buckets.iter().map(|bucket| bucket.frames).sum();
        let is_used = |layer: &usize| self.buckets.iter().any(|bucket| bucket.bytes[*layer] > 0);
        let temporal_layers = (0..TEMPORAL_LAYERS).rev().find(is_used).map_or(0, |layer| layer as u8 + 1);
        LayerRates { up_to, temporal_layers, frame_rate: f64::from(frames) / window.as_secs_f64(), alive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 frames per second in the pattern 0 2 1 2, each frame of 1000 bytes.
    fn stream(meter: &mut LayerMeter, from: Instant, frames: u64) -> Instant {
        let mut now = from;
        for frame in 0..frames {
            now = from + Duration::from_micros(frame * 33_333);
            meter.record(now, [0, 2, 1, 2][frame as usize % 4], 1_000, true);
        }
        now
    }

    fn kbps(rates: LayerRates) -> [u64; TEMPORAL_LAYERS] {
        rates.up_to.map(Bitrate::as_kbps)
    }

    #[test]
    fn rates_add_up_over_temporal_layers() {
        let mut meter = LayerMeter::default();
        let now = stream(&mut meter, crate::testing::origin(), 90);
        let rates = meter.rates(now);
        let [base, middle, all] = kbps(rates);
        assert!((50..=70).contains(&base), "{base}");
        assert!((105..=135).contains(&middle), "{middle}");
        assert!((220..=250).contains(&all), "{all}");
        assert!((27.0..=31.0).contains(&rates.frame_rate), "{}", rates.frame_rate);
    }

    #[test]
    fn the_first_moments_are_not_diluted_by_the_silence_before() {
        let mut meter = LayerMeter::default();
        let now = stream(&mut meter, crate::testing::origin(), 9);
        assert!((180..=280).contains(&kbps(meter.rates(now))[2]), "{:?}", meter.rates(now));
    }

    #[test]
    fn silence_ends_it_and_a_return_starts_anew() {
        let mut meter = LayerMeter::default();
        let now = stream(&mut meter, crate::testing::origin(), 30);
        assert!(meter.rates(now + Duration::from_millis(190)).alive);
        meter.record_repair(now + Duration::from_millis(190), 0, 1_000, false);
        assert!(!meter.rates(now + Duration::from_millis(210)).alive);
        let now = stream(&mut meter, now + Duration::from_secs(5), 6);
        assert!(meter.rates(now).alive);
        assert!(kbps(meter.rates(now))[2] > 150);
    }

    #[test]
    fn few_frames_a_second_are_no_silence() {
        let mut meter = LayerMeter::default();
        let mut now = crate::testing::origin();
        for _ in 0..20 {
            now += Duration::from_millis(333);
            assert!(meter.last_packet_at.is_none() || meter.rates(now).alive);
            meter.record(now, 0, 2_000, true);
        }
        assert!(!meter.rates(now + Duration::from_millis(1_300)).alive);
    }
}
