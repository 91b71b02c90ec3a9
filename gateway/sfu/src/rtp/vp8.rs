//! The payload descriptor of VP8 (RFC 7741 §4.2), and the start of its key frames (RFC 6386 §9.1).

use crate::rtp::layer_info::{BaseLayerIndex, DescriptorError, LayerInfo, PayloadReader, Resolution};

const EXTENDED: u8 = 0x80;
const START_OF_PARTITION: u8 = 0x10;
const PARTITION_INDEX: u8 = 0x07;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_BASE_LAYER_INDEX: u8 = 0x40;
const HAS_TEMPORAL_LAYER: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
const LAYER_SYNC: u8 = 0x20;

/// The bytes that begin the picture data of every key frame.
const KEY_FRAME_START_CODE: [u8; 3] = [0x9D, 0x01, 0x2A];

/// Reads the descriptor of a packet whose marker is `marker`.
///
/// # Errors
///
/// [`DescriptorError`] where the payload ends too early.
pub(crate) fn parse(payload: &[u8], marker: bool) -> Result<LayerInfo, DescriptorError> {
    let mut reader = PayloadReader::new(payload);
    let mut info = LayerInfo { frame_end: marker, ..LayerInfo::default() };
    let first = reader.byte()?;
    let extension = if first & EXTENDED == 0 { 0 } else { reader.byte()? };
    if extension & HAS_PICTURE_ID != 0 {
        info.picture.id = Some(reader.picture_id()?);
    }
    if extension & HAS_BASE_LAYER_INDEX != 0 {
        let at = reader.position();
        info.picture.base_layer_index = Some(BaseLayerIndex { value: reader.byte()?, at });
    }
    if extension & (HAS_TEMPORAL_LAYER | HAS_KEY_INDEX) != 0 {
        let layers = reader.byte()?;
        if extension & HAS_TEMPORAL_LAYER != 0 {
            info.temporal = Some(layers >> 6);
            info.layer_sync = layers & LAYER_SYNC != 0;
        }
    }
    info.frame_start = first & START_OF_PARTITION != 0 && first & PARTITION_INDEX == 0;
    if info.frame_start {
        let frame_tag = *reader.rest().first().ok_or(DescriptorError)?;
        info.key_frame = frame_tag & 0x01 == 0;
        info.resolution = info.key_frame.then(|| resolution(reader.rest())).flatten();
        info.layer_sync |= info.key_frame;
    }
    Ok(info)
}

fn resolution(frame: &[u8]) -> Option<Resolution> {
    let &[_, _, _, c0, c1, c2, w0, w1, h0, h1] = frame.first_chunk()?;
    if [c0, c1, c2] != KEY_FRAME_START_CODE {
        return None;
    }
    // The two bits on top scale the picture for display.
    let pixels = |low, high| u16::from_le_bytes([low, high]) & 0x3FFF;
    Some(Resolution { width: pixels(w0, w1), height: pixels(h0, h1) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::layer_info::{PictureFields, PictureId, PictureIdWidth};

    const KEY_FRAME_640_360: [u8; 10] = [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0x68, 0x01];

    #[test]
    fn a_key_frame_says_its_size() {
        let mut payload = vec![0x90, 0xE0, 0x81, 0x02, 9, 0x20];
        payload.extend(KEY_FRAME_640_360);
        let expected = LayerInfo {
            key_frame: true,
            frame_start: true,
            temporal: Some(0),
            layer_sync: true,
            resolution: Some(Resolution { width: 640, height: 360 }),
            picture: PictureFields {
                id: Some(PictureId { value: 0x102, width: PictureIdWidth::Long, at: 2 }),
                base_layer_index: Some(BaseLayerIndex { value: 9, at: 4 }),
            },
            ..LayerInfo::default()
        };
        assert_eq!(parse(&payload, false), Ok(expected));
    }

    #[test]
    fn descriptors_by_example() {
        let plain = LayerInfo::default();
        let short_id = PictureFields {
            id: Some(PictureId { value: 5, width: PictureIdWidth::Short, at: 2 }),
            base_layer_index: None,
        };
        let table: [(&[u8], LayerInfo); 5] = [
            (&[0x10, 0x01], LayerInfo { frame_start: true, ..plain }),
            (&[0x00, 0x00], plain),
            (&[0x11, 0x00], plain),
            (&[0x80, 0x80, 5, 0xFF], LayerInfo { picture: short_id, ..plain }),
            (&[0x80, 0x20, 0xA0, 0xFF], LayerInfo { temporal: Some(2), layer_sync: true, ..plain }),
        ];
        for (payload, expected) in table {
            assert_eq!(parse(payload, false), Ok(expected), "{payload:02x?}");
            assert_eq!(parse(payload, true), Ok(LayerInfo { frame_end: true, ..expected }));
        }
    }

    #[test]
    fn rewritten_numbers_are_read_back_in_their_width() {
        let table: [(&[u8], u16, u8); 2] =
            [(&[0x80, 0xC0, 0x85, 0x06, 9, 0xFF], 0x7FFF, 0), (&[0x80, 0xC0, 0x05, 9, 0xFF], 0x7F, 255)];
        for (payload, picture_id, base_layer_index) in table {
            let before = parse(payload, false).expect("well formed");
            let mut payload = payload.to_vec();
            before.picture.write(&mut payload, 0x7FFF, base_layer_index);
            let after = parse(&payload, false).expect("well formed");
            assert_eq!(after.picture.id.map(|id| id.value), Some(picture_id));
            assert_eq!(after.picture.id.map(|id| id.width), before.picture.id.map(|id| id.width));
            assert_eq!(after.picture.base_layer_index.map(|index| index.value), Some(base_layer_index));
            assert_eq!(payload.last(), Some(&0xFF));
        }
    }

    #[test]
    fn cut_descriptors_are_errors() {
        for payload in [&[][..], &[0x80], &[0x90, 0x80], &[0x90, 0x80, 0x81], &[0x80, 0x40], &[0x10]] {
            assert_eq!(parse(payload, false), Err(DescriptorError), "{payload:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_positions_within_the_payload(
            payload in proptest::collection::vec(any::<u8>(), 0..24), marker: bool,
        ) {
            if let Ok(info) = parse(&payload, marker) {
                prop_assert!(info.picture.id.is_none_or(|id| id.at < payload.len()));
                prop_assert!(info.picture.base_layer_index.is_none_or(|index| index.at < payload.len()));
            }
        }
    }
}
