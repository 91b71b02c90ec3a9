//! How fast and how bursty a pacer may send: what congestion control tells it.

use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};

/// The rule of a [`Pacer`](super::Pacer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The rate of everything but audio, which is counted against it and never waits.
    pub rate: Bitrate,
    /// What may leave back to back after a pause.
    pub burst: DataSize,
    /// The share of the rate that may be spent on sending packets again.
    pub retransmission: Bitrate,
    /// Nothing but audio leaves before this: a queue has to drain that voice waits in, too.
    pub hold: Option<Instant>,
    /// The smoothed round trip, the queue included: a packet is not sent again before it has passed.
    pub round_trip: Duration,
}
