//! What was expected and what came of one stream, by sequence numbers alone (RFC 3550 appendix A.3).

/// Counts of one SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SequenceCount {
    first: u64,
    highest: u64,
    received: u64,
    reported_expected: u64,
    reported_received: u64,
}

impl SequenceCount {
    /// Begins with the first packet that came.
    pub(crate) fn new(sequence: u16) -> Self {
        // One cycle up, so that a packet that comes late is not before the beginning of numbers.
        let first = (1 << 16) | u64::from(sequence);
        Self { first, highest: first, received: 1, reported_expected: 0, reported_received: 0 }
    }

    /// Counts a packet.
    pub(crate) fn handle_packet(&mut self, sequence: u16) {
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        if ahead > 0 {
            self.highest += u64::from(ahead.unsigned_abs());
        } else {
            let late = self.highest.saturating_sub(u64::from(ahead.unsigned_abs()));
            self.first = self.first.min(late);
        }
        self.received += 1;
    }

    /// Packets that were sent, as far as the numbers tell.
    pub(crate) fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    /// Packets that came.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// What a report block says: the share lost since the last report in 1/256, all that was lost, and the highest
    /// number with its cycles.
    pub(crate) fn report(&mut self) -> (u8, u32, u32) {
        let (expected, received) = (self.expected(), self.received);
        let expected_now = expected - self.reported_expected.min(expected);
        let lost_now = expected_now.saturating_sub(received - self.reported_received);
        self.reported_expected = expected;
        self.reported_received = received;
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        let lost = expected.saturating_sub(received).min(0x7F_FFFF) as u32;
        (fraction, lost, (self.highest - (1 << 16)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sequences: &[u16]) -> (u64, u64) {
        let mut count = SequenceCount::new(sequences[0]);
        sequences[1..].iter().for_each(|sequence| count.handle_packet(*sequence));
        (count.expected(), count.received())
    }

    #[test]
    fn expected_and_received_by_example() {
        let table: [(&[u16], (u64, u64)); 6] = [
            (&[7], (1, 1)),
            (&[7, 8, 9], (3, 3)),
            (&[7, 9], (3, 2)),
            (&[65_534, 65_535, 0, 1], (4, 4)),
            (&[7, 9, 8], (3, 3)),
            (&[0, 65_535, 1], (3, 3)),
        ];
        for (sequences, expected) in table {
            assert_eq!(counted(sequences), expected, "{sequences:?}");
        }
    }

    #[test]
    fn a_report_tells_of_the_time_since_the_last() {
        let mut count = SequenceCount::new(65_535);
        count.handle_packet(1);
        assert_eq!(count.report(), (85, 1, 65_537), "one of three");
        (2..=4).for_each(|sequence| count.handle_packet(sequence));
        assert_eq!(count.report(), (0, 1, 65_540));
        assert_eq!(count.report(), (0, 1, 65_540), "nothing came");
    }
}
