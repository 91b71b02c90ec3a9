//! Groups packets that left together and yields how much later each group arrived than the one before it
//! (draft-ietf-rmcat-gcc-02 §5.2), so that bursts of one picture do not read as delay.

use std::time::Duration;

use super::send_history::DeliveredPacket;

/// Two neighbouring groups compared. Times are in milliseconds, as regression wants numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GroupDelta {
    pub(crate) sent: f64,
    pub(crate) arrived: f64,
    pub(crate) at: f64,
}

impl GroupDelta {
    /// How much the delay grew.
    pub(crate) fn growth(&self) -> f64 {
        self.arrived - self.sent
    }
}

/// The group being filled, and the one before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ArrivalGroups {
    current: Option<Group>,
    previous: Option<Group>,
    misordered: u32,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Duration,
    last_sent: Duration,
    first_arrival: Duration,
    last_arrival: Duration,
}

impl ArrivalGroups {
    /// Takes the next packet in order of sending; yields a delta when it completes a group.
    pub(crate) fn push(&mut self, packet: &DeliveredPacket) -> Option<GroupDelta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(packet));
            return None;
        };
        if packet.sent < current.first_sent {
            return None;
        }
        if current.takes(packet) {
            current.last_sent = current.last_sent.max(packet.sent);
            current.last_arrival = current.last_arrival.max(packet.arrival);
            return None;
        }
        let complete = *current;
        let previous = self.previous.replace(complete);
        self.current = Some(Group::of(packet));
        self.compare(&complete, &previous?)
    }

    fn compare(&mut self, complete: &Group, previous: &Group) -> Option<GroupDelta> {
        let sent = millis_between(previous.last_sent, complete.last_sent);
        let arrived = millis_between(previous.last_arrival, complete.last_arrival);
        if arrived < 0.0 {
            self.misordered += 1;
            if self.misordered >= MOST_MISORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.misordered = 0;
        if (arrived - sent).abs() > LONGEST_GROWTH {
            *self = Self::default();
            return None;
        }
        Some(GroupDelta { sent, arrived, at: complete.last_arrival.as_secs_f64() * 1e3 })
    }
}

impl Group {
    fn of(packet: &DeliveredPacket) -> Self {
        Self {
            first_sent: packet.sent,
            last_sent: packet.sent,
            first_arrival: packet.arrival,
            last_arrival: packet.arrival,
        }
    }

    fn takes(&self, packet: &DeliveredPacket) -> bool {
        packet.sent.saturating_sub(self.first_sent) <= SENT_TOGETHER || self.arrived_together_with(packet)
    }

    /// Packets that a radio held back and let go at once say nothing about a queue.
    fn arrived_together_with(&self, packet: &DeliveredPacket) -> bool {
        let since_last = millis_between(self.last_arrival, packet.arrival);
        let growth = since_last - millis_between(self.last_sent, packet.sent);
        growth < 0.0
            && since_last <= ARRIVED_TOGETHER
            && millis_between(self.first_arrival, packet.arrival) < LONGEST_BURST
    }
}

/// From one time to another, in milliseconds; negative where the other is earlier.
pub(crate) fn millis_between(from: Duration, to: Duration) -> f64 {
    if to >= from { (to - from).as_secs_f64() * 1e3 } else { -((from - to).as_secs_f64() * 1e3) }
}

/// Shorter than a frame, longer than what a pacer sends back to back.
const SENT_TOGETHER: Duration = Duration::from_millis(5);

/// Milliseconds between packets of one radio burst.
const ARRIVED_TOGETHER: f64 = 5.0;

/// Milliseconds that one radio burst may last.
const LONGEST_BURST: f64 = 100.0;

/// Milliseconds of growth from one group to the next that only a jump of a clock explains.
const LONGEST_GROWTH: f64 = 3_000.0;

/// So many groups in a row that arrived before their predecessor mean that the clock went back.
const MOST_MISORDERED: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::packet::PacketClass;
    use protocol::units::DataSize;

    /// Pairs of sending and arrival in milliseconds, and the growths that come of them.
    fn growths(packets: &[(u64, u64)]) -> Vec<f64> {
        let mut groups = ArrivalGroups::default();
        packets
            .iter()
            .filter_map(|(sent, arrival)| {
                groups.push(&DeliveredPacket {
                    sent: Duration::from_millis(*sent),
                    arrival: Duration::from_millis(*arrival),
                    size: DataSize::bytes(1_000),
                    class: PacketClass::Video,
                    probe: None,
                })
            })
            .map(|delta| delta.growth().round())
            .collect()
    }

    #[test]
    fn groups_yield_growth() {
        for (name, packets, expected) in [
            ("steady", vec![(0, 30), (10, 40), (20, 50), (30, 60)], vec![0.0, 0.0]),
            ("a queue grows", vec![(0, 30), (10, 50), (20, 70), (30, 90)], vec![10.0, 10.0]),
            (
                "a frame is one group",
                vec![(0, 30), (1, 35), (2, 40), (33, 63), (34, 68), (66, 99)],
                vec![-4.0],
            ),
            (
                "a radio burst is one group",
                vec![(0, 30), (10, 80), (20, 80), (30, 81), (60, 100)],
                vec![21.0],
            ),
            (
                "a clock jumps",
                vec![(0, 30), (10, 9_000), (20, 9_010), (30, 9_020), (40, 9_030), (50, 9_040)],
                vec![0.0],
            ),
        ] {
            assert_eq!(growths(&packets), expected, "{name}");
        }
    }
}
