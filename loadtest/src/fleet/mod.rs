//! `loadtest fleet`: a publisher and any number of viewers in one process, against any server of WHIP and WHEP.

pub(crate) mod answer;
mod clock;
mod connection;
mod endpoint;
mod figures;
pub(crate) mod handshake;
mod histogram;
pub(crate) mod ice;
mod latency_marker;
pub(crate) mod offer;
mod process_usage;
mod progress;
mod publisher;
mod receive_batch;
mod resend_ring;
pub(crate) mod rtcp;
pub(crate) mod rtp_header;
mod sequence_count;
mod session;
mod stage;
mod summary;
#[cfg(test)]
mod testing;
mod twcc_feedback;
mod units;
mod viewer;
mod vp8;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::track::Role;
use report::results::{DEFAULT_DIR, Results, machine, record};

use self::endpoint::Endpoint;
use self::stage::{Room, Scenario, perform};
use self::summary::Thresholds;
use self::vp8::PictureSize;
use crate::call::consult;
use crate::call::invite::Invite;

const EXAMPLES: &str = "\
A consult of our own gateway, 10 viewers within 10 seconds, measured for 20:
  loadtest fleet --api http://127.0.0.1:8080 --make-consult KEY --viewers 10 --server-pid $(pidof gateway)
Ten rooms of ten viewers:
  loadtest fleet --api http://127.0.0.1:8080 --make-consult KEY --rooms 10 --viewers 10 --server-pid $(pidof gateway)
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
    /// Where to publish: an address of http://.
    #[arg(long, value_name = "URL", required_unless_present = "make_consult")]
    whip: Option<String>,
    /// What proves to --whip that one may: its bearer token.
    #[arg(long, value_name = "TOKEN")]
    whip_token: Option<String>,
    /// Where to play: an address of http://.
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
    /// How many play, in each room.
    #[arg(long, default_value_t = 10)]
    viewers: usize,
    /// Rooms, each with a publisher and viewers of its own; `{}` in --whip and --whep is the number of the room.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// What the picture takes, headers included, such as 1500k or 1.5M.
    #[arg(long, default_value = "1500k", value_parser = units::bitrate)]
    bitrate: u64,
    /// The size that key frames claim; our gateway passes more than 360 lines on to known networks only.
    #[arg(long, default_value = "640x360", value_name = "WIDTHxHEIGHT")]
    picture: PictureSize,
    /// Publish a voice as well, 50 packets of 80 bytes a second.
    #[arg(long)]
    voice: bool,
    /// Over which time viewers join, one after another.
    #[arg(long, default_value = "10s", value_parser = units::duration)]
    ramp: Duration,
    /// How long to measure once all play.
    #[arg(long, default_value = "20s", value_parser = units::duration)]
    time: Duration,
    /// A process of the server, to tell what it costs; may be given several times.
    #[arg(long = "server-pid", value_name = "PID")]
    server_pids: Vec<u32>,
    /// Threads for viewers; the publisher has one of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    /// Of how many packets of a viewer one is opened for its latency.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    open_every: u32,
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

/// More sockets than this need more than one address, or another process.
const MAX_VIEWERS: usize = 20_000;

/// Runs the command.
///
/// # Errors
/// Where a session failed, or a figure missed its threshold.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    let viewers = args.viewers.saturating_mul(args.rooms);
    ensure!((1..=MAX_VIEWERS).contains(&viewers), "--viewers times --rooms is 1 to {MAX_VIEWERS}");
    ensure!(args.time >= Duration::from_secs(1), "--time is at least a second");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(async { perform(scenario(args).await?).await })?;
    let thresholds = Thresholds {
        loss_percent: args.max_loss,
        delivered_percent: args.min_delivered,
        p99_ms: args.max_p99_ms,
    };
    let rows = measured.rows(thresholds);
    let mut results = Results::default();
    results.merge("", &machine(), rows.clone());
    print!("{}", results.table());
    record(&args.dir, "fleet", &command(args), rows.clone())?;
    for failure in &measured.window.failures {
        eprintln!("a session ended: {failure}");
    }
    let missed = rows.iter().filter(|row| row.met == Some(false)).count();
    ensure!(missed == 0, "{missed} figures missed their target");
    ensure!(measured.window.failed == 0, "{} sessions ended before their time", measured.window.failed);
    Ok(())
}

async fn scenario(args: &Args) -> anyhow::Result<Scenario> {
    let mut rooms = Vec::new();
    for number in 0..args.rooms {
        rooms.push(room(args, number).await?);
    }
    Ok(Scenario {
        name: args.name.clone(),
        rooms,
        viewers_per_room: args.viewers,
        bitrate: args.bitrate,
        picture: args.picture,
        voice: args.voice,
        ramp: args.ramp,
        time: args.time,
        server_pids: args.server_pids.clone(),
        threads: args.threads,
        open_every: args.open_every,
    })
}

async fn room(args: &Args, number: usize) -> anyhow::Result<Room> {
    if let (Some(key), Some(api)) = (&args.make_consult, &args.api) {
        let links = consult::create_for(api, key, [Role::Device, Role::Observer]).await?;
        let tokens = links.iter().map(|link| {
            let invite: Invite = link.parse().context("the gateway's link has no token")?;
            anyhow::Ok(invite.token().to_owned())
        });
        let mut tokens = tokens.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
        let mut endpoint =
            |path| Endpoint::new(&format!("{}/{path}", api.trim_end_matches('/')), tokens.next());
        return Ok(Room { publish_at: endpoint("whip")?, play_at: endpoint("whep")? });
    }
    let endpoint = |url: &Option<String>, token: &Option<String>| {
        let url = url.as_ref().context("give --whip and --whep")?;
        Endpoint::new(&url.replace("{}", &number.to_string()), token.clone())
    };
    Ok(Room {
        publish_at: endpoint(&args.whip, &args.whip_token)?,
        play_at: endpoint(&args.whep, &args.whep_token)?,
    })
}

/// What to type to measure the same again; proofs are left out, and so are processes.
fn command(args: &Args) -> String {
    let place = match (&args.api, &args.whip, &args.whep) {
        (Some(api), ..) => format!("--api {api}"),
        (None, whip, whep) => format!(
            "--whip {} --whep {}",
            whip.as_deref().unwrap_or_default(),
            whep.as_deref().unwrap_or_default()
        ),
    };
    let voice = if args.voice { " --voice" } else { "" };
    format!(
        "loadtest fleet {place} --rooms {} --viewers {} --bitrate {} --ramp {}s --time {}s{voice} --name '{}'",
        args.rooms,
        args.viewers,
        args.bitrate,
        args.ramp.as_secs_f64(),
        args.time.as_secs_f64(),
        args.name
    )
}
