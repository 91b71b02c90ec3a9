//! `loadtest plan`: how many cores, how much memory and network a number of rooms needs, and how many fit a host.

mod cost_model;
mod room;

use std::path::PathBuf;

use anyhow::ensure;
use protocol::ladder::Rung;
use report::results::{DEFAULT_DIR, Results, Row, machine, record};

use self::cost_model::CostModel;
use self::room::{Need, Room};

const EXAMPLES: &str = "\
A thousand consults of four, one seen at 720 lines and the others at 360, on hosts of 8 cores:
  loadtest plan --participants 4 --rungs 720p,360p --rooms 1000 --cores 8
A lecture with 500 viewers, on a host with 16 GiB and 1 Gbit/s:
  loadtest plan --participants 1 --viewers 500 --rungs 720p --cores 4 --memory-gib 16 --network-mbps 1000
From figures of one's own machine:
  loadtest bench && loadtest plan --figures target/results --participants 2 --rungs 720p

It is arithmetic, on costs that `loadtest bench` has measured: for each burst (the packets of a picture that leave to one
subscriber), each packet in it, each packet that comes in, and the memory of each participant. Rates are those of the ladder
in VP8; packets that are sent again, key frames that are asked for, and TLS of the API are not in it: leave room (--busy).";

/// Reckons what rooms need of a gateway's host, and how many of them one carries.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// People of one room; all publish camera and voice.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    participants: u16,
    /// Players of one room, which see and hear all its people.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=5_000))]
    viewers: u16,
    /// What everybody gets of the first of the others, the second and so on; the last one is for all that are left.
    #[arg(long, value_delimiter = ',', default_value = "720p,360p", value_parser = rung)]
    rungs: Vec<Rung>,
    /// Such rooms at one time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rooms: u32,
    /// Cores of a host; by default as many as this machine has.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    cores: Option<u16>,
    /// How busy the cores of a host may be, in percent.
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100))]
    busy: u8,
    /// Memory of a host for participants, where that may be the limit.
    #[arg(long, value_name = "GIB")]
    memory_gib: Option<f64>,
    /// What the network of a host carries each way, where that may be the limit.
    #[arg(long, value_name = "MBPS")]
    network_mbps: Option<f64>,
    /// A folder with fleet.json and memory.json of `loadtest bench`, instead of the figures that come with this program.
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    /// The folder of the results, `plan.json`.
    #[arg(long, env = "RESULTS_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

fn rung(text: &str) -> Result<Rung, String> {
    let known = Rung::ALL.into_iter().find(|rung| rung.as_str() == text);
    known.ok_or_else(|| format!("not one of {}", Rung::ALL.map(Rung::as_str).join(", ")))
}

/// Runs the command.
///
/// # Errors
/// Where figures are missing, or the results cannot be written.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(!args.rungs.is_empty(), "name a rung");
    let costs = match &args.figures {
        Some(folder) => CostModel::read(folder)?,
        None => CostModel::measured(),
    };
    let room = Room {
        participants: args.participants.into(),
        viewers: args.viewers.into(),
        rungs: args.rungs.clone(),
    };
    let rows = rows(args, &room, &costs);
    let mut results = Results::default();
    results.merge("", &machine(), rows.clone());
    print!("{}", results.table());
    println!("costs measured on: {}", costs.measured);
    record(&args.dir, "plan", &command(args), rows)?;
    Ok(())
}

fn rows(args: &Args, room: &Room, costs: &CostModel) -> Vec<Row> {
    let rungs = args.rungs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let who = format!("{} participants and {} viewers, {rungs}", room.participants, room.viewers);
    let row = |what: &str, value, unit| Row::new(format!("{who}: {what}"), value, unit);
    let need = room.need(costs);
    let mut rows = Vec::new();
    for (of, count) in [("a room", 1.0), ("all rooms", f64::from(args.rooms))] {
        rows.extend([
            row(&format!("{of}, cores busy"), need.cores * count, ""),
            row(&format!("{of}, memory"), need.memory_kib * count / 1_024.0, "MiB"),
            row(&format!("{of}, coming in"), need.ingress_bps * count / 1e6, "Mbit/s"),
            row(&format!("{of}, going out"), need.egress_bps * count / 1e6, "Mbit/s"),
        ]);
    }
    let cores = args.cores.map_or_else(
        || std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64),
        f64::from,
    );
    let limits = limits(args, cores, need);
    let Some((limit, most)) = limits.iter().min_by(|a, b| a.1.total_cmp(&b.1)).copied() else { return rows };
    for (what, most) in &limits {
        rows.push(row(&format!("rooms of a host, by its {what}"), *most, ""));
    }
    rows.push(row(&format!("rooms of a host of {cores} cores, for its {limit}"), most, ""));
    if most >= 1.0 {
        rows.push(row("hosts for all rooms", (f64::from(args.rooms) / most).ceil(), ""));
    }
    rows
}

/// Whole rooms that fit, by each thing that may run out.
fn limits(args: &Args, cores: f64, need: Need) -> Vec<(&'static str, f64)> {
    let fit = |there: f64, each: f64| if each > 0.0 { (there / each).floor() } else { f64::MAX };
    let widest = need.ingress_bps.max(need.egress_bps);
    let by_cores = Some(("cores", fit(cores * f64::from(args.busy) / 100.0, need.cores)));
    let by_memory = args.memory_gib.map(|gib| ("memory", fit(gib * 1_048_576.0, need.memory_kib)));
    let by_network = args.network_mbps.map(|mbps| ("network", fit(mbps * 1e6, widest)));
    [by_cores, by_memory, by_network].into_iter().flatten().collect()
}

fn command(args: &Args) -> String {
    let rungs = args.rungs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!(
        "loadtest plan --participants {} --viewers {} --rungs {rungs} --rooms {} --busy {}",
        args.participants, args.viewers, args.rooms, args.busy
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn plan(options: &[&str]) -> Vec<Row> {
        let args = Cli::try_parse_from(["plan"].iter().chain(options)).expect("options").args;
        let room = Room {
            participants: args.participants.into(),
            viewers: args.viewers.into(),
            rungs: args.rungs.clone(),
        };
        let costs =
            CostModel { burst_us: 2.0, packet_us: 1.0, ingress_us: 3.0, kib: 100.0, measured: String::new() };
        rows(&args, &room, &costs)
    }

    fn value(rows: &[Row], ending: &str) -> f64 {
        let row = rows.iter().find(|row| row.what.ends_with(ending));
        row.unwrap_or_else(|| panic!("no {ending} among {rows:#?}")).value
    }

    #[test]
    fn what_runs_out_first_is_the_limit() {
        let webinar = ["--participants", "1", "--viewers", "500", "--rungs", "720p", "--cores", "4"];
        let by_cores = plan(&webinar);
        let most = value(&by_cores, "for its cores");
        assert!(most >= 1.0 && most.fract() == 0.0, "{by_cores:#?}");
        let by_network = plan(&[&webinar[..], &["--network-mbps", "900"]].concat());
        assert_eq!(value(&by_network, "for its network"), 1.0);
    }

    #[test]
    fn rooms_add_up_to_hosts() {
        let one = plan(&["--cores", "8"]);
        let many = plan(&["--cores", "8", "--rooms", "1000"]);
        assert!(
            (value(&many, "all rooms, cores busy") / value(&one, "all rooms, cores busy") - 1e3).abs() < 1e-6
        );
        let hosts = value(&many, "hosts for all rooms");
        assert_eq!(hosts, (1_000.0 / value(&many, "for its cores")).ceil());
    }

    #[test]
    fn a_rung_that_is_none_is_refused() {
        assert!(Cli::try_parse_from(["plan", "--rungs", "720p,4k"]).is_err());
    }
}
