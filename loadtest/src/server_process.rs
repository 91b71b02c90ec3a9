//! A server that a measurement starts and ends.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// A server that does not listen by then will not.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A running server; it ends with this.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts a command, on some cores only where such are given, and waits until it listens there.
    ///
    /// # Errors
    /// Where it cannot be started, ends, or does not listen in time.
    pub(crate) fn start(
        command: &mut Command,
        cores: Option<&[usize]>,
        (host, port): (&str, u16),
    ) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = match cores {
            Some(cores) => on_cores(cores, || command.spawn())?,
            None => command.spawn(),
        };
        let mut server = Self { child: child.with_context(|| format!("start {name}"))? };
        let until = Instant::now() + PATIENCE;
        while !(host, port).to_socket_addrs()?.any(|address| TcpStream::connect(address).is_ok()) {
            if let Some(status) = server.child.try_wait()? {
                bail!("{name} ended before it listened: {status}");
            }
            if Instant::now() >= until {
                bail!("{name} does not listen on {host}:{port} after {PATIENCE:?}");
            }
            std::thread::sleep(LOOK);
        }
        Ok(server)
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cores that this thread may run on.
///
/// # Errors
/// Where the kernel does not say.
pub(crate) fn allowed_cores() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("ask for the cores")?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core) == Ok(true)).collect())
}

/// Does something while this thread, and what it starts, has these cores only.
///
/// # Errors
/// Where the kernel refuses.
pub(crate) fn on_cores<T>(cores: &[usize], act: impl FnOnce() -> T) -> anyhow::Result<T> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this).context("ask for the cores")?;
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|core| set.set(*core)).context("name a core")?;
    sched_setaffinity(this, &set).with_context(|| format!("stay on cores {cores:?}"))?;
    let done = act();
    sched_setaffinity(this, &before).context("go back to all cores")?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_its_cores_and_comes_back() {
        let all = allowed_cores().expect("cores");
        let last = *all.last().expect("a core");
        assert_eq!(on_cores(&[last], allowed_cores).expect("pinned").expect("cores"), [last]);
        assert_eq!(allowed_cores().expect("cores"), all);
    }

    #[test]
    fn a_command_that_ends_is_no_server() {
        let error = ServerProcess::start(&mut Command::new("false"), None, ("127.0.0.1", 9));
        assert!(error.is_err_and(|error| error.to_string().contains("ended before it listened")));
    }
}
