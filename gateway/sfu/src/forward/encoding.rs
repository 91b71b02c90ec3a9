//! One received stream: an encoding of a video track, or a voice. It orders and keeps its packets, finds
//! what is missing, and knows what the stream really carries.

use std::time::Instant;

use protocol::track::MediaKind;

use crate::forward::layer_meter::{LayerMeter, LayerRates};
use crate::forward::media_clock::MediaClock;
use crate::forward::packet_store::{AUDIO_CAPACITY, PacketNotes, PacketStore, StoredPacket, VIDEO_CAPACITY};
use crate::forward::spatial_layers::{FramePart, SpatialLayers};
use crate::forward::subscription::Arrival;
use crate::rtcp::{KeyFrameRequester, NackGenerator, Reception};
use crate::rtp::{
    DependencyStructure, DescriptorError, ExtensionValues, FrameDependency, LayerInfo, RtpHeader, SeqNo,
    Ssrc, Unwrapper, av1, h264, vp8, vp9,
};
use crate::sdp::{Codec, Rid};
use crate::voice::{Earlier, MAX_EARLIER, RedundantPayload, recoverable};

/// One received stream.
pub(crate) struct Encoding {
    /// Its place among the encodings of its track, the lowest first.
    index: u8,
    pub(crate) rid: Option<Rid>,
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) rtx_ssrc: Option<Ssrc>,
    kind: MediaKind,
    unwrapper: Unwrapper,
    store: PacketStore,
    pub(crate) nacks: NackGenerator,
    pub(crate) reception: Reception,
    /// Of the whole stream.
    pub(crate) meter: LayerMeter,
    /// What it is of, and the number of the packet that began it.
    codec: Option<(Codec, u64)>,
    dependencies: Option<Box<DependencyStructure>>,
    spatial: Option<Box<SpatialLayers>>,
    pub(crate) clock: Option<MediaClock>,
    pub(crate) key_frames: KeyFrameRequester,
    height: Option<u16>,
}

/// What a packet is that reached its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It came by the stream itself.
    Original,
    /// It came by the stream for retransmissions.
    Repair,
    /// It came within a later packet.
    Redundant,
}

/// An authentic packet, read and bound to its stream.
#[derive(Clone, Copy)]
pub(crate) struct IncomingPacket<'a> {
    pub(crate) delivery: Delivery,
    /// The number in the stream that it belongs to; a repair brings the one of the packet that it repeats.
    pub(crate) sequence: SeqNo,
    pub(crate) timestamp: u32,
    pub(crate) codec: Codec,
    pub(crate) header: &'a RtpHeader<'a>,
    /// What the codec has made, without the original number that goes before it in a repair.
    pub(crate) payload: &'a [u8],
    pub(crate) values: &'a ExtensionValues<'a>,
}

impl Encoding {
    pub(crate) fn new(index: u8, kind: MediaKind, rid: Option<Rid>) -> Self {
        let capacity = match kind {
            MediaKind::Audio => AUDIO_CAPACITY,
            MediaKind::Video => VIDEO_CAPACITY,
        };
        Self {
            index,
            rid,
            ssrc: None,
            rtx_ssrc: None,
            kind,
            unwrapper: Unwrapper::default(),
            store: PacketStore::new(capacity),
            nacks: NackGenerator::default(),
            reception: Reception::default(),
            meter: LayerMeter::default(),
            codec: None,
            dependencies: None,
            spatial: None,
            clock: None,
            key_frames: KeyFrameRequester::default(),
            height: None,
        }
    }

    /// How many encodings the stream is to those who choose: one, or as many as it has spatial layers.
    pub(crate) fn layer_count(&self) -> usize {
        self.spatial.as_ref().map_or(1, |layers| layers.count())
    }

    /// Lines of the picture up to a spatial layer, once a key frame has told.
    pub(crate) fn height(&self, layer: usize) -> Option<u16> {
        self.spatial.as_ref().map_or(self.height, |layers| layers.height(layer))
    }

    /// What arrives up to a spatial layer.
    pub(crate) fn rates(&self, now: Instant, layer: usize) -> LayerRates {
        self.spatial.as_ref().map_or_else(|| self.meter.rates(now), |layers| layers.rates(now, layer))
    }

    /// Takes an authentic packet. `None` for one that is here already or carries nothing to forward.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] where its payload contradicts its codec.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        packet: &IncomingPacket<'_>,
    ) -> Result<Option<Arrival>, DescriptorError> {
        let IncomingPacket { delivery, sequence, timestamp, codec, header, payload, values } = *packet;
        if delivery == Delivery::Original {
            self.reception.handle_packet(now, header.sequence(), header.timestamp(), codec.clock_rate());
        }
        let unwrapped = self.unwrapper.unwrap(sequence);
        if self.kind == MediaKind::Video {
            self.nacks.handle_packet(now, unwrapped);
        }
        if payload.is_empty() || self.store.get(unwrapped).is_some() {
            return Ok(None);
        }
        if self.is_of_former_codec(codec, unwrapped) {
            return Ok(None);
        }
        let mut layer = describe(codec, payload, header.marker())?;
        self.place_in_layers(codec, values.dependency_descriptor, &mut layer);
        if let Some(resolution) = layer.resolution {
            self.height = Some(resolution.height.min(resolution.width));
        }
        if layer.key_frame {
            self.key_frames.handle_key_frame(now);
            self.nacks.handle_key_frame(unwrapped);
        }
        let (temporal, size) = (layer.temporal.unwrap_or(0), payload.len());
        match delivery {
            Delivery::Original => self.meter.record(now, temporal, size, header.marker()),
            Delivery::Repair | Delivery::Redundant => {
                self.meter.record_repair(now, temporal, size, header.marker());
            }
        }
        if let (Some(layers), Some(frame)) = (&mut self.spatial, layer.spatial) {
            let part = FramePart { temporal, size, ends_frame: layer.frame_end };
            layers.record(now, delivery, frame, part);
        }
        let notes = PacketNotes {
            sequence: unwrapped,
            timestamp,
            arrived_at: now,
            picture: layer.picture,
            audio_level: values.audio_level,
            video_orientation: values.video_orientation,
        };
        // Each encoding of simulcast counts its frames by itself: a subscriber that changes over would be misled. What
        // leaves of VP8 and H.264 has no gaps, so that a decoder needs no descriptor of them.
        let is_layered = self.rid.is_none() && matches!(codec, Codec::Vp9 | Codec::Av1);
        let descriptor = values.dependency_descriptor.filter(|_| is_layered);
        self.store.insert(notes, descriptor.unwrap_or_default(), payload);
        Ok(Some(Arrival {
            encoding: self.index,
            sequence: unwrapped,
            timestamp,
            codec,
            marker: header.marker() && delivery != Delivery::Redundant,
            layer,
            payload_size: payload.len(),
        }))
    }

    /// Whether a picture's packet is of what the stream was before it went over to another codec. One that begins the
    /// other codec takes the layers of the former one away.
    fn is_of_former_codec(&mut self, codec: Codec, sequence: u64) -> bool {
        if self.kind == MediaKind::Audio {
            return false;
        }
        match self.codec {
            Some((known, _)) if known == codec => false,
            Some((_, since)) if sequence < since => true,
            before => {
                self.codec = Some((codec, sequence));
                if before.is_some() {
                    self.dependencies = None;
                    self.spatial = None;
                    self.height = None;
                }
                false
            }
        }
    }

    /// The earlier frames of a redundant packet that are missing here.
    pub(crate) fn recoverable<'a>(
        &self,
        (sequence, timestamp): (SeqNo, u32),
        payload: &RedundantPayload<'a>,
    ) -> [Option<Earlier<'a>>; MAX_EARLIER] {
        let timestamp_of = |sequence| self.store.get(sequence).map(|packet| packet.notes.timestamp);
        recoverable(payload, (self.unwrapper.peek(sequence), timestamp), timestamp_of)
    }

    /// Finds the place of a frame among the layers of its stream.
    fn place_in_layers(&mut self, codec: Codec, descriptor: Option<&[u8]>, layer: &mut LayerInfo) {
        let descriptor = descriptor.filter(|_| match codec {
            Codec::Vp9 | Codec::Av1 | Codec::H264(_) => true,
            // It says by itself what can be left out.
            Codec::Vp8 => false,
            Codec::Opus | Codec::Red => false,
        });
        match descriptor.map(|descriptor| FrameDependency::read(descriptor, &mut self.dependencies)) {
            Some(Ok(frame)) if matches!(codec, Codec::H264(_)) => frame.describe_temporal(layer),
            Some(Ok(frame)) => frame.describe(self.dependencies.as_deref(), layer),
            // Whoever receives the stream at all gets what cannot be told apart.
            Some(Err(_)) => layer.spatial = self.spatial.as_ref().map(|layers| layers.unknown_frame()),
            None => {}
        }
        if self.rid.is_some() {
            // The encodings of simulcast are what is chosen from.
            layer.spatial = None;
        }
        if let Some(frame) = &mut layer.spatial {
            let layers = self.spatial.get_or_insert_default();
            layers.learn(layer.structure, frame);
        }
    }

    /// A packet that is kept.
    pub(crate) fn stored(&self, sequence: u64) -> Option<StoredPacket<'_>> {
        self.store.get(sequence)
    }

    /// Takes the clocks of a sender report.
    pub(crate) fn handle_sender_report(&mut self, now: Instant, ntp: u64, timestamp: u32, clock_rate: u32) {
        self.clock = Some(MediaClock::new(ntp, timestamp, now, clock_rate));
        self.reception.handle_sender_report(now, ntp);
    }

    /// When it has something to ask for.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.nacks.poll_timeout(), self.key_frames.poll_timeout()].into_iter().flatten().min()
    }
}

/// Reads the payload descriptor.
fn describe(codec: Codec, payload: &[u8], marker: bool) -> Result<LayerInfo, DescriptorError> {
    match codec {
        Codec::Vp8 => vp8::parse(payload, marker),
        Codec::Vp9 => vp9::parse(payload),
        Codec::Av1 => av1::parse(payload, marker),
        Codec::H264(_) => h264::parse(payload, marker),
        Codec::Opus | Codec::Red => {
            Ok(LayerInfo { frame_start: true, frame_end: true, ..LayerInfo::default() })
        }
    }
}
