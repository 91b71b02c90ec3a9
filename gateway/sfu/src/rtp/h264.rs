//! The payload of H.264 (RFC 6184 §5.2): where key frames begin. It says nothing of layers.

use crate::rtp::layer_info::{DescriptorError, LayerInfo};

const NAL_TYPE: u8 = 0x1F;
const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;

/// Reads the payload of a packet whose marker is `marker`. Key frames are recognized by what precedes the
/// picture: sequence parameters, or the first fragment of an IDR slice.
///
/// # Errors
///
/// [`DescriptorError`] where the payload ends too early.
pub(crate) fn parse(payload: &[u8], marker: bool) -> Result<LayerInfo, DescriptorError> {
    let (&head, rest) = payload.split_first().ok_or(DescriptorError)?;
    let mut info = LayerInfo { frame_end: marker, ..LayerInfo::default() };
    match head & NAL_TYPE {
        STAP_A => {
            for nal in AggregatedNals(rest) {
                let (starts_key_frame, first_slice) = inspect(nal?);
                info.key_frame |= starts_key_frame;
                info.frame_start |= starts_key_frame || first_slice;
            }
        }
        FU_A => {
            let (&fragment, slice) = rest.split_first().ok_or(DescriptorError)?;
            if fragment & FU_START != 0 {
                info.key_frame = is_key_frame_part(fragment & NAL_TYPE);
                info.frame_start = info.key_frame || begins_picture(fragment & NAL_TYPE, slice);
            }
        }
        _ => {
            (info.key_frame, info.frame_start) = {
                let (starts_key_frame, first_slice) = inspect(payload);
                (starts_key_frame, starts_key_frame || first_slice)
            }
        }
    }
    info.layer_sync = info.key_frame;
    Ok(info)
}

/// Whether a NAL unit belongs to the start of a key frame, and whether it is the first slice of a picture.
fn inspect(nal: &[u8]) -> (bool, bool) {
    let Some((&head, slice)) = nal.split_first() else { return (false, false) };
    (is_key_frame_part(head & NAL_TYPE), begins_picture(head & NAL_TYPE, slice))
}

const fn is_key_frame_part(nal_type: u8) -> bool {
    matches!(nal_type, IDR_SLICE | SEQUENCE_PARAMETERS)
}

/// The first macroblock is number 0, which Exp-Golomb coding writes as a single 1 bit.
fn begins_picture(nal_type: u8, slice: &[u8]) -> bool {
    matches!(nal_type, SLICE | IDR_SLICE) && slice.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// The NAL units of a STAP-A, each behind its length (RFC 6184 §5.7.1).
struct AggregatedNals<'a>(&'a [u8]);

impl<'a> Iterator for AggregatedNals<'a> {
    type Item = Result<&'a [u8], DescriptorError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = self
            .0
            .split_first_chunk()
            .and_then(|(&len, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(len))));
        let Some((nal, rest)) = split else {
            self.0 = &[];
            return Some(Err(DescriptorError));
        };
        self.0 = rest;
        Some(Ok(nal))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_frames_in_every_packetization() {
        let table: [(&str, &[u8], bool, bool); 10] = [
            ("IDR slice", &[0x65, 0x88], true, true),
            ("slice", &[0x41, 0x9A], false, true),
            ("later slice", &[0x41, 0x40], false, false),
            ("sequence parameters", &[0x67, 0x42], true, true),
            ("picture parameters", &[0x68, 0xCE], false, false),
            ("STAP-A of parameters and IDR", &[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x65, 0x88], true, true),
            ("STAP-A of SEI and slice", &[0x78, 0, 1, 0x06, 0, 2, 0x41, 0x9A], false, true),
            ("FU-A start of IDR", &[0x7C, 0x85, 0x88], true, true),
            ("FU-A middle of IDR", &[0x7C, 0x05, 0x88], false, false),
            ("FU-A start of slice", &[0x5C, 0x81, 0x9A], false, true),
        ];
        for (name, payload, key_frame, frame_start) in table {
            let expected = LayerInfo {
                key_frame,
                frame_start,
                layer_sync: key_frame,
                frame_end: true,
                ..LayerInfo::default()
            };
            assert_eq!(parse(payload, true), Ok(expected), "{name}");
        }
    }

    #[test]
    fn cut_payloads_are_errors() {
        for payload in [&[][..], &[0x78, 0], &[0x78, 0, 3, 0x67, 0x42], &[0x7C]] {
            assert_eq!(parse(payload, false), Err(DescriptorError), "{payload:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(payload in proptest::collection::vec(any::<u8>(), 0..64), marker: bool) {
            if let Ok(info) = parse(&payload, marker) {
                prop_assert!(!info.key_frame || info.frame_start);
            }
        }
    }
}
