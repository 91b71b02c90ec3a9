//! What the work took when somebody last looked at it and found it right.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The counts of each way to compile.
pub(crate) type Baselines = BTreeMap<String, Baseline>;

/// Counts, and what they hold for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) made_by: Makers,
    /// Instructions by what they are counted for.
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// What counts depend on besides the code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Makers {
    pub(crate) rustc: String,
    /// Whether it compiles by and by, which cuts a crate into smaller pieces and optimises less across them.
    pub(crate) incremental: bool,
    pub(crate) valgrind: String,
    /// What the processor can do, as far as valgrind lets the program know.
    pub(crate) processor: String,
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/baseline.json")
}

/// How this program is compiled.
pub(crate) fn profile() -> &'static str {
    if cfg!(debug_assertions) { "dev" } else { "release" }
}

pub(crate) fn read() -> anyhow::Result<Baselines> {
    let text = fs::read_to_string(path()).context("tests/instructions/baseline.json is there")?;
    Ok(serde_json::from_str(&text)?)
}

pub(crate) fn write(baselines: &Baselines) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(baselines)? + "\n";
    Ok(fs::write(path(), text)?)
}

/// What makes the counts here; of the processor only the counted program knows.
pub(crate) fn makers(valgrind: String, processor: String) -> anyhow::Result<Makers> {
    let is_off = |value: std::ffi::OsString| value == "0";
    let incremental = profile() == "dev" && !std::env::var_os("CARGO_INCREMENTAL").is_some_and(is_off);
    Ok(Makers { rustc: rustc()?, incremental, valgrind, processor })
}

fn rustc() -> anyhow::Result<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("--version").output();
    let output = output.context("the compiler tells its version")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
