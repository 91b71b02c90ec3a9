//! Fleets, link emulation and reports. It sees only what a browser would see: no crate that it measures is linked.

pub mod call;
pub mod garbage;
pub mod net;
pub mod plot;
pub mod results;
pub mod table;
