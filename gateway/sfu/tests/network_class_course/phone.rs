//! A phone that tells of its network as phones do: the browser a cost of 900 every 2.5 seconds, and whoever knows
//! the generation every few seconds and with some delay.

use std::time::{Duration, Instant};

use protocol::attestation::AttestedClaim;
use protocol::id::ShellNonce;
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use sfu::adapt::NetworkClassifier;

use super::labels::{Course, Draw};

/// Who knows the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knows {
    /// An enrolled app: signed, within a second of a change, and every 5 seconds.
    App,
    /// A mini-program: within two seconds of a change, and every 5 seconds.
    MiniProgram,
    /// The operator, by events: one to three seconds after a change, and the last one again every 30 seconds.
    Operator,
}

impl Knows {
    pub(crate) const ALL: [Self; 3] = [Self::App, Self::MiniProgram, Self::Operator];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::App => "signed app",
            Self::MiniProgram => "mini-program",
            Self::Operator => "operator events",
        }
    }

    /// The least and the most that it is late, in seconds.
    pub(crate) const fn delay(self) -> (f64, f64) {
        match self {
            Self::App => (0.3, 1.0),
            Self::MiniProgram => (0.5, 2.0),
            Self::Operator => (1.0, 3.0),
        }
    }

    const fn repeats(self) -> Duration {
        match self {
            Self::App | Self::MiniProgram => Duration::from_secs(5),
            Self::Operator => Duration::from_secs(30),
        }
    }
}

/// Seconds of a course, and in how many of them the verdict was right.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Score {
    pub(crate) seconds: usize,
    pub(crate) right: usize,
    /// Those in which the network had been the same for longer than a dwell and the source's delay.
    pub(crate) settled: usize,
    pub(crate) settled_right: usize,
    /// Seconds in which 5G was believed although the network had not been it for longer than that.
    pub(crate) false_5g: usize,
}

impl Score {
    pub(crate) fn settled_share(&self) -> f64 {
        self.settled_right as f64 / self.settled.max(1) as f64
    }
}

/// The longest dwell, upwards to 5G.
const DWELL: f64 = 5.0;

const STEP: Duration = Duration::from_millis(100);
const STUN: Duration = Duration::from_millis(2_500);
const NONCE: ShellNonce = ShellNonce::from_bits(1);

/// Runs a course through a classifier.
pub(crate) fn replay(start: Instant, course: &Course, knows: Knows) -> Score {
    let mut classifier = NetworkClassifier::new(false);
    classifier.handle_shell_nonce(NONCE);
    let mut draw = Draw(course.labels.len() as u64);
    let mut score = Score::default();
    let (mut next_stun, mut next_report, mut number) = (start, start, 0);
    let (mut said, mut stable) = (None, 0_usize);
    // What the source is about to say, and when.
    let mut coming: Option<(Instant, NetworkClass)> = None;
    let (least, most) = knows.delay();
    for (second, label) in course.labels.iter().enumerate() {
        let changed = second > 0 && course.labels[second - 1] != *label;
        stable = if changed { 0 } else { stable + 1 };
        let begun = start + Duration::from_secs(second as u64);
        if second == 0 || changed {
            coming = Some((begun + Duration::from_secs_f64(draw.between(least, most)), *label));
        }
        for step in 0..10 {
            let now = begun + STEP * step;
            while let Some(due) = classifier.poll_timeout().filter(|due| *due <= now) {
                classifier.handle_timeout(due);
                if classifier.poll_timeout() == Some(due) {
                    break;
                }
            }
            if now >= next_stun {
                next_stun = now + STUN;
                classifier.handle_network_cost(now, 1, 900);
            }
            if let Some((at, class)) = coming
                && now >= at
            {
                (said, coming, next_report) = (Some(class), None, now);
            }
            if let Some(class) = said
                && now >= next_report
            {
                next_report = now + knows.repeats();
                number += 1;
                tell(&mut classifier, now, start, knows, class, number);
            }
        }
        let class = classifier.verdict().class;
        score.seconds += 1;
        score.right += usize::from(class == *label);
        if stable as f64 > DWELL + most {
            score.settled += 1;
            score.settled_right += usize::from(class == *label);
            score.false_5g += usize::from(class == NetworkClass::FiveG && *label != NetworkClass::FiveG);
        }
    }
    score
}

fn tell(
    classifier: &mut NetworkClassifier,
    now: Instant,
    start: Instant,
    knows: Knows,
    class: NetworkClass,
    sequence: u32,
) {
    let taken = match knows {
        Knows::App => {
            let time_ms = (now - start).as_millis() as u64;
            classifier.handle_attested(now, &AttestedClaim { nonce: NONCE, sequence, class, time_ms })
        }
        Knows::MiniProgram => {
            let report = NetworkReport::plain(ReportSource::WechatMiniProgram, class, sequence);
            classifier.handle_report(now, &report)
        }
        Knows::Operator => {
            classifier.handle_operator(now, class);
            Ok(())
        }
    };
    taken.expect("an honest report");
}
