//! What reviews would otherwise have to watch: who may import whom, where the webrtc.rs crates are named,
//! how long files get, which names say nothing, and whether the generated references are true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gateway::{config_text, metrics};

/// Lines of a source file, tests included. Beyond that it holds more than one concept.
const FILE_BUDGET: usize = 600;

/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

/// Which of our crates each may import; the rest of the table of the code map in the README.
const ARROWS: [(&str, &[&str]); 8] = [
    ("signaling/protocol", &[]),
    ("gateway/sfu", &["protocol", "link", "report"]),
    ("gateway/lab", &["protocol", "sfu", "link", "report"]),
    ("signaling", &["protocol"]),
    ("gateway", &["protocol", "sfu", "signaling", "report"]),
    ("loadtest/link", &["protocol"]),
    ("loadtest/report", &[]),
    ("loadtest", &["protocol", "link", "report"]),
];

/// Crates that would break the purity of a crate: sockets, threads, runtimes.
const IMPURE: [&str; 6] = ["tokio", "mio", "socket2", "quinn-udp", "nix", "axum"];
const PURE_CRATES: [&str; 3] = ["gateway/sfu", "signaling/protocol", "loadtest/link"];

/// Modules of the media plane that must not know each other: decisions see no packet, packets no policy.
const SEPARATE_MODULES: [(&str, &[&str]); 3] = [
    ("adapt", &["forward", "rtp", "rtcp", "srtp", "dtls", "ice", "sdp"]),
    ("forward", &["adapt"]),
    ("congestion", &["adapt", "forward"]),
];

/// The parts of the media plane that may name crates of the webrtc.rs family; the two files hold the
/// cryptography that all of them share.
const TRANSPORT: [&str; 8] = ["dtls", "ice", "rtcp", "rtp", "sdp", "srtp", "sfu.rs", "premises.rs"];

/// Names that say nothing of what a thing does.
const EMPTY_NAMES: [&str; 13] = [
    "manager", "helper", "helpers", "util", "utils", "common", "misc", "handler", "service", "context",
    "impl", "base", "engine",
];

/// Types that may end in such a name all the same, each with its reason.
const BORROWED_NAMES: [(&str, &str); 1] = [("Base", "the base delay of RFC 6817 §2.4.2")];

struct Source {
    /// From the root of the repository, with slashes.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under a folder with one of the endings.
fn sources(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !["target", "node_modules", "dist", ".git", "data"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let relative =
                    path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Source { path: relative, text: fs::read_to_string(&path).unwrap_or_default() });
            }
        }
    }
    found
}

fn rust_sources() -> Vec<Source> {
    let all: Vec<Source> = ["gateway", "signaling", "loadtest"]
        .into_iter()
        .flat_map(|folder| sources(folder, &[".rs"]))
        .collect();
    assert!(all.len() > 50, "only {} files", all.len());
    all
}

fn fail_on(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// The dependencies of a crate: of the program, and of its tests.
fn dependencies(folder: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let manifest: toml::Table = read(format!("{folder}/Cargo.toml")).parse().expect("a manifest");
    let names = |section: &str| {
        let table = manifest.get(section).and_then(toml::Value::as_table);
        table.into_iter().flat_map(toml::Table::keys).cloned().collect()
    };
    (names("dependencies"), names("dev-dependencies"))
}

#[test]
fn crates_import_along_the_arrows_only() {
    let ours = ["protocol", "sfu", "lab", "signaling", "gateway", "link", "report", "loadtest"];
    let mut violations = Vec::new();
    for (folder, allowed) in ARROWS {
        let (program, tests) = dependencies(folder);
        for name in program.union(&tests).filter(|name| ours.contains(&name.as_str())) {
            if !allowed.contains(&name.as_str()) {
                violations.push(format!("{folder} imports {name}"));
            }
        }
        if folder == "gateway/sfu" && program.contains("link") {
            violations.push("gateway/sfu imports link outside of its tests".to_owned());
        }
        if folder == "gateway/sfu" && program.contains("report") {
            violations.push("gateway/sfu imports report outside of its benchmarks".to_owned());
        }
        if folder == "gateway" && program.contains("report") {
            violations.push("gateway imports report outside of its benchmarks".to_owned());
        }
    }
    for folder in PURE_CRATES {
        let (program, _) = dependencies(folder);
        violations.extend(
            IMPURE
                .iter()
                .filter(|name| program.contains(**name))
                .map(|name| format!("{folder} imports {name}")),
        );
    }
    fail_on(violations);
}

#[test]
fn decisions_and_packets_stay_apart() {
    let mut violations = Vec::new();
    for (module, strangers) in SEPARATE_MODULES {
        for source in sources(&format!("gateway/sfu/src/{module}"), &[".rs"]) {
            for stranger in strangers {
                if source.text.contains(&format!("crate::{stranger}::")) {
                    violations.push(format!("{} names {stranger}", source.path));
                }
            }
        }
    }
    fail_on(violations);
}

#[test]
fn the_protocol_crates_are_named_in_transport_files_only() {
    let transport = TRANSPORT.map(|name| format!("gateway/sfu/src/{name}"));
    let violations = sources("gateway/sfu/src", &[".rs"])
        .into_iter()
        .filter(|source| source.text.lines().any(|line| line.trim_start().starts_with("use rtc_")))
        .filter(|source| !transport.iter().any(|path| source.path.starts_with(path.as_str())))
        .map(|source| format!("{} names a crate of the webrtc.rs family", source.path));
    fail_on(violations.collect());
}

#[test]
fn files_hold_one_concept() {
    let long: BTreeMap<&str, &str> = LONG_FILES.into_iter().collect();
    let violations = rust_sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        let is_too_long = lines > FILE_BUDGET && !long.contains_key(source.path.as_str());
        is_too_long.then(|| format!("{} has {lines} lines, more than {FILE_BUDGET}", source.path))
    });
    fail_on(violations.collect());
}

#[test]
fn names_say_what_a_thing_does() {
    let mut violations = Vec::new();
    for source in rust_sources() {
        let name = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        if EMPTY_NAMES.iter().any(|empty| name == *empty || name.ends_with(&format!("_{empty}"))) {
            violations.push(format!("{} has a name that says nothing", source.path));
        }
        for line in source.text.lines() {
            let words = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let Some(named) = ["struct ", "enum ", "trait "].iter().find_map(|it| words.strip_prefix(it))
            else {
                continue;
            };
            let named = named.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let is_borrowed = BORROWED_NAMES.iter().any(|(borrowed, _)| *borrowed == named);
            if !is_borrowed && EMPTY_NAMES.iter().any(|empty| named.to_lowercase().ends_with(empty)) {
                violations.push(format!("{}: {named} says nothing", source.path));
            }
        }
    }
    fail_on(violations);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name them either.
    let machine_paths = ["/ho", "/ro", "/wo", "/t"].into_iter().zip(["me/", "ot/", "rk/", "mp/"]);
    let machine_paths: Vec<String> = machine_paths.map(|(start, end)| format!("{start}{end}")).collect();
    let endings = [".rs", ".ts", ".mjs", ".toml", ".md", ".yml", ".json", ".sh", ".html", ".css"];
    let mut violations = Vec::new();
    for source in sources(".", &endings) {
        for path in machine_paths.iter().filter(|path| source.text.contains(path.as_str())) {
            violations.push(format!("{} names {path}", source.path));
        }
    }
    fail_on(violations);
}

/// Compares a generated file, or writes it where `UPDATE_GENERATED` is set.
fn is_up_to_date(path: &str, text: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(root().join(path), text).expect("written");
    }
    let is_same = read(path) == text;
    assert!(is_same, "{path} is out of date: UPDATE_GENERATED=1 cargo test -p gateway --test tidy");
}

#[test]
fn generated_references_are_true() {
    is_up_to_date("gateway/docs/config.md", &config_text::reference());
    is_up_to_date("gateway/docs/metrics.md", &metrics::reference().expect("metrics"));
}
