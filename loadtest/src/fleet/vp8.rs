//! Packets that look like VP8 (RFC 7741 §4.2, RFC 6386 §9.1) to whoever forwards them: descriptors, frame headers, and
//! as many bytes as a bitrate asks for. Nothing decodes them.

use std::time::Duration;

/// Bytes of an RTP packet before it is sealed, headers included; what browsers send at most, within a few bytes.
const PACKET: usize = 1_200;

/// A packet below this has no room for its headers and its mark.
const LEAST_PACKET: usize = 100;

/// The descriptor with a picture id of 15 bits.
const DESCRIPTOR: usize = 4;

/// Pictures per second.
const FRAME_RATE: u32 = 30;

/// Time between two pictures.
pub(crate) const FRAME_INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / FRAME_RATE as u64);

/// Ticks of the RTP clock between two pictures.
pub(crate) const FRAME_TICKS: u32 = 90_000 / FRAME_RATE;

/// How large each picture may be, so that packets are full and the rate is right on average.
#[derive(Debug)]
pub(crate) struct FrameBudget {
    per_frame: usize,
    saved: usize,
}

impl FrameBudget {
    /// A budget of so many bits per second.
    pub(crate) fn new(bitrate: u64) -> Self {
        let per_frame = usize::try_from(bitrate / 8 / u64::from(FRAME_RATE)).unwrap_or(usize::MAX);
        Self { per_frame: per_frame.max(LEAST_PACKET), saved: 0 }
    }

    /// The packets of the next picture: how many, and how long each is with its headers.
    pub(crate) fn next_frame(&mut self) -> (usize, usize) {
        if self.per_frame < PACKET {
            return (1, self.per_frame);
        }
        self.saved += self.per_frame;
        let packets = self.saved / PACKET;
        self.saved -= packets * PACKET;
        (packets, PACKET)
    }
}

/// Width and height of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureSize {
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl std::str::FromStr for PictureSize {
    type Err = ParsePictureSizeError;

    fn from_str(text: &str) -> Result<Self, ParsePictureSizeError> {
        let side = |text: &str| text.parse().ok().filter(|side| (1..0x4000).contains(side));
        let (width, height) = text.split_once('x').ok_or(ParsePictureSizeError)?;
        let (width, height) = side(width).zip(side(height)).ok_or(ParsePictureSizeError)?;
        Ok(Self { width, height })
    }
}

/// The text is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form WIDTHxHEIGHT")]
pub(crate) struct ParsePictureSizeError;

/// Which packet of which picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) picture: u16,
    pub(crate) is_key: bool,
    pub(crate) is_first: bool,
}

/// Writes the descriptor, and the frame header where a picture begins.
pub(crate) fn write_headers(place: Place, size: PictureSize, frame_bytes: usize, out: &mut Vec<u8>) {
    let before = out.len();
    out.push(if place.is_first { 0x90 } else { 0x80 });
    out.push(0x80);
    out.extend((place.picture | 0x8000).to_be_bytes());
    debug_assert_eq!(out.len() - before, DESCRIPTOR, "the descriptor has a fixed length");
    if !place.is_first {
        return;
    }
    // Shown, version 0, and all of it one partition.
    let tag = (frame_bytes.min(0x7_FFFF) as u32) << 5 | 0x10 | u32::from(!place.is_key);
    out.extend(&tag.to_le_bytes()[..3]);
    if place.is_key {
        out.extend([0x9D, 0x01, 0x2A]);
        out.extend(size.width.to_le_bytes());
        out.extend(size.height.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 1_280, height: 720 };

    fn headers(picture: u16, is_key: bool, is_first: bool) -> Vec<u8> {
        let mut out = Vec::new();
        write_headers(Place { picture, is_key, is_first }, SIZE, 6_000, &mut out);
        out
    }

    #[test]
    fn packets_are_full_and_the_rate_is_right() {
        for bitrate in [300_000, 1_500_000, 2_777_777, 20_000_000] {
            let mut budget = FrameBudget::new(bitrate);
            let frames: Vec<_> = (0..300).map(|_| budget.next_frame()).collect();
            let bytes: usize = frames.iter().map(|(packets, length)| packets * length).sum();
            let rate = bytes as f64 * 8.0 / 10.0;
            assert!((rate / bitrate as f64 - 1.0).abs() < 0.01, "{rate} for {bitrate}");
            assert!(frames.iter().all(|(packets, length)| *packets > 0 && *length == PACKET));
        }
    }

    #[test]
    fn a_low_rate_is_small_packets() {
        assert_eq!(FrameBudget::new(120_000).next_frame(), (1, 500));
        assert_eq!(FrameBudget::new(0).next_frame(), (1, LEAST_PACKET));
    }

    #[test]
    fn a_key_frame_says_its_size() {
        let expected = [0x90, 0x80, 0x81, 0x02, 0x10, 0xEE, 0x02, 0x9D, 0x01, 0x2A, 0x00, 0x05, 0xD0, 0x02];
        assert_eq!(headers(0x102, true, true), expected);
        assert_eq!(headers(0x102, false, true), [0x90, 0x80, 0x81, 0x02, 0x11, 0xEE, 0x02]);
        assert_eq!(headers(0x102, true, false), [0x80, 0x80, 0x81, 0x02]);
    }

    #[test]
    fn sizes_are_written_as_one_says_them() {
        assert_eq!("1280x720".parse(), Ok(SIZE));
        for text in ["", "1280", "x", "0x720", "99999x1", "1280x720x1"] {
            assert_eq!(text.parse::<PictureSize>(), Err(ParsePictureSizeError), "{text}");
        }
    }
}
