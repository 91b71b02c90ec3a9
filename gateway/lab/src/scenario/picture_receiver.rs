//! A receiver of VP8 as libwebrtc's: it orders packets, asks for lost ones, puts frames together, and
//! shows what it can decode. What it shows, and when, is what a participant sees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use rtc_rtp::Packet;

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

struct Received {
    payload: Bytes,
    timestamp: u32,
    marker: bool,
    at: Instant,
}

struct Missing {
    ask_at: Instant,
    asked: u8,
}

/// The VP8 payload descriptor, and the frame header behind it.
#[derive(Debug, Clone, Copy)]
struct Descriptor {
    is_start: bool,
    picture_id: u16,
    base_layer_index: u8,
    temporal: u8,
    is_layer_sync: bool,
    /// Lines of the picture, where it is a key frame.
    key_lines: Option<u16>,
}

struct Frame {
    first: i64,
    last: i64,
    descriptor: Descriptor,
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
    packets: BTreeMap<i64, Received>,
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
            packets: BTreeMap::new(),
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
            let received = Received { payload, timestamp: header.timestamp, marker: header.marker, at: now };
            self.packets.entry(sequence).or_insert(received);
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
            self.packets = self.packets.split_off(&(frame.last + 1));
            self.missing = self.missing.split_off(&(frame.last + 1));
            self.last_progress = Some(now);
            self.shown.push(Shown { at: now, lines });
        }
    }

    /// The earliest frame that is whole and has all it refers to.
    fn next_frame(&mut self, now: Instant) -> Option<Frame> {
        self.drop_padding();
        let head = self.decoded.as_ref().map(|decoded| decoded.last + 1);
        // Waiting for the head lets a repair come in time.
        let head_is_missing = head.is_some_and(|head| !self.head_is_whole(head));
        let oldest = self.packets.values().map(|packet| packet.at).min()?;
        let may_skip = now.saturating_duration_since(oldest) >= SKIP_DELAY;
        let mut starts = self.packets.keys().copied();
        starts.find_map(|start| {
            let frame = self.frame_at(start)?;
            let is_in_order = Some(frame.first) == head;
            let may_go = is_in_order || may_skip || !head_is_missing || frame.descriptor.key_lines.is_some();
            (may_go && self.is_decodable(&frame.descriptor)).then_some(frame)
        })
    }

    /// Padding takes sequence numbers and carries no picture.
    fn drop_padding(&mut self) {
        while let Some(decoded) = &mut self.decoded
            && self.packets.get(&(decoded.last + 1)).is_some_and(|packet| packet.payload.is_empty())
        {
            decoded.last += 1;
            self.packets.remove(&decoded.last);
        }
    }

    fn head_is_whole(&self, head: i64) -> bool {
        self.frame_at(head).is_some()
    }

    /// The frame that begins with this packet, if all of it is there.
    fn frame_at(&self, first: i64) -> Option<Frame> {
        let start = self.packets.get(&first)?;
        let descriptor = Descriptor::read(&start.payload)?;
        if !descriptor.is_start {
            return None;
        }
        let mut last = first;
        loop {
            let packet = self.packets.get(&last).filter(|packet| packet.timestamp == start.timestamp)?;
            if packet.marker {
                return Some(Frame { first, last, descriptor });
            }
            last += 1;
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
        let is_fed = self.packets.values().any(|packet| now - packet.at < STUCK_WAIT);
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

impl Descriptor {
    /// RFC 7741 §4.2; `None` for padding.
    fn read(payload: &Bytes) -> Option<Self> {
        let mut rest = payload.clone();
        if rest.len() < 6 {
            return None;
        }
        let first = rest.get_u8();
        let extended = rest.get_u8();
        assert_eq!(
            (first & 0x80, extended & 0xe0),
            (0x80, 0xe0),
            "the publisher's descriptor has all fields"
        );
        let picture_id = rest.get_u16();
        assert_eq!(picture_id & 0x8000, 0x8000, "the publisher's picture ids have 15 bits");
        let base_layer_index = rest.get_u8();
        let layer = rest.get_u8();
        let is_start = first & 0x10 != 0;
        let is_key = is_start && rest.first().is_some_and(|byte| byte & 1 == 0);
        let key_lines = is_key.then(|| u16::from_le_bytes([rest[8], rest[9]]) & 0x3fff);
        Some(Self {
            is_start,
            picture_id: picture_id & 0x7fff,
            base_layer_index,
            temporal: layer >> 6,
            is_layer_sync: layer & 0x20 != 0,
            key_lines,
        })
    }
}
