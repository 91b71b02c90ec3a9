//! Counts the instructions of a piece of work: runs this program again under callgrind, which counts only within
//! [`counted`](crate::work::counted).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{WORK_VARIABLE, WORKER};

/// What the counts of one process are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counted {
    /// Instructions for each time.
    pub(crate) each: f64,
    /// Of them, to encrypt and to authenticate what leaves.
    pub(crate) sealing: f64,
}

/// The part of the names of functions that seal, the outermost of them.
const SEALING: &str = "EVP_AEAD_CTX_seal_scatter";

/// The version of valgrind.
pub(crate) fn version() -> anyhow::Result<String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.context("valgrind is not there: make packages")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Does the work of that number.
pub(crate) fn count(number: usize, folder: &Path) -> anyhow::Result<(Counted, String)> {
    let counts: PathBuf = folder.join(format!("{number}.callgrind"));
    let told: PathBuf = folder.join(format!("{number}.told"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*instructions*work*counted*"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe()?)
        .args([WORKER, "--exact", "--test-threads=1"])
        .env(WORK_VARIABLE, format!("{number} {}", told.display()))
        .output()
        .context("valgrind is not there: make packages")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the work failed: {said}");
    let told = fs::read_to_string(told).context("the work is done")?;
    let (times, features) = told.split_once(' ').context("what was done is told")?;
    let times: f64 = times.parse()?;
    let counts = fs::read_to_string(counts)?;
    let total = total(&counts).context("callgrind has counted")?;
    ensure!(total > 0, "callgrind has counted nothing: {said}");
    let counted = Counted { each: total as f64 / times, sealing: sealing(&counts) as f64 / times };
    Ok((counted, features.to_owned()))
}

fn total(counts: &str) -> Option<u64> {
    let line = counts.lines().find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

/// What the outermost function that seals has taken with all that it calls: the sum over its callers. Functions have a
/// number, and a name where they come first. Behind the line that names a function that is called, the first says how
/// often, and the second ends with what it took.
fn sealing(counts: &str) -> u64 {
    let mut sealer = None;
    let mut sum = 0;
    let mut lines = counts.lines();
    while let Some(line) = lines.next() {
        let called = line.strip_prefix("cfn=");
        let Some(function) = called.or_else(|| line.strip_prefix("fn=")) else { continue };
        let number = function.split(' ').next();
        if function.ends_with(SEALING) {
            sealer = number;
        }
        if called.is_some() {
            let cost = lines.nth(1).and_then(|line| line.rsplit(' ').next()?.parse().ok());
            sum += cost.filter(|_| number == sealer).unwrap_or(0_u64);
        }
    }
    sum
}
