//! What offer and answer agree on, line by line (RFC 3264, RFC 8829 §5.3). Payload types and header
//! extension ids are the offer's own; the order of the media descriptions is too.

use std::net::SocketAddr;

use protocol::id::{ParticipantId, TrackId};
use protocol::media_message::NegotiationFailure;
use protocol::track::MediaKind;

use super::answer::write_answer;
use super::codec::Codec;
use super::codec_set::CodecSet;
use super::offer::{Direction, LineKind, MediaDescription, RemoteOffer, RemoteStream};
use super::offered_codec::OfferedCodec;
use super::token::{Mid, Rid};
use crate::rtp::{ExtensionMap, HeaderExtension, Pt, Ssrc};

/// What the gateway says of its own transport.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalTransport<'a> {
    /// The ICE user name fragment given to this participant.
    pub(crate) ice_ufrag: &'a str,
    /// The ICE password given to this participant.
    pub(crate) ice_password: &'a str,
    /// SHA-256 of the gateway's certificate.
    pub(crate) fingerprint: [u8; 32],
    /// The host candidates, the most preferred first.
    pub(crate) candidates: &'a [SocketAddr],
    /// The same for all answers of one transport (RFC 8866 §5.2).
    pub(crate) session_id: u64,
    /// Grows with every answer of the session.
    pub(crate) session_version: u64,
}

/// What the gateway means to do with one media description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinePlan {
    /// Receive a track; a picture in one of these codecs, if the client has any of them.
    Receive(CodecSet),
    /// Send a track.
    Send(SendPlan),
    /// Nothing, as long as it is not asked to.
    Idle,
}

/// The streams that carry a track to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendPlan {
    /// Whose track it is; tracks of one publisher are played in synchrony.
    pub(crate) publisher: ParticipantId,
    /// The track.
    pub(crate) track: TrackId,
    /// The SSRC of its media.
    pub(crate) ssrc: Ssrc,
    /// The SSRC of its retransmissions, used where RTX is negotiated.
    pub(crate) rtx_ssrc: Ssrc,
}

/// What offer and answer agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NegotiatedTransport {
    /// The media descriptions that were not rejected, in their order.
    pub(crate) media: Vec<NegotiatedMedia>,
}

/// One media description as agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NegotiatedMedia {
    /// Its `a=mid`.
    pub(crate) mid: Mid,
    /// Audio or video.
    pub(crate) kind: MediaKind,
    /// What the gateway does with it.
    pub(crate) direction: GatewayDirection,
    /// The codecs, in the order of the client's preference.
    pub(crate) codecs: Vec<NegotiatedCodec>,
    /// The header extensions.
    pub(crate) extensions: ExtensionMap,
}

/// What the gateway does with a media description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GatewayDirection {
    /// It receives.
    Receive {
        /// The RIDs in the order of the offer; empty where the client does not send simulcast.
        rids: Vec<Rid>,
        /// The streams that the client announced by SSRC; those with RIDs announce none.
        streams: Vec<RemoteStream>,
    },
    /// It sends.
    Send {
        /// The SSRC of the media.
        ssrc: Ssrc,
        /// The SSRC of its retransmissions, where RTX is negotiated.
        rtx_ssrc: Option<Ssrc>,
    },
    /// Neither.
    Inactive,
}

/// A codec as agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NegotiatedCodec {
    /// The codec.
    pub(crate) codec: Codec,
    /// Its payload type on this leg.
    pub(crate) payload_type: Pt,
    /// The payload type of its retransmissions.
    pub(crate) rtx_payload_type: Option<Pt>,
}

/// Answers an offer. `plans` has an entry per media description of the offer, in its order; a missing one
/// counts as [`LinePlan::Idle`]. A plan that contradicts the offered direction leaves the line inactive.
///
/// # Errors
///
/// [`NegotiationFailure::NoCommonCodec`] where a line that is to carry a track offers no codec of ours.
pub(crate) fn negotiate(
    offer: &RemoteOffer,
    local: &LocalTransport<'_>,
    plans: &[LinePlan],
) -> Result<(String, NegotiatedTransport), NegotiationFailure> {
    let plans = plans.iter().copied().chain(std::iter::repeat(LinePlan::Idle));
    let mut lines = Vec::with_capacity(offer.media.len());
    for (offered, plan) in offer.media.iter().zip(plans) {
        lines.push(Line { offered, negotiated: NegotiatedMedia::new(offered, plan)?, plan });
    }
    let text = write_answer(offer, local, &lines);
    let media = lines.into_iter().filter_map(|line| line.negotiated).collect();
    Ok((text, NegotiatedTransport { media }))
}

/// One media description, and what became of it.
pub(super) struct Line<'a> {
    pub(super) offered: &'a MediaDescription,
    /// `None` rejects it.
    pub(super) negotiated: Option<NegotiatedMedia>,
    pub(super) plan: LinePlan,
}

impl NegotiatedMedia {
    /// `None` rejects the line.
    fn new(offered: &MediaDescription, plan: LinePlan) -> Result<Option<Self>, NegotiationFailure> {
        let kind = match offered.kind {
            LineKind::Audio => MediaKind::Audio,
            LineKind::Video => MediaKind::Video,
            LineKind::Other => return Ok(None),
        };
        if !offered.codecs.iter().any(|codec| codec.codec != Codec::Red) {
            return match plan {
                LinePlan::Idle => Ok(None),
                LinePlan::Receive(_) | LinePlan::Send(_) => Err(NegotiationFailure::NoCommonCodec),
            };
        }
        let direction = GatewayDirection::new(offered, plan);
        let extensions = offered
            .extensions
            .iter()
            .filter(|(extension, _)| is_wanted(*extension, offered, &direction))
            .collect();
        let codecs = agreed_codecs(offered, plan, kind);
        Ok(Some(Self { mid: offered.mid, kind, direction, codecs, extensions }))
    }
}

impl GatewayDirection {
    fn new(offered: &MediaDescription, plan: LinePlan) -> Self {
        match (plan, offered.direction) {
            (LinePlan::Receive(_), Direction::SendOnly | Direction::SendRecv) => {
                Self::Receive { rids: offered.rids.clone(), streams: offered.streams.clone() }
            }
            (LinePlan::Send(plan), Direction::RecvOnly | Direction::SendRecv) => {
                let has_rtx = offered.codecs.iter().any(|codec| codec.rtx_payload_type.is_some());
                Self::Send { ssrc: plan.ssrc, rtx_ssrc: has_rtx.then_some(plan.rtx_ssrc) }
            }
            (LinePlan::Receive(_), Direction::RecvOnly | Direction::Inactive)
            | (LinePlan::Send(_), Direction::SendOnly | Direction::Inactive)
            | (LinePlan::Idle, _) => Self::Inactive,
        }
    }
}

impl NegotiatedCodec {
    fn new(offered: &OfferedCodec, kind: MediaKind) -> Self {
        Self {
            codec: offered.codec,
            payload_type: offered.payload_type,
            rtx_payload_type: match kind {
                MediaKind::Audio => None,
                MediaKind::Video => offered.rtx_payload_type,
            },
        }
    }
}

/// Those codecs that the plan wants, in the order of the offer. Of a picture in none of them all stay: it goes
/// to whoever can decode it.
fn agreed_codecs(offered: &MediaDescription, plan: LinePlan, kind: MediaKind) -> Vec<NegotiatedCodec> {
    let wanted = match plan {
        LinePlan::Receive(wanted) if kind == MediaKind::Video => wanted,
        LinePlan::Receive(_) | LinePlan::Send(_) | LinePlan::Idle => CodecSet::ALL,
    };
    let is_wanted = |codec: &&OfferedCodec| wanted.contains(codec.codec);
    let has_wanted = offered.codecs.iter().any(|codec| is_wanted(&codec));
    let agreed = offered.codecs.iter().filter(|codec| !has_wanted || is_wanted(codec));
    agreed.map(|codec| NegotiatedCodec::new(codec, kind)).collect()
}

/// RIDs name what a publisher sends; what the gateway sends has an SSRC of its own. Absolute send times
/// are the fallback of clients without transport-wide feedback, and four bytes a packet for the others.
fn is_wanted(extension: HeaderExtension, offered: &MediaDescription, direction: &GatewayDirection) -> bool {
    match extension {
        HeaderExtension::Rid | HeaderExtension::RepairedRid => {
            // Also where it has no encodings yet: Chromium never again offers an extension that was not agreed on, and
            // refuses simulcast without this one.
            !matches!(direction, GatewayDirection::Send { .. })
        }
        HeaderExtension::AbsSendTime => offered.extensions.id(HeaderExtension::TransportSequence).is_none(),
        HeaderExtension::Mid
        | HeaderExtension::TransportSequence
        | HeaderExtension::AudioLevel
        | HeaderExtension::VideoOrientation
        | HeaderExtension::DependencyDescriptor => true,
    }
}
