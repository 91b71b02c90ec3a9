//! Watches the gateway while it is under attack: does it live, does it answer, what does it hold.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How often the gateway is asked whether it lives.
const QUESTION_INTERVAL: Duration = Duration::from_secs(1);

/// An answer that takes longer is none.
const QUESTION_PATIENCE: Duration = Duration::from_secs(2);

/// How often memory is read: often enough to see a peak.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// Resident memory of a process in KiB; `None` where it is not there any more, or only its remains are.
pub(crate) fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    resident_of(&status)
}

fn resident_of(status: &str) -> Option<u64> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("State:").is_some_and(|state| state.starts_with(['Z', 'X'])) {
        return None;
    }
    field("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok()
}

/// What was seen.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Seen {
    /// Questions that were answered.
    pub(crate) answered: u64,
    /// Questions that were not, each with the second it was asked in.
    pub(crate) unanswered: Vec<String>,
    /// The longest that an answer took.
    pub(crate) slowest_ms: u64,
    /// The most memory that was seen.
    pub(crate) peak_kib: u64,
    /// The process was not there any more.
    pub(crate) died: bool,
}

/// A running watch.
pub(crate) struct Watch {
    ending: Arc<AtomicBool>,
    questions: tokio::task::JoinHandle<Seen>,
    memory: tokio::task::JoinHandle<(u64, bool)>,
}

impl Watch {
    /// Begins to ask the address whether the gateway lives, and to read the memory of the process.
    pub(crate) fn begin(url: Option<String>, pid: Option<u32>) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let questions = tokio::spawn(ask(url, Arc::clone(&ending)));
        let memory = tokio::spawn(measure(pid, Arc::clone(&ending)));
        Self { ending, questions, memory }
    }

    /// Ends, and tells what was seen.
    pub(crate) async fn end(self) -> Seen {
        self.ending.store(true, Ordering::Relaxed);
        let mut seen = self.questions.await.unwrap_or_default();
        (seen.peak_kib, seen.died) = self.memory.await.unwrap_or_default();
        seen
    }
}

async fn ask(url: Option<String>, ending: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let Some(url) = url else { return seen };
    let began = Instant::now();
    // A connection of its own every time, as a supervisor makes it.
    let client = reqwest::Client::builder().timeout(QUESTION_PATIENCE).pool_max_idle_per_host(0).build();
    let Ok(client) = client else { return seen };
    let mut due = tokio::time::interval(QUESTION_INTERVAL);
    while !ending.load(Ordering::Relaxed) {
        due.tick().await;
        let asked = Instant::now();
        match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => seen.answered += 1,
            Ok(answer) => {
                seen.unanswered.push(format!("{} s: status {}", began.elapsed().as_secs(), answer.status()));
            }
            Err(error) => {
                seen.unanswered.push(format!("{} s: {error}", began.elapsed().as_secs()));
            }
        }
        seen.slowest_ms = seen.slowest_ms.max(asked.elapsed().as_millis() as u64);
    }
    seen
}

async fn measure(pid: Option<u32>, ending: Arc<AtomicBool>) -> (u64, bool) {
    let Some(pid) = pid else { return (0, false) };
    let mut peak = 0;
    while !ending.load(Ordering::Relaxed) {
        match resident_kib(pid) {
            Some(kib) => peak = peak.max(kib),
            None => return (peak, true),
        }
        tokio::time::sleep(MEMORY_INTERVAL).await;
    }
    (peak, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_a_living_process() {
        let status = |state| format!("Name:\tgateway\nState:\t{state}\nVmRSS:\t   20480 kB\n");
        assert_eq!(resident_of(&status("S (sleeping)")), Some(20_480));
        assert_eq!(resident_of(&status("Z (zombie)")), None);
        assert_eq!(resident_of(""), None);
        assert!(resident_kib(std::process::id()).is_some_and(|kib| kib > 0));
    }
}
