//! What the link delivers: the acknowledged rate over half a second, and the rate of the last few packets,
//! which is the capacity while a queue stands.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use super::send_history::DeliveredPacket;

/// The deliveries of the last half second.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryRate {
    recent: VecDeque<Delivery>,
    /// What the recent ones make together: it is asked for more often than one comes.
    recent_size: DataSize,
    first_arrival: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Delivery {
    sent: Duration,
    arrival: Duration,
    size: DataSize,
}

/// What happened to the last few packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Throughput {
    /// The rate they arrived at; one pause of the link is left out.
    pub(crate) arrived: Bitrate,
    /// The rate they were sent at.
    pub(crate) sent: Bitrate,
}

impl Throughput {
    /// Whether the packets arrived slower than this share of the rate they were sent at.
    pub(crate) fn is_stretched(&self, share: f64) -> bool {
        self.arrived < self.sent.scaled(share)
    }
}

impl DeliveryRate {
    pub(crate) fn push(&mut self, packet: &DeliveredPacket) {
        if packet.arrival.abs_diff(self.latest()) > CLOCK_JUMP {
            *self = Self::default();
        }
        self.first_arrival.get_or_insert(packet.arrival);
        if self.recent.len() == MOST_DELIVERIES {
            self.forget_first();
        }
        // Kept in order of arrival: a misordered packet moves a few places at most.
        let place =
            self.recent.iter().rposition(|other| other.arrival <= packet.arrival).map_or(0, |at| at + 1);
        self.recent_size += packet.size;
        self.recent.insert(place, Delivery { sent: packet.sent, arrival: packet.arrival, size: packet.size });
        let horizon = self.latest().saturating_sub(ACKNOWLEDGED);
        while self.recent.front().is_some_and(|first| first.arrival < horizon) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let size = self.recent.pop_front().map_or(DataSize::ZERO, |first| first.size);
        self.recent_size -= size;
    }

    /// The rate acknowledged over the last half second, once a quarter has passed.
    pub(crate) fn acknowledged(&self) -> Option<Bitrate> {
        let first_kept = self.recent.front()?.arrival;
        let full = self.recent.len() == MOST_DELIVERIES;
        let since = if full {
            first_kept
        } else {
            self.latest().saturating_sub(ACKNOWLEDGED).max(self.first_arrival?)
        };
        let time = self.latest().saturating_sub(since);
        (time >= ACKNOWLEDGED / 2).then(|| self.recent_size.per(time))
    }

    /// What happened to the packets that arrived during the last `window`.
    pub(crate) fn throughput(&self, window: Duration) -> Option<Throughput> {
        let horizon = self.latest().saturating_sub(window);
        let start = self.recent.partition_point(|delivery| delivery.arrival < horizon);
        let start = start.min(self.recent.len().saturating_sub(FEWEST_PACKETS));
        let mut packets = self.recent.iter().skip(start);
        let first = packets.next()?;
        let mut last = first.arrival;
        let mut size = DataSize::ZERO;
        let mut pause = (Duration::ZERO, DataSize::ZERO);
        let (mut earliest, mut newest) = (first.sent, first.sent);
        for packet in packets {
            let gap = packet.arrival - last;
            if gap > pause.0 {
                pause = (gap, packet.size);
            }
            last = packet.arrival;
            size += packet.size;
            earliest = earliest.min(packet.sent);
            newest = newest.max(packet.sent);
        }
        let time = last - first.arrival;
        let sent = size.per((newest - earliest).max(SHORTEST));
        if self.recent.len() - start < FEWEST_PACKETS || time.is_zero() {
            return None;
        }
        // One long gap among short ones is a radio that paused, not a slow link.
        let arrived = if pause.0 > time * 2 / 5 {
            (size - pause.1).per((time - pause.0).max(SHORTEST)).min(sent.max(size.per(time)))
        } else {
            size.per(time)
        };
        Some(Throughput { arrived, sent })
    }

    fn latest(&self) -> Duration {
        self.recent.back().or(self.recent.front()).map_or(Duration::ZERO, |delivery| delivery.arrival)
    }
}

/// Long enough for the bursts of 15 frames a second, short enough to follow a change.
const ACKNOWLEDGED: Duration = Duration::from_millis(500);

/// Half a second of 10 Mbit/s in full packets; above that, the newest of them.
const MOST_DELIVERIES: usize = 512;

/// Fewer packets than these make no rate.
const FEWEST_PACKETS: usize = 5;

/// Packets that arrived or left closer together than this have no rate.
const SHORTEST: Duration = Duration::from_millis(1);

/// A step of the receiver's clock, not of the link.
const CLOCK_JUMP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::packet::PacketClass;

    /// Packets of 1000 bytes at these times of sending and arrival, in milliseconds.
    fn rate_of(packets: impl IntoIterator<Item = (u64, u64)>) -> DeliveryRate {
        let mut rate = DeliveryRate::default();
        for (sent, arrival) in packets {
            rate.push(&DeliveredPacket {
                sent: Duration::from_millis(sent),
                arrival: Duration::from_millis(arrival),
                size: DataSize::bytes(1_000),
                class: PacketClass::Video,
                probe: None,
            });
        }
        rate
    }

    #[test]
    fn acknowledges_over_half_a_second() {
        let rate = rate_of((0..200).map(|n| (n * 10, n * 10 + 30)));
        let acknowledged = rate.acknowledged().unwrap();
        assert!(acknowledged >= Bitrate::kbps(790) && acknowledged <= Bitrate::kbps(830), "{acknowledged}");
        assert_eq!(rate_of([(0, 30), (10, 40)]).acknowledged(), None);
    }

    #[test]
    fn throughput_is_the_capacity_while_a_queue_grows() {
        let throughput =
            rate_of((0..40).map(|n| (n * 5, n * 20))).throughput(Duration::from_millis(150)).unwrap();
        assert_eq!((throughput.arrived, throughput.sent), (Bitrate::kbps(400), Bitrate::kbps(1_600)));
    }

    #[test]
    fn a_pause_of_the_radio_is_no_slow_link() {
        let packets = (0..40).map(|n| (n * 5, if n < 30 { n * 5 } else { 100 + n * 5 }));
        let throughput = rate_of(packets).throughput(Duration::from_millis(150)).unwrap();
        assert_eq!(throughput.arrived, Bitrate::kbps(1_600));
    }
}
