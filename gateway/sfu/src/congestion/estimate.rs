//! What congestion control tells the allocator, and what it wants to hear from it.

use std::time::Duration;

use protocol::units::Bitrate;

/// The verdict on a subscriber's downlink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// What may be sent, retransmissions included.
    pub target: Bitrate,
    /// What the receiver said has arrived, over the last half second.
    pub acknowledged: Option<Bitrate>,
    /// Share of first transmissions that got lost lately.
    pub loss: f64,
    /// The smoothed round trip, the queue included.
    pub rtt: Duration,
    /// The delay above the least one seen on this path, as far as sending less could shorten it: none while
    /// somebody else keeps the queue full.
    pub queue_delay: Duration,
    /// How much the one-way delay changes from one packet to the next.
    pub jitter: Duration,
    /// What the link is doing.
    pub state: LinkState,
}

/// What the link is doing, as far as the sender can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// No feedback has arrived yet.
    Starting,
    /// It carries what is sent.
    Steady,
    /// A queue is building up; the target is below what the link delivers.
    Overusing,
    /// It was overused or silent, and is being measured again.
    Recovering,
    /// Feedback is overdue: the target halves while this lasts.
    FeedbackLate,
    /// Feedback has been missing for a second: no video may leave, and what is queued is worthless.
    FeedbackLost,
}

/// What the allocator spends on the subscriber, and what it would like to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Audio and the lowest picture there is (180 lines at 7.5 frames per second): only a measurement may
    /// push the target below it.
    pub floor: Bitrate,
    /// Everything that is forwarded.
    pub current: Bitrate,
    /// What everything would cost after the next step up; `None` if there is nothing more to want.
    pub next: Option<Bitrate>,
}

impl Default for Demand {
    fn default() -> Self {
        Self { floor: Bitrate::kbps(115), current: Bitrate::ZERO, next: None }
    }
}
