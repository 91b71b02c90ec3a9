//! All outcomes together: a table per group for people, and rows with targets for the file of results.

use std::collections::BTreeMap;

use protocol::quality::AdaptationPolicy;
use report::results::{Row, Target, number};
use report::table;

use crate::metrics::{Figure, Figures};
use crate::plan::{Group, POLICIES, Plan, policy_name};
use crate::verdict::{below_ceiling, targets_of, targets_on};

/// The figures by scenario and policy.
#[derive(Default)]
pub struct Summary {
    figures: BTreeMap<(usize, usize), Figures>,
}

fn place(policy: AdaptationPolicy) -> usize {
    POLICIES.iter().position(|other| *other == policy).unwrap_or_default()
}

impl Summary {
    /// Adds a run of the scenario at that place.
    pub fn add(&mut self, plan: usize, policy: AdaptationPolicy, figures: &Figures) {
        self.figures.entry((plan, place(policy))).or_default().merge(figures);
    }

    /// The tables of a group, what was seen and what links and voices were like, or nothing where nothing of
    /// it was run.
    #[must_use]
    pub fn tables(&self, plans: &[Plan], group: Group) -> Vec<String> {
        let of_group = self.figures.iter().filter(|((plan, _), _)| plans[*plan].group == group);
        let mut rows: Vec<(String, Figures)> = of_group
            .map(|((plan, policy), figures)| {
                (format!("{}, {}", plans[*plan].name, policy_name(POLICIES[*policy])), figures.clone())
            })
            .collect();
        let whole = self.group_figures(plans, group);
        rows.extend(whole.into_iter().map(|(policy, all)| (format!("all, {}", policy_name(policy)), all)));
        let border = Figure::ALL.iter().position(|figure| *figure == Figure::Overload).unwrap_or_default();
        let (sight, others) = Figure::ALL.split_at(border);
        [sight, others].into_iter().filter_map(|figures| part(group, figures, &rows)).collect()
    }

    fn group_figures(&self, plans: &[Plan], group: Group) -> Vec<(AdaptationPolicy, Figures)> {
        let merged = POLICIES.into_iter().map(|policy| {
            let mut all = Figures::default();
            let of_policy = self.figures.iter().filter(|((_, other), _)| *other == place(policy));
            for (_, figures) in of_policy.filter(|((plan, _), _)| plans[*plan].group == group) {
                all.merge(figures);
            }
            (policy, all)
        });
        merged.filter(|(_, figures)| *figures != Figures::default()).collect()
    }

    /// Rows for the file of results: every target, the same figure of the other policies beside it, and the
    /// comparisons of policies.
    #[must_use]
    pub fn rows(&self, plans: &[Plan]) -> Vec<Row> {
        let mut rows = Vec::new();
        for ((plan, policy), figures) in &self.figures {
            let (plan, policy) = (&plans[*plan], POLICIES[*policy]);
            for (figure, target) in targets_on(plan) {
                rows.extend(row(&plan.name, policy, figure, figures, target));
            }
            if let Some((points, target)) = below_ceiling(plan, figures) {
                let what =
                    format!("virtual {}, {}: HD at 24 fps below the ceiling", plan.name, policy_name(policy));
                rows.push(held(Row::new(what, round(points), "points"), policy, target));
            }
        }
        for group in Group::ALL {
            for (policy, figures) in self.group_figures(plans, group) {
                for (figure, target) in targets_of(group) {
                    rows.extend(row(&format!("all {}", group.title()), policy, *figure, &figures, *target));
                }
            }
        }
        rows.extend(self.comparisons(plans));
        rows
    }

    /// Ours against the yardsticks, over all traces. Whatever the policy, nothing moves while a link is dark.
    fn comparisons(&self, plans: &[Plan]) -> Vec<Row> {
        let mut of_policy: BTreeMap<usize, Figures> = BTreeMap::new();
        for ((plan, policy), figures) in &self.figures {
            if matches!(plans[*plan].group, Group::StaticTraces | Group::DrivingTraces) {
                of_policy.entry(*policy).or_default().merge(figures);
            }
        }
        let ratio = |figure: Figure, other: AdaptationPolicy| {
            let of = |policy| of_policy.get(&place(policy))?.get(figure);
            let (ours, theirs) = (of(AdaptationPolicy::TwoLoop)?, of(other)?);
            (theirs > 0.0).then(|| round(ours / theirs))
        };
        let compare = |what: &str, figure, other, target| {
            let value = ratio(figure, other)?;
            let what = format!("virtual traces: {what}, two-loop over {}", policy_name(other));
            Some(Row::new(what, value, "x").against(target))
        };
        [
            compare("freeze time", Figure::FreezeBeyond, AdaptationPolicy::FixedByClass, Target::AtMost(0.5)),
            compare("rung switches", Figure::Switches, AdaptationPolicy::BandwidthOnly, Target::AtMost(0.5)),
            compare("HD time", Figure::Hd, AdaptationPolicy::BandwidthOnly, Target::AtLeast(0.9)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Some columns of the table of a group.
fn part(group: Group, figures: &[Figure], rows: &[(String, Figures)]) -> Option<String> {
    let is_there = |figure: &&Figure| rows.iter().any(|(_, of_row)| of_row.get(**figure).is_some());
    let columns: Vec<Figure> = figures.iter().filter(is_there).copied().collect();
    let mut headings = vec![group.title()];
    headings.extend(columns.iter().map(|figure| figure.heading()));
    let cells = rows.iter().map(|(name, of_row)| {
        let values = columns.iter().map(|figure| of_row.get(*figure).map(short).unwrap_or_default());
        std::iter::once(name.clone()).chain(values).collect::<Vec<_>>()
    });
    let cells: Vec<_> = cells.collect();
    (!columns.is_empty() && !cells.is_empty()).then(|| table::render(&headings, &cells))
}

fn row(of: &str, policy: AdaptationPolicy, figure: Figure, figures: &Figures, target: Target) -> Option<Row> {
    let what = format!("virtual {of}, {}: {}", policy_name(policy), figure.title());
    Some(held(Row::new(what, round(figures.get(figure)?), figure.unit()), policy, target))
}

/// Only the product's policy is held to targets.
fn held(row: Row, policy: AdaptationPolicy, target: Target) -> Row {
    match policy {
        AdaptationPolicy::TwoLoop => row.against(target),
        AdaptationPolicy::FixedByClass | AdaptationPolicy::BandwidthOnly => row,
    }
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// As many digits as a table of many columns bears.
fn short(value: f64) -> String {
    // A sum of nothing is a negative zero.
    let value = value + 0.0;
    match value.abs() {
        size if size >= 10.0 => format!("{value:.0}"),
        size if size >= 1.0 || size == 0.0 => number((value * 10.0).round() / 10.0),
        _ => format!("{value:.2}"),
    }
}
