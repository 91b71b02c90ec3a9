//! What the publisher sends: a picture of 1.5 Mbit/s in packets of equal distance, and a voice.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_rtp::Packet;

use super::film::Film;
use super::wire::{AUDIO_CLOCK, AUDIO_LEVEL_ID, MID_ID, OPUS, TRANSPORT_CC_ID, packet, set_extension};

/// The media description that carries the voice.
pub(super) const MICROPHONE_MID: &str = "1";

/// Packets of 1,200 bytes make 1.5 Mbit/s.
const PICTURE_INTERVAL: Duration = Duration::from_micros(6_400);

const PTIME: Duration = Duration::from_millis(20);

/// Opus at 32 kbit/s.
const FRAME: [u8; 80] = [0x5a; 80];

/// RFC 6464: voice, at -30 dBov.
const LOUD: u8 = 0x80 | 30;

const VOICE_SSRC: u32 = 0x5eed_501c;

pub(super) struct Publication {
    film: Film,
    picture_due: Instant,
    voice_due: Instant,
    voice_sequence: u16,
    transport_sequence: u16,
}

impl Publication {
    pub(super) fn new(now: Instant) -> Self {
        Self { film: Film::new(), picture_due: now, voice_due: now, voice_sequence: 0, transport_sequence: 0 }
    }

    /// Goes on from here after a pause.
    pub(super) fn resume(&mut self, now: Instant) {
        self.picture_due = self.picture_due.max(now);
        self.voice_due = self.voice_due.max(now);
    }

    /// When the next packet is to be sent.
    pub(super) fn due(&self) -> Instant {
        self.picture_due.min(self.voice_due)
    }

    /// The next packet.
    pub(super) fn next(&mut self, wants_key_frame: bool) -> Packet {
        if wants_key_frame {
            self.film.request_key_frame();
        }
        let mut packet = if self.voice_due <= self.picture_due {
            self.voice_due += PTIME;
            self.frame()
        } else {
            self.picture_due += PICTURE_INTERVAL;
            self.film.next()
        };
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        set_extension(&mut packet, TRANSPORT_CC_ID, self.transport_sequence.to_be_bytes().to_vec());
        packet
    }

    fn frame(&mut self) -> Packet {
        self.voice_sequence = self.voice_sequence.wrapping_add(1);
        let ticks = AUDIO_CLOCK as u32 * PTIME.as_millis() as u32 / 1_000;
        let timestamp = u32::from(self.voice_sequence).wrapping_mul(ticks);
        let payload = Bytes::from_static(&FRAME);
        let mut packet = packet(OPUS, VOICE_SSRC, self.voice_sequence, timestamp, payload);
        set_extension(&mut packet, AUDIO_LEVEL_ID, vec![LOUD]);
        set_extension(&mut packet, MID_ID, MICROPHONE_MID);
        packet
    }
}
