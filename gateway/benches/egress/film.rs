//! What the publisher sends: one VP8 encoding in 1200-byte packets, in frames of 4.3 packets, at 30 frames
//! a second.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rtc_rtp::Packet;

use super::wire::{MID_ID, TRANSPORT_CC_ID, VIDEO_CLOCK, VP8, packet, set_extension};

/// The media description that carries it.
pub(crate) const CAMERA_MID: &str = "0";

/// A packet every so often makes 30 frames a second, and 1.25 Mbit/s.
pub(crate) const PACKET_INTERVAL: Duration = Duration::from_micros(1_000_000 / 130);

/// Together with a header of 20 bytes: 1200.
pub(crate) const PAYLOAD: usize = 1_180;

/// Packets of successive frames.
const FRAMES: [usize; 3] = [4, 4, 5];

/// Packets that name their media description, until the gateway knows their stream.
const NAMED_PACKETS: u16 = 50;

const WIDTH: u16 = 1_280;
const LINES: u16 = 720;

pub(crate) struct Film {
    sequence: u16,
    transport_sequence: u16,
    timestamp: u32,
    picture_id: u16,
    base_layer_index: u8,
    frame: usize,
    sent_of_frame: usize,
    is_key: bool,
    wants_key_frame: bool,
    packets: u64,
}

impl Film {
    pub(crate) fn new() -> Self {
        Self {
            sequence: 0,
            transport_sequence: 0,
            timestamp: 0,
            picture_id: 0,
            base_layer_index: 0,
            frame: 0,
            sent_of_frame: 0,
            is_key: false,
            wants_key_frame: true,
            packets: 0,
        }
    }

    pub(crate) fn request_key_frame(&mut self) {
        self.wants_key_frame = true;
    }

    /// The next packet of the film.
    pub(crate) fn next(&mut self) -> Packet {
        let is_first = self.sent_of_frame == 0;
        if is_first {
            self.begin_frame();
        }
        self.sent_of_frame += 1;
        self.packets += 1;
        let is_last = self.sent_of_frame == FRAMES[self.frame % FRAMES.len()];
        self.sequence = self.sequence.wrapping_add(1);
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let mut packet = packet(VP8, 0x5eed_f11a, self.sequence, self.timestamp, self.payload(is_first));
        packet.header.marker = is_last;
        set_extension(&mut packet, TRANSPORT_CC_ID, self.transport_sequence.to_be_bytes().to_vec());
        if self.packets <= u64::from(NAMED_PACKETS) {
            set_extension(&mut packet, MID_ID, CAMERA_MID);
        }
        if is_last {
            self.frame += 1;
            self.sent_of_frame = 0;
        }
        packet
    }

    fn begin_frame(&mut self) {
        self.is_key = std::mem::take(&mut self.wants_key_frame);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.base_layer_index = self.base_layer_index.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(VIDEO_CLOCK as u32 / 30);
    }

    /// RFC 7741 §4.2 with a 15-bit picture id, TL0PICIDX and TID, then RFC 6386 §9.1.
    fn payload(&self, is_first: bool) -> Bytes {
        let mut payload = BytesMut::with_capacity(PAYLOAD);
        payload.put_u8(0x80 | u8::from(is_first) << 4);
        payload.put_u8(0xe0);
        payload.put_u16(0x8000 | self.picture_id);
        payload.put_u8(self.base_layer_index);
        payload.put_u8(0);
        if is_first {
            payload.put_slice(&[u8::from(!self.is_key) | 0x10, 0x02, 0x00]);
            if self.is_key {
                payload.put_slice(&[0x9d, 0x01, 0x2a]);
                payload.put_u16_le(WIDTH);
                payload.put_u16_le(LINES);
            }
        }
        payload.resize(PAYLOAD, 0x5a);
        payload.freeze()
    }
}
