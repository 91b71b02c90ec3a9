//! Records when packets of one publisher arrived, and tells it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). Every authentic packet counts: what is not reported
//! reads as lost, and probes that read as lost keep the publisher's rate down.

use std::time::{Duration, Instant};

use crate::rtcp::packet_count::PacketCount;
use crate::rtcp::packet_writer::{PacketWriter, kind};
use crate::rtp::{SeqNo, Ssrc, Unwrapper};

/// Arrivals remembered: more than a second at the highest rate of a publisher, so that what was reported once
/// can be told again beside a late packet.
const WINDOW: usize = 1_024;

/// Statuses of one feedback packet; at two bytes of delta each they fit a datagram.
const MAX_STATUSES: u64 = 400;

/// Lost packets told ahead of the first that came: a longer gap is an outage, and its length is no news.
const MAX_LOST_AHEAD: u64 = MAX_STATUSES / 2;

/// How long arrivals wait to be told while packets are many.
const BUSY_INTERVAL: Duration = Duration::from_millis(50);

/// How long they wait while packets are few: an estimate gains nothing from a packet or two.
const QUIET_INTERVAL: Duration = Duration::from_millis(100);

/// How long they wait while nothing is heard of whom they are told to: hardly any of it arrives. Browsers, too, let no
/// more time pass.
const UNHEARD_INTERVAL: Duration = Duration::from_millis(250);

/// With fewer packets than this in an interval, packets are few.
const BUSY_PACKETS: u32 = 5;

const TICK_MICROS: u128 = 250;
const TICKS_PER_REFERENCE: i64 = 256;

/// Symbols of the chunks.
const LOST: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// Longest run that one chunk tells.
const MAX_RUN: usize = 0x1FFF;

/// The arrivals of one publisher.
#[derive(Debug, Clone, Default)]
pub(crate) struct TwccRecorder {
    /// Arrival times count from here.
    epoch: Option<Instant>,
    unwrapper: Unwrapper,
    /// By sequence modulo [`WINDOW`].
    arrivals: Vec<Option<Arrival>>,
    newest: u64,
    /// The first number that ever came, and how many have come since; one that came too late is none.
    first: Option<u64>,
    received: u64,
    /// The first number that the next feedback covers; `None` where nothing came since the last.
    next: Option<u64>,
    reported_until: Option<u64>,
    unreported: u32,
    was_quiet: bool,
    is_unheard: bool,
    due: Option<Instant>,
    feedback_number: u8,
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    sequence: u64,
    ticks: i64,
}

impl TwccRecorder {
    /// Takes the transport-wide sequence number of an authentic packet.
    pub(crate) fn record(&mut self, now: Instant, sequence: u16) {
        let epoch = *self.epoch.get_or_insert(now);
        if self.arrivals.is_empty() {
            self.arrivals.resize(WINDOW, None);
        }
        let sequence = self.unwrapper.unwrap(SeqNo(sequence));
        let is_forgotten = sequence + WINDOW as u64 <= self.newest;
        if is_forgotten || self.arrival(sequence).is_some() {
            return;
        }
        let ticks = now.saturating_duration_since(epoch).as_micros() / TICK_MICROS;
        let slot = slot_of(sequence);
        self.arrivals[slot] = Some(Arrival { sequence, ticks: ticks as i64 });
        self.newest = self.newest.max(sequence);
        self.first = Some(self.first.map_or(sequence, |first| first.min(sequence)));
        self.received += 1;
        let from_last = self.reported_until.map_or(sequence, |until| until.min(sequence));
        let next = self.next.map_or(from_last, |next| next.min(sequence));
        self.next = Some(next.max((self.newest + 1).saturating_sub(WINDOW as u64)));
        self.unreported += 1;
        let interval = match (self.is_unheard, self.was_quiet) {
            (true, _) => UNHEARD_INTERVAL,
            (false, true) => QUIET_INTERVAL,
            (false, false) => BUSY_INTERVAL,
        };
        let due = self.due.get_or_insert(now + interval);
        if self.newest - next >= MAX_STATUSES {
            *due = now;
        }
    }

    /// The packets of the whole transport so far.
    #[must_use]
    pub(crate) fn count(&self) -> PacketCount {
        let expected = self.first.map_or(0, |first| self.newest - first + 1);
        PacketCount { expected, received: self.received }
    }

    /// Takes note whether the publisher is in the dark: what it is told will hardly arrive. Once it is not, it is told at
    /// once what waits.
    pub(crate) fn set_unheard(&mut self, now: Instant, is_unheard: bool) {
        if self.is_unheard && !is_unheard {
            self.due = self.due.map(|due| due.min(now));
        }
        self.is_unheard = is_unheard;
    }

    /// When to call [`Self::write_due`] next.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Appends one feedback packet, where one is due, and says whether it did; another may be due at once. `media` is any stream of the
    /// publisher.
    pub(crate) fn write_due(&mut self, now: Instant, sender: Ssrc, media: Ssrc, out: &mut Vec<u8>) -> bool {
        let Some(mut base) = self.next.filter(|_| self.due.is_some_and(|due| due <= now)) else {
            return false;
        };
        let Some(first) = (base..=self.newest).find_map(|sequence| self.arrival(sequence)) else {
            self.settle(self.newest + 1);
            return false;
        };
        base = base.max(first.sequence.saturating_sub(MAX_LOST_AHEAD));
        let reference = first.ticks / TICKS_PER_REFERENCE;
        let mut symbols = [LOST; MAX_STATUSES as usize];
        let mut deltas = [0; 2 * MAX_STATUSES as usize];
        let (mut count, mut delta_bytes) = (0, 0);
        let mut last_ticks = reference * TICKS_PER_REFERENCE;
        for (symbol, sequence) in symbols.iter_mut().zip(base..=self.newest) {
            if let Some(arrival) = self.arrival(sequence) {
                // A step too long for its field begins another packet.
                let Ok(delta) = i16::try_from(arrival.ticks - last_ticks) else { break };
                last_ticks = arrival.ticks;
                *symbol = match u8::try_from(delta) {
                    Ok(small) => {
                        deltas[delta_bytes] = small;
                        delta_bytes += 1;
                        SMALL_DELTA
                    }
                    Err(_) => {
                        deltas[delta_bytes..delta_bytes + 2].copy_from_slice(&delta.to_be_bytes());
                        delta_bytes += 2;
                        LARGE_DELTA
                    }
                };
            }
            count += 1;
        }
        let mut packet = PacketWriter::begin(out, kind::TRANSPORT_WIDE, kind::TRANSPORT_FEEDBACK);
        packet.ssrc(sender).ssrc(media).u16(base as u16).u16(count as u16);
        packet.u32((reference as u32) << 8 | u32::from(self.feedback_number));
        write_chunks(&mut packet, &symbols[..count]);
        packet.bytes(&deltas[..delta_bytes]);
        packet.finish();
        self.feedback_number = self.feedback_number.wrapping_add(1);
        self.settle(base + count as u64);
        true
    }

    /// Takes note that everything before `until` is told.
    fn settle(&mut self, until: u64) {
        if until <= self.newest {
            self.next = Some(until);
            return;
        }
        self.next = None;
        self.reported_until = Some(until);
        self.was_quiet = self.unreported < BUSY_PACKETS;
        self.unreported = 0;
        self.due = None;
    }

    fn arrival(&self, sequence: u64) -> Option<Arrival> {
        let arrival = *self.arrivals.get(slot_of(sequence))?;
        arrival.filter(|arrival| arrival.sequence == sequence)
    }
}

const fn slot_of(sequence: u64) -> usize {
    sequence as usize % WINDOW
}

/// Tells the symbols in the fewest chunks that a greedy choice gives.
fn write_chunks(packet: &mut PacketWriter<'_>, mut symbols: &[u8]) {
    while let Some(&first) = symbols.first() {
        let run = symbols.iter().take(MAX_RUN).take_while(|&&symbol| symbol == first).count();
        let small = symbols.iter().take(14).take_while(|&&symbol| symbol != LARGE_DELTA).count();
        let told = if run >= 14 || run == symbols.len() || first == LARGE_DELTA && run >= 7 {
            packet.u16(u16::from(first) << 13 | run as u16);
            run
        } else if small == symbols.len().min(14) {
            packet.u16(0x8000 | vector(&symbols[..small], 1));
            small
        } else {
            let told = symbols.len().min(7);
            packet.u16(0xC000 | vector(&symbols[..told], 2));
            told
        };
        symbols = &symbols[told..];
    }
}

/// Symbols side by side, the first on top of the 14 bits.
fn vector(symbols: &[u8], bits: u32) -> u16 {
    let packed = symbols.iter().fold(0, |packed, &symbol| packed << bits | u16::from(symbol));
    packed << (14 - bits * symbols.len() as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
    use rtc_shared::marshal::{Marshal, Unmarshal};

    use super::*;
    use crate::congestion::PacketStatus;
    use crate::rtcp::rtcp_reader::{Rtcp, RtcpReader};
    use crate::rtcp::test_clock::at;
    use crate::rtcp::twcc_feedback::TwccClock;

    const LATER: u64 = 1_000_000;

    /// Records arrivals as pairs of milliseconds and number.
    fn recorder(arrivals: &[(u64, u16)]) -> TwccRecorder {
        let mut recorder = TwccRecorder::default();
        for &(millis, sequence) in arrivals {
            recorder.record(at(millis), sequence);
        }
        recorder
    }

    fn packets(recorder: &mut TwccRecorder) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| {
            let mut out = Vec::new();
            recorder.write_due(at(LATER), Ssrc(1), Ssrc(2), &mut out).then_some(out)
        })
        .collect()
    }

    fn statuses(packets: &[Vec<u8>]) -> Vec<PacketStatus> {
        let mut clock = TwccClock::default();
        let feedback = packets.iter().flat_map(|packet| RtcpReader::new(packet)).map(|packet| match packet {
            Ok(Rtcp::Twcc(feedback)) => feedback,
            other => panic!("no feedback: {other:?}"),
        });
        feedback.flat_map(|feedback| feedback.statuses(&mut clock).collect::<Vec<_>>()).collect()
    }

    /// Numbers with the milliseconds since the first arrival.
    fn told(recorder: &mut TwccRecorder) -> Vec<(u16, Option<u64>)> {
        let statuses = statuses(&packets(recorder));
        let first = statuses.iter().find_map(|status| status.arrival).unwrap_or_default();
        statuses
            .into_iter()
            .map(|status| {
                (status.sequence, status.arrival.map(|arrival| (arrival - first).as_millis() as u64))
            })
            .collect()
    }

    /// A name, what arrives at which millisecond, and what is told of it.
    type Case<'a> = (&'a str, &'a [(u64, u16)], &'a [(u16, Option<u64>)]);

    #[test]
    fn arrivals_and_losses_are_told() {
        let table: [Case<'_>; 4] = [
            ("in order", &[(5, 7), (6, 8)], &[(7, Some(0)), (8, Some(1))]),
            ("lost", &[(0, 7), (0, 9)], &[(7, Some(0)), (8, None), (9, Some(0))]),
            ("slow", &[(0, 7), (900, 8)], &[(7, Some(0)), (8, Some(900))]),
            ("around the wrap", &[(0, 65_535), (3, 0)], &[(65_535, Some(0)), (0, Some(3))]),
        ];
        for (name, arrivals, expected) in table {
            assert_eq!(told(&mut recorder(arrivals)), expected, "{name}");
        }
    }

    #[test]
    fn a_step_too_long_for_its_field_begins_another_packet() {
        let mut recorder = recorder(&[(0, 1), (1, 2), (20_000, 3)]);
        assert_eq!(told(&mut recorder), [(1, Some(0)), (2, Some(1)), (3, Some(20_000))]);
    }

    #[test]
    fn feedback_goes_on_where_it_ended_and_tells_late_packets() {
        let mut recorder = recorder(&[(0, 1), (1, 2)]);
        assert_eq!(told(&mut recorder).len(), 2);
        assert_eq!(told(&mut recorder), []);
        recorder.record(at(10), 5);
        assert_eq!(told(&mut recorder), [(3, None), (4, None), (5, Some(0))]);
        recorder.record(at(20), 4);
        let told = statuses(&packets(&mut recorder)).into_iter().map(|status| status.sequence);
        assert_eq!(told.collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn duplicates_and_what_is_forgotten_count_for_nothing() {
        let mut recorder = recorder(&[(0, 2_000), (1, 2_000), (2, 900)]);
        assert_eq!(told(&mut recorder), [(2_000, Some(0))]);
    }

    #[test]
    fn in_the_dark_little_is_told_until_the_publisher_is_heard_of() {
        let mut recorder = recorder(&[]);
        let mut told_at = Vec::new();
        for millis in 0..1_000 {
            recorder.set_unheard(at(millis), (300..920).contains(&millis));
            if millis % 5 == 0 {
                recorder.record(at(millis), millis as u16 / 5);
            }
            if recorder.write_due(at(millis), Ssrc(1), Ssrc(2), &mut Vec::new()) {
                told_at.push(millis);
            }
        }
        assert_eq!(told_at, [50, 105, 160, 215, 270, 325, 580, 835, 920, 975]);
    }

    #[test]
    fn an_outage_is_told_in_part() {
        let mut recorder = recorder(&[(0, 1)]);
        assert_eq!(told(&mut recorder).len(), 1);
        recorder.record(at(10), 20_000);
        let told = told(&mut recorder);
        assert_eq!((told.len() as u64, told.last()), (MAX_LOST_AHEAD + 1, Some(&(20_000, Some(0)))));
    }

    #[test]
    fn feedback_is_due_by_the_rate() {
        let mut recorder = recorder(&[(0, 1)]);
        assert_eq!(recorder.poll_timeout(), Some(at(50)));
        let mut out = Vec::new();
        assert!(!recorder.write_due(at(49), Ssrc(1), Ssrc(2), &mut out));
        assert!(recorder.write_due(at(50), Ssrc(1), Ssrc(2), &mut out));
        assert_eq!(recorder.poll_timeout(), None);
        recorder.record(at(60), 2);
        assert_eq!(recorder.poll_timeout(), Some(at(160)));
        (3..10).for_each(|sequence| recorder.record(at(70), sequence));
        assert!(recorder.write_due(at(160), Ssrc(1), Ssrc(2), &mut out));
        recorder.record(at(170), 10);
        assert_eq!(recorder.poll_timeout(), Some(at(220)));
        (11..500).for_each(|sequence| recorder.record(at(171), sequence));
        assert_eq!(recorder.poll_timeout(), Some(at(171)));
    }

    /// Steps of number and time from packet to packet; some go back.
    fn arbitrary_arrivals() -> impl Strategy<Value = (u16, Vec<(i16, u16)>)> {
        (any::<u16>(), proptest::collection::vec((-3_i16..12, 0_u16..200), 1..300))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn everything_recorded_is_told_and_others_read_it((start, steps) in arbitrary_arrivals()) {
            let (mut sequence, mut millis) = (start, 0);
            let mut arrivals: Vec<(u64, u16)> = Vec::new();
            for (step, wait) in steps {
                sequence = sequence.wrapping_add_signed(step);
                millis += u64::from(wait);
                if arrivals.iter().all(|(_, known)| *known != sequence) {
                    arrivals.push((millis, sequence));
                }
            }
            let span = |&(_, sequence): &(u64, u16)| sequence.wrapping_sub(start).cast_signed();
            prop_assume!(arrivals.iter().map(span).max() < arrivals.iter().map(span).min().map(|min| min + 1_000));
            let packets = packets(&mut recorder(&arrivals));
            for packet in &packets {
                let mut bytes = &packet[..];
                let other = TransportLayerCc::unmarshal(&mut bytes).expect("another implementation reads it");
                prop_assert_eq!(usize::from(other.packet_status_count), statuses(std::slice::from_ref(packet)).len());
                prop_assert_eq!(other.marshal().expect("and writes it").len(), packet.len());
            }
            let statuses = statuses(&packets);
            let first = statuses.iter().find(|status| status.arrival.is_some()).copied().expect("one arrived");
            let first_millis = arrivals.iter().find(|(_, sequence)| *sequence == first.sequence).expect("known").0;
            for status in statuses {
                let recorded = arrivals.iter().find(|(_, sequence)| *sequence == status.sequence);
                let told = status.arrival.zip(first.arrival).map(|(arrival, first)| {
                    first_millis as i64 + arrival.as_millis() as i64 - first.as_millis() as i64
                });
                prop_assert_eq!(told, recorded.map(|(millis, _)| *millis as i64));
            }
        }
    }
}
