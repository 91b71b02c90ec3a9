//! A capacity trace with what its name and its rows tell of the network it is of.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use link::{Capacity, CapacityTrace, ParseTraceError};
use protocol::network_class::NetworkClass;

use super::window;
use crate::scenario::{Link, ms, secs};

/// Of a longer trace, a part of this length is run that is like the whole.
const LONGEST: Duration = Duration::from_secs(180);

/// The part of a trace that is looked for on 5G, and how much of it has to be.
const ON_5G: Duration = Duration::from_secs(120);
const SHARE_ON_5G: f64 = 0.8;

/// A folder may hold more than measured links: these are schedules, which have scenarios of their own.
const SCHEDULES: &str = "rmcat";

/// What the names of traces that stay where they are contain.
const PLACES: [&str; 7] = ["static", "stationary", "office", "home", "indoor", "desk", "wired"];

/// A trace with what its name tells.
#[derive(Debug, Clone)]
pub(super) struct NamedTrace {
    pub(super) name: String,
    pub(super) trace: Arc<CapacityTrace>,
    /// Where the trace has no class of its own.
    class: NetworkClass,
}

impl NamedTrace {
    pub(super) fn new(name: &str, trace: CapacityTrace) -> Self {
        let lower = name.to_lowercase();
        let words: Vec<&str> = lower.split(|letter: char| !letter.is_alphanumeric()).collect();
        let has = |one: &[&str]| words.iter().any(|word| one.contains(word));
        let class = match () {
            () if has(&["wifi", "wlan"]) => NetworkClass::Wifi,
            () if has(&["wired", "ethernet", "lan", "fibre", "fiber"]) => NetworkClass::Wired,
            () if has(&["umts", "evdo", "hspa"]) => NetworkClass::ThreeG,
            () if has(&["mmwave", "nr", "5g"]) => NetworkClass::FiveG,
            () if has(&["lte", "4g"]) => NetworkClass::FourG,
            () if has(&["3g"]) => NetworkClass::ThreeG,
            () if has(&["gprs", "edge", "2g"]) => NetworkClass::TwoG,
            () => NetworkClass::Unknown,
        };
        Self { name: name.to_owned(), trace: Arc::new(trace), class }
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, ParseTraceError> {
        CapacityTrace::parse_csv(text).map(|trace| Self::new(name, trace))
    }

    pub(super) fn wired() -> Self {
        let rate = crate::scenario::mbps(100);
        Self { class: NetworkClass::Wired, ..Self::new("wired", CapacityTrace::steps(LONGEST, &[rate])) }
    }

    /// The part of it that is run.
    pub(super) fn shortened(&self) -> Self {
        let from = window::most_alike(&self.seconds(), LONGEST);
        Self { trace: Arc::new(self.trace.window(from, LONGEST)), ..self.clone() }
    }

    /// A part of it that is on 5G nearly throughout, if there is one.
    pub(super) fn on_5g(&self) -> Option<Self> {
        let (from, share) = window::most_of(&self.seconds(), NetworkClass::FiveG, ON_5G);
        let part = Self { trace: Arc::new(self.trace.window(from, ON_5G)), ..self.clone() };
        (share >= SHARE_ON_5G).then_some(part)
    }

    pub(super) fn is_static(&self) -> bool {
        let name = self.name.to_lowercase();
        PLACES.iter().any(|place| name.contains(place))
    }

    pub(super) fn class_at(&self, offset: Duration) -> NetworkClass {
        self.trace.row_at(offset).and_then(|row| row.class).unwrap_or(self.class)
    }

    /// The classes in force, with the instant that each begins at.
    pub(super) fn classes(&self, until: Duration) -> Vec<(Duration, NetworkClass)> {
        let mut classes: Vec<(Duration, NetworkClass)> = Vec::new();
        for row in self.trace.rows().iter().take_while(|row| row.at < until) {
            let class = row.class.unwrap_or(self.class);
            if classes.last().is_none_or(|(_, last)| *last != class) {
                classes.push((row.at, class));
            }
        }
        classes
    }

    fn seconds(&self) -> Vec<window::Second> {
        let count = self.trace.period().as_secs();
        let second = |number| {
            let at = secs(number);
            window::Second { rate: self.trace.rate_at(at), class: self.class_at(at) }
        };
        (0..count).map(second).collect()
    }

    /// Delay, jitter and queue are those of the kind of network; the trace tells the capacity alone.
    pub(super) fn link(&self) -> Link {
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

/// The traces of a folder, by name; those that cannot be read are named instead, with the reason.
pub(super) fn measured(folder: &Path) -> (Vec<NamedTrace>, Vec<String>) {
    let (mut traces, mut unreadable) = (Vec::new(), Vec::new());
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_csv =
        |path: &std::path::PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let mut files: Vec<_> = files.filter(is_csv).collect();
    files.sort();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(SCHEDULES) {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        match text.and_then(|text| NamedTrace::parse(&name, &text).map_err(|error| error.to_string())) {
            Ok(trace) => traces.push(trace),
            Err(error) => unreadable.push(format!("{}: {error}", path.display())),
        }
    }
    (traces, unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::network_class::NetworkClass::{FiveG, FourG, ThreeG, Unknown, Wifi};

    #[test]
    fn a_trace_without_classes_has_that_of_its_name() {
        let table = [
            ("solis_wifi_office", Wifi),
            ("NR-walk", FiveG),
            ("mm_verizon_lte_up", FourG),
            ("mm_tmobile_umts_down", ThreeG),
            ("run7", Unknown),
        ];
        for (name, class) in table {
            let trace = NamedTrace::parse(name, "time_ms,kbps\n0,100\n1000,200\n").expect("a trace");
            assert_eq!(trace.classes(secs(2)), [(Duration::ZERO, class)], "{name}");
        }
    }

    #[test]
    fn logged_classes_outweigh_the_name() {
        let trace =
            NamedTrace::parse("5g_drive", "time_ms,kbps,class\n0,100,4g\n1000,200,\n").expect("a trace");
        assert_eq!(trace.classes(secs(2)), [(Duration::ZERO, FourG), (secs(1), FiveG)]);
    }

    #[test]
    fn only_a_trace_that_is_on_5g_for_long_has_such_a_part() {
        let rows =
            |class: &str| (0..300).map(|n| format!("{},9000,{class}\n", n * 1_000)).collect::<String>();
        let of = |class| {
            NamedTrace::parse("drive", &format!("time_ms,kbps,class\n{}", rows(class))).expect("a trace")
        };
        assert_eq!(of("5g").on_5g().map(|part| part.trace.period()), Some(ON_5G));
        assert!(of("4g").on_5g().is_none());
        assert_eq!(of("4g").shortened().trace.period(), LONGEST);
    }
}
