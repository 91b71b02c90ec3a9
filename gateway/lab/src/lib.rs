//! Whole calls on virtual time: the media plane against simulated browsers over emulated links.

pub mod scenario;
