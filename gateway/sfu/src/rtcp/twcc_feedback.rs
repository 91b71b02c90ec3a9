//! Transport-wide congestion control feedback as subscribers send it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use std::time::Duration;

use crate::congestion::PacketStatus;

/// Statuses honoured per feedback: more than a second of packets at the highest rate that is sent.
const MAX_STATUSES: u16 = 1_000;

/// Bytes before the chunks: both SSRCs, base, count, reference time, feedback number.
const HEAD_LEN: usize = 16;

/// Arrival times come in steps of 250 µs.
const TICK_MICROS: u64 = 250;

/// The reference time comes in steps of 64 ms.
const TICKS_PER_REFERENCE: u64 = 256;

/// Where the 24 bits of the reference time wrap.
const REFERENCE_CYCLE: u64 = 1 << 24;

/// Continues the reference times of one receiver, which wrap after 12 days.
#[derive(Debug, Clone, Default)]
pub(crate) struct TwccClock {
    newest: Option<u64>,
}

impl TwccClock {
    /// The continued reference time. The first is placed one cycle up, so that earlier ones have a place too.
    fn unwrap(&mut self, reference: u32) -> u64 {
        let reference = u64::from(reference);
        let Some(newest) = self.newest else {
            let first = REFERENCE_CYCLE + reference;
            self.newest = Some(first);
            return first;
        };
        let ahead = reference.wrapping_sub(newest) & (REFERENCE_CYCLE - 1);
        if ahead < REFERENCE_CYCLE / 2 {
            self.newest = Some(newest + ahead);
            newest + ahead
        } else {
            newest.saturating_sub(REFERENCE_CYCLE - ahead)
        }
    }
}

/// One feedback packet whose chunks cover its count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TwccFeedback<'a> {
    base: u16,
    count: u16,
    reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TwccFeedback<'a> {
    /// Reads what follows the RTCP header.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (&[_, _, _, _, _, _, _, _, b0, b1, c0, c1, r0, r1, r2, _], rest) =
            body.split_first_chunk::<HEAD_LEN>()?;
        let count = u16::from_be_bytes([c0, c1]);
        let mut covered = 0_usize;
        let mut chunk_bytes = 0;
        let (chunks, _) = rest.as_chunks::<2>();
        for &chunk in chunks {
            if covered >= usize::from(count) {
                break;
            }
            covered += usize::from(Chunk::new(chunk).left);
            chunk_bytes += 2;
        }
        if covered < usize::from(count) {
            return None;
        }
        let (chunks, deltas) = rest.split_at_checked(chunk_bytes)?;
        let reference = u32::from_be_bytes([0, r0, r1, r2]);
        Some(Self { base: u16::from_be_bytes([b0, b1]), count, reference, chunks, deltas })
    }

    /// What it says of each packet, in order of their numbers; at most 1,000, and no more than it has deltas for.
    pub(crate) fn statuses(&self, clock: &mut TwccClock) -> Statuses<'a> {
        Statuses {
            chunks: self.chunks,
            chunk: Chunk { symbols: 0, symbol_bits: SymbolBits::Run, left: 0 },
            deltas: self.deltas,
            sequence: self.base,
            left: self.count.min(MAX_STATUSES),
            ticks: clock.unwrap(self.reference) * TICKS_PER_REFERENCE,
        }
    }
}

/// The statuses of one feedback packet.
#[derive(Debug, Clone)]
pub(crate) struct Statuses<'a> {
    chunks: &'a [u8],
    chunk: Chunk,
    deltas: &'a [u8],
    sequence: u16,
    left: u16,
    ticks: u64,
}

impl Iterator for Statuses<'_> {
    type Item = PacketStatus;

    fn next(&mut self) -> Option<PacketStatus> {
        self.left = self.left.checked_sub(1)?;
        let symbol = loop {
            if let Some(symbol) = self.chunk.next_symbol() {
                break symbol;
            }
            let (&chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunks = rest;
            self.chunk = Chunk::new(chunk);
        };
        let delta = match symbol {
            1 => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i64::from(delta))
            }
            2 => {
                let (&delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                Some(i64::from(i16::from_be_bytes(delta)))
            }
            _ => None,
        };
        let arrival = delta.map(|delta| {
            self.ticks = self.ticks.saturating_add_signed(delta);
            Duration::from_micros(self.ticks.saturating_mul(TICK_MICROS))
        });
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Some(PacketStatus { sequence, arrival })
    }
}

/// The symbols of one chunk that are still to come.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// The symbol of a run, or the symbols of a vector, the next one on top.
    symbols: u16,
    symbol_bits: SymbolBits,
    left: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SymbolBits {
    Run,
    One,
    Two,
}

impl Chunk {
    fn new(chunk: [u8; 2]) -> Self {
        let chunk = u16::from_be_bytes(chunk);
        match chunk >> 14 {
            0 | 1 => Self { symbols: chunk >> 13, symbol_bits: SymbolBits::Run, left: chunk & 0x1FFF },
            2 => Self { symbols: chunk << 2, symbol_bits: SymbolBits::One, left: 14 },
            _ => Self { symbols: chunk << 2, symbol_bits: SymbolBits::Two, left: 7 },
        }
    }

    fn next_symbol(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let bits = match self.symbol_bits {
            SymbolBits::Run => return Some(self.symbols),
            SymbolBits::One => 1,
            SymbolBits::Two => 2,
        };
        let symbol = self.symbols >> (16 - bits);
        self.symbols <<= bits;
        Some(symbol)
    }
}
