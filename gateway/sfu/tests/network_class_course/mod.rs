//! Labelled courses of a phone through its networks, what its evidence says along the way, and attackers who say
//! something else. Shared by a test and by the benchmark that prints the figures.

pub(crate) mod attack;
pub(crate) mod labels;
pub(crate) mod phone;
