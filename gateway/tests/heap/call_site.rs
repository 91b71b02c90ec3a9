//! Where memory was asked for, in words.

use std::backtrace::Backtrace;

/// Lines that are told: who asked, and by whose wish.
const FRAMES: usize = 3;

/// Where the media plane's own code lies, seen from the workspace.
const SOURCES: &str = "/sfu/src/";

/// The innermost lines of the media plane in a backtrace, the innermost first, and before them the function of another
/// crate that it has called, if any.
pub(crate) fn call_site(trace: &Backtrace) -> String {
    let trace = trace.to_string();
    let mut told: Vec<String> = Vec::new();
    let mut lines = trace.lines().peekable();
    let mut foreign = None;
    while let Some(line) = lines.next() {
        let Some((_, function)) = line.split_once(": ") else { continue };
        let place = lines.next_if(|next| next.trim_start().starts_with("at ")).unwrap_or_default();
        match place.split_once(SOURCES) {
            Some((_, place)) if told.len() < FRAMES => told.push(own(place, function)),
            Some(_) => {}
            None if told.is_empty() && is_of_protocol_crate(function) => {
                foreign = Some(function.to_owned());
            }
            None => {}
        }
    }
    foreign.into_iter().chain(told).collect::<Vec<_>>().join(" <- ")
}

/// `room/ingress.rs:252 handle_feedback`
fn own(place: &str, function: &str) -> String {
    let line = place.rsplit_once(':').map_or(place, |(line, _column)| line);
    let name = function.rsplit("::").find(|part| !part.starts_with('{')).unwrap_or(function);
    format!("{line} {name}")
}

fn is_of_protocol_crate(function: &str) -> bool {
    let path = function.trim_start_matches(['<', '&', ' ']);
    path.starts_with("rtc_") || path.starts_with("aws_lc_rs")
}
