//! What a publisher's uplink is known to carry at most, if anything is known. Little traffic is no evidence: a limit
//! stands only where something that was asked for does not come, and where trains of packets show no more room, or
//! the page says so. It is lifted as soon as trains show room, and tried against in any case, less often each time
//! that this fails.

use std::time::{Duration, Instant};

use protocol::ladder::Rung;
use protocol::units::Bitrate;

use super::participant::SPENDABLE;

/// The limit of one uplink.
#[derive(Debug, Clone, Default)]
pub(super) struct UplinkLimit {
    state: State,
    /// How fast packets come that come one behind the other, smoothed, and when that was last seen.
    trains: Option<(Bitrate, Instant)>,
    short_since: Option<Instant>,
    /// How long room that shows is not believed after it was believed in vain, doubled with each time.
    doubt: Duration,
    /// How long the next attempt at random waits, likewise.
    wait: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// Nothing speaks for a limit.
    #[default]
    Open,
    /// The limit was lifted at that instant, and everything asked for.
    Lifted(Instant),
    /// Not everything is asked for.
    Limited(Limited),
}

#[derive(Debug, Clone, Copy)]
struct Limited {
    carries: Bitrate,
    /// Whether trains show what it carries: they pass a policer that the sum does not pass.
    by_trains: bool,
    /// Room that shows is not believed before, unless it is far more than what was seen and did not last.
    doubted_until: Instant,
    disproved: Bitrate,
    /// When it is tried against, whatever shows.
    attempt_at: Instant,
    /// When room that showed was last believed.
    believed_at: Option<Instant>,
    /// Since when more is seen to fit.
    roomy_since: Option<Instant>,
    /// Since when one level more is asked for.
    trying_since: Option<Instant>,
    /// When what is wanted last exceeded it.
    pressed_at: Instant,
}

/// What is asked of a publisher, and what comes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    /// The least that all pictures take for which there is a use.
    pub(super) wanted: Bitrate,
    /// What its voices take.
    pub(super) voices: Bitrate,
    /// What arrives of it, whatever it is.
    pub(super) arriving: Bitrate,
    /// Whether something that was asked for is missing.
    pub(super) shortage: Shortage,
}

/// Whether something that a publisher is asked for does not come as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Shortage {
    /// Everything comes, or something else than the uplink is the reason.
    #[default]
    None,
    /// Encodings are missing, or come with holes.
    Seen,
    /// Likewise, and the page names the uplink as the reason.
    Told,
}

/// What pictures may take of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UplinkShare {
    pub(super) rate: Bitrate,
    /// Whether one level more than fits shall be asked for, to see whether it comes.
    pub(super) trying: bool,
}

impl UplinkLimit {
    /// Takes the rate of trains of packets.
    pub(super) fn handle_trains(&mut self, now: Instant, rate: Bitrate) {
        let fresh = self.trains(now).map_or(rate, |before| mix(before, rate));
        self.trains = Some((fresh, now));
    }

    /// Decides anew.
    pub(super) fn evaluate(&mut self, now: Instant, traffic: Traffic) {
        let short = traffic.shortage > Shortage::None;
        self.short_since = short.then(|| self.short_since.unwrap_or(now));
        let short_for = self.short_since.map_or(Duration::ZERO, |since| elapsed(since, now));
        let enough = (traffic.wanted + traffic.voices).scaled(1.0 / SPENDABLE);
        self.state = match self.state {
            State::Open | State::Lifted(_) if short_for >= PATIENCE => self.impose(now, traffic, enough),
            State::Lifted(since) if elapsed(since, now) >= PROVEN => {
                (self.doubt, self.wait) = (Duration::ZERO, Duration::ZERO);
                State::Open
            }
            State::Open => State::Open,
            State::Lifted(since) => State::Lifted(since),
            State::Limited(limited) => self.follow(now, traffic, enough, limited, short_for),
        };
    }

    /// Forgets what is known: everything is asked for.
    pub(super) fn lift(&mut self, now: Instant) {
        self.state = State::Lifted(now);
        self.short_since = None;
    }

    /// Whether trains show a narrow link, and are not just what paces a browser: libwebrtc sends at two and a half
    /// times what it believes to fit.
    pub(super) fn is_narrow(&self, now: Instant, wanted: Bitrate, arriving: Bitrate) -> bool {
        let is_link = |trains: Bitrate| trains < wanted && arriving >= trains.scaled(NARROW);
        self.trains(now).is_some_and(is_link)
    }

    /// What pictures may take; `None` where no limit is known.
    pub(super) fn share(&self, voices: Bitrate) -> Option<UplinkShare> {
        match self.state {
            State::Open | State::Lifted(_) => None,
            State::Limited(limited) => Some(UplinkShare {
                rate: limited.carries.scaled(SPENDABLE) - voices,
                trying: limited.trying_since.is_some(),
            }),
        }
    }

    /// What the uplink carries in all; `None` where no limit is known.
    pub(super) fn carries(&self) -> Option<Bitrate> {
        match self.state {
            State::Open | State::Lifted(_) => None,
            State::Limited(limited) => Some(limited.carries),
        }
    }

    fn trains(&self, now: Instant) -> Option<Bitrate> {
        self.trains.filter(|(_, at)| elapsed(*at, now) < TRAIN_MEMORY).map(|(rate, _)| rate)
    }

    /// Something has been missing for long: is it for want of room?
    fn impose(&mut self, now: Instant, traffic: Traffic, enough: Bitrate) -> State {
        let is_filled = |trains: &Bitrate| traffic.arriving >= trains.scaled(FILLED);
        let narrow = self.trains(now).filter(|trains| *trains < enough).filter(is_filled);
        if narrow.is_none() && traffic.shortage < Shortage::Told {
            return self.state;
        }
        if let State::Lifted(_) = self.state {
            self.doubt = doubled(self.doubt);
        }
        self.short_since = None;
        let carries = traffic.arriving.max(narrow.unwrap_or(Bitrate::ZERO));
        State::Limited(Limited {
            carries,
            disproved: carries,
            by_trains: narrow.is_some(),
            doubted_until: now + self.doubt,
            attempt_at: now + FIRST_ATTEMPT,
            believed_at: None,
            roomy_since: None,
            trying_since: None,
            pressed_at: now,
        })
    }

    fn follow(
        &mut self,
        now: Instant,
        traffic: Traffic,
        enough: Bitrate,
        mut limited: Limited,
        short_for: Duration,
    ) -> State {
        if enough > limited.carries {
            limited.pressed_at = now;
        } else if elapsed(limited.pressed_at, now) >= FORGOTTEN {
            return State::Open;
        }
        let trains = self.trains(now).filter(|_| limited.by_trains);
        let seen = traffic.arriving.max(trains.unwrap_or(Bitrate::ZERO));
        if let Some(since) = limited.trying_since {
            if elapsed(since, now) >= ATTEMPT {
                self.end_attempt(now, traffic, seen, &mut limited);
            }
        } else if short_for >= PATIENCE {
            self.short_since = None;
            self.lower(now, traffic, seen, &mut limited);
        } else if now >= limited.attempt_at && enough > limited.carries {
            limited.trying_since = Some(now);
        }
        let roomy = seen > limited.carries.scaled(NOTABLE);
        limited.roomy_since = roomy.then(|| limited.roomy_since.unwrap_or(now));
        let lasting = limited.roomy_since.is_some_and(|since| elapsed(since, now) >= ROOM_PATIENCE);
        let new = now >= limited.doubted_until || seen > limited.disproved.scaled(FAR_MORE);
        if lasting && new {
            limited.carries = seen;
            limited.believed_at = Some(now);
            limited.roomy_since = None;
            if seen >= enough.scaled(NOTABLE) {
                return State::Lifted(now);
            }
        }
        State::Limited(limited)
    }

    /// What should have fitted is missing: it carries even less.
    fn lower(&mut self, now: Instant, traffic: Traffic, seen: Bitrate, limited: &mut Limited) {
        let least = (Rung::P180.nominal_bitrate() + traffic.voices).scaled(1.0 / SPENDABLE);
        let lowered = seen.min(limited.carries.scaled(LOWERED)).max(traffic.arriving).max(least);
        if lowered >= limited.carries {
            return;
        }
        if limited.believed_at.is_some_and(|at| elapsed(at, now) < PROVEN) {
            self.doubt = doubled(self.doubt);
        }
        limited.disproved = limited.carries.max(seen);
        limited.doubted_until = now + self.doubt;
        limited.carries = lowered;
        limited.roomy_since = None;
    }

    /// Did what was asked for at random come?
    fn end_attempt(&mut self, now: Instant, traffic: Traffic, seen: Bitrate, limited: &mut Limited) {
        if traffic.shortage > Shortage::None {
            self.wait = doubled(self.wait);
        } else {
            self.wait = Duration::ZERO;
            limited.carries = limited.carries.max(seen);
        }
        self.short_since = None;
        limited.trying_since = None;
        limited.attempt_at = now + self.wait.max(FIRST_ATTEMPT);
    }
}

fn doubled(wait: Duration) -> Duration {
    (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT)
}

fn mix(before: Bitrate, new: Bitrate) -> Bitrate {
    before.scaled(1.0 - NEW_SHARE) + new.scaled(NEW_SHARE)
}

fn elapsed(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since)
}

/// How long something must be missing, besides the time that a publisher has to follow a plan.
const PATIENCE: Duration = Duration::from_secs(2);

/// Trains come with every larger frame; after this time without one, nothing is known of them.
const TRAIN_MEMORY: Duration = Duration::from_secs(4);

/// Weight of the trains of the last fifth of a second: one that a radio pressed together moves little.
const NEW_SHARE: f64 = 0.3;

/// A publisher whose uplink keeps something back fills more than this share of it: the next picture up takes at most
/// three times what the one below does. One that sends less has nothing more to send.
const FILLED: f64 = 0.25;

/// Who fills more than this share of what trains show is held back by the link.
const NARROW: f64 = 0.6;

/// What is seen to fit must exceed the limit by so much, and for so long, before it is believed.
const NOTABLE: f64 = 1.1;
const ROOM_PATIENCE: Duration = Duration::from_millis(600);

/// Room this far beyond what was disproved is another uplink's.
const FAR_MORE: f64 = 1.4;

/// What does not come although it should fit lowers the limit at least by so much, but never below a small picture:
/// a publisher that is asked for less and less sends less and less, whatever its uplink carries.
const LOWERED: f64 = 0.9;

/// A limit is tried against for the first time after so long. An attempt takes the time that a publisher has to follow
/// a plan, and that HD takes to prove itself.
const FIRST_ATTEMPT: Duration = Duration::from_secs(4);
const ATTEMPT: Duration = Duration::from_secs(6);

/// What an attempt costs is a key frame or two, and what room believed in vain costs is a worse picture for seconds.
const FIRST_WAIT: Duration = Duration::from_secs(4);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Everything has come for so long that earlier failures count no more.
const PROVEN: Duration = Duration::from_secs(10);

/// A limit that nothing has come near to for so long may be another by now.
const FORGOTTEN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(200);

    /// An uplink and a browser that leaves out what does not fit.
    struct Uplink {
        limit: UplinkLimit,
        now: Instant,
        capacity: Bitrate,
        /// What the page says of it.
        shortage: Shortage,
        /// Whether trains pass faster than the capacity.
        policed: bool,
    }

    /// The least of 180, 480 and 720 lines.
    const WANTED: Bitrate = Bitrate::kbps(1_790);

    impl Uplink {
        fn new(capacity: u64) -> Self {
            let now = crate::testing::origin();
            let capacity = Bitrate::kbps(capacity);
            Self { limit: UplinkLimit::default(), now, capacity, shortage: Shortage::Seen, policed: false }
        }

        fn run(&mut self, time: Duration) {
            let until = self.now + time;
            while self.now < until {
                self.now += STEP;
                let voices = Bitrate::kbps(40);
                let share = self.limit.share(voices);
                let asked =
                    share.filter(|share| !share.trying).map_or(WANTED, |share| share.rate.min(WANTED));
                let fits = asked + voices <= self.capacity;
                let arriving = (asked + voices).min(self.capacity.scaled(0.8));
                let trains =
                    if self.policed { Bitrate::mbps(20) } else { arriving.scaled(2.5).min(self.capacity) };
                self.limit.handle_trains(self.now, trains);
                let shortage = if fits { Shortage::None } else { self.shortage };
                self.limit.evaluate(self.now, Traffic { wanted: WANTED, voices, arriving, shortage });
            }
        }

        fn carries(&self) -> Option<u64> {
            self.limit.carries().map(Bitrate::as_kbps)
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_narrow_uplink_is_found_out_and_known() {
        let mut uplink = Uplink::new(1_200);
        uplink.run(secs(1));
        assert_eq!(uplink.carries(), None, "a hiccup is no limit");
        uplink.run(secs(2));
        assert_eq!(uplink.carries(), Some(1_200));
        uplink.run(secs(120));
        assert_eq!(uplink.carries(), Some(1_200), "and stays known");
    }

    #[test]
    fn room_that_shows_lifts_it_at_once() {
        let mut uplink = Uplink::new(1_200);
        uplink.run(secs(4));
        uplink.capacity = Bitrate::mbps(5);
        uplink.run(secs(2));
        assert_eq!(uplink.carries(), None);
    }

    #[test]
    fn attempts_become_rare_while_they_fail_and_succeed_in_the_end() {
        let mut uplink = Uplink::new(1_200);
        let mut attempts = Vec::new();
        let start = uplink.now;
        let mut before = false;
        while uplink.now < start + secs(300) {
            uplink.run(STEP);
            let trying = uplink.limit.share(Bitrate::ZERO).is_some_and(|share| share.trying);
            if trying && !before {
                attempts.push(elapsed(start, uplink.now).as_secs());
            }
            before = trying;
        }
        let gaps: Vec<u64> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((5..=8).contains(&attempts.len()), "{attempts:?}");
        assert!(gaps.is_sorted() && gaps.iter().all(|gap| *gap <= 70), "{attempts:?}");
    }

    #[test]
    fn little_traffic_is_no_evidence() {
        let mut uplink = Uplink::new(100_000);
        uplink.run(secs(60));
        assert_eq!(uplink.carries(), None);
        // An encoding is missing although there is room: a small camera.
        for seconds in 0..60 {
            let traffic = Traffic {
                wanted: WANTED,
                voices: Bitrate::kbps(40),
                arriving: Bitrate::kbps(900),
                shortage: Shortage::Seen,
            };
            uplink.limit.handle_trains(uplink.now + secs(seconds), Bitrate::kbps(4_000));
            uplink.limit.evaluate(uplink.now + secs(seconds), traffic);
            assert_eq!(uplink.carries(), None);
        }
    }

    #[test]
    fn a_small_camera_at_rest_is_no_narrow_uplink() {
        let mut uplink = Uplink::new(100_000);
        let voices = Bitrate::kbps(40);
        let (arriving, shortage) = (Bitrate::kbps(70), Shortage::Seen);
        for _ in 0..300 {
            uplink.now += STEP;
            // What paces a browser that has hardly anything to send.
            uplink.limit.handle_trains(uplink.now, Bitrate::kbps(500));
            uplink.limit.evaluate(uplink.now, Traffic { wanted: WANTED, voices, arriving, shortage });
            assert_eq!(uplink.carries(), None);
        }
    }

    #[test]
    fn a_policer_is_known_by_what_the_page_says() {
        let mut uplink = Uplink::new(1_200);
        uplink.policed = true;
        uplink.run(secs(10));
        assert_eq!(uplink.carries(), None, "trains say that there is room");
        uplink.shortage = Shortage::Told;
        uplink.run(secs(1));
        assert_eq!(uplink.carries(), Some(960), "what arrives");
    }

    #[test]
    fn a_limit_falls_with_the_uplink() {
        let mut uplink = Uplink::new(1_200);
        uplink.run(secs(4));
        uplink.capacity = Bitrate::kbps(500);
        uplink.run(secs(8));
        assert!(
            uplink.carries().is_some_and(|carries| (450..=550).contains(&carries)),
            "{:?}",
            uplink.carries()
        );
    }
}
