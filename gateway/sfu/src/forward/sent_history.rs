//! What left on one outgoing stream lately, by its outgoing number: enough to make a packet again
//! exactly as it was when a NACK asks for it.

use std::time::Instant;

use crate::sdp::Codec;

/// A second of 720p and more: what the packet store behind it holds, too.
const CAPACITY: usize = 512;

/// A packet that left, and where its payload lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentRecord {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) picture_id: u16,
    pub(crate) tl0_pic_idx: u8,
    pub(crate) marker: bool,
    /// The codec that it was of; the track may have gone over to another one.
    pub(crate) codec: Codec,
    /// The encoding that it came from, and its unwrapped number there.
    pub(crate) encoding: u8,
    pub(crate) source_sequence: u64,
    pub(crate) first_sent: Instant,
    pub(crate) last_sent: Instant,
    pub(crate) resends: u8,
}

/// The records of one outgoing stream.
#[derive(Debug)]
pub(crate) struct SentHistory {
    records: Vec<Option<SentRecord>>,
}

impl Default for SentHistory {
    fn default() -> Self {
        Self { records: vec![None; CAPACITY] }
    }
}

impl SentHistory {
    pub(crate) fn insert(&mut self, record: SentRecord) {
        self.records[usize::from(record.sequence) % CAPACITY] = Some(record);
    }

    pub(crate) fn get_mut(&mut self, sequence: u16) -> Option<&mut SentRecord> {
        self.records[usize::from(sequence) % CAPACITY].as_mut().filter(|record| record.sequence == sequence)
    }
}
