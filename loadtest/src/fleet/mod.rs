//! `loadtest fleet`: a publisher and any number of viewers in one process, against any server of WHIP and WHEP.

pub(crate) mod answer;
mod clock;
mod connection;
mod endpoint;
mod figures;
pub(crate) mod handshake;
pub(crate) mod histogram;
pub(crate) mod ice;
mod latency_marker;
pub(crate) mod load;
pub(crate) mod offer;
pub(crate) mod place;
mod process_usage;
mod progress;
mod publisher;
mod receive_batch;
mod resend_ring;
pub(crate) mod rtcp;
pub(crate) mod rtp_header;
mod sequence_count;
mod session;
pub(crate) mod stage;
pub(crate) mod summary;
#[cfg(test)]
mod testing;
mod twcc_feedback;
mod units;
mod viewer;
mod vp8;
mod worker;

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use report::results::{DEFAULT_DIR, Results, machine, record};

use self::load::Load;
use self::place::Place;
use self::stage::{Scenario, perform};
use self::summary::Thresholds;

const EXAMPLES: &str = "\
A consult of our own gateway, 10 viewers within 10 seconds, measured for 20:
  loadtest fleet --api http://127.0.0.1:8080 --make-consult KEY --viewers 10 --server-pid $(pidof gateway)
Ten rooms of ten viewers, and what 500 viewers cost that only wait:
  loadtest fleet --api http://127.0.0.1:8080 --make-consult KEY --rooms 10 --viewers 10 --server-pid $(pidof gateway)
  loadtest fleet --api http://127.0.0.1:8080 --make-consult KEY --viewers 500 --idle --server-pid $(pidof gateway)
Any other server:
  loadtest fleet --whip http://127.0.0.1:7777/whip/room --whep http://127.0.0.1:7777/whep/room --viewers 200 --name other
As a gate, with an exit code:
  loadtest fleet … --max-loss 0 --min-delivered 99 --max-p99-ms 20

The publisher sends packets of 1,200 bytes in bursts of a frame, 30 a second, that look like VP8 to whoever forwards them.
Each bears the time at which it left, and viewers open one in --open-every to see how long it took; all are counted by
sequence number alone, which keeps a viewer cheaper than the server that feeds it. Viewers report as browsers do: receiver
reports every second, transport-wide feedback every 100 ms where the server's answer takes part in that, and a request for
a key frame when they begin. They ask for no packet again, so loss is what the path from server to viewer lost.

A latency is from before a packet is sealed by the publisher to after it was taken from a viewer's socket, by one clock. It
contains the way to the server, and what this process needs where it shares its cores with the server: see `fleet, cores
busy`. Processor time of the server is that of the processes of --server-pid in user space and in the kernel, over packets
that reached viewers; on a loopback device it contains handing packets to the viewers' sockets.";

/// Publishes through WHIP and plays through WHEP, many times from one process, and measures the server in between.
///
/// Ends with an error where a session failed, a viewer received nothing, or a threshold was missed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to publish: an address of http://; `{}` in it is the number of the room.
    #[arg(long, value_name = "URL", required_unless_present = "make_consult")]
    whip: Option<String>,
    /// What proves to --whip that one may: its bearer token.
    #[arg(long, value_name = "TOKEN")]
    whip_token: Option<String>,
    /// Where to play: an address of http://; `{}` in it is the number of the room.
    #[arg(long, value_name = "URL", required_unless_present = "make_consult")]
    whep: Option<String>,
    /// What proves to --whep that one may: its bearer token.
    #[arg(long, value_name = "TOKEN")]
    whep_token: Option<String>,
    /// Make a consult of our own gateway instead, with its API key.
    #[arg(long, value_name = "API_KEY", env = "GATEWAY_API_KEY", hide_env_values = true, requires = "api",
          conflicts_with_all = ["whip", "whep", "whip_token", "whep_token"])]
    make_consult: Option<String>,
    /// The address of our gateway, with --make-consult.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    #[command(flatten)]
    load: Load,
    /// A process of the server, to tell what it costs; may be given several times.
    #[arg(long = "server-pid", value_name = "PID")]
    server_pids: Vec<u32>,
    /// Fail where more than this share of packets is lost, in percent.
    #[arg(long, value_name = "PERCENT")]
    max_loss: Option<f64>,
    /// Fail where viewers get less than this share of what is published, in percent: where a server leaves packets out.
    #[arg(long, value_name = "PERCENT")]
    min_delivered: Option<f64>,
    /// Fail where one packet in a hundred takes longer than this.
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,
    /// What the rows of the results are called: a name for the server and its setting.
    #[arg(long, default_value = "fleet")]
    name: String,
    /// The folder of the results, `fleet.json`.
    #[arg(long, env = "RESULTS_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Where a session failed, or a figure missed its threshold.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    args.load.check()?;
    let place = place(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(async { perform(scenario(args, &place).await?).await })?;
    let thresholds = Thresholds {
        loss_percent: args.max_loss,
        delivered_percent: args.min_delivered,
        p99_ms: args.max_p99_ms,
    };
    let rows = measured.rows(thresholds);
    let mut results = Results::default();
    results.merge("", &machine(), rows.clone());
    print!("{}", results.table());
    let command =
        format!("loadtest fleet {} {} --name '{}'", place.options(), args.load.options(), args.name);
    record(&args.dir, "fleet", &command, rows.clone())?;
    for failure in &measured.window.failures {
        eprintln!("a session ended: {failure}");
    }
    let missed = rows.iter().filter(|row| row.met == Some(false)).count();
    ensure!(missed == 0, "figures that missed their target: {missed}");
    ensure!(measured.window.failed == 0, "{} sessions ended before their time", measured.window.failed);
    Ok(())
}

async fn scenario(args: &Args, place: &Place) -> anyhow::Result<Scenario> {
    Ok(Scenario {
        name: args.name.clone(),
        rooms: place.rooms(args.load.rooms).await?,
        load: args.load.clone(),
        server_pids: args.server_pids.clone(),
    })
}

fn place(args: &Args) -> anyhow::Result<Place> {
    if let (Some(key), Some(api)) = (&args.make_consult, &args.api) {
        return Ok(Place::Consults { api: api.clone(), key: key.clone() });
    }
    let url = |url: &Option<String>| url.clone().context("give --whip and --whep");
    Ok(Place::Urls {
        whip: url(&args.whip)?,
        whip_token: args.whip_token.clone(),
        whep: url(&args.whep)?,
        whep_token: args.whep_token.clone(),
    })
}
