//! What a demand can choose from: layers, each with its price and its worth.

use protocol::ladder::Rung;
use protocol::units::Bitrate;

use super::measurement::TEMPORAL_LAYERS;
use super::output::Layer;
use super::snapshot::{DemandSnapshot, EncodingSnapshot, Pricing, SourceSnapshot, fills, rung_for_tile};

/// A layer that a demand may get, with its price and its worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) layer: Layer,
    pub(super) price: Bitrate,
    pub(super) utility: u64,
}

/// The undominated choices of a demand, cheapest first. `mask` says which encodings may be used.
pub(super) fn choices(
    source: &SourceSnapshot,
    demand: &DemandSnapshot,
    mask: u8,
    pricing: Pricing,
) -> Vec<Choice> {
    undominated(offers(source, demand, mask, pricing))
}

/// Those of some choices that show more than all that cost less, cheapest first.
pub(super) fn undominated(mut choices: Vec<Choice>) -> Vec<Choice> {
    choices.sort_unstable_by_key(|choice| (choice.price, std::cmp::Reverse(choice.utility)));
    let mut best = 0;
    choices.retain(|choice| {
        let better = choice.utility > best;
        best = best.max(choice.utility);
        better
    });
    choices
}

/// All choices of a demand, in no order.
pub(super) fn offers(
    source: &SourceSnapshot,
    demand: &DemandSnapshot,
    mask: u8,
    pricing: Pricing,
) -> Vec<Choice> {
    let mut all: Vec<Choice> = Vec::with_capacity(source.encodings.len() * TEMPORAL_LAYERS);
    if demand.max_lines == 0 {
        return all;
    }
    for (index, encoding) in source.encodings.iter().enumerate() {
        if !encoding.usable || encoding.rung > demand.cap || mask & (1 << index) == 0 {
            continue;
        }
        for temporal in temporal_choices(encoding, demand.max_temporal) {
            let layer = Layer { encoding: index as u8, temporal };
            if demand.limit.is_some_and(|limit| layer > limit) {
                continue;
            }
            all.push(Choice {
                layer,
                price: price(encoding, layer, demand.current, pricing),
                utility: utility(source, encoding, temporal, demand),
            });
        }
    }
    all
}

/// Whether a layer that flows may go on: it arrives, is allowed, and is not larger than the tile needs.
pub(super) fn may_continue(source: &SourceSnapshot, demand: &DemandSnapshot, layer: Layer) -> bool {
    let usable = |encoding: &EncodingSnapshot| encoding.usable && encoding.rung <= demand.cap;
    let (below, rest) = source.encodings.split_at(usize::from(layer.encoding).min(source.encodings.len()));
    let allowed = rest.first().is_some_and(|encoding| {
        usable(encoding) && (encoding.temporal_layers <= 1 || layer.temporal <= demand.max_temporal)
    });
    let oversized = below.iter().any(|encoding| usable(encoding) && fills(encoding.rung, demand.max_lines));
    demand.max_lines > 0 && allowed && !oversized
}

/// What a layer is worth to a demand; nothing where it is not there.
pub(super) fn worth(source: Option<&SourceSnapshot>, demand: &DemandSnapshot, layer: Option<Layer>) -> u64 {
    let Some((source, layer)) = source.zip(layer) else { return 0 };
    let encoding = source.encodings.get(usize::from(layer.encoding));
    encoding.map_or(0, |encoding| utility(source, encoding, layer.temporal, demand))
}

/// What one layer costs.
pub(super) fn price(
    encoding: &EncodingSnapshot,
    layer: Layer,
    current: Option<Layer>,
    pricing: Pricing,
) -> Bitrate {
    let measured = encoding.cumulative[usize::from(layer.temporal).min(TEMPORAL_LAYERS - 1)];
    match pricing {
        Pricing::Growing(margin) if current.is_none_or(|current| layer > current) => {
            let grown = encoding.ceiling.scaled(GROWN_SHARE * temporal_share(encoding, layer.temporal));
            let margin = if encoding.ceiling < encoding.full { margin.min(FOLLOWING_MARGIN) } else { margin };
            measured.max(grown).scaled(margin)
        }
        Pricing::Measured | Pricing::Growing(_) => measured,
    }
}

/// The temporal layers that make a difference.
fn temporal_choices(encoding: &EncodingSnapshot, max_temporal: u8) -> impl Iterator<Item = u8> {
    let top = TEMPORAL_LAYERS as u8 - 1;
    let layers = encoding.temporal_layers.clamp(1, TEMPORAL_LAYERS as u8);
    let highest = layers - 1;
    // A stream without layers comes whole or not at all, as does the top of one that has them.
    (0..layers)
        .map(move |temporal| if temporal == highest { top } else { temporal })
        .filter(move |temporal| layers == 1 || *temporal <= max_temporal)
}

/// What a step is worth, before priorities: the picture's size, the tile's, and its frame rate.
fn utility(
    source: &SourceSnapshot,
    encoding: &EncodingSnapshot,
    temporal: u8,
    demand: &DemandSnapshot,
) -> u64 {
    let size = size_utility(encoding.rung.min(rung_for_tile(demand.max_lines).max(Rung::P180)));
    let rate = encoding.relative_frame_rate * temporal_rate(encoding, temporal);
    let smoothness = match rate {
        r if r >= 0.8 => 100,
        r if r >= 0.4 => HALF_RATE,
        _ => QUARTER_RATE,
    };
    let worth = size * smoothness / 100;
    // What is off takes what the others leave, to be back at once.
    if source.is_muted { worth.div_ceil(MUTED) } else { demand.priority.weigh(worth) }
}

/// Utility of a rung in hundredths.
const fn size_utility(rung: Rung) -> u64 {
    match rung {
        Rung::AudioOnly => 0,
        Rung::P180 => 100,
        Rung::P360 => 220,
        Rung::P480 => 320,
        Rung::P720 => 420,
        Rung::P1080 => 470,
    }
}

/// Percent of its utility that a picture keeps at half its frame rate: 720 lines then rank below 480 lines
/// at full rate, since a face is read from its movement.
const HALF_RATE: u64 = 72;

/// Likewise at a quarter: 480 lines then rank below 180 lines at full rate.
const QUARTER_RATE: u64 = 30;

/// Share of an encoding's frame rate that a temporal layer has.
fn temporal_rate(encoding: &EncodingSnapshot, temporal: u8) -> f64 {
    let highest = i32::from(encoding.temporal_layers.clamp(1, TEMPORAL_LAYERS as u8)) - 1;
    0.5_f64.powi((highest - i32::from(temporal)).max(0))
}

/// Share of an encoding's rate that a temporal layer is expected to have.
fn temporal_share(encoding: &EncodingSnapshot, temporal: u8) -> f64 {
    match temporal_rate(encoding, temporal) {
        rate if rate >= 0.8 => 1.0,
        rate if rate >= 0.4 => 0.6,
        _ => 0.4,
    }
}

/// Into so many parts is divided what a picture is worth while it is off: any step of one that is seen is worth more.
const MUTED: u64 = 100;

/// An encoder seldom fills its ceiling; a picture that moves comes this near.
const GROWN_SHARE: f64 = 0.85;

/// Room over the price of an encoding whose ceiling follows those who receive it: it gives way before they have to.
const FOLLOWING_MARGIN: f64 = 1.03;
