//! Whole calls on virtual time: the media plane against simulated browsers over emulated links.
//! Stories assert on them (`tests/stories`), and the lab measures them (`cargo run --release -p lab`).

pub mod catalogue;
mod comparison;
pub mod document;
pub mod metrics;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod recording;
pub mod scenario;
pub mod series;
pub mod summary;
mod tables;
pub mod verdict;
