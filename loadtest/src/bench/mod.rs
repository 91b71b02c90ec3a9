//! `loadtest bench`: starts a gateway and the bare forwarder, and holds what a fleet measures against targets.

mod pictures;
mod servers;
mod stages;

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use report::results::{DEFAULT_DIR, Results, record};

use self::pictures::Pictures;
use self::stages::Stages;
use crate::server_process::allowed_cores;

const EXAMPLES: &str = "\
All of it, about 10 minutes, and a short form of 2 minutes that tells less:
  cargo build --release -p gateway -p loadtest && target/release/loadtest bench
  target/release/loadtest bench --quick
Another gateway, such as the one of before a change:
  target/release/loadtest bench --gateway before/gateway --dir before

What is measured, one after another; while one server is measured the other runs without a session:
  ratio    gateway and forwarder in turn, both on one and the same core, the fleet on another: 1 publisher to 50, 200 and 400
           viewers at 1.5 Mbit/s, and 10 rooms of 10 viewers. The forwarder sends packet by packet; with 200 viewers there is
           a second one that leaves the cutting to the kernel, as the gateway does.
  core     450 viewers of a gateway that has one core.
  setup    200 viewers that join within 10 seconds.
  memory   500 viewers that only wait, and 500 that watch, each with a new gateway.
  size     1 to 2,000 viewers at 150 kbit/s, on two media workers and all cores, which the fleet shares.

It leaves fleet.json, memory.json, and pictures of cost and latency beside them.";

/// Measures our gateway against the bare forwarder, and what it costs per packet, viewer and core.
///
/// Ends with an error where a target was missed; what was measured until then is recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The gateway, in a release build; by default the one beside this program.
    #[arg(long, value_name = "PROGRAM")]
    gateway: Option<PathBuf>,
    /// Less of everything, in two minutes: to see that it works, not to compare.
    #[arg(long)]
    quick: bool,
    /// Only these stages: ratio, core, setup, memory, size.
    #[arg(long, value_delimiter = ',', value_name = "STAGE")]
    only: Vec<Stage>,
    /// What a room of the gateway may hold (`consults.max_viewers`); larger loads are cut down to it.
    #[arg(long, default_value_t = 5_000, value_name = "COUNT")]
    max_viewers: usize,
    /// The folder of the results.
    #[arg(long, env = "RESULTS_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    Ratio,
    Core,
    Setup,
    Memory,
    Size,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Ratio, Self::Core, Self::Setup, Self::Memory, Self::Size];

    /// The results that it adds to.
    fn file(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Ratio | Self::Core | Self::Setup | Self::Size => "fleet",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Where a server does not start, a stage cannot be measured, or a target was missed.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    let stages = Stages::new(gateway(args)?, args.quick, args.max_viewers, allowed_cores()?)?;
    let mut pictures = Pictures::default();
    let mut missed = 0;
    let is_wanted = |stage: &Stage| args.only.is_empty() || args.only.contains(stage);
    for stage in Stage::ALL.into_iter().filter(is_wanted) {
        let measured = match stage {
            Stage::Ratio => stages.ratio(&mut pictures),
            Stage::Core => stages.core(&mut pictures),
            Stage::Setup => stages.setup(),
            Stage::Memory => stages.memory(),
            Stage::Size => stages.size(&mut pictures),
        };
        let measured = measured.with_context(|| format!("the stage {stage:?}"))?;
        let command = if args.quick { "loadtest bench --quick" } else { "loadtest bench" };
        missed += measured.iter().filter(|row| row.met == Some(false)).count();
        let mut shown = Results::default();
        shown.merge("", "", measured.clone());
        print!("{}", shown.table());
        record(&args.dir, stage.file(), command, measured)?;
        pictures.write(&args.dir)?;
    }
    ensure!(missed == 0, "figures that missed their target: {missed}");
    Ok(())
}

fn gateway(args: &Args) -> anyhow::Result<PathBuf> {
    let beside = || anyhow::Ok(std::env::current_exe()?.parent().map(|folder| folder.join("gateway")));
    let program = match &args.gateway {
        Some(program) => program.clone(),
        None => beside()?.context("this program lies in no folder")?,
    };
    ensure!(program.is_file(), "{} is not there: build it, or name --gateway", program.display());
    Ok(program)
}
