//! The header that one egress track writes in front of every packet: rendered once with a block of extensions
//! of constant size, so that equal payloads make equal datagrams (GSO), and patched per packet. It never carries a rid.

use std::time::Duration;

use protocol::track::MediaKind;

use crate::rtp::extension_map::ExtensionMap;
use crate::rtp::header::{FIXED_HEADER_LEN, FixedHeader, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
use crate::rtp::header_extension::HeaderExtension;

/// Largest id that a one-byte element can have.
const MAX_ONE_BYTE_ID: u8 = 14;

/// Largest value that a one-byte element can have.
const MAX_ONE_BYTE_VALUE: usize = 16;

/// Bytes of profile and length before the elements.
const BLOCK_HEADER_LEN: usize = 4;

/// What is copied from the packet that arrived, under the ids of the leg it leaves on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CopiedExtensions<'a> {
    /// The byte of RFC 6464, on audio.
    pub(crate) audio_level: Option<u8>,
    /// The byte of 3GPP TS 26.114 §7.4.5, on video.
    pub(crate) video_orientation: Option<u8>,
    /// The dependency descriptor as it is, on video.
    pub(crate) dependency_descriptor: Option<&'a [u8]>,
}

/// Where a header was written, and where in the buffer its late fields wait for their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenHeader {
    /// Bytes of the header.
    pub(crate) len: usize,
    /// Where the transport-wide sequence number belongs.
    pub(crate) transport_sequence_at: Option<usize>,
    /// Where the send time belongs.
    pub(crate) abs_send_time_at: Option<usize>,
}

impl WrittenHeader {
    /// Fills in the transport-wide sequence number, where the leg has one.
    pub(crate) fn set_transport_sequence(&self, out: &mut [u8], sequence: u16) {
        if let Some(at) = self.transport_sequence_at
            && let Some(field) = out.get_mut(at..at + 2)
        {
            field.copy_from_slice(&sequence.to_be_bytes());
        }
    }

    /// Fills in the send time, on any clock whose zero stays the same.
    pub(crate) fn set_abs_send_time(&self, out: &mut [u8], clock: Duration) {
        if let Some(at) = self.abs_send_time_at
            && let Some(field) = out.get_mut(at..at + 3)
        {
            let ticks = (clock.as_micros() << 18) / 1_000_000;
            let [.., high, middle, low] = ticks.to_be_bytes();
            field.copy_from_slice(&[high, middle, low]);
        }
    }
}

/// The rendered header of one egress track.
#[derive(Debug, Clone)]
pub(crate) struct HeaderTemplate {
    /// For packets without a dependency descriptor.
    plain: Block,
    /// For packets whose descriptor fits no one-byte element.
    two_byte: Block,
    dependency_descriptor_id: Option<u8>,
}

/// A block of elements with their constant values, and where in it the others belong.
#[derive(Debug, Clone)]
struct Block {
    form: Form,
    /// Profile, length, elements; padded to words. Empty without elements.
    bytes: Vec<u8>,
    /// Bytes without the padding behind the last element.
    used: usize,
    transport_sequence_at: Option<usize>,
    abs_send_time_at: Option<usize>,
    copied: Option<CopiedByte>,
}

/// The element of one byte that is copied from what arrived: the level on audio, the orientation on video.
#[derive(Debug, Clone, Copy)]
struct CopiedByte {
    element_at: usize,
    value_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

impl HeaderTemplate {
    /// Renders the header of a track of `kind` that leaves as `mid` under the ids of `map`.
    #[must_use]
    pub(crate) fn new(map: &ExtensionMap, kind: MediaKind, mid: &str) -> Self {
        let dependency_descriptor_id = match kind {
            MediaKind::Audio => None,
            MediaKind::Video => map.id(HeaderExtension::DependencyDescriptor),
        };
        let fits = HeaderExtension::ALL
            .into_iter()
            .all(|extension| map.id(extension).is_none_or(|id| id <= MAX_ONE_BYTE_ID))
            && mid.len() <= MAX_ONE_BYTE_VALUE;
        let two_byte = Block::render(Form::TwoByte, map, kind, mid);
        let plain = if fits { Block::render(Form::OneByte, map, kind, mid) } else { two_byte.clone() };
        Self { plain, two_byte, dependency_descriptor_id }
    }

    /// Bytes of the header of a packet without a dependency descriptor; the same for every such packet.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        FIXED_HEADER_LEN + self.plain.bytes.len()
    }

    /// Appends a header. The payload follows it, then [`pad`](crate::rtp::padding::pad) where wanted.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        fixed: FixedHeader,
        copied: &CopiedExtensions<'_>,
    ) -> WrittenHeader {
        let start = out.len();
        let descriptor = self
            .dependency_descriptor_id
            .zip(copied.dependency_descriptor)
            .filter(|(_, descriptor)| u8::try_from(descriptor.len()).is_ok());
        let block = match descriptor {
            Some((_, value)) if !(1..=MAX_ONE_BYTE_VALUE).contains(&value.len()) => &self.two_byte,
            Some(_) | None => &self.plain,
        };
        let has_extensions = !block.bytes.is_empty() || descriptor.is_some();
        out.extend_from_slice(&fixed.to_bytes(has_extensions));
        let block_start = out.len();
        match descriptor {
            None => out.extend_from_slice(&block.bytes),
            Some((id, value)) => block.write_with(out, id, value),
        }
        block.set_copied_byte(out, block_start, copied.audio_level.or(copied.video_orientation));
        WrittenHeader {
            len: out.len() - start,
            transport_sequence_at: block.transport_sequence_at.map(|at| block_start + at),
            abs_send_time_at: block.abs_send_time_at.map(|at| block_start + at),
        }
    }
}

impl FixedHeader {
    fn to_bytes(self, has_extensions: bool) -> [u8; FIXED_HEADER_LEN] {
        let mut bytes = [0; FIXED_HEADER_LEN];
        bytes[0] = 0x80 | (u8::from(has_extensions) << 4);
        bytes[1] = (u8::from(self.marker) << 7) | (self.pt.0 & 0x7F);
        bytes[2..4].copy_from_slice(&self.sequence.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
        bytes
    }
}

impl Block {
    fn render(form: Form, map: &ExtensionMap, kind: MediaKind, mid: &str) -> Self {
        let mut block = Self {
            form,
            bytes: form.profile().to_be_bytes().to_vec(),
            used: 0,
            transport_sequence_at: None,
            abs_send_time_at: None,
            copied: None,
        };
        block.bytes.extend([0, 0]);
        if let Some(id) = map.id(HeaderExtension::Mid)
            && !mid.is_empty()
            && mid.len() <= form.max_value()
        {
            block.push(id, mid.as_bytes());
        }
        if let Some(id) = map.id(HeaderExtension::TransportSequence) {
            block.transport_sequence_at = Some(block.push(id, &[0; 2]));
        }
        if let Some(id) = map.id(HeaderExtension::AbsSendTime) {
            block.abs_send_time_at = Some(block.push(id, &[0; 3]));
        }
        let copied = match kind {
            MediaKind::Audio => HeaderExtension::AudioLevel,
            MediaKind::Video => HeaderExtension::VideoOrientation,
        };
        if let Some(id) = map.id(copied) {
            let element_at = block.bytes.len();
            let value_at = block.push(id, &[0]);
            block.copied = Some(CopiedByte { element_at, value_at });
        }
        block.used = block.bytes.len();
        if block.used == BLOCK_HEADER_LEN {
            block.bytes.clear();
        } else {
            close_block(&mut block.bytes, 0);
        }
        block
    }

    /// Appends an element and says where its value lies.
    fn push(&mut self, id: u8, value: &[u8]) -> usize {
        self.form.push_element(&mut self.bytes, id, value)
    }

    fn write_with(&self, out: &mut Vec<u8>, id: u8, value: &[u8]) {
        let block_start = out.len();
        match self.bytes.get(..self.used) {
            Some(used) => out.extend_from_slice(used),
            None => {
                out.extend_from_slice(&self.form.profile().to_be_bytes());
                out.extend([0, 0]);
            }
        }
        self.form.push_element(out, id, value);
        close_block(out, block_start);
    }

    /// Sets the copied element, or turns it into padding of the same size.
    fn set_copied_byte(&self, out: &mut [u8], block_start: usize, value: Option<u8>) {
        let Some(CopiedByte { element_at, value_at }) = self.copied else { return };
        match value {
            Some(value) => out[block_start + value_at] = value,
            None => out[block_start + element_at..=block_start + value_at].fill(0),
        }
    }
}

impl Form {
    const fn profile(self) -> u16 {
        match self {
            Self::OneByte => ONE_BYTE_PROFILE,
            Self::TwoByte => TWO_BYTE_PROFILE,
        }
    }

    const fn max_value(self) -> usize {
        match self {
            Self::OneByte => MAX_ONE_BYTE_VALUE,
            Self::TwoByte => u8::MAX as usize,
        }
    }

    /// Appends an element and says where its value lies. The value fits [`Self::max_value`].
    fn push_element(self, out: &mut Vec<u8>, id: u8, value: &[u8]) -> usize {
        debug_assert!(value.len() <= self.max_value(), "the value fits no element");
        match self {
            Self::OneByte => out.push((id << 4) | (value.len() as u8).wrapping_sub(1) & 0x0F),
            Self::TwoByte => out.extend([id, value.len() as u8]),
        }
        let at = out.len();
        out.extend_from_slice(value);
        at
    }
}

/// Pads the block that starts at `block_start` and ends the buffer to whole words and sets its length.
fn close_block(out: &mut Vec<u8>, block_start: usize) {
    let len = (out.len() - block_start).next_multiple_of(4);
    out.resize(block_start + len, 0);
    let words = ((len - BLOCK_HEADER_LEN) / 4) as u16;
    out[block_start + 2..block_start + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::extension_map::ExtensionValues;
    use crate::rtp::header::RtpHeader;
    use crate::rtp::payload_type::Pt;
    use crate::rtp::sequence::SeqNo;
    use crate::rtp::ssrc::Ssrc;

    const FIXED: FixedHeader =
        FixedHeader { pt: Pt(96), marker: true, sequence: SeqNo(7), timestamp: 9, ssrc: Ssrc(0xABCD) };

    fn map(first_id: u8) -> ExtensionMap {
        HeaderExtension::ALL.into_iter().zip(first_id..).collect()
    }

    /// Writes a header with the late fields filled in behind some other bytes, and reads it back.
    fn round_trip(map: &ExtensionMap, kind: MediaKind, copied: &CopiedExtensions<'_>) -> Vec<u8> {
        let mut out = vec![0xEE; 5];
        let written = HeaderTemplate::new(map, kind, "7").write(&mut out, FIXED, copied);
        written.set_transport_sequence(&mut out, 0x1234);
        written.set_abs_send_time(&mut out, Duration::from_millis(1_500));
        assert_eq!(written.len, out.len() - 5);
        out.extend(b"payload");
        out.split_off(5)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = [9; 40];
        for (first_id, descriptor) in [(1, None), (1, Some(&long[..3])), (1, Some(&long[..])), (17, None)] {
            let map = map(first_id);
            let copied = CopiedExtensions {
                video_orientation: Some(1),
                dependency_descriptor: descriptor,
                ..CopiedExtensions::default()
            };
            let packet = round_trip(&map, MediaKind::Video, &copied);
            let header = RtpHeader::parse(&packet).expect("well formed");
            assert_eq!((FixedHeader::parse(&packet), header.payload()), (Ok(FIXED), &b"payload"[..]));
            let expected = ExtensionValues {
                mid: Some(b"7"),
                transport_sequence: Some(0x1234),
                abs_send_time: Some(3 << 17),
                video_orientation: Some(1),
                dependency_descriptor: descriptor,
                ..ExtensionValues::default()
            };
            assert_eq!(ExtensionValues::read(&header, &map), expected);
        }
    }

    #[test]
    fn absent_values_leave_the_size_as_it_is() {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let all = CopiedExtensions {
                audio_level: (kind == MediaKind::Audio).then_some(0x80),
                video_orientation: (kind == MediaKind::Video).then_some(0),
                dependency_descriptor: None,
            };
            let full = round_trip(&map(1), kind, &all);
            let bare = round_trip(&map(1), kind, &CopiedExtensions::default());
            assert_eq!(full.len(), bare.len());
            assert_eq!(full.len(), HeaderTemplate::new(&map(1), kind, "7").len() + b"payload".len());
            let header = RtpHeader::parse(&bare).expect("well formed");
            let values = ExtensionValues::read(&header, &map(1));
            assert_eq!((values.audio_level, values.video_orientation), (None, None));
            assert_eq!((values.rid, values.repaired_rid), (None, None));
        }
    }

    #[test]
    fn a_leg_without_extensions_gets_none() {
        let packet = round_trip(&ExtensionMap::default(), MediaKind::Video, &CopiedExtensions::default());
        assert_eq!((packet[0], packet.len()), (0x80, 12 + b"payload".len()));
    }
}
