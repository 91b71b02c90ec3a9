//! One subscriber's choice: a layer for each demand, within the budget, of the greatest utility. A
//! multiple-choice knapsack: exact for as many demands as a small room has. With more, the best buys are taken
//! greedily, and only the demands at the edge of the budget are weighed against each other exactly.

use protocol::units::Bitrate;

use super::choice::Choice;

/// The best choice for each list within the budget; `None` where a list is left out. Lists are undominated,
/// cheapest first.
pub(super) fn solve(lists: &[Vec<Choice>], budget: Bitrate) -> Vec<Option<Choice>> {
    let tops = lists.iter().map(|list| list.last().copied());
    if tops.clone().flatten().map(|choice| choice.price).sum::<Bitrate>() <= budget {
        return tops.collect();
    }
    if lists.len() <= SMALL { weigh(lists.iter(), budget) } else { buy(lists, budget) }
}

/// Demands that are weighed against each other exactly, and how many of more are.
const SMALL: usize = 8;
const CORE: usize = 5;

/// Tries every combination that no other beats in both price and utility.
fn weigh<'a>(
    lists: impl DoubleEndedIterator<Item = &'a Vec<Choice>> + ExactSizeIterator + Clone,
    budget: Bitrate,
) -> Vec<Option<Choice>> {
    let mut stages: Vec<Vec<State>> = Vec::with_capacity(lists.len());
    let mut states = vec![State { price: 0, utility: 0, parent: 0, taken: NOTHING }];
    for list in lists.clone() {
        let next = extend(&states, list, budget.as_bps());
        stages.push(std::mem::replace(&mut states, next));
    }
    // States are sorted by price with rising utility: the last is the best.
    let mut at = states.len().saturating_sub(1);
    let mut picked = vec![None; lists.len()];
    let mut level = states;
    for (list, pick) in lists.rev().zip(picked.iter_mut().rev()) {
        let Some(state) = level.get(at).copied() else { break };
        *pick = list.get(usize::from(state.taken)).copied();
        at = usize::from(state.parent);
        level = stages.pop().unwrap_or_default();
    }
    picked
}

#[derive(Debug, Clone, Copy)]
struct State {
    price: u64,
    utility: u64,
    parent: u16,
    taken: u8,
}

const NOTHING: u8 = u8::MAX;

/// States kept between demands. Small rooms never reach it; beyond it, states of nearly one price merge.
const MAX_STATES: usize = 128;

fn extend(states: &[State], list: &[Choice], budget: u64) -> Vec<State> {
    let without = states.iter().enumerate().map(|(parent, state)| State {
        parent: parent as u16,
        taken: NOTHING,
        ..*state
    });
    let with = list.iter().enumerate().flat_map(|(taken, choice)| {
        states.iter().enumerate().map_while(move |(parent, state)| {
            let price = state.price + choice.price.as_bps();
            let utility = state.utility + choice.utility;
            (price <= budget).then_some(State { price, utility, parent: parent as u16, taken: taken as u8 })
        })
    });
    let all = without.chain(with);
    if states.len() * (list.len() + 1) > EXACT_STATES {
        return thin(all, budget);
    }
    let mut next: Vec<State> = all.collect();
    next.sort_unstable_by_key(|state| (state.price, std::cmp::Reverse(state.utility)));
    keep_undominated(&mut next);
    if next.len() > MAX_STATES { thin(next.into_iter(), budget) } else { next }
}

/// Up to this many states are sorted and compared exactly; more are thinned as they come.
const EXACT_STATES: usize = 512;

fn keep_undominated(states: &mut Vec<State>) {
    let mut best = None;
    states.retain(|state| {
        let better = best.is_none_or(|best| state.utility > best);
        if better {
            best = Some(state.utility);
        }
        better
    });
}

/// Keeps the best state of every slice of the budget, cheapest first and undominated.
fn thin(states: impl Iterator<Item = State>, budget: u64) -> Vec<State> {
    let mut slices: [Option<State>; MAX_STATES] = [None; MAX_STATES];
    let slices_per_bit = MAX_STATES as f64 / budget.max(1) as f64;
    for state in states {
        let slot = &mut slices[((state.price as f64 * slices_per_bit) as usize).min(MAX_STATES - 1)];
        let better = slot.is_none_or(|kept| {
            (state.utility, std::cmp::Reverse(state.price)) > (kept.utility, std::cmp::Reverse(kept.price))
        });
        if better {
            *slot = Some(state);
        }
    }
    let mut kept: Vec<State> = slices.into_iter().flatten().collect();
    keep_undominated(&mut kept);
    kept
}

/// A step from one choice of a list to a dearer one.
#[derive(Debug, Clone, Copy)]
struct Step {
    list: u16,
    to: u8,
    price: u64,
    utility: u64,
}

impl Step {
    /// What it brings for its price.
    fn value(&self) -> f64 {
        self.utility as f64 / self.price.max(1) as f64
    }
}

/// Takes the steps that bring most for their price until the budget is spent, then weighs the demands whose
/// steps came last, or came too late, against each other.
fn buy(lists: &[Vec<Choice>], budget: Bitrate) -> Vec<Option<Choice>> {
    let mut steps: Vec<Step> = Vec::with_capacity(lists.len() * 4);
    for (index, list) in lists.iter().enumerate() {
        climb(index as u16, list, &mut steps);
    }
    steps.sort_by(|one, other| other.value().total_cmp(&one.value()));
    let mut held: Vec<Option<u8>> = vec![None; lists.len()];
    let mut closed = vec![false; lists.len()];
    let mut spent = 0;
    let mut edge = steps.len();
    for (position, step) in steps.iter().enumerate() {
        let list = usize::from(step.list);
        if closed[list] {
            continue;
        }
        if spent + step.price <= budget.as_bps() {
            spent += step.price;
            held[list] = Some(step.to);
        } else {
            edge = edge.min(position);
            closed[list] = true;
        }
    }
    let core = around(&steps, edge);
    let choice = |list: usize| held[list].and_then(|to| lists[list].get(usize::from(to)).copied());
    let mut picked: Vec<Option<Choice>> = (0..lists.len()).map(choice).collect();
    let in_core: Bitrate = core.iter().filter_map(|list| picked[*list]).map(|choice| choice.price).sum();
    let rest = budget - (Bitrate::bps(spent) - in_core);
    let weighed = weigh(core.iter().map(|list| &lists[*list]), rest);
    let worth = |picks: &mut dyn Iterator<Item = Option<Choice>>| -> u64 {
        picks.flatten().map(|choice| choice.utility).sum()
    };
    if worth(&mut weighed.iter().copied()) >= worth(&mut core.iter().map(|list| picked[*list])) {
        for (list, pick) in core.iter().zip(weighed) {
            picked[*list] = pick;
        }
    }
    picked
}

/// The steps up a list that bring ever less for their price: its upper hull.
fn climb(list: u16, choices: &[Choice], steps: &mut Vec<Step>) {
    let first = steps.len();
    for (to, choice) in choices.iter().enumerate() {
        let mut step = Step { list, to: to as u8, price: choice.price.as_bps(), utility: choice.utility };
        let below: (u64, u64) = steps[first..]
            .iter()
            .fold((0, 0), |(price, utility), step| (price + step.price, utility + step.utility));
        (step.price, step.utility) =
            (step.price.saturating_sub(below.0), step.utility.saturating_sub(below.1));
        // Two steps of which the second brings more are one.
        while let Some(last) = steps[first..].last()
            && step.value() > last.value()
        {
            step.price += last.price;
            step.utility += last.utility;
            steps.pop();
        }
        steps.push(step);
    }
}

/// The demands whose steps lie nearest to the edge of the budget.
fn around(steps: &[Step], edge: usize) -> Vec<usize> {
    let mut core: Vec<usize> = Vec::with_capacity(CORE);
    let (mut below, mut above) = (edge, edge);
    while core.len() < CORE && (below > 0 || above < steps.len()) {
        let mut take = |step: &Step| {
            let list = usize::from(step.list);
            if core.len() < CORE && !core.contains(&list) {
                core.push(list);
            }
        };
        if let Some(step) = steps.get(above) {
            take(step);
            above += 1;
        }
        if below > 0 {
            below -= 1;
            take(&steps[below]);
        }
    }
    core
}
