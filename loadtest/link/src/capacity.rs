//! The rate of a link, and the arithmetic of when a rate has served an amount of work.

use std::sync::Arc;
use std::time::Duration;

use protocol::units::{Bitrate, DataSize};

use crate::CapacityTrace;

/// Bits times 10⁹: what a rate in bits per second serves in a nanosecond is a whole number of these,
/// so serving a packet in many steps or in one comes to the same instant.
pub(crate) type Work = u128;

pub(crate) fn work_of(size: DataSize) -> Work {
    Work::from(size.as_bytes()) * 8 * 1_000_000_000
}

/// What `rate` serves in `time`.
pub(crate) fn served(rate: Bitrate, time: Duration) -> Work {
    Work::from(rate.as_bps()) * time.as_nanos()
}

/// The time `rate` needs for `work`, rounded up; `None` where it never gets done.
pub(crate) fn time_for(work: Work, rate: Bitrate) -> Option<Duration> {
    if work == 0 {
        return Some(Duration::ZERO);
    }
    let bps = Work::from(rate.as_bps());
    let nanos = (bps > 0).then(|| work.div_ceil(bps))?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// How fast a link sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Capacity {
    /// Sending takes no time, so nothing ever queues.
    #[default]
    Unlimited,
    /// One rate; zero is an outage.
    Constant(Bitrate),
    /// A rate over time, begun anew where it ends.
    Trace(Arc<CapacityTrace>),
}

impl Capacity {
    /// The rate at `offset` after the capacity was set.
    pub(crate) fn rate_at(&self, offset: Duration) -> Bitrate {
        match self {
            Self::Unlimited => Bitrate::MAX,
            Self::Constant(rate) => *rate,
            Self::Trace(trace) => trace.rate_at(offset),
        }
    }

    /// The offset at which `work` begun at `from` is done; `None` where it never is.
    pub(crate) fn done_at(&self, from: Duration, work: Work) -> Option<Duration> {
        match self {
            Self::Unlimited => Some(from),
            Self::Constant(rate) => from.checked_add(time_for(work, *rate)?),
            Self::Trace(trace) => trace.done_at(from, work),
        }
    }

    /// The work served between two offsets.
    pub(crate) fn served_between(&self, from: Duration, to: Duration) -> Work {
        match self {
            Self::Unlimited => Work::MAX,
            Self::Constant(rate) => served(*rate, to.saturating_sub(from)),
            Self::Trace(trace) => trace.served_until(to).saturating_sub(trace.served_until(from)),
        }
    }
}

impl From<Bitrate> for Capacity {
    fn from(rate: Bitrate) -> Self {
        Self::Constant(rate)
    }
}

impl From<CapacityTrace> for Capacity {
    fn from(trace: CapacityTrace) -> Self {
        Self::Trace(Arc::new(trace))
    }
}
