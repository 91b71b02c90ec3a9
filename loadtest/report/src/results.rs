//! Results that outlive a run: `target/results/NAME.json`, one row per thing measured, with its target.
//! Several commands may contribute to one file; a row replaces the earlier one of the same `what`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::table;

/// Where results lie unless told otherwise, seen from the root of the workspace.
pub const DEFAULT_DIR: &str = "target/results";

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// At most this much.
    AtMost(f64),
    /// At least this much.
    AtLeast(f64),
}

impl Target {
    /// Whether a value meets it.
    #[must_use]
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = ParseRowError;

    fn try_from(text: String) -> Result<Self, ParseRowError> {
        text.parse()
    }
}

impl FromStr for Target {
    type Err = ParseRowError;

    fn from_str(text: &str) -> Result<Self, ParseRowError> {
        let limit = |text: &str| text.trim().parse().map_err(|_| ParseRowError);
        if let Some(text) = text.trim().strip_prefix("<=") {
            return limit(text).map(Self::AtMost);
        }
        text.trim().strip_prefix(">=").ok_or(ParseRowError).and_then(limit).map(Self::AtLeast)
    }
}

/// The text is not `WHAT=VALUE [UNIT] [<=LIMIT | >=LIMIT]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form WHAT=VALUE [UNIT] [<=LIMIT | >=LIMIT]")]
pub struct ParseRowError;

/// One thing measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured; the name of the row.
    pub what: String,
    /// How much of it.
    pub value: f64,
    /// Of which unit; empty for a bare number.
    pub unit: String,
    /// What it has to be, where there is a target.
    pub target: Option<Target>,
    /// Whether it is.
    pub met: Option<bool>,
}

impl Row {
    /// A value without a target.
    #[must_use]
    pub fn new(what: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { what: what.into(), value, unit: unit.to_owned(), target: None, met: None }
    }

    /// The same value held against a target.
    #[must_use]
    pub fn against(mut self, target: Target) -> Self {
        self.met = Some(target.is_met_by(self.value));
        self.target = Some(target);
        self
    }
}

impl FromStr for Row {
    type Err = ParseRowError;

    fn from_str(text: &str) -> Result<Self, ParseRowError> {
        let (what, rest) = text.split_once('=').ok_or(ParseRowError)?;
        let (measured, target) = match rest.find(['<', '>']) {
            Some(at) => (&rest[..at], Some(rest[at..].parse()?)),
            None => (rest, None),
        };
        let mut words = measured.split_whitespace();
        let value: f64 = words.next().and_then(|word| word.parse().ok()).ok_or(ParseRowError)?;
        let unit = words.collect::<Vec<_>>().join(" ");
        if what.trim().is_empty() || !value.is_finite() {
            return Err(ParseRowError);
        }
        let row = Self::new(what.trim(), value, &unit);
        Ok(match target {
            Some(target) => row.against(target),
            None => row,
        })
    }
}

/// A results file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Results {
    /// What to type to get these rows again; one line per command that contributed.
    pub command: String,
    /// Where they were measured.
    pub machine: String,
    /// The rows, in the order they were first measured.
    pub rows: Vec<Row>,
}

impl Results {
    /// Reads a file; no file means no results yet.
    ///
    /// # Errors
    /// Where the file cannot be read or is not a results file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => {
                serde_json::from_str(&text).with_context(|| format!("{} is no results file", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Takes in what one command measured.
    pub fn merge(&mut self, command: &str, machine: &str, rows: Vec<Row>) {
        if !self.command.lines().any(|line| line == command) {
            let separator = if self.command.is_empty() { "" } else { "\n" };
            self.command = format!("{}{separator}{command}", self.command);
        }
        machine.clone_into(&mut self.machine);
        for row in rows {
            match self.rows.iter_mut().find(|old| old.what == row.what) {
                Some(old) => *old = row,
                None => self.rows.push(row),
            }
        }
    }

    /// Writes the file as a whole, so that a reader never sees half of it.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let beside = path.with_extension("json.new");
        fs::write(&beside, serde_json::to_string_pretty(self)? + "\n")?;
        fs::rename(&beside, path).with_context(|| format!("write {}", path.display()))
    }

    /// The rows as a table for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let target = row.target.map(|target| target.to_string()).unwrap_or_default();
            vec![row.what.clone(), number(row.value), row.unit.clone(), target, met.to_owned()]
        });
        table::render(&["what", "value", "unit", "target", "met"], &rows.collect::<Vec<_>>())
    }
}

/// Merges rows into `DIR/NAME.json` and returns the whole file.
///
/// # Errors
/// Where the file cannot be read or written.
pub fn record(dir: &Path, name: &str, command: &str, rows: Vec<Row>) -> anyhow::Result<Results> {
    let path = dir.join(format!("{name}.json"));
    let mut results = Results::read(&path)?;
    results.merge(command, &machine(), rows);
    results.write(&path)?;
    Ok(results)
}

/// A number with as many decimals as its size deserves.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The machine in a few words: cores, processor, kernel.
#[must_use]
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {}, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}

/// Adds rows to `DIR/NAME.json` and prints the whole file as a table.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name of the results, such as `adaptation`.
    name: String,
    /// What to type to measure the rows again.
    #[arg(long)]
    command: String,
    /// A row: `WHAT=VALUE [UNIT] [<=LIMIT | >=LIMIT]`, as in `--row 'time to HD=6.2 s <=15'`.
    #[arg(long = "row")]
    rows: Vec<Row>,
    /// The folder of the results.
    #[arg(long, env = "RESULTS_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Where the file cannot be read or written.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    let results = record(&args.dir, &args.name, &args.command, args.rows.clone())?;
    print!("{}", results.table());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_as_one_says_them() {
        let table = [
            ("time to HD=6.2 s <=15", Ok(Row::new("time to HD", 6.2, "s").against(Target::AtMost(15.0)))),
            ("fps=12 >= 20", Ok(Row::new("fps", 12.0, "").against(Target::AtLeast(20.0)))),
            ("rate=3 Mbit/s", Ok(Row::new("rate", 3.0, "Mbit/s"))),
            ("rate", Err(ParseRowError)),
            ("=3", Err(ParseRowError)),
            ("rate=NaN", Err(ParseRowError)),
            ("rate=3 <15", Err(ParseRowError)),
        ];
        for (text, row) in table {
            assert_eq!(text.parse(), row, "{text:?}");
        }
        assert_eq!("fps=12 >= 20".parse::<Row>().map(|row| row.met), Ok(Some(false)));
    }

    #[test]
    fn commands_contribute_to_one_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let row = |what: &str, value| Row::new(what, value, "ms");
        record(dir.path(), "delays", "first", vec![row("a", 1.0), row("b", 2.0)]).expect("written");
        record(dir.path(), "delays", "second", vec![row("c", 3.0)]).expect("written");
        record(dir.path(), "delays", "first", vec![row("a", 4.0)]).expect("written");
        let results = Results::read(&dir.path().join("delays.json")).expect("read back");
        assert_eq!(results.command, "first\nsecond");
        assert_eq!(results.rows, [row("a", 4.0), row("b", 2.0), row("c", 3.0)]);
    }

    #[test]
    fn the_json_has_the_documented_fields() {
        let row = Row::new("a", 1.5, "ms").against(Target::AtMost(2.0));
        let json = serde_json::to_string(&row).expect("a row is JSON");
        assert_eq!(json, r#"{"what":"a","value":1.5,"unit":"ms","target":"<= 2","met":true}"#);
    }
}
