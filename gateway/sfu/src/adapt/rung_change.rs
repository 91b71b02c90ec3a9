//! A subscription's way from one rung to another: what the rung loop decides, taken over, and why.

use std::time::Instant;

use protocol::decision::Change;
use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::quality::RungReason;

use super::adaptation::Adaptation;
use super::badge::rung_reason;
use super::output::{AdaptOutput, ForwardTarget, Layer};
use super::published_track::Track;
use super::room_state::{RoomState, Subscription};
use super::snapshot::{RoomSnapshot, SourceSnapshot};
use super::strategy::Steps;
use crate::sample::SwitchCause;

/// What the rung loop has decided for one subscription.
#[derive(Debug, Clone, Copy)]
struct Decided {
    track: TrackId,
    layer: Option<Layer>,
    /// It was lowered because the link gave out, which is no failure of HD.
    let_down: bool,
}

impl Adaptation {
    /// Runs the rung loop of one subscriber and says what changed.
    pub(super) fn step(
        &mut self,
        now: Instant,
        room: &RoomSnapshot,
        id: ParticipantId,
        ideal: Option<&[Option<Layer>]>,
    ) {
        let subscriber = self.room.subscriber_snapshot(now, id);
        let audio = self.room.audio_reserve(id);
        let Some(participant) = self.room.participants.get_mut(&id) else { return };
        let link = participant.link_view(audio);
        match self.room.strategy.steps {
            Steps::Held => participant.allocator.step(now, room, &subscriber, ideal, &link),
            Steps::AtOnce => participant.allocator.follow(ideal),
        }
        participant.prices = participant.allocator.prices(room, &subscriber).collect();
        let allocator = &participant.allocator;
        let decided =
            participant.demands.iter().zip(allocator.layers()).enumerate().map(|(index, (track, layer))| {
                Decided { track: *track, layer, let_down: allocator.is_let_down(index) }
            });
        let decided: Vec<Decided> = decided.collect();
        for (decided, demand) in decided.into_iter().zip(&subscriber.demands) {
            if let Some(source) = room.sources.get(demand.source) {
                self.settle(now, id, decided, source);
            }
        }
    }

    /// Takes over the layer of one subscription.
    fn settle(&mut self, now: Instant, subscriber: ParticipantId, decided: Decided, source: &SourceSnapshot) {
        let Decided { track: id, layer, let_down } = decided;
        let key = (subscriber, id);
        let Some(track) = self.room.tracks.get(&id) else { return };
        let Some(mut subscription) = self.room.subscriptions.get(&key).copied() else { return };
        let before = subscription;
        let rung = layer.map_or(Rung::AudioOnly, |layer| track.rung_of(now, usize::from(layer.encoding)));
        subscription.target = layer;
        subscription.rung = rung;
        subscription.hd_since = if rung >= Rung::HD { before.hd_since.or(Some(now)) } else { None };
        subscription.reason = rung_reason(&self.room, now, subscriber, (track, source), &subscription);
        if before.target != layer {
            let target = ForwardTarget::from(layer);
            self.outputs.push_back(AdaptOutput::Forward { subscriber, track: id, target });
        }
        if before.rung != rung {
            let cause = switch_cause(&self.room, now, subscriber, (track, source), (&before, &subscription));
            self.outputs.push_back(AdaptOutput::RungChanged { from: before.rung, to: rung, cause });
            let publisher = track.publication.publisher;
            let (from, to, why) = (before.rung, rung, cause.into());
            self.log.record(now, Change::Rung { publisher, subscriber, track: id, from, to, cause: why });
            if let (Some(reached), None, SwitchCause::Estimate, Some(pair)) = (
                before.hd_since,
                subscription.hd_since,
                cause,
                self.room.pairs.get_mut(&(publisher, subscriber)),
            ) && !let_down
            {
                pair.permission.handle_drop(now, reached);
            }
        }
        self.room.subscriptions.insert(key, subscription);
    }
}

/// Why a subscription went from one rung to another.
fn switch_cause(
    room: &RoomState,
    now: Instant,
    subscriber: ParticipantId,
    (track, source): (&Track, &SourceSnapshot),
    (before, after): (&Subscription, &Subscription),
) -> SwitchCause {
    let lifted = after.rung > before.rung;
    let held_by = if lifted { before.reason } else { after.reason };
    let gone = before.target.is_some_and(|layer| {
        source.encodings.get(usize::from(layer.encoding)).is_none_or(|encoding| !encoding.usable)
    });
    if !lifted && room.cap(now, subscriber, track, |decision| decision.permitted).rung < before.rung {
        return SwitchCause::Policy;
    }
    match held_by {
        RungReason::Viewport => SwitchCause::Viewport,
        RungReason::Class | RungReason::HdPermission | RungReason::Codec if lifted => SwitchCause::Policy,
        RungReason::Publisher
        | RungReason::AwaitingKeyframe
        | RungReason::Muted
        | RungReason::PublisherLost => SwitchCause::Publisher,
        _ if !lifted && gone => SwitchCause::Publisher,
        _ => SwitchCause::Estimate,
    }
}
