//! What a recording amounts to. Each file holds figures of one kind; [`Figure`] names and defines them all.

mod fairness;
mod figure;
mod link_use;
mod outage;
mod quantile;
mod sight;
mod voice;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::quality::HdReason;

pub use self::fairness::{jain, shares};
pub use self::figure::{Figure, Gathering};
use self::link_use::LinkUse;
pub use self::quantile::{mean, quantile};
pub use self::sight::{SeenSecond, Stretch, freezes, seconds};
use crate::plan::is_hd_grade;
use crate::recording::{Flow, LinkSample};

/// HD has to have a chance for so long from the join on for the time to HD to count.
const HD_CHANCE: usize = 6;

/// Where HD is possible for so long after less was, it has to come back.
const HD_AGAIN: usize = 15;

/// Both links carry this where a pair is eligible for HD.
const ELIGIBLE_KBPS: u64 = 2_500;

/// The values of some runs, by figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    values: BTreeMap<Figure, Vec<f64>>,
}

impl Figures {
    /// Adds a value.
    pub fn note(&mut self, figure: Figure, value: impl Into<Option<f64>>) {
        self.values.entry(figure).or_default().extend(value.into());
    }

    /// Takes in those of another run.
    pub fn merge(&mut self, other: &Self) {
        for (figure, values) in &other.values {
            self.values.entry(*figure).or_default().extend(values);
        }
    }

    /// One value of all.
    #[must_use]
    pub fn get(&self, figure: Figure) -> Option<f64> {
        figure.gathering().of(self.values.get(&figure)?)
    }
}

/// All figures of a flow; `rise` is the instant from which [`Figure::BackToHd`] counts.
#[must_use]
pub fn measure(flow: &Flow, rise: Option<Duration>) -> Figures {
    let mut figures = Figures::default();
    let outages = outage::outages(flow);
    measure_sight(flow, rise, &outages, &mut figures);
    measure_hd(flow, &mut figures);
    measure_link(flow, &mut figures);
    measure_voice(flow, &outages, &mut figures);
    for recovery in outage::recoveries(flow) {
        figures.note(Figure::VoiceBack, recovery.voice_ms);
        figures.note(Figure::PictureBack, recovery.picture_ms);
        figures.note(Figure::EstimateBack, recovery.estimate_s);
    }
    figures.note(Figure::KeyFrameRequests, f64::from(flow.key_frame_requests));
    figures
}

fn measure_sight(flow: &Flow, rise: Option<Duration>, outages: &[Stretch], figures: &mut Figures) {
    let watched = flow.frames.first().map_or(0.0, |first| (flow.ended - first.at).as_secs_f64());
    let freezes = freezes(flow);
    let whole = freezes.iter().map(|freeze| freeze.length().as_secs_f64());
    let beyond = freezes.iter().map(|freeze| voice::beyond(*freeze, outages).as_secs_f64());
    if watched > 0.0 {
        figures.note(Figure::Freeze, 100.0 * whole.clone().sum::<f64>() / watched);
        figures.note(Figure::FreezeBeyond, 100.0 * beyond.clone().sum::<f64>() / watched);
    }
    figures.note(Figure::LongestFreeze, whole.fold(0.0, f64::max));
    figures.note(Figure::LongestFreezeBeyond, beyond.fold(0.0, f64::max));
    let rises =
        rise.map_or_else(|| rises_to_hd(flow), |rise| vec![Stretch { from: rise, until: flow.ended }]);
    for rise in rises {
        let back = sight::back_to_full_hd(flow, rise.from).unwrap_or(Duration::MAX);
        figures.note(Figure::BackToHd, back.min(rise.length()).as_secs_f64());
    }
    for took in sight::recoveries_to_floor(flow) {
        figures.note(Figure::FloorMedian, took);
        figures.note(Figure::FloorP95, took);
    }
    figures.note(Figure::Switches, sight::switches(flow) as f64 / minutes(flow));
}

fn measure_hd(flow: &Flow, figures: &mut Figures) {
    let (seen, possible) = (seconds(flow), sight::possible_seconds(flow));
    if seen.is_empty() {
        return;
    }
    let percent = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
    figures.note(Figure::Hd, percent(seen.iter().filter(|second| second.is_hd()).count(), seen.len()));
    figures.note(Figure::HdCeiling, percent(possible.iter().filter(|is_so| **is_so).count(), seen.len()));
    let full = seen.iter().filter(|second| second.is_full_hd_rate()).count();
    figures.note(Figure::HdFullRate, percent(full, seen.len()));
    let eligible = eligible_seconds(flow);
    let of_eligible: Vec<&SeenSecond> =
        seen.iter().zip(&eligible).filter(|(_, is_so)| **is_so).map(|(second, _)| second).collect();
    if !of_eligible.is_empty() {
        let hd = of_eligible.iter().filter(|second| second.is_hd()).count();
        figures.note(Figure::HdWhenEligible, percent(hd, of_eligible.len()));
    }
    if eligible.len() > HD_CHANCE && eligible[..HD_CHANCE].iter().all(|is_so| *is_so) {
        let took = sight::time_to_hd(flow).unwrap_or(flow.ended - flow.joined);
        figures.note(Figure::TimeToHd, took.as_secs_f64());
    }
    let granted = flow.permissions.iter().map(|(_, reason)| *reason == HdReason::Granted);
    let states: Vec<bool> = granted.skip_while(|is_granted| !is_granted).collect();
    let flips = states.windows(2).filter(|pair| pair[0] != pair[1]).count();
    figures.note(Figure::Flips, flips as f64 / minutes(flow));
}

/// The times in which a flow that was below HD may have it again, long enough to be judged.
fn rises_to_hd(flow: &Flow) -> Vec<Stretch> {
    let (eligible, seen) = (eligible_seconds(flow), seconds(flow));
    let starts = 1..eligible.len().min(seen.len());
    let rises = starts.filter(|now| eligible[*now] && !eligible[now - 1] && !seen[now - 1].is_hd());
    let stretches = rises.filter_map(|now| {
        let lasts = eligible[now..].iter().take_while(|is_so| **is_so).count();
        let is_back = seen[now..].iter().take(lasts).any(|second| second.is_full_hd_rate());
        let from = flow.joined + Duration::from_secs(now as u64);
        (is_back || lasts >= HD_AGAIN)
            .then(|| Stretch { from, until: from + Duration::from_secs(lasts as u64) })
    });
    stretches.collect()
}

fn eligible_seconds(flow: &Flow) -> Vec<bool> {
    let is_grade = |links: &[LinkSample], at| sight::network_at(links, at).is_some_and(is_hd_grade);
    let rates = sight::least_rates(flow).into_iter().enumerate();
    rates
        .map(|(number, kbps)| {
            let at = flow.joined + Duration::from_secs(number as u64);
            kbps >= ELIGIBLE_KBPS
                && is_grade(&flow.publisher_links, at)
                && is_grade(&flow.subscriber_links, at)
        })
        .collect()
}

fn measure_link(flow: &Flow, figures: &mut Figures) {
    let link = LinkUse::of(flow);
    let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
    figures.note(Figure::Overload, percent(link.overload_share()));
    figures.note(Figure::Excess, link.longest_excess().as_secs_f64() * 1e3);
    for delay in link.downgrade_delays() {
        figures.note(Figure::Downgrade, delay);
    }
    figures.note(Figure::Queue, link.queue_p95_ms());
    figures.note(Figure::Drops, percent(link.dropped_share()));
    figures.note(Figure::Utilisation, percent(link.utilisation()));
}

fn measure_voice(flow: &Flow, outages: &[Stretch], figures: &mut Figures) {
    let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
    figures.note(Figure::Concealed, percent(voice::concealed_share(flow, &[])));
    figures.note(Figure::ConcealedBeyond, percent(voice::concealed_share(flow, outages)));
    let longest = voice::gaps(flow).into_iter().map(|gap| voice::beyond(gap, outages)).max();
    figures.note(Figure::LongestGap, longest.unwrap_or_default().as_secs_f64() * 1e3);
    figures.note(Figure::Starved, voice::starved_seconds(flow) as f64);
    figures.note(Figure::OneWay, voice::way_p95_ms(flow));
    figures.note(Figure::OpinionP5, voice::mean_opinion_p5(flow, outages));
}

fn minutes(flow: &Flow) -> f64 {
    (flow.ended - flow.joined).as_secs_f64().max(1.0) / 60.0
}
