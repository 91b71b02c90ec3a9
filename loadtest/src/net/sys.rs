//! The few calls to the kernel that the standard library and `nix` have no safe form for. All unsafe code is here.
#![expect(unsafe_code, reason = "TUNSETIFF and sched_setscheduler have no safe wrapper")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// Above every ordinary process, below the kernel's own threads.
const REALTIME_PRIORITY: i32 = 50;

/// The longest device name that the kernel takes, without its terminating zero.
pub(crate) const MAX_DEVICE_NAME: usize = libc::IFNAMSIZ - 1;

/// Opens a TUN device of this name in the network namespace of the calling thread.
pub(crate) fn open_tun(name: &str) -> io::Result<File> {
    if name.is_empty() || name.len() > MAX_DEVICE_NAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "device name too long"));
    }
    let tun =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        },
    };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: `tun` is an open descriptor, `request` is a whole `ifreq` that outlives the call, and its name ends
    // in a zero because at most `MAX_DEVICE_NAME` bytes of it were written.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &mut request) };
    if result == 0 { Ok(tun) } else { Err(io::Error::last_os_error()) }
}

/// Gives the calling thread real-time priority.
pub(crate) fn become_realtime() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: REALTIME_PRIORITY };
    // SAFETY: `parameters` is a whole `sched_param` that outlives the call; thread 0 is the caller.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
