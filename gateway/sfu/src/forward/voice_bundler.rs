//! Packets of one voice that leave together: while nothing is heard of a subscriber, one packet takes the frames of
//! several (RFC 2198). Of what is sent into the dark less is lost then, and when the link is back, it has what was said
//! just before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::forward::subscription::Arrival;
use crate::voice::{Passengers, Repeats};

/// Packets that leave together at most: two more frame times are hardly noticed where a voice comes back.
pub(crate) const MOST_TOGETHER: usize = 3;

/// Longer frames each go by themselves: three of them have to fit a datagram.
const LONGEST_FRAME: usize = 300;

/// What waits leaves after three frame times, whether more has come or not: in a pause (DTX) nothing more comes.
const LONGEST_WAIT: Duration = Duration::from_millis(60);

/// A packet that leaves, and those before it that it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bundle {
    pub(crate) carrier: Arrival,
    /// The oldest first.
    pub(crate) before: [Option<Arrival>; MOST_TOGETHER - 1],
}

impl Bundle {
    /// A packet that stands for itself alone.
    pub(crate) fn of(carrier: Arrival) -> Self {
        Self { carrier, before: [None; MOST_TOGETHER - 1] }
    }

    /// Those that the carrier stands for.
    pub(crate) fn passengers(&self) -> Passengers {
        let numbers = self.before.iter().flatten().rev().map(|before| before.sequence);
        Passengers::of(self.carrier.sequence, numbers)
    }
}

/// What waits of one voice.
#[derive(Debug, Default)]
pub(crate) struct VoiceBundler {
    /// Never more than [`MOST_TOGETHER`]: so many leave at once.
    waiting: VecDeque<Arrival>,
    /// Since when the oldest of them waits.
    since: Option<Instant>,
    newest: Option<u64>,
}

impl VoiceBundler {
    /// Takes the next packet; `false` for one that comes late: its number is kept for it, and it goes alone.
    pub(crate) fn push(&mut self, now: Instant, arrival: &Arrival) -> bool {
        if self.newest.is_some_and(|newest| arrival.sequence <= newest) {
            return false;
        }
        self.newest = Some(arrival.sequence);
        self.waiting.push_back(*arrival);
        self.since.get_or_insert(now);
        true
    }

    /// What leaves at `now` where so many are to leave together; call until `None`.
    pub(crate) fn poll(&mut self, now: Instant, together: usize) -> Option<Bundle> {
        let fitting = self.fitting();
        let is_last_chance =
            fitting < self.waiting.len() || self.poll_timeout().is_some_and(|due| due <= now);
        if fitting == 0 || fitting < together && !is_last_chance {
            return None;
        }
        let mut before = [None; MOST_TOGETHER - 1];
        before.iter_mut().zip(self.waiting.drain(..fitting - 1)).for_each(|(slot, one)| *slot = Some(one));
        let carrier = self.waiting.pop_front()?;
        self.since = self.waiting.front().map(|_| now);
        Some(Bundle { carrier, before })
    }

    /// When what waits leaves at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        Some(self.since? + LONGEST_WAIT)
    }

    /// How many from the oldest on fit one packet.
    fn fitting(&self) -> usize {
        let Some(oldest) = self.waiting.front() else { return 0 };
        let joins = |one: &&Arrival| {
            let ticks = one.timestamp.wrapping_sub(oldest.timestamp);
            Repeats::fits(ticks, oldest.payload_size)
                && one.sequence - oldest.sequence <= Passengers::FARTHEST
                && oldest.payload_size.max(one.payload_size) <= LONGEST_FRAME
        };
        (1 + self.waiting.iter().skip(1).take_while(joins).count()).min(MOST_TOGETHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::LayerInfo;
    use crate::sdp::Codec;
    use crate::testing::origin;

    const FRAME: u32 = 960;

    fn arrival(sequence: u64, payload_size: usize) -> Arrival {
        Arrival {
            encoding: 0,
            sequence,
            timestamp: sequence as u32 * FRAME,
            codec: Codec::Opus,
            marker: false,
            layer: LayerInfo::default(),
            payload_size,
        }
    }

    /// A bundler, its clock, and what has left: the numbers of each packet, the carrier's last.
    struct Line {
        bundler: VoiceBundler,
        now: Instant,
        left: Vec<Vec<u64>>,
    }

    impl Line {
        fn new() -> Self {
            Self { bundler: VoiceBundler::default(), now: origin(), left: Vec::new() }
        }

        fn poll(&mut self, together: usize) {
            while let Some(bundle) = self.bundler.poll(self.now, together) {
                let carrier = bundle.carrier.sequence;
                let mut numbers: Vec<u64> = bundle.passengers().numbers(carrier).collect();
                numbers.reverse();
                let before: Vec<u64> = bundle.before.iter().flatten().map(|one| one.sequence).collect();
                assert_eq!(numbers, before);
                numbers.push(carrier);
                self.left.push(numbers);
            }
        }

        fn arrive(&mut self, arrival: Arrival, together: usize) {
            assert!(self.bundler.push(self.now, &arrival));
            self.poll(together);
            self.now += Duration::from_millis(20);
        }

        fn speak(&mut self, numbers: std::ops::Range<u64>, together: usize) {
            numbers.for_each(|number| self.arrive(arrival(number, 80), together));
        }
    }

    #[test]
    fn so_many_leave_together_as_are_wanted() {
        let mut line = Line::new();
        line.speak(0..2, 1);
        line.speak(2..6, 2);
        line.speak(6..9, 3);
        assert_eq!(line.left, [vec![0], vec![1], vec![2, 3], vec![4, 5], vec![6, 7, 8]]);
        // Two wait when it ends: they leave at once.
        line.speak(9..11, 3);
        line.poll(1);
        line.speak(11..12, 1);
        assert_eq!(line.left[5..], [vec![9, 10], vec![11]]);
        assert_eq!(line.bundler.poll_timeout(), None);
    }

    #[test]
    fn nothing_waits_for_what_does_not_come() {
        let mut line = Line::new();
        line.speak(0..1, 3);
        line.now = line.bundler.poll_timeout().expect("it waits");
        line.poll(3);
        assert_eq!(line.left, [[0]]);
    }

    #[test]
    fn what_one_packet_cannot_tell_goes_in_several() {
        let mut line = Line::new();
        line.speak(0..2, 3);
        line.arrive(Arrival { timestamp: 50 * FRAME, ..arrival(2, 80) }, 3);
        assert_eq!(line.left, [[0, 1]], "the third is too far away");
        line.arrive(Arrival { timestamp: 51 * FRAME, ..arrival(3, 900) }, 3);
        line.arrive(Arrival { timestamp: 52 * FRAME, ..arrival(4, 900) }, 3);
        assert_eq!(line.left[1..], [[2], [3]], "frames of music are long");
        line.arrive(Arrival { timestamp: 53 * FRAME, ..arrival(900, 900) }, 3);
        assert_eq!(line.left[3..], [[4]]);
    }

    #[test]
    fn a_late_packet_is_not_bundled() {
        let mut line = Line::new();
        line.speak(4..5, 3);
        assert!(!line.bundler.push(line.now, &arrival(3, 80)));
        assert!(!line.bundler.push(line.now, &arrival(4, 80)));
        line.speak(6..8, 3);
        assert_eq!(line.left, [[4, 6, 7]]);
    }
}
