//! Feedback and reports that the gateway writes to a participant: transport-wide feedback, NACKs and key frame
//! requests for what it publishes, receiver reports on it, and sender reports on what it is sent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::track::MediaKind;

use crate::burst::BurstSlab;
use crate::directory::ParticipantIndex;
use crate::forward::{Encoding, Track};
use crate::limits::{MAX_DATAGRAM, MAX_RECEIVED_PEOPLE};
use crate::premises::Premises;
use crate::room::Room;
use crate::room::participant::Participant;
use crate::rtcp::{write_nack, write_pli, write_receiver_report};
use crate::srtp::SrtpSession;

/// RFC 3550 §6.2 asks for five seconds at least in large sessions; browsers send every second, and the
/// round trip of a publisher is known no sooner.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Report blocks of one packet (RFC 3550 §6.4.1: a five-bit count).
const MAX_REPORT_BLOCKS: usize = 31;

/// Sender reports of one kind in one datagram: with the name of its source each has some 70 bytes. Those
/// on the microphones of a full room fit, and so do those on its cameras and a screen.
const MAX_SENDER_REPORTS: usize = MAX_RECEIVED_PEOPLE;

/// Writes what is due of one kind of feedback, if anything.
type Writer = fn(&mut Room, Instant, ParticipantIndex, &mut Premises, &mut Vec<u8>);

impl Room {
    /// Seals the feedback and reports that are due; `false` where the slab was full before that.
    pub(super) fn fill_feedback(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        destination: SocketAddr,
        slab: &mut BurstSlab,
        premises: &mut Premises,
    ) -> bool {
        if !self.has_feedback(now, index) {
            return true;
        }
        // Each of these is one datagram, and none is due again at once.
        let writers: [Writer; 5] = [
            Self::write_arrivals,
            Self::write_repairs,
            Self::write_receptions,
            |room, now, index, _, out| room.write_sendings(now, index, MediaKind::Audio, out),
            |room, now, index, _, out| room.write_sendings(now, index, MediaKind::Video, out),
        ];
        for write in writers {
            if !slab.has_room_for(MAX_DATAGRAM) {
                return false;
            }
            slab.push(destination, |out| {
                let start = out.len();
                write(self, now, index, premises, out);
                let sealed = out.len() > start && self.seal_rtcp(index, out, start);
                if !sealed {
                    out.truncate(start);
                }
            });
        }
        if let Some(participant) = self.participants[index.0].as_mut()
            && participant.report_at.is_some_and(|due| due <= now)
        {
            participant.report_at = Some(now + INTERVAL);
        }
        true
    }

    /// Whether anything may be due. To those who only watch it is once a second, among many turns.
    fn has_feedback(&self, now: Instant, index: ParticipantIndex) -> bool {
        self.participants[index.0].as_ref().is_some_and(|participant| {
            participant.report_at.is_some_and(|due| due <= now)
                || participant.arrivals.poll_timeout().is_some_and(|due| due <= now)
                || participant.published().next().is_some()
        })
    }

    fn seal_rtcp(&mut self, index: ParticipantIndex, out: &mut Vec<u8>, start: usize) -> bool {
        let srtp = self.transport(index).and_then(|transport| transport.srtp.as_mut());
        srtp.is_some_and(|srtp: &mut SrtpSession| srtp.seal_rtcp(out, start).is_ok())
    }

    /// Transport-wide feedback on everything that has arrived.
    fn write_arrivals(&mut self, now: Instant, index: ParticipantIndex, _: &mut Premises, out: &mut Vec<u8>) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let media_ssrc = participant.any_stream().unwrap_or(participant.rtcp_ssrc);
        let sender = participant.rtcp_ssrc;
        participant.arrivals.set_unheard(now, participant.egress.dark_since().is_some());
        while participant.arrivals.write_due(now, sender, media_ssrc, out) {}
    }

    /// NACKs and key frame requests.
    fn write_repairs(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        premises: &mut Premises,
        out: &mut Vec<u8>,
    ) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        if participant.published().next().is_none() {
            return;
        }
        let rtt = participant.egress.congestion().estimate().rtt;
        let reporter = participant.rtcp_ssrc;
        let participants = &self.participants;
        for track in self.tracks.iter_mut().flatten().filter(|track| track.publisher == index) {
            let misses = |encoding: &Encoding| encoding.nacks.poll_timeout().is_some_and(|due| due <= now);
            let needed = match track.encodings.iter().any(misses) {
                true => needed_encodings(track, participants),
                false => ALL_ENCODINGS,
            };
            for (place, encoding) in track.encodings.iter_mut().enumerate() {
                let Some(ssrc) = encoding.ssrc else { continue };
                if needed & (1 << place) == 0 {
                    // Its repairs would take the uplink from what somebody watches.
                    encoding.nacks.forget();
                }
                let lost = encoding.nacks.poll(now, rtt);
                if !lost.is_empty() {
                    premises.counters.nacks_out += lost.len() as u64;
                    write_nack(out, reporter, ssrc, &lost);
                }
                if encoding.nacks.take_gave_up() {
                    encoding.key_frames.request(now);
                }
                if encoding.key_frames.poll(now) {
                    premises.counters.key_frame_requests_out += 1;
                    write_pli(out, reporter, ssrc);
                }
            }
        }
    }

    /// Receiver reports on what the participant publishes.
    fn write_receptions(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        _: &mut Premises,
        out: &mut Vec<u8>,
    ) {
        let participant = self.participants[index.0].as_ref().filter(|_| self.is_due_for_reports(now, index));
        let Some(reporter) = participant.map(|participant| participant.rtcp_ssrc) else { return };
        let published = self.tracks.iter_mut().flatten().filter(|track| track.publisher == index);
        let blocks: Vec<_> = published
            .flat_map(|track| &mut track.encodings)
            .filter_map(|encoding| encoding.reception.report(now, encoding.ssrc?))
            .take(MAX_REPORT_BLOCKS)
            .collect();
        if !blocks.is_empty() {
            write_receiver_report(out, reporter, &blocks);
        }
    }

    /// Sender reports on the voices or the pictures that the participant is sent, on the clocks of those who
    /// publish them: then the player can keep a publisher's voice and picture together.
    fn write_sendings(&mut self, now: Instant, index: ParticipantIndex, kind: MediaKind, out: &mut Vec<u8>) {
        if !self.is_due_for_reports(now, index) {
            return;
        }
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        let of_kind = participant.egress.subscriptions().filter(|(_, one)| one.kind() == kind);
        for (_, subscription) in of_kind.take(MAX_SENDER_REPORTS) {
            let Some(track) = self.tracks[subscription.track.0].as_ref() else { continue };
            let encoding = subscription.current().map_or(0, |layer| layer.encoding);
            let clock =
                track.encodings.get(usize::from(encoding)).and_then(|encoding| encoding.clock.as_ref());
            let publisher = self.participants[track.publisher.0].as_ref();
            if let (Some(clock), Some(publisher)) = (clock, publisher) {
                let (ntp, timestamp) = clock.at(now);
                subscription.write_sender_report(ntp, timestamp, publisher.id, out);
            }
        }
    }

    fn is_due_for_reports(&self, now: Instant, index: ParticipantIndex) -> bool {
        let participant = self.participants[index.0].as_ref();
        participant.and_then(|participant| participant.report_at).is_some_and(|due| due <= now)
    }
}

/// Nothing is missing, so that nobody need be asked.
const ALL_ENCODINGS: u8 = u8::MAX;

/// The encodings of a track that somebody gets or waits for, as a bit set.
fn needed_encodings(track: &Track, participants: &[Option<Box<Participant>>]) -> u8 {
    let subscriptions = track.subscribers.iter().filter_map(|(subscriber, place)| {
        let participant = participants.get(subscriber.0)?.as_ref()?;
        participant.egress.subscriptions().find(|(index, _)| index == place).map(|(_, one)| one)
    });
    let layers = subscriptions.flat_map(|one| [one.current(), one.target()]).flatten();
    layers.fold(0, |needed, layer| needed | 1_u8.checked_shl(layer.encoding.into()).unwrap_or_default())
}
