//! The text of the gateway's answer (RFC 8829 §5.3): an ICE-lite, DTLS-passive transport in its first
//! media description that is not rejected, and in each what was negotiated.

use std::fmt;
use std::net::SocketAddr;

use protocol::track::MediaKind;

use super::codec::{Codec, parameter};
use super::negotiation::{GatewayDirection, Line, LinePlan, LocalTransport, NegotiatedMedia};
use super::offer::{MediaDescription, RemoteOffer};
use super::offered_codec::OfferedCodec;
use super::token::Rid;
use crate::rtp::{Pt, Ssrc};

/// Writes an answer with these lines.
pub(super) fn write_answer(offer: &RemoteOffer, local: &LocalTransport<'_>, lines: &[Line<'_>]) -> String {
    let mut text = Text::default();
    write_session(&mut text, local, lines);
    if offer.mixes_extension_forms {
        // Without it browsers send no dependency descriptor: its structure fits no one-byte element.
        text.line(format_args!("a=extmap-allow-mixed"));
    }
    let mut is_tagged = true;
    for Line { offered, negotiated, plan } in lines {
        let Some(negotiated) = negotiated else {
            write_rejected(&mut text, offered);
            continue;
        };
        write_media(&mut text, offered, negotiated);
        write_transport(&mut text, local);
        if std::mem::take(&mut is_tagged) {
            write_candidates(&mut text, local.candidates);
        }
        write_codecs(&mut text, offered, negotiated);
        write_streams(&mut text, negotiated, plan);
    }
    text.0
}

/// Lines of a session description.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = fmt::write(&mut self.0, line);
        self.0.push_str("\r\n");
    }
}

fn write_session(text: &mut Text, local: &LocalTransport<'_>, lines: &[Line<'_>]) {
    text.line(format_args!("v=0"));
    text.line(format_args!("o=- {} {} IN IP4 127.0.0.1", local.session_id, local.session_version));
    text.line(format_args!("s=-"));
    text.line(format_args!("t=0 0"));
    text.line(format_args!("a=ice-lite"));
    let bundled: String = lines
        .iter()
        .filter_map(|line| line.negotiated.as_ref())
        .map(|negotiated| format!(" {}", negotiated.mid))
        .collect();
    text.line(format_args!("a=group:BUNDLE{bundled}"));
    text.line(format_args!("a=msid-semantic: WMS *"));
}

fn write_rejected(text: &mut Text, offered: &MediaDescription) {
    let line = &offered.line;
    text.line(format_args!("m={} 0 {} {}", line.media, line.protocol, line.formats));
    text.line(format_args!("c=IN IP4 0.0.0.0"));
    text.line(format_args!("a=mid:{}", offered.mid));
    text.line(format_args!("a=inactive"));
}

fn write_media(text: &mut Text, offered: &MediaDescription, negotiated: &NegotiatedMedia) {
    let payload_types: String = negotiated
        .codecs
        .iter()
        .flat_map(|codec| [Some(codec.payload_type), codec.rtx_payload_type])
        .flatten()
        .map(|Pt(payload_type)| format!(" {payload_type}"))
        .collect();
    text.line(format_args!("m={} 9 {}{payload_types}", offered.line.media, offered.line.protocol));
    text.line(format_args!("c=IN IP4 0.0.0.0"));
    text.line(format_args!("a=mid:{}", negotiated.mid));
    text.line(format_args!(
        "a={}",
        match negotiated.direction {
            GatewayDirection::Receive { .. } => "recvonly",
            GatewayDirection::Send { .. } => "sendonly",
            GatewayDirection::Inactive => "inactive",
        }
    ));
    text.line(format_args!("a=rtcp-mux"));
    if offered.is_rtcp_reduced {
        text.line(format_args!("a=rtcp-rsize"));
    }
    for (extension, id) in negotiated.extensions.iter() {
        text.line(format_args!("a=extmap:{id} {}", extension.uri()));
    }
}

fn write_transport(text: &mut Text, local: &LocalTransport<'_>) {
    let fingerprint: Vec<String> = local.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    text.line(format_args!("a=ice-ufrag:{}", local.ice_ufrag));
    text.line(format_args!("a=ice-pwd:{}", local.ice_password));
    text.line(format_args!("a=fingerprint:sha-256 {}", fingerprint.join(":")));
    text.line(format_args!("a=setup:passive"));
}

/// RFC 8445 §5.1.2.2: the type preference of host candidates.
const HOST_TYPE_PREFERENCE: u32 = 126;

fn write_candidates(text: &mut Text, candidates: &[SocketAddr]) {
    for (candidate, index) in candidates.iter().zip(0_u16..) {
        let priority = HOST_TYPE_PREFERENCE << 24 | u32::from(u16::MAX - index) << 8 | 255;
        let (ip, port) = (candidate.ip(), candidate.port());
        text.line(format_args!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", u32::from(index) + 1));
    }
    text.line(format_args!("a=end-of-candidates"));
}

fn write_codecs(text: &mut Text, offered: &MediaDescription, negotiated: &NegotiatedMedia) {
    let is_agreed = |codec: &&OfferedCodec| {
        negotiated.codecs.iter().any(|agreed| agreed.payload_type == codec.payload_type)
    };
    for codec in offered.codecs.iter().filter(is_agreed) {
        let Pt(payload_type) = codec.payload_type;
        text.line(format_args!("a=rtpmap:{payload_type} {}", codec.codec.encoding()));
        for feedback in feedback(codec, negotiated.kind) {
            text.line(format_args!("a=rtcp-fb:{payload_type} {feedback}"));
        }
        let parameters = answered_parameters(codec);
        if !parameters.is_empty() {
            text.line(format_args!("a=fmtp:{payload_type} {parameters}"));
        }
        if let (MediaKind::Video, Some(Pt(rtx))) = (negotiated.kind, codec.rtx_payload_type) {
            text.line(format_args!("a=rtpmap:{rtx} rtx/{}", codec.codec.clock_rate()));
            text.line(format_args!("a=fmtp:{rtx} apt={payload_type}"));
        }
    }
}

/// What the offer and the gateway both speak. `goog-remb` is never among it: the gateway estimates.
fn feedback(codec: &OfferedCodec, kind: MediaKind) -> impl Iterator<Item = &'static str> {
    let offered = codec.feedback;
    let is_video = kind == MediaKind::Video;
    [
        (offered.transport_cc, "transport-cc"),
        (offered.nack, "nack"),
        (offered.nack_pli && is_video, "nack pli"),
        (offered.ccm_fir && is_video, "ccm fir"),
    ]
    .into_iter()
    .filter_map(|(is_agreed, name)| is_agreed.then_some(name))
}

/// Video parameters describe streams that the gateway passes on as they are, so they are repeated.
fn answered_parameters(codec: &OfferedCodec) -> String {
    match codec.codec {
        Codec::Opus if parameter(&codec.parameters, "usedtx") == Some("1") => {
            "minptime=10;useinbandfec=1;usedtx=1".to_owned()
        }
        Codec::Opus => "minptime=10;useinbandfec=1".to_owned(),
        Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264(_) => codec.parameters.clone(),
    }
}

fn write_streams(text: &mut Text, negotiated: &NegotiatedMedia, plan: &LinePlan) {
    match (&negotiated.direction, plan) {
        (GatewayDirection::Receive { rids, .. }, _) if !rids.is_empty() => {
            for rid in rids {
                text.line(format_args!("a=rid:{rid} recv"));
            }
            let list: Vec<&str> = rids.iter().map(Rid::as_str).collect();
            text.line(format_args!("a=simulcast:recv {}", list.join(";")));
        }
        (GatewayDirection::Send { ssrc: Ssrc(ssrc), rtx_ssrc }, LinePlan::Send(plan)) => {
            let cname = plan.publisher;
            text.line(format_args!("a=msid:{} {}", plan.publisher, plan.track));
            text.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
            if let Some(Ssrc(rtx_ssrc)) = rtx_ssrc {
                text.line(format_args!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
                text.line(format_args!("a=ssrc:{rtx_ssrc} cname:{cname}"));
            }
        }
        (
            GatewayDirection::Receive { .. } | GatewayDirection::Send { .. } | GatewayDirection::Inactive,
            _,
        ) => {}
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::{ParticipantId, TrackId};
    use protocol::media_message::NegotiationFailure;

    use super::super::codec::H264Profile;
    use super::super::codec_set::CodecSet;
    use super::super::negotiation::{NegotiatedTransport, SendPlan, negotiate};
    use super::*;
    use crate::rtp::{HeaderExtension, Ssrc};

    const CHROMIUM: &str = include_str!("fixtures/chromium_offer.sdp");
    const FIREFOX: &str = include_str!("fixtures/firefox_offer.sdp");
    const AIORTC: &str = include_str!("fixtures/aiortc_offer.sdp");

    fn track(ssrc: u32) -> LinePlan {
        LinePlan::Send(SendPlan {
            publisher: ParticipantId::from_bits(1),
            track: TrackId::from_bits(2),
            ssrc: Ssrc(ssrc),
            rtx_ssrc: Ssrc(ssrc + 1),
        })
    }

    fn answer(offer: &str, plans: &[LinePlan]) -> Result<(String, NegotiatedTransport), NegotiationFailure> {
        let candidates = ["192.0.2.1:3478".parse().expect("v4"), "[2001:db8::1]:3478".parse().expect("v6")];
        let local = LocalTransport {
            ice_ufrag: "gatewayufrag",
            ice_password: "gatewaypasswordgatewaypw",
            fingerprint: [0xab; 32],
            candidates: &candidates,
            session_id: 7,
            session_version: 3,
        };
        negotiate(&RemoteOffer::parse(offer)?, &local, plans)
    }

    /// The lines of the media section of that `mid`, its `m=` line first.
    fn section<'a>(answer: &'a str, mid: &str) -> Vec<&'a str> {
        answer
            .split("m=")
            .skip(1)
            .map(|section| section.split("\r\n").filter(|line| !line.is_empty()).collect::<Vec<_>>())
            .find(|lines| lines.contains(&format!("a=mid:{mid}").as_str()))
            .expect("a section of that mid")
    }

    fn has(lines: &[&str], line: &str) {
        assert!(lines.contains(&line), "{line:?} is missing in {lines:#?}");
    }

    fn lacks(text: &str, part: &str) {
        assert!(!text.contains(part), "{part:?} is in {text}");
    }

    const RECEIVE: LinePlan = LinePlan::Receive(CodecSet::ALL);

    const CALL: [LinePlan; 2] = [RECEIVE, RECEIVE];

    #[test]
    fn the_session_is_a_passive_bundle_on_an_ice_lite_transport() {
        let (text, _) = answer(CHROMIUM, &CALL).expect("an answer");
        let session: Vec<&str> = text.split("m=").next().expect("a session section").split("\r\n").collect();
        for line in ["v=0", "o=- 7 3 IN IP4 127.0.0.1", "a=ice-lite", "a=group:BUNDLE 0 1 2 3 4 5"] {
            has(&session, line);
        }
        has(&session, "a=extmap-allow-mixed");
        let (text, _) = answer(&CHROMIUM.replace("a=extmap-allow-mixed\r\n", ""), &CALL).expect("an answer");
        lacks(&text, "extmap-allow-mixed");
        let (text, _) = answer(CHROMIUM, &CALL).expect("an answer");
        let first = section(&text, "0");
        for line in [
            "a=ice-ufrag:gatewayufrag",
            "a=ice-pwd:gatewaypasswordgatewaypw",
            "a=setup:passive",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host",
            "a=candidate:2 1 udp 2130706175 2001:db8::1 3478 typ host",
            "a=end-of-candidates",
        ] {
            has(&first, line);
        }
        lacks(&section(&text, "1").join("\n"), "a=candidate");
    }

    #[test]
    fn a_simulcast_camera_is_received() {
        let (text, negotiated) = answer(CHROMIUM, &CALL).expect("an answer");
        let camera = section(&text, "1");
        for line in [
            "video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 108 109 116 117 45 46 98 99",
            "a=recvonly",
            "a=rid:q recv",
            "a=simulcast:recv q;h;f",
            "a=rtpmap:96 VP8/90000",
            "a=rtcp-fb:96 transport-cc",
            "a=rtcp-fb:96 nack",
            "a=rtcp-fb:96 nack pli",
            "a=rtcp-fb:96 ccm fir",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            "a=fmtp:98 profile-id=0",
            "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        ] {
            has(&camera, line);
        }
        lacks(&text, "goog-remb");
        lacks(&text, "abs-send-time");
        let camera = &negotiated.media[1];
        assert_eq!(camera.extensions.id(HeaderExtension::RepairedRid), Some(11));
        match &camera.direction {
            GatewayDirection::Receive { rids, streams } => {
                assert_eq!(rids.iter().map(Rid::as_str).collect::<Vec<_>>(), ["q", "h", "f"]);
                assert_eq!(*streams, []);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_camera_is_received_in_what_the_room_can_decode() {
        let vp9 =
            LinePlan::Receive(CodecSet::of([Codec::Vp9, Codec::H264(H264Profile::ConstrainedBaseline)]));
        let (text, negotiated) = answer(CHROMIUM, &[RECEIVE, vp9]).expect("an answer");
        let camera = section(&text, "1");
        has(&camera, "video 9 UDP/TLS/RTP/SAVPF 108 109 98 99");
        has(&camera, "a=rtpmap:98 VP9/90000");
        lacks(&camera.join("\n"), "VP8");
        assert_eq!(negotiated.media[1].codecs.len(), 2);
        has(&section(&text, "0"), "audio 9 UDP/TLS/RTP/SAVPF 111 63");
        // The client has none of them: it sends as it can.
        let offer = CHROMIUM.replace("VP9/90000", "VP0/90000").replace("H264/90000", "H265/90000");
        let (text, _) = answer(&offer, &[RECEIVE, vp9]).expect("an answer");
        has(&section(&text, "1"), "a=rtpmap:96 VP8/90000");
    }

    #[test]
    fn a_microphone_is_received_with_fec_and_redundancy() {
        let (text, _) =
            answer(&CHROMIUM.replace("useinbandfec=1", "useinbandfec=1;usedtx=1"), &CALL).expect("an answer");
        let microphone = section(&text, "0");
        for line in [
            "audio 9 UDP/TLS/RTP/SAVPF 111 63",
            "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
            "a=rtcp-fb:111 transport-cc",
            "a=rtpmap:63 red/48000/2",
            "a=fmtp:63 111/111",
            "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        ] {
            has(&microphone, line);
        }
    }

    #[test]
    fn a_subscription_is_sent_and_an_idle_line_waits() {
        let plans = [LinePlan::Idle, LinePlan::Idle, track(10), track(20)];
        let (text, negotiated) = answer(CHROMIUM, &plans).expect("an answer");
        let picture = section(&text, "3");
        let publisher = ParticipantId::from_bits(1);
        for line in [
            "a=sendonly",
            "a=ssrc-group:FID 20 21",
            &format!("a=ssrc:20 cname:{publisher}"),
            &format!("a=ssrc:21 cname:{publisher}"),
            &format!("a=msid:{publisher} {}", TrackId::from_bits(2)),
        ] {
            has(&picture, line);
        }
        lacks(&picture.join("\n"), "rtp-stream-id");
        has(&section(&text, "2"), &format!("a=ssrc:10 cname:{publisher}"));
        lacks(&section(&text, "2").join("\n"), "FID");
        has(&section(&text, "5"), "a=inactive");
        has(&section(&text, "1"), "a=inactive");
        has(&section(&text, "1"), "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id");
        let directions: Vec<&GatewayDirection> =
            negotiated.media.iter().map(|media| &media.direction).collect();
        assert_eq!(directions[2], &GatewayDirection::Send { ssrc: Ssrc(10), rtx_ssrc: None });
        assert_eq!(directions[3], &GatewayDirection::Send { ssrc: Ssrc(20), rtx_ssrc: Some(Ssrc(21)) });
        assert_eq!(directions[5], &GatewayDirection::Inactive);
    }

    #[test]
    fn a_plan_against_the_offered_direction_does_nothing() {
        let (_, negotiated) = answer(CHROMIUM, &[track(10), track(20), RECEIVE]).expect("an answer");
        assert!(negotiated.media.iter().all(|media| media.direction == GatewayDirection::Inactive));
    }

    #[test]
    fn what_the_gateway_does_not_take_part_in_is_rejected() {
        let (text, negotiated) = answer(FIREFOX, &CALL).expect("an answer");
        has(&section(&text, "4"), "application 0 UDP/DTLS/SCTP webrtc-datachannel");
        assert!(text.contains("a=group:BUNDLE 0 1 2 3\r\n"));
        assert_eq!(negotiated.media.len(), 4);
        has(&section(&text, "1"), "a=simulcast:recv f;h;q");
    }

    #[test]
    fn a_client_without_rids_is_known_by_its_streams() {
        let (text, negotiated) = answer(AIORTC, &CALL).expect("an answer");
        has(&section(&text, "1"), "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time");
        lacks(&text, "simulcast");
        lacks(&text, "a=rtcp-rsize");
        match &negotiated.media[1].direction {
            GatewayDirection::Receive { rids, streams } => {
                assert_eq!((rids.len(), streams.len()), (0, 1));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_track_needs_a_common_codec() {
        let exotic = CHROMIUM.replace("opus/48000", "speex/48000");
        assert_eq!(answer(&exotic, &CALL).map(|_| ()), Err(NegotiationFailure::NoCommonCodec));
        let (text, _) = answer(&exotic, &[LinePlan::Idle, RECEIVE]).expect("an answer");
        has(&section(&text, "0"), "a=inactive");
        // The transport attributes move to the first line that is left.
        has(&section(&text, "1"), "a=end-of-candidates");
    }

    #[test]
    fn an_answer_is_a_session_description() {
        for offer in [CHROMIUM, FIREFOX, AIORTC] {
            let (text, _) = answer(offer, &CALL).expect("an answer");
            let (_, sections) = super::super::section::cut(&text).expect("well formed");
            assert_eq!(sections.len(), RemoteOffer::parse(offer).expect("an offer").media.len());
        }
    }
}
