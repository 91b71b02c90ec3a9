//! Packets of a stream of VP8 that wait until their frame is whole, and the frames that are (RFC 7741 §4).
//! A frame is put together as its packets come, so that a backlog costs no more to look at than its frames.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Buf;

/// What libwebrtc's packet buffer holds. Where nothing can be decoded for so long, all is given up, and
/// decoding waits for a key frame.
const CAPACITY: usize = 2_048;

/// The VP8 payload descriptor, and the frame header behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptor {
    is_start: bool,
    pub(super) picture_id: u16,
    pub(super) base_layer_index: u8,
    pub(super) temporal: u8,
    pub(super) is_layer_sync: bool,
    /// Lines of the picture, where it is a key frame.
    pub(super) key_lines: Option<u16>,
}

/// A frame all of whose packets are there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) descriptor: Descriptor,
}

struct Waiting {
    descriptor: Option<Descriptor>,
    timestamp: u32,
    is_last: bool,
    /// Padding takes a sequence number and carries no picture.
    is_padding: bool,
}

#[derive(Default)]
pub(super) struct FrameBuffer {
    packets: BTreeMap<i64, Waiting>,
    whole: BTreeMap<i64, Frame>,
    /// Packets in the order of arrival; the first and the last of them are still there.
    arrivals: VecDeque<(Instant, i64)>,
}

impl FrameBuffer {
    pub(super) fn insert(
        &mut self,
        now: Instant,
        sequence: i64,
        timestamp: u32,
        is_last: bool,
        payload: &[u8],
    ) {
        if self.packets.contains_key(&sequence) {
            return;
        }
        if self.packets.len() >= CAPACITY {
            *self = Self::default();
        }
        let descriptor = Descriptor::read(payload);
        let waiting = Waiting { descriptor, timestamp, is_last, is_padding: payload.is_empty() };
        self.packets.insert(sequence, waiting);
        self.arrivals.push_back((now, sequence));
        if let Some(frame) = self.frame_around(sequence) {
            self.whole.insert(frame.first, frame);
        }
    }

    /// The whole frames, in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.whole.values()
    }

    pub(super) fn has_frame_at(&self, first: i64) -> bool {
        self.whole.contains_key(&first)
    }

    pub(super) fn is_padding(&self, sequence: i64) -> bool {
        self.packets.get(&sequence).is_some_and(|packet| packet.is_padding)
    }

    /// When the packet that waits for longest has come.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.arrivals.front().map(|(at, _)| *at)
    }

    /// When the last packet that waits has come.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.arrivals.back().map(|(at, _)| *at)
    }

    /// Forgets all packets up to this one.
    pub(super) fn forget(&mut self, last: i64) {
        while self.packets.first_key_value().is_some_and(|(sequence, _)| *sequence <= last) {
            self.packets.pop_first();
        }
        while self.whole.first_key_value().is_some_and(|(first, _)| *first <= last) {
            self.whole.pop_first();
        }
        while self.arrivals.pop_front_if(|(_, sequence)| *sequence <= last).is_some() {}
        while self.arrivals.pop_back_if(|(_, sequence)| *sequence <= last).is_some() {}
    }

    /// The frame that this packet belongs to, if all of it is there.
    fn frame_around(&self, sequence: i64) -> Option<Frame> {
        let timestamp = self.packets.get(&sequence)?.timestamp;
        let of_frame =
            |sequence: i64| self.packets.get(&sequence).filter(|packet| packet.timestamp == timestamp);
        let mut first = sequence;
        let descriptor = loop {
            match of_frame(first)?.descriptor {
                Some(descriptor) if descriptor.is_start => break descriptor,
                Some(_) | None => first -= 1,
            }
        };
        let mut last = first;
        while !of_frame(last)?.is_last {
            last += 1;
        }
        Some(Frame { first, last, descriptor })
    }
}

impl Descriptor {
    /// RFC 7741 §4.2; `None` for padding.
    fn read(payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: &[u8] = &[0x90, 0xe0, 0x80, 1, 1, 0, 0x11, 2, 0];
    const REST: &[u8] = &[0x80, 0xe0, 0x80, 1, 1, 0, 0x11, 2, 0];

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by the clock; its value is never used"
    )]
    fn now() -> Instant {
        Instant::now()
    }

    fn bounds(buffer: &FrameBuffer) -> Vec<(i64, i64)> {
        buffer.frames().map(|frame| (frame.first, frame.last)).collect()
    }

    #[test]
    fn a_frame_is_whole_once_its_last_packet_came_in_whatever_order() {
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let mut buffer = FrameBuffer::default();
            for (count, sequence) in order.into_iter().enumerate() {
                assert_eq!(bounds(&buffer), [], "after {count} of {order:?}");
                let payload = if sequence == 0 { START } else { REST };
                buffer.insert(now(), sequence, 7, sequence == 2, payload);
            }
            assert_eq!(bounds(&buffer), [(0, 2)]);
        }
    }

    #[test]
    fn what_is_forgotten_no_longer_counts_as_waiting() {
        let (mut buffer, now) = (FrameBuffer::default(), now());
        for sequence in 0..4 {
            let at = now + Duration::from_secs(sequence);
            buffer.insert(at, sequence as i64, sequence as u32, true, START);
        }
        buffer.forget(1);
        assert_eq!(bounds(&buffer), [(2, 2), (3, 3)]);
        assert_eq!(buffer.oldest(), Some(now + Duration::from_secs(2)));
        buffer.forget(3);
        assert_eq!((buffer.oldest(), buffer.newest()), (None, None));
    }

    #[test]
    fn a_backlog_that_nothing_decodes_is_given_up() {
        let (mut buffer, now) = (FrameBuffer::default(), now());
        for sequence in 0..CAPACITY as i64 + 1 {
            buffer.insert(now, sequence, sequence as u32, true, START);
        }
        assert_eq!(bounds(&buffer), [(CAPACITY as i64, CAPACITY as i64)]);
    }
}
