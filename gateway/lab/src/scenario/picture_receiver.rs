//! A receiver of VP8 as libwebrtc's: it orders packets, asks for lost ones, puts frames together, and
//! shows what it can decode. What it shows, and when, is what a participant sees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Buf as _;
use rtc_rtp::Packet;

use super::frame_buffer::{Descriptor, Frame, FrameBuffer};
use super::wire::{RTX, Unwrap, VP8};

/// A packet may be late by reordering alone.
const NACK_DELAY: Duration = Duration::from_millis(10);
const NACK_INTERVAL: Duration = Duration::from_millis(80);
const MAX_NACKS: u8 = 10;
const MAX_MISSING: usize = 1_000;

/// An incomplete frame that nothing else needs is given up after this long.
const SKIP_DELAY: Duration = Duration::from_millis(100);

/// libwebrtc asks for a key frame after 200 ms while it waits for one, and after much longer otherwise.
const KEY_FRAME_WAIT: Duration = Duration::from_millis(200);
const STUCK_WAIT: Duration = Duration::from_millis(1_000);

/// One picture on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) at: Instant,
    pub(super) lines: u16,
}

/// What the receiver wants to tell the sender.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    Missing(Vec<u16>),
    KeyFrameNeeded,
}

struct Missing {
    ask_at: Instant,
    asked: u8,
}

/// How far decoding has come.
#[derive(Default)]
struct Decoded {
    /// The last packet of the last frame.
    last: i64,
    lines: u16,
    base_layer_index: u8,
    /// The last decoded picture, to see whether the group it belongs to is whole.
    picture_id: u16,
}

pub(super) struct PictureReceiver {
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    unwrap: Unwrap,
    highest: Option<i64>,
    buffer: FrameBuffer,
    missing: BTreeMap<i64, Missing>,
    decoded: Option<Decoded>,
    since: Option<Instant>,
    last_progress: Option<Instant>,
    last_key_request: Option<Instant>,
    shown: Vec<Shown>,
    pub(super) key_frame_requests: u32,
    pub(super) repaired: u32,
}

impl PictureReceiver {
    pub(super) fn new(ssrc: u32, rtx_ssrc: Option<u32>) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            unwrap: Unwrap::default(),
            highest: None,
            buffer: FrameBuffer::default(),
            missing: BTreeMap::new(),
            decoded: None,
            since: None,
            last_progress: None,
            last_key_request: None,
            shown: Vec::new(),
            key_frame_requests: 0,
            repaired: 0,
        }
    }

    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    pub(super) fn handle(&mut self, now: Instant, packet: Packet) {
        let Packet { header, mut payload } = packet;
        let number = match header.payload_type {
            VP8 => header.sequence_number,
            RTX if payload.len() > 2 => {
                self.repaired += 1;
                payload.get_u16()
            }
            // Padding on the retransmission stream.
            RTX => return,
            other => panic!("payload type {other} was not negotiated for pictures"),
        };
        let sequence = self.unwrap.next(number);
        self.since.get_or_insert(now);
        self.missing.remove(&sequence);
        self.note_gap(now, sequence);
        if self.decoded.as_ref().is_none_or(|decoded| sequence > decoded.last) {
            self.buffer.insert(now, sequence, header.timestamp, header.marker, &payload);
            self.decode(now);
        }
    }

    fn note_gap(&mut self, now: Instant, sequence: i64) {
        if let Some(highest) = self.highest {
            for lost in highest + 1..sequence {
                self.missing.insert(lost, Missing { ask_at: now + NACK_DELAY, asked: 0 });
            }
        }
        self.highest = self.highest.max(Some(sequence));
        while self.missing.len() > MAX_MISSING {
            self.missing.pop_first();
        }
    }

    /// Shows all frames that have become decodable.
    fn decode(&mut self, now: Instant) {
        while let Some(frame) = self.next_frame(now) {
            let descriptor = frame.descriptor;
            let lines = descriptor.key_lines.or(self.decoded.as_ref().map(|decoded| decoded.lines));
            let lines = lines.expect("decoding begins with a key frame");
            self.decoded = Some(Decoded {
                last: frame.last,
                lines,
                base_layer_index: descriptor.base_layer_index,
                picture_id: descriptor.picture_id,
            });
            self.buffer.forget(frame.last);
            while self.missing.first_key_value().is_some_and(|(lost, _)| *lost <= frame.last) {
                self.missing.pop_first();
            }
            self.last_progress = Some(now);
            self.shown.push(Shown { at: now, lines });
        }
    }

    /// The earliest frame that is whole and has all it refers to.
    fn next_frame(&mut self, now: Instant) -> Option<Frame> {
        self.drop_padding();
        let head = self.decoded.as_ref().map(|decoded| decoded.last + 1);
        // Waiting for the head lets a repair come in time.
        let head_is_missing = head.is_some_and(|head| !self.buffer.has_frame_at(head));
        let may_skip = now.saturating_duration_since(self.buffer.oldest()?) >= SKIP_DELAY;
        let mut frames = self.buffer.frames();
        let next = frames.find(|frame| {
            let is_in_order = Some(frame.first) == head;
            let may_go = is_in_order || may_skip || !head_is_missing || frame.descriptor.key_lines.is_some();
            may_go && self.is_decodable(&frame.descriptor)
        });
        next.copied()
    }

    /// Padding takes sequence numbers and carries no picture.
    fn drop_padding(&mut self) {
        while let Some(decoded) = &mut self.decoded
            && self.buffer.is_padding(decoded.last + 1)
        {
            decoded.last += 1;
            self.buffer.forget(decoded.last);
        }
    }

    fn is_decodable(&self, frame: &Descriptor) -> bool {
        if frame.key_lines.is_some() {
            return true;
        }
        let Some(decoded) = &self.decoded else { return false };
        if frame.temporal == 0 {
            return frame.base_layer_index == decoded.base_layer_index.wrapping_add(1);
        }
        let follows = frame.picture_id == (decoded.picture_id + 1) & 0x7fff;
        frame.base_layer_index == decoded.base_layer_index && (frame.is_layer_sync || follows)
    }

    pub(super) fn poll_complaint(&mut self, now: Instant) -> Option<Complaint> {
        self.decode(now);
        let since = self.since?;
        let progress = self.last_progress.unwrap_or(since);
        let patience = if self.decoded.is_none() { KEY_FRAME_WAIT } else { STUCK_WAIT };
        let asked = self.last_key_request.unwrap_or(since);
        let is_fed = self.buffer.newest().is_some_and(|newest| now - newest < STUCK_WAIT);
        if is_fed && now - progress.max(asked) >= patience {
            self.last_key_request = Some(now);
            self.key_frame_requests += 1;
            return Some(Complaint::KeyFrameNeeded);
        }
        self.missing.retain(|_, missing| missing.asked < MAX_NACKS);
        let mut numbers = Vec::new();
        for (sequence, missing) in &mut self.missing {
            if now >= missing.ask_at {
                missing.ask_at = now + NACK_INTERVAL;
                missing.asked += 1;
                numbers.push(*sequence as u16);
            }
        }
        (!numbers.is_empty()).then_some(Complaint::Missing(numbers))
    }
}
