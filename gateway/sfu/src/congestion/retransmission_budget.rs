//! Decides whether a packet may be sent again: inside a share of the rate, a few times, and only while a
//! playout could still use it. A storm of NACKs after a drop in capacity thus cannot become load.

use std::time::{Duration, Instant};

use protocol::units::DataSize;

use super::pace::Pace;
use super::token_bucket::TokenBucket;

/// The past of a packet that is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// When it left for the first time.
    pub first_sent: Instant,
    /// When it left last.
    pub last_sent: Instant,
    /// How often it has been sent again already.
    pub resends: u8,
}

/// Why a packet is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RetransmissionRefusal {
    /// It would come too late to be played.
    #[error("the packet is too old to be played")]
    TooOld,
    /// It has been sent often enough.
    #[error("the packet has been sent too often")]
    TooOften,
    /// What was sent last may still be under way.
    #[error("the packet may still be under way")]
    UnderWay,
    /// The share of the rate for repairs is spent.
    #[error("the budget for retransmissions is spent")]
    OverBudget,
}

/// The budget for sending packets again, toward one subscriber.
#[derive(Debug, Clone)]
pub(crate) struct RetransmissionBudget {
    bucket: TokenBucket,
    depth: DataSize,
    round_trip: Duration,
}

impl RetransmissionBudget {
    pub(crate) fn new(pace: &Pace) -> Self {
        Self {
            bucket: TokenBucket::new(pace.retransmission, depth(pace)),
            depth: depth(pace),
            round_trip: pace.round_trip,
        }
    }

    /// What may wait at most.
    pub(crate) fn depth(&self) -> DataSize {
        self.depth
    }

    pub(crate) fn set_pace(&mut self, now: Instant, pace: &Pace) {
        self.bucket.set(now, pace.retransmission, depth(pace));
        self.depth = depth(pace);
        self.round_trip = pace.round_trip;
    }

    /// Takes the packet's bytes from the budget, or says why it may not be sent.
    pub(crate) fn spend(
        &mut self,
        now: Instant,
        size: DataSize,
        resend: &Resend,
    ) -> Result<(), RetransmissionRefusal> {
        if resend.resends >= MAX_RESENDS {
            return Err(RetransmissionRefusal::TooOften);
        }
        if self.is_too_old(now, resend) {
            return Err(RetransmissionRefusal::TooOld);
        }
        let under_way = now.saturating_duration_since(resend.last_sent);
        if resend.resends > 0 && under_way < self.round_trip.min(LONGEST_WAIT_BETWEEN_RESENDS) {
            return Err(RetransmissionRefusal::UnderWay);
        }
        if !self.bucket.has_credit(now) {
            return Err(RetransmissionRefusal::OverBudget);
        }
        self.bucket.take(now, size);
        Ok(())
    }

    /// Whether the packet could no longer be played if it left at `now`.
    pub(crate) fn is_too_old(&self, now: Instant, resend: &Resend) -> bool {
        let arrival = now.saturating_duration_since(resend.first_sent) + self.round_trip / 2;
        arrival > LONGEST_PLAYOUT_DELAY + self.round_trip
    }
}

fn depth(pace: &Pace) -> DataSize {
    (pace.retransmission * BURST).max(SMALLEST_DEPTH)
}

/// A browser asks every round trip; what did not arrive after four tries meets a link that a key frame
/// fits better.
const MAX_RESENDS: u8 = 4;

/// What a jitter buffer holds at most before its picture freezes, beside the round trip that it adapts to.
const LONGEST_PLAYOUT_DELAY: Duration = Duration::from_millis(400);

/// Where the round trip is absurd, a request is believed after this long.
const LONGEST_WAIT_BETWEEN_RESENDS: Duration = Duration::from_millis(300);

/// Losses come in runs: half a second of budget may go at once.
const BURST: Duration = Duration::from_millis(500);

/// Two full packets can be repaired at any rate.
const SMALLEST_DEPTH: DataSize = DataSize::bytes(2_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;
    use protocol::units::Bitrate;

    const PACKET: DataSize = DataSize::bytes(1_200);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn budget(retransmission: Bitrate, round_trip: Duration) -> RetransmissionBudget {
        RetransmissionBudget::new(&Pace {
            rate: Bitrate::mbps(1),
            burst: DataSize::bytes(5_000),
            retransmission,
            hold: None,
            round_trip,
        })
    }

    #[test]
    fn refuses_what_cannot_help() {
        use RetransmissionRefusal::{TooOften, TooOld, UnderWay};
        let start = origin();
        for (first_sent_ago, last_sent_ago, resends, round_trip, expected) in [
            (ms(60), ms(60), 0, ms(60), Ok(())),
            (ms(430), ms(100), 3, ms(60), Ok(())),
            (ms(460), ms(460), 0, ms(60), Err(TooOld)),
            (ms(460), ms(460), 0, ms(200), Ok(())),
            (ms(200), ms(70), 4, ms(60), Err(TooOften)),
            (ms(200), ms(50), 1, ms(60), Err(UnderWay)),
            (ms(20), ms(20), 0, ms(60), Ok(())),
            (ms(500), ms(310), 1, ms(2_000), Ok(())),
        ] {
            let now = start + ms(10_000);
            let resend = Resend { first_sent: now - first_sent_ago, last_sent: now - last_sent_ago, resends };
            let got = budget(Bitrate::mbps(1), round_trip).spend(now, PACKET, &resend);
            assert_eq!(got, expected, "{resend:?} at a round trip of {round_trip:?}");
        }
    }

    #[test]
    fn a_storm_of_requests_stays_within_the_budget() {
        let start = origin();
        let mut budget = budget(Bitrate::kbps(96), ms(60));
        let mut spent = DataSize::ZERO;
        for packet in 0..1_000 {
            let now = start + ms(packet);
            let resend = Resend { first_sent: now - ms(100), last_sent: now - ms(100), resends: 0 };
            if budget.spend(now, PACKET, &resend).is_ok() {
                spent += PACKET;
            }
        }
        assert!(spent >= DataSize::bytes(12_000), "{spent:?}");
        assert!(spent <= DataSize::bytes(12_000 + 6_000 + 2_400), "{spent:?}");
    }
}
