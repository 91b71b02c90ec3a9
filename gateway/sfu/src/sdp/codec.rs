//! The codecs that the gateway forwards, as `a=rtpmap` and `a=fmtp` name them. Two legs carry the same
//! codec where the values are equal; the payload type is each leg's own.

use protocol::video_codec::VideoCodec;

/// A codec that the gateway forwards without touching its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    /// Opus (RFC 7587).
    Opus,
    /// Redundant Opus (RFC 2198).
    Red,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628), profile 0: 8 bits, 4:2:0.
    Vp9,
    /// AV1, main profile.
    Av1,
    /// H.264 (RFC 6184) with packetization-mode 1.
    H264(H264Profile),
}

/// The H.264 profiles that browsers encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum H264Profile {
    /// The mandatory one (RFC 7742 §6.2).
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// High, constrained or not.
    High,
}

impl Codec {
    /// Reads the encoding name and clock of `a=rtpmap`, together with the parameters of `a=fmtp`.
    pub(super) fn new(encoding: &str, parameters: &str) -> Option<Self> {
        let name_and_clock = encoding.to_ascii_lowercase();
        match name_and_clock.as_str() {
            "opus/48000/2" => Some(Self::Opus),
            // Chromium says `red/48000/2`, older ones `red/48000`.
            "red/48000/2" | "red/48000" => Some(Self::Red),
            "vp8/90000" => Some(Self::Vp8),
            "vp9/90000" => {
                matches!(parameter(parameters, "profile-id"), None | Some("0")).then_some(Self::Vp9)
            }
            "av1/90000" => matches!(parameter(parameters, "profile"), None | Some("0")).then_some(Self::Av1),
            "h264/90000" if parameter(parameters, "packetization-mode") == Some("1") => {
                H264Profile::new(parameter(parameters, "profile-level-id")?).map(Self::H264)
            }
            _ => None,
        }
    }

    /// Whether the codec carries voices.
    pub(crate) const fn is_audio(self) -> bool {
        match self {
            Self::Opus | Self::Red => true,
            Self::Vp8 | Self::Vp9 | Self::Av1 | Self::H264(_) => false,
        }
    }

    /// Every codec of pictures.
    pub(super) const VIDEO: [Self; 7] = [
        Self::Vp8,
        Self::Vp9,
        Self::Av1,
        Self::H264(H264Profile::ConstrainedBaseline),
        Self::H264(H264Profile::Baseline),
        Self::H264(H264Profile::Main),
        Self::H264(H264Profile::High),
    ];

    /// The codec of a picture as sites and pages name it.
    pub(crate) const fn video_codec(self) -> Option<VideoCodec> {
        match self {
            Self::Opus | Self::Red => None,
            Self::Vp8 => Some(VideoCodec::Vp8),
            Self::Vp9 => Some(VideoCodec::Vp9),
            Self::Av1 => Some(VideoCodec::Av1),
            Self::H264(_) => Some(VideoCodec::H264),
        }
    }

    /// Whether who has negotiated this codec can decode that stream.
    pub(crate) fn decodes(self, stream: Self) -> bool {
        match (self, stream) {
            (Self::H264(decoder), Self::H264(encoder)) => decoder.decodes(encoder),
            _ => self == stream,
        }
    }

    /// The encoding name, clock and channels of `a=rtpmap`.
    pub(super) const fn encoding(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::Red => "red/48000/2",
            Self::Vp8 => "VP8/90000",
            Self::Vp9 => "VP9/90000",
            Self::Av1 => "AV1/90000",
            Self::H264(_) => "H264/90000",
        }
    }

    /// Ticks of an RTP timestamp per second.
    pub(crate) const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::Vp8 | Self::Vp9 | Self::Av1 | Self::H264(_) => 90_000,
        }
    }
}

impl H264Profile {
    /// From `profile-level-id`: the level is each leg's own affair, `level-asymmetry-allowed` sees to it.
    fn new(profile_level_id: &str) -> Option<Self> {
        if profile_level_id.len() != 6 {
            return None;
        }
        let bits = u32::from_str_radix(profile_level_id, 16).ok()?;
        let (constraint_set0, constraint_set1) = (bits >> 8 & 0x80 != 0, bits >> 8 & 0x40 != 0);
        match bits >> 16 {
            // RFC 6184 §8.1, table 5: what both profiles have in common.
            0x42 if constraint_set1 => Some(Self::ConstrainedBaseline),
            0x4d if constraint_set0 => Some(Self::ConstrainedBaseline),
            0x42 => Some(Self::Baseline),
            0x4d => Some(Self::Main),
            0x64 => Some(Self::High),
            _ => None,
        }
    }

    /// Whether a decoder of this profile decodes what an encoder of that one makes (ITU-T H.264 §A.2).
    fn decodes(self, encoder: Self) -> bool {
        match (self, encoder) {
            (_, Self::ConstrainedBaseline) | (Self::High, Self::Main) => true,
            (
                Self::ConstrainedBaseline | Self::Baseline | Self::Main | Self::High,
                Self::Baseline | Self::Main | Self::High,
            ) => self == encoder,
        }
    }
}

/// The value of one parameter in the list of an `a=fmtp` line.
pub(super) fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_takes_the_profiles_within_its_own() {
        use H264Profile::*;
        let decoded = |decoder| {
            let streams = [ConstrainedBaseline, Baseline, Main, High];
            streams.into_iter().filter(|stream| Codec::H264(decoder).decodes(Codec::H264(*stream))).collect()
        };
        let table: [(H264Profile, Vec<H264Profile>); 4] = [
            (ConstrainedBaseline, vec![ConstrainedBaseline]),
            (Baseline, vec![ConstrainedBaseline, Baseline]),
            (Main, vec![ConstrainedBaseline, Main]),
            (High, vec![ConstrainedBaseline, Main, High]),
        ];
        for (decoder, streams) in table {
            assert_eq!(Vec::from_iter::<Vec<H264Profile>>(decoded(decoder)), streams, "{decoder:?}");
        }
        assert!(!Codec::H264(High).decodes(Codec::Vp8));
    }

    #[test]
    fn forwarded_codecs_are_recognised() {
        use H264Profile::*;
        for (encoding, parameters, codec) in [
            ("opus/48000/2", "minptime=10;useinbandfec=1", Some(Codec::Opus)),
            ("OPUS/48000/2", "", Some(Codec::Opus)),
            ("red/48000/2", "111/111", Some(Codec::Red)),
            ("red/90000", "", None),
            ("PCMU/8000", "", None),
            ("VP8/90000", "", Some(Codec::Vp8)),
            ("VP9/90000", "profile-id=0", Some(Codec::Vp9)),
            ("VP9/90000", "max-fs=12288;max-fr=60", Some(Codec::Vp9)),
            ("VP9/90000", "profile-id=2", None),
            ("AV1/90000", "level-idx=5;profile=0;tier=0", Some(Codec::Av1)),
            ("AV1/90000", "level-idx=5;profile=1;tier=0", None),
            (
                "H264/90000",
                "packetization-mode=1;profile-level-id=42e01f",
                Some(Codec::H264(ConstrainedBaseline)),
            ),
            ("H264/90000", "packetization-mode=1; profile-level-id=42001f", Some(Codec::H264(Baseline))),
            ("H264/90000", "packetization-mode=1;profile-level-id=4d001f", Some(Codec::H264(Main))),
            ("H264/90000", "packetization-mode=1;profile-level-id=640c1f", Some(Codec::H264(High))),
            (
                "H264/90000",
                "packetization-mode=1;profile-level-id=4d801f",
                Some(Codec::H264(ConstrainedBaseline)),
            ),
            ("H264/90000", "packetization-mode=1;profile-level-id=f4001f", None),
            ("H264/90000", "packetization-mode=0;profile-level-id=42e01f", None),
            ("H264/90000", "packetization-mode=1;profile-level-id=+2e01f", None),
            ("H264/90000", "packetization-mode=1", None),
        ] {
            assert_eq!(Codec::new(encoding, parameters), codec, "{encoding} {parameters}");
        }
    }
}
