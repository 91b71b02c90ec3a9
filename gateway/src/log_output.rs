//! Where log events go: lines of text or JSON on standard error, filtered by directives.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Sends the log events of the process to standard error. Names, addresses and subjects never reach
/// it: they are in types that do not print themselves.
pub fn start_logging(config: &LogConfig) {
    // The configuration was checked; what is left is a second call in one process, which changes nothing.
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_default();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::warn!(%error, "logging had started before");
    }
}
