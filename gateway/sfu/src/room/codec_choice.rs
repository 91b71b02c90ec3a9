//! Which codec a room sends its pictures in: those that everybody in it can decode, in the order that the site likes
//! them. The gateway passes on and never transcodes, so whoever cannot decode a picture would not see it.

use protocol::video_codec::{CodecPreference, CodecReason, VideoCodec};

use crate::sdp::{Codec, CodecSet};

/// What a room sends its pictures in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CodecChoice {
    /// The codecs to send in, the first one that a publisher can.
    pub(super) codecs: Vec<VideoCodec>,
    /// The streams that may be sent: of H.264 those of profiles that everybody decodes.
    pub(super) streams: CodecSet,
    /// Why the first codec is the first.
    pub(super) reason: CodecReason,
}

impl CodecChoice {
    /// Chooses for those who can decode these sets; who does with no pictures is not among them. Where nothing is in
    /// common it is VP8, which RFC 7742 §5 has everybody decode.
    pub(super) fn of(everyone: impl IntoIterator<Item = CodecSet>, preference: &CodecPreference) -> Self {
        let common = everyone.into_iter().fold(CodecSet::ALL, CodecSet::and);
        if common.is_empty() {
            let streams = CodecSet::of([Codec::Vp8]);
            return Self { codecs: vec![VideoCodec::Vp8], streams, reason: CodecReason::NothingInCommon };
        }
        let codecs: Vec<VideoCodec> = preference.order().filter(|codec| common.has(*codec)).collect();
        let reason = if codecs.first() == preference.order().next().as_ref() {
            CodecReason::SitePreference
        } else {
            CodecReason::SomebodyLacks
        };
        Self { codecs, streams: common, reason }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sdp::H264Profile::{Baseline, ConstrainedBaseline, High};
    use protocol::video_codec::VideoCodec::{Av1, H264, Vp8, Vp9};

    fn likes(codecs: &[VideoCodec]) -> CodecPreference {
        codecs.iter().copied().collect()
    }

    #[test]
    fn the_first_that_all_can_decode_is_chosen() {
        let chromium = CodecSet::ALL;
        let firefox = CodecSet::of([Codec::Vp8, Codec::Vp9]);
        let old_phone = CodecSet::of([Codec::H264(ConstrainedBaseline)]);
        use CodecReason::{NothingInCommon, SitePreference, SomebodyLacks};
        for (everyone, preference, codecs, reason) in [
            (vec![], vec![H264], vec![H264, Vp8, Vp9, Av1], SitePreference),
            (vec![chromium, chromium], vec![H264], vec![H264, Vp8, Vp9, Av1], SitePreference),
            (vec![chromium, firefox], vec![H264], vec![Vp8, Vp9], SomebodyLacks),
            (vec![chromium, firefox], vec![Av1, Vp9], vec![Vp9, Vp8], SomebodyLacks),
            (vec![chromium, firefox], vec![], vec![Vp8, Vp9], SitePreference),
            (vec![chromium, old_phone], vec![Vp9], vec![H264], SomebodyLacks),
            (vec![firefox, old_phone], vec![H264], vec![Vp8], NothingInCommon),
        ] {
            let choice = CodecChoice::of(everyone.clone(), &likes(&preference));
            assert_eq!((choice.codecs, choice.reason), (codecs, reason), "{everyone:?} {preference:?}");
        }
    }

    #[test]
    fn of_h264_the_profiles_that_all_decode_may_be_sent() {
        let phone = CodecSet::of([Codec::H264(ConstrainedBaseline), Codec::Vp8]);
        let choice = CodecChoice::of([CodecSet::ALL, phone], &likes(&[H264]));
        assert_eq!(choice.codecs, [H264, Vp8]);
        assert!(choice.streams.contains(Codec::H264(ConstrainedBaseline)));
        assert!(![Baseline, High].into_iter().any(|profile| choice.streams.contains(Codec::H264(profile))));
    }

    fn any_set() -> impl Strategy<Value = CodecSet> {
        let codecs =
            [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264(ConstrainedBaseline), Codec::H264(High)];
        proptest::sample::subsequence(codecs.to_vec(), 0..=codecs.len()).prop_map(CodecSet::of)
    }

    fn any_preference() -> impl Strategy<Value = CodecPreference> {
        let some = proptest::sample::subsequence(VideoCodec::ALL.to_vec(), 0..=VideoCodec::ALL.len());
        some.prop_shuffle().prop_map(|codecs| codecs.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_choice_is_decodable_by_all_or_vp8_for_want_of_any(
            everyone in proptest::collection::vec(any_set(), 0..16),
            preference in any_preference(),
        ) {
            let choice = CodecChoice::of(everyone.iter().copied(), &preference);
            prop_assert!(!choice.codecs.is_empty());
            prop_assert!(choice.codecs.iter().all(|codec| choice.streams.has(*codec)));
            let order: Vec<VideoCodec> = preference.order().collect();
            let place = |codec: &VideoCodec| order.iter().position(|one| one == codec);
            prop_assert!(choice.codecs.is_sorted_by_key(place), "in the order of the site");
            let is_decoded = |codec: VideoCodec| everyone.iter().all(|set| set.has(codec));
            match choice.reason {
                CodecReason::NothingInCommon => {
                    prop_assert_eq!(&choice.codecs, &[VideoCodec::Vp8]);
                    // Of H.264 each may have a profile of its own.
                    let others = VideoCodec::ALL.into_iter().filter(|codec| *codec != VideoCodec::H264);
                    prop_assert!(others.into_iter().all(|codec| !is_decoded(codec)));
                }
                reason @ (CodecReason::SitePreference | CodecReason::SomebodyLacks) => {
                    prop_assert!(choice.codecs.iter().all(|codec| is_decoded(*codec)));
                    prop_assert!(everyone.iter().all(|set| set.and(choice.streams) == choice.streams));
                    let is_best = order.first() == choice.codecs.first();
                    prop_assert_eq!(is_best, reason == CodecReason::SitePreference);
                }
            }
            // Who comes and can decode all of it changes nothing.
            if choice.reason != CodecReason::NothingInCommon {
                let newcomer = choice.streams;
                let after = CodecChoice::of(everyone.iter().copied().chain([newcomer]), &preference);
                prop_assert_eq!(after, choice);
            }
        }
    }
}
