//! One voice on its way to one subscriber: which earlier frames its packets repeat, what became of them, and how
//! it sounds over there.

use std::time::Duration;

use crate::congestion::PacketStatus;
use crate::voice::e_model::{Hearing, mean_opinion};
use crate::voice::fates::VoiceFates;
use crate::voice::passengers::Passengers;
use crate::voice::redundancy::Redundancy;

/// Frames of one score: fewer are a pause (DTX) with a word in it, and their loss is chance.
const FEWEST_FRAMES: u32 = 50;

/// The time that is in one packet.
const FRAME: Duration = Duration::from_millis(20);

/// What players hold back at least, and in multiples of the jitter: NetEQ aims at the 95th percentile of delay.
const LEAST_PLAYOUT_DELAY: Duration = Duration::from_millis(40);
const PLAYOUT_JITTERS: u32 = 3;

/// How one voice sounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VoiceScore {
    /// Mean opinion score.
    pub(crate) mos: f64,
    /// Share of frames that the listener missed, after redundancy.
    pub(crate) loss: f64,
}

/// One voice on its way to one subscriber.
#[derive(Debug, Default)]
pub(crate) struct VoiceLeg {
    pub(crate) redundancy: Redundancy,
    /// The packets that left last, by their numbers at the publisher, the newest first: only what the subscriber was
    /// sent is sent to it again, and never what was said while muted.
    left: [Option<u64>; Redundancy::Twice.generations()],
    fates: VoiceFates,
    /// Interarrival jitter and loss by the subscriber's own report.
    jitter: Duration,
    reported_loss: f64,
    /// Packets since the last score, for subscribers that give no transport-wide feedback on voices.
    unwatched: u32,
}

impl VoiceLeg {
    /// The numbers of the packets that left last, the newest first.
    pub(crate) fn left(&self) -> impl Iterator<Item = Option<u64>> + use<> {
        self.left.into_iter()
    }

    /// Takes a packet that left, with its number at the publisher, the packets that it stands for, and so many earlier
    /// frames in it. Without a transport-wide number no feedback will tell of it.
    pub(crate) fn handle_sent(
        &mut self,
        (sequence, passengers): (u64, Passengers),
        transport_sequence: Option<u16>,
        repeats: usize,
    ) {
        for sequence in passengers.numbers(sequence).rev().chain([sequence]) {
            if self.left[0].is_none_or(|newest| newest < sequence) {
                self.left.rotate_right(1);
                self.left[0] = Some(sequence);
            }
        }
        let frames = 1 + passengers.count();
        match transport_sequence {
            Some(sequence) => self.fates.handle_sent(sequence, frames, repeats),
            None => self.unwatched = self.unwatched.saturating_add(frames as u32),
        }
    }

    /// Takes transport-wide feedback on everything that was sent to the subscriber.
    pub(crate) fn handle_feedback(&mut self, statuses: &[PacketStatus]) {
        self.fates.handle_feedback(statuses);
    }

    /// Takes the subscriber's report block on this voice.
    pub(crate) fn handle_report(&mut self, loss: f64, jitter: Duration) {
        self.reported_loss = loss;
        self.jitter = jitter;
    }

    /// How it sounded since the last call; `None` where hardly anything was said. `network` is the time that packets
    /// take from the publisher to the subscriber.
    pub(crate) fn take_score(&mut self, network: Duration) -> Option<VoiceScore> {
        let heard = self.fates.take_heard();
        let unwatched = std::mem::take(&mut self.unwatched);
        let (frames, loss, burstiness) = match heard.frames {
            0 => (unwatched, self.reported_loss, 1.0),
            frames => (frames, heard.loss(), heard.burstiness()),
        };
        if frames < FEWEST_FRAMES {
            return None;
        }
        let repeated = FRAME * self.redundancy.generations() as u32;
        let playout = LEAST_PLAYOUT_DELAY.max(self.jitter * PLAYOUT_JITTERS) + repeated;
        let delay = FRAME + network + playout;
        Some(VoiceScore { mos: mean_opinion(&Hearing { delay, loss, burstiness }), loss })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Duration = Duration::from_millis(40);

    fn score(repeats: usize, lost: impl Fn(u16) -> bool) -> Option<VoiceScore> {
        let mut leg = VoiceLeg::default();
        for sequence in 0..250 {
            leg.handle_sent((sequence.into(), Passengers::default()), Some(sequence), repeats);
            let arrival = (!lost(sequence)).then_some(Duration::ZERO);
            leg.handle_feedback(&[PacketStatus { sequence, arrival }]);
        }
        leg.take_score(NETWORK)
    }

    #[test]
    fn redundancy_is_heard() {
        let perfect = score(0, |_| false).expect("it spoke");
        assert!(perfect.mos > 4.3 && perfect.loss == 0.0);
        let bare = score(0, |sequence| sequence % 20 == 0).expect("it spoke");
        assert!((3.7..4.0).contains(&bare.mos), "{bare:?}");
        let repaired = score(1, |sequence| sequence % 20 == 0).expect("it spoke");
        assert_eq!((repaired.mos, repaired.loss), (perfect.mos, 0.0));
    }

    #[test]
    fn silence_has_no_score_and_reports_are_the_fallback() {
        let mut leg = VoiceLeg::default();
        assert_eq!(leg.take_score(NETWORK), None);
        leg.handle_report(0.1, Duration::from_millis(5));
        (0..250).for_each(|sequence| leg.handle_sent((sequence, Passengers::default()), None, 0));
        let loss = leg.take_score(NETWORK).map(|score| score.loss);
        assert_eq!((loss, leg.take_score(NETWORK)), (Some(0.1), None));
    }
}
