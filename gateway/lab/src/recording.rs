//! What happened in a call, as series over time: raw material of every figure. Times count from the
//! beginning of the run.

use std::time::Duration;

use protocol::network_class::NetworkClass;
use protocol::quality::HdReason;
use protocol::units::{Bitrate, DataSize};

/// How often links are looked at.
pub const STEP: Duration = Duration::from_millis(50);

/// A participant's links at one instant. Sizes and counts grow from the beginning on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkSample {
    /// The instant.
    pub at: Duration,
    /// What its downlink carries from now on; that of the shared link where it is behind one.
    pub capacity: Bitrate,
    /// How many share that link at this moment, watchers and TCP transfers.
    pub sharers: u32,
    /// What the gateway has sent to it, IP and UDP headers included.
    pub offered: DataSize,
    /// What the gateway has sent to all who share the link it is behind; TCP transfers are not its doing.
    pub offered_by_all: DataSize,
    /// Packets that were brought to that link, and those that its queue refused.
    pub packets: u64,
    /// Packets that its queue refused.
    pub dropped: u64,
    /// How long a packet would wait in its queue; `None` while it would wait for ever.
    pub queue: Option<Duration>,
    /// What a packet takes from the gateway besides waiting.
    pub delay: Duration,
    /// What the gateway believes the downlink carries.
    pub estimate: Option<Bitrate>,
    /// What its uplink carries from now on.
    pub uplink_capacity: Bitrate,
    /// How long a packet would wait in the queue of its uplink.
    pub uplink_queue: Option<Duration>,
    /// What a packet takes to the gateway besides waiting.
    pub uplink_delay: Duration,
    /// The network that it is on.
    pub network: NetworkClass,
    /// What the gateway takes its network for.
    pub class: NetworkClass,
}

impl LinkSample {
    /// What of the link is this participant's, where all that share it get the same.
    #[must_use]
    pub fn fair_capacity(&self) -> Bitrate {
        Bitrate::bps(self.capacity.as_bps() / u64::from(self.sharers.max(1)))
    }
}

/// A picture that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When.
    pub at: Duration,
    /// Its height.
    pub lines: u16,
}

/// A stretch of voice that was filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When it began.
    pub at: Duration,
    /// How long it lasted.
    pub length: Duration,
}

/// One direction of a pair: what a subscriber saw and heard of a publisher.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Who is seen.
    pub publisher: String,
    /// Who sees.
    pub subscriber: String,
    /// When the later of the two joined.
    pub joined: Duration,
    /// When the run ended.
    pub ended: Duration,
    /// The publisher's links.
    pub publisher_links: Vec<LinkSample>,
    /// The subscriber's links.
    pub subscriber_links: Vec<LinkSample>,
    /// All pictures, in order.
    pub frames: Vec<Frame>,
    /// All gaps of the voice, in order.
    pub gaps: Vec<Gap>,
    /// When the voice was first heard.
    pub first_voice: Option<Duration>,
    /// Each change of HD permission that was told.
    pub permissions: Vec<(Duration, HdReason)>,
    /// Key frames that the subscriber asked for.
    pub key_frame_requests: u32,
}

/// A TCP transfer beside the calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// What had arrived after each step.
    pub delivered: Vec<DataSize>,
}

/// One run of a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Every direction of every pair.
    pub flows: Vec<Flow>,
    /// The TCP transfers.
    pub transfers: Vec<Transfer>,
}

impl Recording {
    /// The flow from one to another.
    #[must_use]
    pub fn flow(&self, publisher: &str, subscriber: &str) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.publisher == publisher && flow.subscriber == subscriber)
    }
}
