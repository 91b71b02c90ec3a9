//! What a link is like: presets that read well in a test, and a builder that changes one thing at a time.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use crate::{Capacity, Jitter, Loss, QueueLimit};

/// Whether jitter may let a packet overtake another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketOrder {
    /// Packets leave in the order they came.
    #[default]
    Kept,
    /// A packet with a short delay overtakes one with a long delay.
    Free,
}

/// The settings of one direction of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkSettings {
    /// How fast it sends.
    pub capacity: Capacity,
    /// One-way delay apart from queueing and sending.
    pub delay: Duration,
    /// What varies in the delay.
    pub jitter: Jitter,
    /// Whether jitter may change the order.
    pub order: PacketOrder,
    /// Loss on the way in.
    pub loss: Loss,
    /// What the queue holds.
    pub queue: QueueLimit,
}

/// A perfect link: no limit, no delay, no loss.
impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            capacity: Capacity::Unlimited,
            delay: Duration::ZERO,
            jitter: Jitter::None,
            order: PacketOrder::Kept,
            loss: Loss::None,
            queue: QueueLimit::Time(DEFAULT_QUEUE),
        }
    }
}

/// The queue of RFC 8867 §4.2: large enough to show bufferbloat, small enough to show loss.
const DEFAULT_QUEUE: Duration = Duration::from_millis(300);

impl LinkSettings {
    /// Fibre or cable to a near data centre: 100 Mbit/s, 8 ms, nothing lost.
    #[must_use]
    pub fn wired() -> Self {
        Self::default().capacity(Bitrate::mbps(100)).delay(millis(8)).queue(millis(100))
    }

    /// What rivals were measured on: 30 ms, a queue of 250 ms, as much as is said.
    #[must_use]
    pub fn narrow(capacity: impl Into<Capacity>) -> Self {
        Self::default().capacity(capacity).delay(millis(30)).queue(millis(250))
    }

    /// Home Wi-Fi: 40 Mbit/s, 8 ms ± 3 ms, few losses but in bursts, a router's 256 KiB queue.
    #[must_use]
    pub fn wifi() -> Self {
        Self::default()
            .capacity(Bitrate::mbps(40))
            .delay(millis(8))
            .jitter(millis(3))
            .loss(Loss::bursts(0.002, 3.0))
            .queue(DataSize::bytes(256 * 1024))
    }

    /// 5G NR outdoors: 80 Mbit/s, 12 ms ± 3 ms.
    #[must_use]
    pub fn nr5g() -> Self {
        Self::default().capacity(Bitrate::mbps(80)).delay(millis(12)).jitter(millis(3)).queue(millis(250))
    }

    /// LTE with fair coverage: 12 Mbit/s, 25 ms ± 6 ms, losses hidden by the radio's own repeats.
    #[must_use]
    pub fn lte() -> Self {
        Self::default().capacity(Bitrate::mbps(12)).delay(millis(25)).jitter(millis(6)).queue(millis(400))
    }

    /// 3G: 1.5 Mbit/s, 60 ms ± 15 ms, a deep queue.
    #[must_use]
    pub fn umts() -> Self {
        Self::default().capacity(Bitrate::kbps(1_500)).delay(millis(60)).jitter(millis(15)).queue(millis(800))
    }

    /// 2G: 150 kbit/s, 150 ms ± 40 ms, a very deep queue.
    #[must_use]
    pub fn edge() -> Self {
        Self::default()
            .capacity(Bitrate::kbps(150))
            .delay(millis(150))
            .jitter(millis(40))
            .queue(millis(1_500))
    }

    /// The same link at another rate or along a trace.
    #[must_use]
    pub fn capacity(mut self, capacity: impl Into<Capacity>) -> Self {
        self.capacity = capacity.into();
        self
    }

    /// The same link without a limit of its rate.
    #[must_use]
    pub fn unlimited(self) -> Self {
        self.capacity(Capacity::Unlimited)
    }

    /// The same link while it sends nothing.
    #[must_use]
    pub fn outage(self) -> Self {
        self.capacity(Bitrate::ZERO)
    }

    /// The same link with another one-way delay.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same link with another jitter; a bare duration is an even spread.
    #[must_use]
    pub fn jitter(mut self, jitter: impl Into<Jitter>) -> Self {
        self.jitter = jitter.into();
        self
    }

    /// The same link, on which jitter changes the order of packets.
    #[must_use]
    pub fn reordering(mut self) -> Self {
        self.order = PacketOrder::Free;
        self
    }

    /// The same link with another loss; a bare number is the share lost independently.
    #[must_use]
    pub fn loss(mut self, loss: impl Into<Loss>) -> Self {
        self.loss = loss.into();
        self
    }

    /// The same link with another queue; a bare duration or size limits time or bytes.
    #[must_use]
    pub fn queue(mut self, limit: impl Into<QueueLimit>) -> Self {
        self.queue = limit.into();
        self
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
