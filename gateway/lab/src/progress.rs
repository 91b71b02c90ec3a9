//! How far a long measurement is, for whoever waits for it.

use std::time::Duration;

/// Runs that are done, of all.
#[derive(Debug)]
pub struct Progress {
    done: usize,
    all: usize,
}

impl Progress {
    /// So many runs are to be done.
    #[must_use]
    pub const fn new(all: usize) -> Self {
        Self { done: 0, all }
    }

    /// One more is done, so long after the beginning: a line that tells what, and how long the rest takes if
    /// its runs are like those that are done.
    pub fn done(&mut self, elapsed: Duration, what: &str) -> String {
        self.done += 1;
        let rest = elapsed.mul_f64((self.all.saturating_sub(self.done)) as f64 / self.done as f64);
        format!("{}/{}, {} gone, about {} to go: {what}", self.done, self.all, clock(elapsed), clock(rest))
    }
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_expected_to_be_like_what_is_done() {
        let mut progress = Progress::new(5);
        let after = |seconds| Duration::from_secs(seconds);
        assert_eq!(progress.done(after(25), "a"), "1/5, 0:25 gone, about 1:40 to go: a");
        assert_eq!(progress.done(after(100), "b"), "2/5, 1:40 gone, about 2:30 to go: b");
    }
}
