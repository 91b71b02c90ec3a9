//! A link emulator in virtual time: each [`Link`] is one direction made of
//! loss → drop-tail queue → rate (constant or trace) → delay and jitter.
//! It does no IO and reads no clock, so scenario tests and real-time shells drive it alike.

mod capacity;
mod jitter;
mod link;
mod loss;
mod queue;
mod settings;
mod synthetic;
mod trace;

pub use crate::capacity::Capacity;
pub use crate::jitter::Jitter;
pub use crate::link::{Dropped, Link, LinkStats};
pub use crate::loss::Loss;
pub use crate::queue::QueueLimit;
pub use crate::settings::{LinkSettings, PacketOrder};
pub use crate::trace::{CapacityTrace, ParseTraceError, TraceRow};
