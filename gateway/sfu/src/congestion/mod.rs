//! Send-side congestion control toward one subscriber, pure and on virtual time.
//!
//! ```text
//!   forward ──► Pacer ──Release──► owner ──handle_sent──► CongestionController ◄── TWCC, receiver reports
//!                 ▲                 │ (numbers, seals, sends)      │
//!                 │                 ▼                              ├─ estimate()     ─► adapt
//!                 │               socket                           ├─ pace()         ─► Pacer::set_pace
//!                 └────────────── start_probe ◄────────────────────┴─ poll_probe()
//! ```
//!
//! The owner of a subscriber's transport holds one [`CongestionController`] and one [`Pacer`]:
//!
//! 1. A packet to forward goes into [`Pacer::enqueue`]; [`Pacer::poll`] gives it back when it may leave,
//!    in the common case at once.
//! 2. Each [`Release`] is announced with [`CongestionController::handle_sent`], whose answer is the
//!    transport-wide sequence number to write into it. Numbers are given at release, so whatever the pacer
//!    drops leaves no gap.
//! 3. Each transport-wide feedback goes into [`CongestionController::handle_feedback`]. After it, and after
//!    [`CongestionController::handle_timeout`], the owner passes [`CongestionController::pace`] to
//!    [`Pacer::set_pace`] and [`CongestionController::poll_probe`] to [`Pacer::start_probe`], and shows
//!    [`CongestionController::estimate`] to the allocator.
//! 4. The allocator's answer comes back as [`CongestionController::set_demand`]: what it spends, and the
//!    price of the rung it would like next, which is what gets probed for.
//! 5. In [`LinkState::FeedbackLost`] the owner calls [`Pacer::drop_video`], forwards no video, and asks for
//!    a key frame once the state has left.
//!
//! 6. When the subscriber's selected pair leads over another network, the owner says so with
//!    [`CongestionController::handle_network`].
//!
//! What reads what, inside the controller:
//!
//! ```text
//!   SendHistory ─► DeliveredPacket ─┬─► ArrivalGroups ─► TrendDetector ──┐
//!                                   ├─► QueueDelay, RoundTrip ───────────┤
//!                                   ├─► CollapseDetector ─► QueueDrain ──┤
//!                                   ├─► DeliveryRate ────────────────────┼─► RateControl ─► target
//!                                   ├─► LossControl ─────────────────────┤
//!                                   └─► ProbeEstimator ─► ProbeControl ──┘◄─ FeedbackWatch, ApplicationLimit,
//!                                                                             QueueCompetition
//! ```

mod application_limit;
mod arrival_groups;
mod collapse_detector;
mod controller;
mod delivery_rate;
mod estimate;
mod feedback_watch;
mod link_capacity;
mod loss_control;
mod loss_window;
mod network_memory;
mod pace;
mod pacer;
mod packet;
mod probe_control;
mod probe_estimator;
mod queue_competition;
mod queue_delay;
mod queue_drain;
mod rate_control;
mod retransmission_budget;
mod round_trip;
mod send_history;
mod start_rate;
mod token_bucket;
mod trend_detector;

pub use controller::CongestionController;
pub use estimate::{Demand, Estimate, LinkState};
pub(crate) use feedback_watch::SOONEST_LATE;
pub use network_memory::NetworkName;
pub use pace::Pace;
pub use pacer::{Dropped, Enqueued, Lane, Pacer, Release};
pub use packet::{PacketClass, PacketStatus, ProbeCluster, ProbeId, SentPacket};
pub use retransmission_budget::{Resend, RetransmissionRefusal};
pub use start_rate::StartRate;
