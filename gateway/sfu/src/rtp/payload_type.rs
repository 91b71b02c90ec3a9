//! The payload type of a packet (RFC 3550 §5.1), seven bits whose meaning the SDP gives.

/// Says which codec, or which repair, a packet carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Pt(pub(crate) u8);
