//! How a flow uses the link toward its subscriber: too much of it, too little, and how fast it follows.
//! The link is the subscriber's downlink, or the shared link it is behind; what is sent is what the gateway
//! offers to it, IP and UDP headers and retransmissions included.

use std::time::Duration;

use protocol::units::Bitrate;

use super::quantile::quantile;
use crate::recording::{Flow, LinkSample, STEP};

/// Steps in a second, in half a second and in the 100 ms that excess is looked at in.
const SECOND: usize = 20;
const HALF_SECOND: usize = 10;
const TENTH: usize = 2;

/// More than this times the capacity floods a queue, whatever its length.
const EXCESS: f64 = 1.5;

/// What HD and a voice take of a link at most: the most that is demanded of it in steady state.
pub(super) const DEMAND: Bitrate = Bitrate::kbps(1_900);

/// How long after the join, and after a change of the capacity, a link is not taken for steady.
const SETTLING: usize = 8 * SECOND;

/// A change of capacity by more than this is a step.
const STEP_SHARE: f64 = 0.1;

/// What was sent and what could be, step by step, in bits.
pub(super) struct LinkUse {
    pub(super) sent: Vec<f64>,
    pub(super) sent_by_all: Vec<f64>,
    pub(super) carried: Vec<f64>,
    /// Of what is carried, the part that is this flow's where all get the same.
    fair: Vec<f64>,
    queue_ms: Vec<f64>,
    packets: (u64, u64),
}

impl LinkUse {
    pub(super) fn of(flow: &Flow) -> Self {
        let of_call: Vec<&LinkSample> =
            flow.subscriber_links.iter().filter(|sample| sample.at >= flow.joined).collect();
        let bits = |size: fn(&LinkSample) -> u64| {
            of_call.windows(2).map(|pair| (size(pair[1]) - size(pair[0])) as f64 * 8.0).collect::<Vec<f64>>()
        };
        let carried = |sample: &&&LinkSample| sample.capacity.as_bps() as f64 * STEP.as_secs_f64();
        let packets = match (of_call.first(), of_call.last()) {
            (Some(first), Some(last)) => (last.packets - first.packets, last.dropped - first.dropped),
            _ => (0, 0),
        };
        Self {
            sent: bits(|sample| sample.offered.as_bytes()),
            sent_by_all: bits(|sample| sample.offered_by_all.as_bytes()),
            carried: of_call.iter().take(of_call.len().saturating_sub(1)).map(|one| carried(&one)).collect(),
            fair: of_call
                .iter()
                .take(of_call.len().saturating_sub(1))
                .map(|one| one.fair_capacity().as_bps() as f64 * STEP.as_secs_f64())
                .collect(),
            queue_ms: of_call
                .iter()
                .filter_map(|one| one.queue)
                .map(|wait| wait.as_secs_f64() * 1e3)
                .collect(),
            packets,
        }
    }

    /// The share of seconds in which more was sent than the link carried in them.
    pub(super) fn overload_share(&self) -> Option<f64> {
        let seconds: Vec<bool> = self
            .sent_by_all
            .chunks(SECOND)
            .zip(self.carried.chunks(SECOND))
            .map(|(sent, carried)| sum(sent) > sum(carried))
            .collect();
        (!seconds.is_empty()).then(|| share(&seconds))
    }

    /// The longest time on end in which every tenth of a second more than 1.5 times the capacity was sent;
    /// an outage ends it.
    pub(super) fn longest_excess(&self) -> Duration {
        let (mut longest, mut present) = (0, 0);
        for (sent, carried) in self.sent_by_all.chunks(TENTH).zip(self.carried.chunks(TENTH)) {
            let is_excess = sum(carried) > 0.0 && sum(sent) > EXCESS * sum(carried);
            present = if is_excess { present + TENTH } else { 0 };
            longest = longest.max(present);
        }
        STEP * longest as u32
    }

    /// The delays of all downgrades: from a step of the capacity below what was sent in the second before,
    /// to the beginning of the first half second in which no more is sent than the link carries.
    pub(super) fn downgrade_delays(&self) -> Vec<f64> {
        let steps =
            self.steps().into_iter().filter(|at| *at >= SECOND && self.carried[*at] < self.carried[at - 1]);
        steps
            .filter_map(|at| {
                let before = sum(&self.sent_by_all[at - SECOND..at]) / SECOND as f64;
                let fits = |from: &usize| {
                    let to = from + HALF_SECOND;
                    sum(&self.sent_by_all[*from..to]) <= sum(&self.carried[*from..to])
                };
                if before <= self.carried[at] || self.carried[at] == 0.0 {
                    return None;
                }
                let end = self.sent.len().saturating_sub(HALF_SECOND);
                (at..end).find(fits).map(|fitting| (fitting - at) as f64 * STEP.as_secs_f64() * 1e3)
            })
            .collect()
    }

    /// Steps of the capacity, as indices.
    pub(super) fn steps(&self) -> Vec<usize> {
        let is_step = |pair: &[f64]| (pair[1] - pair[0]).abs() > STEP_SHARE * pair[0].max(pair[1]);
        self.carried.windows(2).enumerate().filter(|(_, pair)| is_step(pair)).map(|(at, _)| at + 1).collect()
    }

    /// What was sent over what could have been, the demand being bounded; in steady seconds only where
    /// there are any, else in all. More than the link carries does not make up for less.
    pub(super) fn utilisation(&self) -> Option<f64> {
        let steps = self.steps();
        let is_steady = |from: usize| {
            from >= SETTLING
                && !steps.iter().any(|step| (from.saturating_sub(SETTLING)..from + SECOND).contains(step))
        };
        let demand = DEMAND.as_bps() as f64;
        let seconds = || (0..self.sent.len() / SECOND).map(|second| second * SECOND);
        let ratio = |starts: &mut dyn Iterator<Item = usize>| {
            let (mut used, mut usable) = (0.0, 0.0);
            for from in starts {
                let most = sum(&self.fair[from..from + SECOND]).min(demand);
                used += sum(&self.sent[from..from + SECOND]).min(most);
                usable += most;
            }
            (usable > 0.0).then(|| used / usable)
        };
        ratio(&mut seconds().filter(|from| is_steady(*from))).or_else(|| ratio(&mut seconds()))
    }

    /// Nineteen of twenty looks at the queue found it at most so long.
    pub(super) fn queue_p95_ms(&self) -> Option<f64> {
        quantile(&self.queue_ms, 0.95)
    }

    /// The share of packets that the queue of the link refused.
    pub(super) fn dropped_share(&self) -> Option<f64> {
        let (offered, dropped) = self.packets;
        (offered > 0).then(|| dropped as f64 / offered as f64)
    }
}

fn sum(bits: &[f64]) -> f64 {
    bits.iter().sum()
}

fn share(seconds: &[bool]) -> f64 {
    seconds.iter().filter(|is_so| **is_so).count() as f64 / seconds.len() as f64
}
