//! Which codec a room sends its pictures in, as its participants learn it: by answers, and by being told to change.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, RoomId, TrackId};
use protocol::media_message::{
    MediaAction, MediaCommand, MediaReport, NegotiationId, Offer, PublishedMid, SubscribedMid,
};
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::track::{Role, TrackSource};
use protocol::video_codec::CodecPreference;
use protocol::video_codec::CodecReason::{self, NothingInCommon, SitePreference, SomebodyLacks};
use protocol::video_codec::VideoCodec::{self, Av1, H264, Vp8, Vp9};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sfu::burst::BurstSlab;
use sfu::config::SfuConfig;
use sfu::sample::Sample;
use sfu::sfu::{Fill, Output, Sfu};

const ROOM: RoomId = RoomId::from_bits(1);
const DOCTOR: ParticipantId = ParticipantId::from_bits(1);
const PATIENT: ParticipantId = ParticipantId::from_bits(2);
const NURSE: ParticipantId = ParticipantId::from_bits(3);

/// What these browsers decode and encode; the one of Debian has no H.264.
const CHROMIUM: &[VideoCodec] = &[Vp8, H264, Vp9, Av1];
const FIREFOX: &[VideoCodec] = &[Vp8, Vp9, Av1];
/// An old set-top box.
const BOX: &[VideoCodec] = &[H264];

/// What of an offer's lines a codec takes: the profile of H.264 is constrained baseline.
const fn format(codec: VideoCodec) -> (u8, &'static str) {
    match codec {
        Vp8 => (96, "a=rtpmap:96 VP8/90000\n"),
        H264 => (
            102,
            "a=rtpmap:102 H264/90000\na=fmtp:102 packetization-mode=1;level-asymmetry-allowed=1;profile-level-id=42e01f\n",
        ),
        Vp9 => (98, "a=rtpmap:98 VP9/90000\na=fmtp:98 profile-id=0\n"),
        Av1 => (
            45,
            "a=rtpmap:45 AV1/90000\na=extmap:13 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\n",
        ),
    }
}

fn line(mid: &str, direction: &str, codecs: &[VideoCodec]) -> String {
    let (types, formats): (Vec<String>, Vec<&str>) =
        codecs.iter().map(|codec| format(*codec)).map(|(number, text)| (number.to_string(), text)).unzip();
    let types = types.join(" ");
    format!(
        "m=video 9 UDP/TLS/RTP/SAVPF {types}\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuvwx\n\
         a=fingerprint:sha-256 {}\na=setup:actpass\na=mid:{mid}\na={direction}\na=rtcp-mux\n{}",
        ["AB"; 32].join(":"),
        formats.concat()
    )
}

struct Story {
    now: Instant,
    sfu: Sfu,
    slab: BurstSlab,
    negotiations: u64,
    cameras: HashMap<ParticipantId, TrackId>,
    /// What each answer has its sender begin with.
    sends: HashMap<ParticipantId, VideoCodec>,
    told: Vec<(ParticipantId, VideoCodec, CodecReason)>,
    room: Vec<VideoCodec>,
    counted: Vec<(VideoCodec, CodecReason)>,
}

impl Story {
    fn where_the_site_likes(codec: VideoCodec) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant can only be made by the clock; its value is never used"
        )]
        let now = Instant::now();
        let config = SfuConfig {
            candidates: vec!["192.0.2.1:3478".parse().expect("an address")],
            hd_mode: HdMode::Equivalent,
            adaptation: AdaptationPolicy::default(),
            video_codecs: [codec].into_iter().collect(),
            site_profiles: Vec::new(),
            accept_unattested_5g: false,
        };
        Self {
            now,
            sfu: Sfu::new(config, StdRng::seed_from_u64(1)).expect("a certificate can be made"),
            slab: BurstSlab::default(),
            negotiations: 0,
            cameras: HashMap::new(),
            sends: HashMap::new(),
            told: Vec::new(),
            room: [codec].into_iter().collect::<CodecPreference>().order().collect(),
            counted: Vec::new(),
        }
    }

    /// Comes in, with a camera whose codecs are offered in the order of the room.
    fn joins(&mut self, who: ParticipantId, codecs: &[VideoCodec]) -> &mut Self {
        self.command(who, MediaAction::Join { role: Role::Patient, steerable: true });
        self.offers(who, codecs)
    }

    /// Offers to send its camera in these, in the order of the room, and to receive what the others send.
    fn offers(&mut self, who: ParticipantId, codecs: &[VideoCodec]) -> &mut Self {
        let place = |codec: &VideoCodec| self.room.iter().position(|one| one == codec).unwrap_or(usize::MAX);
        let mut sending = codecs.to_vec();
        sending.sort_by_key(place);
        self.negotiations += 1;
        let others: Vec<TrackId> =
            self.cameras.iter().filter(|(other, _)| **other != who).map(|(_, track)| *track).collect();
        // Like the page, it says what it can decode before there is anything to decode.
        let received = others.len().max(1);
        let mids: Vec<String> = (0..=received).map(|mid| mid.to_string()).collect();
        let lines = mids.iter().skip(1).map(|mid| line(mid, "recvonly", codecs));
        let sdp = format!(
            "v=0\no=- 1 {} IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {}\n{}{}",
            self.negotiations,
            mids.join(" "),
            line("0", "sendonly", &sending),
            lines.collect::<String>()
        );
        let offer = Offer {
            sdp: sdp.replace('\n', "\r\n"),
            tracks: vec![PublishedMid { mid: "0".to_owned(), source: TrackSource::Camera }],
            subscriptions: others
                .iter()
                .zip(1..)
                .map(|(track, mid)| SubscribedMid { mid: mid.to_string(), track: *track })
                .collect(),
        };
        self.command(who, MediaAction::Negotiate { negotiation: NegotiationId(self.negotiations), offer })
    }

    fn leaves(&mut self, who: ParticipantId) -> &mut Self {
        self.cameras.remove(&who);
        self.command(who, MediaAction::Leave)
    }

    fn passes(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(due) = self.sfu.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.sfu.handle_timeout(due);
            self.drain();
        }
        self.now = end;
        self
    }

    fn command(&mut self, participant: ParticipantId, action: MediaAction) -> &mut Self {
        self.sfu.handle_command(self.now, MediaCommand { room: ROOM, participant, action });
        self.drain();
        self
    }

    fn drain(&mut self) {
        // Nobody has connected, so that nothing leaves.
        assert_eq!(self.sfu.fill(self.now, &mut self.slab), Fill::Drained);
        while let Some(output) = self.sfu.poll_output() {
            match output {
                Output::Event(event) => self.hear(event.report),
                Output::Sample(Sample::RoomCodecChanged { codec, reason }) => {
                    self.counted.push((codec, reason))
                }
                Output::Sample(_) | Output::Path(_) => {}
            }
        }
    }

    fn hear(&mut self, report: MediaReport) {
        match report {
            MediaReport::Negotiated { participant, outcome, .. } => {
                let answer = outcome.expect("an answer");
                self.cameras.insert(participant, answer.tracks[0].track);
                let camera = answer.sdp.split("m=video 9 UDP/TLS/RTP/SAVPF ").nth(1).expect("a camera");
                let first = VideoCodec::ALL
                    .into_iter()
                    .find(|codec| camera.starts_with(&format(*codec).0.to_string()));
                self.sends.insert(participant, first.expect("a codec"));
            }
            MediaReport::CodecPlan { participant, plan } => {
                assert_eq!((plan.track, plan.mid.as_str()), (self.cameras[&participant], "0"));
                self.told.push((participant, plan.codecs[0], plan.reason));
            }
            MediaReport::RoomCodecs { codecs } => self.room = codecs,
            _ => {}
        }
    }

    /// What was told since the last time.
    fn told(&mut self) -> Vec<(ParticipantId, VideoCodec, CodecReason)> {
        std::mem::take(&mut self.told)
    }
}

#[test]
fn who_can_decode_what_flows_changes_nothing() {
    let mut story = Story::where_the_site_likes(H264);
    story.joins(DOCTOR, CHROMIUM).joins(PATIENT, CHROMIUM).joins(NURSE, &[Vp8, H264]);
    assert_eq!(story.told(), []);
    assert_eq!(story.sends, HashMap::from([(DOCTOR, H264), (PATIENT, H264), (NURSE, H264)]));
    assert_eq!(story.counted, []);
    assert_eq!(story.room, [H264, Vp8], "whoever comes has no other choice");
}

#[test]
fn a_firefox_without_h264_is_sent_vp8_and_h264_comes_back_when_it_has_left() {
    let mut story = Story::where_the_site_likes(H264);
    story.joins(DOCTOR, CHROMIUM).joins(PATIENT, CHROMIUM);
    story.passes(Duration::from_secs(20)).joins(NURSE, FIREFOX);
    assert_eq!(story.told(), [(DOCTOR, Vp8, SomebodyLacks), (PATIENT, Vp8, SomebodyLacks)]);
    assert_eq!(story.sends[&NURSE], Vp8);
    story.offers(DOCTOR, CHROMIUM).offers(PATIENT, CHROMIUM);
    assert_eq!((story.sends[&DOCTOR], story.sends[&PATIENT]), (Vp8, Vp8));

    story.leaves(NURSE).passes(Duration::from_secs(9));
    assert_eq!(story.told(), [], "it may be back in a moment");
    story.passes(Duration::from_secs(2));
    assert_eq!(story.told(), [(DOCTOR, H264, SitePreference), (PATIENT, H264, SitePreference)]);
    story.offers(DOCTOR, CHROMIUM).offers(PATIENT, CHROMIUM);
    assert_eq!((story.sends[&DOCTOR], story.sends[&PATIENT]), (H264, H264));
    assert_eq!(story.told(), []);
    assert_eq!(story.counted, [(Vp8, SomebodyLacks), (H264, SitePreference)]);
}

#[test]
fn an_answer_changes_the_codec_of_who_ignores_what_it_is_told() {
    let mut story = Story::where_the_site_likes(Av1);
    story.joins(DOCTOR, CHROMIUM).joins(PATIENT, &[Vp8, H264, Vp9]);
    assert_eq!(story.told(), [(DOCTOR, Vp8, SomebodyLacks)]);
    // Its order is its own, as that of a client which knows nothing of codecs.
    story.room = vec![Av1, Vp9, Vp8];
    story.offers(DOCTOR, CHROMIUM);
    assert_eq!(story.sends[&DOCTOR], Vp9);
    assert_eq!(story.told(), [], "it has made its choice");
    story.leaves(PATIENT).passes(Duration::from_secs(11));
    assert_eq!(story.told(), [(DOCTOR, Av1, SitePreference)]);
    story.joins(PATIENT, &[Vp8, H264]);
    assert_eq!(story.told(), [(DOCTOR, Vp8, SomebodyLacks)]);
}

#[test]
fn with_nothing_in_common_it_is_vp8_and_counted() {
    let mut story = Story::where_the_site_likes(H264);
    story.joins(DOCTOR, FIREFOX).joins(PATIENT, BOX);
    assert_eq!(story.sends[&DOCTOR], Vp8);
    assert_eq!(story.sends[&PATIENT], H264, "it has nothing else");
    assert_eq!(story.told(), []);
    assert_eq!(story.counted, [(Vp8, SomebodyLacks), (Vp8, NothingInCommon)]);
    story.leaves(DOCTOR);
    assert_eq!(story.room, [H264], "at once: nothing is lost by it");
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut story = Story::where_the_site_likes(H264);
    story.joins(DOCTOR, CHROMIUM);
    story.command(PATIENT, MediaAction::Join { role: Role::Patient, steerable: true });
    let negotiation = NegotiationId(99);
    let sdp =
        format!("v=0\r\ns=-\r\na=group:BUNDLE 0\r\n{}", line("0", "recvonly", FIREFOX).replace('\n', "\r\n"));
    let nowhere = SubscribedMid { mid: "7".to_owned(), track: TrackId::from_bits(9) };
    let offer = Offer { sdp, tracks: Vec::new(), subscriptions: vec![nowhere] };
    let command = MediaCommand {
        room: ROOM,
        participant: PATIENT,
        action: MediaAction::Negotiate { negotiation, offer },
    };
    story.sfu.handle_command(story.now, command);
    let mut refused = false;
    while let Some(output) = story.sfu.poll_output() {
        if let Output::Event(event) = output {
            refused |= matches!(event.report, MediaReport::Negotiated { outcome: Err(_), .. });
            assert!(!matches!(event.report, MediaReport::CodecPlan { .. } | MediaReport::RoomCodecs { .. }));
        }
    }
    assert!(refused);
}
