//! How true the network class is along labelled drives, and how much HD lies about it bring. Prints a table, and
//! adds its rows to `target/results/allocation.json`; `cargo bench -p gateway --bench network_class`.

#[path = "../../sfu/tests/network_class_course/mod.rs"]
mod network_class_course;

use std::path::Path;
use std::time::Instant;

use network_class_course::attack::{Attack, false_grants};
use network_class_course::labels::{Course, recorded, synthetic, traces};
use network_class_course::phone::{Knows, Score, replay};
use protocol::quality::HdMode;
use report::results::{Row, Target, record};

/// What to type to get the rows again.
const COMMAND: &str = "cargo bench -p gateway --bench network_class";

/// Share of the seconds outside a dwell in which the class must be right.
const ACCURACY: Target = Target::AtLeast(0.98);

/// Mixtures of lies that are tried.
const MIXTURES: u64 = 200;

#[expect(clippy::print_stdout, reason = "the table is what a benchmark is run for")]
fn main() -> anyhow::Result<()> {
    let now = Instant::now();
    let mut rows = Vec::new();
    let synthetic: Vec<Course> = (0..50).map(|seed| synthetic(seed, 1_800)).collect();
    rows.extend(accuracy(now, "synthetic drives", &synthetic));
    match traces() {
        Some(folder) => rows.extend(accuracy(now, "recorded drives", &recorded(&folder))),
        None => eprintln!("no recorded drives: set TRACES_DIR"),
    }
    rows.extend(lies(now));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(report::results::DEFAULT_DIR);
    let results = record(&folder, "allocation", COMMAND, rows)?;
    println!("{}", results.table());
    Ok(())
}

fn add(sum: &mut Score, score: &Score) {
    sum.seconds += score.seconds;
    sum.right += score.right;
    sum.settled += score.settled;
    sum.settled_right += score.settled_right;
    sum.false_5g += score.false_5g;
}

/// The accuracy on courses, by who knows the class.
fn accuracy(now: Instant, name: &str, courses: &[Course]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut false_5g = 0;
    for knows in Knows::ALL {
        let mut score = Score::default();
        courses.iter().for_each(|course| add(&mut score, &replay(now, course, knows)));
        let source = knows.as_str();
        let settled =
            Row::new(format!("class right outside the dwell: {name}, {source}"), score.settled_share(), "");
        rows.push(settled.against(ACCURACY));
        rows.push(Row::new(
            format!("class right in all seconds: {name}, {source}"),
            score.right as f64 / score.seconds.max(1) as f64,
            "",
        ));
        false_5g += score.false_5g;
    }
    let seconds: usize = courses.iter().map(|course| course.labels.len()).sum();
    rows.push(Row::new(format!("seconds of course: {name}"), seconds as f64, "s"));
    let wrong = Row::new(format!("seconds wrongly 5g outside the dwell: {name}"), false_5g as f64, "s");
    rows.push(wrong.against(Target::AtMost(0.0)));
    rows
}

/// Tenths of a second with HD that lies have brought, and that an honest end gets.
fn lies(now: Instant) -> Vec<Row> {
    let both = [HdMode::Strict, HdMode::Equivalent];
    let honest: usize = both.into_iter().map(|mode| false_grants(now, mode, Attack::Honest)).sum();
    let attacks = Attack::ALL.into_iter().chain((0..MIXTURES).map(Attack::Anything));
    let tried = attacks.flat_map(|attack| both.map(|mode| (attack, mode)));
    // Whoever the browser sees on Wi-Fi may have HD in `equivalent` mode for that.
    let tried = tried.filter(|(attack, mode)| *mode == HdMode::Strict || !attack.is_seen_on_wifi());
    let tried: Vec<(Attack, HdMode)> = tried.collect();
    let granted = tried.iter().filter(|(attack, mode)| false_grants(now, *mode, *attack) > 0).count();
    vec![
        Row::new("attacks on the class tried", tried.len() as f64, ""),
        Row::new("attacks on the class that brought HD", granted as f64, "").against(Target::AtMost(0.0)),
        Row::new("HD of an honest end on 5G, share of the time", honest as f64 / 2_400.0, "")
            .against(Target::AtLeast(0.9)),
    ]
}
