//! Why a subscription is at its rung: the reason that the quality badge shows.

use std::time::Instant;

use protocol::id::ParticipantId;
use protocol::ladder::Rung;
use protocol::quality::RungReason;
use protocol::track::TrackSource;

use super::output::{Flowing, Layer};
use super::participant::Participant;
use super::published_track::Track;
use super::room_state::{RoomState, Subscription};
use super::snapshot::{SourceSnapshot, fills};

/// What holds a subscription at its rung.
pub(super) fn rung_reason(
    room: &RoomState,
    now: Instant,
    subscriber: ParticipantId,
    (track, source): (&Track, &SourceSnapshot),
    subscription: &Subscription,
) -> RungReason {
    let publisher = room.participants.get(&track.publication.publisher);
    if publisher.is_some_and(Participant::is_lost) {
        return RungReason::PublisherLost;
    }
    if track.muted {
        return RungReason::Muted;
    }
    if subscription.max_lines == 0 {
        return RungReason::Viewport;
    }
    if track.is_silent(now) {
        return RungReason::PublisherLost;
    }
    if subscription.is_undecodable(now) {
        return RungReason::Codec;
    }
    if awaits_key_frame(subscription) {
        return RungReason::AwaitingKeyframe;
    }
    let rung = subscription.rung;
    let best = match track.publication.source {
        TrackSource::Camera => Rung::HD,
        TrackSource::Screen | TrackSource::Microphone => Rung::P1080,
    };
    let class = room.class_cap(now, subscriber, track).rung;
    let permitted = room.cap(now, subscriber, track, |decision| decision.permitted).rung;
    if rung >= best {
        return RungReason::Best;
    }
    if fills(rung, subscription.max_lines) && rung < permitted {
        return RungReason::Viewport;
    }
    // The encoding that would come next tells what is missing.
    let next = source.encodings.iter().enumerate().find(|(_, encoding)| encoding.rung > rung);
    match next {
        _ if class <= rung => RungReason::Class,
        Some((index, encoding)) if encoding.rung <= class && track.is_withheld(now, index) => {
            RungReason::Publisher
        }
        _ if permitted <= rung => RungReason::HdPermission,
        // Spatial layers halve from one to the next, and the size between is what would be allowed.
        Some((_, encoding)) if track.is_layered() && encoding.rung > class.min(permitted) => {
            RungReason::Codec
        }
        Some((_, encoding)) if encoding.rung > class => RungReason::Class,
        Some((_, encoding)) if encoding.rung > permitted => RungReason::HdPermission,
        // A picture begins with the lowest encoding, and the others take a moment to come.
        Some((index, encoding)) if !encoding.usable && track.is_due(now, index) => {
            RungReason::AwaitingKeyframe
        }
        Some((index, encoding)) => {
            let asked_for = track.plan.get(index).is_some_and(|plan| plan.active);
            let withheld = !encoding.usable && (asked_for || track.reduced);
            if withheld { RungReason::Publisher } else { RungReason::Downlink }
        }
        None => RungReason::Publisher,
    }
}

/// The rung that a subscriber sees at this moment.
pub(super) fn visible_rung(now: Instant, track: &Track, subscription: &Subscription) -> Rung {
    if track.muted {
        return Rung::AudioOnly;
    }
    match subscription.flowing {
        None => subscription.rung,
        Some(Flowing::None | Flowing::Undecodable) => Rung::AudioOnly,
        Some(Flowing::Layer(layer)) => track.rung_of(now, usize::from(layer.encoding)),
    }
}

fn awaits_key_frame(subscription: &Subscription) -> bool {
    let Some(flowing) = subscription.flowing else { return false };
    let flowing: Option<Layer> = flowing.into();
    let encoding = |layer: Option<Layer>| layer.map(|layer| layer.encoding);
    subscription.target.is_some() && encoding(flowing) != encoding(subscription.target)
}
