//! The codecs of one media description, put together from its `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` lines.

use std::collections::BTreeMap;

use super::codec::{Codec, parameter};
use super::offer::LineKind;
use super::section::Section;
use crate::rtp::Pt;

/// A codec as offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferedCodec {
    /// The codec.
    pub(crate) codec: Codec,
    /// Its payload type.
    pub(crate) payload_type: Pt,
    /// The payload type of its retransmissions (RFC 4588).
    pub(crate) rtx_payload_type: Option<Pt>,
    /// The parameters of its `a=fmtp`, as they stand.
    pub(super) parameters: String,
    /// The feedback that the client understands.
    pub(super) feedback: Feedback,
}

/// The kinds of `a=rtcp-fb` (RFC 4585) that the gateway uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Feedback {
    pub(super) transport_cc: bool,
    pub(super) nack: bool,
    pub(super) nack_pli: bool,
    pub(super) ccm_fir: bool,
}

/// What the lines about one payload type say.
#[derive(Default)]
struct Format<'a> {
    encoding: &'a str,
    parameters: &'a str,
    feedback: Feedback,
}

/// The codecs of a media section that the gateway forwards, in the order of its `formats`.
pub(super) fn offered_codecs(section: &Section<'_>, formats: &str, kind: LineKind) -> Vec<OfferedCodec> {
    let mut formats_by_payload_type: BTreeMap<u8, Format<'_>> = BTreeMap::new();
    let mut feedback_of_all = Feedback::default();
    for (name, value) in &section.attributes {
        let Some((payload_type, rest)) = value.split_once(' ') else { continue };
        if *name == "rtcp-fb" && payload_type == "*" {
            feedback_of_all.read(rest);
        }
        let Some(payload_type) = payload_type.parse().ok().filter(|payload_type| *payload_type < 128) else {
            continue;
        };
        match *name {
            "rtpmap" => formats_by_payload_type.entry(payload_type).or_default().encoding = rest.trim(),
            "fmtp" => formats_by_payload_type.entry(payload_type).or_default().parameters = rest.trim(),
            "rtcp-fb" => formats_by_payload_type.entry(payload_type).or_default().feedback.read(rest),
            _ => {}
        }
    }
    let mut codecs: Vec<OfferedCodec> = Vec::new();
    for payload_type in formats.split_ascii_whitespace().filter_map(|text| text.parse().ok()) {
        let Some(format) = formats_by_payload_type.get(&payload_type) else { continue };
        let Some(codec) = Codec::new(format.encoding, format.parameters) else { continue };
        if codec.is_audio() == (kind == LineKind::Audio)
            && !codecs.iter().any(|codec| codec.payload_type == Pt(payload_type))
        {
            codecs.push(OfferedCodec {
                codec,
                payload_type: Pt(payload_type),
                rtx_payload_type: rtx_of(payload_type, codec, &formats_by_payload_type).map(Pt),
                parameters: format.parameters.to_owned(),
                feedback: format.feedback.with(feedback_of_all),
            });
        }
    }
    codecs
}

/// The payload type whose `apt` is that of `codec` (RFC 4588 §8.6).
fn rtx_of(payload_type: u8, codec: Codec, formats: &BTreeMap<u8, Format<'_>>) -> Option<u8> {
    formats.iter().find_map(|(rtx, format)| {
        let (name, clock_rate) = format.encoding.split_once('/')?;
        let apt: u8 = parameter(format.parameters, "apt")?.parse().ok()?;
        (name.eq_ignore_ascii_case("rtx")
            && clock_rate.parse() == Ok(codec.clock_rate())
            && apt == payload_type
            && *rtx != payload_type)
            .then_some(*rtx)
    })
}

impl Feedback {
    fn read(&mut self, kind: &str) {
        match kind.trim() {
            "transport-cc" => self.transport_cc = true,
            "nack" => self.nack = true,
            "nack pli" => self.nack_pli = true,
            "ccm fir" => self.ccm_fir = true,
            _ => {}
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            transport_cc: self.transport_cc || other.transport_cc,
            nack: self.nack || other.nack,
            nack_pli: self.nack_pli || other.nack_pli,
            ccm_fir: self.ccm_fir || other.ccm_fir,
        }
    }
}
