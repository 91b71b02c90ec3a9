//! What a story expects of a participant's experience, and how it is judged.

use std::time::{Duration, Instant};

use protocol::id::ParticipantId;
use protocol::ladder::Rung;
use protocol::media_message::TransportState;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdReason, RungReason};
use protocol::track::MediaKind;

use super::browser::{Browser, Receiver};
use super::picture_receiver::Shown;

/// Expects to see somebody.
pub fn sees(whom: &str) -> Sight {
    Sight { whom: whom.to_owned(), conditions: Vec::new() }
}

/// Expects not to see somebody, who may well be heard.
pub fn sees_nothing_of(whom: &str) -> Sight {
    Sight { whom: whom.to_owned(), conditions: vec![SightCondition::AtMost(Rung::AudioOnly)] }
}

/// Expects to hear somebody.
pub fn hears(whom: &str) -> Hearing {
    Hearing {
        whom: whom.to_owned(),
        longest_gap: Duration::from_millis(60),
        concealed_share: 1.0,
        redundancy: None,
    }
}

/// Expects to be told this of the HD permission toward somebody's picture.
pub fn is_told_hd(whom: &str, reason: HdReason) -> Verdict {
    Verdict { whom: whom.to_owned(), reason }
}

/// Expects to be told at last that this keeps somebody's picture at this rung.
pub fn is_told_rung(whom: &str, rung: Rung, reason: RungReason) -> Badge {
    Badge { whom: whom.to_owned(), rung, reason }
}

/// Expects that what is told of somebody's picture is what is seen, but for the time that pictures travel.
pub fn is_told_the_truth_of(whom: &str) -> Truth {
    Truth { whom: whom.to_owned() }
}

/// Expects to be taken for a participant on such a network.
pub fn is_on(class: NetworkClass) -> Placement {
    Placement { class }
}

/// Expects that others are told this of one's own transport.
pub fn is_told_to_be(state: TransportState) -> Reachability {
    Reachability { state }
}

pub struct Sight {
    whom: String,
    conditions: Vec<SightCondition>,
}

#[derive(Debug, Clone, Copy)]
enum SightCondition {
    AtLeast(Rung),
    AtMost(Rung),
    FrameRate(f64),
    LongestFreeze(Duration),
    FirstWithin(Duration),
    FrozenShare(f64),
    Mostly(Rung),
    OneFreezeOver(Duration),
}

impl Sight {
    /// In the last second, a picture of so many lines or more.
    pub fn at_least(self, rung: Rung) -> Self {
        self.with(SightCondition::AtLeast(rung))
    }

    /// In the last second, no picture of more lines.
    pub fn at_most(self, rung: Rung) -> Self {
        self.with(SightCondition::AtMost(rung))
    }

    /// In the last second, so many frames or more.
    pub fn with_frame_rate_over(self, frames: f64) -> Self {
        self.with(SightCondition::FrameRate(frames))
    }

    /// In the whole run, no freeze as long as this.
    pub fn with_freezes_under(self, longest: Duration) -> Self {
        self.with(SightCondition::LongestFreeze(longest))
    }

    /// In the whole run, nine of ten pictures of so many lines or more.
    pub fn mostly(self, rung: Rung) -> Self {
        self.with(SightCondition::Mostly(rung))
    }

    /// In every ten seconds, at most one freeze as long as this.
    pub fn with_at_most_one_freeze_over(self, long: Duration) -> Self {
        self.with(SightCondition::OneFreezeOver(long))
    }

    /// In the whole run, at most this share of the time frozen.
    pub fn with_frozen_share_under(self, share: f64) -> Self {
        self.with(SightCondition::FrozenShare(share))
    }

    /// The first picture of the run came in this time.
    pub fn first_within(self, longest: Duration) -> Self {
        self.with(SightCondition::FirstWithin(longest))
    }

    fn with(mut self, condition: SightCondition) -> Self {
        self.conditions.push(condition);
        self
    }
}

pub struct Hearing {
    whom: String,
    longest_gap: Duration,
    concealed_share: f64,
    redundancy: Option<bool>,
}

impl Hearing {
    /// In the whole run, no gap as long as this.
    pub fn with_gaps_under(mut self, longest: Duration) -> Self {
        self.longest_gap = longest;
        self
    }

    /// In the whole run, less than this share of the time is filled in.
    pub fn with_concealed_share_under(mut self, share: f64) -> Self {
        self.concealed_share = share;
        self
    }

    /// Some packets carried earlier frames again.
    pub fn with_redundancy(mut self) -> Self {
        self.redundancy = Some(true);
        self
    }

    /// No packet carried earlier frames again.
    pub fn without_redundancy(mut self) -> Self {
        self.redundancy = Some(false);
        self
    }
}

pub struct Verdict {
    whom: String,
    reason: HdReason,
}

pub struct Badge {
    whom: String,
    rung: Rung,
    reason: RungReason,
}

pub struct Truth {
    whom: String,
}

pub struct Placement {
    class: NetworkClass,
}

pub struct Reachability {
    state: TransportState,
}

/// The run that is judged.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub(super) observer: &'a Browser,
    pub(super) since: Instant,
    pub(super) until: Instant,
}

/// An expectation, whatever it is about.
pub trait Expectation {
    /// Whom it is about, besides the observer.
    fn whom(&self) -> Option<&str>;

    /// `Err` says what was experienced instead.
    fn judge(&self, run: Run<'_>, whom: Option<ParticipantId>) -> Result<(), String>;
}

const LAST_SECOND: Duration = Duration::from_secs(1);

impl Expectation for Sight {
    fn whom(&self) -> Option<&str> {
        Some(&self.whom)
    }

    fn judge(&self, run: Run<'_>, whom: Option<ParticipantId>) -> Result<(), String> {
        let shown = whom.and_then(|whom| run.observer.shown_of(whom)).unwrap_or_default();
        for condition in &self.conditions {
            let violation = condition.violation(run, shown);
            if let Some(violation) = violation {
                return Err(format!("sees {}: {violation}, expected {condition:?}", self.whom));
            }
        }
        Ok(())
    }
}

impl SightCondition {
    fn violation(self, run: Run<'_>, shown: &[Shown]) -> Option<String> {
        let last: Vec<&Shown> = shown.iter().filter(|frame| frame.at + LAST_SECOND > run.until).collect();
        let lines: Vec<u16> = last.iter().map(|frame| frame.lines).collect();
        let highest = lines.iter().max().copied();
        match self {
            Self::AtLeast(rung) => {
                let is_met = last.last().is_some_and(|frame| frame.lines >= rung.lines());
                (!is_met).then(|| format!("{:?} lines", last.last().map(|frame| frame.lines)))
            }
            Self::AtMost(rung) => {
                let is_met = highest.is_none_or(|highest| highest <= rung.lines());
                (!is_met).then(|| format!("{highest:?} lines"))
            }
            Self::FrameRate(least) => {
                let frames = last.len() as f64;
                (frames < least).then(|| format!("{frames} frames a second"))
            }
            Self::LongestFreeze(longest) => {
                let worst = freezes(run, shown).into_iter().max().unwrap_or_default();
                (worst >= longest).then(|| format!("frozen for {worst:?}"))
            }
            Self::FrozenShare(most) => {
                let frozen: Duration = freezes(run, shown).into_iter().sum();
                let share = frozen.as_secs_f64() / (run.until - run.since).as_secs_f64();
                (share >= most).then(|| format!("frozen {:.1} % of the time", share * 100.0))
            }
            Self::Mostly(rung) => {
                let of_run = shown.iter().filter(|frame| frame.at >= run.since);
                let (all, large) = of_run.fold((0_u32, 0_u32), |(all, large), frame| {
                    (all + 1, large + u32::from(frame.lines >= rung.lines()))
                });
                (large * 10 < all * 9 || all == 0).then(|| format!("{large} of {all} pictures so large"))
            }
            Self::OneFreezeOver(long) => {
                let count = freezes(run, shown).into_iter().filter(|freeze| *freeze >= long).count();
                let allowed = ((run.until - run.since).as_secs() / 10).max(1);
                (count as u64 > allowed).then(|| format!("{count} freezes"))
            }
            Self::FirstWithin(longest) => {
                let first =
                    shown.iter().find(|frame| frame.at >= run.since).map(|frame| frame.at - run.since);
                let is_met = first.is_some_and(|first| first <= longest);
                (!is_met).then(|| format!("first picture after {first:?}"))
            }
        }
    }
}

/// The freezes of a run, by libwebrtc's rule: a frame that comes later than three times the average
/// interval, and than the average and 150 ms. A picture that never moves again is frozen, too.
pub(super) fn freezes(run: Run<'_>, shown: &[Shown]) -> Vec<Duration> {
    const MARGIN: Duration = Duration::from_millis(150);
    const SAMPLES: usize = 30;
    let mut instants: Vec<Instant> = shown.iter().map(|frame| frame.at).collect();
    instants.push(run.until);
    let intervals: Vec<(Instant, Duration)> =
        instants.windows(2).map(|pair| (pair[1], pair[1] - pair[0])).collect();
    let mut freezes = Vec::new();
    for (index, (end, interval)) in intervals.iter().enumerate() {
        let recent = &intervals[index.saturating_sub(SAMPLES)..index];
        if recent.len() < 5 || *end < run.since {
            continue;
        }
        let average = recent.iter().map(|(_, interval)| *interval).sum::<Duration>() / recent.len() as u32;
        if *interval > (3 * average).max(average + MARGIN) {
            freezes.push(*interval);
        }
    }
    freezes
}

impl Expectation for Hearing {
    fn whom(&self) -> Option<&str> {
        Some(&self.whom)
    }

    fn judge(&self, run: Run<'_>, whom: Option<ParticipantId>) -> Result<(), String> {
        let voice = whom
            .and_then(|whom| run.observer.subscription_to(whom, MediaKind::Audio))
            .and_then(|subscription| match &subscription.receiver {
                Receiver::Voice(voice) => Some(voice),
                Receiver::Picture(_) | Receiver::Pending => None,
            })
            .ok_or_else(|| format!("does not subscribe to the voice of {}", self.whom))?;
        if voice.last_played().is_none_or(|at| at + LAST_SECOND < run.until) {
            return Err(format!("has not heard {} for a second", self.whom));
        }
        let gaps = || voice.gaps().iter().filter(|gap| gap.at >= run.since);
        let longest = gaps().map(|gap| gap.length).max().unwrap_or_default();
        if longest >= self.longest_gap {
            return Err(format!(
                "hears {} with a gap of {longest:?}, expected under {:?}",
                self.whom, self.longest_gap
            ));
        }
        let concealed: Duration = gaps().map(|gap| gap.length).sum();
        let share = concealed.as_secs_f64() / (run.until - run.since).as_secs_f64();
        if share >= self.concealed_share {
            let expected = self.concealed_share;
            let longest = gaps().map(|gap| gap.length).max().unwrap_or_default();
            return Err(format!(
                "hears {} with {share:.4} filled in in {} gaps of up to {longest:?}, expected under {expected}",
                self.whom,
                gaps().count()
            ));
        }
        if self.redundancy.is_some_and(|wanted| wanted != (voice.redundant_packets() > 0)) {
            return Err(format!("hears {} in {} redundant packets", self.whom, voice.redundant_packets()));
        }
        Ok(())
    }
}

impl Expectation for Verdict {
    fn whom(&self) -> Option<&str> {
        Some(&self.whom)
    }

    fn judge(&self, run: Run<'_>, whom: Option<ParticipantId>) -> Result<(), String> {
        let told = whom.and_then(|whom| run.observer.quality_of(whom)).map(|pair| pair.hd);
        if told == Some(self.reason) {
            return Ok(());
        }
        Err(format!("is told {told:?} of HD from {}, expected {:?}", self.whom, self.reason))
    }
}

impl Expectation for Badge {
    fn whom(&self) -> Option<&str> {
        Some(&self.whom)
    }

    fn judge(&self, run: Run<'_>, whom: Option<ParticipantId>) -> Result<(), String> {
        let told = whom.and_then(|whom| run.observer.quality_of(whom));
        let told = told.map(|pair| (pair.rung, pair.rung_reason));
        if told == Some((self.rung, self.reason)) {
            return Ok(());
        }
        Err(format!("is told {told:?} of {}, expected {:?}", self.whom, (self.rung, self.reason)))
    }
}

/// A decision, a round trip and a jitter buffer.
const TRAVEL: Duration = Duration::from_millis(400);

/// A picture may be a little ahead of the message about it.
const SOON: Duration = Duration::from_millis(100);

impl Expectation for Truth {
    fn whom(&self) -> Option<&str> {
        Some(&self.whom)
    }

    fn judge(&self, run: Run<'_>, whom: Option<ParticipantId>) -> Result<(), String> {
        let told: Vec<_> = whom.map(|whom| run.observer.told_of(whom).collect()).unwrap_or_default();
        let shown = whom.and_then(|whom| run.observer.shown_of(whom)).unwrap_or_default();
        for frame in shown.iter().filter(|frame| frame.at >= run.since + TRAVEL) {
            let rung = Rung::at_most(frame.lines);
            let until = told.partition_point(|(at, _)| *at <= frame.at + SOON);
            let from = told.partition_point(|(at, _)| *at + TRAVEL <= frame.at).saturating_sub(1);
            let words = told.get(from..until).unwrap_or_default();
            if !words.iter().any(|(_, pair)| pair.rung == rung) {
                let late = frame.at - run.since;
                return Err(format!("sees {rung} of {} after {late:?} and is told otherwise", self.whom));
            }
        }
        Ok(())
    }
}

impl Expectation for Reachability {
    fn whom(&self) -> Option<&str> {
        None
    }

    fn judge(&self, run: Run<'_>, _whom: Option<ParticipantId>) -> Result<(), String> {
        match run.observer.transport() {
            Some(state) if state == self.state => Ok(()),
            state => Err(format!("is told to be {state:?}, expected {:?}", self.state)),
        }
    }
}

impl Expectation for Placement {
    fn whom(&self) -> Option<&str> {
        None
    }

    fn judge(&self, run: Run<'_>, _whom: Option<ParticipantId>) -> Result<(), String> {
        let class = run.observer.network_class();
        if class == self.class {
            Ok(())
        } else {
            Err(format!("is taken for {class}, expected {}", self.class))
        }
    }
}
