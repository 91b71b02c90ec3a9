//! What processes cost, by what the kernel says of them.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Processor time and memory of some processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// In user space and in the kernel, since they began.
    pub(crate) cpu: Duration,
    /// Resident, in KiB.
    pub(crate) resident_kib: u64,
}

impl ProcessUsage {
    /// Reads what these processes have used in all.
    ///
    /// # Errors
    /// Where one of them is not there.
    pub(crate) fn read(pids: &[u32]) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        for pid in pids {
            let gone = || format!("process {pid} is not there");
            let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(gone)?;
            // Threads that have ended are in it, and it counts nanoseconds where /proc counts hundredths of a second.
            let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(*pid)?)).with_context(gone)?;
            sum.cpu += Duration::from(clock_gettime(clock).with_context(gone)?);
            sum.resident_kib += resident_of(&status).unwrap_or(0);
        }
        Ok(sum)
    }
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_found_among_the_rest() {
        assert_eq!(resident_of("Name:\ta\nVmRSS:\t   2048 kB\n"), Some(2_048));
        assert_eq!(resident_of("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_can_be_read_finer_than_the_ticks_of_the_kernel() {
        let usage = ProcessUsage::read(&[std::process::id()]).expect("this process");
        assert!(!usage.cpu.subsec_nanos().is_multiple_of(10_000_000) && usage.resident_kib > 0);
        assert!(ProcessUsage::read(&[u32::MAX]).is_err());
    }
}
