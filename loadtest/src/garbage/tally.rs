//! What was sent, and which answers came to it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::table;

/// Findings that are told in full; more of them say nothing new.
const MAX_FINDINGS: usize = 20;

/// What was sent of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// How many.
    pub(crate) sent: u64,
    /// The answers by their class.
    pub(crate) answers: BTreeMap<String, u64>,
}

/// Everything that was sent.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// By surface and kind.
    pub(crate) lines: BTreeMap<String, Line>,
    /// Answers that a gateway must not give, each with how to see it again.
    pub(crate) findings: Vec<String>,
}

impl Tally {
    /// Counts things of a kind as sent.
    pub(crate) fn sent(&mut self, what: &str, count: u64) {
        self.line(what).sent += count;
    }

    /// Counts an answer to something of a kind.
    pub(crate) fn answer(&mut self, what: &str, class: &str) {
        *self.line(what).answers.entry(class.to_owned()).or_default() += 1;
    }

    /// Keeps what must not have happened.
    pub(crate) fn finding(&mut self, text: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(text);
        }
    }

    /// Takes in another tally.
    pub(crate) fn merge(&mut self, other: Self) {
        for (what, line) in other.lines {
            let ours = self.line(&what);
            ours.sent += line.sent;
            for (class, count) in line.answers {
                *ours.answers.entry(class).or_default() += count;
            }
        }
        other.findings.into_iter().for_each(|finding| self.finding(finding));
    }

    /// The lines for a terminal: one row per kind and class of answer.
    pub(crate) fn table(&self) -> String {
        let mut rows = Vec::new();
        for (what, line) in &self.lines {
            let mut answers = line.answers.iter();
            let (class, count) = answers.next().map_or(("", String::new()), |(c, n)| (c, n.to_string()));
            rows.push(vec![what.clone(), line.sent.to_string(), class.to_owned(), count]);
            rows.extend(
                answers.map(|(class, n)| vec![String::new(), String::new(), class.clone(), n.to_string()]),
            );
        }
        table::render(&["what", "sent", "answer", "times"], &rows)
    }

    fn line(&mut self, what: &str) -> &mut Line {
        self.lines.entry(what.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_findings_are_bounded() {
        let mut one = Tally::default();
        one.sent("http: a", 2);
        one.answer("http: a", "400");
        let mut other = one.clone();
        other.answer("http: a", "closed");
        (0..100).for_each(|number| other.finding(format!("finding {number}")));
        one.merge(other);
        let answers = BTreeMap::from([("400".to_owned(), 2), ("closed".to_owned(), 1)]);
        assert_eq!(one.lines["http: a"], Line { sent: 4, answers });
        assert_eq!(one.findings.len(), MAX_FINDINGS);
        assert_eq!(one.table().lines().count(), 4);
    }
}
