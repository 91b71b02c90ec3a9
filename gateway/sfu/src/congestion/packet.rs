//! The words in which the owner of a transport and its congestion control speak about packets.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

/// What a packet is to the receiver, in order of priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketClass {
    /// Voice: never waits behind anything, never dropped.
    Audio,
    /// A packet sent again.
    Retransmission,
    /// A picture's packet sent for the first time.
    Video,
    /// Bytes without media, sent to measure.
    Padding,
}

impl PacketClass {
    /// Whether the loss of such a packet says anything about the link at the rate of the media: repairs
    /// and padding are extra load of our own making.
    #[must_use]
    pub(crate) const fn is_first_transmission(self) -> bool {
        match self {
            Self::Audio | Self::Video => true,
            Self::Retransmission | Self::Padding => false,
        }
    }
}

/// Names one probe cluster of one controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub(crate) u32);

/// A run of packets sent at a rate above the current one, to see whether they arrive at that rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeCluster {
    /// Its name, to be passed on with every packet of the cluster.
    pub id: ProbeId,
    /// The rate to send at.
    pub rate: Bitrate,
    /// The bytes to send at least.
    pub size: DataSize,
    /// The packets to send at least.
    pub packets: u32,
}

/// A packet that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentPacket {
    /// What it is.
    pub class: PacketClass,
    /// Bytes on the wire.
    pub size: DataSize,
    /// The probe cluster that it left with.
    pub probe: Option<ProbeId>,
}

/// What one transport-wide feedback says of one packet (draft-holmer-rmcat-transport-wide-cc-extensions-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketStatus {
    /// The transport-wide sequence number.
    pub sequence: u16,
    /// When it arrived, on the receiver's clock since a constant epoch of its choice; `None` if it has not.
    pub arrival: Option<Duration>,
}
