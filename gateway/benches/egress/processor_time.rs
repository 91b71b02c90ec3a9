//! The processor time of the calling thread: what others do on the machine is not in it.

use std::sync::OnceLock;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Measurements of nothing, to learn what measuring takes.
const EMPTY_MEASUREMENTS: usize = 1_001;

/// The processor time that `work` takes, in the kernel too, without what measuring itself takes.
pub(crate) fn processor_time(work: impl FnOnce()) -> Duration {
    static OVERHEAD: OnceLock<Duration> = OnceLock::new();
    let overhead = OVERHEAD.get_or_init(|| {
        let mut empty: Vec<Duration> = (0..EMPTY_MEASUREMENTS).map(|_| measure(|| ())).collect();
        empty.sort();
        empty[EMPTY_MEASUREMENTS / 2]
    });
    measure(work).saturating_sub(*overhead)
}

fn measure(work: impl FnOnce()) -> Duration {
    let before = now();
    work();
    now().saturating_sub(before)
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("threads have a clock").into()
}
