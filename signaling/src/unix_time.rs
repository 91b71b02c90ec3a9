//! Wall-clock time at the edges: tokens, the API and the store. Nothing is scheduled by it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Whole seconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct UnixTime(u64);

impl UnixTime {
    pub(crate) const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    pub(crate) const fn as_secs(self) -> u64 {
        self.0
    }

    /// Reads the clock; a clock before 1970 reads as 1970.
    pub(crate) fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    pub(crate) const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }
}
