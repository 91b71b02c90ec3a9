//! What a subscriber's estimate is wanted for: the least, the present, and the next step up. Congestion
//! control probes for the last.

use protocol::ladder::Rung;
use protocol::units::Bitrate;

use super::allocate::ALL_ENCODINGS;
use super::choice;
use super::output::Layer;
use super::snapshot::{DemandSnapshot, Pricing, SourceSnapshot, SubscriberSnapshot, fills};

/// The rates of [`AdaptOutput::Demand`](super::AdaptOutput::Demand), in its order. `sought` is the cap of
/// each demand that measurement may yet open; `spendable` the share of an estimate that media may take.
pub(super) fn demand(
    sources: &[SourceSnapshot],
    subscriber: &SubscriberSnapshot,
    sought: &[Rung],
    audio: Bitrate,
    spendable: f64,
) -> [Bitrate; 3] {
    let (mut floor, mut current, mut next) = (audio, audio, audio);
    let mut rises = false;
    for (demand, sought) in subscriber.demands.iter().zip(sought) {
        let Some(source) = sources.get(demand.source).filter(|source| !source.is_muted) else { continue };
        let least = choice::choices(source, demand, ALL_ENCODINGS, Pricing::Measured);
        floor += least.first().map_or(Bitrate::ZERO, |choice| choice.price);
        let present = price_of(source, demand, demand.current);
        let above = next_price(source, demand, *sought, subscriber.pricing);
        rises |= above.is_some();
        current += present;
        next += above.unwrap_or(present).max(present);
    }
    let next = if rises { next.scaled(PROBED_SHARE / spendable).max(current) } else { current };
    [floor, current, next].map(rounded)
}

fn price_of(source: &SourceSnapshot, demand: &DemandSnapshot, layer: Option<Layer>) -> Bitrate {
    let encoding = layer.and_then(|layer| source.encodings.get(usize::from(layer.encoding)));
    match (encoding, layer) {
        (Some(encoding), Some(layer)) => choice::price(encoding, layer, demand.current, Pricing::Measured),
        _ => Bitrate::ZERO,
    }
}

/// What the next step up must be able to pay; `None` at the top of what may be had.
fn next_price(
    source: &SourceSnapshot,
    demand: &DemandSnapshot,
    sought: Rung,
    pricing: Pricing,
) -> Option<Bitrate> {
    let top = |index: usize| Layer { encoding: index as u8, temporal: TOP_TEMPORAL };
    let filled = demand.current.and_then(|layer| source.encodings.get(usize::from(layer.encoding)));
    let full = filled.is_some_and(|encoding| fills(encoding.rung, demand.max_lines));
    let (index, encoding) = source.encodings.iter().enumerate().find(|(index, encoding)| {
        let same = demand.current.is_some_and(|layer| usize::from(layer.encoding) == *index);
        let layered = encoding.temporal_layers > 1 && demand.max_temporal >= TOP_TEMPORAL;
        let above = if same {
            layered && demand.current < Some(top(*index))
        } else {
            demand.current < Some(top(*index)) && !full
        };
        let within = demand.limit.is_none_or(|limit| top(*index) <= limit);
        demand.max_lines > 0 && above && within && encoding.expected && encoding.rung <= sought
    })?;
    Some(choice::price(encoding, top(index), demand.current, pricing))
}

/// Measured rates tremble; a demand that trembles along would be said anew with every report.
fn rounded(rate: Bitrate) -> Bitrate {
    Bitrate::bps(rate.as_bps().div_ceil(ROUNDING.as_bps()).saturating_mul(ROUNDING.as_bps()))
}

const ROUNDING: Bitrate = Bitrate::kbps(50);
const TOP_TEMPORAL: u8 = 2;

/// Congestion control treats the next step as a price and looks for a quarter more than it, whereas
/// allocation wants its own margins on top of the price: this share of the estimate that allocation needs
/// makes the two meet, with a little to spare.
const PROBED_SHARE: f64 = 0.84;
