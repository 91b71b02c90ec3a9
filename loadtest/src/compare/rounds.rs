//! What several servers did under the same load, one after another and again, and how they compare. Machines drift; two
//! measurements next to each other drift less than two that lie minutes apart.

use report::results::{Row, Target};

use crate::fleet::load::Load;
use crate::fleet::place::Place;
use crate::fleet::stage::{Scenario, perform};
use crate::fleet::summary::Measured;

/// A server that runs.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) pids: Vec<u32>,
}

/// What each did, in every round.
pub(crate) struct Rounds {
    names: Vec<String>,
    /// By contender, then by round.
    measured: Vec<Vec<Measured>>,
}

/// A number per round, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` where there is none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), least: first, most: last })
    }
}

/// Lets each serve the same load in turn; whoever has no turn has no session either.
///
/// # Errors
/// Where nothing could be published, or a server is gone.
pub(crate) async fn interleave(
    contenders: &[Contender],
    load: &Load,
    rounds: usize,
) -> anyhow::Result<Rounds> {
    let mut measured: Vec<Vec<Measured>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (contender, all) in contenders.iter().zip(&mut measured) {
            eprintln!("{}: {}, round {round} of {rounds}", load.options(), contender.name);
            let scenario = Scenario {
                name: contender.name.clone(),
                rooms: contender.place.rooms(load.rooms).await?,
                load: load.clone(),
                server_pids: contender.pids.clone(),
            };
            let measured = perform(scenario).await?;
            if let Some(failure) = measured.window.failures.first() {
                eprintln!("{} sessions ended, the first: {failure}", measured.window.failed);
            }
            all.push(measured);
        }
    }
    Ok(Rounds { names: contenders.iter().map(|contender| contender.name.clone()).collect(), measured })
}

impl Rounds {
    /// Who took part, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// All that one did.
    pub(crate) fn of(&self, contender: usize) -> &[Measured] {
        self.measured.get(contender).map_or(&[], Vec::as_slice)
    }

    /// A figure of one, over its rounds.
    pub(crate) fn spread(
        &self,
        contender: usize,
        figure: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<Spread> {
        Spread::of(self.of(contender).iter().filter_map(figure).collect())
    }

    /// Processor time per delivered packet of one over that of another, each round by itself.
    pub(crate) fn cost_ratio(&self, contender: usize, over: usize) -> Option<Spread> {
        let pairs = self.of(contender).iter().zip(self.of(over));
        let ratio = |(one, other): (&Measured, &Measured)| {
            let (one, other) = (one.server_us_per_packet()?, other.server_us_per_packet()?);
            (other > 0.0).then(|| one / other)
        };
        Spread::of(pairs.filter_map(ratio).collect())
    }

    /// The medians of one, and whether sessions failed.
    pub(crate) fn rows(&self, prefix: &str, contender: usize) -> Vec<Row> {
        let name = self.names.get(contender).map_or("", String::as_str);
        let row = |what: &str, unit: &str, figure: &dyn Fn(&Measured) -> Option<f64>| {
            let spread = self.spread(contender, figure)?;
            Some(Row::new(format!("{prefix}{name}: {what}"), spread.median, unit))
        };
        let figures = [
            row("processor time per packet delivered", "µs", &Measured::server_us_per_packet),
            row("cores busy", "", &Measured::server_cores_busy),
            row("added latency, p50", "ms", &|measured| measured.latency_ms(0.5)),
            row("added latency, p99", "ms", &|measured| measured.latency_ms(0.99)),
            row("setup, p95", "ms", &Measured::setup_p95_ms),
            row("packets lost", "%", &Measured::loss_percent),
            row("of the published picture delivered", "%", &Measured::delivered_percent),
            row("memory grown per viewer", "KiB", &Measured::server_kib_per_viewer),
        ];
        let mut rows: Vec<Row> = figures.into_iter().flatten().collect();
        let failed: u64 = self.of(contender).iter().map(|measured| measured.window.failed).sum();
        let failed = Row::new(format!("{prefix}{name}: sessions that ended early"), failed as f64, "");
        rows.push(failed.against(Target::AtMost(0.0)));
        rows
    }

    /// What one needs over what another needs: the median of the rounds, the least and the most.
    pub(crate) fn ratio_rows(
        &self,
        prefix: &str,
        (contender, over): (usize, usize),
        max_ratio: Option<f64>,
    ) -> Vec<Row> {
        let Some(ratio) = self.cost_ratio(contender, over) else { return Vec::new() };
        let (name, other) = (&self.names[contender], &self.names[over]);
        let what = format!("{prefix}{name} over {other}, processor time per packet");
        let row = Row::new(what.clone(), ratio.median, "times");
        vec![
            match max_ratio {
                Some(most) => row.against(Target::AtMost(most)),
                None => row,
            },
            Row::new(format!("{what}, least of a round"), ratio.least, "times"),
            Row::new(format!("{what}, most of a round"), ratio.most, "times"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::summary::testing::measured;

    fn rounds(costs: [[u64; 3]; 2]) -> Rounds {
        let all = costs.map(|costs| costs.map(|us| measured(Duration::from_micros(us))).to_vec());
        Rounds { names: vec!["a".to_owned(), "b".to_owned()], measured: all.to_vec() }
    }

    #[test]
    fn a_spread_is_the_middle_and_both_ends() {
        let spread = |values: &[f64]| Spread::of(values.to_vec()).map(|it| (it.median, it.least, it.most));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_of_neighbours() {
        // A machine that becomes half as fast does not change how they compare.
        let ratio = rounds([[100, 200, 200], [150, 300, 320]]).cost_ratio(1, 0).expect("a ratio");
        assert!((ratio.median - 1.5).abs() < 1e-9 && (ratio.most - 1.6).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn a_ratio_beyond_its_limit_is_missed() {
        let missed = |limit| {
            let rows = rounds([[100, 100, 100], [150, 150, 150]]).ratio_rows("", (1, 0), limit);
            assert_eq!(rows.len(), 3);
            rows.iter().filter(|row| row.met == Some(false)).count()
        };
        assert_eq!((missed(None), missed(Some(1.6)), missed(Some(1.4))), (0, 0, 1));
    }

    #[test]
    fn rows_tell_of_each_contender() {
        let rows = rounds([[10, 10, 10], [20, 30, 40]]).rows("x, ", 1);
        let value = |what: &str| rows.iter().find(|row| row.what == what).map(|row| row.value);
        assert_eq!(value("x, b: packets lost"), Some(1.0));
        let cost = value("x, b: processor time per packet delivered").expect("a cost");
        assert!((cost - 30.0).abs() < 1e-9, "{cost}");
    }
}
