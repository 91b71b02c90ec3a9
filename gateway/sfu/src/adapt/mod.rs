//! The decisions of the media plane, without a packet in sight: which network a participant is on, whether
//! a pair may have HD, which layer each subscriber gets, and what each publisher shall send.
//!
//! Two loops, never mixed. The class loop takes seconds: [`NetworkClassifier`] → [`policy`] →
//! [`HdPermission`]. The rung loop follows every feedback report: [`allocate()`] → [`Allocator`] → uplink
//! plans. [`Adaptation`] runs both for one room and is all that the room talks to.

mod adaptation;
mod affordable;
mod allocate;
mod allocator;
mod announcement;
mod attestation;
mod badge;
mod choice;
mod classifier;
mod decision;
mod decision_log;
mod demand;
mod evidence;
mod fusion;
mod hd_objection;
mod hd_permission;
mod knapsack;
mod measurement;
mod network_evidence;
mod output;
mod participant;
pub mod policy;
mod probe_invitation;
mod published_track;
mod reduction;
mod room_state;
mod rung_change;
mod rung_memory;
mod snapshot;
mod strategy;
mod uplink;
mod uplink_levels;
mod uplink_limit;
mod uplink_planning;

pub use adaptation::Adaptation;
pub use allocate::{Allocation, allocate};
pub use allocator::{Allocator, LinkView};
pub use classifier::{MAX_REPORTS_PER_SECOND, NetworkClassifier, NetworkFlags, ReportRefused, Verdict};
pub use evidence::Trust;
pub use hd_objection::PairEvidence;
pub use hd_permission::{HdDecision, HdPermission};
pub use measurement::{Downlink, DownlinkState, Hearing, LayerMeasure, TEMPORAL_LAYERS, Uplink};
pub use output::{AdaptOutput, Flowing, ForwardTarget, Layer};
pub use published_track::Publication;
pub use snapshot::{
    DemandSnapshot, EncodingSnapshot, Pricing, Priority, RoomSnapshot, SourceSnapshot, SubscriberSnapshot,
};
pub use uplink::{EncodingTarget, RateRule, SourceNeeds, UplinkWish, plan_uplink};
