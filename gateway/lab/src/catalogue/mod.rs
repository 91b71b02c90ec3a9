//! The scenarios of the lab. One file per group.

mod networks;
mod rfc8867;
mod steps;
mod traces;

use std::path::Path;

use crate::plan::Plan;

pub use self::traces::measured_traces;

/// Every scenario; those on measured traces only where their folder is there.
#[must_use]
pub fn plans(traces: Option<&Path>) -> Vec<Plan> {
    let mut plans = steps::plans();
    plans.extend(rfc8867::plans());
    plans.extend(networks::plans());
    plans.extend(traces::plans(traces));
    plans
}
