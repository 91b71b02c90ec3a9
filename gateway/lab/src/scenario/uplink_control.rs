//! A crude stand-in for a browser's send-side congestion control: it goes up by a share each second and
//! by probing, and falls back to what arrived when the delay or the loss says so.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc};

const START: Bitrate = Bitrate::kbps(300);
const FLOOR: Bitrate = Bitrate::kbps(50);
const GROWTH_PER_SECOND: f64 = 0.08;
const BACK_OFF: f64 = 0.85;
const MAX_QUEUE: Duration = Duration::from_millis(60);
/// Browsers know random loss from congestion up to about here.
const MAX_LOSS: f64 = 0.2;
const HOLD: Duration = Duration::from_millis(300);
const RATE_WINDOW: Duration = Duration::from_millis(500);
/// The base of the one-way delay is its least over so long.
const BASE_WINDOW: Duration = Duration::from_secs(10);
/// A queue stands where it delays all of so many packets.
const RECENT_DELAYS: usize = 10;
const HISTORY: Duration = Duration::from_secs(3);

/// The first probe comes as soon as media flows; later ones while more is wanted than is known to fit.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const PROBE_FACTOR: f64 = 2.5;
pub(super) const PROBE_PACKETS: usize = 14;

#[derive(Clone, Copy)]
struct Sent {
    at: Instant,
    size: DataSize,
    is_probe: bool,
}

#[derive(Clone, Copy)]
struct Acknowledged {
    sent: Sent,
    arrived: Duration,
}

pub(super) struct UplinkControl {
    estimate: Bitrate,
    sent: BTreeMap<i64, Sent>,
    next_sequence: i64,
    acknowledged: Vec<Acknowledged>,
    /// The last one-way delays, whose clocks share no origin.
    recent_delays: VecDeque<i64>,
    /// Delays that no later one is below, in order of time: the first of them is the base.
    least_delays: VecDeque<(Instant, i64)>,
    losses: VecDeque<(Instant, bool)>,
    last_back_off: Option<Instant>,
    last_growth: Option<Instant>,
    last_probe: Option<(Instant, Bitrate)>,
    origin: Instant,
}

impl UplinkControl {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            estimate: START,
            sent: BTreeMap::new(),
            next_sequence: 1,
            acknowledged: Vec::new(),
            recent_delays: VecDeque::new(),
            least_delays: VecDeque::new(),
            losses: VecDeque::new(),
            last_back_off: None,
            last_growth: None,
            last_probe: None,
            origin,
        }
    }

    pub(super) fn estimate(&self) -> Bitrate {
        self.estimate
    }

    /// Draws the transport-wide sequence number of a packet that leaves.
    pub(super) fn register(&mut self, now: Instant, size: usize, is_probe: bool) -> u16 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.sent.insert(sequence, Sent { at: now, size: DataSize::bytes(size as u64), is_probe });
        while self.sent.first_key_value().is_some_and(|(_, sent)| now - sent.at >= HISTORY) {
            self.sent.pop_first();
        }
        sequence as u16
    }

    /// The rate at which to send [`PROBE_PACKETS`] packets, where it is time to.
    pub(super) fn poll_probe(&mut self, now: Instant, wanted: Bitrate) -> Option<Bitrate> {
        let is_due = self.last_probe.is_none_or(|(last, _)| now - last >= PROBE_INTERVAL);
        let is_calm = self.last_back_off.is_none_or(|last| now - last >= PROBE_INTERVAL);
        if !is_due || !is_calm || self.estimate >= wanted.scaled(1.3) {
            return None;
        }
        let rate = self.estimate.scaled(PROBE_FACTOR);
        self.last_probe = Some((now, rate));
        Some(rate)
    }

    pub(super) fn handle_feedback(&mut self, now: Instant, feedback: &TransportLayerCc) {
        let mut arrived = Duration::from_millis(u64::from(feedback.reference_time) * 64);
        let mut deltas = feedback.recv_deltas.iter();
        let mut probes = Vec::new();
        for (offset, symbol) in symbols(feedback).into_iter().enumerate() {
            let number = feedback.base_sequence_number.wrapping_add(offset as u16);
            let sequence = self.unwrap(number);
            if symbol == SymbolTypeTcc::PacketNotReceived {
                if self.sent.contains_key(&sequence) {
                    self.losses.push_back((now, true));
                }
                continue;
            }
            if let Some(delta) = deltas.next() {
                let micros = arrived.as_micros() as i64 + delta.delta;
                arrived = Duration::from_micros(micros.max(0) as u64);
            }
            let Some(sent) = self.sent.remove(&sequence) else { continue };
            let delay = arrived.as_micros() as i64 - (sent.at - self.origin).as_micros() as i64;
            self.note_delay(now, delay);
            self.losses.push_back((now, false));
            let acknowledged = Acknowledged { sent, arrived };
            self.acknowledged.push(acknowledged);
            if sent.is_probe {
                probes.push(acknowledged);
            }
        }
        while self.least_delays.pop_front_if(|(at, _)| now - *at >= BASE_WINDOW).is_some() {}
        while self.losses.pop_front_if(|(at, _)| now - *at >= RATE_WINDOW).is_some() {}
        self.acknowledged.retain(|one| now - one.sent.at < 2 * RATE_WINDOW);
        self.apply_probe(&probes);
        self.judge(now);
    }

    fn note_delay(&mut self, now: Instant, delay: i64) {
        while self.least_delays.pop_back_if(|(_, other)| *other >= delay).is_some() {}
        self.least_delays.push_back((now, delay));
        self.recent_delays.push_back(delay);
        if self.recent_delays.len() > RECENT_DELAYS {
            self.recent_delays.pop_front();
        }
    }

    fn unwrap(&self, number: u16) -> i64 {
        let latest = self.next_sequence - 1;
        latest + i64::from(number.wrapping_sub(latest as u16).cast_signed())
    }

    fn apply_probe(&mut self, probes: &[Acknowledged]) {
        let (Some(first), Some(last)) = (probes.first(), probes.last()) else { return };
        if probes.len() < PROBE_PACKETS / 2 || last.arrived <= first.arrived {
            return;
        }
        let size: DataSize = probes.iter().skip(1).map(|probe| probe.sent.size).sum();
        let probed = self.last_probe.map_or(Bitrate::ZERO, |(_, rate)| rate);
        let arrived = size.per(last.arrived - first.arrived).scaled(0.95);
        self.estimate = self.estimate.max(arrived.min(probed));
    }

    fn judge(&mut self, now: Instant) {
        let base = self.least_delays.front().map(|(_, delay)| *delay);
        let queue = base.zip(self.recent_delays.iter().min()).map_or(0, |(base, least)| least - base);
        let lost = self.losses.iter().filter(|(_, is_lost)| *is_lost).count();
        let loss = lost as f64 / self.losses.len().max(1) as f64;
        if Duration::from_micros(queue.max(0) as u64) > MAX_QUEUE || (loss > MAX_LOSS && lost > 3) {
            if self.last_back_off.is_none_or(|last| now - last >= HOLD) {
                self.last_back_off = Some(now);
                self.estimate = self.received_rate().scaled(BACK_OFF).min(self.estimate).max(FLOOR);
            }
        } else if let Some(last) = self.last_growth.replace(now) {
            let share = GROWTH_PER_SECOND * (now - last).as_secs_f64().min(0.5);
            let ceiling = self.received_rate().scaled(1.5) + Bitrate::kbps(10);
            self.estimate = self.estimate.max(self.estimate.scaled(1.0 + share).min(ceiling));
        }
    }

    fn received_rate(&self) -> Bitrate {
        let Some(last) = self.acknowledged.iter().map(|one| one.arrived).max() else { return FLOOR };
        let from = last.saturating_sub(RATE_WINDOW);
        let size: DataSize =
            self.acknowledged.iter().filter(|one| one.arrived > from).map(|one| one.sent.size).sum();
        size.per(RATE_WINDOW)
    }
}

fn symbols(feedback: &TransportLayerCc) -> Vec<SymbolTypeTcc> {
    let mut symbols = Vec::new();
    for chunk in &feedback.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                symbols.extend(std::iter::repeat_n(run.packet_status_symbol, usize::from(run.run_length)));
            }
            PacketStatusChunk::StatusVectorChunk(vector) => symbols.extend(&vector.symbol_list),
        }
    }
    symbols.truncate(usize::from(feedback.packet_status_count));
    symbols
}
