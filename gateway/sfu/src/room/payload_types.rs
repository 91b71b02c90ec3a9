//! What the payload types of one bundled transport mean; within a bundle each means one thing only
//! (RFC 9143 §9.1).

use crate::rtp::Pt;
use crate::sdp::{Codec, NegotiatedCodec};

/// What a payload type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Media of this codec.
    Media(Codec),
    /// Retransmissions of media of this codec.
    Repair(Codec),
}

/// The payload types of one participant's packets.
#[derive(Debug, Default)]
pub(super) struct PayloadTypes {
    meanings: Vec<(Pt, Meaning)>,
}

impl PayloadTypes {
    /// Learns what a negotiated codec's payload types mean.
    pub(super) fn learn(&mut self, codec: &NegotiatedCodec) {
        self.set(Pt(codec.payload_type), Meaning::Media(codec.codec));
        if let Some(repair) = codec.rtx_payload_type {
            self.set(Pt(repair), Meaning::Repair(codec.codec));
        }
    }

    fn set(&mut self, payload_type: Pt, meaning: Meaning) {
        match self.meanings.iter_mut().find(|(known, _)| *known == payload_type) {
            Some((_, known)) => *known = meaning,
            None => self.meanings.push((payload_type, meaning)),
        }
    }

    pub(super) fn meaning(&self, payload_type: Pt) -> Option<Meaning> {
        self.meanings.iter().find(|(known, _)| *known == payload_type).map(|(_, meaning)| *meaning)
    }
}
