//! The schedules that rivals were measured on, and steps alone: 30 ms each way, a queue of 250 ms, on the
//! downlink of a patient who watches a doctor. Both networks are as good as 5G throughout.

use link::CapacityTrace;
use protocol::network_class::NetworkClass::Wired;

use crate::plan::{Group, Plan, schedule};
use crate::scenario::{Link, Scenario, mbps, secs};

fn call(story: Scenario, downlink: CapacityTrace, seconds: u64) -> Scenario {
    let links = (Link::narrow(mbps(100)), Link::narrow(downlink));
    story.consult(Wired, Link::wired(), links).run_for(secs(seconds))
}

fn step(name: &str, steps: &'static [(f64, u64)], seconds: u64) -> Plan {
    Plan::new(name, Group::Steps, move |story| call(story, schedule(steps, seconds as f64), seconds))
}

pub(super) fn plans() -> Vec<Plan> {
    vec![
        step("5-2.5-0.6-5", &[(0.0, 5_000), (40.0, 2_500), (60.0, 600), (80.0, 5_000)], 120).rise(80).runs(3),
        step("5-0.5-5", &[(0.0, 5_000), (40.0, 500), (70.0, 5_000)], 110).rise(70).runs(3),
        step("4-blackout-2s", &[(0.0, 4_000), (30.0, 0), (32.0, 4_000)], 60).rise(32).runs(3),
        step("2.5-0.6-1", &[(0.0, 2_500), (30.0, 600), (50.0, 1_000)], 80).runs(5),
        step("0.6-2.5", &[(0.0, 600), (20.0, 2_500)], 50).rise(20).runs(5),
        step(
            "blackouts-2-5-10s",
            &[(0.0, 5_000), (20.0, 0), (22.0, 5_000), (42.0, 0), (47.0, 5_000), (67.0, 0), (77.0, 5_000)],
            100,
        ),
        step(
            "dips-of-1s",
            &[
                (0.0, 5_000),
                (15.0, 800),
                (16.0, 5_000),
                (30.0, 400),
                (31.0, 5_000),
                (45.0, 1_200),
                (46.0, 5_000),
            ],
            60,
        ),
    ]
}
