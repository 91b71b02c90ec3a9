//! The codecs of a room's pictures on their way from offers to publishers: who can decode what is counted with every
//! offer and leave, and who has to send otherwise is told.

use std::time::Instant;

use protocol::media_message::MediaReport;
use protocol::track::TrackSource;
use protocol::video_codec::CodecPlan;

use super::room_codecs::{Request, RoomCodecs};
use crate::directory::ParticipantIndex;
use crate::premises::Premises;
use crate::room::Room;
use crate::room::participant::Use;
use crate::sample::Sample;
use crate::sdp::{CodecSet, Mid, NegotiatedMedia, RemoteOffer};

impl Room {
    /// The room's codecs as they will be once this participant can decode that.
    pub(super) fn codecs_with(
        &self,
        now: Instant,
        index: ParticipantIndex,
        decodes: Option<CodecSet>,
    ) -> RoomCodecs {
        let mut codecs = self.codecs.clone();
        let others = self.participants.iter().enumerate().filter(|(other, _)| *other != index.0);
        let others = others.filter_map(|(_, other)| other.as_ref()?.decodes);
        codecs.handle_everyone(now, others.chain(decodes));
        codecs
    }

    /// Somebody left: more may be in common.
    pub(super) fn recount_codecs(&mut self, now: Instant) {
        let everyone = self.participants.iter().flatten().filter_map(|participant| participant.decodes);
        self.codecs.handle_everyone(now, everyone);
    }

    /// Takes note of how the pictures of an offer were answered.
    pub(super) fn note_pictures(
        &self,
        index: ParticipantIndex,
        remote: &RemoteOffer,
        negotiated: &[NegotiatedMedia],
        codecs: &mut RoomCodecs,
    ) {
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        for (mid, usage) in &participant.lines {
            let Use::Publishes(place) = usage else { continue };
            let Some(track) = self.tracks[place.0].as_ref() else { continue };
            let offered = remote.media_of(mid.as_str());
            let answered = negotiated.iter().find(|media| media.mid == *mid);
            if let (TrackSource::Camera | TrackSource::Screen, Some(offered), Some(answered)) =
                (track.source, offered, answered)
            {
                let can_send = CodecSet::of(offered.codecs.iter().map(|codec| codec.codec));
                // Browsers send in the first codec of the answer (RFC 8829 §4.2.6).
                let sends = answered.codecs.first().and_then(|codec| codec.codec.video_codec());
                codecs.handle_answer(track.id, track.source, can_send, sends);
            }
        }
    }

    /// Tells those whom it concerns what pictures are sent in from here on.
    pub(super) fn tell_codecs(&mut self, now: Instant, premises: &mut Premises) {
        self.codecs.handle_timeout(now);
        if let Some(change) = self.codecs.poll_change() {
            if change.begins_otherwise {
                premises.sample(Sample::RoomCodecChanged { codec: change.codecs[0], reason: change.reason });
            }
            premises.report(self.id, MediaReport::RoomCodecs { codecs: change.codecs });
        }
        let tracks = &self.tracks;
        self.codecs.keep(|id| tracks.iter().flatten().any(|track| track.id == id));
        while let Some(Request { track, codecs, reason }) = self.codecs.poll_request() {
            let line = self.participants.iter().flatten().find_map(|participant| {
                let is_it = |usage: &Use| match usage {
                    Use::Publishes(place) => self.tracks[place.0].as_ref().is_some_and(|one| one.id == track),
                    Use::Subscribes(_) => false,
                };
                let (mid, _) = participant.lines.iter().find(|(_, usage)| is_it(usage))?;
                Some((participant.id, *mid))
            });
            let Some((participant, mid)): Option<(_, Mid)> = line else { continue };
            let plan = CodecPlan { track, mid: mid.to_string(), codecs, reason };
            premises.report(self.id, MediaReport::CodecPlan { participant, plan });
        }
    }
}
