//! Calls over measured and made-up capacity traces: one trace is the publisher's uplink, another the
//! subscriber's downlink, and the class that the phone logged is the radio that its shell tells.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use link::{Capacity, CapacityTrace};
use protocol::network_class::NetworkClass;

use crate::plan::{Group, Plan};
use crate::scenario::{Link, Scenario, mbps, ms, secs};

/// Longer runs tell nothing new.
const LONGEST: Duration = Duration::from_secs(300);

/// The folder holds more than measured links: these are schedules, which have scenarios of their own.
const SCHEDULES: &str = "rmcat";

/// A trace with what its name tells.
#[derive(Clone)]
struct Named {
    name: String,
    trace: Arc<CapacityTrace>,
    /// Where the trace has no class of its own.
    class: NetworkClass,
}

impl Named {
    fn new(name: &str, trace: CapacityTrace) -> Self {
        let words: Vec<&str> = name.split(['_', '-', '.']).collect();
        let has = |one: &[&str]| words.iter().any(|word| one.contains(word));
        let class = match () {
            () if has(&["wifi", "wlan"]) => NetworkClass::Wifi,
            () if has(&["wired"]) => NetworkClass::Wired,
            () if has(&["umts", "evdo", "hspa"]) => NetworkClass::ThreeG,
            () if has(&["mmwave", "nr", "5g"]) => NetworkClass::FiveG,
            () if has(&["lte", "4g"]) => NetworkClass::FourG,
            () if has(&["3g"]) => NetworkClass::ThreeG,
            () => NetworkClass::Unknown,
        };
        Self { name: name.to_owned(), trace: Arc::new(trace), class }
    }

    fn is_static(&self) -> bool {
        ["static", "office", "wired"].iter().any(|word| self.name.contains(word))
    }

    fn class_at(&self, offset: Duration) -> NetworkClass {
        self.trace.row_at(offset).and_then(|row| row.class).unwrap_or(self.class)
    }

    /// The classes in force, with the instant that each begins at.
    fn classes(&self, until: Duration) -> Vec<(Duration, NetworkClass)> {
        let mut classes: Vec<(Duration, NetworkClass)> = Vec::new();
        for row in self.trace.rows().iter().take_while(|row| row.at < until) {
            let class = row.class.unwrap_or(self.class);
            if classes.last().is_none_or(|(_, last)| *last != class) {
                classes.push((row.at, class));
            }
        }
        classes
    }

    /// Delay, jitter and queue are those of the kind of network; the trace tells the capacity alone.
    fn link(&self) -> Link {
        let link = match self.class {
            NetworkClass::Wired => Link::wired(),
            NetworkClass::Wifi => Link::wifi().queue(ms(250)),
            NetworkClass::ThreeG | NetworkClass::TwoG => Link::umts(),
            NetworkClass::FiveG | NetworkClass::FourG | NetworkClass::Cell | NetworkClass::Unknown => {
                Link::default().delay(ms(20)).jitter(ms(4)).queue(ms(300))
            }
        };
        link.capacity(Capacity::Trace(self.trace.clone()))
    }
}

fn wired() -> Named {
    Named::new("wired", CapacityTrace::steps(LONGEST, &[mbps(100)]))
}

/// Enters on the network of a trace, in one direction.
fn enter(story: Scenario, name: &str, trace: &Named, is_publisher: bool) -> Scenario {
    let shaped = trace.link();
    // The other direction carries more than it is asked to.
    let other = shaped.clone().capacity(mbps(20));
    let story = story.participant(name);
    let story = if is_publisher { story.on_links(shaped, other) } else { story.on_links(other, shaped) };
    match trace.class_at(Duration::ZERO) {
        class @ (NetworkClass::Wired | NetworkClass::Wifi) => story.class(class),
        class @ (NetworkClass::FiveG
        | NetworkClass::FourG
        | NetworkClass::ThreeG
        | NetworkClass::TwoG
        | NetworkClass::Cell
        | NetworkClass::Unknown) => story.in_native_shell(class),
    }
}

fn call(story: Scenario, uplink: &Named, downlink: &Named) -> Scenario {
    let length = LONGEST.min(uplink.trace.period()).min(downlink.trace.period());
    let story = enter(enter(story, "doctor", uplink, true), "patient", downlink, false);
    let of = |name: &'static str, trace: &Named| {
        trace.classes(length).into_iter().map(move |(at, class)| (at, name, class)).collect::<Vec<_>>()
    };
    let mut changes = [of("doctor", uplink), of("patient", downlink)].concat();
    changes.retain(|(at, ..)| !at.is_zero());
    changes.sort_by_key(|(at, ..)| *at);
    let mut now = Duration::ZERO;
    let mut story = story;
    for (at, name, class) in changes {
        story = story.run_for(at - now).on_radio(name, class);
        now = at;
    }
    story.run_for(length.saturating_sub(now).max(secs(1)))
}

fn plan(origin: &str, uplink: &Named, downlink: &Named) -> Plan {
    let group =
        if uplink.is_static() && downlink.is_static() { Group::StaticTraces } else { Group::DrivingTraces };
    let name = format!("{origin}-{}-x-{}", uplink.name, downlink.name);
    let (uplink, downlink) = (uplink.clone(), downlink.clone());
    Plan::new(name, group, move |story| call(story, &uplink, &downlink))
}

/// Every trace as a downlink under a wired publisher, and with the one before it as the publisher's uplink.
fn pairs(origin: &str, traces: &[Named]) -> Vec<Plan> {
    let alone = traces.iter().map(|trace| plan(origin, &wired(), trace));
    let before = traces.iter().cycle().skip(traces.len().saturating_sub(1));
    let both = before.zip(traces).map(|(uplink, downlink)| plan(origin, uplink, downlink));
    alone.chain(both).collect()
}

fn synthetic() -> Vec<Named> {
    [
        ("5g_static_good", CapacityTrace::static_5g_good()),
        ("5g_static_variable", CapacityTrace::static_5g_variable()),
        ("5g_drive", CapacityTrace::drive_5g()),
        ("mmwave_uplink", CapacityTrace::mmwave_uplink()),
        ("4g_drive", CapacityTrace::drive_4g()),
        ("3g_drive", CapacityTrace::drive_3g()),
        ("wifi_office", CapacityTrace::office_wifi()),
    ]
    .into_iter()
    .map(|(name, trace)| Named::new(name, trace))
    .collect()
}

/// The traces of a folder, by name; those that cannot be read are named instead.
fn measured(folder: &Path) -> (Vec<Named>, Vec<String>) {
    let (mut traces, mut unreadable) = (Vec::new(), Vec::new());
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "csv")).collect();
    files.sort();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(SCHEDULES) {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        match text.and_then(|text| CapacityTrace::parse_csv(&text).map_err(|error| error.to_string())) {
            Ok(trace) => traces.push(Named::new(&name, trace)),
            Err(error) => unreadable.push(format!("{}: {error}", path.display())),
        }
    }
    (traces, unreadable)
}

/// How many measured traces there are in a folder, and what of it cannot be read.
#[must_use]
pub fn measured_traces(folder: &Path) -> (usize, Vec<String>) {
    let (traces, unreadable) = measured(folder);
    (traces.len(), unreadable)
}

pub(super) fn plans(folder: Option<&Path>) -> Vec<Plan> {
    let mut plans = pairs("made", &synthetic());
    if let Some(folder) = folder {
        plans.extend(pairs("real", &measured(folder).0));
    }
    plans
}
