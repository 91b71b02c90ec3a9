//! The aggregation header of AV1 (AV1 RTP specification §4.4), as far as key frames go. Layers are told by the
//! dependency descriptor.

use crate::rtp::layer_info::{DescriptorError, LayerInfo};

const CONTINUES_OBU: u8 = 0x80;
const STARTS_CODED_VIDEO_SEQUENCE: u8 = 0x08;

/// Reads the aggregation header of a packet whose marker is `marker`.
///
/// # Errors
///
/// [`DescriptorError`] where there is none.
pub(crate) fn parse(payload: &[u8], marker: bool) -> Result<LayerInfo, DescriptorError> {
    let head = *payload.first().ok_or(DescriptorError)?;
    // The N bit: the first packet of a coded video sequence, which begins with a sequence header and a key frame.
    // Elsewhere the header does not say where a frame starts.
    let key_frame = head & STARTS_CODED_VIDEO_SEQUENCE != 0 && head & CONTINUES_OBU == 0;
    Ok(LayerInfo {
        key_frame,
        frame_start: key_frame,
        frame_end: marker,
        layer_sync: key_frame,
        ..LayerInfo::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_video_sequence_starts_with_a_key_frame() {
        for (head, key_frame) in [(0x18, true), (0x10, false), (0x98, false), (0x50, false)] {
            let info = parse(&[head, 0x0A], true).expect("well formed");
            assert_eq!((info.key_frame, info.frame_start), (key_frame, key_frame), "{head:02x}");
            assert!(info.frame_end);
        }
        assert_eq!(parse(&[], false), Err(DescriptorError));
    }
}
