//! A client's offer as typed values: what its transport proves itself by, and what each media
//! description sends or wants. Everything that the gateway does not use is passed over unread.

use protocol::media_message::NegotiationFailure;

use super::offered_codec::{OfferedCodec, offered_codecs};
use super::section::{Section, cut};
use super::simulcast::offered_rids;
use super::token::{Mid, Rid};
use crate::limits::MAX_ENCODINGS;
use crate::rtp::{ExtensionMap, HeaderExtension, Ssrc};

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteOffer {
    /// The ICE user name fragment of the transport.
    pub(crate) ice_ufrag: String,
    /// The ICE password of the transport.
    pub(crate) ice_password: String,
    /// SHA-256 of the certificate that the client will show (RFC 8122).
    pub(crate) fingerprint: [u8; 32],
    /// Whether header extensions may change their form from packet to packet (RFC 8285 §6).
    pub(super) mixes_extension_forms: bool,
    /// The media descriptions, in their order.
    pub(crate) media: Vec<MediaDescription>,
}

/// One media description of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaDescription {
    /// Its `a=mid`.
    pub(crate) mid: Mid,
    /// What it carries.
    pub(crate) kind: LineKind,
    /// What the client wants to do with it.
    pub(crate) direction: Direction,
    /// The codecs that the gateway forwards, in the order of the client's preference.
    pub(crate) codecs: Vec<OfferedCodec>,
    /// The header extensions that the gateway knows.
    pub(crate) extensions: ExtensionMap,
    /// The RIDs that it sends, where it is simulcast.
    pub(crate) rids: Vec<Rid>,
    /// The streams that it announces by SSRC; those with RIDs announce none.
    pub(crate) streams: Vec<RemoteStream>,
    /// Whether RTCP may be sent in reduced size (RFC 5506).
    pub(super) is_rtcp_reduced: bool,
    /// The words of its `m=` line, for an answer that rejects it.
    pub(super) line: MediaLine,
}

/// What a media description carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Voices.
    Audio,
    /// Pictures.
    Video,
    /// Something that the gateway does not take part in, or a description that the client has stopped.
    Other,
}

/// The direction of a media description as the offerer states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The client sends.
    SendOnly,
    /// The client receives.
    RecvOnly,
    /// The client does both.
    SendRecv,
    /// The client does neither.
    Inactive,
}

/// A stream announced by `a=ssrc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemoteStream {
    /// Its SSRC.
    pub(crate) ssrc: Ssrc,
    /// The SSRC of its retransmissions (RFC 5576 §4.2, `FID`).
    pub(crate) rtx_ssrc: Option<Ssrc>,
}

/// The words of an `m=` line that a rejection repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MediaLine {
    pub(super) media: String,
    pub(super) protocol: String,
    pub(super) formats: String,
}

impl RemoteOffer {
    /// Reads an offer.
    ///
    /// # Errors
    ///
    /// [`NegotiationFailure::Malformed`] for what is no session description, or is one beyond the limits;
    /// [`NegotiationFailure::TooMany`] for too many media descriptions; [`NegotiationFailure::Incomplete`]
    /// where ICE credentials, a SHA-256 fingerprint, `a=mid`, BUNDLE or rtcp-mux are missing.
    pub(crate) fn parse(text: &str) -> Result<Self, NegotiationFailure> {
        let (session, sections) = cut(text)?;
        let media: Vec<MediaDescription> = sections
            .iter()
            .map(|section| MediaDescription::parse(section, &session))
            .collect::<Result<_, _>>()?;
        let tagged = check_bundle(&session, &media)?;
        let transport = [sections.get(tagged), Some(&session)];
        let attribute =
            |name| transport.into_iter().flatten().find_map(|section: &Section<'_>| section.attribute(name));
        let setup = attribute("setup").unwrap_or("actpass");
        if !matches!(setup, "actpass" | "active") {
            return Err(NegotiationFailure::Incomplete);
        }
        Ok(Self {
            ice_ufrag: ice_text(attribute("ice-ufrag"), 4)?,
            ice_password: ice_text(attribute("ice-pwd"), 22)?,
            fingerprint: transport
                .into_iter()
                .flatten()
                .flat_map(|section| section.attributes_named("fingerprint"))
                .find_map(sha256)
                .ok_or(NegotiationFailure::Incomplete)?,
            mixes_extension_forms: session.attribute("extmap-allow-mixed").is_some(),
            media,
        })
    }

    /// The media description of that name.
    pub(crate) fn media_of(&self, mid: &str) -> Option<&MediaDescription> {
        self.media.iter().find(|media| media.mid.as_str() == mid)
    }
}

/// Every media description in use has a `mid` of its own and is in one BUNDLE group. Returns the index of
/// the one whose transport attributes count (RFC 9143 §7.2.1).
fn check_bundle(session: &Section<'_>, media: &[MediaDescription]) -> Result<usize, NegotiationFailure> {
    if media.iter().enumerate().any(|(index, one)| media.iter().skip(index + 1).any(|two| one.mid == two.mid))
    {
        return Err(NegotiationFailure::Malformed);
    }
    let group: Vec<&str> = session
        .attributes_named("group")
        .find_map(|value| value.strip_prefix("BUNDLE "))
        .map(|mids| mids.split_ascii_whitespace().collect())
        .unwrap_or_default();
    let is_bundled = |media: &MediaDescription| group.contains(&media.mid.as_str());
    if !media.iter().all(|media| media.kind == LineKind::Other || is_bundled(media)) {
        return Err(NegotiationFailure::Incomplete);
    }
    let tag = group.first().ok_or(NegotiationFailure::Incomplete)?;
    media.iter().position(|media| media.mid.as_str() == *tag).ok_or(NegotiationFailure::Incomplete)
}

/// RFC 8839 §5.4: at least so many `ice-char`, and at most 256.
fn ice_text(value: Option<&str>, shortest: usize) -> Result<String, NegotiationFailure> {
    let value = value.ok_or(NegotiationFailure::Incomplete)?;
    let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if (shortest..=256).contains(&value.len()) && value.bytes().all(is_ice_char) {
        Ok(value.to_owned())
    } else {
        Err(NegotiationFailure::Malformed)
    }
}

/// RFC 8122 §5: `sha-256 4A:AD:…`.
fn sha256(value: &str) -> Option<[u8; 32]> {
    let (algorithm, digits) = value.split_once(' ')?;
    if !algorithm.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut fingerprint = [0; 32];
    let mut bytes = digits.trim().split(':');
    for slot in &mut fingerprint {
        let digits = bytes.next().filter(|digits| digits.len() == 2 && !digits.starts_with('+'))?;
        *slot = u8::from_str_radix(digits, 16).ok()?;
    }
    bytes.next().is_none().then_some(fingerprint)
}

impl MediaDescription {
    fn parse(section: &Section<'_>, session: &Section<'_>) -> Result<Self, NegotiationFailure> {
        let (line, port) = MediaLine::parse(section.media)?;
        let is_stopped = port == 0 && section.attribute("bundle-only").is_none();
        let kind = match line.media.as_str() {
            "audio" if !is_stopped => LineKind::Audio,
            "video" if !is_stopped => LineKind::Video,
            _ => LineKind::Other,
        };
        if kind != LineKind::Other && section.attribute("rtcp-mux").is_none() {
            return Err(NegotiationFailure::Incomplete);
        }
        let mid = section.attribute("mid").ok_or(NegotiationFailure::Incomplete)?;
        let declared: Vec<Rid> = section.attributes_named("rid").filter_map(sent_rid).collect();
        Ok(Self {
            mid: Mid::new(mid).ok_or(NegotiationFailure::Malformed)?,
            kind,
            direction: direction(section).or_else(|| direction(session)).unwrap_or(Direction::SendRecv),
            codecs: if kind == LineKind::Other {
                Vec::new()
            } else {
                offered_codecs(section, &line.formats, kind)
            },
            extensions: extensions(section),
            rids: section
                .attribute("simulcast")
                .map(|value| offered_rids(value, &declared))
                .unwrap_or_default(),
            streams: streams(section),
            is_rtcp_reduced: section.attribute("rtcp-rsize").is_some(),
            line,
        })
    }

    /// The offered codec that a payload type stands for.
    #[cfg(test)]
    fn codec_of(&self, payload_type: u8) -> Option<&OfferedCodec> {
        self.codecs.iter().find(|codec| codec.payload_type.0 == payload_type)
    }
}

impl MediaLine {
    /// `m=<media> <port> <proto> <fmt> ...`; also returns the port.
    fn parse(value: &str) -> Result<(Self, u16), NegotiationFailure> {
        let mut words = value.splitn(4, ' ');
        let (Some(media), Some(port), Some(protocol), Some(formats)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NegotiationFailure::Malformed);
        };
        let port = port.parse().map_err(|_| NegotiationFailure::Malformed)?;
        let line = Self {
            media: media.to_owned(),
            protocol: protocol.to_owned(),
            formats: formats.trim().to_owned(),
        };
        Ok((line, port))
    }
}

/// `a=extmap:<id>[/<direction>] <uri>`; an unknown extension, an id that a one-byte header cannot carry,
/// and an extension or id that is taken are passed over.
fn extensions(section: &Section<'_>) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for value in section.attributes_named("extmap") {
        let mut words = value.split_ascii_whitespace();
        let (Some(id), Some(uri)) = (words.next(), words.next()) else { continue };
        let id = id.split('/').next().and_then(|id| id.parse().ok()).filter(|id| ONE_BYTE_IDS.contains(id));
        let (Some(id), Some(extension)) = (id, HeaderExtension::from_uri(uri)) else { continue };
        if map.extension(id).is_none() && map.id(extension).is_none() {
            map.insert(extension, id);
        }
    }
    map
}

/// Ids of a one-byte header: 0 is padding and 15 is reserved (RFC 8285 §4.2).
const ONE_BYTE_IDS: std::ops::RangeInclusive<u8> = 1..=14;

fn direction(section: &Section<'_>) -> Option<Direction> {
    section.attributes.iter().find_map(|(name, _)| match *name {
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "sendrecv" => Some(Direction::SendRecv),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    })
}

/// `a=rid:<id> send ...`.
fn sent_rid(value: &str) -> Option<Rid> {
    let mut words = value.split_ascii_whitespace();
    let rid = Rid::new(words.next()?)?;
    (words.next() == Some("send")).then_some(rid)
}

/// The streams that `a=ssrc` and `a=ssrc-group:FID` announce, retransmissions with what they repair.
fn streams(section: &Section<'_>) -> Vec<RemoteStream> {
    let pairs: Vec<(u32, u32)> = section
        .attributes_named("ssrc-group")
        .filter_map(|value| {
            let mut words = value.strip_prefix("FID ")?.split_ascii_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .take(MAX_ENCODINGS)
        .collect();
    let mut streams: Vec<RemoteStream> = Vec::new();
    for ssrc in section.attributes_named("ssrc").filter_map(|value| value.split(' ').next()?.parse().ok()) {
        if streams.len() < MAX_ENCODINGS
            && !streams.iter().any(|stream| stream.ssrc.0 == ssrc)
            && !pairs.iter().any(|(_, rtx)| *rtx == ssrc)
        {
            let rtx_ssrc = pairs.iter().find(|(repaired, _)| *repaired == ssrc).map(|(_, rtx)| Ssrc(*rtx));
            streams.push(RemoteStream { ssrc: Ssrc(ssrc), rtx_ssrc });
        }
    }
    streams
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codec::Codec;
    use super::*;
    use crate::rtp::Pt;

    const CHROMIUM: &str = include_str!("fixtures/chromium_offer.sdp");
    const FIREFOX: &str = include_str!("fixtures/firefox_offer.sdp");
    const AIORTC: &str = include_str!("fixtures/aiortc_offer.sdp");

    fn parsed(text: &str) -> RemoteOffer {
        RemoteOffer::parse(text).expect("a complete offer")
    }

    fn directions(offer: &RemoteOffer) -> Vec<(&str, LineKind, Direction)> {
        offer.media.iter().map(|media| (media.mid.as_str(), media.kind, media.direction)).collect()
    }

    #[test]
    fn a_chromium_offer_is_read() {
        use Direction::*;
        use LineKind::*;
        let offer = parsed(CHROMIUM);
        assert_eq!(
            directions(&offer),
            [
                ("0", Audio, SendOnly),
                ("1", Video, SendOnly),
                ("2", Audio, RecvOnly),
                ("3", Video, RecvOnly),
                ("4", Audio, RecvOnly),
                ("5", Video, RecvOnly)
            ]
        );
        assert_eq!((offer.ice_ufrag.len(), offer.ice_password.len()), (4, 24));
        let camera = offer.media_of("1").expect("the camera");
        assert_eq!(camera.rids.iter().map(Rid::as_str).collect::<Vec<_>>(), ["q", "h", "f"]);
        assert_eq!(camera.streams, []);
        assert_eq!(camera.extensions.id(HeaderExtension::RepairedRid), Some(11));
        let vp8 = camera.codec_of(96).expect("VP8");
        assert_eq!((vp8.codec, vp8.rtx_payload_type), (Codec::Vp8, Some(Pt(97))));
        assert_eq!(
            camera.codecs.iter().map(|codec| codec.payload_type.0).collect::<Vec<_>>(),
            [96, 102, 108, 116, 45, 98]
        );
        let microphone = offer.media_of("0").expect("the microphone");
        assert_eq!(
            microphone.codecs.iter().map(|codec| (codec.codec, codec.payload_type.0)).collect::<Vec<_>>(),
            [(Codec::Opus, 111), (Codec::Red, 63)]
        );
        assert_eq!(microphone.streams.len(), 1);
    }

    #[test]
    fn a_firefox_offer_is_read() {
        let offer = parsed(FIREFOX);
        let camera = offer.media_of("1").expect("the camera");
        assert_eq!(camera.rids.iter().map(Rid::as_str).collect::<Vec<_>>(), ["f", "h", "q"]);
        assert_eq!(camera.codec_of(120).map(|codec| codec.rtx_payload_type), Some(Some(Pt(124))));
        assert_eq!(
            offer.media_of("0").map(|audio| audio.extensions.id(HeaderExtension::TransportSequence)),
            Some(None)
        );
        assert_eq!(
            offer.media_of("3").map(|media| (media.kind, media.direction)),
            Some((LineKind::Video, Direction::RecvOnly))
        );
        assert_eq!(offer.media_of("4").map(|media| media.kind), Some(LineKind::Other));
    }

    #[test]
    fn an_offer_without_rids_names_its_streams() {
        let offer = parsed(AIORTC);
        let camera = offer.media_of("1").expect("the camera");
        assert_eq!(camera.rids, []);
        assert_eq!(
            camera.streams,
            [RemoteStream { ssrc: Ssrc(1_831_097_322), rtx_ssrc: Some(Ssrc(4_165_955_869)) }]
        );
        assert_eq!(offer.fingerprint[..2], [0x0b, 0x8b]);
    }

    #[test]
    fn extmap_lines_become_ids() {
        use HeaderExtension::*;
        let mid = "urn:ietf:params:rtp-hdrext:sdes:mid";
        let level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
        for (lines, expected) in [
            (vec![format!("4 {mid}"), format!("1 {level} vad=on")], vec![(Mid, 4), (AudioLevel, 1)]),
            (vec![format!("4/sendonly {mid}")], vec![(Mid, 4)]),
            (vec![format!("15 {mid}"), format!("0 {mid}"), format!("300 {mid}")], vec![]),
            (vec![format!("4 {mid}"), format!("4 {level}")], vec![(Mid, 4)]),
            (vec![format!("4 {mid}"), format!("5 {mid}")], vec![(Mid, 4)]),
            (vec!["4 urn:unknown".into(), String::new(), "4".into(), format!("x {mid}")], vec![]),
        ] {
            let attributes = lines.iter().map(|line| ("extmap", line.as_str())).collect();
            let read = extensions(&Section { media: "", attributes });
            assert_eq!(read, expected.into_iter().collect(), "{lines:?}");
        }
    }

    #[test]
    fn what_an_offer_needs_is_missed() {
        use NegotiationFailure::*;
        for (from, to, failure) in [
            ("a=group:BUNDLE 0 1 2 3 4 5\r\n", "", Incomplete),
            ("a=group:BUNDLE 0 1 2 3 4 5\r\n", "a=group:BUNDLE 0 1 2 3 4\r\n", Incomplete),
            ("a=group:BUNDLE 0 1 2 3 4 5\r\n", "a=group:BUNDLE 9 0 1 2 3 4 5\r\n", Incomplete),
            ("a=rtcp-mux\r\n", "", Incomplete),
            ("a=ice-ufrag:wWzx\r\n", "", Incomplete),
            ("a=ice-ufrag:wWzx\r\n", "a=ice-ufrag:wW\r\n", Malformed),
            ("a=ice-ufrag:wWzx\r\n", "a=ice-ufrag:wWzx\"\r\n", Malformed),
            ("a=fingerprint:sha-256 ", "a=fingerprint:sha-1 ", Incomplete),
            (":16:5F:", ":16:", Incomplete),
            ("a=setup:actpass", "a=setup:passive", Incomplete),
            ("a=mid:1\r\n", "", Incomplete),
            ("a=mid:1\r\n", "a=mid:0\r\n", Malformed),
            ("m=video 9 ", "m=video ninth ", Malformed),
            ("v=0\r\n", "", Malformed),
        ] {
            assert_eq!(RemoteOffer::parse(&CHROMIUM.replace(from, to)), Err(failure), "{from:?} → {to:?}");
        }
    }

    #[test]
    fn a_stopped_line_needs_nothing() {
        let offer = CHROMIUM
            .replace("m=video 9 UDP/TLS/RTP/SAVPF 96 97 98", "m=video 0 UDP/TLS/RTP/SAVPF 96 97 98")
            .replace("a=group:BUNDLE 0 1 2 3 4 5", "a=group:BUNDLE 0 1 2 4");
        assert_eq!(parsed(&offer).media_of("5").map(|media| media.kind), Some(LineKind::Other));
    }

    #[test]
    fn a_bundle_only_line_is_in_use() {
        let offer = CHROMIUM
            .replace("m=video 9 ", "m=video 0 ")
            .replace("a=rtcp-rsize\r\n", "a=rtcp-rsize\r\na=bundle-only\r\n");
        assert_eq!(parsed(&offer).media_of("5").map(|media| media.kind), Some(LineKind::Video));
    }

    proptest! {
        #[test]
        fn no_mutation_of_an_offer_panics(
            fixture in prop::sample::select(vec![CHROMIUM, FIREFOX, AIORTC]),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..20),
        ) {
            let mut bytes = fixture.as_bytes().to_vec();
            for (index, edit, byte) in edits {
                let at = index.index(bytes.len());
                match edit {
                    0 => bytes[at] = byte,
                    1 if bytes.len() > 1 => { bytes.remove(at); }
                    2 => bytes.insert(at, byte),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let _ = RemoteOffer::parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_shuffle_of_lines_panics(
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..300),
        ) {
            let lines: Vec<&str> = CHROMIUM.lines().chain(FIREFOX.lines()).chain(AIORTC.lines()).collect();
            let picked: Vec<&str> = picks.iter().map(|index| *index.get(&lines)).collect();
            let _ = RemoteOffer::parse(&format!("v=0\r\n{}", picked.join("\r\n")));
        }
    }
}
