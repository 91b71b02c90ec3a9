//! Session descriptions: the client's offer becomes typed values, and those become the gateway's answer
//! (RFC 8829, RFC 8866). Pure text in, text out; the client always offers and the gateway always answers,
//! as an ICE-lite, DTLS-passive peer that bundles everything on one transport.

mod answer;
mod codec;
mod codec_set;
mod negotiation;
mod offer;
mod offered_codec;
mod section;
mod simulcast;
mod token;

pub(crate) use codec::Codec;
#[cfg(test)]
pub(crate) use codec::H264Profile;
pub(crate) use codec_set::CodecSet;
pub(crate) use negotiation::{
    GatewayDirection, LinePlan, LocalTransport, NegotiatedCodec, NegotiatedMedia, SendPlan, negotiate,
};
pub(crate) use offer::RemoteOffer;
pub(crate) use token::{Mid, Rid};
