//! Which part of a long trace is run: one that is like the whole, or one on a certain network.

use std::time::Duration;

use protocol::network_class::NetworkClass;
use protocol::units::Bitrate;

/// A second of a trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Second {
    pub(super) rate: Bitrate,
    pub(super) class: NetworkClass,
}

/// Parts are looked at that begin so many seconds after each other.
const STRIDE: usize = 10;

/// Rates that make a difference to a call: a voice, a small picture, the clinical floor, HD with a margin.
const RATES: [Bitrate; 4] =
    [Bitrate::kbps(100), Bitrate::kbps(500), Bitrate::kbps(1_000), Bitrate::kbps(2_500)];

/// Where the part begins that is most like the whole: in how much of it those rates fit, in its classes,
/// and in how often the class changes.
pub(super) fn most_alike(seconds: &[Second], length: Duration) -> Duration {
    let whole = shape(seconds);
    let unlike = |part: &[Second]| {
        let differences =
            shape(part).into_iter().zip(&whole).map(|(of_part, of_whole)| (of_part - of_whole).abs());
        differences.sum::<f64>()
    };
    best(seconds, length, |part| -unlike(part)).0
}

/// Where the part begins of which most is on that class, and how much of it is.
pub(super) fn most_of(seconds: &[Second], class: NetworkClass, length: Duration) -> (Duration, f64) {
    best(seconds, length, |part| share(part, |second| second.class == class))
}

/// The first of the parts that are worth most.
fn best(seconds: &[Second], length: Duration, worth: impl Fn(&[Second]) -> f64) -> (Duration, f64) {
    let length = (length.as_secs() as usize).clamp(1, seconds.len().max(1));
    let starts = (0..).step_by(STRIDE).take_while(|from| from + length <= seconds.len());
    let parts = starts.map(|from| (Duration::from_secs(from as u64), worth(&seconds[from..from + length])));
    parts.reduce(|best, other| if other.1 > best.1 { other } else { best }).unwrap_or_default()
}

fn shape(part: &[Second]) -> Vec<f64> {
    let rates = RATES.map(|rate| share(part, |second| second.rate >= rate));
    let classes = NetworkClass::ALL.map(|class| share(part, |second| second.class == class));
    let changes = part.windows(2).filter(|pair| pair[0].class != pair[1].class).count();
    // A change in 20 s is as much as a twentieth of the time on another class.
    rates.into_iter().chain(classes).chain([changes as f64 / part.len().max(1) as f64]).collect()
}

fn share(part: &[Second], is_so: impl Fn(&Second) -> bool) -> f64 {
    part.iter().filter(|second| is_so(second)).count() as f64 / part.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use NetworkClass::{FiveG, FourG};

    fn seconds(stretches: &[(usize, u64, NetworkClass)]) -> Vec<Second> {
        let of =
            |&(count, mbps, class)| std::iter::repeat_n(Second { rate: Bitrate::mbps(mbps), class }, count);
        stretches.iter().flat_map(of).collect()
    }

    #[test]
    fn the_part_has_what_the_whole_has() {
        let quarter_4g = seconds(&[(150, 9, FiveG), (50, 1, FourG)]);
        assert_eq!(most_alike(&quarter_4g, Duration::from_secs(120)), Duration::from_secs(60));
        assert_eq!(most_alike(&quarter_4g, Duration::from_secs(900)), Duration::ZERO);
        assert_eq!(most_alike(&[], Duration::from_secs(120)), Duration::ZERO);
    }

    #[test]
    fn the_part_on_a_class_is_found() {
        let drive = seconds(&[(100, 9, FourG), (130, 9, FiveG), (100, 9, FourG)]);
        assert_eq!(most_of(&drive, FiveG, Duration::from_secs(120)), (Duration::from_secs(100), 1.0));
    }
}
