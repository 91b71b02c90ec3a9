//! Sets of picture streams by their codec, and what of them a client can decode by its offer.

use protocol::video_codec::VideoCodec;

use super::codec::Codec;
use super::offer::{Direction, LineKind, MediaDescription, RemoteOffer};
use crate::rtp::HeaderExtension;

/// A set of picture streams by their codec; those of H.264 differ by profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CodecSet(u8);

impl CodecSet {
    /// Every codec of pictures.
    pub(crate) const ALL: Self = Self((1 << Codec::VIDEO.len()) - 1);

    /// These codecs; those of voices are passed over.
    pub(crate) fn of(codecs: impl IntoIterator<Item = Codec>) -> Self {
        Self(codecs.into_iter().fold(0, |set, codec| set | bit(codec)))
    }

    /// Every stream that who has negotiated these codecs can decode.
    fn decodable(self) -> Self {
        Self::of(Codec::VIDEO.into_iter().filter(|stream| self.iter().any(|codec| codec.decodes(*stream))))
    }

    /// What is in both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is a picture's codec in the set.
    pub(crate) fn contains(self, codec: Codec) -> bool {
        self.0 & bit(codec) != 0
    }

    /// Whether a stream of that codec is in the set, of whichever profile.
    pub(crate) fn has(self, codec: VideoCodec) -> bool {
        self.iter().any(|one| one.video_codec() == Some(codec))
    }

    fn iter(self) -> impl Iterator<Item = Codec> {
        Codec::VIDEO.into_iter().filter(move |codec| self.contains(*codec))
    }
}

fn bit(codec: Codec) -> u8 {
    Codec::VIDEO.iter().position(|one| *one == codec).map_or(0, |place| 1 << place)
}

impl RemoteOffer {
    /// What the client can decode by the media descriptions that receive pictures, if there are any.
    pub(crate) fn decodable(&self) -> Option<CodecSet> {
        self.pictures(|direction| matches!(direction, Direction::RecvOnly | Direction::SendRecv))
    }

    /// What it can most likely decode, by the media descriptions that send pictures.
    pub(crate) fn presumably_decodable(&self) -> Option<CodecSet> {
        self.pictures(|direction| matches!(direction, Direction::SendOnly | Direction::SendRecv))
    }

    /// Who offers no codec of ours has to do with no pictures, and is no measure for the others.
    fn pictures(&self, is_meant: impl Fn(Direction) -> bool) -> Option<CodecSet> {
        let meant =
            self.media.iter().filter(|media| media.kind == LineKind::Video && is_meant(media.direction));
        let set = CodecSet::of(meant.flat_map(understood));
        (!set.is_empty()).then(|| set.decodable())
    }
}

/// The codecs of a media description. AV1 goes in spatial layers, and nothing but the dependency descriptor says which
/// frame rests on which: without it a decoder shows none but the lowest.
fn understood(media: &MediaDescription) -> impl Iterator<Item = Codec> {
    let has_descriptor = media.extensions.id(HeaderExtension::DependencyDescriptor).is_some();
    let codecs = media.codecs.iter().map(|codec| codec.codec);
    codecs.filter(move |codec| *codec != Codec::Av1 || has_descriptor)
}

#[cfg(test)]
mod tests {
    use super::super::codec::H264Profile::*;
    use super::*;

    const CHROMIUM: &str = include_str!("fixtures/chromium_offer.sdp");
    const FIREFOX: &str = include_str!("fixtures/firefox_offer.sdp");

    fn parsed(offer: &str) -> RemoteOffer {
        RemoteOffer::parse(offer).expect("an offer")
    }

    #[test]
    fn what_is_received_counts_and_not_what_is_sent() {
        // Of its lines those that receive lose VP9.
        let (sending, receiving) = CHROMIUM.split_at(CHROMIUM.find("a=mid:2").expect("what it receives"));
        let offer = parsed(&format!("{sending}{}", receiving.replace("VP9/90000", "VP0/90000")));
        let set = offer.decodable().expect("pictures");
        assert!(set.has(VideoCodec::Vp8) && set.has(VideoCodec::H264) && !set.has(VideoCodec::Vp9));
        assert!(offer.presumably_decodable().expect("pictures").has(VideoCodec::Vp9));
        assert!(parsed(FIREFOX).decodable().is_some_and(|set| set.has(VideoCodec::Vp8)));
    }

    #[test]
    fn av1_takes_the_descriptor_of_its_layers() {
        let uri = HeaderExtension::DependencyDescriptor.uri();
        let plain = CHROMIUM.replace(uri, "urn:unknown");
        let line = format!("a=extmap:14 {uri}\r\na=rtpmap:45 AV1/90000");
        let described = plain.replace("a=rtpmap:45 AV1/90000", &line);
        for (offer, has_av1) in [(described, true), (plain, false)] {
            assert_eq!(parsed(&offer).decodable().map(|set| set.has(VideoCodec::Av1)), Some(has_av1));
        }
    }

    #[test]
    fn who_has_no_pictures_is_no_measure() {
        let sends_only = parsed(&CHROMIUM.replace("a=recvonly", "a=inactive"));
        assert_eq!(sends_only.decodable(), None);
        assert!(sends_only.presumably_decodable().is_some());
        let voices = parsed(&CHROMIUM.replace("m=video", "m=text"));
        assert_eq!((voices.decodable(), voices.presumably_decodable()), (None, None));
    }

    #[test]
    fn a_profile_brings_those_within_it() {
        let high = CodecSet::of([Codec::H264(High)]).decodable();
        assert_eq!(high, CodecSet::of([ConstrainedBaseline, Main, High].map(Codec::H264)));
        assert!(CodecSet::of([Codec::Opus]).is_empty());
        assert!(Codec::VIDEO.into_iter().all(|codec| CodecSet::ALL.contains(codec)));
    }
}
