//! Virtual time of the tests beside: every call counts from the same origin.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static ORIGIN: LazyLock<Instant> = LazyLock::new(crate::testing::origin);

/// The moment `millis` after the origin.
pub(crate) fn at(millis: u64) -> Instant {
    *ORIGIN + Duration::from_millis(millis)
}
