//! Remembers what was sent under which transport-wide sequence number, and resolves what feedback says of
//! it. A number that was never given, or whose packet was resolved before, resolves to nothing.

use std::num::NonZeroU32;
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

/// A ring of the packets sent last: those of two seconds, as far as it may grow.
#[derive(Debug)]
pub(crate) struct SendHistory {
    /// As many as a power of two says.
    entries: Vec<Entry>,
    /// The first sequence number that is remembered.
    oldest: u64,
    next: u64,
    /// The first sequence number that no feedback has gone beyond.
    unreported_from: u64,
    /// The bytes from there on.
    under_way: DataSize,
}

/// Every subscriber has hundreds, so they are packed.
#[derive(Debug, Clone, Copy)]
struct Entry {
    sent_micros: u64,
    /// One more than its number.
    probe: Option<NonZeroU32>,
    size: u16,
    class: PacketClass,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    UnderWay,
    Lost,
    Arrived,
}

impl Entry {
    const BLANK: Self =
        Self { sent_micros: 0, probe: None, size: 0, class: PacketClass::Padding, fate: Fate::Arrived };

    fn sent(&self) -> Duration {
        Duration::from_micros(self.sent_micros)
    }

    fn size(&self) -> DataSize {
        DataSize::bytes(self.size.into())
    }

    fn probe(&self) -> Option<ProbeId> {
        self.probe.map(|number| ProbeId(number.get() - 1))
    }
}

impl SendHistory {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), oldest: 0, next: 0, unreported_from: 0, under_way: DataSize::ZERO }
    }

    /// Records a packet and gives its sequence number.
    pub(crate) fn record(&mut self, sent: Duration, packet: SentPacket) -> u16 {
        let entry = Entry {
            sent_micros: u64::try_from(sent.as_micros()).unwrap_or(u64::MAX),
            probe: packet.probe.and_then(|ProbeId(number)| NonZeroU32::new(number.wrapping_add(1))),
            size: u16::try_from(packet.size.as_bytes()).unwrap_or(u16::MAX),
            class: packet.class,
            fate: Fate::UnderWay,
        };
        if self.next - self.oldest == self.entries.len() as u64 {
            self.make_room(sent);
        }
        let sequence = self.next;
        let place = self.slot(sequence);
        if let Some(place) = self.entries.get_mut(place) {
            *place = entry;
        }
        self.next += 1;
        self.under_way += entry.size();
        // Truncation is the point: the wire carries the low 16 bits.
        sequence as u16
    }

    /// Grows where the oldest packet may still be reported on, or else forgets it.
    fn make_room(&mut self, now: Duration) {
        let count = self.entries.len();
        let is_recent =
            self.entry(self.oldest).is_none_or(|oldest| now.saturating_sub(oldest.sent()) < MEMORY);
        if is_recent && count < CAPACITY {
            let mut grown = vec![Entry::BLANK; (2 * count).max(FIRST_CAPACITY)];
            for sequence in self.oldest..self.next {
                let place = sequence as usize & (grown.len() - 1);
                grown[place] = self.entries[self.slot(sequence)];
            }
            self.entries = grown;
            return;
        }
        if self.unreported_from == self.oldest {
            // Nothing has been heard for so long that nothing of it is known.
            self.under_way -= self.entry(self.oldest).map_or(DataSize::ZERO, |entry| entry.size());
            self.unreported_from += 1;
        }
        self.oldest += 1;
    }

    /// What the status means; `None` where it says nothing new.
    pub(crate) fn resolve(&mut self, status: &PacketStatus) -> Option<Resolution> {
        let sequence = self.unwrap(status.sequence)?;
        self.report_up_to(sequence);
        let place = self.slot(sequence);
        let entry = self.entries.get_mut(place)?;
        let sent = entry.sent();
        match (status.arrival, entry.fate) {
            (_, Fate::Arrived) | (None, Fate::Lost) => None,
            (None, Fate::UnderWay) => {
                entry.fate = Fate::Lost;
                Some(Resolution::Lost(LostPacket { sent, class: entry.class, probe: entry.probe() }))
            }
            (Some(arrival), fate @ (Fate::UnderWay | Fate::Lost)) => {
                let arrival = arrival.min(LATEST_ARRIVAL);
                entry.fate = Fate::Arrived;
                let packet = DeliveredPacket {
                    sent,
                    arrival,
                    size: entry.size(),
                    class: entry.class,
                    probe: entry.probe(),
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
            self.under_way -= self.entry(self.unreported_from).map_or(DataSize::ZERO, |entry| entry.size());
            self.unreported_from += 1;
        }
    }

    /// When the oldest packet was sent that no feedback has reached yet.
    pub(crate) fn oldest_unreported(&self) -> Option<Duration> {
        self.entry(self.unreported_from).map(Entry::sent)
    }

    /// The full number of the packet sent last under these 16 bits, if it is remembered.
    fn unwrap(&self, sequence: u16) -> Option<u64> {
        let ago = match (self.next as u16).wrapping_sub(sequence) {
            0 => 1 << 16,
            ago => u64::from(ago),
        };
        self.next.checked_sub(ago).filter(|sequence| *sequence >= self.oldest)
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        let is_kept = (self.oldest..self.next).contains(&sequence);
        self.entries.get(self.slot(sequence)).filter(|_| is_kept)
    }

    fn slot(&self, sequence: u64) -> usize {
        sequence as usize & self.entries.len().saturating_sub(1)
    }
}

/// Feedback that comes later is of no use.
const MEMORY: Duration = Duration::from_secs(2);

/// Two seconds of a full room (eight pictures, about 8 Mbit/s).
const CAPACITY: usize = 2_048;

/// A second of voice.
const FIRST_CAPACITY: usize = 64;

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
