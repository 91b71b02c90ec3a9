//! The limit of the drop-tail queue in front of the link.

use std::time::Duration;

use protocol::units::DataSize;

/// What the queue holds at most; a packet that finds the queue empty is always taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLimit {
    /// So many bytes, as in a base station or a home router.
    Bytes(DataSize),
    /// A packet that would wait longer than this for its turn is dropped, outages of the trace included.
    Time(Duration),
    /// So many packets.
    Packets(usize),
}

impl From<Duration> for QueueLimit {
    fn from(wait: Duration) -> Self {
        Self::Time(wait)
    }
}

impl From<DataSize> for QueueLimit {
    fn from(size: DataSize) -> Self {
        Self::Bytes(size)
    }
}
