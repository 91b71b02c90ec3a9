//! The NTP clock (RFC 3550 §4) of a simulated browser.

use std::time::Duration;

/// Some day of the present era.
const EPOCH_SECONDS: u64 = 3_900_000_000;

/// 32.32 fixed-point seconds.
pub(super) fn ntp_time(elapsed: Duration) -> u64 {
    let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
    (EPOCH_SECONDS + elapsed.as_secs()) << 32 | fraction
}

/// 16.16 fixed-point seconds, as reception reports hold them.
pub(super) fn short(time: u64) -> u32 {
    (time >> 16) as u32
}
