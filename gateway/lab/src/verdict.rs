//! What the figures have to be: the targets of the design, by group and scenario. They are about the
//! product's policy; the others are yardsticks.

use report::results::Target::{self, AtLeast, AtMost};

use crate::metrics::{Figure, Figures};
use crate::plan::{Group, Plan};

/// The targets of a whole group of scenarios, on the figure over all its runs.
#[must_use]
pub fn targets_of(group: Group) -> Vec<(Figure, Target)> {
    match group {
        Group::Steps | Group::Rfc8867 => [
            everywhere(),
            vec![
                (Figure::Downgrade, AtMost(500.0)),
                (Figure::Fairness, AtLeast(0.95)),
                (Figure::Utilisation, AtLeast(85.0)),
            ],
        ]
        .concat(),
        Group::Networks => {
            vec![(Figure::LongestFreezeBeyond, AtMost(1.5)), (Figure::OpinionP5, AtLeast(3.8))]
        }
        Group::StaticTraces => [
            on_traces(),
            vec![
                (Figure::Overload, AtMost(1.0)),
                (Figure::Freeze, AtMost(0.5)),
                (Figure::LongestFreeze, AtMost(2.0)),
                (Figure::Flips, AtMost(0.05)),
                (Figure::Switches, AtMost(1.0)),
                (Figure::HdWhenEligible, AtLeast(95.0)),
            ],
        ]
        .concat(),
        Group::DrivingTraces | Group::DrivingOn5g => [
            on_traces(),
            vec![
                (Figure::Overload, AtMost(2.0)),
                (Figure::Freeze, AtMost(2.0)),
                (Figure::Flips, AtMost(0.3)),
                (Figure::Switches, AtMost(3.0)),
                (Figure::HdWhenEligible, AtLeast(80.0)),
            ],
        ]
        .concat(),
    }
}

/// What holds wherever a link changes.
fn everywhere() -> Vec<(Figure, Target)> {
    vec![
        (Figure::TimeToHd, AtMost(6.0)),
        (Figure::BackToHd, AtMost(15.0)),
        (Figure::FloorMedian, AtMost(4.0)),
        (Figure::FloorP95, AtMost(8.0)),
        (Figure::Starved, AtMost(0.0)),
    ]
}

/// What holds on measured links, wherever somebody is.
fn on_traces() -> Vec<(Figure, Target)> {
    let of_way_and_voice = vec![(Figure::OneWay, AtMost(200.0)), (Figure::OpinionP5, AtLeast(3.8))];
    [everywhere(), of_way_and_voice].concat()
}

/// The targets of one scenario.
#[must_use]
pub fn targets_on(plan: &Plan) -> Vec<(Figure, Target)> {
    match plan.name.as_str() {
        "5-2.5-0.6-5" | "5-0.5-5" => on_schedules(&[
            (Figure::Freeze, AtMost(0.5)),
            (Figure::LongestFreeze, AtMost(0.5)),
            (Figure::Concealed, AtMost(0.3)),
        ]),
        "4-blackout-2s" => on_schedules(&[
            (Figure::LongestFreezeBeyond, AtMost(0.5)),
            (Figure::ConcealedBeyond, AtMost(0.3)),
            (Figure::VoiceBack, AtMost(300.0)),
            (Figure::PictureBack, AtMost(1_000.0)),
            (Figure::EstimateBack, AtMost(5.0)),
            (Figure::KeyFrameRequests, AtMost(2.0)),
        ]),
        "2.5-0.6-1" | "rfc8867-5.1-variable" => vec![
            (Figure::Downgrade, AtMost(500.0)),
            (Figure::Queue, AtMost(150.0)),
            (Figure::FloorMedian, AtMost(4.0)),
            (Figure::FloorP95, AtMost(8.0)),
        ],
        "0.6-2.5" => vec![
            (Figure::FloorMedian, AtMost(4.0)),
            (Figure::FloorP95, AtMost(8.0)),
            (Figure::BackToHd, AtMost(15.0)),
        ],
        _ if plan.equals_until.is_some() => vec![(Figure::Fairness, AtLeast(0.95))],
        _ => Vec::new(),
    }
}

/// What holds on the schedules that rivals were measured on, beside what is particular to one.
fn on_schedules(particular: &[(Figure, Target)]) -> Vec<(Figure, Target)> {
    let on_all = [
        (Figure::Downgrade, AtMost(500.0)),
        (Figure::Excess, AtMost(200.0)),
        (Figure::Drops, AtMost(1.0)),
        (Figure::BackToHd, AtMost(3.0)),
    ];
    [on_all.as_slice(), particular].concat()
}

/// Points of HD at full rate below the ceiling, and what they may be.
#[must_use]
pub fn below_ceiling(plan: &Plan, figures: &Figures) -> Option<(f64, Target)> {
    let is_schedule = matches!(plan.name.as_str(), "5-2.5-0.6-5" | "5-0.5-5" | "4-blackout-2s");
    let points = figures.get(Figure::HdCeiling)? - figures.get(Figure::HdFullRate)?;
    is_schedule.then_some((points, AtMost(4.0)))
}
