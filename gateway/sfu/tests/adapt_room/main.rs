//! The decisions of a room against simulated links: what each participant would come to see, and when.

mod decisions;
mod drives;
mod explain;
mod policies;
mod simulation;
mod uplink;
