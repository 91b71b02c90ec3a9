//! Finds what is missing of one received stream, asks for it again (RFC 4585 §6.2.1), and says when only a key
//! frame helps. Packets that RTX brings back are handed in like any other, under their original numbers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rtp::SeqNo;

/// Wait this long for what may only be reordered. Radio links reorder by less; more would cost the repair of
/// a real loss its chance to be in time.
const REORDER_GRACE: Duration = Duration::from_millis(10);

/// Repeat no faster than this, however short the round trip.
const MIN_RETRY: Duration = Duration::from_millis(20);

/// Times that a packet is asked for.
const MAX_TRIES: u8 = 10;

/// A packet missing for longer is of no use to any playout.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Repairs have failed several times by now, and a picture that waits for them stands still.
const STALL: Duration = Duration::from_millis(250);

/// A path that loses by chance misses one or two for as long; a link that is too narrow misses what does not fit.
const STALLED_PACKETS: usize = 8;

/// Packets missing at a time; beyond that a key frame costs less than the repair.
const MAX_MISSING: usize = 500;

/// Packets asked for at a time: isolated ones take four bytes each, and a datagram has to hold the requests
/// of all encodings. The rest is due at once, in the next datagram.
const MAX_ASKED: usize = 64;

/// What is missing of one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct NackGenerator {
    newest: Option<u64>,
    /// In rising order of sequence.
    missing: VecDeque<Missing>,
    due: Option<Instant>,
    has_given_up: bool,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    sequence: u64,
    noticed_at: Instant,
    asked_at: Option<Instant>,
    tries: u8,
}

impl NackGenerator {
    /// Takes the continued number of a packet that arrived by the stream or by RTX.
    pub(crate) fn handle_packet(&mut self, now: Instant, sequence: u64) {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return;
        };
        if sequence <= newest {
            if let Ok(position) = self.missing.binary_search_by_key(&sequence, |missing| missing.sequence) {
                self.missing.remove(position);
            }
            return;
        }
        self.newest = Some(sequence);
        let gap = newest + 1..sequence;
        if gap.is_empty() {
            return;
        }
        if gap.end - gap.start > MAX_MISSING as u64 {
            self.missing.clear();
            self.has_given_up = true;
            return;
        }
        for sequence in gap {
            if self.missing.len() == MAX_MISSING {
                self.missing.pop_front();
                self.has_given_up = true;
            }
            self.missing.push_back(Missing { sequence, noticed_at: now, asked_at: None, tries: 0 });
        }
        let due = now + REORDER_GRACE;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Takes note that a key frame begins with this packet: what is missing before it is missed no more.
    pub(crate) fn handle_key_frame(&mut self, sequence: u64) {
        let older = self.missing.partition_point(|missing| missing.sequence < sequence);
        self.missing.drain(..older);
        self.has_given_up = false;
    }

    /// What to ask for, in rising order, where the round trip to the publisher is `rtt`.
    pub(crate) fn poll(&mut self, now: Instant, rtt: Duration) -> Vec<SeqNo> {
        let mut lost = Vec::new();
        if self.due.is_none_or(|due| due > now) {
            return lost;
        }
        let retry = rtt.max(MIN_RETRY);
        let before = self.missing.len();
        self.missing.retain(|missing| !missing.is_hopeless(now, retry));
        self.has_given_up |= self.missing.len() < before;
        let due = self.missing.iter_mut().filter(|missing| missing.due(retry) <= now);
        for missing in due.take(MAX_ASKED) {
            missing.asked_at = Some(now);
            missing.tries += 1;
            lost.push(SeqNo(missing.sequence as u16));
        }
        self.due = self.missing.iter().map(|missing| missing.due(retry)).min();
        lost
    }

    /// Nobody needs the stream for now: nothing is missed until a key frame begins it anew.
    pub(crate) fn forget(&mut self) {
        self.missing.clear();
        self.due = None;
        self.has_given_up = false;
    }

    /// Whether so much has been missing for so long that repair does not keep up with loss.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        let is_old = |missing: &Missing| now.saturating_duration_since(missing.noticed_at) >= STALL;
        self.missing.len() >= STALLED_PACKETS && self.missing.front().is_some_and(is_old)
    }

    /// Whether something is missing for good since this was last asked: then only a key frame helps.
    pub(crate) fn take_gave_up(&mut self) -> bool {
        std::mem::take(&mut self.has_given_up)
    }

    /// When to call [`Self::poll`] next.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.missing.is_empty())
    }
}

impl Missing {
    fn due(&self, retry: Duration) -> Instant {
        // After three tries ever more slowly: a publisher that rations repairs needs the time.
        let pause = retry * (u32::from(self.tries) / 2).max(1);
        let again = self.asked_at.map_or(self.noticed_at + REORDER_GRACE, |asked_at| asked_at + pause);
        again.min(self.noticed_at + MAX_AGE)
    }

    /// The last request gets its round trip before the packet is given up.
    fn is_hopeless(&self, now: Instant, retry: Duration) -> bool {
        now.saturating_duration_since(self.noticed_at) >= MAX_AGE
            || self.tries >= MAX_TRIES && self.due(retry) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::test_clock::at;

    const RTT: Duration = Duration::from_millis(50);

    fn after(sequences: &[u64]) -> NackGenerator {
        let mut generator = NackGenerator::default();
        for &sequence in sequences {
            generator.handle_packet(at(0), sequence);
        }
        generator
    }

    /// What is asked for, and whether it was given up.
    fn lost(generator: &mut NackGenerator, now: Instant) -> (Vec<u16>, bool) {
        let lost = generator.poll(now, RTT).into_iter().map(|sequence| sequence.0).collect();
        (lost, generator.take_gave_up())
    }

    #[test]
    fn gaps_are_asked_for_after_the_grace() {
        let table: [(&[u64], &[u16]); 5] = [
            (&[1, 2, 3], &[]),
            (&[1, 4], &[2, 3]),
            (&[1, 4, 2], &[3]),
            (&[65_535, 65_538], &[0, 1]),
            (&[4, 1], &[]),
        ];
        for (sequences, expected) in table {
            let mut generator = after(sequences);
            assert!(lost(&mut generator, at(9)).0.is_empty());
            assert_eq!(generator.poll_timeout(), (!expected.is_empty()).then(|| at(10)), "{sequences:?}");
            assert_eq!(lost(&mut generator, at(10)), (expected.to_vec(), false), "{sequences:?}");
        }
    }

    #[test]
    fn requests_repeat_ever_more_slowly_until_given_up() {
        let mut generator = after(&[1, 3]);
        let mut requests = Vec::new();
        let given_up = (0..2_000).find(|&millis| {
            let (asked, given_up) = lost(&mut generator, at(millis));
            requests.extend(asked.iter().map(|_| millis));
            given_up
        });
        assert_eq!(requests, [10, 60, 110, 160, 260, 360, 510, 660, 860]);
        assert_eq!(given_up, Some(1_000));
        assert_eq!((generator.poll_timeout(), lost(&mut generator, at(2_000))), (None, (vec![], false)));
    }

    #[test]
    fn a_long_round_trip_gives_up_by_age() {
        let mut generator = after(&[1, 3]);
        let rtt = Duration::from_millis(800);
        for (millis, asked, given_up) in [(10, 1, false), (810, 1, false), (1_700, 0, true)] {
            assert_eq!(generator.poll(at(millis), rtt).len(), asked);
            assert_eq!(generator.take_gave_up(), given_up);
        }
    }

    #[test]
    fn what_rtx_brings_back_is_missed_no_more() {
        let mut generator = after(&[1, 4]);
        assert_eq!(lost(&mut generator, at(10)).0, [2, 3]);
        generator.handle_packet(at(40), 2);
        assert_eq!(lost(&mut generator, at(60)).0, [3]);
        generator.handle_packet(at(70), 3);
        assert_eq!((generator.poll_timeout(), lost(&mut generator, at(200)).0), (None, vec![]));
    }

    #[test]
    fn too_large_a_gap_wants_a_key_frame_and_a_key_frame_settles_it() {
        let mut generator = after(&[1, 1_000]);
        assert_eq!(lost(&mut generator, at(10)), (vec![], true));
        let mut generator = after(&[1, 1_000, 1_003]);
        generator.handle_key_frame(1_003);
        assert_eq!(lost(&mut generator, at(10)), (vec![], false));
    }

    #[test]
    fn the_table_stays_bounded() {
        let sequences: Vec<u64> = (0..2_000).step_by(2).collect();
        let mut generator = after(&sequences);
        let (first, given_up) = lost(&mut generator, at(10));
        assert_eq!((first.len(), given_up), (MAX_ASKED, true));
        let rest =
            std::iter::from_fn(|| Some(lost(&mut generator, at(10)).0).filter(|asked| !asked.is_empty()));
        let asked: Vec<u16> = first.into_iter().chain(rest.flatten()).collect();
        assert_eq!((asked.len(), asked.last()), (MAX_MISSING, Some(&1_997)));
    }
}
