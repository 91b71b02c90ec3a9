//! A link that the downlinks of several participants share, with each other and with TCP transfers, before
//! their own begin.

use std::time::Instant;

use link::{Link as Direction, LinkSettings};

/// What crosses it.
pub(super) enum Crossing {
    /// A datagram to a participant.
    Datagram(usize, Vec<u8>),
    /// A segment of a TCP transfer.
    Segment(usize, u64),
}

pub(super) struct Bottleneck {
    pub(super) name: String,
    pub(super) link: Direction<Crossing>,
}

impl Bottleneck {
    pub(super) fn new(now: Instant, name: &str, settings: LinkSettings, seed: u64) -> Self {
        Self { name: name.to_owned(), link: Direction::new(now, settings, seed) }
    }
}
