//! How evenly flows share a link.

use std::time::Duration;

use crate::recording::Flow;

/// Flows settle before it is judged how they share.
const SETTLING: Duration = Duration::from_secs(10);

/// Jain's index: one where all get the same, `1/n` where one gets everything.
#[must_use]
pub fn jain(shares: &[f64]) -> Option<f64> {
    let (sum, squares) =
        shares.iter().fold((0.0, 0.0), |(sum, squares), one| (sum + one, squares + one * one));
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

/// What each flow is sent, in bits, from when the last of them has settled until `until`.
#[must_use]
pub fn shares(flows: &[&Flow], until: Duration) -> Vec<f64> {
    let from = flows.iter().map(|flow| flow.joined).max().unwrap_or_default() + SETTLING;
    let sent_at = |flow: &Flow, at: Duration| {
        let index = flow.subscriber_links.partition_point(|sample| sample.at < at);
        let sample = flow.subscriber_links.get(index).or(flow.subscriber_links.last());
        sample.map_or(0.0, |sample| sample.offered.as_bits() as f64)
    };
    flows.iter().map(|flow| sent_at(flow, until) - sent_at(flow, from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equals_and_small_for_one_who_takes_all() {
        let table: [(&[f64], Option<f64>); 4] =
            [(&[2.0, 2.0, 2.0], Some(1.0)), (&[1.0, 0.0], Some(0.5)), (&[3.0, 1.0], Some(0.8)), (&[], None)];
        for (shares, expected) in table {
            assert_eq!(jain(shares), expected, "{shares:?}");
        }
    }
}
