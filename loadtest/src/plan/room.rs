//! What goes through one room, and what that needs: counted, not measured.

use protocol::ladder::Rung;

use super::cost_model::{CostModel, packets_per_frame};

/// A voice: a packet every 20 ms, and what it takes with its headers.
const VOICE_PACKETS: f64 = 50.0;
const VOICE_BPS: f64 = 40_000.0;

/// A room whose participants all publish camera and voice, and see and hear each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) participants: usize,
    /// They see and hear all participants, and publish nothing.
    pub(super) viewers: usize,
    /// What everybody gets of one participant, and of the others: the last one counts for all that are left.
    pub(super) rungs: Vec<Rung>,
}

/// What a room needs, per second where that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Need {
    pub(super) cores: f64,
    pub(super) memory_kib: f64,
    pub(super) ingress_bps: f64,
    pub(super) egress_bps: f64,
}

/// One kind of stream, any number of times.
#[derive(Debug, Clone, Copy, Default)]
struct Streams {
    bursts: f64,
    packets: f64,
    bps: f64,
}

impl Streams {
    fn of(rung: Rung) -> Self {
        let bps = rung.nominal_bitrate().as_bps() as f64;
        // What the ladder says of each rung.
        let frame_rate = match rung {
            Rung::AudioOnly => return Self::default(),
            Rung::P180 => 15.0,
            Rung::P360 | Rung::P480 | Rung::P720 | Rung::P1080 => 30.0,
        };
        Self { bursts: frame_rate, packets: frame_rate * packets_per_frame(bps, frame_rate), bps }
    }

    fn voice() -> Self {
        Self { bursts: VOICE_PACKETS, packets: VOICE_PACKETS, bps: VOICE_BPS }
    }

    fn plus(self, other: Self) -> Self {
        let (bursts, packets) = (self.bursts + other.bursts, self.packets + other.packets);
        Self { bursts, packets, bps: self.bps + other.bps }
    }

    fn times(self, count: usize) -> Self {
        let count = count as f64;
        Self { bursts: self.bursts * count, packets: self.packets * count, bps: self.bps * count }
    }
}

impl Room {
    /// What it needs of a gateway with these costs.
    pub(super) fn need(&self, costs: &CostModel) -> Need {
        let ingress = self.published().times(self.participants);
        let to_participants = self.received(self.participants.saturating_sub(1)).times(self.participants);
        let egress = to_participants.plus(self.received(self.participants).times(self.viewers));
        let us = egress.bursts * costs.burst_us
            + egress.packets * costs.packet_us
            + ingress.packets * costs.ingress_us;
        Need {
            cores: us / 1e6,
            memory_kib: (self.participants + self.viewers) as f64 * costs.kib,
            ingress_bps: ingress.bps,
            egress_bps: egress.bps,
        }
    }

    /// Each rung once, as encodings of simulcast, and a voice.
    fn published(&self) -> Streams {
        let mut rungs = self.rungs.clone();
        rungs.sort_unstable();
        rungs.dedup();
        rungs.into_iter().map(Streams::of).fold(Streams::voice(), Streams::plus)
    }

    /// What somebody receives who sees and hears so many.
    fn received(&self, others: usize) -> Streams {
        let last = self.rungs.last().copied().unwrap_or(Rung::AudioOnly);
        let rungs = self.rungs.iter().copied().chain(std::iter::repeat(last)).take(others);
        rungs.map(Streams::of).fold(Streams::voice().times(others), Streams::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs() -> CostModel {
        CostModel { burst_us: 2.0, packet_us: 1.0, ingress_us: 3.0, kib: 100.0, measured: String::new() }
    }

    fn room(participants: usize, viewers: usize, rungs: &[Rung]) -> Room {
        Room { participants, viewers, rungs: rungs.to_vec() }
    }

    #[test]
    fn voices_alone_are_counted_by_hand() {
        let need = room(3, 0, &[Rung::AudioOnly]).need(&costs());
        // Three come in, and two go out to each of three, with a burst for every packet.
        let us = 3.0 * 50.0 * 3.0 + 6.0 * 50.0 * (2.0 + 1.0);
        assert!((need.cores - us / 1e6).abs() < 1e-12, "{need:?}");
        assert!((need.ingress_bps - 120_000.0).abs() < 1e-6 && (need.egress_bps - 240_000.0).abs() < 1e-6);
        assert!((need.memory_kib - 300.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_is_seen_large_and_the_others_small() {
        let need = room(4, 0, &[Rung::P720, Rung::P360]).need(&costs());
        let each = 1_700_000.0 + 2.0 * 400_000.0 + 3.0 * 40_000.0;
        assert!((need.egress_bps - 4.0 * each).abs() < 1e-6, "{need:?}");
        assert!((need.ingress_bps - 4.0 * (1_700_000.0 + 400_000.0 + 40_000.0)).abs() < 1e-6, "{need:?}");
    }

    #[test]
    fn viewers_cost_egress_only() {
        let (without, with) = (room(1, 0, &[Rung::P720]), room(1, 100, &[Rung::P720]));
        let (without, with) = (without.need(&costs()), with.need(&costs()));
        assert!((without.egress_bps).abs() < 1e-9 && (with.ingress_bps - without.ingress_bps).abs() < 1e-9);
        assert!((with.egress_bps - 100.0 * 1_740_000.0).abs() < 1e-3, "{with:?}");
    }

    #[test]
    fn a_picture_that_nobody_takes_apart_is_published_once() {
        let (once, twice) = (room(2, 0, &[Rung::P720]), room(2, 0, &[Rung::P720, Rung::P720]));
        assert_eq!(once.need(&costs()), twice.need(&costs()));
    }
}
