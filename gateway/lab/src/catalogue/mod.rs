//! The scenarios of the lab. One file per group.

mod named_trace;
mod networks;
mod rfc8867;
mod steps;
mod traces;
mod window;

use crate::plan::Plan;

pub use self::traces::measured_plans;

/// Every scenario that needs no measured trace.
#[must_use]
pub fn plans() -> Vec<Plan> {
    let mut plans = steps::plans();
    plans.extend(rfc8867::plans());
    plans.extend(networks::plans());
    plans.extend(traces::plans());
    plans
}
