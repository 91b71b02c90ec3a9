//! All outcomes together: a table per group for people, and rows with targets for the file of results.

use std::collections::BTreeMap;

use protocol::quality::AdaptationPolicy;
use report::results::{Row, Target};

use crate::comparison;
use crate::metrics::{Figure, Figures};
use crate::plan::{Group, POLICIES, Plan, policy_name};
use crate::tables::tables;
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

    /// The tables of a group, or nothing where nothing of it was run.
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
        tables(group.title(), &rows)
    }

    fn group_figures(&self, plans: &[Plan], group: Group) -> Vec<(AdaptationPolicy, Figures)> {
        let merged = POLICIES.map(|policy| (policy, self.merged(plans, &|plan| plan.group == group, policy)));
        merged.into_iter().filter(|(_, figures)| *figures != Figures::default()).collect()
    }

    /// The figures of those plans under a policy.
    pub(crate) fn merged(
        &self,
        plans: &[Plan],
        is_in: &dyn Fn(&Plan) -> bool,
        policy: AdaptationPolicy,
    ) -> Figures {
        let mut all = Figures::default();
        let of_policy = self.figures.iter().filter(|((_, other), _)| *other == place(policy));
        for (_, figures) in of_policy.filter(|((plan, _), _)| is_in(&plans[*plan])) {
            all.merge(figures);
        }
        all
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
                    rows.extend(row(&format!("all {}", group.title()), policy, figure, &figures, target));
                }
            }
        }
        rows.extend(comparison::rows(self, plans));
        rows
    }
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
