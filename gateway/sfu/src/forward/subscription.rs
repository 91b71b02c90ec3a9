//! One track on its way to one subscriber: which of its packets go, under which numbers, and how a packet
//! is written when its moment comes.

use std::time::Instant;

use protocol::id::ParticipantId;
use protocol::track::MediaKind;

use crate::forward::layer_switch::{Decision, Descent, Layer, LayerMark, LayerSwitch};
use crate::forward::packet_store::{PacketNotes, StoredPacket};
use crate::forward::rewriter::{AUDIO_WINDOW, PictureIds, Rewriter, Rewritten, StreamMark, VIDEO_WINDOW};
use crate::forward::sent_history::{SentHistory, SentRecord};
use crate::forward::track::Track;
use crate::forward::voice_bundler::{Bundle, VoiceBundler};
use crate::rtcp::{SenderReport, write_cname, write_sender_report};
use crate::rtp::{
    CopiedExtensions, ExtensionMap, FixedHeader, HeaderTemplate, LayerInfo, Pt, SeqNo, Ssrc, WrittenHeader,
    pad,
};
use crate::sdp::{Codec, Mid, NegotiatedCodec};
use crate::srtp::RolloverCounter;
use crate::voice::{Passengers, Redundancy, Repeats, VoiceLeg};

/// A track's place in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TrackIndex(pub(crate) usize);

/// A subscription's place among those of its subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SubscriptionIndex(pub(crate) usize);

/// A packet of a track, just arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) encoding: u8,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) codec: Codec,
    pub(crate) marker: bool,
    pub(crate) layer: LayerInfo,
    pub(crate) payload_size: usize,
}

/// A packet on its way through the pacer: its numbers, and where its payload lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) encoding: u8,
    pub(crate) source_sequence: u64,
    pub(crate) codec: Codec,
    pub(crate) payload_type: Pt,
    /// It ends what the subscriber gets of its picture.
    pub(crate) marker: bool,
    pub(crate) numbers: Rewritten,
    /// The packets of a voice that it stands for.
    pub(crate) passengers: Passengers,
}

/// Why a packet does not go to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// It is of a layer that the subscriber does not get.
    Layer,
    /// The subscriber has not negotiated its codec.
    Codec,
}

/// The streams and the words of a subscription, as negotiated.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionLine {
    pub(crate) kind: MediaKind,
    pub(crate) mid: Mid,
    pub(crate) ssrc: Ssrc,
    pub(crate) rtx_ssrc: Option<Ssrc>,
    pub(crate) codecs: Vec<NegotiatedCodec>,
    pub(crate) extensions: ExtensionMap,
}

/// What leaves under one SSRC, for sender reports.
#[derive(Debug, Clone, Copy, Default)]
struct SentTotals {
    packets: u32,
    octets: u32,
}

/// One track on its way to one subscriber.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) track: TrackIndex,
    line: SubscriptionLine,
    template: HeaderTemplate,
    switch: LayerSwitch,
    /// The encoding and the codec of the newest packet that went: another codec makes it another stream.
    source: Option<(u8, Codec)>,
    /// What arrives is of a codec that was not negotiated.
    lacks_codec: bool,
    /// What the codec goes as that was looked up last: packets of a stream mostly are of one.
    looked_up: Option<(Codec, Option<Pt>)>,
    rewriter: Rewriter,
    /// When and with which timestamp the newest packet was placed; aligns a switch without sender reports.
    newest: Option<(Instant, u32)>,
    history: Option<SentHistory>,
    last_released: u16,
    rtx_sequence: u16,
    rollover: RolloverCounter,
    rtx_rollover: RolloverCounter,
    totals: SentTotals,
    /// When it began, until its first key frame has gone.
    waiting_since: Option<Instant>,
    /// What is particular to a voice.
    pub(crate) voice: Option<VoiceLeg>,
    /// What waits of a voice, to leave together.
    pub(crate) bundler: VoiceBundler,
}

impl Subscription {
    /// Begins a subscription. The numbers its streams start with should be random (RFC 3550 §5.1);
    /// sequence numbers below 2¹⁵ keep the first rollover unambiguous.
    pub(crate) fn new(
        now: Instant,
        track: TrackIndex,
        line: SubscriptionLine,
        first_sequence: u16,
        first_timestamp: u32,
    ) -> Self {
        let mut switch = LayerSwitch::default();
        if line.kind == MediaKind::Audio {
            switch.set_target(Some(Layer { encoding: 0, temporal: u8::MAX }), Descent::Graceful);
        }
        let first_sequence = first_sequence & 0x7fff;
        let window = match line.kind {
            MediaKind::Audio => AUDIO_WINDOW,
            MediaKind::Video => VIDEO_WINDOW,
        };
        Self {
            track,
            template: HeaderTemplate::new(&line.extensions, line.kind, line.mid.as_str()),
            switch,
            source: None,
            lacks_codec: false,
            looked_up: None,
            rewriter: Rewriter::new(first_sequence, first_timestamp, window),
            newest: None,
            history: (line.kind == MediaKind::Video).then(SentHistory::default),
            last_released: first_sequence,
            rtx_sequence: first_sequence,
            rollover: RolloverCounter::default(),
            rtx_rollover: RolloverCounter::default(),
            totals: SentTotals::default(),
            waiting_since: Some(now),
            voice: (line.kind == MediaKind::Audio).then(VoiceLeg::default),
            bundler: VoiceBundler::default(),
            line,
        }
    }

    pub(crate) fn line(&self) -> &SubscriptionLine {
        &self.line
    }

    pub(crate) fn kind(&self) -> MediaKind {
        self.line.kind
    }

    /// Takes a renegotiated line; streams and numbers go on.
    pub(crate) fn renegotiate(&mut self, line: SubscriptionLine) {
        self.template = HeaderTemplate::new(&line.extensions, line.kind, line.mid.as_str());
        self.looked_up = None;
        self.line = line;
    }

    /// Sets the layer to forward.
    pub(crate) fn set_target(&mut self, target: Option<Layer>, descent: Descent) {
        self.switch.set_target(target, descent);
    }

    pub(crate) fn target(&self) -> Option<Layer> {
        self.switch.target()
    }

    pub(crate) fn current(&self) -> Option<Layer> {
        self.switch.current()
    }

    /// Whether what arrives is of a codec that the subscriber has not negotiated.
    pub(crate) fn lacks_codec(&self) -> bool {
        self.lacks_codec
    }

    /// The encoding that a key frame is needed of, if any.
    pub(crate) fn awaits_key_frame(&self) -> Option<u8> {
        match self.line.kind {
            // A key frame of a codec that it cannot take would be of no use.
            MediaKind::Video => self.switch.awaits_key_frame().filter(|_| !self.lacks_codec),
            MediaKind::Audio => None,
        }
    }

    /// Since when the first picture is awaited; said once, when its key frame goes.
    pub(crate) fn take_waiting_since(&mut self) -> Option<Instant> {
        self.waiting_since.take()
    }

    /// Decides on a packet and gives it its numbers. `switch_timestamp` says which timestamp of the
    /// current encoding means the same moment, where sender reports have told.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        switch_timestamp: impl FnOnce(u8, u32) -> Option<u32>,
    ) -> Result<Departure, Withheld> {
        let payload_type = self.look_up(arrival.codec);
        self.notice_codec(arrival, payload_type);
        let payload_type = payload_type.ok_or(Withheld::Codec)?;
        let mark = StreamMark::of(arrival);
        let previous = self.switch.current();
        let numbers = match self.decide(arrival) {
            Decision::Ignore => return Err(Withheld::Layer),
            Decision::Skip => {
                if !self.rewriter.skip(mark) {
                    return Err(Withheld::Layer);
                }
                self.rewriter.forward(mark).ok_or(Withheld::Layer)?
            }
            Decision::Forward => self.rewriter.forward(mark).ok_or(Withheld::Layer)?,
            Decision::Switch => {
                let timestamp = self.switched_timestamp(now, arrival, previous, switch_timestamp);
                self.rewriter.switch(mark, timestamp)
            }
        };
        if self.newest.is_none_or(|(_, newest)| numbers.timestamp.wrapping_sub(newest).cast_signed() > 0) {
            self.newest = Some((now, numbers.timestamp));
        }
        let Arrival { encoding, sequence, codec, .. } = *arrival;
        self.source = Some((encoding, codec));
        let marker = arrival.marker || self.ends_picture(&arrival.layer);
        let passengers = Passengers::default();
        Ok(Departure {
            encoding,
            source_sequence: sequence,
            codec,
            payload_type,
            marker,
            numbers,
            passengers,
        })
    }

    /// As [`Self::offer`], for packets of a voice that leave as one. Those that it stands for get no numbers: where
    /// none is missing nobody counts a loss, or asks for what was never sent.
    pub(crate) fn offer_bundle(&mut self, now: Instant, bundle: &Bundle) -> Result<Departure, Withheld> {
        let mut marker = false;
        for before in bundle.before.iter().flatten() {
            // It is newer than all that has a number, so that none was kept for it.
            let _ = self.rewriter.skip(StreamMark::of(before));
            marker |= before.marker;
        }
        let departure = self.offer(now, &bundle.carrier, |_, _| None)?;
        // The first packet after a pause is marked (RFC 3551 §4.1), and it may be within this one.
        Ok(Departure { marker: departure.marker | marker, passengers: bundle.passengers(), ..departure })
    }

    /// A stream that goes on in another codec begins anew, with a key frame. Of an encoding that the subscriber does
    /// not get it says nothing: the encodings of a track may change one after the other.
    fn notice_codec(&mut self, arrival: &Arrival, payload_type: Option<Pt>) {
        if self.line.kind != MediaKind::Video {
            return;
        }
        let goes_on = |(encoding, codec)| encoding == arrival.encoding && codec != arrival.codec;
        if self.source.is_some_and(goes_on) {
            self.source = None;
            self.switch.restart();
        }
        self.lacks_codec = payload_type.is_none();
    }

    /// What ends the highest spatial layer that goes ends the picture, whatever lay above it (RFC 9628 §4.1).
    fn ends_picture(&self, layer: &LayerInfo) -> bool {
        let highest = self.switch.current().map(|current| current.encoding);
        layer.frame_end && layer.spatial.is_some_and(|spatial| Some(spatial.id) == highest)
    }

    fn decide(&mut self, arrival: &Arrival) -> Decision {
        // A voice has no key frames: its first packet starts it.
        let is_voice = self.line.kind == MediaKind::Audio;
        self.switch.decide(LayerMark {
            encoding: arrival.encoding,
            timestamp: arrival.timestamp,
            starts_key_frame: is_voice || arrival.layer.key_frame,
            temporal: arrival.layer.temporal,
            layer_sync: arrival.layer.layer_sync,
            opens_upper: arrival.layer.opens_upper,
            spatial: arrival.layer.spatial,
        })
    }

    /// Where the first packet of another encoding goes on the outgoing time line: where sender reports
    /// say, else as much later as it arrived later; always after what was there before.
    fn switched_timestamp(
        &self,
        now: Instant,
        arrival: &Arrival,
        previous: Option<Layer>,
        translate: impl FnOnce(u8, u32) -> Option<u32>,
    ) -> u32 {
        let Some((placed_at, newest)) = self.newest else { return self.rewriter.last_timestamp() };
        let clock_rate = arrival.codec.clock_rate();
        let elapsed =
            crate::forward::media_clock::ticks(now.saturating_duration_since(placed_at), clock_rate);
        let by_arrival = newest.wrapping_add(elapsed.max(1));
        let by_reports = previous
            .and_then(|previous| translate(previous.encoding, arrival.timestamp))
            .zip(self.rewriter.timestamp_offset())
            .map(|(timestamp, offset)| timestamp.wrapping_add(offset));
        match by_reports {
            // A report that puts it more than a second off is not to be believed.
            Some(reported) if reported.wrapping_sub(by_arrival).cast_signed().unsigned_abs() < clock_rate => {
                let step = reported.wrapping_sub(newest).cast_signed().max(1);
                newest.wrapping_add(step.cast_unsigned())
            }
            Some(_) | None => by_arrival,
        }
    }

    /// Everything that was placed and has not left is gone: the next packet will be a key frame's first.
    pub(crate) fn restart(&mut self) {
        self.switch.restart();
        self.rewriter.rewind(self.last_released);
    }

    /// The bytes that a packet of this payload will have before it is sealed.
    pub(crate) fn plain_size(&self, payload_size: usize) -> usize {
        self.template.len() + payload_size
    }

    /// The earlier frames in a packet of a voice: those of the packets that it stands for, else what it repeats of those
    /// that left. `own` is its timestamp at the publisher, and the length of its own frame.
    pub(crate) fn repeats<'t>(
        &self,
        track: &'t Track,
        departure: &Departure,
        own: (u32, usize),
    ) -> Repeats<'t> {
        let Some(voice) = self.voice.as_ref().filter(|_| self.is_redundancy_agreed()) else {
            return Repeats::default();
        };
        let stored = |sequence| {
            let StoredPacket { notes, payload, .. } = track.stored(departure.encoding, sequence)?;
            Some((notes.timestamp, payload))
        };
        match departure.passengers {
            alone if alone == Passengers::default() => {
                Repeats::gather(voice.redundancy, own, voice.left().map(|left| stored(left?)))
            }
            passengers => {
                let before = passengers.numbers(departure.source_sequence).map(stored);
                Repeats::gather(Redundancy::Twice, own, before)
            }
        }
    }

    /// Whether the subscriber takes redundant packets.
    pub(crate) fn is_redundancy_agreed(&self) -> bool {
        self.payload_type(Codec::Red).is_some()
    }

    /// Writes a packet for the first time.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        departure: Departure,
        packet: StoredPacket<'_>,
        repeats: &Repeats<'_>,
        out: &mut Vec<u8>,
    ) -> WrittenHeader {
        let Departure { numbers, marker, .. } = departure;
        let StoredPacket { notes, payload, .. } = packet;
        let redundant = if repeats.count() > 0 { self.payload_type(Codec::Red) } else { None };
        let payload_type = redundant.unwrap_or(departure.payload_type);
        let header = self.write_header(Departure { payload_type, ..departure }, packet, out);
        let payload_at = out.len();
        match redundant {
            Some(_) => repeats.write(out, departure.payload_type, payload),
            None => out.extend_from_slice(payload),
        }
        write_picture(&mut out[payload_at..], &notes, numbers);
        self.totals.packets = self.totals.packets.wrapping_add(1);
        self.totals.octets = self.totals.octets.wrapping_add((out.len() - payload_at) as u32);
        if numbers.sequence.wrapping_sub(self.last_released).cast_signed() > 0 {
            self.last_released = numbers.sequence;
        }
        if let Some(history) = &mut self.history {
            history.insert(SentRecord {
                sequence: numbers.sequence,
                timestamp: numbers.timestamp,
                picture_id: numbers.picture_id,
                tl0_pic_idx: numbers.tl0_pic_idx,
                marker,
                codec: departure.codec,
                encoding: departure.encoding,
                source_sequence: departure.source_sequence,
                first_sent: now,
                last_sent: now,
                resends: 0,
            });
        }
        header
    }

    fn write_header(
        &self,
        departure: Departure,
        packet: StoredPacket<'_>,
        out: &mut Vec<u8>,
    ) -> WrittenHeader {
        let Departure { payload_type, marker, numbers, .. } = departure;
        let fixed = FixedHeader {
            pt: payload_type,
            marker,
            sequence: SeqNo(numbers.sequence),
            timestamp: numbers.timestamp,
            ssrc: self.line.ssrc,
        };
        let copied = CopiedExtensions {
            audio_level: packet.notes.audio_level,
            video_orientation: packet.notes.video_orientation,
            dependency_descriptor: packet.descriptor,
        };
        self.template.write(out, fixed, &copied)
    }

    /// What is known of a packet that was sent and is asked for again.
    pub(crate) fn sent(&self, sequence: u16) -> Option<SentRecord> {
        self.history.as_ref()?.get(sequence)
    }

    /// Takes note that a packet is sent again.
    pub(crate) fn note_resend(&mut self, now: Instant, sequence: u16) {
        if let Some(history) = &mut self.history {
            history.note_resend(now, sequence);
        }
    }

    /// Writes a packet again, on the stream for retransmissions (RFC 4588 §4); `None` where that stream
    /// or the payload type for it was not agreed.
    pub(crate) fn write_again(
        &mut self,
        record: SentRecord,
        packet: StoredPacket<'_>,
        out: &mut Vec<u8>,
    ) -> Option<WrittenHeader> {
        let StoredPacket { notes, descriptor, payload } = packet;
        let fixed = self.rtx_header(record.codec, record.marker, record.timestamp)?;
        let copied = CopiedExtensions {
            audio_level: None,
            video_orientation: notes.video_orientation,
            dependency_descriptor: descriptor,
        };
        let header = self.template.write(out, fixed, &copied);
        out.extend_from_slice(&record.sequence.to_be_bytes());
        let payload_at = out.len();
        out.extend_from_slice(payload);
        let numbers = Rewritten {
            sequence: record.sequence,
            timestamp: record.timestamp,
            picture_id: record.picture_id,
            tl0_pic_idx: record.tl0_pic_idx,
        };
        write_picture(&mut out[payload_at..], &notes, numbers);
        Some(header)
    }

    /// Writes a packet of nothing but padding, on the stream for retransmissions.
    pub(crate) fn write_padding(
        &mut self,
        codec: Codec,
        count: u8,
        out: &mut Vec<u8>,
    ) -> Option<WrittenHeader> {
        let start = out.len();
        let fixed = self.rtx_header(codec, false, self.rewriter.last_timestamp())?;
        let header = self.template.write(out, fixed, &CopiedExtensions::default());
        pad(out, start, count);
        Some(header)
    }

    fn rtx_header(&mut self, codec: Codec, marker: bool, timestamp: u32) -> Option<FixedHeader> {
        let ssrc = self.line.rtx_ssrc?;
        let payload_type = self.agreed(codec)?.rtx_payload_type?;
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        Some(FixedHeader { pt: payload_type, marker, sequence: SeqNo(self.rtx_sequence), timestamp, ssrc })
    }

    fn look_up(&mut self, codec: Codec) -> Option<Pt> {
        match self.looked_up {
            Some((known, payload_type)) if known == codec => payload_type,
            Some(_) | None => {
                let payload_type = self.payload_type(codec);
                self.looked_up = Some((codec, payload_type));
                payload_type
            }
        }
    }

    fn payload_type(&self, codec: Codec) -> Option<Pt> {
        self.agreed(codec).map(|agreed| agreed.payload_type)
    }

    /// What a stream of that codec goes as: its own codec, or one of which it is a part.
    fn agreed(&self, codec: Codec) -> Option<&NegotiatedCodec> {
        let agreed = &self.line.codecs;
        let own = agreed.iter().find(|agreed| agreed.codec == codec);
        own.or_else(|| agreed.iter().find(|agreed| agreed.codec.decodes(codec)))
    }

    /// The rollover counters of the media stream and of the one for retransmissions (RFC 3711 §3.3.1).
    pub(crate) fn rollover(&mut self, is_retransmission: bool) -> &mut RolloverCounter {
        if is_retransmission { &mut self.rtx_rollover } else { &mut self.rollover }
    }

    /// Writes a sender report: what was sent, and how the clocks of the publisher's wall and of the
    /// current encoding stand. The publisher's id is the CNAME, as in the session description.
    pub(crate) fn write_sender_report(
        &self,
        ntp: u64,
        timestamp: u32,
        publisher: ParticipantId,
        out: &mut Vec<u8>,
    ) {
        let Some(offset) = self.rewriter.timestamp_offset() else { return };
        let report = SenderReport {
            ssrc: self.line.ssrc,
            ntp,
            rtp_timestamp: timestamp.wrapping_add(offset),
            packets: self.totals.packets,
            octets: self.totals.octets,
        };
        write_sender_report(out, &report);
        write_cname(out, self.line.ssrc, &publisher.to_string());
    }
}

impl StreamMark {
    /// What the rewriter looks at in a packet that just arrived.
    fn of(arrival: &Arrival) -> Self {
        Self {
            sequence: arrival.sequence,
            timestamp: arrival.timestamp,
            picture_id: arrival.layer.picture.id.map(|id| id.value),
            tl0_pic_idx: arrival.layer.picture.base_layer_index.map(|index| index.value),
            picture_ids: if arrival.codec == Codec::Vp8 {
                PictureIds::Contiguous
            } else {
                PictureIds::Sparse
            },
        }
    }
}

/// Puts the subscriber's own picture numbers into the copy of a payload.
fn write_picture(payload: &mut [u8], notes: &PacketNotes, numbers: Rewritten) {
    notes.picture.write(payload, numbers.picture_id, numbers.tl0_pic_idx);
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
