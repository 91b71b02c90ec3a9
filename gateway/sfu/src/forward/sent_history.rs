//! What left on one outgoing stream lately, by its outgoing number: enough to make a packet again
//! exactly as it was when a NACK asks for it.

use std::time::{Duration, Instant};

use crate::sdp::Codec;

/// A second of 720p and more: what the packet store behind it holds, too.
const CAPACITY: usize = 512;

/// A second of 180 lines.
const FIRST_CAPACITY: usize = 32;

/// Whoever misses a packet has asked for it by then.
const MEMORY: Duration = Duration::from_secs(1);

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

/// The records of one outgoing stream: those of a second, as far as it may grow.
#[derive(Debug, Default)]
pub(crate) struct SentHistory {
    /// As many as a power of two says.
    records: Vec<Option<SentRecord>>,
}

impl SentHistory {
    pub(crate) fn insert(&mut self, record: SentRecord) {
        let recent = |known: &SentRecord| {
            known.sequence != record.sequence
                && record.first_sent.saturating_duration_since(known.first_sent) < MEMORY
        };
        while self.records.len() < CAPACITY
            && self.at(record.sequence).is_none_or(|it| it.is_some_and(recent))
        {
            self.grow();
        }
        let place = self.place(record.sequence);
        self.records[place] = Some(record);
    }

    pub(crate) fn get_mut(&mut self, sequence: u16) -> Option<&mut SentRecord> {
        let place = self.place(sequence);
        self.records.get_mut(place)?.as_mut().filter(|record| record.sequence == sequence)
    }

    /// What lies where that number belongs; `None` where nothing could.
    fn at(&self, sequence: u16) -> Option<Option<&SentRecord>> {
        self.records.get(self.place(sequence)).map(Option::as_ref)
    }

    fn grow(&mut self) {
        let grown = vec![None; (2 * self.records.len()).max(FIRST_CAPACITY)];
        let known = std::mem::replace(&mut self.records, grown);
        for record in known.into_iter().flatten() {
            let place = self.place(record.sequence);
            self.records[place] = Some(record);
        }
    }

    fn place(&self, sequence: u16) -> usize {
        usize::from(sequence) & self.records.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    fn record(sequence: u16, sent: Instant) -> SentRecord {
        SentRecord {
            sequence,
            timestamp: 0,
            picture_id: 0,
            tl0_pic_idx: 0,
            marker: false,
            codec: Codec::Vp8,
            encoding: 0,
            source_sequence: sequence.into(),
            first_sent: sent,
            last_sent: sent,
            resends: 0,
        }
    }

    /// How many of the last packets are known after a while of so many a second.
    fn known(per_second: u32) -> (usize, usize) {
        let start = origin();
        let mut history = SentHistory::default();
        let total = 4 * per_second;
        for number in 0..total {
            let sequence = (number as u16).wrapping_add(65_000);
            history.insert(record(sequence, start + Duration::from_secs(1) * number / per_second));
        }
        let known = (0..total).rev().map(|number| (number as u16).wrapping_add(65_000));
        (known.take_while(|sequence| history.get_mut(*sequence).is_some()).count(), history.records.len())
    }

    #[test]
    fn a_second_is_remembered_and_hardly_more() {
        assert_eq!(known(20), (32, 32));
        assert_eq!(known(60), (64, 64));
        assert_eq!(known(150), (256, 256));
        assert_eq!(known(2_000), (512, 512));
    }

    #[test]
    fn what_never_left_is_unknown() {
        let mut history = SentHistory::default();
        assert!(history.get_mut(7).is_none());
        history.insert(record(7, origin()));
        assert!(history.get_mut(7).is_some());
        assert!(history.get_mut(39).is_none());
    }
}
