//! Ours against the yardsticks in the same run, over pairs of traces: how much less stands still, how much
//! less often the picture changes, and what that costs of HD.

use protocol::quality::AdaptationPolicy;
use report::results::{Row, Target};

use crate::metrics::Figure;
use crate::plan::{Group, Plan, policy_name};
use crate::summary::Summary;

/// A pair counts as one whose classes permit HD where they do so for this share of the call: the policy keeps
/// 4G below HD except beside 5G, and what is below 4G always, whatever they carry.
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

/// The rows of all comparisons.
pub(crate) fn rows(summary: &Summary, plans: &[Plan]) -> Vec<Row> {
    SCOPES.iter().flat_map(|scope| of_scope(scope, summary, plans)).collect()
}

fn of_scope(scope: &Scope, summary: &Summary, plans: &[Plan]) -> Vec<Row> {
    let figures = |is_in: &dyn Fn(&Plan) -> bool, policy| summary.merged(plans, is_in, policy);
    let is_in = |plan: &Plan| scope.groups.contains(&plan.group);
    let permits =
        |plan: &Plan| is_in(plan) && plan.hd_permitted_share.is_some_and(|share| share >= PERMITTING_SHARE);
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
        // In the same seconds for both: those in which the classes and the links of a pair are for HD.
        ratio(
            &all,
            &is_in,
            "HD time when eligible",
            Figure::HdWhenEligible,
            BandwidthOnly,
            Target::AtLeast(0.9),
        ),
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
    use crate::metrics::Figures;
    use AdaptationPolicy::{BandwidthOnly, TwoLoop};

    #[test]
    fn pairs_that_are_kept_below_hd_count_among_all_and_not_among_those_that_are_permitted() {
        let plan = |share: f64| Plan::new("", Group::DrivingTraces, |story| story).permitting_hd_for(share);
        let plans = [plan(1.0), plan(0.1)];
        let mut summary = Summary::default();
        // (plan, policy, HD)
        let runs =
            [(0, TwoLoop, 80.0), (1, TwoLoop, 0.0), (0, BandwidthOnly, 80.0), (1, BandwidthOnly, 80.0)];
        for (plan, policy, hd) in runs {
            let mut figures = Figures::default();
            figures.note(Figure::Hd, hd);
            summary.add(plan, policy, &figures);
        }
        let rows = rows(&summary, &plans);
        let value = |what: &str| rows.iter().find(|row| row.what == what).map(|row| (row.value, row.met));
        let all = "virtual driving traces: HD time, two-loop over bandwidth-only";
        let permitting =
            "virtual driving traces whose classes permit HD: HD time, two-loop over bandwidth-only";
        assert_eq!(value(all), Some((0.5, Some(false))));
        assert_eq!(value(permitting), Some((1.0, Some(true))));
        assert_eq!(value("virtual driving traces, two-loop: HD"), Some((40.0, None)));
    }
}
