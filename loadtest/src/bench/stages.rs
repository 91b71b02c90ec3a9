//! The parts of the measurement: which load goes to which server on which cores, and what has to come of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use report::results::{Row, Target};

use super::pictures::Pictures;
use super::servers::{Floor, Gateway};
use crate::compare::rounds::{Contender, Rounds, interleave};
use crate::fleet::load::Load;
use crate::fleet::summary::Measured;
use crate::server_process::on_cores;

/// Viewers that join in a second, unless a stage says otherwise: they are not what is measured.
const JOINS_PER_SECOND: f64 = 50.0;

/// The lowest rung: what a large audience on bad networks gets.
const LOW_RUNG: u64 = 150_000;

/// How long, how often, and for how many.
struct Extent {
    time: Duration,
    rounds: usize,
    /// Viewers that both servers have in turn.
    audiences: &'static [usize],
    /// The audience that also meets the forwarder with segments, and whose latency has a target.
    reference: usize,
    core: usize,
    joining: (usize, Duration),
    memory: usize,
    sizes: &'static [usize],
}

const FULL: Extent = Extent {
    time: Duration::from_secs(6),
    rounds: 3,
    audiences: &[50, 200, 400],
    reference: 200,
    core: 450,
    joining: (200, Duration::from_secs(10)),
    memory: 500,
    sizes: &[1, 10, 100, 500, 1_000, 2_000],
};

const QUICK: Extent = Extent {
    time: Duration::from_secs(3),
    rounds: 1,
    audiences: &[50],
    reference: 50,
    core: 150,
    joining: (50, Duration::from_millis(2_500)),
    memory: 100,
    sizes: &[1, 10, 100],
};

/// What the stages share.
pub(super) struct Stages {
    gateway: PathBuf,
    extent: Extent,
    max_viewers: usize,
    all_cores: Vec<usize>,
    server_core: [usize; 1],
    fleet_core: [usize; 1],
}

impl Stages {
    /// Takes two of the cores where one is pinned: one for servers, one for the fleet.
    ///
    /// # Errors
    /// Where there is only one.
    pub(super) fn new(
        gateway: PathBuf,
        quick: bool,
        max_viewers: usize,
        all_cores: Vec<usize>,
    ) -> anyhow::Result<Self> {
        let (Some(&fleet), Some(&server)) = (all_cores.first(), all_cores.get(1)) else {
            anyhow::bail!("server and fleet need a core each");
        };
        let extent = if quick { QUICK } else { FULL };
        Ok(Self { gateway, extent, max_viewers, all_cores, server_core: [server], fleet_core: [fleet] })
    }

    /// Gateway over forwarder, both on one core.
    ///
    /// # Errors
    /// Where a server does not start or nothing can be published.
    pub(super) fn ratio(&self, pictures: &mut Pictures) -> anyhow::Result<Vec<Row>> {
        let gateway = self.gateway_on_a_core()?;
        let floor = Floor::start("forwarder", &[], &self.server_core)?;
        let segments = Floor::start("forwarder with segments", &["--gso"], &self.server_core)?;
        let mut rows = Vec::new();
        for &viewers in self.extent.audiences {
            for spread in [false, true] {
                let mut contenders = vec![floor.contender(), gateway.contender()];
                contenders.extend((viewers == self.extent.reference).then(|| segments.contender()));
                let load = Load { spread, ..self.load(viewers) };
                let rounds = self.apart(&contenders, &load, self.extent.rounds)?;
                let pattern = if spread { " packet by packet" } else { "" };
                let prefix = format!("{} viewers at 1.5 Mbit/s{pattern}, ", load.viewers);
                let mut here = rows_of(&rounds, &prefix, contenders.len());
                if contenders.len() > 2 {
                    hold(&mut here, &format!("{prefix}gateway: added latency, p99"), Target::AtMost(2.0))?;
                    here.extend(rounds.ratio_rows(&prefix, (1, 2), None));
                }
                here.extend(rounds.ratio_rows(&prefix, (1, 0), Some(1.25)));
                rows.extend(here);
                if !spread {
                    pictures.note(&rounds, load.viewers, "1.5 Mbit/s, one core");
                }
            }
        }
        let load = Load { rooms: 10, ..self.load(10) };
        let rounds = self.apart(&[floor.contender(), gateway.contender()], &load, self.extent.rounds)?;
        let prefix = format!("10 rooms of {} viewers at 1.5 Mbit/s, ", load.viewers);
        rows.extend(rows_of(&rounds, &prefix, 2));
        rows.extend(rounds.ratio_rows(&prefix, (1, 0), Some(1.4)));
        Ok(rows)
    }

    /// As many viewers as one core is to carry.
    ///
    /// # Errors
    /// Where the gateway does not start or nothing can be published.
    pub(super) fn core(&self, pictures: &mut Pictures) -> anyhow::Result<Vec<Row>> {
        let gateway = self.gateway_on_a_core()?;
        let load = self.load(self.extent.core);
        let rounds = self.apart(&[gateway.contender()], &load, 1)?;
        let prefix = format!("{} viewers at 1.5 Mbit/s on one core, ", load.viewers);
        let mut rows = rows_of(&rounds, &prefix, 1);
        hold(&mut rows, &format!("{prefix}gateway: packets lost"), Target::AtMost(0.0))?;
        hold(&mut rows, &format!("{prefix}gateway: added latency, p99"), Target::AtMost(20.0))?;
        hold(
            &mut rows,
            &format!("{prefix}gateway: of the published picture delivered"),
            Target::AtLeast(99.0),
        )?;
        pictures.note(&rounds, load.viewers, "1.5 Mbit/s, one core");
        // A picture of one packet: tells what a burst costs from what a packet costs.
        let load = Load { bitrate: LOW_RUNG, ..load };
        let rounds = self.apart(&[gateway.contender()], &load, 1)?;
        rows.extend(rows_of(&rounds, &format!("{} viewers at 150 kbit/s on one core, ", load.viewers), 1));
        Ok(rows)
    }

    /// How long viewers wait who come while others watch.
    ///
    /// # Errors
    /// Where the gateway does not start or nothing can be published.
    pub(super) fn setup(&self) -> anyhow::Result<Vec<Row>> {
        let gateway = self.gateway_on_a_core()?;
        let (viewers, ramp) = self.extent.joining;
        let load = Load { ramp, ..self.load(viewers) };
        let rounds = self.apart(&[gateway.contender()], &load, 1)?;
        let prefix = format!("{} viewers joining in {} s, ", load.viewers, ramp.as_secs_f64());
        let mut rows = rows_of(&rounds, &prefix, 1);
        hold(&mut rows, &format!("{prefix}gateway: setup, p95"), Target::AtMost(100.0))?;
        Ok(rows)
    }

    /// What the resident memory of a new gateway grows by.
    ///
    /// # Errors
    /// Where the gateway does not start or nothing can be published.
    pub(super) fn memory(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (idle, what, most) in [(true, "wait", 64.0), (false, "watch", 128.0)] {
            let gateway = self.gateway_on_a_core()?;
            let load = Load { idle, ..self.load(self.extent.memory) };
            let rounds = self.apart(&[gateway.contender()], &load, 1)?;
            let prefix = format!("{} viewers that {what}, ", load.viewers);
            let mut here = rows_of(&rounds, &prefix, 1);
            hold(&mut here, &format!("{prefix}gateway: memory grown per viewer"), Target::AtMost(most))?;
            rows.extend(here.into_iter().filter(|row| {
                ["memory grown", "ended early"].iter().any(|figure| row.what.contains(figure))
            }));
        }
        Ok(rows)
    }

    /// What a viewer costs among few and among many, on all cores.
    ///
    /// # Errors
    /// Where the gateway does not start or nothing can be published.
    pub(super) fn size(&self, pictures: &mut Pictures) -> anyhow::Result<Vec<Row>> {
        let (mut rows, mut costs) = (Vec::new(), Vec::new());
        for &viewers in self.extent.sizes {
            let gateway = Gateway::start(&self.gateway, 2, &self.all_cores, self.max_viewers)?;
            let load = Load { bitrate: LOW_RUNG, ..self.load(viewers) };
            let rounds = self.on(&self.all_cores, &[gateway.contender()], &load, 1)?;
            let prefix = format!("{} viewers at 150 kbit/s on two workers, ", load.viewers);
            rows.extend(rows_of(&rounds, &prefix, 1));
            let busy = rounds.spread(0, Measured::server_cores_busy).context("no process was read")?;
            let cost = busy.median * 1e6 / load.viewers as f64;
            rows.push(Row::new(format!("{prefix}gateway: processor time per viewer and second"), cost, "µs"));
            costs.push(cost);
            pictures.note(&rounds, load.viewers, "150 kbit/s, two workers");
        }
        let (Some(first), Some(last)) = (costs.first(), costs.last()) else { return Ok(rows) };
        let least = costs.iter().copied().fold(*first, f64::min);
        let among_most = |over: &str, cost: f64| {
            Row::new(format!("a viewer among the most over one {over}, processor time"), last / cost, "times")
        };
        // Few viewers also carry what the gateway needs without any; the cheapest audience tells what size itself costs.
        rows.push(among_most("among the fewest", *first).against(Target::AtMost(1.15)));
        rows.push(among_most("of the cheapest audience", least));
        Ok(rows)
    }

    fn gateway_on_a_core(&self) -> anyhow::Result<Gateway> {
        Gateway::start(&self.gateway, 1, &self.server_core, self.max_viewers)
    }

    /// One room of so many viewers, or of as many as it may hold.
    fn load(&self, viewers: usize) -> Load {
        let viewers = viewers.min(self.max_viewers);
        let ramp = Duration::from_secs_f64((viewers as f64 / JOINS_PER_SECOND).max(0.5));
        Load::of(viewers, ramp, self.extent.time)
    }

    /// Measures with the fleet on the core that servers do not have.
    fn apart(&self, contenders: &[Contender], load: &Load, rounds: usize) -> anyhow::Result<Rounds> {
        self.on(&self.fleet_core, contenders, load, rounds)
    }

    fn on(
        &self,
        cores: &[usize],
        contenders: &[Contender],
        load: &Load,
        rounds: usize,
    ) -> anyhow::Result<Rounds> {
        on_cores(cores, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(interleave(contenders, load, rounds))
        })?
    }
}

fn rows_of(rounds: &Rounds, prefix: &str, contenders: usize) -> Vec<Row> {
    (0..contenders).flat_map(|contender| rounds.rows(prefix, contender)).collect()
}

/// Holds one of the rows against a target.
fn hold(rows: &mut [Row], what: &str, target: Target) -> anyhow::Result<()> {
    let row = rows.iter_mut().find(|row| row.what == what);
    let row = row.with_context(|| format!("nothing was measured of: {what}"))?;
    *row = row.clone().against(target);
    ensure!(row.value.is_finite(), "{what} is {}", row.value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_needs_its_row() {
        let mut rows = vec![Row::new("loss", 0.5, "%")];
        hold(&mut rows, "loss", Target::AtMost(0.0)).expect("a row");
        assert_eq!(rows[0].met, Some(false));
        assert!(hold(&mut rows, "latency", Target::AtMost(0.0)).is_err());
    }

    #[test]
    fn a_room_that_holds_less_gets_less() {
        let stages = |max_viewers| Stages::new(PathBuf::new(), true, max_viewers, vec![3, 5]).expect("cores");
        assert_eq!(stages(14).load(200).viewers, 14);
        assert_eq!(stages(5_000).load(200).ramp, Duration::from_secs(4));
        assert!(Stages::new(PathBuf::new(), true, 14, vec![3]).is_err());
    }
}
