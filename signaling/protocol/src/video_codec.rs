//! The video codecs by which pictures travel, and the order in which a site likes them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::TrackId;

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// VP8 (RFC 7741): every browser encodes it cheaply, as simulcast.
    Vp8,
    /// H.264 (RFC 6184), as simulcast.
    H264,
    /// VP9 (RFC 9628), with spatial layers in one stream.
    Vp9,
    /// AV1, with spatial layers in one stream.
    Av1,
}

impl VideoCodec {
    /// Every codec, in the order that serves most links and machines best.
    pub const ALL: [Self; 4] = [Self::Vp8, Self::H264, Self::Vp9, Self::Av1];

    /// The word used on the wire, in the configuration and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vp8 => "vp8",
            Self::H264 => "h264",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
        }
    }
}

/// Why a room sends its pictures in the codec that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CodecReason {
    /// The site likes it best, and everybody can decode it.
    SitePreference,
    /// Somebody in the room cannot decode what the site likes better.
    SomebodyLacks,
    /// There is none that everybody can decode.
    NothingInCommon,
}

impl CodecReason {
    /// Every reason, in the order of metrics.
    pub const ALL: [Self; 3] = [Self::SitePreference, Self::SomebodyLacks, Self::NothingInCommon];

    /// The word used on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SitePreference => "site_preference",
            Self::SomebodyLacks => "somebody_lacks",
            Self::NothingInCommon => "nothing_in_common",
        }
    }
}

/// Which codec a publisher is asked to send one camera or screen in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CodecPlan {
    /// The track it is about.
    pub track: TrackId,
    /// The media description (`a=mid`) that carries the track.
    pub mid: String,
    /// What everybody in the room can decode and the publisher has offered, the one to send first.
    pub codecs: Vec<VideoCodec>,
    /// Why that one.
    pub reason: CodecReason,
}

/// The codecs in the order that a site likes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(transparent)]
pub struct CodecPreference(Vec<VideoCodec>);

impl CodecPreference {
    /// Every codec: those that are named in their order, then the others in the usual one.
    pub fn order(&self) -> impl Iterator<Item = VideoCodec> + '_ {
        let others = VideoCodec::ALL.into_iter().filter(|codec| !self.0.contains(codec));
        self.0.iter().copied().chain(others)
    }
}

impl Default for CodecPreference {
    fn default() -> Self {
        Self(VideoCodec::ALL.to_vec())
    }
}

impl FromIterator<VideoCodec> for CodecPreference {
    fn from_iter<T: IntoIterator<Item = VideoCodec>>(codecs: T) -> Self {
        Self(codecs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_that_are_not_named_come_last() {
        let preference: CodecPreference = [VideoCodec::Av1, VideoCodec::H264].into_iter().collect();
        let order: Vec<VideoCodec> = preference.order().collect();
        assert_eq!(order, [VideoCodec::Av1, VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9]);
        assert!(CodecPreference::default().order().eq(VideoCodec::ALL));
    }
}
