//! RFC 8867 §5.1 to §5.8 with downlinks as the bottleneck: 50 ms one way, a drop-tail queue of 300 ms,
//! 4 Mbit/s unless said otherwise. A flow is a subscriber that watches the doctor and sends no picture.

use std::time::Duration;

use link::CapacityTrace;
use protocol::network_class::NetworkClass::Wired;
use protocol::units::DataSize;

use crate::plan::{Group, Plan, schedule};
use crate::scenario::{Link, Scenario, kbps, ms, secs};

const PATH: &str = "bottleneck";

/// Watchers in the order they come.
const WATCHERS: [&str; 5] = ["patient", "nurse", "daughter", "son", "student"];

/// Longer than a TCP transfer lasts that has no end.
const ENDLESS: DataSize = DataSize::bytes(1 << 40);

fn narrow() -> Link {
    Link::default().queue(ms(300))
}

fn plan(name: &str, act: impl Fn(Scenario) -> Scenario + Send + Sync + 'static) -> Plan {
    Plan::new(format!("rfc8867-{name}"), Group::Rfc8867, act)
}

/// A doctor whom somebody is about to watch over a shared link like this.
fn doctor(story: Scenario, shared: Link) -> Scenario {
    story.bottleneck(PATH, shared).participant("doctor").on(Link::wired()).class(Wired)
}

/// Somebody who watches over the shared link, so far away.
fn watcher(story: Scenario, name: &str, delay: Duration) -> Scenario {
    let far = Link::wired().delay(delay);
    story.participant(name).on(far).behind(PATH).class(Wired).without_camera()
}

fn variable(name: &str, steps: &'static [(f64, u64)], delay: Duration, seconds: u64, flows: usize) -> Plan {
    let act = move |story| {
        let trace = schedule(steps, seconds as f64);
        let story = doctor(story, narrow().capacity(trace));
        let near = WATCHERS[..flows].iter().fold(story, |story, name| watcher(story, name, delay));
        near.run_for(secs(seconds))
    };
    plan(name, act).watched_by(&WATCHERS[..flows])
}

/// 5.1: one flow, whose capacity varies; also far away.
const SINGLE: &[(f64, u64)] = &[(0.0, 1_000), (40.0, 2_500), (60.0, 600), (80.0, 1_000)];

/// 5.2: two flows, whose capacity varies.
const DOUBLE: &[(f64, u64)] = &[(0.0, 4_000), (25.0, 2_000), (50.0, 3_500), (75.0, 1_000), (100.0, 2_000)];

/// 5.3: both directions at once, each with its schedule.
fn bidirectional() -> Plan {
    let act = |story: Scenario| {
        let link = |trace: CapacityTrace| narrow().delay(ms(50)).capacity(trace);
        let forward = schedule(&[(0.0, 2_000), (20.0, 1_000), (40.0, 500), (60.0, 2_000)], 100.0);
        let backward = schedule(&[(0.0, 2_000), (35.0, 800), (70.0, 2_000)], 100.0);
        story.consult(Wired, Link::wired(), (link(backward), link(forward))).run_for(secs(100))
    };
    let mut plan = plan("5.3-bidirectional", act).rise(60);
    plan.judged.push(("patient".to_owned(), "doctor".to_owned()));
    plan
}

/// Flows that come one after the other, at 0, 20 and 40 s.
fn three(story: Scenario) -> Scenario {
    let story = doctor(story, narrow().capacity(kbps(3_500)));
    let story = watcher(story, WATCHERS[0], ms(50)).run_for(secs(20));
    let story = watcher(story, WATCHERS[1], ms(50)).run_for(secs(20));
    watcher(story, WATCHERS[2], ms(50))
}

/// 5.5: five flows from five distances.
fn round_trips() -> Plan {
    let act = |story: Scenario| {
        let story = doctor(story, narrow().capacity(kbps(4_000)));
        let delays = [10, 25, 50, 100, 150].map(ms);
        let people = WATCHERS.into_iter().zip(delays);
        people
            .fold(story, |story, (name, delay)| watcher(story, name, delay).run_for(secs(10)))
            .run_for(secs(250))
    };
    plan("5.5-round-trips", act).watched_by(&WATCHERS).equals_until(300)
}

/// 5.6: a flow and a long TCP transfer.
fn long_tcp(queue: u64) -> Plan {
    let act = move |story: Scenario| {
        let story = doctor(story, Link::default().queue(ms(queue)).capacity(kbps(2_000)));
        watcher(story, WATCHERS[0], ms(50)).transfer(PATH, ENDLESS, ms(50)).run_for(secs(120))
    };
    plan(&format!("5.6-long-tcp-queue-{queue}"), act)
}

/// 5.7: two flows and ten short TCP transfers, of 100 kB to 1 MB, spread over the run.
fn short_tcp() -> Plan {
    let act = |story: Scenario| {
        let story = doctor(story, narrow().capacity(kbps(2_000)));
        let story = WATCHERS[..2].iter().fold(story, |story, name| watcher(story, name, ms(50)));
        (1..=10_u64)
            .fold(story, |story, number| {
                let size = DataSize::bytes(100_000 * (1 + number * 7 % 10));
                story.run_for(secs(27)).transfer(PATH, size, ms(50))
            })
            .run_for(secs(30))
    };
    plan("5.7-short-tcp", act).watched_by(&WATCHERS[..2]).equals_until(300)
}

/// 5.8: as 5.4, and the second flow rests from 40 to 60 s: its tile is hidden.
fn paused() -> Plan {
    let act = |story: Scenario| {
        three(story)
            .hide_tiles(WATCHERS[1], true)
            .run_for(secs(20))
            .hide_tiles(WATCHERS[1], false)
            .run_for(secs(60))
    };
    // Whoever hides a tile sees no freeze in it, so the others are judged.
    plan("5.8-paused", act).watched_by(&[WATCHERS[0], WATCHERS[2]]).equals_until(120)
}

pub(super) fn plans() -> Vec<Plan> {
    vec![
        variable("5.1-variable", SINGLE, ms(50), 100, 1).runs(5),
        variable("5.1-variable-100ms", SINGLE, ms(100), 100, 1),
        variable("5.1-variable-two", SINGLE, ms(50), 100, 2).equals_until(100),
        variable("5.2-variable-two", DOUBLE, ms(50), 125, 2).equals_until(125),
        bidirectional(),
        plan("5.4-three", |story| three(story).run_for(secs(80)))
            .watched_by(&WATCHERS[..3])
            .equals_until(120),
        round_trips(),
        long_tcp(300),
        long_tcp(1_000),
        short_tcp(),
        paused(),
    ]
}
