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

/// Without a packet for this long an encoding is not alive: six frames at 15 frames per second.
const SILENCE: Duration = Duration::from_millis(400);

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
        Self { buckets: [Bucket::default(); BUCKETS], newest: None, started_at: None, last_packet_at: None }
    }
}

impl LayerMeter {
    /// Takes a packet; `ends_frame` on the last one of a frame.
    pub(crate) fn record(&mut self, now: Instant, temporal: u8, size: usize, ends_frame: bool) {
        if self.last_packet_at.is_none_or(|last| now.saturating_duration_since(last) > SILENCE) {
            // After a pause the window holds nothing that counts.
            *self = Self { started_at: Some(now), ..Self::default() };
        }
        self.last_packet_at = Some(now);
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
        let alive = self.last_packet_at.is_some_and(|last| now.saturating_duration_since(last) <= SILENCE);
        let (true, Some(started_at)) = (alive, self.started_at) else {
            return LayerRates::default();
        };
        let window = now.saturating_duration_since(started_at).clamp(BUCKET, BUCKET * BUCKETS as u32);
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
        assert!(!meter.rates(now + Duration::from_millis(500)).alive);
        let now = stream(&mut meter, now + Duration::from_secs(5), 6);
        assert!(meter.rates(now).alive);
        assert!(kbps(meter.rates(now))[2] > 150);
    }
}
