//! Whole calls on virtual time: the media plane against simulated browsers over emulated links.
//! Stories assert on them (`tests/stories`), and the lab measures them.

pub mod recording;
pub mod scenario;
