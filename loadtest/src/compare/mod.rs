//! `loadtest compare`: the same load for several servers, in turn and again, and how they compare.

pub(crate) mod rounds;
mod server;

use std::path::PathBuf;

use anyhow::ensure;
use report::results::{DEFAULT_DIR, Results, machine, record};

use self::rounds::{Contender, interleave};
use self::server::Server;
use crate::fleet::load::Load;

const EXAMPLES: &str = "\
Our gateway, which runs, over the bare forwarder, which is started; 200 viewers, three rounds of 20 seconds each:
  loadtest compare --viewers 200 \\
    --server 'name=forwarder whip=http://127.0.0.1:7001/whip/{} whep=http://127.0.0.1:7001/whep/{} start=loadtest forwarder' \\
    --server \"name=ours api=http://127.0.0.1:8080 key=KEY pid=$(pidof gateway)\"
As a gate, with an exit code:
  loadtest compare … --max-ratio 1.25

A server is a line of KEY=VALUE: its name, then whip and whep (with whip-token and whep-token where they take such; {} is the
number of a room), or api and key of our own gateway, which makes a consult for every room. Then pid, once or more, or start
as the last one: all behind it is the command, without a shell. It has to listen where it is said to, and is ended afterwards.

Servers have their turns: A B A B. While one is measured the others run, without a session. Figures are medians of the
rounds; a ratio is taken between neighbours of one round, and told with the least and the most of all rounds.";

/// Measures several servers under the same load, in turn, and prints how they compare to the first.
///
/// Ends with an error where a session failed, or a ratio is beyond --max-ratio.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A server, two or more times; the first is what the others are compared to.
    #[arg(long = "server", value_name = "KEY=VALUE …", required = true)]
    servers: Vec<Server>,
    #[command(flatten)]
    load: Load,
    /// How often each has its turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Fail where another server needs more processor time per packet than so many times that of the first.
    #[arg(long, value_name = "TIMES")]
    max_ratio: Option<f64>,
    /// The name of the results: the file is NAME.json.
    #[arg(long, default_value = "compare")]
    name: String,
    /// The folder of the results.
    #[arg(long, env = "RESULTS_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Where a server does not start, a session failed, or a ratio is too large.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    args.load.check()?;
    ensure!(args.servers.len() >= 2, "give --server at least twice");
    let (mut running, mut contenders) = (Vec::new(), Vec::new());
    for server in &args.servers {
        let (process, pids) = server.start()?;
        running.extend(process);
        contenders.push(Contender { name: server.name.clone(), place: server.place.clone(), pids });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rounds = runtime.block_on(interleave(&contenders, &args.load, args.rounds.into()))?;
    drop(running);
    let mut rows: Vec<_> = (0..contenders.len()).flat_map(|contender| rounds.rows("", contender)).collect();
    for contender in 1..contenders.len() {
        rows.extend(rounds.ratio_rows("", (contender, 0), args.max_ratio));
    }
    let mut results = Results::default();
    results.merge("", &machine(), rows.clone());
    print!("{}", results.table());
    record(&args.dir, &args.name, &command(args), rows.clone())?;
    let missed = rows.iter().filter(|row| row.met == Some(false)).count();
    ensure!(missed == 0, "figures that missed their target: {missed}");
    Ok(())
}

/// What to type to measure the same again; proofs and processes are left out.
fn command(args: &Args) -> String {
    let servers = args.servers.iter().map(|server| format!("{} {}", server.name, server.place.options()));
    let servers = servers.collect::<Vec<_>>().join(" | ");
    format!("loadtest compare {servers} | {} --rounds {}", args.load.options(), args.rounds)
}
