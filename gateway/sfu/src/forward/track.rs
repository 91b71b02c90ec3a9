//! A published track in its room: its encodings, and who gets it.

use std::time::Instant;

use protocol::id::TrackId;
use protocol::track::{MediaKind, TrackSource};

use crate::directory::ParticipantIndex;
use crate::forward::encoding::Encoding;
use crate::forward::layer_meter::LayerRates;
use crate::forward::packet_store::StoredPacket;
use crate::forward::subscription::SubscriptionIndex;
use crate::sdp::{Codec, Rid};

/// A published track.
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) publisher: ParticipantIndex,
    pub(crate) source: TrackSource,
    pub(crate) muted: bool,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) subscribers: Vec<(ParticipantIndex, SubscriptionIndex)>,
    codec: Option<Codec>,
    /// When a packet last came with earlier frames in it.
    pub(crate) redundant_at: Option<Instant>,
}

impl Track {
    /// A track with an encoding per RID, or a single one without any.
    pub(crate) fn new(id: TrackId, publisher: ParticipantIndex, source: TrackSource, rids: &[Rid]) -> Self {
        let kind = source.kind();
        let encodings = if rids.is_empty() {
            vec![Encoding::new(0, kind, None)]
        } else {
            rids.iter().zip(0..).map(|(rid, index)| Encoding::new(index, kind, Some(*rid))).collect()
        };
        Self {
            id,
            publisher,
            source,
            muted: false,
            encodings,
            subscribers: Vec::new(),
            codec: None,
            redundant_at: None,
        }
    }

    pub(crate) fn kind(&self) -> MediaKind {
        self.source.kind()
    }

    /// The codec of the newest packet.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.codec
    }

    pub(crate) fn set_codec(&mut self, codec: Codec) {
        self.codec = Some(codec);
    }

    /// The stream that carries an encoding: its own, or the one that carries all as spatial layers.
    pub(crate) fn stream_of(&self, encoding: u8) -> Option<&Encoding> {
        match self.encodings.as_slice() {
            [single] => Some(single),
            encodings => encodings.get(usize::from(encoding)),
        }
    }

    /// See [`Self::stream_of`].
    pub(crate) fn stream_of_mut(&mut self, encoding: u8) -> Option<&mut Encoding> {
        match self.encodings.as_mut_slice() {
            [single] => Some(single),
            encodings => encodings.get_mut(usize::from(encoding)),
        }
    }

    /// What arrives of an encoding, or up to a spatial layer.
    pub(crate) fn rates(&self, now: Instant, encoding: u8) -> LayerRates {
        self.stream_of(encoding).map_or_else(LayerRates::default, |one| one.rates(now, encoding.into()))
    }

    /// A packet that is kept.
    pub(crate) fn stored(&self, encoding: u8, sequence: u64) -> Option<StoredPacket<'_>> {
        self.encodings.get(usize::from(encoding))?.stored(sequence)
    }

    /// The timestamp of encoding `to` for the moment that encoding `from` calls `timestamp`.
    pub(crate) fn translate_timestamp(&self, from: u8, timestamp: u32, to: u8) -> Option<u32> {
        let from = self.encodings.get(usize::from(from))?.clock.as_ref()?;
        let to = self.encodings.get(usize::from(to))?.clock.as_ref()?;
        Some(from.translate(timestamp, to))
    }
}
