//! Which packets came when, for the sender's congestion control
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use std::time::{Duration, Instant};

use super::rtcp::{finish, transport_feedback};

const FORMAT: u8 = 15;

/// Arrivals of one feedback: with two bytes each it still fits a datagram.
const MAX_STATUSES: usize = 400;

/// The unit of arrival times.
const TICK: Duration = Duration::from_micros(250);

/// Ticks of the unit of the reference time, 64 ms.
const REFERENCE: i64 = 256;

/// How many packets a two-bit status vector tells of.
const PER_CHUNK: usize = 7;

/// Collects arrivals until they are told.
#[derive(Debug)]
pub(crate) struct TwccRecorder {
    origin: Instant,
    /// Number with cycles, and ticks after the origin.
    arrivals: Vec<(i64, i64)>,
    highest: Option<i64>,
    /// Everything below has been told.
    next: i64,
    feedbacks: u8,
}

impl TwccRecorder {
    /// Knows of nothing.
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, arrivals: Vec::new(), highest: None, next: 0, feedbacks: 0 }
    }

    /// A packet with this transport-wide number came.
    pub(crate) fn handle_packet(&mut self, now: Instant, number: u16) {
        let number = match self.highest {
            Some(highest) => highest + i64::from(number.wrapping_sub(highest as u16) as i16),
            None => i64::from(number),
        };
        if self.highest.is_none() {
            self.next = number;
        }
        self.highest = self.highest.max(Some(number));
        // One that was told as lost stays so, and more than fit are told as lost.
        if number >= self.next && self.arrivals.len() < MAX_STATUSES {
            let ticks = now.saturating_duration_since(self.origin).as_micros() / TICK.as_micros();
            self.arrivals.push((number, ticks as i64));
        }
    }

    /// The feedback about all that came since the last; `None` where nothing did.
    pub(crate) fn feedback(&mut self, ssrc: u32, media: u32) -> Option<Vec<u8>> {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|(number, _)| *number);
        let &(last, _) = self.arrivals.last()?;
        // After a gap that is too long to tell of, the feedback begins behind it.
        let first = self.next.max(last + 1 - MAX_STATUSES as i64);
        self.arrivals.retain(|(number, _)| *number >= first);
        let &(_, first_ticks) = self.arrivals.first()?;
        let reference = first_ticks.div_euclid(REFERENCE);
        let (symbols, deltas) = self.statuses(first, last, reference * REFERENCE);

        let mut out = transport_feedback(FORMAT, ssrc, media);
        out.extend((first as u16).to_be_bytes());
        out.extend(((last - first + 1) as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.feedbacks);
        for chunk in symbols.chunks(PER_CHUNK) {
            let shifts = (0..PER_CHUNK).rev().map(|place| 2 * place);
            let bits = chunk.iter().zip(shifts).fold(0_u16, |bits, (symbol, shift)| bits | symbol << shift);
            out.extend((0xC000 | bits).to_be_bytes());
        }
        out.extend(deltas);
        finish(&mut out, 0);
        self.next = last + 1;
        self.feedbacks = self.feedbacks.wrapping_add(1);
        self.arrivals.clear();
        Some(out)
    }

    /// A symbol per number, and the delta of each that came.
    fn statuses(&self, first: i64, last: i64, reference: i64) -> (Vec<u16>, Vec<u8>) {
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        let (mut arrivals, mut before) = (self.arrivals.iter().peekable(), reference);
        for number in first..=last {
            let Some((_, ticks)) = arrivals.next_if(|(arrived, _)| *arrived == number) else {
                symbols.push(0);
                continue;
            };
            let delta = (ticks - before).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
            before += delta;
            if let Ok(small) = u8::try_from(delta) {
                symbols.push(1);
                deltas.push(small);
            } else {
                symbols.push(2);
                deltas.extend((delta as i16).to_be_bytes());
            }
        }
        (symbols, deltas)
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    };
    use rtc::shared::marshal::Unmarshal as _;

    use super::*;

    /// The base, and for each number whether it came; with the deltas in microseconds.
    fn told(recorder: &mut TwccRecorder) -> (u16, Vec<bool>, Vec<i64>) {
        let feedback = recorder.feedback(1, 2).expect("a feedback");
        let read = TransportLayerCc::unmarshal(&mut &feedback[..]).expect("RTCP");
        let came = read.packet_chunks.iter().flat_map(|chunk| match chunk {
            PacketStatusChunk::StatusVectorChunk(chunk) => chunk.symbol_list.clone(),
            PacketStatusChunk::RunLengthChunk(_) => panic!("not written"),
        });
        let came = came.map(|symbol| symbol != SymbolTypeTcc::PacketNotReceived);
        let came = came.take(usize::from(read.packet_status_count)).collect();
        let deltas = read.recv_deltas.iter().map(|delta| delta.delta).collect();
        (read.base_sequence_number, came, deltas)
    }

    fn recorder(packets: &[(u16, u64)]) -> (TwccRecorder, Instant) {
        let origin = Instant::now();
        let mut recorder = TwccRecorder::new(origin);
        for (number, millis) in packets {
            recorder.handle_packet(origin + Duration::from_millis(*millis), *number);
        }
        (recorder, origin)
    }

    #[test]
    fn arrivals_and_holes_are_told() {
        let (mut recorder, origin) = recorder(&[(65_534, 10), (65_535, 11), (1, 200), (2, 199)]);
        let (base, came, deltas) = told(&mut recorder);
        assert_eq!((base, came), (65_534, vec![true, true, false, true, true]));
        assert_eq!(deltas, [10_000, 1_000, 189_000, -1_000]);
        assert_eq!(recorder.feedback(1, 2), None, "nothing came since");
        recorder.handle_packet(origin + Duration::from_millis(300), 4);
        let (base, came, _) = told(&mut recorder);
        assert_eq!((base, came), (3, vec![false, true]), "what is missing between two feedbacks is told");
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let (mut recorder, origin) = recorder(&[(5, 0), (7, 1)]);
        told(&mut recorder);
        recorder.handle_packet(origin, 6);
        assert_eq!(recorder.feedback(1, 2), None);
    }

    #[test]
    fn a_feedback_fits_a_datagram() {
        let packets: Vec<_> = (0..2_000).map(|number| (number, u64::from(number) * 100)).collect();
        let (mut recorder, _) = recorder(&packets);
        assert!(recorder.feedback(1, 2).is_some_and(|feedback| feedback.len() < 1_200));
        let (mut recorder, _) = self::recorder(&[(0, 0), (30_000, 5)]);
        let (base, came, _) = told(&mut recorder);
        assert_eq!((base, came.len()), (29_601, 400));
    }
}
