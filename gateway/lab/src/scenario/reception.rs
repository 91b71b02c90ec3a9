//! What a receiver reports on one stream (RFC 3550 §6.4.1).

use std::time::{Duration, Instant};

use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtp::Packet;

use super::ntp;
use super::wire::Unwrap;

pub(super) struct Reception {
    clock: u64,
    unwrap: Unwrap,
    first: Option<i64>,
    highest: i64,
    received: i64,
    expected_before: i64,
    received_before: i64,
    jitter: f64,
    last_transit: Option<f64>,
    last_sender_report: Option<(u32, Instant)>,
}

impl Reception {
    pub(super) fn new(clock: u64) -> Self {
        Self {
            clock,
            unwrap: Unwrap::default(),
            first: None,
            highest: 0,
            received: 0,
            expected_before: 0,
            received_before: 0,
            jitter: 0.0,
            last_transit: None,
            last_sender_report: None,
        }
    }

    pub(super) fn note(&mut self, elapsed: Duration, packet: &Packet) {
        let sequence = self.unwrap.next(packet.header.sequence_number);
        self.first.get_or_insert(sequence);
        self.highest = self.highest.max(sequence);
        self.received += 1;
        let transit = elapsed.as_secs_f64() * self.clock as f64 - f64::from(packet.header.timestamp);
        if let Some(last) = self.last_transit.replace(transit) {
            let difference = (transit - last).abs();
            // A jump of the timestamp is no jitter.
            if difference < self.clock as f64 {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
    }

    pub(super) fn note_sender_report(&mut self, now: Instant, ntp_time: u64) {
        self.last_sender_report = Some((ntp::short(ntp_time), now));
    }

    pub(super) fn report(&mut self, now: Instant, ssrc: u32) -> Option<ReceptionReport> {
        let expected = self.highest - self.first? + 1;
        let expected_now = expected - self.expected_before;
        let lost_now = (expected_now - (self.received - self.received_before)).max(0);
        self.expected_before = expected;
        self.received_before = self.received;
        let (last_sender_report, delay) = self
            .last_sender_report
            .map_or((0, 0), |(report, at)| (report, ((now - at).as_secs_f64() * 65_536.0) as u32));
        Some(ReceptionReport {
            ssrc,
            fraction_lost: if expected_now > 0 { (lost_now * 256 / expected_now).min(255) as u8 } else { 0 },
            total_lost: (expected - self.received).max(0) as u32,
            last_sequence_number: self.highest as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        })
    }
}
