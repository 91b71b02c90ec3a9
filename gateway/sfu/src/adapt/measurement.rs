//! What the media plane measures and the decisions rest on, as plain values.

use std::time::Duration;

use protocol::units::Bitrate;

/// Temporal layers of an encoding: a quarter, half and all of the frame rate.
pub const TEMPORAL_LAYERS: usize = 3;

/// A measurement of the link toward one subscriber.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Downlink {
    /// The send-side estimate.
    pub estimate: Bitrate,
    /// What the subscriber acknowledged of late; zero while unknown.
    pub acknowledged: Bitrate,
    /// The round trip.
    pub rtt: Duration,
    /// Lost packets over sent ones, without those of probes and retransmissions.
    pub loss: f64,
    /// Variation of the one-way delay.
    pub jitter: Duration,
    /// Delay above the base: what stands in queues.
    pub queue_delay: Duration,
    /// What the estimator makes of it.
    pub state: DownlinkState,
}

/// What the congestion estimator makes of a downlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DownlinkState {
    /// No feedback yet: the estimate is a prior.
    Starting,
    /// The link carries what is sent.
    Steady,
    /// Queues grow or packets are lost for lack of room.
    Congested,
    /// Feedback has stopped.
    Silent,
}

/// A measurement of the link from one publisher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uplink {
    /// What arrives.
    pub rate: Bitrate,
    /// Lost packets over expected ones, before repair.
    pub loss: f64,
    /// Interarrival jitter, RFC 3550 §6.4.1.
    pub jitter: Duration,
    /// The round trip, once known.
    pub rtt: Option<Duration>,
}

/// Whether anything comes from a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hearing {
    /// It does.
    Heard,
    /// Nothing has for a while; it may come back.
    Silent,
}

/// A measurement of one encoding as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LayerMeasure {
    /// Packets arrive.
    pub alive: bool,
    /// They arrive, but with holes that are not repaired: the uplink carries less than what is sent.
    pub stalled: bool,
    /// Lines of the picture as `Rung` counts them, once a key frame has told: its shorter side, so that a
    /// phone held upright sends no more lines than one held sideways.
    pub height: Option<u16>,
    /// Rate up to and including each temporal layer; without temporal layers all three are equal.
    pub cumulative: [Bitrate; TEMPORAL_LAYERS],
    /// How many temporal layers there are; 0 and 1 mean that the stream has none.
    pub temporal_layers: u8,
    /// Frames per second of all temporal layers together; zero while unknown.
    pub frame_rate: f64,
}
