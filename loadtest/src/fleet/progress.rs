//! A line on standard error that says how far a run is.

use std::io::{IsTerminal as _, Write as _};

/// The line.
#[derive(Default)]
pub(crate) struct Progress {
    shown: String,
}

impl Progress {
    /// Replaces what the line says; where there is no terminal, each new text is a line of its own.
    pub(crate) fn show(&mut self, text: &str) {
        if self.shown == text {
            return;
        }
        self.shown = text.to_owned();
        let mut stderr = std::io::stderr().lock();
        // Where nobody can be told, nobody is.
        let _ = if stderr.is_terminal() {
            write!(stderr, "\r{text:<60}\r").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{text}")
        };
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if std::io::stderr().is_terminal() {
            self.show("");
        }
    }
}
