//! How many files and sockets the process may have open. Systems begin with a thousand or so and let a process have many
//! more: a lecture hall that comes at once needs them.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets the process have as many as the system allows; tells how many these are.
///
/// # Errors
///
/// Where the system refuses: it goes on with what it has.
pub fn raise_descriptor_limit() -> Result<u64, Errno> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_may_have_what_the_system_allows() {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        setrlimit(Resource::RLIMIT_NOFILE, most.min(512), most).expect("fewer");
        assert_eq!(raise_descriptor_limit(), Ok(most));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok((most, most)));
    }
}
