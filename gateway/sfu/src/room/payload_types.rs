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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    meanings: Vec<(Pt, Meaning)>,
}

impl PayloadTypes {
    /// Learns what a negotiated codec's payload types mean.
    pub(super) fn learn(&mut self, codec: &NegotiatedCodec) {
        self.set(codec.payload_type, Meaning::Media(codec.codec));
        if let Some(repair) = codec.rtx_payload_type {
            self.set(repair, Meaning::Repair(codec.codec));
        }
    }

    fn set(&mut self, payload_type: Pt, meaning: Meaning) {
        match self.meanings.iter_mut().find(|(known, _)| *known == payload_type) {
            Some((_, known)) => *known = meaning,
            None => self.meanings.push((payload_type, meaning)),
        }
    }

    /// Whether media of a codec may come.
    pub(super) fn knows(&self, codec: Codec) -> bool {
        self.meanings.iter().any(|(_, known)| *known == Meaning::Media(codec))
    }

    pub(super) fn meaning(&self, payload_type: Pt) -> Option<Meaning> {
        self.meanings.iter().find(|(known, _)| *known == payload_type).map(|(_, meaning)| *meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(codecs: &[(Codec, u8, Option<u8>)]) -> PayloadTypes {
        let mut payload_types = PayloadTypes::default();
        for &(codec, payload_type, rtx) in codecs {
            let rtx_payload_type = rtx.map(Pt);
            payload_types.learn(&NegotiatedCodec { codec, payload_type: Pt(payload_type), rtx_payload_type });
        }
        payload_types
    }

    #[test]
    fn each_payload_type_means_one_thing() {
        let payload_types = learned(&[(Codec::Opus, 111, None), (Codec::Vp8, 96, Some(97))]);
        for (payload_type, meaning) in [
            (111, Some(Meaning::Media(Codec::Opus))),
            (96, Some(Meaning::Media(Codec::Vp8))),
            (97, Some(Meaning::Repair(Codec::Vp8))),
            (98, None),
        ] {
            assert_eq!(payload_types.meaning(Pt(payload_type)), meaning, "{payload_type}");
        }
    }

    #[test]
    fn another_meaning_replaces_the_one_before() {
        let payload_types = learned(&[(Codec::Vp8, 96, Some(97)), (Codec::Vp9, 97, None)]);
        assert_eq!(payload_types.meaning(Pt(97)), Some(Meaning::Media(Codec::Vp9)));
    }
}
