//! One scenario of the lab: who is in the call, what happens to their links, and what is judged.

use std::time::Duration;

use link::CapacityTrace;
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::track::TrackSource;
use sfu::adapt::policy;

use crate::recording::Recording;
use crate::scenario::Scenario;

/// Tables and targets are of such a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Capacity schedules on a link of 30 ms and a queue of 250 ms.
    Steps,
    /// RFC 8867 §5.
    Rfc8867,
    /// Networks that change under a participant.
    Networks,
    /// Traces of somebody who stays where they are.
    StaticTraces,
    /// Traces of somebody who moves, on whatever networks there are.
    DrivingTraces,
    /// Parts of those that are on 5G nearly throughout.
    DrivingOn5g,
}

impl Group {
    /// All of them, in the order of the output.
    pub const ALL: [Self; 6] = [
        Self::Steps,
        Self::Rfc8867,
        Self::Networks,
        Self::StaticTraces,
        Self::DrivingTraces,
        Self::DrivingOn5g,
    ];

    /// The heading of its table, and the beginning of its rows' names.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Rfc8867 => "RFC 8867",
            Self::Networks => "networks",
            Self::StaticTraces => "static traces",
            Self::DrivingTraces => "driving traces",
            Self::DrivingOn5g => "driving traces on 5G",
        }
    }
}

type Act = Box<dyn Fn(Scenario) -> Scenario + Send + Sync>;

/// A scenario.
pub struct Plan {
    /// What files and rows call it.
    pub name: String,
    /// Its group.
    pub group: Group,
    /// Runs of it, each with a seed of its own.
    pub runs: u64,
    /// When the link is good again, where the schedule has such an instant.
    pub rise: Option<Duration>,
    /// The flows that are judged: publisher and subscriber.
    pub judged: Vec<(String, String)>,
    /// The flows share one link as equals, until then.
    pub equals_until: Option<Duration>,
    /// The share of the time in which HD is permitted between the networks of a pair of traces.
    pub hd_permitted_share: Option<f64>,
    act: Act,
}

impl Plan {
    /// A scenario with one judged flow, from the doctor to the patient.
    pub fn new(
        name: impl Into<String>,
        group: Group,
        act: impl Fn(Scenario) -> Scenario + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            group,
            runs: 1,
            rise: None,
            judged: vec![("doctor".to_owned(), "patient".to_owned())],
            equals_until: None,
            hd_permitted_share: None,
            act: Box::new(act),
        }
    }

    /// So many runs.
    #[must_use]
    pub fn runs(mut self, runs: u64) -> Self {
        self.runs = runs;
        self
    }

    /// The link is good again at that second.
    #[must_use]
    pub fn rise(mut self, second: u64) -> Self {
        self.rise = Some(Duration::from_secs(second));
        self
    }

    /// These subscribers of the doctor are judged.
    #[must_use]
    pub fn watched_by(mut self, subscribers: &[&str]) -> Self {
        self.judged = subscribers.iter().map(|name| ("doctor".to_owned(), (*name).to_owned())).collect();
        self
    }

    /// They share a link as equals, until that second.
    #[must_use]
    pub fn equals_until(mut self, second: u64) -> Self {
        self.equals_until = Some(Duration::from_secs(second));
        self
    }

    /// HD is permitted between the networks of the two for that share of the time.
    #[must_use]
    pub fn permitting_hd_for(mut self, share: f64) -> Self {
        self.hd_permitted_share = Some(share);
        self
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self, policy: AdaptationPolicy, seed: u64) -> Recording {
        (self.act)(Scenario::under(seed, MODE, policy).recorded()).recording()
    }
}

/// The mode that all scenarios run in.
const MODE: HdMode = HdMode::Equivalent;

/// Whether that mode counts such a network as good enough for HD.
#[must_use]
pub const fn is_hd_grade(class: NetworkClass) -> bool {
    policy::hd_grade(MODE, class)
}

/// The most that a camera is ever shown with between two such networks, whatever they carry.
#[must_use]
pub fn highest_rung(publisher: NetworkClass, subscriber: NetworkClass) -> Rung {
    let cap = policy::cap(MODE, TrackSource::Camera, publisher, subscriber);
    cap.rung.max(cap.sustained)
}

/// A capacity schedule: seconds and kbit/s, until a second.
///
/// # Panics
/// Where it is no schedule; schedules are written by hand.
#[must_use]
pub fn schedule(steps: &[(f64, u64)], end: f64) -> CapacityTrace {
    let last = steps.last().map_or(0, |(_, kbps)| *kbps);
    let rows = steps.iter().copied().chain([(end, last)]);
    let rows = rows.map(|(second, kbps)| format!("{},{kbps}\n", (second * 1e3) as u64));
    let text = format!("time_ms,kbps\n{}", rows.collect::<String>());
    CapacityTrace::parse_csv(&text).expect("a schedule is a trace")
}

/// The word for a policy in names of files and rows.
#[must_use]
pub const fn policy_name(policy: AdaptationPolicy) -> &'static str {
    match policy {
        AdaptationPolicy::TwoLoop => "two-loop",
        AdaptationPolicy::FixedByClass => "fixed-by-class",
        AdaptationPolicy::BandwidthOnly => "bandwidth-only",
    }
}

/// The policies that are compared; the first is the product's.
pub const POLICIES: [AdaptationPolicy; 3] =
    [AdaptationPolicy::TwoLoop, AdaptationPolicy::FixedByClass, AdaptationPolicy::BandwidthOnly];
