//! RTP packets (RFC 3550) as the forwarding path needs them: views over what arrived, templates for what
//! leaves, and what the payload descriptors of the video codecs say about layers.

pub(crate) mod av1;
mod bit_reader;
mod dependency_descriptor;
mod extension_map;
pub(crate) mod h264;
mod header;
mod header_extension;
mod header_template;
mod layer_info;
mod padding;
mod payload_type;
mod sequence;
mod ssrc;
pub(crate) mod vp8;
pub(crate) mod vp9;

pub(crate) use dependency_descriptor::{DependencyStructure, FrameDependency};
pub(crate) use extension_map::{ExtensionMap, ExtensionValues};
pub(crate) use header::{FixedHeader, HeaderError, Prefix, RtpHeader};
pub(crate) use header_extension::HeaderExtension;
pub(crate) use header_template::{CopiedExtensions, HeaderTemplate, WrittenHeader};
pub(crate) use layer_info::{
    DescriptorError, LayerInfo, PictureFields, SpatialFrame, SpatialSet, SpatialStructure,
};
pub(crate) use padding::{MAX_PADDING, pad};
pub(crate) use payload_type::Pt;
pub(crate) use sequence::{SeqNo, Unwrapper};
pub(crate) use ssrc::Ssrc;
