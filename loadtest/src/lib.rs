//! Fleets, link emulation and reports. It sees only what a browser would see: no crate that it measures is linked.

pub mod bench;
pub mod call;
pub mod compare;
pub mod fleet;
pub mod forwarder;
pub mod garbage;
pub mod net;
pub mod plan;
mod server_process;

pub use report::{plot, results, table};
