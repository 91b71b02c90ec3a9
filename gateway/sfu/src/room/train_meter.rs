//! How fast packets of one participant come in when they come one behind the other. A frame leaves its browser as
//! a train of packets, faster than the mean rate: where an uplink spreads such trains out, it shows what it carries,
//! and where it does not, it shows that it carries more than what is sent (packet dispersion).

use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};

/// Packets with a longer gap between them belong to two trains.
const LONGEST_GAP: Duration = Duration::from_millis(10);

/// A train is cut after this time: behind a full queue it has no end of its own.
const LONGEST_TRAIN: Duration = Duration::from_millis(50);

/// Packets after the first that make a train. A single one shows the turns of a worker's loop rather than the link, and
/// more are never seen of a publisher that has been asked for a small picture for long.
const LEAST_FOLLOWERS: u32 = 2;

/// Radios and receive batches hand over several packets at one instant; no shorter train is believed to be so.
const SHORTEST_TRAIN: Duration = Duration::from_millis(5);

/// The trains of one participant.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TrainMeter {
    train: Option<Train>,
    /// Of the trains since these were last taken.
    size: DataSize,
    time: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Train {
    began: Instant,
    last: Instant,
    /// Packets after the first, and what they carried: the first one's time on the link is not seen.
    followers: u32,
    size: DataSize,
}

impl TrainMeter {
    /// Takes an authentic packet. A voice is none: its packets come one by one, between the trains.
    pub(super) fn record(&mut self, now: Instant, size: usize) {
        if let Some(train) = &mut self.train
            && now.saturating_duration_since(train.last) <= LONGEST_GAP
            && now.saturating_duration_since(train.began) <= LONGEST_TRAIN
        {
            train.last = now;
            train.followers += 1;
            train.size += DataSize::bytes(size as u64);
            return;
        }
        self.end_train();
        self.train = Some(Train { began: now, last: now, followers: 0, size: DataSize::ZERO });
    }

    /// The mean rate of the trains since the last call; `None` where there was none.
    pub(super) fn take(&mut self, now: Instant) -> Option<Bitrate> {
        if self.train.is_some_and(|train| now.saturating_duration_since(train.last) > LONGEST_GAP) {
            self.end_train();
        }
        let (size, time) = (std::mem::take(&mut self.size), std::mem::take(&mut self.time));
        (!time.is_zero()).then(|| size.per(time))
    }

    fn end_train(&mut self) {
        if let Some(train) = self.train.take()
            && train.followers >= LEAST_FOLLOWERS
        {
            self.size += train.size;
            self.time += train.last.saturating_duration_since(train.began).max(SHORTEST_TRAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of so many packets of 1,200 bytes every 33 ms for a second, each packet `gap` after the one before.
    fn frames(packets: u32, gap: Duration) -> Option<Bitrate> {
        let mut meter = TrainMeter::default();
        let start = crate::testing::origin();
        for frame in 0..30_u32 {
            for packet in 0..packets {
                meter.record(start + frame * Duration::from_millis(33) + packet * gap, 1_200);
            }
        }
        meter.take(start + Duration::from_secs(1))
    }

    #[test]
    fn a_frame_shows_what_the_link_carries_and_not_what_is_sent() {
        for (packets, gap, expected) in [(4, 4, 2_400), (4, 6, 1_600), (5, 2, 4_800)] {
            let rate = frames(packets, Duration::from_millis(gap)).expect("trains").as_kbps();
            assert_eq!(rate, expected, "{packets} packets, {gap} ms apart");
        }
    }

    #[test]
    fn a_full_queue_is_one_train_without_end() {
        let rate = frames(4, Duration::from_micros(8_250)).expect("trains").as_kbps();
        assert!((1_150..1_200).contains(&rate), "{rate}");
    }

    #[test]
    fn packets_of_one_instant_show_no_miracle() {
        let rate = frames(4, Duration::ZERO).expect("trains").as_kbps();
        assert_eq!(rate, 5_760, "3,600 bytes within five milliseconds");
    }

    #[test]
    fn single_packets_show_nothing() {
        assert_eq!(frames(1, Duration::ZERO), None);
        assert_eq!(frames(3, Duration::from_millis(11)), None);
        assert_eq!(frames(2, Duration::from_millis(1)), None);
    }
}
