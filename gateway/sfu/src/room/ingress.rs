//! What arrives from a participant: media on its way to the subscribers, and feedback on what they were sent.

use std::time::Instant;

use protocol::media_message::MediaReport;
use protocol::track::MediaKind;

use crate::adapt;
use crate::congestion::{Estimate, LinkState};
use crate::counters::DropReason;
use crate::directory::ParticipantIndex;
use crate::forward::{Arrival, Delivery, IncomingPacket, SubscriptionIndex, TrackIndex};
use crate::premises::Premises;
use crate::relay::{RelayBody, RelayedClock};
use crate::room::Room;
use crate::room::agenda::Stir;
use crate::room::participant::{Destination, Participant, Use};
use crate::room::payload_types::Meaning;
use crate::room::voices::note_voice_report;
use crate::rtcp::{ReportBlock, Rtcp, RtcpReader, SenderReport};
use crate::rtp::{ExtensionValues, RtpHeader, SeqNo, Ssrc};
use crate::sample::{JoinStage, Sample};
use crate::sdp::{Codec, Mid, Rid};

impl Room {
    /// Takes an SRTP datagram from a validated address.
    pub(crate) fn handle_rtp(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        datagram: &mut [u8],
        premises: &mut Premises,
    ) {
        self.now = now;
        self.agenda.stir(index);
        let size = datagram.len();
        let Some(participant) = self.participants.get_mut(index.0).and_then(Option::as_mut) else { return };
        let transport = participant.transport.as_mut();
        let Some(srtp) = transport.and_then(|transport| transport.srtp.as_mut()) else {
            return premises.counters.drop_one(DropReason::NoKeys);
        };
        let packet = match srtp.open_rtp(datagram) {
            Ok(packet) => packet,
            Err(error) => return premises.counters.drop_one(error.into()),
        };
        participant.heard_at = now;
        let Ok(header) = RtpHeader::parse(packet) else {
            return premises.counters.drop_one(DropReason::RtpMalformed);
        };
        let values = ExtensionValues::read(&header, &participant.extensions);
        // Every authentic packet counts, padding and probes too, or the publisher reads them as lost.
        if let Some(sequence) = values.transport_sequence {
            participant.arrivals.record(now, sequence);
        }
        let Some(meaning) = participant.payload_types.meaning(header.pt()) else {
            return premises.counters.drop_one(DropReason::UnknownStream);
        };
        if !matches!(meaning, Meaning::Media(Codec::Opus | Codec::Red)) {
            participant.trains.record(now, size);
        }
        let Some(destination) = self.destination(index, &header, &values, meaning) else {
            return premises.counters.drop_one(DropReason::UnknownStream);
        };
        self.begin_media(now, index, premises);
        if !self.halls.is_empty() {
            self.relay(destination, packet, premises);
        }
        self.handle_media(now, index, (destination, meaning), (&header, &values, size), premises);
    }

    /// Takes a packet of a stream that is known; `size` is what its datagram had, or nothing where another worker counts it.
    pub(super) fn handle_media(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        (destination, meaning): (Destination, Meaning),
        (header, values, size): (&RtpHeader<'_>, &ExtensionValues<'_>, usize),
        premises: &mut Premises,
    ) {
        let arrival = match (destination, meaning) {
            (Destination::Media { track, encoding }, Meaning::Media(Codec::Red)) => {
                return self.handle_redundant(
                    now,
                    index,
                    (track, encoding),
                    (header, values, size),
                    premises,
                );
            }
            (Destination::Media { track, encoding }, Meaning::Media(codec)) => {
                let (delivery, sequence, payload) = (Delivery::Original, header.sequence(), header.payload());
                let timestamp = header.timestamp();
                let packet = IncomingPacket { delivery, sequence, timestamp, codec, header, payload, values };
                self.deliver(now, track, encoding, &packet)
            }
            (Destination::Repair { track, encoding }, Meaning::Repair(codec)) => {
                premises.counters.retransmitted_bytes_in += size as u64;
                // RFC 4588 §4: the original sequence number comes first. Without it, it is padding.
                let Some((original, payload)) = header.payload().split_first_chunk() else { return };
                let (delivery, sequence) = (Delivery::Repair, SeqNo(u16::from_be_bytes(*original)));
                let timestamp = header.timestamp();
                let packet = IncomingPacket { delivery, sequence, timestamp, codec, header, payload, values };
                self.deliver(now, track, encoding, &packet)
            }
            (Destination::Media { .. }, Meaning::Repair(_))
            | (Destination::Repair { .. }, Meaning::Media(_)) => {
                return premises.counters.drop_one(DropReason::UnknownStream);
            }
        };
        match arrival {
            Ok(Some((track, arrival))) => {
                if let Some(level) = values.audio_level {
                    self.speaker.handle_level(now, index, level & 0x7f);
                }
                self.distribute(now, track, &arrival, size, premises);
                if arrival.layer.key_frame && arrival.layer.frame_start {
                    // Here subscribers change over: the badge says what flows.
                    self.report_flows(now);
                    self.apply_decisions(now, premises);
                }
            }
            Ok(None) => {}
            Err(reason) => premises.counters.drop_one(reason),
        }
    }

    /// Where a packet goes; a stream that is new is bound by the names that its packets carry.
    fn destination(
        &mut self,
        index: ParticipantIndex,
        header: &RtpHeader<'_>,
        values: &ExtensionValues<'_>,
        meaning: Meaning,
    ) -> Option<Destination> {
        let participant = self.participants.get_mut(index.0)?.as_mut()?;
        if let Some(known) = participant.destination(header.ssrc()) {
            return Some(known);
        }
        let mid = Mid::new(values.mid?)?;
        let (_, usage) = participant.lines.iter().find(|(known, _)| *known == mid)?;
        let Use::Publishes(place) = *usage else { return None };
        let track = self.tracks.get_mut(place.0)?.as_mut()?;
        let rid = match meaning {
            Meaning::Media(_) => values.rid,
            Meaning::Repair(_) => values.repaired_rid.or(values.rid),
        };
        let rid = rid.and_then(Rid::new);
        let encoding = match rid {
            Some(rid) => track.encodings.iter().position(|encoding| encoding.rid == Some(rid))?,
            None => track.encodings.iter().position(|encoding| encoding.rid.is_none())?,
        };
        let destination = match meaning {
            Meaning::Media(_) => Destination::Media { track: place, encoding },
            Meaning::Repair(_) => Destination::Repair { track: place, encoding },
        };
        participant.bind(header.ssrc(), destination).then_some(destination)
    }

    fn begin_media(&mut self, now: Instant, index: ParticipantIndex, premises: &mut Premises) {
        let class = self.class(index);
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        if !std::mem::replace(&mut participant.has_sent_media, true)
            && let Some(transport) = &participant.transport
        {
            let elapsed = now.saturating_duration_since(transport.offered_at);
            premises.sample(Sample::JoinStage { stage: JoinStage::FirstMedia, elapsed, class });
        }
    }

    pub(super) fn deliver(
        &mut self,
        now: Instant,
        place: TrackIndex,
        encoding: usize,
        packet: &IncomingPacket<'_>,
    ) -> Result<Option<(TrackIndex, Arrival)>, DropReason> {
        let track = self.tracks.get_mut(place.0).and_then(Option::as_mut).ok_or(DropReason::UnknownStream)?;
        track.set_codec(packet.codec);
        let encoding = track.encodings.get_mut(encoding).ok_or(DropReason::UnknownStream)?;
        match packet.delivery {
            Delivery::Original => encoding.ssrc = Some(packet.header.ssrc()),
            Delivery::Repair => encoding.rtx_ssrc = Some(packet.header.ssrc()),
            Delivery::Redundant => {}
        }
        let arrival = encoding.handle_packet(now, packet).map_err(|_| DropReason::RtpMalformed)?;
        Ok(arrival.map(|arrival| (place, arrival)))
    }

    /// Counts a packet and offers it to everybody who is subscribed to its track.
    pub(super) fn distribute(
        &mut self,
        now: Instant,
        place: TrackIndex,
        arrival: &Arrival,
        size: usize,
        premises: &mut Premises,
    ) {
        let Some(track) = self.tracks[place.0].as_ref() else { return };
        if self.hall.is_none() {
            premises.counters.ingress.count(track.kind(), size);
        }
        self.forward(now, place, arrival, premises);
    }

    /// Offers a packet to everybody who is subscribed to its track.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        place: TrackIndex,
        arrival: &Arrival,
        premises: &mut Premises,
    ) {
        let Some(track) = self.tracks[place.0].as_ref() else { return };
        if track.muted {
            return;
        }
        for (subscriber, subscription) in &track.subscribers {
            let Some(participant) = self.participants[subscriber.0].as_mut() else { continue };
            if !participant.is_connected() {
                continue;
            }
            let forwarded =
                participant.egress.offer(now, *subscription, arrival, track, &mut premises.counters);
            self.agenda.stir_for(*subscriber, Stir::Media);
            if forwarded && arrival.layer.key_frame {
                sample_first_frame(now, participant, *subscription, premises);
            }
        }
    }

    /// Takes an SRTCP datagram from a validated address.
    pub(crate) fn handle_rtcp(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        datagram: &mut [u8],
        premises: &mut Premises,
    ) {
        self.now = now;
        self.agenda.stir(index);
        let Some(participant) = self.participants.get_mut(index.0).and_then(Option::as_mut) else { return };
        let Some(srtp) = participant.transport.as_mut().and_then(|transport| transport.srtp.as_mut()) else {
            return premises.counters.drop_one(DropReason::NoKeys);
        };
        let compound = match srtp.open_rtcp(datagram) {
            Ok(compound) => compound,
            Err(error) => return premises.counters.drop_one(error.into()),
        };
        participant.heard_at = now;
        for packet in RtcpReader::new(compound) {
            match packet {
                Ok(packet) => self.handle_feedback(now, index, packet, premises),
                Err(_) => return premises.counters.drop_one(DropReason::RtpMalformed),
            }
        }
        self.apply_decisions(now, premises);
    }

    fn handle_feedback(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        packet: Rtcp<'_>,
        premises: &mut Premises,
    ) {
        match packet {
            Rtcp::SenderReport(report) => self.handle_sender_report(now, index, report, premises),
            Rtcp::ReceiverReport(report) => self.handle_report_blocks(now, index, report.blocks()),
            Rtcp::Twcc(feedback) => {
                let Some(participant) = self.participants[index.0].as_mut() else { return };
                let statuses = &mut premises.statuses;
                statuses.clear();
                statuses.extend(feedback.statuses(&mut participant.feedback_clock));
                participant.egress.handle_feedback(now, statuses);
                let (id, downlink) = (participant.id, downlink(&participant.egress.congestion().estimate()));
                self.adaptation.notice_downlink(now, id, downlink);
            }
            Rtcp::Nack(nack) => self.handle_nack(now, index, nack.media_ssrc, nack.lost(), premises),
            Rtcp::PictureLoss { media_ssrc } | Rtcp::FullIntraRequest { media_ssrc } => {
                self.handle_key_frame_request(now, index, media_ssrc, premises);
            }
            Rtcp::Bye | Rtcp::Other => {}
        }
    }

    /// The worst loss that a receiver report tells of what was sent.
    fn handle_report_blocks(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        blocks: impl Iterator<Item = ReportBlock>,
    ) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let note = |block: &ReportBlock| note_voice_report(participant, block);
        if let Some(lost) = blocks.inspect(note).map(|block| block.fraction_lost).max() {
            participant.egress.congestion().handle_receiver_loss(now, f64::from(lost) / 256.0);
        }
    }

    fn handle_sender_report(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        report: SenderReport,
        premises: &mut Premises,
    ) {
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        let Some(Destination::Media { track, encoding }) = participant.destination(report.ssrc) else {
            return;
        };
        self.set_clock(now, track, encoding, report.ntp, report.rtp_timestamp);
        if !self.halls.is_empty() {
            let (ntp, rtp_timestamp) = (report.ntp, report.rtp_timestamp);
            let clock = RelayedClock { track, encoding: encoding as u8, ntp, rtp_timestamp };
            self.halls.tell(self.id, &RelayBody::Clock(clock), &mut premises.relays);
        }
    }

    pub(super) fn set_clock(
        &mut self,
        now: Instant,
        place: TrackIndex,
        encoding: usize,
        ntp: u64,
        timestamp: u32,
    ) {
        let Some(track) = self.tracks[place.0].as_mut() else { return };
        let clock_rate = track.codec().map_or(90_000, Codec::clock_rate);
        if let Some(encoding) = track.encodings.get_mut(encoding) {
            encoding.handle_sender_report(now, ntp, timestamp, clock_rate);
        }
    }

    fn handle_nack(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        media_ssrc: Ssrc,
        lost: impl Iterator<Item = SeqNo>,
        premises: &mut Premises,
    ) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let Some((place, track)) = participant.subscribed_as(media_ssrc) else { return };
        let Some(track) = self.tracks[track.0].as_ref() else { return };
        let counters = &mut premises.counters;
        let mut asked = 0;
        let lost = lost.inspect(|_| asked += 1).map(|sequence| sequence.0);
        let is_repaired = participant.egress.resend(now, place, lost, track, counters);
        counters.nacks_in += asked;
        if !is_repaired {
            self.request_key_frame(now, index, media_ssrc);
        }
    }

    fn handle_key_frame_request(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        media_ssrc: Ssrc,
        premises: &mut Premises,
    ) {
        premises.counters.key_frame_requests_in += 1;
        self.request_key_frame(now, index, media_ssrc);
    }

    /// Asks for a key frame of what a subscriber gets.
    fn request_key_frame(&mut self, now: Instant, index: ParticipantIndex, media_ssrc: Ssrc) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        if !participant.key_frame_allowance.take(now) {
            return;
        }
        let Some((place, track)) = participant.subscribed_as(media_ssrc) else { return };
        let layer = participant.egress.subscription(place).and_then(|one| one.current().or(one.target()));
        if let Some(layer) = layer {
            self.ask_for_key_frame(now, track, layer.encoding);
        }
    }

    /// Decides who has the floor.
    pub(super) fn update_speaker(&mut self, now: Instant, premises: &mut Premises) {
        if let Some(floor) = self.speaker.update(now) {
            let speaker = floor.and_then(|index| self.participants[index.0].as_ref());
            let participant = speaker.map(|participant| participant.id);
            premises.report(self.id, MediaReport::ActiveSpeaker { participant });
        }
    }
}

fn sample_first_frame(
    now: Instant,
    participant: &mut Participant,
    place: SubscriptionIndex,
    premises: &mut Premises,
) {
    let class = participant.class;
    let Some(subscription) = participant.egress.subscription(place) else { return };
    if subscription.kind() == MediaKind::Video
        && let Some(since) = subscription.take_waiting_since()
    {
        let elapsed = now.saturating_duration_since(since);
        premises.sample(Sample::FirstFrame { elapsed, class });
    }
}

/// Congestion control's verdict in the words of policy.
pub(super) fn downlink(estimate: &Estimate) -> adapt::Downlink {
    adapt::Downlink {
        estimate: estimate.target,
        acknowledged: estimate.acknowledged.unwrap_or_default(),
        rtt: estimate.rtt,
        loss: estimate.loss,
        jitter: estimate.jitter,
        queue_delay: estimate.queue_delay,
        state: match estimate.state {
            LinkState::Starting => adapt::DownlinkState::Starting,
            LinkState::Steady | LinkState::Recovering => adapt::DownlinkState::Steady,
            LinkState::Overusing => adapt::DownlinkState::Congested,
            LinkState::FeedbackLate | LinkState::FeedbackLost => adapt::DownlinkState::Silent,
        },
    }
}
