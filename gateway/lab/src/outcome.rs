//! What one run of a scenario amounts to: its figures, and a series over time for a picture.

use std::time::Duration;

use protocol::quality::AdaptationPolicy;

use crate::metrics::{Figure, Figures, jain, measure, shares};
use crate::plan::Plan;
use crate::recording::{Flow, Recording, STEP};
use crate::series;

/// One run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The figures of all judged flows.
    pub figures: Figures,
    /// The series of the first judged flow, as CSV.
    pub series: String,
    /// How much call time it was.
    pub length: Duration,
}

impl Outcome {
    /// Runs a scenario and measures it.
    #[must_use]
    pub fn of(plan: &Plan, policy: AdaptationPolicy, seed: u64) -> Self {
        let recording = plan.run(policy, seed);
        let flows: Vec<&Flow> = plan
            .judged
            .iter()
            .filter_map(|(publisher, subscriber)| recording.flow(publisher, subscriber))
            .collect();
        let mut figures = Figures::default();
        for flow in &flows {
            figures.merge(&measure(flow, plan.rise));
        }
        if let Some(until) = plan.equals_until {
            figures.note(Figure::Fairness, jain(&shares(&flows, until)));
        }
        figures.note(Figure::TcpShare, tcp_share(&recording, &flows));
        Self {
            figures,
            series: flows.first().map(|flow| series::csv(flow)).unwrap_or_default(),
            length: flows.iter().map(|flow| flow.ended).max().unwrap_or_default(),
        }
    }
}

/// What a lone TCP transfer got of the shared link, in percent.
fn tcp_share(recording: &Recording, flows: &[&Flow]) -> Option<f64> {
    let [transfer] = recording.transfers.as_slice() else { return None };
    let links = &flows.first()?.subscriber_links;
    let carried: f64 = links.iter().map(|sample| sample.capacity.as_bps() as f64 * STEP.as_secs_f64()).sum();
    let delivered = transfer.delivered.last()?.as_bits() as f64;
    (carried > 0.0).then(|| 100.0 * delivered / carried)
}
