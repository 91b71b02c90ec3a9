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
    /// When the first packet left.
    epoch: Option<Instant>,
    /// As many as a power of two says.
    entries: Vec<Option<Entry>>,
}

/// A record as it is kept: every packet to every subscriber writes one to memory that nobody touched for a second, so
/// two of them lie in a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Entry {
    source_sequence: u64,
    /// Microseconds since the epoch.
    first_sent: u64,
    timestamp: u32,
    sequence: u16,
    picture_id: u16,
    /// Milliseconds from then until it last left.
    last_sent: u16,
    tl0_pic_idx: u8,
    encoding: u8,
    resends: u8,
    codec: Codec,
    marker: bool,
}

const _: () = assert!(size_of::<Option<Entry>>() == 32);

impl Entry {
    fn new(epoch: Instant, record: &SentRecord) -> Self {
        let first_sent = record.first_sent.saturating_duration_since(epoch).as_micros();
        let last_sent = record.last_sent.saturating_duration_since(record.first_sent).as_millis();
        Self {
            source_sequence: record.source_sequence,
            first_sent: u64::try_from(first_sent).unwrap_or(u64::MAX),
            timestamp: record.timestamp,
            sequence: record.sequence,
            picture_id: record.picture_id,
            last_sent: u16::try_from(last_sent).unwrap_or(u16::MAX),
            tl0_pic_idx: record.tl0_pic_idx,
            encoding: record.encoding,
            resends: record.resends,
            codec: record.codec,
            marker: record.marker,
        }
    }

    fn record(&self, epoch: Instant) -> SentRecord {
        let first_sent = epoch + Duration::from_micros(self.first_sent);
        SentRecord {
            sequence: self.sequence,
            timestamp: self.timestamp,
            picture_id: self.picture_id,
            tl0_pic_idx: self.tl0_pic_idx,
            marker: self.marker,
            codec: self.codec,
            encoding: self.encoding,
            source_sequence: self.source_sequence,
            first_sent,
            last_sent: first_sent + Duration::from_millis(self.last_sent.into()),
            resends: self.resends,
        }
    }
}

impl SentHistory {
    pub(crate) fn insert(&mut self, record: SentRecord) {
        let epoch = *self.epoch.get_or_insert(record.first_sent);
        let entry = Entry::new(epoch, &record);
        let recent = |known: &Entry| {
            known.sequence != entry.sequence
                && entry.first_sent.saturating_sub(known.first_sent) < MEMORY.as_micros() as u64
        };
        while self.entries.len() < CAPACITY && self.at(entry.sequence).is_none_or(|it| it.is_some_and(recent))
        {
            self.grow();
        }
        let place = self.place(entry.sequence);
        self.entries[place] = Some(entry);
    }

    /// What is known of a packet that left.
    pub(crate) fn get(&self, sequence: u16) -> Option<SentRecord> {
        let entry = self.at(sequence)?.filter(|entry| entry.sequence == sequence)?;
        Some(entry.record(self.epoch?))
    }

    /// Takes note that a packet leaves once more.
    pub(crate) fn note_resend(&mut self, now: Instant, sequence: u16) {
        let Some(record) = self.get(sequence) else { return };
        let resends = record.resends.saturating_add(1);
        self.insert(SentRecord { last_sent: now, resends, ..record });
    }

    /// What lies where that number belongs; `None` where nothing could.
    fn at(&self, sequence: u16) -> Option<Option<&Entry>> {
        self.entries.get(self.place(sequence)).map(Option::as_ref)
    }

    fn grow(&mut self) {
        let grown = vec![None; (2 * self.entries.len()).max(FIRST_CAPACITY)];
        let known = std::mem::replace(&mut self.entries, grown);
        for entry in known.into_iter().flatten() {
            let place = self.place(entry.sequence);
            self.entries[place] = Some(entry);
        }
    }

    fn place(&self, sequence: u16) -> usize {
        usize::from(sequence) & self.entries.len().saturating_sub(1)
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
        (known.take_while(|sequence| history.get(*sequence).is_some()).count(), history.entries.len())
    }

    #[test]
    fn a_second_is_remembered_and_hardly_more() {
        assert_eq!(known(20), (32, 32));
        assert_eq!(known(60), (64, 64));
        assert_eq!(known(150), (256, 256));
        assert_eq!(known(2_000), (512, 512));
    }

    #[test]
    fn what_left_again_is_known_with_its_times() {
        let start = origin();
        let at = |ms| start + Duration::from_millis(ms);
        let mut history = SentHistory::default();
        (0..3_u16).for_each(|number| history.insert(record(number, at(u64::from(number) * 40))));
        history.note_resend(at(170), 1);
        history.note_resend(at(260), 1);
        let known = history.get(1).map(|it| (it.first_sent, it.last_sent, it.resends, it.source_sequence));
        assert_eq!(known, Some((at(40), at(260), 2, 1)));
        assert_eq!(history.get(2).map(|it| (it.last_sent, it.resends)), Some((at(80), 0)));
    }

    #[test]
    fn what_never_left_is_unknown() {
        let mut history = SentHistory::default();
        assert!(history.get(7).is_none());
        history.insert(record(7, origin()));
        assert!(history.get(7).is_some());
        assert!(history.get(39).is_none());
    }
}
