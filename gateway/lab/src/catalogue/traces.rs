//! Calls over measured and made-up capacity traces: one trace is the publisher's uplink, another the
//! subscriber's downlink, and the class that the phone logged is the radio that its shell tells.

use std::path::Path;
use std::time::Duration;

use link::CapacityTrace;
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;

use super::named_trace::{NamedTrace, measured};
use crate::plan::{Group, Plan, highest_rung};
use crate::scenario::{Scenario, mbps, secs};

/// Enters on the network of a trace, in one direction.
fn enter(story: Scenario, name: &str, trace: &NamedTrace, is_publisher: bool) -> Scenario {
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

fn length_of(uplink: &NamedTrace, downlink: &NamedTrace) -> Duration {
    uplink.trace.period().min(downlink.trace.period())
}

fn call(story: Scenario, uplink: &NamedTrace, downlink: &NamedTrace) -> Scenario {
    let length = length_of(uplink, downlink);
    let story = enter(enter(story, "doctor", uplink, true), "patient", downlink, false);
    let of = |name: &'static str, trace: &NamedTrace| {
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

/// How much of the call HD is permitted between the networks of the two.
fn hd_permitted_share(uplink: &NamedTrace, downlink: &NamedTrace) -> f64 {
    let count = length_of(uplink, downlink).as_secs().max(1);
    let is_permitted = |second: &u64| {
        let at = secs(*second);
        highest_rung(uplink.class_at(at), downlink.class_at(at)) >= Rung::P720
    };
    (0..count).filter(is_permitted).count() as f64 / count as f64
}

fn plan(name: String, group: Group, uplink: &NamedTrace, downlink: &NamedTrace) -> Plan {
    let share = hd_permitted_share(uplink, downlink);
    let (uplink, downlink) = (uplink.clone(), downlink.clone());
    Plan::new(name, group, move |story| call(story, &uplink, &downlink)).permitting_hd_for(share)
}

/// Every trace as a downlink under a wired publisher, and with the one before it as the publisher's uplink.
fn pairs(traces: &[NamedTrace]) -> Vec<(NamedTrace, NamedTrace)> {
    let alone = traces.iter().map(|trace| (NamedTrace::wired(), trace.clone()));
    let before = traces.iter().cycle().skip(traces.len().saturating_sub(1));
    let both = before.zip(traces).map(|(uplink, downlink)| (uplink.clone(), downlink.clone()));
    alone.chain(both).collect()
}

/// The pairs of those traces, and of the parts of them that are on 5G where somebody moves.
fn plans_on(origin: &str, traces: &[NamedTrace]) -> Vec<Plan> {
    let shortened: Vec<NamedTrace> = traces.iter().map(NamedTrace::shortened).collect();
    let mixed = pairs(&shortened).into_iter().map(|(uplink, downlink)| {
        let is_static = uplink.is_static() && downlink.is_static();
        let group = if is_static { Group::StaticTraces } else { Group::DrivingTraces };
        plan(format!("{origin}-{}-x-{}", uplink.name, downlink.name), group, &uplink, &downlink)
    });
    let on_5g: Vec<NamedTrace> = traces.iter().filter_map(NamedTrace::on_5g).collect();
    let moving = pairs(&on_5g).into_iter().filter(|(up, down)| !up.is_static() || !down.is_static());
    let on_5g = moving.map(|(uplink, downlink)| {
        let name = format!("{origin}-5g-{}-x-{}", uplink.name, downlink.name);
        plan(name, Group::DrivingOn5g, &uplink, &downlink)
    });
    mixed.chain(on_5g).collect()
}

fn synthetic() -> Vec<NamedTrace> {
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
    .map(|(name, trace)| NamedTrace::new(name, trace))
    .collect()
}

/// The plans on the traces of a folder, and what of it cannot be read.
#[must_use]
pub fn measured_plans(folder: &Path) -> (Vec<Plan>, Vec<String>) {
    let (traces, unreadable) = measured(folder);
    (plans_on("real", &traces), unreadable)
}

pub(super) fn plans() -> Vec<Plan> {
    plans_on("made", &synthetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[(&str, &str)]) -> Vec<(String, Group)> {
        let traces = texts.iter().map(|(name, text)| NamedTrace::parse(name, text).expect("a trace"));
        let plans = plans_on("real", &traces.collect::<Vec<_>>());
        plans.into_iter().map(|plan| (plan.name, plan.group)).collect()
    }

    #[test]
    fn one_trace_alone_is_paired_with_a_wire_and_with_itself() {
        let named = |name: &str| (name.to_owned(), Group::DrivingTraces);
        let alone = names(&[("walk", "time_ms,kbps\n0,100\n60000,200\n")]);
        assert_eq!(alone, [named("real-wired-x-walk"), named("real-walk-x-walk")]);
        assert_eq!(names(&[]), []);
    }

    #[test]
    fn drives_on_5g_are_in_both_sets() {
        let text = "time_ms,kbps,class\n0,9000,5g\n200000,9000,5g\n";
        let groups: Vec<Group> = names(&[("drive", text)]).into_iter().map(|(_, group)| group).collect();
        let (mixed, on_5g) = (Group::DrivingTraces, Group::DrivingOn5g);
        assert_eq!(groups, [mixed, mixed, on_5g, on_5g]);
    }

    #[test]
    fn hd_is_permitted_while_both_networks_are() {
        let of = |class: &str| {
            let text = format!("time_ms,kbps,class\n0,9000,{class}\n30000,9000,5g\n");
            NamedTrace::parse("drive", &text).expect("a trace")
        };
        assert!((hd_permitted_share(&of("wired"), &of("4g")) - 0.5).abs() < 1e-9);
        assert!((hd_permitted_share(&of("wifi"), &of("5g")) - 1.0).abs() < 1e-9);
    }
}
