//! What the unit tests share: an origin of virtual time.

use std::time::Instant;

/// Some instant; tests count from here and never read the clock again.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by the clock; its value is never used"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}
