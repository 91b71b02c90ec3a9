//! `loadtest net`: emulated links between network namespaces, in real time, over TUN devices.
//! This is the shell: the links themselves are the crate `link`.

pub mod command;
pub mod direction;
pub mod report;
mod sys;
pub mod topology;

use std::fs::{self, File};
use std::io::{BufRead as _, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::time::{Duration, Instant as SteadyInstant, SystemTime};

use anyhow::{Context as _, bail, ensure};
use link::{CapacityTrace, LinkSettings};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval_at};

use self::command::{Command, Direction, GRAMMAR, Set};
use self::direction::{Order, Report, ReportTimes, Scheduling, Shuttle};
use self::report::{Calendar, StatsLine};
use self::topology::{Devices, LinkSpec, Namespaces, connect};

/// How long a direction may take to report before it counts as dead.
const REPORT_WAIT: Duration = Duration::from_millis(500);

/// Each direction draws its own losses: seeds are this far apart.
const SEED_STEP: u64 = 7_919;

/// Enough for any plan of consults; each link costs two threads.
const MAX_LINKS: usize = 32;

const EXAMPLES: &str = "\
A gateway and two clients, each behind a link of its own (as root):
  loadtest net --create \\
    --link doctor=doctor:10.77.1.2,gw:10.77.1.1 --set 'doctor both preset=wired' \\
    --link patient=patient:10.77.2.2,gw:10.77.2.1 --set 'patient both preset=4g' \\
    --stats links.jsonl
It prints `ready` when everything stands, then answers every line on standard input with `ok` or `error: …`:
  patient both rate=500k
  patient ab trace=blackout,queue=400ms
Programs run behind a link with `ip netns exec patient …`.

Accuracy, measured again with (as root; needs ping and iperf3):
  loadtest/docs/measure-net.sh";

/// Joins network namespaces by emulated links, in real time.
///
/// Each link has a TUN device in both namespaces, named like the link. A namespace with a single link gets its
/// default route through it. Threads run with real-time priority where the system lets them.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Settings and lines on standard input:\n{GRAMMAR}\n\n{EXAMPLES}"))]
pub struct Args {
    /// A link: `NAME=NAMESPACE:ADDRESS,NAMESPACE:ADDRESS`; an empty namespace is the present one.
    #[arg(long = "link", required = true, value_name = "LINK")]
    links: Vec<LinkSpec>,
    /// What a link is like from the beginning: a line of the grammar below. A link that is not set is perfect.
    #[arg(long = "set", value_name = "LINE")]
    set: Vec<String>,
    /// Make the namespaces that do not exist, and remove those again at the end.
    #[arg(long)]
    create: bool,
    /// Write statistics there: a line of JSON per link, direction and interval.
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// The interval of the statistics in milliseconds, 10 to 1,000.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=1_000))]
    stats_interval: u64,
    /// Stop after this many seconds instead of at SIGINT, SIGTERM or `quit`.
    #[arg(long)]
    seconds: Option<u64>,
    /// Stop when standard input ends, so that the links go when their script goes.
    #[arg(long)]
    exit_with_stdin: bool,
    /// Repeats the losses and jitter of a run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Do without real-time priority.
    #[arg(long)]
    no_realtime: bool,
}

/// Runs the command until it is told to stop.
///
/// # Errors
/// Where the arguments make no sense, or the kernel refuses.
pub fn run(args: Args) -> anyhow::Result<()> {
    ensure!(args.links.len() <= MAX_LINKS, "more than {MAX_LINKS} links");
    let mut lanes = lanes_of(&args.links);
    for line in &args.set {
        match Command::parse(line).with_context(|| format!("--set {line:?}"))? {
            Command::Set(set) => change(&mut lanes, &set)?,
            Command::Quit => bail!("--set quit"),
        }
    }
    let stats = args.stats.as_deref().map(File::create).transpose().context("create the statistics file")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(emulate(&args, lanes, stats.map(BufWriter::new)))
}

/// One direction of one link, as the main thread knows it.
struct Lane {
    link: String,
    direction: Direction,
    settings: LinkSettings,
    orders: Option<Sender<Order>>,
    last: Report,
}

fn lanes_of(links: &[LinkSpec]) -> Vec<Lane> {
    let lane = |link: &LinkSpec, direction| Lane {
        link: link.name.clone(),
        direction,
        settings: LinkSettings::default(),
        orders: None,
        last: Report::default(),
    };
    links.iter().flat_map(|link| Direction::ALL.map(|direction| lane(link, direction))).collect()
}

#[expect(clippy::print_stdout, reason = "standard output is the answering side of the control channel")]
async fn emulate(args: &Args, mut lanes: Vec<Lane>, mut stats: Option<impl Write>) -> anyhow::Result<()> {
    // From here on a signal ends the loop below, so that what was made is removed.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let _namespaces = if args.create { Namespaces::create(&args.links)? } else { Namespaces::default() };
    let devices = connect(&args.links)?;
    let calendar =
        Calendar { since: SystemTime::now(), interval: Duration::from_millis(args.stats_interval) };
    start(&mut lanes, &devices, args)?;
    let mut lines = read_lines();
    let mut seconds = interval_at(Instant::now() + Duration::from_secs(1), Duration::from_secs(1));
    let (mut second, mut stdin_is_open) = (0, true);
    println!("ready");
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            line = lines.recv(), if stdin_is_open => match line.as_deref().map(Command::parse) {
                Some(Ok(Command::Quit)) => return Ok(()),
                Some(Ok(Command::Set(set))) => match change(&mut lanes, &set) {
                    Ok(()) => println!("ok"),
                    Err(error) => println!("error: {error:#}"),
                },
                Some(Err(error)) => println!("error: {error}"),
                None if args.exit_with_stdin => return Ok(()),
                None => stdin_is_open = false,
            },
            _ = seconds.tick() => {
                second += 1;
                report(&mut lanes, calendar, stats.as_mut())?;
                if args.seconds.is_some_and(|end| second >= end) {
                    return Ok(());
                }
            }
        }
    }
}

/// Starts a thread per direction; it ends when the lane is dropped.
fn start(lanes: &mut [Lane], devices: &[Devices], args: &Args) -> anyhow::Result<()> {
    let scheduling = if args.no_realtime { Scheduling::Ordinary } else { Scheduling::RealTime };
    let times =
        ReportTimes { since: SteadyInstant::now(), interval: Duration::from_millis(args.stats_interval) };
    for (index, lane) in (0..).zip(lanes.iter_mut()) {
        let devices = devices.get(index / Direction::ALL.len()).context("every link has devices")?;
        let (from, to) = match lane.direction {
            Direction::Ab => (&devices.a, &devices.b),
            Direction::Ba => (&devices.b, &devices.a),
        };
        let seed = args.seed.wrapping_add(index as u64 * SEED_STEP);
        let shuttle = Shuttle::new(from.try_clone()?, to.try_clone()?, lane.settings.clone(), seed, times);
        let (orders, received) = channel();
        lane.orders = Some(orders);
        let name = format!("{} {}", lane.link, lane.direction.as_str());
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            if let Err(error) = shuttle.run(&received, scheduling) {
                tracing::error!(%error, name, "a direction stopped");
            }
        })?;
    }
    Ok(())
}

/// Standard input is read in a thread of its own, because it cannot be waited for without blocking.
fn read_lines() -> tokio::sync::mpsc::Receiver<String> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for line in lines.filter(|line| !line.trim().is_empty()) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Changes the lanes that a command is about, all or none.
fn change(lanes: &mut [Lane], set: &Set) -> anyhow::Result<()> {
    let names = || lanes.iter().map(|lane| &lane.link);
    let first = names().next().context("there is no link")?.clone();
    let link = match &set.link {
        Some(link) => link.clone(),
        None if names().all(|name| *name == first) => first,
        None => bail!("there are several links: name one"),
    };
    ensure!(names().any(|name| *name == link), "no link {link}");
    let is_meant = |lane: &&mut Lane| lane.link == link && set.directions.contains(&lane.direction);
    let mut changed = Vec::new();
    for lane in lanes.iter_mut().filter(is_meant) {
        let changes = set.changes.iter().cloned();
        let settings =
            changes.into_iter().try_fold(lane.settings.clone(), |old, one| one.apply(old, read_trace))?;
        changed.push((lane, settings));
    }
    for (lane, settings) in changed {
        lane.settings = settings;
        if let Some(orders) = &lane.orders {
            let order = Order::Set(Box::new(lane.settings.clone()));
            orders.send(order).ok().context("a direction has stopped")?;
        }
    }
    Ok(())
}

fn read_trace(name: &str) -> anyhow::Result<CapacityTrace> {
    Ok(match name {
        "drive_5g" => CapacityTrace::drive_5g(),
        "drive_4g" => CapacityTrace::drive_4g(),
        "drive_3g" => CapacityTrace::drive_3g(),
        "office_wifi" => CapacityTrace::office_wifi(),
        "blackout" => CapacityTrace::blackout(),
        file => {
            let text =
                fs::read_to_string(Path::new(file)).with_context(|| format!("read the trace {file}"))?;
            CapacityTrace::parse_csv(&text).with_context(|| format!("read the trace {file}"))?
        }
    })
}

fn report(lanes: &mut [Lane], calendar: Calendar, mut stats: Option<&mut impl Write>) -> anyhow::Result<()> {
    for lane in lanes {
        let (reply, reports) = sync_channel(1);
        let orders = lane.orders.as_ref().context("the lane runs")?;
        orders.send(Order::Collect(reply)).ok().context("a direction has stopped")?;
        for report in reports.recv_timeout(REPORT_WAIT).context("a direction does not answer")? {
            if let Some(stats) = stats.as_mut() {
                let line = StatsLine::between(calendar, &lane.link, lane.direction, &lane.last, &report);
                serde_json::to_writer(&mut **stats, &line)?;
                stats.write_all(b"\n")?;
            }
            lane.last = report;
        }
    }
    stats.map_or(Ok(()), |stats| stats.flush().context("write the statistics"))
}
