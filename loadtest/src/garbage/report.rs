//! What an attack found, as text, as JSON, and as a verdict.

use serde::Serialize;

use super::counters::Counters;
use super::tally::Tally;
use super::watch::Seen;
use crate::table;

/// Memory may be this much above where it began: buffers that were drawn once and stay.
const MEMORY_SLACK_KIB: u64 = 8 * 1024;

/// And by this share of it, in percent.
const MEMORY_SLACK_PERCENT: u64 = 10;

/// Resident memory at four times, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    pub(crate) before_kib: u64,
    pub(crate) peak_kib: u64,
    pub(crate) after_kib: u64,
    pub(crate) settled_kib: u64,
}

impl Memory {
    /// Whether what is still held after a while is more than a gateway may keep of garbage.
    pub(crate) fn grew(&self) -> bool {
        let allowed = self.before_kib + self.before_kib * MEMORY_SLACK_PERCENT / 100 + MEMORY_SLACK_KIB;
        self.settled_kib > allowed
    }
}

/// Datagrams of one standing.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Datagrams {
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) refused_by_kernel: u64,
    pub(crate) answers: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) examples: Vec<String>,
    pub(crate) seconds: f64,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) tally: Tally,
    /// Of senders without a key: no answer is right.
    pub(crate) strangers: Option<Datagrams>,
    /// Of senders that know a participant's user name fragment: no answer is right.
    pub(crate) eavesdroppers: Option<Datagrams>,
    /// Of a participant itself: answers are right.
    pub(crate) insider: Option<Datagrams>,
    /// Of a participant whose media is sealed with the right keys: answers are right.
    pub(crate) sealed: Option<Datagrams>,
    pub(crate) memory: Option<Memory>,
    pub(crate) watch: Seen,
    pub(crate) counters: Option<Counters>,
    /// What the gateway failed at; empty when it bore everything.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Draws the verdict from everything else.
    pub(crate) fn judge(&mut self) {
        let mut failures = Vec::new();
        if self.watch.died {
            failures.push("the process died".to_owned());
        }
        if let Some(first) = self.watch.unanswered.first() {
            failures.push(format!("not live {} times, first at {first}", self.watch.unanswered.len()));
        }
        for (who, datagrams) in [("strangers", &self.strangers), ("eavesdroppers", &self.eavesdroppers)] {
            if let Some(datagrams) = datagrams.as_ref().filter(|datagrams| datagrams.answers > 0) {
                failures.push(format!("{} datagrams answered to {who}", datagrams.answers));
            }
        }
        if self.memory.is_some_and(|memory| memory.grew()) {
            failures.push("memory stayed grown".to_owned());
        }
        failures.extend(self.tally.findings.iter().cloned());
        self.failures = failures;
    }

    /// The report for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("seed {}\n\n{}\n", self.seed, self.tally.table());
        let standings = [
            ("strangers", &self.strangers),
            ("eavesdroppers", &self.eavesdroppers),
            ("insider", &self.insider),
            ("insider, sealed", &self.sealed),
        ];
        let rows: Vec<_> =
            standings.iter().filter_map(|(who, datagrams)| Some(row(who, datagrams.as_ref()?))).collect();
        if !rows.is_empty() {
            let headings = ["datagrams of", "sent", "bytes", "kernel refused", "answers", "bytes", "seconds"];
            text += &format!("{}\n", table::render(&headings, &rows));
        }
        for example in
            standings.iter().filter_map(|(_, datagrams)| datagrams.as_ref()).flat_map(|d| &d.examples)
        {
            text += &format!("answer of {example}\n");
        }
        if let Some(memory) = self.memory {
            let figures = [memory.before_kib, memory.peak_kib, memory.after_kib, memory.settled_kib];
            let row = figures.map(|kib| format!("{:.1}", kib as f64 / 1_024.0)).to_vec();
            text += &format!("{}\n", table::render(&["MiB before", "peak", "after", "10 s after"], &[row]));
        }
        text += &format!(
            "live: {} answers, slowest {} ms, {} missing\n",
            self.watch.answered,
            self.watch.slowest_ms,
            self.watch.unanswered.len()
        );
        if let Some(counters) = &self.counters {
            let rows: Vec<_> =
                counters.iter().map(|(name, grown)| vec![name.clone(), format!("{grown:.0}")]).collect();
            text += &format!("\n{}", table::render(&["counter", "grew by"], &rows));
        }
        text += match self.failures.as_slice() {
            [] => "\nborne\n".to_owned(),
            failures => format!("\nFAILED\n  {}\n", failures.join("\n  ")),
        }
        .as_str();
        text
    }
}

fn row(who: &str, datagrams: &Datagrams) -> Vec<String> {
    vec![
        who.to_owned(),
        datagrams.sent.to_string(),
        datagrams.sent_bytes.to_string(),
        datagrams.refused_by_kernel.to_string(),
        datagrams.answers.to_string(),
        datagrams.answer_bytes.to_string(),
        format!("{:.1}", datagrams.seconds),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_seen() {
        let answered = || Some(Datagrams { answers: 1, ..Datagrams::default() });
        let grown = Memory { before_kib: 20_000, settled_kib: 31_000, ..Memory::default() };
        let borne = Memory { settled_kib: 30_000, ..grown };
        let seen = |died, unanswered| Seen { died, unanswered, ..Seen::default() };
        let found = || Tally { findings: vec!["500".into()], ..Tally::default() };
        let cases = [
            (Report::default(), 0),
            (Report { memory: Some(borne), insider: answered(), ..Report::default() }, 0),
            (Report { memory: Some(grown), ..Report::default() }, 1),
            (Report { strangers: answered(), ..Report::default() }, 1),
            (Report { eavesdroppers: answered(), ..Report::default() }, 1),
            (Report { watch: seen(true, vec!["3 s".into()]), ..Report::default() }, 2),
            (Report { tally: found(), ..Report::default() }, 1),
        ];
        for (number, (mut report, failures)) in cases.into_iter().enumerate() {
            report.judge();
            assert_eq!(report.failures.len(), failures, "case {number}");
            assert_eq!(report.text().contains("FAILED"), failures > 0, "case {number}");
        }
    }
}
