//! A simulcast VP8 encoder as libwebrtc drives it: three encodings with three temporal layers each, key
//! frames on request and on activation, and a share of the uplink's estimate from the smallest up.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use protocol::quality::EncodingPlan;
use protocol::units::Bitrate;
use rand::RngExt;
use rand::rngs::StdRng;

use super::wire::VIDEO_CLOCK;

const FRAME_INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// libvpx with three temporal layers: 0, 2, 1, 2.
const TEMPORAL_PATTERN: [u8; 4] = [0, 2, 1, 2];

/// libvpx gives 40, 20 and 40 % of the rate to the three layers; as factors of the mean frame.
const TEMPORAL_WEIGHT: [f64; 3] = [1.6, 0.8, 0.8];
const KEY_FRAME_WEIGHT: f64 = 5.0;

const MAX_PAYLOAD: usize = 1_150;

/// RID, lines, least and most kbit/s: what the client's `RTCRtpEncodingParameters` start out with.
const STARTING_POINT: [(&str, u16, u64, u64); 3] =
    [("q", 180, 30, 150), ("h", 480, 250, 750), ("f", 720, 600, 1_700)];

/// An encoding that was left out for want of rate comes back at this multiple of its minimum.
const RETURN_FACTOR: f64 = 1.2;

/// One RTP payload of a frame.
pub(super) struct Fragment {
    pub(super) encoding: usize,
    pub(super) payload: Bytes,
    pub(super) timestamp: u32,
    pub(super) is_last: bool,
}

struct Encoding {
    rid: &'static str,
    lines: u16,
    minimum: Bitrate,
    maximum: Bitrate,
    interval: Duration,
    is_active: bool,
    is_sending: bool,
    wants_key_frame: bool,
    next_frame: Option<Instant>,
    position: usize,
    picture_id: u16,
    base_layer_index: u8,
    rate: Bitrate,
    key_frames: u32,
}

pub(super) struct Camera {
    encodings: Vec<Encoding>,
    rng: StdRng,
    origin: Instant,
    /// Of the source; encodings never exceed it.
    source_lines: u16,
    is_muted: bool,
}

impl Camera {
    pub(super) fn new(origin: Instant, source_lines: u16, mut rng: StdRng) -> Self {
        let encodings = STARTING_POINT
            .into_iter()
            .map(|(rid, lines, minimum, maximum)| Encoding {
                rid,
                lines: lines.min(source_lines),
                minimum: Bitrate::kbps(minimum),
                maximum: Bitrate::kbps(maximum),
                interval: FRAME_INTERVAL,
                is_active: true,
                is_sending: false,
                wants_key_frame: true,
                next_frame: None,
                position: 0,
                picture_id: rng.random_range(0..0x7fff),
                base_layer_index: rng.random(),
                rate: Bitrate::ZERO,
                key_frames: 0,
            })
            .collect();
        // No camera at all is one that is off.
        Self { encodings, rng, origin, source_lines, is_muted: source_lines == 0 }
    }

    pub(super) fn rids() -> [&'static str; 3] {
        STARTING_POINT.map(|(rid, ..)| rid)
    }

    /// Key frames sent so far.
    pub(super) fn key_frames(&self) -> u32 {
        self.encodings.iter().map(|encoding| encoding.key_frames).sum()
    }

    /// What it would send if the uplink carried everything.
    pub(super) fn wanted(&self) -> Bitrate {
        self.encodings.iter().filter(|encoding| encoding.is_active).map(|encoding| encoding.maximum).sum()
    }

    /// The highest encoding that is being sent.
    pub(super) fn top(&self) -> Option<usize> {
        self.encodings.iter().rposition(|encoding| encoding.is_sending)
    }

    pub(super) fn apply(&mut self, plan: &[EncodingPlan]) {
        for wanted in plan {
            let Some(encoding) = self.encodings.iter_mut().find(|encoding| encoding.rid == wanted.rid) else {
                panic!("the plan names an encoding {:?} that was not negotiated", wanted.rid);
            };
            encoding.is_active = wanted.active;
            encoding.maximum = wanted.max_bitrate_bps;
            encoding.interval = Duration::from_secs(1) / u32::from(wanted.max_framerate.clamp(1, 30));
            let lines = wanted.rung.lines().min(self.source_lines);
            if wanted.active && lines > 0 && lines != encoding.lines {
                encoding.lines = lines;
                encoding.wants_key_frame = true;
            }
        }
    }

    pub(super) fn mute(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    pub(super) fn is_muted(&self) -> bool {
        self.is_muted
    }

    pub(super) fn request_key_frame(&mut self, encoding: usize) {
        self.encodings[encoding].wants_key_frame = true;
    }

    /// Shares out the budget as libwebrtc does: the smallest encoding first, and one that would get less
    /// than its minimum not at all.
    pub(super) fn share_out(&mut self, budget: Bitrate) {
        let mut left = budget;
        let carried = carried_encodings(self.source_lines);
        for (index, encoding) in self.encodings.iter_mut().enumerate() {
            let threshold =
                if encoding.is_sending { encoding.minimum } else { encoding.minimum.scaled(RETURN_FACTOR) };
            let is_carried = index < carried && !self.is_muted;
            let is_sending = encoding.is_active && is_carried && (left >= threshold || index == 0);
            encoding.wants_key_frame |= is_sending && !encoding.is_sending;
            encoding.is_sending = is_sending;
            encoding.rate = if is_sending { left.min(encoding.maximum) } else { Bitrate::ZERO };
            left = left - encoding.rate;
        }
    }

    /// The fragments of all frames that are due.
    pub(super) fn capture(&mut self, now: Instant) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        for index in 0..self.encodings.len() {
            let encoding = &mut self.encodings[index];
            if !encoding.is_sending {
                encoding.next_frame = None;
                continue;
            }
            let due = *encoding.next_frame.get_or_insert(now);
            if now < due {
                continue;
            }
            encoding.next_frame = Some((due + encoding.interval).max(now));
            let noise = self.rng.random_range(0.85..1.15);
            let ticks = (now - self.origin).as_micros() as u64 * VIDEO_CLOCK / 1_000_000;
            encoding.encode(index, ticks as u32, noise, &mut fragments);
        }
        fragments
    }
}

/// libwebrtc leaves out the upper encodings of a small picture, whatever was negotiated.
const fn carried_encodings(source_lines: u16) -> usize {
    match source_lines {
        540.. => 3,
        270.. => 2,
        _ => 1,
    }
}

impl Encoding {
    fn encode(&mut self, index: usize, timestamp: u32, noise: f64, fragments: &mut Vec<Fragment>) {
        let is_key = std::mem::take(&mut self.wants_key_frame);
        if is_key {
            self.position = 0;
            self.key_frames += 1;
        }
        let temporal = TEMPORAL_PATTERN[self.position % TEMPORAL_PATTERN.len()];
        self.position += 1;
        if temporal == 0 {
            self.base_layer_index = self.base_layer_index.wrapping_add(1);
        }
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let weight = if is_key { KEY_FRAME_WEIGHT } else { TEMPORAL_WEIGHT[usize::from(temporal)] };
        let mean = (self.rate * self.interval).as_bytes() as f64;
        let size = ((mean * weight * noise) as usize).max(40);
        let count = size.div_ceil(MAX_PAYLOAD);
        for number in 0..count {
            let length = size / count + usize::from(number < size % count);
            let mut payload = BytesMut::with_capacity(length + 16);
            self.write_descriptor(&mut payload, temporal, number == 0);
            if number == 0 {
                write_frame_header(&mut payload, self.lines, is_key);
            }
            payload.put_bytes(0x5a, length);
            fragments.push(Fragment {
                encoding: index,
                payload: payload.freeze(),
                timestamp,
                is_last: number + 1 == count,
            });
        }
    }

    /// RFC 7741 §4.2, with a 15-bit picture id, TL0PICIDX and TID.
    fn write_descriptor(&self, payload: &mut BytesMut, temporal: u8, is_first: bool) {
        let is_droppable = temporal == 2;
        payload.put_u8(0x80 | u8::from(is_droppable) << 5 | u8::from(is_first) << 4);
        payload.put_u8(0xe0);
        payload.put_u16(0x8000 | self.picture_id);
        payload.put_u8(self.base_layer_index);
        // Y: only the last picture of a group depends on more than the base layer.
        let is_layer_sync = temporal > 0 && !self.position.is_multiple_of(TEMPORAL_PATTERN.len());
        payload.put_u8(temporal << 6 | u8::from(is_layer_sync) << 5);
    }
}

/// RFC 6386 §9.1.
fn write_frame_header(payload: &mut BytesMut, lines: u16, is_key: bool) {
    payload.put_slice(&[u8::from(!is_key) | 0x10, 0x02, 0x00]);
    if is_key {
        payload.put_slice(&[0x9d, 0x01, 0x2a]);
        payload.put_u16_le(lines * 16 / 9);
        payload.put_u16_le(lines);
    }
}
