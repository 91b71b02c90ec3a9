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
        if self.recent.len() == MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((packet.sent, delay));
    }

    /// The standing queue: the least delay among the packets sent last, so that jitter does not count.
    pub(crate) fn standing(&self) -> Duration {
        let (Some(base), Some((last_sent, _))) = (self.base, self.recent.back()) else {
            return Duration::ZERO;
        };
        let least = self
            .recent
            .iter()
            .rev()
            .take_while(|(sent, _)| last_sent.saturating_sub(*sent) <= STANDING)
            .fold(f64::INFINITY, |least, (_, delay)| least.min(*delay));
        let above = (least - base.current.min(base.previous)).clamp(0.0, CLOCK_JUMP);
        Duration::from_secs_f64(above / 1e3)
    }
}

/// A base is between 15 and 30 s old: longer than a probe's queue, shorter than a doctor's patience with a
/// delay that a new path brought.
const HALF_WINDOW: Duration = Duration::from_secs(15);

/// Packets sent within this time stand for the present queue.
const STANDING: Duration = Duration::from_millis(60);

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
            let sent = Duration::from_millis(20 * index as u64);
            queue.push(&DeliveredPacket {
                sent,
                arrival: sent + Duration::from_millis(*delay),
                size: DataSize::bytes(1_000),
                class: PacketClass::Video,
                probe: None,
            });
        }
        queue.standing().as_millis()
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
    fn a_longer_path_becomes_the_base_in_time() {
        let mut delays = vec![30; 50];
        delays.extend(vec![80; 1_600]);
        assert_eq!(standing_after(&delays), 0);
        delays.truncate(500);
        assert_eq!(standing_after(&delays), 50);
    }
}
