//! Measures one probe cluster: the lower of the rates at which it was sent and at which it arrived.

use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use super::arrival_groups::millis_between;
use super::packet::{ProbeCluster, ProbeId};
use super::send_history::DeliveredPacket;

/// The cluster that is being sent or measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbeEstimator {
    cluster: ProbeCluster,
    sent_packets: u32,
    sent_size: DataSize,
    reported: u32,
    arrived: Arrived,
}

/// The packets of a cluster that arrived.
#[derive(Debug, Clone, Copy, Default)]
struct Arrived {
    packets: u32,
    size: DataSize,
    first: Option<(Duration, DataSize)>,
    last_arrival: Duration,
    first_sent: Option<Duration>,
    last_sent: Option<(Duration, DataSize)>,
    stretch: Stretch,
}

/// How much longer the cluster took to arrive than to be sent: the slope of arrival over sending, which
/// jitter blurs far less than it blurs the first and the last packet.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    origin: Option<(Duration, Duration)>,
    packets: f64,
    sent: f64,
    arrived: f64,
    sent_squared: f64,
    product: f64,
}

/// What a cluster found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ProbeOutcome {
    /// The link carried this much.
    Carried(Bitrate),
    /// Too much got lost, or nothing was sent.
    Failed,
}

impl ProbeEstimator {
    pub(crate) fn new(cluster: ProbeCluster) -> Self {
        Self { cluster, sent_packets: 0, sent_size: DataSize::ZERO, reported: 0, arrived: Arrived::default() }
    }

    pub(crate) fn id(&self) -> ProbeId {
        self.cluster.id
    }

    pub(crate) fn handle_sent(&mut self, size: DataSize) {
        self.sent_packets += 1;
        self.sent_size += size;
    }

    pub(crate) fn sent_size(&self) -> DataSize {
        self.sent_size
    }

    pub(crate) fn handle_delivered(&mut self, packet: &DeliveredPacket) {
        self.reported += 1;
        let arrived = &mut self.arrived;
        arrived.packets += 1;
        arrived.size += packet.size;
        if arrived.first.is_none_or(|(first, _)| packet.arrival < first) {
            arrived.first = Some((packet.arrival, packet.size));
        }
        arrived.last_arrival = arrived.last_arrival.max(packet.arrival);
        arrived.first_sent = Some(arrived.first_sent.map_or(packet.sent, |first| first.min(packet.sent)));
        if arrived.last_sent.is_none_or(|(last, _)| packet.sent >= last) {
            arrived.last_sent = Some((packet.sent, packet.size));
        }
        arrived.stretch.push(packet);
    }

    pub(crate) fn handle_lost(&mut self) {
        self.reported += 1;
    }

    /// What it found, once everything is reported.
    pub(crate) fn outcome(&self) -> Option<ProbeOutcome> {
        let is_sent = self.sent_size >= self.cluster.size && self.sent_packets >= self.cluster.packets;
        (is_sent && self.reported >= self.sent_packets).then(|| self.measure())
    }

    /// What it found so far.
    pub(crate) fn measure(&self) -> ProbeOutcome {
        self.rate().map_or(ProbeOutcome::Failed, ProbeOutcome::Carried)
    }

    fn rate(&self) -> Option<Bitrate> {
        let arrived = &self.arrived;
        let enough = f64::from(arrived.packets) >= f64::from(self.cluster.packets) * ENOUGH
            && arrived.size >= DataSize::bytes((self.cluster.size.as_bytes() as f64 * ENOUGH) as u64)
            && arrived.packets >= FEWEST_PACKETS;
        if !enough {
            return None;
        }
        let (first_arrival, first_size) = arrived.first?;
        let (last_sent, last_size) = arrived.last_sent?;
        let sending = last_sent.checked_sub(arrived.first_sent?)?;
        let arriving = arrived.last_arrival.checked_sub(first_arrival)?;
        if sending > LONGEST || arriving > LONGEST {
            return None;
        }
        let sent_rate = (arrived.size - last_size).per(sending.max(SHORTEST));
        let by_ends = (arrived.size - first_size).per(arriving.max(SHORTEST));
        let by_slope = match arrived.stretch.slope() {
            Some(slope) if arrived.packets >= FEWEST_FOR_SLOPE => {
                (arrived.size - last_size).per(sending.max(SHORTEST)).scaled(1.0 / slope)
            }
            Some(_) | None => Bitrate::ZERO,
        };
        let arrival_rate = by_ends.max(by_slope);
        // A cluster that left faster than ordered, from a late timer, proves no more than was ordered.
        let sent_rate = sent_rate.min(self.cluster.rate.scaled(ORDERED_MARGIN));
        Some(if arrival_rate < sent_rate.scaled(SATURATED) {
            arrival_rate.scaled(SATURATED_SHARE)
        } else {
            sent_rate.min(arrival_rate)
        })
    }
}

impl Stretch {
    fn push(&mut self, packet: &DeliveredPacket) {
        let (first_sent, first_arrival) = *self.origin.get_or_insert((packet.sent, packet.arrival));
        let sent = millis_between(first_sent, packet.sent);
        let arrived = millis_between(first_arrival, packet.arrival);
        self.packets += 1.0;
        self.sent += sent;
        self.arrived += arrived;
        self.sent_squared += sent * sent;
        self.product += sent * arrived;
    }

    fn slope(&self) -> Option<f64> {
        let variance = self.packets * self.sent_squared - self.sent * self.sent;
        let covariance = self.packets * self.product - self.sent * self.arrived;
        (variance > f64::EPSILON).then(|| (covariance / variance).max(LEAST_SLOPE)).filter(|s| s.is_finite())
    }
}

/// Packets of a cluster whose slope can be believed: 20 ms of jitter over 100 ms leave a tenth of doubt.
const FEWEST_FOR_SLOPE: u32 = 25;

/// Everything at once is still not infinitely fast.
const LEAST_SLOPE: f64 = 0.5;

/// Share of a cluster that has to arrive.
const ENOUGH: f64 = 0.8;

/// Fewer make no rate.
const FEWEST_PACKETS: u32 = 4;

/// A cluster stretched over more than this met an outage.
const LONGEST: Duration = Duration::from_secs(1);

/// Clocks of receivers tick every 250 µs in feedback.
const SHORTEST: Duration = Duration::from_millis(1);

/// Arriving slower than this share of the sent rate means that the link was full,
const SATURATED: f64 = 0.9;

/// and then a little less than its capacity is what can be used.
const SATURATED_SHARE: f64 = 0.95;

const ORDERED_MARGIN: f64 = 1.1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::packet::PacketClass;

    /// Twenty packets of 250 bytes sent 1 ms apart (2 Mbit/s), each arriving as `arrival` says.
    fn outcome(arrival: impl Fn(u64) -> Option<u64>) -> Option<ProbeOutcome> {
        let size = DataSize::bytes(250);
        let mut probe = ProbeEstimator::new(ProbeCluster {
            id: ProbeId(1),
            rate: Bitrate::mbps(2),
            size: DataSize::bytes(5_000),
            packets: 5,
        });
        for _ in 0..20 {
            probe.handle_sent(size);
        }
        for packet in 0..20 {
            match arrival(packet) {
                Some(arrival) => probe.handle_delivered(&DeliveredPacket {
                    sent: Duration::from_millis(packet),
                    arrival: Duration::from_micros(arrival),
                    size,
                    class: PacketClass::Padding,
                    probe: Some(ProbeId(1)),
                }),
                None => probe.handle_lost(),
            }
        }
        probe.outcome()
    }

    fn carried(kbps: u64) -> Option<ProbeOutcome> {
        Some(ProbeOutcome::Carried(Bitrate::kbps(kbps)))
    }

    #[test]
    fn measures_what_got_through() {
        assert_eq!(outcome(|packet| Some(packet * 1_000)), carried(2_000));
        assert_eq!(outcome(|packet| Some(packet * 2_000)), carried(950));
        assert_eq!(outcome(|packet| Some(packet * 100)), carried(2_000));
        assert_eq!(outcome(|_| Some(0)), carried(2_000));
        assert_eq!(outcome(|packet| (packet < 10).then_some(packet * 1_000)), Some(ProbeOutcome::Failed));
        assert_eq!(outcome(|packet| Some(packet * 500_000)), Some(ProbeOutcome::Failed));
    }
}
