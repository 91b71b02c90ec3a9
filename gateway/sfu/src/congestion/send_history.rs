//! Remembers what was sent under which transport-wide sequence number, and resolves what feedback says of
//! it. A number that was never given, or whose packet was resolved before, resolves to nothing.

use std::time::Duration;

use protocol::units::DataSize;

use super::packet::{PacketClass, PacketStatus, ProbeId, SentPacket};

/// A packet whose arrival was reported. `sent` counts from the controller's epoch, `arrival` from the
/// receiver's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DeliveredPacket {
    pub(crate) sent: Duration,
    pub(crate) arrival: Duration,
    pub(crate) size: DataSize,
    pub(crate) class: PacketClass,
    pub(crate) probe: Option<ProbeId>,
}

/// What one status means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolution {
    /// It arrived.
    Delivered(DeliveredPacket),
    /// It was reported lost before, and arrived after all.
    DeliveredLate(DeliveredPacket),
    /// It has not arrived.
    Lost(LostPacket),
}

/// A packet that was reported missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LostPacket {
    pub(crate) sent: Duration,
    pub(crate) class: PacketClass,
    pub(crate) probe: Option<ProbeId>,
}

/// A ring of the packets sent last.
#[derive(Debug)]
pub(crate) struct SendHistory {
    entries: Vec<Entry>,
    next: u64,
    /// The first sequence number that no feedback has gone beyond.
    unreported_from: u64,
    /// The bytes from there on.
    under_way: DataSize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sent_micros: u64,
    size: u32,
    class: PacketClass,
    fate: Fate,
    probe: Option<ProbeId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    UnderWay,
    Lost,
    Arrived,
}

impl SendHistory {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), next: 0, unreported_from: 0, under_way: DataSize::ZERO }
    }

    /// Records a packet and gives its sequence number.
    pub(crate) fn record(&mut self, sent: Duration, packet: SentPacket) -> u16 {
        let entry = Entry {
            sent_micros: u64::try_from(sent.as_micros()).unwrap_or(u64::MAX),
            size: u32::try_from(packet.size.as_bytes()).unwrap_or(u32::MAX),
            class: packet.class,
            fate: Fate::UnderWay,
            probe: packet.probe,
        };
        let sequence = self.next;
        let forgotten = match self.entries.get_mut(slot(sequence)) {
            Some(oldest) => std::mem::replace(oldest, entry).size,
            None => {
                self.entries.push(entry);
                0
            }
        };
        let forgotten = DataSize::bytes(forgotten.into());
        self.next += 1;
        self.under_way += DataSize::bytes(entry.size.into());
        if self.next - self.unreported_from > CAPACITY as u64 {
            // Nothing has been heard for so long that nothing of it is known.
            self.under_way -= forgotten;
            self.unreported_from += 1;
        }
        // Truncation is the point: the wire carries the low 16 bits.
        sequence as u16
    }

    /// What the status means; `None` where it says nothing new.
    pub(crate) fn resolve(&mut self, status: &PacketStatus) -> Option<Resolution> {
        let sequence = self.unwrap(status.sequence)?;
        self.report_up_to(sequence);
        let entry = self.entries.get_mut(slot(sequence))?;
        let sent = Duration::from_micros(entry.sent_micros);
        match (status.arrival, entry.fate) {
            (_, Fate::Arrived) | (None, Fate::Lost) => None,
            (None, Fate::UnderWay) => {
                entry.fate = Fate::Lost;
                Some(Resolution::Lost(LostPacket { sent, class: entry.class, probe: entry.probe }))
            }
            (Some(arrival), fate @ (Fate::UnderWay | Fate::Lost)) => {
                let arrival = arrival.min(LATEST_ARRIVAL);
                entry.fate = Fate::Arrived;
                let packet = DeliveredPacket {
                    sent,
                    arrival,
                    size: DataSize::bytes(entry.size.into()),
                    class: entry.class,
                    probe: entry.probe,
                };
                Some(match fate {
                    Fate::Lost => Resolution::DeliveredLate(packet),
                    Fate::UnderWay | Fate::Arrived => Resolution::Delivered(packet),
                })
            }
        }
    }

    /// The bytes sent after the last packet that feedback has reached.
    pub(crate) fn under_way(&self) -> DataSize {
        self.under_way
    }

    fn report_up_to(&mut self, sequence: u64) {
        while self.unreported_from <= sequence {
            if let Some(entry) = self.entries.get(slot(self.unreported_from)) {
                self.under_way -= DataSize::bytes(entry.size.into());
            }
            self.unreported_from += 1;
        }
    }

    /// When the oldest packet was sent that no feedback has reached yet.
    pub(crate) fn oldest_unreported(&self) -> Option<Duration> {
        let first_kept = self.next.saturating_sub(self.entries.len() as u64);
        let oldest = self.unreported_from.max(first_kept);
        (oldest < self.next)
            .then(|| self.entries.get(slot(oldest)))
            .flatten()
            .map(|entry| Duration::from_micros(entry.sent_micros))
    }

    /// The full number of the packet sent last under these 16 bits, if it is remembered.
    fn unwrap(&self, sequence: u16) -> Option<u64> {
        let ago = match (self.next as u16).wrapping_sub(sequence) {
            0 => 1 << 16,
            ago => u64::from(ago),
        };
        if ago > self.entries.len() as u64 { None } else { self.next.checked_sub(ago) }
    }
}

fn slot(sequence: u64) -> usize {
    (sequence % CAPACITY as u64) as usize
}

/// Two seconds of a full room (eight pictures, about 8 Mbit/s): feedback that comes later is of no use.
const CAPACITY: usize = 2_048;

/// Reference times of feedback are 24 bits of 64 ms, which is twelve days; a parser may unwrap them a while.
const LATEST_ARRIVAL: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn history_of(packets: u64) -> SendHistory {
        let mut history = SendHistory::new();
        for packet in 0..packets {
            let sent =
                SentPacket { class: PacketClass::Video, size: DataSize::bytes(packet % 1_000), probe: None };
            assert_eq!(history.record(ms(packet), sent), packet as u16);
        }
        history
    }

    fn arrived(sequence: u64) -> PacketStatus {
        PacketStatus { sequence: sequence as u16, arrival: Some(ms(5)) }
    }

    fn missing(sequence: u64) -> PacketStatus {
        PacketStatus { sequence: sequence as u16, arrival: None }
    }

    fn sent_at(resolution: Option<Resolution>) -> Option<Duration> {
        match resolution? {
            Resolution::Delivered(packet) | Resolution::DeliveredLate(packet) => Some(packet.sent),
            Resolution::Lost(packet) => Some(packet.sent),
        }
    }

    #[test]
    fn finds_what_was_sent_and_nothing_else() {
        for (sent, asked, found) in [
            (0, 0, None),
            (1, 0, Some(0)),
            (10, 9, Some(9)),
            (10, 10, None),
            (10, 60_000, None),
            (2_049, 0, None),
            (2_049, 1, Some(1)),
            (70_000, 69_999, Some(69_999)),
            (70_000, 69_999 - 2_047, Some(69_999 - 2_047)),
            (70_000, 69_999 - 2_048, None),
            (70_000, 70_000, None),
            (65_536, 65_536, None),
        ] {
            let resolution = history_of(sent).resolve(&arrived(asked));
            assert_eq!(sent_at(resolution), found.map(ms), "{asked} of {sent}");
        }
    }

    #[test]
    fn each_fate_counts_once() {
        let mut history = history_of(10);
        assert!(matches!(history.resolve(&missing(3)), Some(Resolution::Lost(_))));
        assert_eq!(history.resolve(&missing(3)), None);
        assert!(matches!(history.resolve(&arrived(3)), Some(Resolution::DeliveredLate(_))));
        assert_eq!(history.resolve(&arrived(3)), None);
        assert_eq!(history.resolve(&missing(3)), None);
        assert!(matches!(history.resolve(&arrived(4)), Some(Resolution::Delivered(_))));
    }

    #[test]
    fn knows_the_oldest_packet_without_a_report() {
        let mut history = history_of(10);
        assert_eq!(history.oldest_unreported(), Some(ms(0)));
        let _ = history.resolve(&arrived(6));
        assert_eq!(history.oldest_unreported(), Some(ms(7)));
        let _ = history.resolve(&arrived(9));
        assert_eq!(history.oldest_unreported(), None);
    }
}
