//! Finds out by experiment whether loss is congestion: on unusual loss without delay the rate is lowered
//! once; if the loss does not answer, it belongs to the path and becomes the new usual, else the rate was
//! the cause. Only first transmissions count, never what a probe or an overload of our own made.

use std::time::Duration;

use protocol::units::Bitrate;

use super::loss_window::{Counts, Fate, LossWindow};

/// The loss on one path.
#[derive(Debug, Clone, Default)]
pub(crate) struct LossControl {
    window: LossWindow,
    /// The share that is lost whatever the rate.
    inherent: f64,
    trial: Option<Trial>,
    updated: Duration,
}

/// The rate was lowered to see whether the loss answers.
#[derive(Debug, Clone, Copy)]
struct Trial {
    since: Duration,
    rate_before: Bitrate,
    loss_before: f64,
    counts: Counts,
}

/// What the loss asks of the rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LossVerdict {
    /// Nothing.
    Usual,
    /// Lower it to this, and watch.
    Lower(Bitrate),
    /// The loss was not the rate's doing: back to this.
    Restore(Bitrate),
}

/// What a trial needs to know about the rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LossView {
    pub(crate) target: Bitrate,
    pub(crate) delivered: Option<Bitrate>,
    pub(crate) round_trip: Duration,
}

impl LossControl {
    /// Counts a first transmission that was sent at `sent` and reported at `now`.
    pub(crate) fn count(&mut self, now: Duration, sent: Duration, fate: Fate) {
        self.window.count(now, fate);
        if let Some(trial) = &mut self.trial
            && sent >= trial.since
        {
            trial.counts.count(fate);
        }
    }

    /// What the loss asks for. Not to be called while delay explains it.
    pub(crate) fn judge(&mut self, now: Duration, view: &LossView) -> LossVerdict {
        self.window.advance(now);
        let elapsed = now.saturating_sub(self.updated).min(LONGEST_STEP).as_secs_f64();
        self.updated = now;
        match self.trial {
            Some(trial) => self.judge_trial(now, &trial, view.round_trip),
            None => {
                let Some(loss) = self.unusual_loss(elapsed) else { return LossVerdict::Usual };
                let Some(delivered) = view.delivered else { return LossVerdict::Usual };
                let lower = delivered.scaled(TRIAL_RATE).min(view.target);
                self.trial = Some(Trial {
                    since: now,
                    rate_before: view.target,
                    loss_before: loss,
                    counts: Counts::default(),
                });
                LossVerdict::Lower(lower)
            }
        }
    }

    /// Forgets what was counted: the loss was made by an overload or an outage.
    pub(crate) fn discard(&mut self) {
        self.window.clear();
        self.trial = None;
    }

    /// The present loss, if neither chance nor the path explains it.
    fn unusual_loss(&mut self, elapsed: f64) -> Option<f64> {
        if self.window.is_unbroken(self.inherent + HEAVY) {
            // Of the whole second: the tenths that stood out did so in part by chance.
            return Some(self.window.share());
        }
        let recent = self.window.persistent();
        if recent.sent < FEWEST_PACKETS {
            return None;
        }
        let loss = recent.share();
        if loss > self.inherent + margin(recent, self.inherent) {
            return Some(loss);
        }
        // A path that is known to lose is followed both ways, or every swing upward would be an experiment.
        if loss < self.inherent || self.inherent > KNOWN_TO_LOSE {
            self.inherent += (loss - self.inherent) * FORGETTING * elapsed;
        }
        None
    }

    fn judge_trial(&mut self, now: Duration, trial: &Trial, round_trip: Duration) -> LossVerdict {
        let lasted = now.saturating_sub(trial.since);
        let enough = trial.counts.sent >= FEWEST_PACKETS && lasted >= TRIAL + round_trip;
        if !enough {
            if lasted > LONGEST_TRIAL {
                self.trial = None;
            }
            return LossVerdict::Usual;
        }
        self.window.clear();
        self.trial = None;
        let loss = trial.counts.share();
        let excess = (loss - self.inherent, trial.loss_before - self.inherent);
        // Little loss falls by chance alone; what the rate made ends where the rate fits.
        let answered = excess.0 < excess.1 * ANSWER && (excess.0 < ENDED || excess.1 > CERTAIN);
        if answered {
            // What is left of it may be the path's or the next cut's: half of it is believed.
            self.inherent = (self.inherent + excess.0.max(0.0) / 2.0).min(GREATEST_INHERENT);
            return LossVerdict::Usual;
        }
        self.inherent = loss.max(self.inherent).min(GREATEST_INHERENT);
        LossVerdict::Restore(trial.rate_before)
    }
}

/// What chance alone may add to a loss of `expected`, and what is too little to bother.
fn margin(counts: Counts, expected: f64) -> f64 {
    let expected = expected.max(LEAST_EXPECTED);
    let deviation = (expected * (1.0 - expected) / f64::from(counts.sent.max(1))).sqrt();
    LEAST_MARGIN + DEVIATIONS * deviation
}

/// Time without feedback teaches nothing.
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// Audio alone sends 50 packets a second.
const FEWEST_PACKETS: u32 = 30;

/// Above the usual by this much in every tenth of a second: nobody waits for a whole second of it.
const HEAVY: f64 = 0.3;

/// Below this, Opus and NACK repair the loss unheard and unseen.
const LEAST_MARGIN: f64 = 0.04;

/// Chance exceeds it in one of a few hundred seconds.
const DEVIATIONS: f64 = 2.5;

/// A path without loss has some all the same.
const LEAST_EXPECTED: f64 = 0.01;

/// Of what arrives: a policer then loses nothing more.
const TRIAL_RATE: f64 = 0.95;

/// How long a trial collects, beside the round trip.
const TRIAL: Duration = Duration::from_millis(600);

/// A trial that collects nothing for so long is off.
const LONGEST_TRIAL: Duration = Duration::from_secs(3);

/// Loss that falls to this share of its excess has answered.
const ANSWER: f64 = 0.6;

/// So much excess is as good as none.
const ENDED: f64 = 0.02;

/// So much excess does not fall by chance.
const CERTAIN: f64 = 0.15;

/// Above it, the path is useless at any rate.
const GREATEST_INHERENT: f64 = 0.3;

/// What a path loses that an experiment has acquitted the rate of.
const KNOWN_TO_LOSE: f64 = 0.02;

/// Share of a changed loss that is believed per second.
const FORGETTING: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Sends at the rate that the control allows, in packets of 1000 bytes, and returns the rate over time.
    fn run(seconds: u64, loss_at: impl Fn(Bitrate) -> f64) -> Vec<Bitrate> {
        let mut control = LossControl::default();
        let mut rng = StdRng::seed_from_u64(1);
        let mut target = Bitrate::mbps(1);
        let mut rates = Vec::new();
        let mut now = Duration::ZERO;
        let mut next_judgement = Duration::ZERO;
        while now < Duration::from_secs(seconds) {
            now += protocol::units::DataSize::bytes(1_000) / target;
            let loss = loss_at(target);
            let fate = if rng.random_bool(loss) { Fate::Lost } else { Fate::Arrived };
            control.count(now, now, fate);
            if now < next_judgement {
                continue;
            }
            next_judgement = now + Duration::from_millis(50);
            let view = LossView {
                target,
                delivered: Some(target.scaled(1.0 - loss)),
                round_trip: Duration::from_millis(60),
            };
            match control.judge(now, &view) {
                LossVerdict::Usual => {}
                LossVerdict::Lower(rate) | LossVerdict::Restore(rate) => target = rate,
            }
            rates.push(target);
        }
        rates
    }

    #[test]
    fn loss_of_the_path_costs_no_rate() {
        for loss in [0.0, 0.01, 0.05, 0.1, 0.2] {
            let rates = run(60, |_| loss);
            let mean = rates.iter().copied().sum::<Bitrate>().as_bps() / rates.len() as u64;
            assert!(mean > 930_000, "{loss}: {mean}");
        }
    }

    #[test]
    fn loss_of_the_rate_lowers_it() {
        for policed in [300, 700] {
            let policed = Bitrate::kbps(policed);
            let rates = run(10, |rate| (1.0 - policed.ratio_of(rate)).max(0.0));
            let last = rates.last().copied().unwrap();
            assert!(last <= policed && last >= policed.scaled(0.85), "{last}");
        }
    }
}
