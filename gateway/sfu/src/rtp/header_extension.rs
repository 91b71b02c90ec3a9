//! The header extensions (RFC 8285) that the gateway reads or writes, with the URIs by which SDP names them.

/// A header extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HeaderExtension {
    /// The media description that the packet belongs to (RFC 9143).
    Mid,
    /// The simulcast encoding that the packet belongs to (RFC 8852).
    Rid,
    /// The simulcast encoding that the packet repairs (RFC 8852).
    RepairedRid,
    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportSequence,
    /// When the packet left, as 6.18 fixed-point seconds.
    AbsSendTime,
    /// How loud the packet is (RFC 6464).
    AudioLevel,
    /// How the picture is turned (3GPP TS 26.114).
    VideoOrientation,
    /// Which frames a frame needs (AV1 RTP specification, appendix A).
    DependencyDescriptor,
}

impl HeaderExtension {
    /// Every extension, in the order of their discriminants.
    pub(crate) const ALL: [Self; 8] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::TransportSequence,
        Self::AbsSendTime,
        Self::AudioLevel,
        Self::VideoOrientation,
        Self::DependencyDescriptor,
    ];

    /// The URI in an `extmap` attribute.
    #[must_use]
    pub(crate) const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportSequence => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }

    /// The extension that a URI names, where the gateway knows it.
    #[must_use]
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_leads_back() {
        for (position, extension) in HeaderExtension::ALL.into_iter().enumerate() {
            assert_eq!(extension as usize, position);
            assert_eq!(HeaderExtension::from_uri(extension.uri()), Some(extension));
        }
        assert_eq!(HeaderExtension::from_uri("urn:ietf:params:rtp-hdrext:toffset"), None);
    }
}
