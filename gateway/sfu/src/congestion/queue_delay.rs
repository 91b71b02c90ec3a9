//! The queue on the path: how much the one-way delay stands above the least one of the last half minute.

use std::collections::VecDeque;
use std::time::Duration;

use super::arrival_groups::millis_between;
use super::send_history::DeliveredPacket;

/// The queue's delay on one path.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueDelay {
    recent: VecDeque<(Duration, f64)>,
    base: Option<Base>,
    /// How much the delay changes from one packet to the next, smoothed, in milliseconds.
    jitter: f64,
    /// The last time that the delay grew by much from one packet to the next, and by how many milliseconds.
    jumped: Option<(Duration, f64)>,
    /// Since when the standing queue has been the same.
    plateau: Option<(Duration, Duration)>,
}

/// Least delays of the half window being filled and of the one before: the clocks drift apart and paths
/// change, so an old minimum must go.
#[derive(Debug, Clone, Copy)]
struct Base {
    since: Duration,
    current: f64,
    previous: f64,
}

impl QueueDelay {
    pub(crate) fn push(&mut self, packet: &DeliveredPacket) {
        let delay = millis_between(packet.sent, packet.arrival);
        let jumped = self.recent.back().is_some_and(|(_, last)| (delay - last).abs() > CLOCK_JUMP);
        if jumped {
            *self = Self::default();
        }
        self.base = Some(match self.base {
            None => Base { since: packet.sent, current: delay, previous: delay },
            Some(base) if packet.sent.saturating_sub(base.since) > HALF_WINDOW => {
                Base { since: packet.sent, current: delay, previous: base.current }
            }
            Some(base) => Base { current: base.current.min(delay), ..base },
        });
        if let Some((_, last)) = self.recent.back() {
            if delay - last > JUMP {
                self.jumped = Some((packet.sent, delay - last));
            }
            self.jitter += ((delay - last).abs() - self.jitter) / JITTER_SMOOTHING;
        }
        if self.recent.len() == MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((packet.sent, delay));
    }

    /// The standing queue: the least delay among the packets sent last, so that jitter does not count.
    pub(crate) fn standing(&self) -> Duration {
        let Some((last_sent, _)) = self.recent.back() else { return Duration::ZERO };
        let last =
            self.recent.iter().rev().take_while(|(sent, _)| last_sent.saturating_sub(*sent) <= STANDING);
        self.above_base(last)
    }

    /// Whether the delay jumped and has been the same since: a queue grows packet by packet, a path changes at
    /// once.
    pub(crate) fn is_flat(&self) -> bool {
        // Most paths never jump.
        let (Some((last_sent, _)), Some((jumped_at, by))) = (self.recent.back(), self.jumped) else {
            return false;
        };
        let recent =
            || self.recent.iter().rev().take_while(|(sent, _)| last_sent.saturating_sub(*sent) <= FLAT_FOR);
        let least = recent().fold(f64::INFINITY, |least, (_, delay)| least.min(*delay));
        let most = recent().fold(0.0_f64, |most, (_, delay)| most.max(*delay));
        let spans = self.recent.front().is_some_and(|(sent, _)| last_sent.saturating_sub(*sent) >= FLAT_FOR);
        let standing = self.standing().as_secs_f64() * 1e3;
        let jumped = last_sent.saturating_sub(jumped_at) <= JUMPED_LATELY && by >= standing * MOST_OF_IT;
        jumped
            && (spans || self.recent.len() == MOST_RECENT)
            && most - least <= FLATNESS.max(self.jitter * 2.0)
            && standing > FLAT.as_secs_f64() * 1e3
    }

    /// The queue that the newest packet met.
    pub(crate) fn newest(&self) -> Duration {
        self.above_base(self.recent.back().into_iter())
    }

    /// The queue that the last few packets met, if jitter cannot explain it: a step of the link shows here
    /// within one picture, long before a trend does.
    pub(crate) fn sudden(&self) -> Option<Duration> {
        let queue = self.above_base(self.recent.iter().rev().take(FEW));
        let least = SUDDEN.max(Duration::from_secs_f64(self.jitter.min(CLOCK_JUMP) * JITTER_MARGIN / 1e3));
        (queue > least).then_some(queue)
    }

    /// Takes the present delay for the path's own.
    pub(crate) fn rebase(&mut self) {
        let least = self.recent.iter().fold(f64::INFINITY, |least, (_, delay)| least.min(*delay));
        if let Some(base) = self.base.as_mut().filter(|_| least.is_finite()) {
            base.current = least;
            base.previous = least;
        }
        self.plateau = None;
    }

    /// Somebody else keeps the queue from being empty: what was the least delay before still is.
    pub(crate) fn keep_base(&mut self) {
        if let (Some(base), Some((last_sent, _))) = (self.base.as_mut(), self.recent.back()) {
            base.since = *last_sent;
        }
    }

    /// A queue of ours varies with what is sent: one that stays the same while little is sent is a longer path.
    pub(crate) fn watch_plateau(&mut self, now: Duration, is_little_sent: bool) {
        let standing = self.standing();
        let Some((since, level)) =
            self.plateau.filter(|(_, level)| is_little_sent && level.abs_diff(standing) < FLAT)
        else {
            self.plateau = (standing > FLAT).then_some((now, standing));
            return;
        };
        if now.saturating_sub(since) > LONGEST_PLATEAU {
            self.rebase();
        } else {
            self.plateau = Some((since, level));
        }
    }

    fn above_base<'a>(&self, packets: impl Iterator<Item = &'a (Duration, f64)>) -> Duration {
        let least = packets.fold(f64::INFINITY, |least, (_, delay)| least.min(*delay));
        let above = self.base.map_or(0.0, |base| least - base.current.min(base.previous));
        Duration::from_secs_f64(above.clamp(0.0, CLOCK_JUMP) / 1e3)
    }
}

/// A base is between 15 and 30 s old: longer than a probe's queue, shorter than a doctor's patience with a
/// delay that a new path brought.
const HALF_WINDOW: Duration = Duration::from_secs(15);

/// Packets sent within this time stand for the present queue.
const STANDING: Duration = Duration::from_millis(60);

/// A plateau varies by less,
const FLAT: Duration = Duration::from_millis(15);

/// and lasts longer than any picture's burst.
const LONGEST_PLATEAU: Duration = Duration::from_secs(2);

/// Milliseconds from one packet to the next that no packet takes on a link worth a picture,
const JUMP: f64 = 25.0;

/// this lately,
const JUMPED_LATELY: Duration = Duration::from_secs(3);

/// and so much of the whole difference.
const MOST_OF_IT: f64 = 0.6;

/// Voice and pictures of this time, or the newest packets of a fast flow,
const FLAT_FOR: Duration = Duration::from_millis(250);

/// lie within so many milliseconds, a picture's own burst included.
const FLATNESS: f64 = 12.0;

/// Single packets may be late; so many in a row are in a queue.
const FEW: usize = 3;

/// A picture at twice the rate of the link queues for less.
const SUDDEN: Duration = Duration::from_millis(50);

/// Six mean changes are beyond what the least of a few packets reaches by chance.
const JITTER_MARGIN: f64 = 6.0;

/// As RFC 3550 §6.4.1 smooths it.
const JITTER_SMOOTHING: f64 = 16.0;

/// Packets of that time at full rate.
const MOST_RECENT: usize = 64;

/// Milliseconds by which no queue grows between two packets: the receiver's clock was set.
const CLOCK_JUMP: f64 = 10_000.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::packet::PacketClass;
    use protocol::units::DataSize;

    fn standing_after(delays: &[u64]) -> u128 {
        let mut queue = QueueDelay::default();
        for (index, delay) in delays.iter().enumerate() {
            queue.push(&packet(index, *delay));
        }
        queue.standing().as_millis()
    }

    /// One of packets sent every 20 ms.
    fn packet(index: usize, delay: u64) -> DeliveredPacket {
        let sent = Duration::from_millis(20 * index as u64);
        DeliveredPacket {
            sent,
            arrival: sent + Duration::from_millis(delay),
            size: DataSize::bytes(1_000),
            class: PacketClass::Video,
            probe: None,
        }
    }

    #[test]
    fn stands_above_the_least_delay() {
        for (name, delays, expected) in [
            ("nothing known", vec![], 0),
            ("steady", vec![30; 10], 0),
            ("grown", vec![30, 30, 50, 80, 90, 95, 100], 50),
            ("one late packet", vec![30, 30, 30, 200, 30], 0),
            ("drained", vec![30, 100, 100, 100, 100, 30], 0),
            ("the clock was set", vec![30, 30, 90_000, 90_000], 0),
        ] {
            assert_eq!(standing_after(&delays), expected, "{name}");
        }
    }

    #[test]
    fn a_sudden_queue_is_seen_unless_jitter_explains_it() {
        for (name, delays, expected) in [
            ("steady", vec![30; 30], None),
            ("a step of the link", vec![30, 30, 30, 50, 70, 90, 110, 130], Some(60)),
            ("a late packet", vec![30, 30, 30, 30, 120, 31, 30], None),
            ("jitter", [30, 90, 40, 110, 30, 120, 100, 90, 110].repeat(9), None),
        ] {
            let mut queue = QueueDelay::default();
            for (index, delay) in delays.iter().enumerate() {
                queue.push(&packet(index, *delay));
            }
            let least = expected.map(Duration::from_millis);
            assert_eq!(queue.sudden().is_some(), least.is_some(), "{name}");
            assert!(queue.sudden() >= least, "{name}");
        }
    }

    #[test]
    fn a_longer_path_becomes_the_base_in_time() {
        let mut delays = vec![30; 50];
        delays.extend(vec![80; 1_600]);
        assert_eq!(standing_after(&delays), 0);
        delays.truncate(500);
        assert_eq!(standing_after(&delays), 50);
    }
}
