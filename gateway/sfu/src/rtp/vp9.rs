//! The payload descriptor of VP9 (RFC 9628 §4.2), in flexible and non-flexible mode.

use crate::limits::MAX_ENCODINGS;
use crate::rtp::layer_info::{
    BaseLayerIndex, DescriptorError, LayerInfo, PayloadReader, Resolution, SpatialFrame, SpatialSet,
    SpatialStructure,
};

const HAS_PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const START_OF_FRAME: u8 = 0x08;
const END_OF_FRAME: u8 = 0x04;
const HAS_SCALABILITY: u8 = 0x02;
const NO_UPPER_REFERENCE: u8 = 0x01;
const SWITCH_POINT: u8 = 0x10;
const HAS_SIZES: u8 = 0x10;
const MORE_REFERENCES: u8 = 0x01;

/// A picture refers to at most three others (RFC 9628 §4.2).
const MAX_REFERENCES: usize = 3;

/// Reads the descriptor of a packet. Frames here are layer frames: one per spatial layer of a picture.
///
/// # Errors
///
/// [`DescriptorError`] where the payload ends too early or refers to too many pictures.
pub(crate) fn parse(payload: &[u8]) -> Result<LayerInfo, DescriptorError> {
    let mut reader = PayloadReader::new(payload);
    let first = reader.byte()?;
    let mut info = LayerInfo {
        frame_start: first & START_OF_FRAME != 0,
        frame_end: first & END_OF_FRAME != 0,
        ..LayerInfo::default()
    };
    if first & HAS_PICTURE_ID != 0 {
        info.picture.id = Some(reader.picture_id()?);
    }
    if first & HAS_LAYERS != 0 {
        let layers = reader.byte()?;
        info.temporal = Some(layers >> 5);
        let id = layers >> 1 & 0x07;
        let is_needed_above = first & NO_UPPER_REFERENCE == 0;
        let needed_by = if is_needed_above { SpatialSet::from(id) } else { SpatialSet::only(id) };
        info.spatial = Some(SpatialFrame { id, needed_by, top: id });
        info.opens_upper = layers & SWITCH_POINT != 0;
        if first & FLEXIBLE == 0 {
            let at = reader.position();
            info.picture.base_layer_index = Some(BaseLayerIndex { value: reader.byte()?, at });
        }
    }
    if first & FLEXIBLE != 0 && first & INTER_PREDICTED != 0 {
        skip_references(&mut reader)?;
    }
    if first & HAS_SCALABILITY != 0 {
        let structure = scalability(&mut reader)?;
        info.resolution = structure.sizes.iter().rev().find_map(|size| *size);
        info.structure = Some(structure);
    }
    info.key_frame = info.frame_start
        && first & INTER_PREDICTED == 0
        && info.spatial.is_none_or(|spatial| spatial.id == 0);
    info.layer_sync = info.key_frame;
    info.opens_upper |= info.key_frame;
    Ok(info)
}

fn skip_references(reader: &mut PayloadReader<'_>) -> Result<(), DescriptorError> {
    for _ in 0..MAX_REFERENCES {
        if reader.byte()? & MORE_REFERENCES == 0 {
            return Ok(());
        }
    }
    Err(DescriptorError)
}

/// Reads the scalability structure as far as the sizes of its spatial layers.
fn scalability(reader: &mut PayloadReader<'_>) -> Result<SpatialStructure, DescriptorError> {
    let head = reader.byte()?;
    let top = head >> 5;
    let mut sizes = [None; MAX_ENCODINGS];
    if head & HAS_SIZES != 0 {
        for layer in 0..=top {
            let width = u16::from_be_bytes([reader.byte()?, reader.byte()?]);
            let height = u16::from_be_bytes([reader.byte()?, reader.byte()?]);
            if let Some(size) = sizes.get_mut(usize::from(layer)) {
                *size = Some(Resolution { width, height });
            }
        }
    }
    Ok(SpatialStructure { top, sizes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::layer_info::{PictureFields, PictureId, PictureIdWidth};

    fn long_id(value: u16) -> PictureId {
        PictureId { value, width: PictureIdWidth::Long, at: 1 }
    }

    fn frame(id: u8, needed_by: SpatialSet) -> SpatialFrame {
        SpatialFrame { id, needed_by, top: id }
    }

    #[test]
    fn a_structure_says_the_size_of_each_layer() {
        // L, V; T0 S0 of a key picture; three layers, the smallest 320x180.
        let mut payload = vec![0x2A, 0x00, 0x00, 0x50];
        for lines in [180_u16, 360, 720] {
            payload.extend((lines / 9 * 16).to_be_bytes());
            payload.extend(lines.to_be_bytes());
        }
        let structure = parse(&payload).expect("well formed").structure.expect("a structure");
        assert_eq!(structure.top, 2);
        assert_eq!(structure.sizes.map(|size| size.map(|size| size.height)), [180, 360, 720].map(Some));
        payload.pop();
        assert_eq!(parse(&payload), Err(DescriptorError));
    }

    #[test]
    fn a_non_flexible_key_frame_with_its_sizes() {
        // I, L, B, V; T0 S0; TL0PICIDX 7; one spatial layer of 320x180 with its size.
        let payload = [0xAA, 0x81, 0x02, 0x00, 7, 0x10, 0x01, 0x40, 0x00, 0xB4];
        let expected = LayerInfo {
            key_frame: true,
            frame_start: true,
            temporal: Some(0),
            spatial: Some(frame(0, SpatialSet::ALL)),
            layer_sync: true,
            opens_upper: true,
            resolution: Some(Resolution { width: 320, height: 180 }),
            structure: Some(SpatialStructure {
                top: 0,
                sizes: [Some(Resolution { width: 320, height: 180 }), None, None],
            }),
            picture: PictureFields {
                id: Some(long_id(0x102)),
                base_layer_index: Some(BaseLayerIndex { value: 7, at: 4 }),
            },
            ..LayerInfo::default()
        };
        assert_eq!(parse(&payload), Ok(expected));
    }

    #[test]
    fn descriptors_by_example() {
        let plain = LayerInfo::default();
        let table: [(&[u8], LayerInfo); 4] = [
            // Flexible, inter-predicted from two pictures, T2 S1, a switch point, ends its frame.
            (
                &[0xF4, 0x81, 0x02, 0x53, 0x03, 0x04],
                LayerInfo {
                    frame_end: true,
                    temporal: Some(2),
                    spatial: Some(frame(1, SpatialSet::from(1))),
                    opens_upper: true,
                    picture: PictureFields { id: Some(long_id(0x102)), base_layer_index: None },
                    ..plain
                },
            ),
            // The upper spatial layer of a key picture is no place to start.
            (
                &[0x39, 0x02],
                LayerInfo {
                    frame_start: true,
                    temporal: Some(0),
                    spatial: Some(frame(1, SpatialSet::only(1))),
                    ..plain
                },
            ),
            (&[0x48], LayerInfo { frame_start: true, ..plain }),
            (
                &[0x08],
                LayerInfo {
                    frame_start: true,
                    key_frame: true,
                    layer_sync: true,
                    opens_upper: true,
                    ..plain
                },
            ),
        ];
        for (payload, expected) in table {
            assert_eq!(parse(payload), Ok(expected), "{payload:02x?}");
        }
    }

    #[test]
    fn cut_descriptors_are_errors() {
        for payload in [&[][..], &[0x80], &[0x20], &[0x20, 0], &[0x50, 1, 1, 1], &[0x02, 0x30, 1, 2, 3]] {
            assert_eq!(parse(payload), Err(DescriptorError), "{payload:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_positions_within_the_payload(
            payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            if let Ok(info) = parse(&payload) {
                prop_assert!(info.picture.id.is_none_or(|id| id.at < payload.len()));
                prop_assert!(info.picture.base_layer_index.is_none_or(|index| index.at < payload.len()));
            }
        }
    }
}
