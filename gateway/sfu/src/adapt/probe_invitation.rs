//! Brings a browser to look for room on its uplink. libwebrtc probes an uplink at once for everything that it is
//! allowed, but only when it is allowed more at a moment at which it sends far less than it believes to fit (its
//! application limited region); else it believes 8 % more a second. A hiccup while little was sent makes it believe in
//! little, and everything would take up to half a minute. So it is asked for less than half of what comes for a
//! moment, and for everything after that.

use std::time::{Duration, Instant};

/// The invitations of one publisher.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProbeInvitation {
    state: State,
    /// How long the last wait for another invitation was.
    wait: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// It sends what it is asked for, or something else keeps it from that.
    #[default]
    None,
    /// It leaves out something since that instant, and says that it believes in no more.
    Withholding(Instant),
    /// It is asked for little since that instant.
    Resting(Instant),
    /// It was asked for everything at that instant, and since the other one it sends that.
    Invited(Instant, Option<Instant>),
}

/// What comes of what the publisher is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// All of it.
    Whole,
    /// It leaves out something because it believes in no more, as it says itself, and nothing else speaks for that.
    Withheld,
    /// Its uplink is known to carry no more, and more is not asked for.
    Limited,
}

/// What to ask of the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// What there is a use for.
    Everything,
    /// From now on less than half of what comes.
    Little,
    /// What it was asked for last.
    StillLittle,
    /// Everything, from now on.
    EverythingAgain,
}

impl ProbeInvitation {
    /// Decides anew.
    pub(super) fn evaluate(&mut self, now: Instant, supply: Supply) -> Ask {
        let passed = |since: Instant| now.saturating_duration_since(since);
        let (state, ask) = match self.state {
            State::None if supply == Supply::Withheld => (State::Withholding(now), Ask::Everything),
            State::None => (State::None, Ask::Everything),
            State::Withholding(_) if supply != Supply::Withheld => (State::None, Ask::Everything),
            State::Withholding(since) if passed(since) >= PATIENCE => (State::Resting(now), Ask::Little),
            State::Resting(since) if passed(since) >= REST => {
                (State::Invited(now, None), Ask::EverythingAgain)
            }
            State::Invited(_, Some(whole)) if supply == Supply::Whole && passed(whole) >= PROVEN => {
                self.wait = Duration::ZERO;
                (State::None, Ask::Everything)
            }
            State::Invited(since, _)
                if supply == Supply::Withheld && passed(since) >= self.wait.max(FIRST_WAIT) =>
            {
                self.wait = (self.wait * 2).clamp(2 * FIRST_WAIT, LONGEST_WAIT);
                (State::Resting(now), Ask::Little)
            }
            State::Invited(since, whole) => {
                let whole = (supply == Supply::Whole).then(|| whole.unwrap_or(now));
                (State::Invited(since, whole), Ask::Everything)
            }
            state @ State::Resting(_) => (state, Ask::StillLittle),
            state @ State::Withholding(_) => (state, Ask::Everything),
        };
        self.state = state;
        ask
    }
}

/// A key frame of every picture passes.
const PATIENCE: Duration = Duration::from_millis(200);

/// libwebrtc's detector wants 80 % of half a second unused, of two thirds of what it believes to fit, and begins at
/// all of it overused (`alr_detector.cc`, `interval_budget.cc`).
const REST: Duration = Duration::from_millis(1_800);

/// An invitation that was of no use is repeated after this time, then less and less often. By then it is known whether
/// the uplink carries no more.
const FIRST_WAIT: Duration = Duration::from_secs(6);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What came for so long was found by the probe.
const PROVEN: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(200);

    /// Steps of 200 ms at which it is asked for little, where the browser withholds as told.
    fn rests(steps: u32, withholds: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut invitation = ProbeInvitation::default();
        let mut ask = |step| {
            let supply = if withholds(step) { Supply::Withheld } else { Supply::Whole };
            invitation.evaluate(crate::testing::origin() + step * STEP, supply)
        };
        (0..steps).filter(|step| ask(*step) == Ask::Little).collect()
    }

    #[test]
    fn who_withholds_is_invited_at_once_and_less_and_less_often() {
        let at = rests(900, |_| true);
        let seconds: Vec<u32> = at.windows(2).map(|pair| (pair[1] - pair[0]) / 5).collect();
        assert_eq!((at[0], seconds), (1, vec![7, 13, 25, 49, 61]));
    }

    #[test]
    fn one_that_finds_room_is_left_alone() {
        assert_eq!(rests(600, |step| step < 10), [1]);
        assert_eq!(rests(600, |step| step % 300 < 10), [1, 301], "and the next time as at first");
    }

    #[test]
    fn a_moment_of_plenty_proves_nothing() {
        let at = rests(900, |step| step % 25 != 0);
        assert!(at.len() <= 6, "{at:?}");
    }

    #[test]
    fn who_withholds_for_a_moment_is_not_disturbed() {
        assert_eq!(rests(100, |step| step % 2 == 0), [0_u32; 0]);
    }

    #[test]
    fn a_rest_ends_with_an_invitation() {
        let mut invitation = ProbeInvitation::default();
        let asks =
            (0..20).map(|step| invitation.evaluate(crate::testing::origin() + step * STEP, Supply::Withheld));
        let mut asks: Vec<Ask> = asks.collect();
        asks.dedup();
        use Ask::{Everything, EverythingAgain, Little, StillLittle};
        assert_eq!(asks, [Everything, Little, StillLittle, EverythingAgain, Everything]);
    }

    #[test]
    fn a_limit_that_is_known_proves_nothing() {
        let mut invitation = ProbeInvitation::default();
        let mut now = crate::testing::origin();
        let mut run = |steps: u32, supply| {
            let asks = (0..steps).map(|_| {
                now += STEP;
                invitation.evaluate(now, supply)
            });
            asks.filter(|ask| *ask == Ask::Little).count()
        };
        assert_eq!(run(12, Supply::Withheld), 1);
        assert_eq!(run(15, Supply::Limited), 0);
        assert_eq!(
            run(12, Supply::Withheld),
            0,
            "it still waits, unlike after four seconds in which all came"
        );
    }
}
