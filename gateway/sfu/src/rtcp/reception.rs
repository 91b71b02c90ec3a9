//! What was received of one stream, for receiver reports (RFC 3550 §6.4.1, appendices A.3 and A.8).

use std::time::{Duration, Instant};

use crate::rtcp::packet_count::PacketCount;
use crate::rtcp::rtcp_reader::ReportBlock;
use crate::rtcp::sender_report::middle_bits;
use crate::rtp::{SeqNo, Ssrc, Unwrapper};

/// Transit times that differ by more than this many seconds are a new timeline, not jitter.
const MAX_JITTER_SECONDS: u64 = 5;

/// The reception of one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reception {
    unwrapper: Unwrapper,
    first: Option<u64>,
    highest: u64,
    received: u64,
    transit: Option<Transit>,
    /// Sixteen times the jitter in ticks, as appendix A.8 keeps it.
    jitter_16: u64,
    clock_rate: u32,
    sender_report: Option<(u32, Instant)>,
    at_last_report: PacketCount,
    recent_loss: f64,
}

#[derive(Debug, Clone, Copy)]
struct Transit {
    arrived_at: Instant,
    timestamp: u32,
}

impl Reception {
    /// Takes a packet that came by the stream itself.
    pub(crate) fn handle_packet(&mut self, now: Instant, sequence: SeqNo, timestamp: u32, clock_rate: u32) {
        let unwrapped = self.unwrapper.unwrap(sequence);
        let is_newest = self.first.is_none() || unwrapped > self.highest;
        self.first = Some(self.first.map_or(unwrapped, |first| first.min(unwrapped)));
        self.highest = self.highest.max(unwrapped);
        self.received += 1;
        if is_newest {
            self.update_jitter(Transit { arrived_at: now, timestamp }, clock_rate);
        }
    }

    /// Takes the sender report that the next block answers.
    pub(crate) fn handle_sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some((middle_bits(ntp), now));
    }

    /// The report block on this stream since the last one; `None` before its first packet.
    pub(crate) fn report(&mut self, now: Instant, ssrc: Ssrc) -> Option<ReportBlock> {
        self.first?;
        let count = self.count();
        let interval = count.since(self.at_last_report);
        self.at_last_report = count;
        self.recent_loss = interval.loss().unwrap_or_default();
        let fraction = (interval.lost() << 8).checked_div(interval.expected).unwrap_or(0);
        let lost = count.expected.cast_signed() - count.received.cast_signed();
        let (last_sender_report, delay_since_last) = match self.sender_report {
            Some((middle, at)) => (middle, units_of_65536th(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: lost.clamp(-0x80_0000, 0x7F_FFFF) as i32,
            // Numbers are continued from one cycle up.
            highest_sequence: self.highest.wrapping_sub(1 << 16) as u32,
            jitter: u32::try_from(self.jitter_16 >> 4).unwrap_or(u32::MAX),
            last_sender_report,
            delay_since_last,
        })
    }

    /// The share lost between the last two reports, before any repair.
    #[must_use]
    pub(crate) fn recent_loss(&self) -> f64 {
        self.recent_loss
    }

    /// Packets so far.
    #[must_use]
    pub(crate) fn count(&self) -> PacketCount {
        let expected = self.first.map_or(0, |first| self.highest - first + 1);
        PacketCount { expected, received: self.received }
    }

    /// Interarrival jitter.
    #[must_use]
    pub(crate) fn jitter(&self) -> Duration {
        let nanos = (self.jitter_16 >> 4).saturating_mul(1_000_000_000).checked_div(self.clock_rate.into());
        Duration::from_nanos(nanos.unwrap_or(0))
    }

    /// Appendix A.8, with transit times told by differences alone.
    fn update_jitter(&mut self, transit: Transit, clock_rate: u32) {
        self.clock_rate = clock_rate;
        let Some(last) = self.transit.replace(transit) else { return };
        let arrived = transit.arrived_at.saturating_duration_since(last.arrived_at);
        let arrived_ticks = arrived.as_nanos() * u128::from(clock_rate) / 1_000_000_000;
        let Ok(arrived_ticks) = i64::try_from(arrived_ticks) else { return };
        let sent_ticks = i64::from(transit.timestamp.wrapping_sub(last.timestamp).cast_signed());
        let difference = arrived_ticks.abs_diff(sent_ticks);
        if difference <= MAX_JITTER_SECONDS * u64::from(clock_rate) {
            self.jitter_16 = self.jitter_16 + difference - ((self.jitter_16 + 8) >> 4);
        }
    }
}

fn units_of_65536th(time: Duration) -> u32 {
    u32::try_from((time.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::test_clock::at;

    const VIDEO: u32 = 90_000;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn receive(sequences: &[u16]) -> Reception {
        let mut reception = Reception::default();
        for &sequence in sequences {
            reception.handle_packet(at(0), SeqNo(sequence), 0, VIDEO);
        }
        reception
    }

    #[test]
    fn losses_are_counted_across_the_wrap() {
        let table: [(&[u16], u8, i32, u32); 5] = [
            (&[1, 2, 3, 4], 0, 0, 4),
            (&[1, 2, 4], 64, 1, 4),
            (&[65_534, 0, 1], 64, 1, 65_537),
            (&[1, 1, 2, 2], 0, -2, 2),
            (&[5, 4, 6], 0, 0, 6),
        ];
        for (sequences, fraction_lost, cumulative_lost, highest_sequence) in table {
            let report = receive(sequences).report(at(0), Ssrc(9)).expect("packets came");
            assert_eq!(
                (report.ssrc, report.fraction_lost, report.cumulative_lost, report.highest_sequence),
                (Ssrc(9), fraction_lost, cumulative_lost, highest_sequence),
                "{sequences:?}"
            );
        }
        assert_eq!(receive(&[]).report(at(0), Ssrc(9)), None);
    }

    #[test]
    fn every_report_starts_anew() {
        let mut reception = receive(&[1, 2, 4]);
        let losses = |reception: &mut Reception| {
            (reception.report(at(0), Ssrc(9)).map(|report| report.fraction_lost), reception.recent_loss())
        };
        assert_eq!(losses(&mut reception), (Some(64), 0.25));
        reception.handle_packet(at(0), SeqNo(5), 0, VIDEO);
        assert_eq!(losses(&mut reception), (Some(0), 0.0));
        assert_eq!(losses(&mut reception), (Some(0), 0.0));
    }

    #[test]
    fn jitter_is_what_transit_times_differ_by() {
        let arrive = |delays: [u64; 64]| {
            let mut reception = Reception::default();
            for (position, delay) in (0_u16..).zip(delays) {
                let sent = ms(u64::from(position) * 20);
                let timestamp = u32::from(position) * VIDEO / 50;
                reception.handle_packet(at(0) + sent + ms(delay), SeqNo(position), timestamp, VIDEO);
            }
            reception.jitter()
        };
        assert_eq!(arrive([30; 64]), Duration::ZERO);
        let alternating = arrive(std::array::from_fn(|position| position as u64 % 2 * 8));
        assert!((ms(7)..ms(9)).contains(&alternating), "{alternating:?}");
    }

    #[test]
    fn the_block_answers_the_last_sender_report() {
        let mut reception = receive(&[1]);
        reception.handle_sender_report(at(0), 0x1234_5678_9ABC_DEF0);
        let report = reception.report(at(500), Ssrc(9)).expect("packets came");
        assert_eq!((report.last_sender_report, report.delay_since_last), (0x5678_9ABC, 1 << 15));
    }
}
