//! Sees in one feedback that the link delivers far less than it is sent, long before a trend is sure of it:
//! packets that left quickly arrive one after the other, each later by its own time on the slow link. The
//! dispersion of such a run is the capacity (packet trains, as in draft-ietf-rmcat-gcc-02 §5.2 for groups);
//! a radio that pauses shows one long gap instead, and then a burst.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use super::arrival_groups::millis_between;
use super::send_history::DeliveredPacket;

/// The deliveries that a run may consist of, in order of sending.
#[derive(Debug, Clone, Default)]
pub(crate) struct CollapseDetector {
    recent: VecDeque<Sample>,
    /// How much the delay changes from one packet to the next, smoothed, in milliseconds.
    jitter: f64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    sent: Duration,
    arrival: Duration,
    size: DataSize,
    /// One-way delay in milliseconds, off by the difference of the clocks.
    delay: f64,
}

/// The packets from one on to the newest; the size is without the first.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    first: &'a Sample,
    packets: usize,
    size: DataSize,
    longest_gap: Duration,
}

/// A run of packets that queued one behind the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Collapse {
    /// The rate at which they came through.
    pub(crate) delivered: Bitrate,
    /// The rate at which they were sent.
    pub(crate) sent: Bitrate,
    /// By how much the last was later than the first.
    pub(crate) growth: Duration,
}

impl CollapseDetector {
    pub(crate) fn push(&mut self, packet: &DeliveredPacket) {
        let delay = millis_between(packet.sent, packet.arrival);
        let sample = Sample { sent: packet.sent, arrival: packet.arrival, size: packet.size, delay };
        if let Some(last) = self.recent.back() {
            if packet.sent < last.sent {
                return;
            }
            let change = (delay - last.delay).abs().min(LARGEST_CHANGE);
            self.jitter += (change - self.jitter) / JITTER_SMOOTHING;
        }
        if self.recent.len() == MOST_SAMPLES {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
    }

    /// How much the delay changes from one packet to the next.
    pub(crate) fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter.max(0.0) / 1e3)
    }

    pub(crate) fn forget(&mut self) {
        self.recent.clear();
    }

    /// The run that ends with the newest packet, if its delay grew beyond what jitter explains.
    pub(crate) fn collapse(&self) -> Option<Collapse> {
        let last = self.recent.back()?;
        let mut walk = Run { first: last, packets: 1, size: DataSize::ZERO, longest_gap: Duration::ZERO };
        // The run begins where the delay began to grow: what came before it met another link.
        let mut run = walk;
        for earlier in self.recent.iter().rev().skip(1) {
            let is_queued_before = earlier.delay <= walk.first.delay + TOLERANCE
                && earlier.arrival <= walk.first.arrival
                && last.arrival.saturating_sub(earlier.arrival) <= LONGEST_RUN;
            if !is_queued_before {
                break;
            }
            walk = Run {
                first: earlier,
                packets: walk.packets + 1,
                size: walk.size + walk.first.size,
                longest_gap: walk.longest_gap.max(walk.first.arrival - earlier.arrival),
            };
            if earlier.delay + TOLERANCE < run.first.delay {
                run = walk;
            }
        }
        let Run { first, packets, size, longest_gap } = run;
        let growth = last.delay - first.delay;
        let time = last.arrival - first.arrival;
        // In a queue the gaps are the packets' own; jitter's are not.
        let is_queue = packets >= FEWEST_PACKETS
            && size >= LEAST_SIZE
            && growth >= LEAST_GROWTH.max(self.jitter * JITTER_MARGIN)
            && longest_gap <= time.mul_f64(LONGEST_GAP);
        is_queue.then(|| Collapse {
            delivered: size.per(time.max(SHORTEST)),
            sent: size.per((last.sent - first.sent).max(SHORTEST)),
            growth: Duration::from_secs_f64(growth / 1e3),
        })
    }
}

/// Two gaps of the same kind: a false alarm is taken back with the next feedback.
const FEWEST_PACKETS: usize = 3;

/// Voices are small, and wait behind what others send: how they come through tells nothing of the link.
const LEAST_SIZE: DataSize = DataSize::bytes(2_000);

/// Milliseconds: two full packets at 600 kbit/s; less is what a key frame does to a link that carries it.
const LEAST_GROWTH: f64 = 30.0;

/// Mean changes that a run must exceed.
const JITTER_MARGIN: f64 = 8.0;

/// Share of the run's time that one gap may take.
const LONGEST_GAP: f64 = 0.65;

/// Milliseconds by which a small packet may be earlier than the large one before it.
const TOLERANCE: f64 = 2.0;

/// A run longer than this mixes two states of the link.
const LONGEST_RUN: Duration = Duration::from_millis(200);

/// Packets of that time at 10 Mbit/s would be more; the newest of them suffice.
const MOST_SAMPLES: usize = 64;

/// Milliseconds; one pause shall not hide the next collapse.
const LARGEST_CHANGE: f64 = 50.0;

/// As RFC 3550 §6.4.1 smooths it.
const JITTER_SMOOTHING: f64 = 16.0;

/// Packets closer together than this have no rate.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::packet::PacketClass;

    /// The collapse seen after packets of 1000 bytes with these times of sending and arrival, after a
    /// second of peace.
    fn seen(packets: &[(u64, u64)]) -> Option<Collapse> {
        let peace = (0..100).map(|index| (10 * index, 10 * index + 30));
        let news = packets.iter().map(|(sent, arrival)| (1_000 + sent, 1_000 + arrival));
        let mut detector = CollapseDetector::default();
        for (sent, arrival) in peace.chain(news) {
            detector.push(&DeliveredPacket {
                sent: Duration::from_millis(sent),
                arrival: Duration::from_millis(arrival),
                size: DataSize::bytes(1_000),
                class: PacketClass::Video,
                probe: None,
            });
        }
        detector.collapse()
    }

    #[test]
    fn a_run_through_a_slow_link_is_a_collapse() {
        for (name, packets, expected) in [
            ("peace", vec![(0, 30), (10, 40)], None),
            ("a slow link", vec![(0, 46), (2, 62), (4, 78), (6, 94)], Some(500)),
            ("a link that carries a frame", vec![(0, 32), (2, 36), (4, 40), (6, 44), (8, 48)], None),
            ("a pause", vec![(0, 130), (10, 131), (20, 132), (30, 133), (40, 134)], None),
            ("one late packet", vec![(0, 30), (10, 130)], None),
        ] {
            let delivered = seen(&packets).map(|collapse| collapse.delivered.as_kbps());
            assert_eq!(delivered.is_some(), expected.is_some(), "{name}: {delivered:?}");
            if let (Some(delivered), Some(expected)) = (delivered, expected) {
                assert!(delivered.abs_diff(expected) <= expected / 4, "{name}: {delivered}");
            }
        }
    }

    #[test]
    fn jitter_is_no_collapse() {
        let mut detector = CollapseDetector::default();
        let delays = [30_u64, 90, 40, 110, 30, 60, 90, 110, 30, 45, 75, 95];
        for (index, delay) in delays.repeat(20).into_iter().enumerate() {
            let sent = Duration::from_millis(20 * index as u64);
            detector.push(&DeliveredPacket {
                sent,
                arrival: sent + Duration::from_millis(delay),
                size: DataSize::bytes(1_000),
                class: PacketClass::Video,
                probe: None,
            });
            assert!(index < 24 || detector.collapse().is_none(), "{index}");
        }
    }
}
