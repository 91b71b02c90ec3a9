//! Redundancy of voices (RFC 2198), leg by leg: publishers on lossy uplinks are asked for it and what they repeat is
//! unwrapped here, subscribers on lossy downlinks are sent it. Both follow measured loss; neither knows the other.

use std::time::{Duration, Instant};

use protocol::id::TrackId;
use protocol::media_message::MediaReport;
use protocol::quality::VoicePlan;
use protocol::track::MediaKind;
use protocol::units::Bitrate;

use crate::congestion::LinkState;
use crate::counters::DropReason;
use crate::directory::ParticipantIndex;
use crate::forward::{Delivery, IncomingPacket, TrackIndex};
use crate::premises::Premises;
use crate::room::Room;
use crate::room::participant::{Participant, Use};
use crate::room::payload_types::Meaning;
use crate::rtcp::{PacketCount, ReportBlock};
use crate::rtp::{ExtensionValues, RtpHeader, SeqNo};
use crate::sample::Sample;
use crate::sdp::Codec;
use crate::voice::{Redundancy, RedundancyControl, RedundantPayload, VoiceRate, VoiceRateControl};

/// Packets that a measurement of a downlink stands for: it covers a second, and comes five times in one.
const PACKETS_PER_MEASUREMENT: f64 = 20.0;

/// People of a room who talk at the same time, at the most; the others pause (DTX).
const MAX_SPEAKERS: usize = 3;

/// A publisher that was asked for redundancy and sends otherwise is asked again after this long: a page that joined anew has
/// forgotten. One that cannot follow is not bothered more often.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// The two links of one participant, as far as voices care.
#[derive(Debug, Default)]
pub(super) struct VoiceLinks {
    downlink: RedundancyControl,
    uplink: RedundancyControl,
    /// The rate that the downlink is good for.
    rate: VoiceRateControl,
    /// Packets of all streams expected and received so far.
    counted: PacketCount,
    asked: Option<Asked>,
}

/// What a publisher was asked for last.
#[derive(Debug, Clone, Copy)]
struct Asked {
    track: TrackId,
    redundancy: bool,
    rate: VoiceRate,
    at: Instant,
}

impl Room {
    /// Takes a packet of several frames: those that were lost on the way go on first, under the numbers that they had.
    pub(super) fn handle_redundant(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        (place, encoding): (TrackIndex, usize),
        (header, values, size): (&RtpHeader<'_>, &ExtensionValues<'_>, usize),
        premises: &mut Premises,
    ) {
        let Ok(payload) = RedundantPayload::parse(header.payload()) else {
            return premises.counters.drop_one(DropReason::RtpMalformed);
        };
        let own = payload.primary();
        let meanings = self.participants[index.0].as_ref().map(|participant| &participant.payload_types);
        let meaning = meanings.and_then(|meanings| meanings.meaning(own.payload_type));
        let Some(Meaning::Media(codec @ Codec::Opus)) = meaning else {
            return premises.counters.drop_one(DropReason::UnknownStream);
        };
        let (sequence, timestamp) = (header.sequence(), header.timestamp());
        let track = self.tracks.get(place.0).and_then(Option::as_ref);
        let Some(found) = track
            .and_then(|track| track.encodings.get(encoding))
            .map(|encoding| encoding.recoverable((sequence, timestamp), &payload))
        else {
            return premises.counters.drop_one(DropReason::UnknownStream);
        };
        let unknown = ExtensionValues::default();
        for earlier in found.into_iter().flatten().filter(|one| one.block.payload_type == own.payload_type) {
            let packet = IncomingPacket {
                delivery: Delivery::Redundant,
                sequence: SeqNo(earlier.sequence as u16),
                timestamp: earlier.timestamp,
                codec,
                header,
                payload: earlier.block.payload,
                values: &unknown,
            };
            if let Ok(Some((track, arrival))) = self.deliver(now, place, encoding, &packet) {
                premises.counters.voice_packets_recovered += 1;
                self.forward(now, track, &arrival, premises);
            }
        }
        let (delivery, payload) = (Delivery::Original, own.payload);
        let packet = IncomingPacket { delivery, sequence, timestamp, codec, header, payload, values };
        match self.deliver(now, place, encoding, &packet) {
            Ok(Some((track, arrival))) => {
                if let Some(level) = values.audio_level {
                    self.speaker.handle_level(now, index, level & 0x7f);
                }
                self.note_redundant(now, place);
                self.distribute(now, track, &arrival, size, premises);
            }
            Ok(None) => {}
            Err(reason) => premises.counters.drop_one(reason),
        }
    }

    fn note_redundant(&mut self, now: Instant, place: TrackIndex) {
        if let Some(track) = self.tracks[place.0].as_mut() {
            track.redundant_at = Some(now);
        }
    }

    /// Lets the redundancy on both links of a participant follow their loss.
    pub(super) fn measure_voices(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let is_connected =
            self.participants[index.0].as_ref().is_some_and(|participant| participant.is_connected());
        if is_connected {
            self.follow_downlink(now, index);
            self.follow_uplink(now, index);
            self.plan_voice(now, index, premises);
        }
    }

    fn follow_downlink(&mut self, now: Instant, index: ParticipantIndex) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let voices = participant.egress.subscriptions().filter(|(_, one)| one.voice.is_some()).count();
        if voices == 0 {
            return;
        }
        let estimate = participant.egress.congestion().estimate();
        let told = match estimate.state {
            LinkState::Starting | LinkState::Steady | LinkState::Recovering => PACKETS_PER_MEASUREMENT,
            // A full queue loses packets for another reason, and silence tells nothing.
            LinkState::Overusing | LinkState::FeedbackLate | LinkState::FeedbackLost => 0.0,
        };
        let wanted = participant.voices.downlink.handle_loss(now, told, told * estimate.loss);
        if !matches!(estimate.state, LinkState::FeedbackLate | LinkState::FeedbackLost) {
            let per_voice = Bitrate::bps(estimate.target.as_bps() / voices.min(MAX_SPEAKERS) as u64);
            participant.voices.rate.handle_room(now, per_voice);
        }
        let level = wanted.within(estimate.target, voices.min(MAX_SPEAKERS));
        if participant.egress.set_redundancy(level) {
            self.adaptation.handle_voice_redundancy(participant.id, level.cost());
        }
    }

    fn follow_uplink(&mut self, now: Instant, index: ParticipantIndex) {
        let own = || self.tracks.iter().flatten().filter(|track| track.publisher == index);
        let counted: PacketCount =
            own().flat_map(|track| &track.encodings).map(|encoding| encoding.reception.count()).sum();
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let before = std::mem::replace(&mut participant.voices.counted, counted);
        // Sums that shrink are those of a track that ended.
        let new = counted.since(before);
        participant.voices.uplink.handle_loss(now, new.expected as f64, new.lost() as f64);
    }

    /// Asks a publisher to send its voice as the uplink and those who listen need it.
    fn plan_voice(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let mut own = self.tracks.iter().flatten().filter(|track| track.publisher == index);
        let Some(microphone) = own.find(|track| track.kind() == MediaKind::Audio) else { return };
        let (track, redundant_at) = (microphone.id, microphone.redundant_at);
        let listeners =
            microphone.subscribers.iter().filter_map(|(one, _)| self.participants[one.0].as_ref());
        let rate = listeners.map(|one| one.voices.rate.rate()).min().unwrap_or_default();
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let can_repeat = participant.payload_types.knows(Codec::Red);
        let redundancy = can_repeat && participant.voices.uplink.level() > Redundancy::None;
        let repeats = redundant_at.is_some_and(|at| now.saturating_duration_since(at) < ASK_AGAIN);
        let is_asked = match participant.voices.asked.filter(|asked| asked.track == track) {
            None => !redundancy && rate == VoiceRate::default(),
            Some(asked) if asked.redundancy != redundancy || asked.rate != rate => false,
            Some(asked) => repeats == redundancy || now.saturating_duration_since(asked.at) < ASK_AGAIN,
        };
        if is_asked {
            return;
        }
        participant.voices.asked = Some(Asked { track, redundancy, rate, at: now });
        let mid = participant.lines.iter().find(|(_, usage)| match usage {
            Use::Publishes(place) => {
                self.tracks[place.0].as_ref().is_some_and(|published| published.id == track)
            }
            Use::Subscribes(_) => false,
        });
        if let Some((mid, _)) = mid {
            let plan = VoicePlan { track, mid: mid.to_string(), max_bitrate_bps: rate.bitrate(), redundancy };
            premises.report(self.id, MediaReport::VoicePlan { participant: participant.id, plan });
        }
    }

    /// Scores every voice that was heard since the last call.
    pub(super) fn sample_voices(&mut self, premises: &mut Premises) {
        for index in 0..self.participants.len() {
            for place in 0..self.tracks.len() {
                let Some(track) =
                    self.tracks[place].as_ref().filter(|track| track.kind() == MediaKind::Audio)
                else {
                    continue;
                };
                let subscribed = track.subscribers.iter().find(|(one, _)| one.0 == index).copied();
                let Some((_, subscription)) = subscribed else { continue };
                let halves = [track.publisher.0, index].map(|end| self.half_round_trip(end));
                let Some(participant) = self.participants[index].as_mut() else { continue };
                let class = participant.class;
                let voice = participant.egress.subscription(subscription).and_then(|one| one.voice.as_mut());
                if let Some(score) = voice.and_then(|voice| voice.take_score(halves.iter().sum())) {
                    premises.sample(Sample::Voice { class, mos: score.mos, loss: score.loss });
                }
            }
        }
    }

    fn half_round_trip(&mut self, index: usize) -> Duration {
        let participant = self.participants[index].as_mut();
        participant.map_or(Duration::ZERO, |one| one.egress.congestion().estimate().rtt / 2)
    }
}

/// Takes what a subscriber reports on a voice.
pub(super) fn note_voice_report(participant: &mut Participant, block: &ReportBlock) {
    let Some((place, _)) = participant.subscribed_as(block.ssrc) else { return };
    if let Some(voice) = participant.egress.subscription(place).and_then(|one| one.voice.as_mut()) {
        let ticks = Duration::from_secs(block.jitter.into());
        voice.handle_report(f64::from(block.fraction_lost) / 256.0, ticks / Codec::Opus.clock_rate());
    }
}
