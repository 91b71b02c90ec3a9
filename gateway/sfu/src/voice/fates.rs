//! What became of one voice's packets on their way to a subscriber, by transport-wide feedback: what was lost, in
//! which runs, and what redundancy made good.

use std::collections::VecDeque;

use crate::congestion::PacketStatus;
use crate::voice::redundancy::Redundancy;

/// Packets that wait for their feedback: two and a half seconds of a voice. What is not heard of by then is lost.
const MAX_WAITING: usize = 128;

/// Packets told too late to be played are as good as lost, but that is the player's to know: here they arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Arrived,
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    transport_sequence: u16,
    /// Frames that it is the first to carry: its own, and those of packets that it stands for.
    frames: usize,
    /// Earlier frames that it carries.
    repeats: usize,
    fate: Fate,
}

/// Frames sent, and what a listener missed of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) frames: u32,
    /// Their own packet was lost.
    pub(crate) lost: u32,
    /// And no later packet that arrived carried them.
    pub(crate) missed: u32,
    /// Runs of missed frames.
    pub(crate) runs: u32,
}

/// The packets of one voice.
#[derive(Debug, Default)]
pub(crate) struct VoiceFates {
    waiting: VecDeque<Sent>,
    heard: Heard,
    misses: bool,
}

impl VoiceFates {
    /// Takes a packet that left, the first to carry so many frames, with so many earlier ones than its own in it.
    pub(crate) fn handle_sent(&mut self, transport_sequence: u16, frames: usize, repeats: usize) {
        if self.waiting.len() == MAX_WAITING {
            self.settle_front();
        }
        self.waiting.push_back(Sent { transport_sequence, frames, repeats, fate: Fate::Unknown });
    }

    /// Takes transport-wide feedback on everything that was sent to the subscriber.
    pub(crate) fn handle_feedback(&mut self, statuses: &[PacketStatus]) {
        let Some(first) = self.waiting.front().map(|sent| sent.transport_sequence) else { return };
        for status in statuses {
            // Numbers grow, so distances from the first one waiting are in order.
            let distance = status.sequence.wrapping_sub(first);
            let place = self
                .waiting
                .binary_search_by_key(&distance, |sent| sent.transport_sequence.wrapping_sub(first));
            let Some(sent) = place.ok().and_then(|place| self.waiting.get_mut(place)) else { continue };
            match (status.arrival, sent.fate) {
                (Some(_), _) => sent.fate = Fate::Arrived,
                (None, Fate::Unknown) => sent.fate = Fate::Lost,
                (None, Fate::Arrived | Fate::Lost) => {}
            }
        }
        while self.is_front_settled() {
            self.settle_front();
        }
    }

    /// What was heard since the last call.
    pub(crate) fn take_heard(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }

    /// Whether nothing that may still be told changes what became of the oldest frame.
    fn is_front_settled(&self) -> bool {
        let Some(front) = self.waiting.front() else { return false };
        match front.fate {
            Fate::Unknown => false,
            Fate::Arrived => true,
            Fate::Lost => {
                let later = || self.waiting.iter().skip(1).take(Redundancy::Twice.generations());
                later().count() == Redundancy::Twice.generations()
                    && later().all(|sent| sent.fate != Fate::Unknown)
            }
        }
    }

    fn settle_front(&mut self) {
        let Some(front) = self.waiting.pop_front() else { return };
        self.heard.frames += front.frames as u32;
        let is_lost = front.fate != Fate::Arrived;
        if is_lost {
            self.heard.lost += front.frames as u32;
        }
        let missed = if is_lost { front.frames - self.repeated_later(front.frames) } else { 0 };
        self.heard.missed += missed as u32;
        self.heard.runs += u32::from(missed > 0 && !self.misses);
        self.misses = missed > 0;
    }

    /// How many of the newest frames of a packet came in later ones.
    fn repeated_later(&self, frames: usize) -> usize {
        let mut distance = 0;
        let repeated = self.waiting.iter().map(|later| {
            distance += later.frames;
            if later.fate == Fate::Arrived { (later.repeats + 1).saturating_sub(distance) } else { 0 }
        });
        repeated.max().unwrap_or_default().min(frames)
    }
}

impl Heard {
    /// The share that a listener missed.
    pub(crate) fn loss(&self) -> f64 {
        if self.frames == 0 { 0.0 } else { f64::from(self.missed) / f64::from(self.frames) }
    }

    /// How much longer than by chance the runs of missed frames are (`BurstR` of ITU-T G.107).
    pub(crate) fn burstiness(&self) -> f64 {
        if self.runs == 0 {
            return 1.0;
        }
        let length = f64::from(self.missed) / f64::from(self.runs);
        (length * (1.0 - self.loss())).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn statuses(first: u16, arrivals: &str) -> Vec<PacketStatus> {
        let status = |(place, word): (usize, char)| PacketStatus {
            sequence: first.wrapping_add(place as u16),
            arrival: (word == '.').then_some(Duration::ZERO),
        };
        arrivals.chars().enumerate().map(status).collect()
    }

    /// Sends a packet per character, with so many repeats each, and tells its fate: `.` arrived, `x` lost.
    fn heard(repeats: usize, first: u16, arrivals: &str) -> Heard {
        let mut fates = VoiceFates::default();
        for place in 0..arrivals.len() {
            fates.handle_sent(first.wrapping_add(place as u16), 1, repeats);
        }
        fates.handle_feedback(&statuses(first, arrivals));
        fates.take_heard()
    }

    #[test]
    fn redundancy_makes_good_what_a_later_packet_carries() {
        for (repeats, arrivals, frames, lost, missed, runs) in [
            (0, "..........", 10, 0, 0, 0),
            (0, "..x...xx..", 10, 3, 3, 2),
            (1, "..x...xx..", 10, 3, 1, 1),
            (2, "..x...xx..", 10, 3, 0, 0),
            (2, "..xxx...x..", 11, 4, 1, 1),
            // Nothing is known of what comes after the last two.
            (1, "........x", 8, 0, 0, 0),
        ] {
            for first in [0, 65_530] {
                let expected = Heard { frames, lost, missed, runs };
                assert_eq!(heard(repeats, first, arrivals), expected, "{repeats} {arrivals}");
            }
        }
    }

    #[test]
    fn late_news_and_others_packets_change_nothing_wrongly() {
        let mut fates = VoiceFates::default();
        // Pictures have the numbers between.
        (0..10).for_each(|place| fates.handle_sent(place * 7, 1, 0));
        fates.handle_feedback(&statuses(0, &"x".repeat(8)));
        fates.handle_feedback(&statuses(0, &".".repeat(70)));
        assert_eq!(fates.take_heard(), Heard { frames: 10, ..Heard::default() }, "the first two came late");
        fates.handle_feedback(&statuses(0, ".......")); // nothing waits
        assert_eq!(fates.take_heard(), Heard::default());
    }

    #[test]
    fn frames_that_travel_in_one_packet_are_lost_together() {
        for (arrivals, lost, missed) in [("....", 0, 0), ("x...", 3, 3), (".x..", 3, 1), ("xx..", 6, 4)] {
            let mut fates = VoiceFates::default();
            // Three by three in the dark, then each packet with the two frames before it.
            for (place, (frames, repeats)) in [(3, 2), (3, 2), (1, 2), (1, 2)].into_iter().enumerate() {
                fates.handle_sent(place as u16, frames, repeats);
            }
            fates.handle_feedback(&statuses(0, arrivals));
            let heard = fates.take_heard();
            assert_eq!((heard.frames, heard.lost, heard.missed), (8, lost, missed), "{arrivals}");
        }
    }

    #[test]
    fn silence_counts_as_loss_in_the_end() {
        let mut fates = VoiceFates::default();
        (0..MAX_WAITING as u16 + 50).for_each(|place| fates.handle_sent(place, 1, 1));
        let Heard { frames, missed, .. } = fates.take_heard();
        assert_eq!((frames, missed), (50, 50));
    }

    #[test]
    fn burstiness_compares_runs_with_chance() {
        let single = Heard { frames: 100, lost: 10, missed: 10, runs: 10 };
        let runs = Heard { runs: 2, ..single };
        assert_eq!((single.burstiness(), Heard::default().burstiness()), (1.0, 1.0));
        assert!((runs.burstiness() - 4.5).abs() < 1e-9);
    }
}
