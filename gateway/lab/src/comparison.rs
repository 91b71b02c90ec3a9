//! Ours against the yardsticks in the same run, over pairs of traces: how much less stands still, how much
//! less often the picture changes, and what that costs of HD.

use protocol::quality::AdaptationPolicy;
use report::results::{Row, Target};

use crate::metrics::{Figure, Figures};
use crate::plan::{Group, Plan, policy_name};

/// A pair counts as one whose classes permit HD where they do so for this share of the call: 4G, and what is
/// below it, is kept below HD on purpose, whatever it carries.
const PERMITTING_SHARE: f64 = 0.5;

/// What pairs are compared over.
struct Scope {
    name: &'static str,
    groups: &'static [Group],
}

const SCOPES: [Scope; 4] = [
    Scope { name: "traces", groups: &[Group::StaticTraces, Group::DrivingTraces] },
    Scope { name: "static traces", groups: &[Group::StaticTraces] },
    Scope { name: "driving traces", groups: &[Group::DrivingTraces] },
    Scope { name: "driving traces on 5G", groups: &[Group::DrivingOn5g] },
];

/// The rows of all comparisons; `figures` gives those of all plans that it is asked for, under a policy.
pub(crate) fn rows(figures: &dyn Fn(&dyn Fn(&Plan) -> bool, AdaptationPolicy) -> Figures) -> Vec<Row> {
    SCOPES.iter().flat_map(|scope| of_scope(scope, figures)).collect()
}

fn of_scope(
    scope: &Scope,
    figures: &dyn Fn(&dyn Fn(&Plan) -> bool, AdaptationPolicy) -> Figures,
) -> Vec<Row> {
    let is_in = |plan: &Plan| scope.groups.contains(&plan.group);
    let permits =
        |plan: &Plan| is_in(plan) && plan.hd_grade_share.is_some_and(|share| share >= PERMITTING_SHARE);
    let (all, name) = (format!("virtual {}", scope.name), scope.name);
    let permitting = format!("virtual {name} whose classes permit HD");
    let ratio = |of: &str, is_in: &dyn Fn(&Plan) -> bool, what: &str, figure, other, target: Target| {
        let value = |policy| figures(is_in, policy).get(figure);
        let (ours, theirs) = (value(AdaptationPolicy::TwoLoop)?, value(other)?);
        let what = format!("{of}: {what}, two-loop over {}", policy_name(other));
        (theirs > 0.0).then(|| Row::new(what, round(ours / theirs), "x").against(target))
    };
    let share = |of: &str, is_in: &dyn Fn(&Plan) -> bool, policy: AdaptationPolicy| {
        let hd = figures(is_in, policy).get(Figure::Hd)?;
        Some(Row::new(format!("{of}, {}: HD", policy_name(policy)), round(hd), "%"))
    };
    use AdaptationPolicy::{BandwidthOnly, FixedByClass, TwoLoop};
    [
        ratio(&all, &is_in, "freeze time", Figure::Freeze, FixedByClass, Target::AtMost(0.5)),
        // Whatever the policy, nothing moves while a link is dark.
        ratio(
            &all,
            &is_in,
            "freeze time beyond outages",
            Figure::FreezeBeyond,
            FixedByClass,
            Target::AtMost(0.5),
        ),
        ratio(&all, &is_in, "rung switches", Figure::Switches, BandwidthOnly, Target::AtMost(0.5)),
        ratio(&all, &is_in, "HD time", Figure::Hd, BandwidthOnly, Target::AtLeast(0.9)),
        ratio(&permitting, &permits, "HD time", Figure::Hd, BandwidthOnly, Target::AtLeast(0.9)),
        share(&all, &is_in, TwoLoop),
        share(&all, &is_in, BandwidthOnly),
        share(&permitting, &permits, TwoLoop),
        share(&permitting, &permits, BandwidthOnly),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_are_kept_below_hd_count_among_all_and_not_among_those_that_are_permitted() {
        let plan = |share: f64| Plan::new("", Group::DrivingTraces, |story| story).on_hd_grade_for(share);
        // (HD-grade share, HD under ours, HD under the yardstick)
        let pairs = [(plan(1.0), 80.0, 80.0), (plan(0.1), 0.0, 80.0)];
        let figures = |is_in: &dyn Fn(&Plan) -> bool, policy: AdaptationPolicy| {
            let mut figures = Figures::default();
            for (_, ours, theirs) in pairs.iter().filter(|(plan, ..)| is_in(plan)) {
                figures.note(Figure::Hd, if policy == AdaptationPolicy::TwoLoop { *ours } else { *theirs });
            }
            figures
        };
        let rows = rows(&figures);
        let value = |what: &str| rows.iter().find(|row| row.what == what).map(|row| (row.value, row.met));
        let all = "virtual driving traces: HD time, two-loop over bandwidth-only";
        let permitting =
            "virtual driving traces whose classes permit HD: HD time, two-loop over bandwidth-only";
        assert_eq!(value(all), Some((0.5, Some(false))));
        assert_eq!(value(permitting), Some((1.0, Some(true))));
        assert_eq!(value("virtual driving traces, two-loop: HD"), Some((40.0, None)));
    }
}
