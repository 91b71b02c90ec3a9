//! The receiving half of transport-wide congestion control: what arrived when, reported every 50 ms
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};

use super::wire::Unwrap;

const INTERVAL: Duration = Duration::from_millis(50);
const TICK_MICROS: i64 = 250;
const REFERENCE_MICROS: i64 = 64_000;
const MAX_STATUSES: i64 = 1_000;

pub(super) struct ArrivalLog {
    origin: Instant,
    unwrap: Unwrap,
    arrivals: BTreeMap<i64, Instant>,
    /// The number after the last one reported.
    next: Option<i64>,
    last_report: Option<Instant>,
    reports: u8,
    media_ssrc: u32,
}

impl ArrivalLog {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            unwrap: Unwrap::default(),
            arrivals: BTreeMap::new(),
            next: None,
            last_report: None,
            reports: 0,
            media_ssrc: 0,
        }
    }

    pub(super) fn note(&mut self, now: Instant, sequence: u16, media_ssrc: u32) {
        self.arrivals.insert(self.unwrap.next(sequence), now);
        self.media_ssrc = media_ssrc;
    }

    pub(super) fn poll_report(&mut self, now: Instant) -> Option<TransportLayerCc> {
        if self.last_report.is_some_and(|last| now - last < INTERVAL) {
            return None;
        }
        let arrivals = std::mem::take(&mut self.arrivals);
        let (first, last) = (*arrivals.keys().next()?, *arrivals.keys().next_back()?);
        self.last_report = Some(now);
        // Numbers between two reports that never came are reported as lost, late ones once more.
        let base = self.next.map_or(first, |next| next.min(first)).max(last - MAX_STATUSES);
        self.next = Some(last + 1);
        let earliest = arrivals.range(base..).map(|(_, at)| *at).min()?;
        let reference = self.micros(earliest) / REFERENCE_MICROS;
        let mut clock = reference * REFERENCE_MICROS;
        let mut symbols = Vec::new();
        let mut deltas = Vec::new();
        for number in base..=last {
            let Some(at) = arrivals.get(&number) else {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                continue;
            };
            let ticks = (self.micros(*at) - clock).div_euclid(TICK_MICROS);
            clock += ticks * TICK_MICROS;
            let symbol = if (0..=255).contains(&ticks) {
                SymbolTypeTcc::PacketReceivedSmallDelta
            } else {
                SymbolTypeTcc::PacketReceivedLargeDelta
            };
            symbols.push(symbol);
            deltas.push(RecvDelta { type_tcc_packet: symbol, delta: ticks * TICK_MICROS });
        }
        let report = TransportLayerCc {
            sender_ssrc: 1,
            media_ssrc: self.media_ssrc,
            base_sequence_number: base as u16,
            packet_status_count: symbols.len() as u16,
            reference_time: reference as u32 & 0x00ff_ffff,
            fb_pkt_count: self.reports,
            packet_chunks: symbols.chunks(7).map(chunk).collect(),
            recv_deltas: deltas,
        };
        self.reports = self.reports.wrapping_add(1);
        Some(report)
    }

    fn micros(&self, at: Instant) -> i64 {
        (at - self.origin).as_micros() as i64
    }
}

fn chunk(symbols: &[SymbolTypeTcc]) -> PacketStatusChunk {
    let mut symbol_list = symbols.to_vec();
    symbol_list.resize(7, SymbolTypeTcc::PacketNotReceived);
    PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
        type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
        symbol_size: SymbolSizeTypeTcc::TwoBit,
        symbol_list,
    })
}
