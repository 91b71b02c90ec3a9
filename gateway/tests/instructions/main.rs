//! Instructions of the forwarding path, by callgrind: unlike time they are the same in every run and on a busy
//! machine, so that a change that costs something is seen at once. Compares them with `baseline.json`;
//! `make instructions` prints the table, and `UPDATE_BASELINE=1 make instructions` writes the file anew.
//!
//! They are not what a processor takes: what waits for memory, and the kernel, is in no count. `make bench` tells
//! that.

mod baseline;
#[path = "../call/mod.rs"]
mod call;
mod callgrind;
mod decisions;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::baseline::{Baseline, Makers, profile};
use crate::callgrind::{Counted, count};
use crate::work::Work;

/// Set for a process that does work: which, and where to tell how often it was done.
const WORK_VARIABLE: &str = "INSTRUCTIONS_OF";

/// The test that does it.
const WORKER: &str = "what_is_counted_can_be_done";

/// More than this share beyond the baseline is a regression. Keys and hash tables are drawn by chance, which moves a count by
/// far less.
const TOLERANCE: f64 = 0.03;

const HEADING: &str =
    "instructions for a                                           baseline          now   change";

#[test]
fn instructions_are_no_more_than_they_were() -> anyhow::Result<()> {
    let (now, makers) = measure()?;
    let mut baselines = baseline::read().unwrap_or_default();
    if std::env::var_os("UPDATE_BASELINE").is_some() {
        let instructions = now.iter().cloned().collect();
        baselines.insert(profile().to_owned(), Baseline { made_by: makers.clone(), instructions });
        baseline::write(&baselines)?;
    }
    let before = baselines.get(profile()).context("no baseline: UPDATE_BASELINE=1 make instructions")?;
    let dearer = compare(&before.instructions, &now);
    if before.made_by != makers {
        eprintln!("no verdict: the baseline is of {:?}, and this of {makers:?}", before.made_by);
        return Ok(());
    }
    ensure!(dearer.is_empty(), "dearer than the baseline: {}", dearer.join("; "));
    Ok(())
}

/// Prints the table, and gives what takes more than before, and what was not there.
#[expect(clippy::print_stdout, reason = "the table is what `make instructions` is run for")]
fn compare(before: &BTreeMap<String, u64>, now: &[(String, u64)]) -> Vec<String> {
    let mut dearer = Vec::new();
    println!("{HEADING}");
    for (name, now) in now {
        let Some(before) = before.get(name) else {
            println!("{name:<56} {:>12} {now:>12}", "");
            dearer.push(format!("{name}: {now}, not in the baseline"));
            continue;
        };
        let change = *now as f64 / *before as f64 - 1.0;
        println!("{name:<56} {before:>12} {now:>12} {:>+7.2} %", change * 100.0);
        if change > TOLERANCE {
            dearer.push(format!("{name}: {before} before, {now} now"));
        }
    }
    dearer
}

/// Does all the work, as much of it at a time as there are processors.
fn measure() -> anyhow::Result<(Vec<(String, u64)>, Makers)> {
    let folder = TempDir::new()?;
    let work = Work::all();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut counts = Vec::new();
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some(work) = work.get(number)
        {
            counts.push((number, count(number, folder.path()).with_context(|| work.name())));
        }
        counts
    };
    let mut counts: Vec<(usize, anyhow::Result<(Counted, String)>)> = thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    counts.sort_by_key(|(number, _)| *number);
    let mut instructions = Vec::new();
    let mut processor = String::new();
    for (number, outcome) in counts {
        let counted;
        (counted, processor) = outcome?;
        let name = work[number].name();
        instructions.push((name.clone(), counted.each.round() as u64));
        if let Work::Forward { .. } = work[number] {
            instructions.push((format!("{name}: sealing"), counted.sealing.round() as u64));
        }
    }
    Ok((instructions, baseline::makers(callgrind::version()?, processor)?))
}

/// Under callgrind it does what it is told to; without it is shown that all of it can be done.
#[test]
fn what_is_counted_can_be_done() {
    let Ok(told) = std::env::var(WORK_VARIABLE) else {
        let times = Work::Forward { subscribers: 1 }.run();
        assert!(times > 150, "{times} packets go on");
        return;
    };
    let (number, path) = told.split_once(' ').expect("a number and a path");
    let number: usize = number.parse().expect("a number");
    let times = Work::all()[number].run();
    fs::write(path, format!("{times} {}", processor())).expect("it can be told");
}

/// The features by which the cryptography, and the copying of memory, choose their code.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("adx", is_x86_feature_detected!("adx")),
        ("aes", is_x86_feature_detected!("aes")),
        ("movbe", is_x86_feature_detected!("movbe")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("sha", is_x86_feature_detected!("sha")),
        ("vaes", is_x86_feature_detected!("vaes")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features: [(&str, bool); 0] = [];
    let there = features.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name);
    [std::env::consts::ARCH].into_iter().chain(there).collect::<Vec<_>>().join(" ")
}
