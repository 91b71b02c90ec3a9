//! The synchronization source of a stream (RFC 3550 §5.1).

use std::fmt;

/// Names one stream of packets within a transport.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ssrc(pub(crate) u32);

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ssrc:{:08x}", self.0)
    }
}
