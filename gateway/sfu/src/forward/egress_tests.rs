//! What leaves of an egress, and in which order, told by the headers of the sealed datagrams.

use std::time::Duration;

use protocol::id::TrackId;
use protocol::track::TrackSource;

use super::*;
use crate::directory::ParticipantIndex;
use crate::forward::encoding::{Delivery, IncomingPacket};
use crate::forward::layer_switch::Layer;
use crate::forward::subscription::{SubscriptionLine, TrackIndex};
use crate::rtp::{ExtensionMap, ExtensionValues, HeaderExtension, Pt, RtpHeader, SeqNo, Ssrc};
use crate::sdp::{Codec, Mid, NegotiatedCodec, Rid};
use crate::srtp::SrtpProfile;
use crate::testing::origin;

const OPUS: Pt = Pt(111);
const VP8: Pt = Pt(96);
const RTX: Pt = Pt(97);
const RED: Pt = Pt(63);

/// The tracks of a publisher and the egress of somebody who watches.
struct Stage {
    now: Instant,
    tracks: Vec<Option<Track>>,
    egress: Egress,
    srtp: SrtpSession,
    slab: BurstSlab,
    counters: Counters,
    spoken: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Key,
    Delta,
}

impl Stage {
    /// A camera of two encodings at index 0, whose higher one is wanted, and a microphone at index 1.
    fn new() -> Self {
        let now = origin();
        let profile = SrtpProfile::AeadAes128Gcm;
        let keys = vec![7; profile.keying_material_len()];
        let track = |id, source, rids: &[Rid]| {
            Some(Track::new(TrackId::from_bits(id), ParticipantIndex(0), source, rids))
        };
        let rids = ["l", "h"].map(|rid| Rid::new(rid).expect("a token"));
        let mut stage = Self {
            now,
            tracks: vec![track(1, TrackSource::Camera, &rids), track(2, TrackSource::Microphone, &[])],
            egress: Egress::new(now, NetworkClass::Wired),
            srtp: SrtpSession::from_dtls(profile, &keys).expect("keys fit"),
            slab: BurstSlab::default(),
            counters: Counters::default(),
            spoken: 0,
        };
        let camera = NegotiatedCodec { codec: Codec::Vp8, payload_type: VP8, rtx_payload_type: Some(RTX) };
        let voice = NegotiatedCodec { codec: Codec::Opus, payload_type: OPUS, rtx_payload_type: None };
        stage.subscribe(0, MediaKind::Video, camera);
        stage.subscribe(1, MediaKind::Audio, voice);
        stage.target(1, Descent::Graceful);
        stage
    }

    fn subscribe(&mut self, track: usize, kind: MediaKind, codec: NegotiatedCodec) {
        let line = SubscriptionLine {
            kind,
            mid: Mid::new("0").expect("a token"),
            ssrc: Ssrc(10 + track as u32),
            rtx_ssrc: codec.rtx_payload_type.map(|_| Ssrc(20)),
            codecs: vec![codec],
            extensions: ExtensionMap::from_iter([(HeaderExtension::TransportSequence, 3)]),
        };
        self.egress.subscribe(Subscription::new(self.now, TrackIndex(track), line, 100, 0));
    }

    fn target(&mut self, encoding: u8, descent: Descent) {
        let camera = self.egress.subscription(SubscriptionIndex(0)).expect("it is there");
        camera.set_target(Some(Layer { encoding, temporal: 0 }), descent);
    }

    /// Says whether a packet that arrives goes on.
    fn arrive(&mut self, track: usize, encoding: usize, sequence: u16, codec: Codec, payload: &[u8]) -> bool {
        let mut packet = vec![0x80, 0];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, sequence.to_be_bytes()[0], sequence.to_be_bytes()[1], 0, 0, 0, encoding as u8]);
        packet.extend_from_slice(payload);
        let header = RtpHeader::parse(&packet).expect("well formed");
        let packet = IncomingPacket {
            delivery: Delivery::Original,
            timestamp: header.timestamp(),
            sequence: SeqNo(sequence),
            codec,
            header: &header,
            payload: header.payload(),
            values: &ExtensionValues::default(),
        };
        let place = self.tracks[track].as_mut().expect("it is there");
        place.set_codec(codec);
        let arrival = place.encodings[encoding].handle_packet(self.now, &packet);
        let arrival = arrival.expect("a descriptor").expect("new");
        self.egress.offer(self.now, SubscriptionIndex(track), &arrival, place, &mut self.counters)
    }

    /// A packet of the camera; a frame is one packet here.
    fn picture(&mut self, encoding: usize, sequence: u16, frame: Frame, size: usize) -> bool {
        let mut payload =
            vec![0x10, u8::from(frame == Frame::Delta), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];
        payload.resize(size, 0);
        self.arrive(0, encoding, sequence, Codec::Vp8, &payload)
    }

    fn voice(&mut self, sequence: u16) -> bool {
        self.arrive(1, 0, sequence, Codec::Opus, &[1; 80])
    }

    fn lose(&mut self, sequence: u16) {
        let track = self.tracks[0].as_ref().expect("it is there");
        let lost = [sequence].into_iter();
        self.egress.resend(self.now, SubscriptionIndex(0), lost, track, &mut self.counters);
    }

    /// The subscriber takes several frames of a voice in one packet.
    fn agree_on_redundancy(&mut self) {
        let voice = self.egress.subscription(SubscriptionIndex(1)).expect("it is there");
        let mut line = voice.line().clone();
        line.codecs.push(NegotiatedCodec { codec: Codec::Red, payload_type: RED, rtx_payload_type: None });
        voice.renegotiate(line);
    }

    /// The subscriber tells that all has arrived.
    fn hear_of_all(&mut self) {
        let arrival = Some(self.now.duration_since(origin()));
        let statuses: Vec<PacketStatus> =
            (0..1_000).map(|sequence| PacketStatus { sequence, arrival }).collect();
        self.egress.handle_feedback(self.now, &statuses);
    }

    /// So many frames of speech, with feedback on each or with none; what leaves of the voice.
    fn talk(&mut self, frames: usize, is_heard_of: bool) -> Vec<(Pt, u16)> {
        let mut left = Vec::new();
        for _ in 0..frames {
            self.egress.handle_timeout(self.now);
            self.spoken += 1;
            assert!(self.voice(self.spoken));
            left.extend(self.leave(20).into_iter().filter(|(pt, _)| matches!(*pt, OPUS | RED)));
            if is_heard_of {
                self.hear_of_all();
            }
        }
        left
    }

    /// Lets everything leave that may within a tenth of a second, and tells the payload types and numbers.
    fn left(&mut self) -> Vec<(Pt, u16)> {
        self.leave(100)
    }

    fn leave(&mut self, millis: u64) -> Vec<(Pt, u16)> {
        self.slab.clear();
        for _ in 0..millis {
            let mut outlet = Outlet {
                destination: SocketAddr::from(([192, 0, 2, 1], 5_000)),
                srtp: &mut self.srtp,
                slab: &mut self.slab,
                counters: &mut self.counters,
            };
            assert!(self.egress.fill(self.now, &self.tracks, &mut outlet));
            self.now += Duration::from_millis(1);
        }
        let datagrams = self.slab.bursts().flat_map(|burst| burst.contents.chunks(burst.segment_size));
        datagrams.map(|one| (Pt(one[1] & 0x7f), u16::from_be_bytes([one[2], one[3]]))).collect()
    }
}

#[test]
fn a_voice_leaves_before_the_pictures_that_wait() {
    let mut stage = Stage::new();
    assert!(stage.picture(1, 1, Frame::Key, 1_000));
    assert!(stage.picture(1, 2, Frame::Delta, 1_000));
    assert!(stage.voice(1));
    assert_eq!(stage.left(), [(OPUS, 101), (VP8, 101), (VP8, 102)]);
}

#[test]
fn after_spoilt_pictures_the_next_key_frame_takes_up_their_numbers() {
    let mut stage = Stage::new();
    stage.picture(1, 1, Frame::Key, 1_000);
    assert_eq!(stage.left(), [(VP8, 101)]);
    assert!(stage.picture(1, 2, Frame::Delta, 1_000), "it waits");
    stage.egress.drop_video();
    assert!(stage.egress.take_wants_key_frames());
    assert!(!stage.picture(1, 3, Frame::Delta, 1_000), "it would follow on what is gone");
    assert!(stage.picture(1, 4, Frame::Key, 1_000));
    assert_eq!(stage.left(), [(VP8, 102)]);
    assert!(!stage.egress.take_wants_key_frames());
}

#[test]
fn packets_that_differ_by_little_share_a_burst() {
    for (middle, bursts) in [(1_000, 1), (998, 1), (997, 2)] {
        let mut stage = Stage::new();
        stage.picture(1, 1, Frame::Key, 1_000);
        stage.picture(1, 2, Frame::Delta, middle);
        stage.picture(1, 3, Frame::Delta, 1_000);
        assert_eq!(stage.left().len(), 3);
        assert_eq!(stage.slab.bursts().count(), bursts, "{middle}");
    }
}

#[test]
fn what_is_lost_is_sent_again_until_a_lower_encoding_is_wanted() {
    let mut stage = Stage::new();
    stage.picture(1, 1, Frame::Key, 1_000);
    stage.picture(0, 1, Frame::Key, 300);
    stage.left();
    stage.lose(101);
    assert_eq!(stage.left(), [(RTX, 101)]);
    stage.target(0, Descent::AtOnce);
    stage.lose(101);
    assert_eq!(stage.left(), []);
    assert_eq!(stage.counters.dropped[DropReason::RetransmissionBudget as usize], 1);
    assert!(stage.picture(0, 2, Frame::Key, 300));
    assert_eq!(stage.left(), [(VP8, 102)]);
    stage.lose(102);
    assert_eq!(stage.left(), [(RTX, 102)]);
}

/// A call of half a second that was heard of, and another half in which nothing is.
fn voice_in_the_dark(is_redundancy_agreed: bool) -> Stage {
    let mut stage = Stage::new();
    if is_redundancy_agreed {
        stage.agree_on_redundancy();
    }
    let numbers = |first: u16| (first..first + 25).map(|number| (OPUS, number)).collect::<Vec<_>>();
    assert_eq!(stage.talk(25, true), numbers(101));
    assert_eq!(stage.talk(25, false), numbers(126), "feedback is late, and may yet come");
    stage
}

#[test]
fn a_voice_in_the_dark_goes_in_fewer_packets_without_a_gap_in_their_numbers() {
    let mut stage = voice_in_the_dark(true);
    let two_by_two: Vec<(Pt, u16)> = (151..163).map(|number| (RED, number)).collect();
    let left = stage.talk(25, false);
    assert_eq!(left[..12], two_by_two, "the first waits for the second");
    let repeated = stage.counters.redundant_bytes_out;
    let three_by_three = stage.talk(30, false);
    let numbers: Vec<u16> = three_by_three.iter().map(|(_, number)| *number).collect();
    let first = 151 + left.len() as u16;
    assert_eq!(numbers, (first..first + 10).collect::<Vec<_>>());
    assert!(three_by_three.iter().all(|(payload_type, _)| *payload_type == RED));
    // Two frames of 80 bytes, a header of four bytes each, and one of a byte.
    assert_eq!(stage.counters.redundant_bytes_out - repeated, 10 * 169);
}

#[test]
fn a_voice_goes_packet_by_packet_again_once_the_subscriber_is_heard_of() {
    let mut stage = voice_in_the_dark(true);
    let before = stage.talk(40, false).len() as u16;
    let mut numbers = Vec::new();
    // Whatever waited leaves at once.
    stage.hear_of_all();
    numbers.extend(stage.leave(1).into_iter().filter(|(pt, _)| matches!(*pt, OPUS | RED)));
    let waited = numbers.len() as u16;
    assert!(waited <= 1, "{numbers:?}");
    numbers.extend(stage.talk(5, true));
    let first = 151 + before;
    assert_eq!(
        numbers[usize::from(waited)..],
        (first + waited..first + waited + 5).map(|n| (OPUS, n)).collect::<Vec<_>>()
    );
}

#[test]
fn a_word_that_ends_in_the_dark_does_not_wait_for_the_next() {
    let mut stage = voice_in_the_dark(true);
    stage.talk(2, false);
    let left = stage.talk(1, false);
    assert_eq!(left, []);
    let left = stage.left();
    assert_eq!(left.iter().filter(|(pt, _)| *pt == OPUS).count(), 1, "{left:?}");
}

#[test]
fn a_voice_without_redundancy_goes_on_in_the_dark_as_before() {
    let mut stage = voice_in_the_dark(false);
    assert_eq!(stage.talk(50, false), (151..201).map(|number| (OPUS, number)).collect::<Vec<_>>());
}
