//! Spares an operator that fails, and everybody who would wait for it: after a row of failures nobody asks for
//! a while, then one request tries whether it is back.

use std::time::{Duration, Instant};

/// Failures in a row that open it: one slow answer is none, a restart of the operator's server is.
const TOLERATED: u32 = 5;

/// How long nobody asks at first; doubled with every trial that fails.
const FIRST_REST: Duration = Duration::from_secs(15);
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Whether the operator may be asked.
#[derive(Debug)]
pub(crate) struct CircuitBreaker {
    state: State,
    rest: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One request is under way to try.
    Trying,
}

impl CircuitBreaker {
    pub(crate) fn new() -> Self {
        Self { state: State::Closed { failures: 0 }, rest: FIRST_REST }
    }

    /// Whether a request may go out; where it only may as a trial, no other may until its outcome is known.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                self.state = State::Trying;
                true
            }
            State::Open { .. } | State::Trying => false,
        }
    }

    pub(crate) fn handle_success(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn handle_failure(&mut self, now: Instant) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < TOLERATED => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => State::Open { until: now + self.rest },
            State::Trying => {
                self.rest = (self.rest * 2).min(LONGEST_REST);
                State::Open { until: now + self.rest }
            }
            // One that had gone out before it opened.
            open @ State::Open { .. } => open,
        };
    }

    /// When a request may go out again, where none may now for a known time.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::Trying => None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(breaker: &mut CircuitBreaker, now: Instant, times: u32) {
        (0..times).for_each(|_| breaker.handle_failure(now));
    }

    #[test]
    fn a_row_of_failures_opens_it_and_one_success_closes_it() {
        let now = Instant::now();
        let mut breaker = CircuitBreaker::new();
        failed(&mut breaker, now, TOLERATED - 1);
        assert!(breaker.admits(now));
        breaker.handle_success();
        failed(&mut breaker, now, TOLERATED);
        assert!(!breaker.admits(now) && breaker.is_open());
        let later = breaker.opens_at().unwrap();
        assert_eq!(later, now + FIRST_REST);
        assert!(breaker.admits(later), "one tries");
        assert!(!breaker.admits(later), "and only one");
        breaker.handle_success();
        assert!(breaker.admits(later) && breaker.admits(later));
    }

    #[test]
    fn it_rests_longer_with_every_trial_that_fails() {
        let mut now = Instant::now();
        let mut breaker = CircuitBreaker::new();
        failed(&mut breaker, now, TOLERATED);
        let mut rests = Vec::new();
        for _ in 0..7 {
            let until = breaker.opens_at().unwrap();
            rests.push((until - now).as_secs());
            now = until;
            assert!(breaker.admits(now));
            breaker.handle_failure(now);
        }
        assert_eq!(rests, [15, 30, 60, 120, 240, 300, 300]);
    }
}
