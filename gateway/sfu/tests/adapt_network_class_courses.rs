//! Is the network class true along whole courses, and does any lie about it bring HD? Seen from the outside: the
//! verdict second by second, and the permissions of a room.

mod network_class_course;

use std::time::Instant;

use network_class_course::attack::{Attack, false_grants};
use network_class_course::labels::{Course, recorded, synthetic, traces};
use network_class_course::phone::{Knows, replay};
use protocol::quality::HdMode;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
fn origin() -> Instant {
    Instant::now()
}

#[track_caller]
fn assert_classified(courses: &[Course]) {
    for course in courses {
        for knows in Knows::ALL {
            let score = replay(origin(), course, knows);
            let (share, name) = (score.settled_share(), &course.name);
            assert!(share >= 0.98, "{name}, {}: {share:.4} of {score:?}", knows.as_str());
            assert_eq!(score.false_5g, 0, "{name}, {}: {score:?}", knows.as_str());
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn recorded_drives_are_classified_right_by_whoever_knows() {
    match traces() {
        Some(folder) => assert_classified(&recorded(&folder)),
        None => println!("SKIPPED: no traces; set TRACES_DIR"),
    }
}

#[test]
fn synthetic_drives_are_classified_right_by_whoever_knows() {
    let courses: Vec<Course> = (0..20).map(|seed| synthetic(seed, 1_800)).collect();
    let changes: usize =
        courses.iter().map(|course| course.labels.windows(2).filter(|pair| pair[0] != pair[1]).count()).sum();
    assert!(changes > 200, "only {changes} changes");
    assert_classified(&courses);
}

#[test]
fn who_is_on_5g_gets_hd() {
    for mode in [HdMode::Strict, HdMode::Equivalent] {
        let steps = false_grants(origin(), mode, Attack::Honest);
        assert!(
            steps > 1_000,
            "{mode:?}: HD in {steps} of 1200 steps: the attacks below would prove nothing"
        );
    }
}

#[test]
fn no_lie_about_the_network_brings_hd() {
    for attack in Attack::ALL {
        assert_eq!(false_grants(origin(), HdMode::Strict, attack), 0, "{attack:?} in strict mode");
        if !attack.is_seen_on_wifi() {
            assert_eq!(
                false_grants(origin(), HdMode::Equivalent, attack),
                0,
                "{attack:?} in equivalent mode"
            );
        }
    }
}

#[test]
fn no_mixture_of_lies_brings_hd() {
    for seed in 0..40 {
        for mode in [HdMode::Strict, HdMode::Equivalent] {
            assert_eq!(false_grants(origin(), mode, Attack::Anything(seed)), 0, "seed {seed}, {mode:?}");
        }
    }
}
