//! What a measurement looks like: cost over the number of viewers, and the distribution of latencies.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use report::plot::{Axis, Line, TimeSeries};

use crate::compare::rounds::Rounds;
use crate::fleet::histogram::Histogram;
use crate::fleet::summary::Measured;

/// Distributions that can be told apart in one picture; further ones are left out.
const MAX_DISTRIBUTIONS: usize = 8;

/// Lines that have been measured.
#[derive(Default)]
pub(super) struct Pictures {
    cost: Vec<Line>,
    latency: Vec<Line>,
}

impl Pictures {
    /// Adds the points of some servers under one load.
    pub(super) fn note(&mut self, rounds: &Rounds, viewers: usize, setting: &str) {
        for (contender, name) in rounds.names().iter().enumerate() {
            if let Some(cost) = rounds.spread(contender, Measured::server_us_per_packet) {
                let point = (viewers as f64, cost.median);
                add(&mut self.cost, format!("{name}, {setting}"), [point]);
            }
            let mut latency = Histogram::default();
            rounds.of(contender).iter().for_each(|measured| latency.merge(&measured.window.latency_us));
            let points = latency.shares().into_iter().map(|(us, share)| (us as f64 / 1e3, share * 100.0));
            if latency.total() > 0 && self.latency.len() < MAX_DISTRIBUTIONS {
                add(&mut self.latency, format!("{name}, {viewers} viewers, {setting}"), points);
            }
        }
    }

    /// Writes `fleet-cost.svg` and `fleet-latency.svg`, as far as there is something to draw.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let pictures = [
            (&self.cost, "fleet-cost.svg", "viewers", "Processor time per packet delivered, µs"),
            (&self.latency, "fleet-latency.svg", "ms", "Packets that took no longer, %"),
        ];
        for (lines, name, axis, title) in pictures {
            if lines.is_empty() {
                continue;
            }
            let series = TimeSeries { axis: axis.to_owned(), lines: lines.clone() };
            let path = folder.join(name);
            fs::write(&path, series.draw_on(title, Axis::Logarithmic)?)
                .with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}

fn add(lines: &mut Vec<Line>, name: String, points: impl IntoIterator<Item = (f64, f64)>) {
    match lines.iter_mut().find(|line| line.name == name) {
        Some(line) => line.points.extend(points),
        None => lines.push(Line { name, points: points.into_iter().collect() }),
    }
}
