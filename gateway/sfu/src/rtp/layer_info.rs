//! What a payload descriptor says about the frame that a packet belongs to.

use crate::limits::MAX_ENCODINGS;

/// The place of a packet in its frame, and of the frame among the layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LayerInfo {
    /// A decoder can start here: this packet begins a key frame (or, with H.264, carries part of its start).
    pub(crate) key_frame: bool,
    /// The packet begins a frame of its layer.
    pub(crate) frame_start: bool,
    /// The packet ends a frame of its layer.
    pub(crate) frame_end: bool,
    /// The temporal layer, where the codec says one.
    pub(crate) temporal: Option<u8>,
    /// Its place among the spatial layers of the stream, where the codec says one.
    pub(crate) spatial: Option<SpatialFrame>,
    /// With this frame its temporal layer may be taken up: it needs only lower ones.
    pub(crate) layer_sync: bool,
    /// Behind this frame every higher temporal layer may be taken up: they need nothing before it but lower ones.
    pub(crate) opens_upper: bool,
    /// The picture size, where the packet says it; that of the largest spatial layer.
    pub(crate) resolution: Option<Resolution>,
    /// The spatial layers of the stream from here on, where the packet says it.
    pub(crate) structure: Option<SpatialStructure>,
    /// Fields that a forwarder must keep continuous.
    pub(crate) picture: PictureFields,
}

/// A frame of one spatial layer; the frames of one picture share their timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpatialFrame {
    /// The spatial layer, the smallest first.
    pub(crate) id: u8,
    /// Who receives up to one of these spatial layers needs it.
    pub(crate) needed_by: SpatialSet,
    /// The highest spatial layer of the stream, as far as is known.
    pub(crate) top: u8,
}

/// A set of spatial layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SpatialSet(u8);

impl SpatialSet {
    /// Every layer.
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// One layer alone.
    pub(crate) const fn only(id: u8) -> Self {
        Self(if id < 8 { 1 << id } else { 0 })
    }

    /// A layer and all above it.
    pub(crate) const fn from(id: u8) -> Self {
        Self(if id < 8 { u8::MAX << id } else { 0 })
    }

    /// The layers of both.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The layers of this one that are not in the other.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn contains(self, id: u8) -> bool {
        id < 8 && self.0 & 1 << id != 0
    }
}

/// The spatial layers of a stream, as far as the gateway tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpatialStructure {
    /// The highest layer.
    pub(crate) top: u8,
    /// The sizes of the layers, where they are said.
    pub(crate) sizes: [Option<Resolution>; MAX_ENCODINGS],
}

/// A picture size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// Pixels from left to right.
    pub(crate) width: u16,
    /// Pixels from top to bottom.
    pub(crate) height: u16,
}

/// The numbering of pictures in a VP8 or VP9 descriptor, and where in the payload it lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PictureFields {
    /// The picture id.
    pub(crate) id: Option<PictureId>,
    /// The index of the base layer frame that this frame builds on.
    pub(crate) base_layer_index: Option<BaseLayerIndex>,
}

impl PictureFields {
    /// Puts other numbers into the copy of a payload, as wide as those that are there.
    pub(crate) fn write(&self, payload: &mut [u8], id: u16, base_layer_index: u8) {
        if let Some(PictureId { width, at, .. }) = self.id {
            match width {
                PictureIdWidth::Short => {
                    if let Some(byte) = payload.get_mut(at) {
                        *byte = (id & 0x7F) as u8;
                    }
                }
                PictureIdWidth::Long => {
                    if let Some(bytes) = payload.get_mut(at..at + 2) {
                        bytes.copy_from_slice(&(0x8000 | id).to_be_bytes());
                    }
                }
            }
        }
        if let Some(index) = self.base_layer_index
            && let Some(byte) = payload.get_mut(index.at)
        {
            *byte = base_layer_index;
        }
    }
}

/// A picture id of 7 or 15 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureId {
    /// Its value.
    pub(crate) value: u16,
    /// How many bits it has.
    pub(crate) width: PictureIdWidth,
    /// Where it lies in the payload.
    pub(crate) at: usize,
}

/// The bits of a picture id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureIdWidth {
    /// Seven, in one byte.
    Short,
    /// Fifteen, in two bytes.
    Long,
}

/// TL0PICIDX of VP8 and VP9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BaseLayerIndex {
    /// Its value.
    pub(crate) value: u8,
    /// Where it lies in the payload.
    pub(crate) at: usize,
}

/// A payload that ends before its descriptor does, or contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("payload descriptor is malformed")]
pub(crate) struct DescriptorError;

/// Reads a payload from its front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadReader<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> PayloadReader<'a> {
    pub(crate) const fn new(payload: &'a [u8]) -> Self {
        Self { payload, at: 0 }
    }

    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DescriptorError> {
        let byte = *self.payload.get(self.at).ok_or(DescriptorError)?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.payload.get(self.at..).unwrap_or_default()
    }

    /// A picture id of one or two bytes; the top bit of the first says which.
    pub(crate) fn picture_id(&mut self) -> Result<PictureId, DescriptorError> {
        let at = self.at;
        let first = self.byte()?;
        if first & 0x80 == 0 {
            return Ok(PictureId { value: u16::from(first), width: PictureIdWidth::Short, at });
        }
        let value = u16::from_be_bytes([first & 0x7F, self.byte()?]);
        Ok(PictureId { value, width: PictureIdWidth::Long, at })
    }
}
