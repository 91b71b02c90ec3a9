//! What processes cost, by what the kernel says of them.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// The kernel tells user space of hundredths of a second, whatever its own clock (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

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
            let file = |name| fs::read_to_string(format!("/proc/{pid}/{name}"));
            let (stat, status) = file("stat")
                .and_then(|stat| Ok((stat, file("status")?)))
                .with_context(|| format!("process {pid} is not there"))?;
            sum.cpu += cpu_of(&stat).with_context(|| format!("read the time of process {pid}"))?;
            sum.resident_kib += resident_of(&status).unwrap_or(0);
        }
        Ok(sum)
    }
}

/// `utime` and `stime`, the fields 14 and 15 (proc_pid_stat(5)); the name before them may hold anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse::<u32>().ok()?.checked_add(fields.next()?.parse().ok()?)?;
    Some(TICK * ticks)
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 99 1000 10 18446744073709551615";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("7 (a) S 1"), None);
        assert_eq!(resident_of("Name:\ta\nVmRSS:\t   2048 kB\n"), Some(2_048));
    }

    #[test]
    fn this_process_can_be_read() {
        let usage = ProcessUsage::read(&[std::process::id()]).expect("this process");
        assert!(usage.resident_kib > 0);
        assert!(ProcessUsage::read(&[u32::MAX]).is_err());
    }
}
