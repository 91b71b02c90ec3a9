//! Runs the lab on virtual time: every scenario under every policy, one table per group, rows with their
//! targets in `lab.json`, and a series over time of each scenario for pictures.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use lab::catalogue::{measured_plans, plans};
use lab::document;
use lab::outcome::Outcome;
use lab::plan::{Group, POLICIES, Plan, policy_name};
use lab::progress::Progress;
use lab::summary::Summary;
use protocol::quality::AdaptationPolicy;
use report::results::{DEFAULT_DIR, record};

/// Measures adaptation in whole calls on virtual time.
#[derive(Parser)]
struct Args {
    /// Names the scenarios and runs none.
    #[arg(long)]
    list: bool,
    /// Runs scenarios whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Compares these policies only.
    #[arg(long, value_parser = policy)]
    policy: Vec<AdaptationPolicy>,
    /// The first seed; each further run of a scenario takes the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs at once; as many as there are processors unless said.
    #[arg(long)]
    jobs: Option<usize>,
    /// A folder of measured traces, CSV files with the columns `time_ms,kbps[,class,ping_ms,repaired]`;
    /// `../shared/traces` unless said, where it is there.
    #[arg(long, env = "TRACES_DIR")]
    traces: Option<PathBuf>,
    /// Writes the tables into this document, too.
    #[arg(long, num_args = 0..=1, default_missing_value = "loadtest/docs/results.md")]
    document: Option<PathBuf>,
    /// The most runs of one scenario.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    runs: u64,
    /// The folder of the results.
    #[arg(long, env = "RESULTS_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

fn policy(name: &str) -> Result<AdaptationPolicy, String> {
    let found = POLICIES.into_iter().find(|policy| policy_name(*policy) == name);
    found.ok_or_else(|| format!("one of {}", POLICIES.map(policy_name).join(", ")))
}

/// What to type to get all of it again, real browsers included.
const COMMAND: &str = "make lab";

/// Where measured traces may lie, beside the repository.
const TRACES: &str = "../shared/traces";

/// One run to do.
struct Job {
    plan: usize,
    policy: AdaptationPolicy,
    seed: u64,
    is_first: bool,
}

#[expect(clippy::print_stdout, reason = "the tables are what the lab is run for")]
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let plans = chosen(&args)?;
    if args.list {
        plans.iter().for_each(|plan| println!("{}", plan.name));
        return Ok(());
    }
    let (summary, failures) = run(&args, &plans)?;
    let tables: Vec<String> =
        Group::ALL.into_iter().flat_map(|group| summary.tables(&plans, group)).collect();
    tables.iter().for_each(|table| println!("{table}"));
    let rows = summary.rows(&plans);
    let missed: Vec<_> = rows.iter().filter(|row| row.met == Some(false)).collect();
    println!(
        "{} of {} targets met",
        rows.iter().filter(|row| row.met == Some(true)).count(),
        rows.iter().filter(|row| row.met.is_some()).count()
    );
    for row in missed {
        let target = row.target.map(|target| target.to_string()).unwrap_or_default();
        println!("missed: {}: {} {}, target {target}", row.what, row.value, row.unit);
    }
    if let Some(path) = &args.document {
        document::write(path, COMMAND, &tables, &rows)?;
    }
    record(&args.dir, "lab", COMMAND, rows)?;
    anyhow::ensure!(failures.is_empty(), "runs that ended early:\n{}", failures.join("\n"));
    Ok(())
}

fn chosen(args: &Args) -> anyhow::Result<Vec<Plan>> {
    let mut plans = plans();
    plans.extend(on_measured_traces(args.traces.as_deref())?);
    plans.retain(|plan| {
        args.only.is_empty() || args.only.iter().any(|part| plan.name.contains(part.as_str()))
    });
    Ok(plans)
}

/// What can be read is run; a folder that was asked for and has nothing of that kind is a mistake.
fn on_measured_traces(asked: Option<&Path>) -> anyhow::Result<Vec<Plan>> {
    let folder = asked.unwrap_or(Path::new(TRACES));
    if asked.is_none() && !folder.is_dir() {
        eprintln!("no measured traces: {TRACES} is absent (set TRACES_DIR), skipped");
        return Ok(Vec::new());
    }
    anyhow::ensure!(folder.is_dir(), "{} is no folder of traces", folder.display());
    let (plans, unreadable) = measured_plans(folder);
    unreadable.iter().for_each(|text| eprintln!("skipped: {text}"));
    let found = asked.is_none() || !plans.is_empty();
    anyhow::ensure!(found, "no CSV file in {} can be run", folder.display());
    eprintln!("{} pairs of measured traces of {}", plans.len(), folder.display());
    Ok(plans)
}

fn run(args: &Args, plans: &[Plan]) -> anyhow::Result<(Summary, Vec<String>)> {
    let policies = if args.policy.is_empty() { POLICIES.to_vec() } else { args.policy.clone() };
    let mut jobs = Vec::new();
    for (plan, of_plan) in plans.iter().enumerate() {
        for policy in &policies {
            let runs = (0..of_plan.runs.min(args.runs)).map(|run| Job {
                plan,
                policy: *policy,
                seed: args.seed + run,
                is_first: run == 0,
            });
            jobs.extend(runs);
        }
    }
    let threads = args.jobs.or(std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let mut outcomes = in_parallel(plans, &jobs, threads.max(1));
    // In the order of the jobs, so that sums of floats come out the same.
    outcomes.sort_by_key(|(job, _)| *job);
    let (mut summary, mut failures) = (Summary::default(), BTreeSet::new());
    let folder = args.dir.join("lab");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for (index, outcome) in outcomes {
        let job = &jobs[index];
        let plan = &plans[job.plan];
        match outcome {
            Ok(outcome) => {
                summary.add(job.plan, job.policy, &outcome.figures);
                if job.is_first {
                    write_series(&folder, plan, job.policy, &outcome.series)?;
                }
            }
            Err(reason) => {
                failures.insert(format!(
                    "{}, {}, seed {}: {reason}",
                    plan.name,
                    policy_name(job.policy),
                    job.seed
                ));
            }
        }
    }
    Ok((summary, failures.into_iter().collect()))
}

fn in_parallel(plans: &[Plan], jobs: &[Job], threads: usize) -> Vec<(usize, Result<Outcome, String>)> {
    #[expect(clippy::disallowed_methods, reason = "people who wait want to know for how long")]
    let since = Instant::now();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, job)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|index| Some((index, jobs.get(index)?)))
                {
                    let run = || Outcome::of(&plans[job.plan], job.policy, job.seed);
                    let outcome = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| reason(panic.as_ref()));
                    if sender.send((index, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut progress = Progress::new(jobs.len());
        let done = receiver.iter().inspect(|(index, _)| {
            let job = &jobs[*index];
            let what = format!("{}, {}", plans[job.plan].name, policy_name(job.policy));
            eprintln!("{}", progress.done(since.elapsed(), &what));
        });
        done.collect()
    })
}

/// What a simulated browser or the media plane said as it gave up.
fn reason(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
}

fn write_series(folder: &Path, plan: &Plan, policy: AdaptationPolicy, series: &str) -> anyhow::Result<()> {
    let path = folder.join(format!("virtual-{}-{}.csv", plan.name, policy_name(policy)));
    std::fs::write(&path, series).with_context(|| format!("write {}", path.display()))
}
