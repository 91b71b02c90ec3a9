//! Which packets of which codecs and layers go to one subscriber, and as what, from packets as they arrive.

use std::time::Duration;

use protocol::id::TrackId;
use protocol::track::TrackSource;

use super::*;
use crate::directory::ParticipantIndex;
use crate::forward::encoding::{Delivery, IncomingPacket};
use crate::rtp::{ExtensionValues, RtpHeader};
use crate::sdp::H264Profile::{self, ConstrainedBaseline, High};
use crate::sdp::Rid;
use crate::testing::origin;
use crate::voice::RedundantPayload;

/// The structure of L1T3 as libwebrtc writes it, in the descriptor of the first frame: template 0 is the key frame,
/// 1 is T0, 2 is T1, 3 and 4 are T2.
const L1T3: [u8; 16] =
    [0xc0, 0, 1, 0x80, 0x02, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x14, 0x10, 0x20, 0x84, 0x26];

/// The templates of the frames behind the first one, and their temporal layers.
const TEMPLATES: [u8; 4] = [3, 2, 4, 1];

const fn h264(profile: H264Profile) -> Codec {
    Codec::H264(profile)
}

/// A track and one subscription to it.
struct Stage {
    now: Instant,
    track: Track,
    subscription: Subscription,
    sequence: u16,
}

impl Stage {
    /// Receives these codecs, the first as payload type 100 with retransmissions as 101, the next as 102, and so on.
    fn of(codecs: &[Codec], rids: &[&str], target: Layer) -> Self {
        let now = origin();
        let rids: Vec<Rid> = rids.iter().filter_map(Rid::new).collect();
        let agreed = |(place, codec): (u8, &Codec)| NegotiatedCodec {
            codec: *codec,
            payload_type: Pt(100 + 2 * place),
            rtx_payload_type: Some(Pt(101 + 2 * place)),
        };
        let line = SubscriptionLine {
            kind: MediaKind::Video,
            mid: Mid::new("0").expect("a token"),
            ssrc: Ssrc(1),
            rtx_ssrc: Some(Ssrc(2)),
            codecs: (0..).zip(codecs).map(agreed).collect(),
            extensions: ExtensionMap::default(),
        };
        let mut subscription = Subscription::new(now, TrackIndex(0), line, 0, 0);
        subscription.set_target(Some(target), Descent::Graceful);
        let track = Track::new(TrackId::from_bits(1), ParticipantIndex(0), TrackSource::Camera, &rids);
        Self { now, track, subscription, sequence: 500 }
    }

    /// A packet arrives at the first encoding, the next in its order; each picture has its millisecond.
    fn arrive(
        &mut self,
        codec: Codec,
        (payload, marker): (&[u8], bool),
        descriptor: Option<&[u8]>,
    ) -> Result<Departure, Withheld> {
        self.sequence += 1;
        let sequence = self.sequence;
        self.deliver(codec, (payload, marker), descriptor, sequence).expect("it is taken")
    }

    fn deliver(
        &mut self,
        codec: Codec,
        (payload, marker): (&[u8], bool),
        descriptor: Option<&[u8]>,
        sequence: u16,
    ) -> Option<Result<Departure, Withheld>> {
        let ticks = (self.now.duration_since(origin_of(&self.subscription)).as_millis() * 90) as u32;
        let mut packet = vec![0x80, if marker { 0x80 } else { 0 }];
        packet.extend(sequence.to_be_bytes());
        packet.extend(ticks.to_be_bytes());
        packet.extend([0, 0, 0, 9]);
        packet.extend_from_slice(payload);
        let header = RtpHeader::parse(&packet).expect("well formed");
        let values = ExtensionValues { dependency_descriptor: descriptor, ..ExtensionValues::default() };
        let packet = IncomingPacket {
            delivery: Delivery::Original,
            sequence: SeqNo(sequence),
            timestamp: ticks,
            codec,
            header: &header,
            payload: header.payload(),
            values: &values,
        };
        let arrival = self.track.encodings[0].handle_packet(self.now, &packet).expect("a descriptor")?;
        Some(self.subscription.offer(self.now, &arrival, |_, _| None))
    }

    fn next_picture(&mut self) {
        self.now += Duration::from_millis(33);
    }
}

/// When the subscription began: it waits for its first picture until the tests end.
fn origin_of(subscription: &Subscription) -> Instant {
    subscription.waiting_since.expect("nobody has taken it")
}

const TOP: Layer = Layer { encoding: 0, temporal: 2 };
const VP8_KEY: &[u8] = &[0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];
const VP8_DELTA: &[u8] = &[0x10, 1, 0, 0];
/// Sequence parameters and an IDR slice in one packet, and a slice.
const H264_KEY: &[u8] = &[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x65, 0x88];
const H264_DELTA: &[u8] = &[0x41, 0x9a];

#[test]
fn temporal_layers_of_h264_go_by_the_descriptor_and_leave_no_gap() {
    for (ceiling, forwarded) in
        [(2, [true, true, true, true]), (1, [false, true, false, true]), (0, [false, false, false, true])]
    {
        let codec = h264(ConstrainedBaseline);
        let mut stage = Stage::of(&[codec], &["l", "h"], Layer { encoding: 0, temporal: ceiling });
        let mut last =
            stage.arrive(codec, (H264_KEY, true), Some(&L1T3)).expect("a key frame").numbers.sequence;
        for (number, template) in (2_u16..).zip(TEMPLATES.into_iter().cycle().take(12)) {
            stage.next_picture();
            let wanted = forwarded[usize::from(number - 2) % 4];
            // The descriptor tells where a frame starts and ends; its slices share it.
            let [high, low] = number.to_be_bytes();
            for (slice, part, marker) in [(H264_DELTA, 0x80, false), (&[0x41, 0x40], 0x40, true)] {
                let went = stage.arrive(codec, (slice, marker), Some(&[part | template, high, low]));
                assert_eq!(went.is_ok(), wanted, "{ceiling} {number}");
                if let Ok(departure) = went {
                    last = last.wrapping_add(1);
                    assert_eq!((departure.numbers.sequence, departure.marker), (last, marker));
                }
            }
        }
    }
}

#[test]
fn h264_without_a_descriptor_goes_whole() {
    let codec = h264(ConstrainedBaseline);
    let mut stage = Stage::of(&[codec], &["l"], Layer { encoding: 0, temporal: 0 });
    assert!(stage.arrive(codec, (H264_KEY, true), None).is_ok());
    stage.next_picture();
    assert!(stage.arrive(codec, (H264_DELTA, true), None).is_ok());
    // A descriptor whose structure was lost says nothing, and holds nothing back.
    stage.next_picture();
    assert!(stage.arrive(codec, (H264_DELTA, true), Some(&[0xc0 | 3, 0, 9])).is_ok());
}

#[test]
fn temporal_layers_of_vp8_go_by_its_payload_whatever_the_descriptor_says() {
    let mut stage = Stage::of(&[Codec::Vp8], &["l"], Layer { encoding: 0, temporal: 0 });
    // X, S; I, L, T; a picture id, an index of base layers, TID.
    let picture = |id: u8, tid: u8| [0x90, 0xe0, id, 7, tid << 6, 1, 0, 0];
    let key = [[0x90, 0xe0, 1, 7, 0].as_slice(), &VP8_KEY[1..]].concat();
    assert!(stage.arrive(Codec::Vp8, (&key, true), Some(&L1T3)).is_ok());
    let mut went = Vec::new();
    for (id, tid) in [(2, 2), (3, 1), (4, 2), (5, 0)] {
        stage.next_picture();
        went.extend(stage.arrive(Codec::Vp8, (&picture(id, tid), true), Some(&[0xc1, 0, id])).ok());
    }
    let [departure] = went.as_slice() else { panic!("{went:?}") };
    assert_eq!((departure.numbers.sequence, departure.marker), (2, true));
}

/// A packet of a VP9 picture in three spatial layers, in flexible mode: its layer, and whether it begins and ends it.
fn vp9(is_key: bool, id: u8, (begins, ends): (bool, bool)) -> Vec<u8> {
    let inter = if is_key { 0 } else { 0x40 };
    let needed_above = if is_key { 0 } else { 0x01 };
    let has_structure = is_key && id == 0 && begins;
    let flags = 0x80 | 0x20 | 0x10 | inter | needed_above | u8::from(begins) << 3 | u8::from(ends) << 2;
    let mut payload = vec![flags | if has_structure { 0x02 } else { 0 }, 0x11, id << 1];
    if !is_key {
        // One reference, to the picture before.
        payload.push(0x02);
    }
    if has_structure {
        payload.push(0x40);
    }
    payload.extend([0; 20]);
    payload
}

#[test]
fn the_last_packet_of_the_highest_layer_that_goes_ends_the_picture() {
    for target in 0..3 {
        let mut stage = Stage::of(&[Codec::Vp9], &[], Layer { encoding: target, temporal: 2 });
        for is_key in [true, false, false] {
            stage.next_picture();
            let mut markers = Vec::new();
            for id in 0..3 {
                for part in [(true, false), (false, true)] {
                    let marker = id == 2 && part.1;
                    let went = stage.arrive(Codec::Vp9, (&vp9(is_key, id, part), marker), None);
                    markers.extend(went.map(|departure| departure.marker));
                }
            }
            let layers = if is_key { usize::from(target) + 1 } else { 1 };
            let mut expected = vec![false; 2 * layers];
            expected[2 * layers - 1] = true;
            assert_eq!(markers, expected, "{target} {is_key}");
        }
    }
}

#[test]
fn the_marker_goes_along_when_the_subscriber_changes_its_layer() {
    let mut stage = Stage::of(&[Codec::Vp9], &[], Layer { encoding: 2, temporal: 2 });
    let shown = |stage: &mut Stage, is_key| {
        stage.next_picture();
        let went = (0..3).filter_map(|id| {
            let departure = stage.arrive(Codec::Vp9, (&vp9(is_key, id, (true, true)), id == 2), None).ok()?;
            Some((id, departure.marker))
        });
        went.collect::<Vec<_>>()
    };
    assert_eq!(shown(&mut stage, true), [(0, false), (1, false), (2, true)]);
    assert_eq!(shown(&mut stage, false), [(2, true)]);
    stage.subscription.set_target(Some(Layer { encoding: 1, temporal: 2 }), Descent::Graceful);
    assert_eq!(shown(&mut stage, false), [(2, true)], "until the next key picture");
    assert_eq!(shown(&mut stage, true), [(0, false), (1, true)]);
    assert_eq!(shown(&mut stage, false), [(1, true)]);
}

#[test]
fn what_was_not_negotiated_does_not_go_and_no_key_frame_of_it_is_asked_for() {
    let mut stage = Stage::of(&[Codec::Vp8], &["l"], TOP);
    assert_eq!(stage.subscription.awaits_key_frame(), Some(0));
    assert_eq!(stage.arrive(h264(High), (H264_KEY, true), None), Err(Withheld::Codec));
    assert_eq!(stage.subscription.awaits_key_frame(), None);
    assert!(stage.subscription.lacks_codec());
    // The publisher goes over to what it can decode.
    stage.next_picture();
    assert_eq!(stage.arrive(Codec::Vp8, (VP8_DELTA, true), None), Err(Withheld::Layer));
    assert_eq!(stage.subscription.awaits_key_frame(), Some(0));
    let departure = stage.arrive(Codec::Vp8, (VP8_KEY, true), None).expect("it can be decoded");
    assert_eq!((departure.payload_type, departure.numbers.sequence), (Pt(100), 1));
    assert!(!stage.subscription.lacks_codec());
    // And back again.
    stage.next_picture();
    assert_eq!(stage.arrive(h264(High), (H264_KEY, true), None), Err(Withheld::Codec));
    assert_eq!(stage.subscription.current(), None, "nothing flows");
}

#[test]
fn another_codec_begins_with_a_key_frame_and_goes_on_in_the_same_numbers() {
    let mut stage = Stage::of(&[h264(ConstrainedBaseline), Codec::Vp8], &["l"], TOP);
    let codec = h264(ConstrainedBaseline);
    let first = stage.arrive(codec, (H264_KEY, true), None).expect("a key frame");
    assert_eq!((first.payload_type, first.numbers.sequence), (Pt(100), 1));
    let late = stage.sequence + 1;
    stage.sequence = late;
    stage.next_picture();
    assert_eq!(stage.arrive(Codec::Vp8, (VP8_DELTA, true), None), Err(Withheld::Layer));
    let key = stage.arrive(Codec::Vp8, (VP8_KEY, true), None).expect("a key frame");
    assert_eq!((key.payload_type, key.numbers.sequence), (Pt(102), 2));
    // What was lost of the codec before and is repaired now is of no use, and does not lead back to it.
    assert_eq!(stage.deliver(codec, (H264_DELTA, true), None, late), None);
    stage.next_picture();
    let next = stage.arrive(Codec::Vp8, (VP8_DELTA, true), None).expect("it goes on");
    assert_eq!((next.payload_type, next.numbers.sequence), (Pt(102), 3));
}

#[test]
fn what_was_sent_is_repaired_as_the_codec_that_it_was_of() {
    let codec = h264(ConstrainedBaseline);
    let mut stage = Stage::of(&[codec, Codec::Vp8], &["l"], TOP);
    for (codec, payload) in [(codec, H264_KEY), (Codec::Vp8, VP8_KEY)] {
        stage.next_picture();
        let departure = stage.arrive(codec, (payload, true), None).expect("a key frame");
        let packet = stage.track.stored(0, departure.source_sequence).expect("it is kept");
        let mut out = Vec::new();
        stage.subscription.write(stage.now, departure, packet, &Repeats::default(), &mut out);
    }
    for (sequence, payload_type) in [(1, 101), (2, 103)] {
        let record = stage.subscription.sent(sequence).expect("it was sent");
        let packet = stage.track.stored(0, record.source_sequence).expect("it is kept");
        let mut out = Vec::new();
        stage.subscription.write_again(record, packet, &mut out).expect("it is agreed");
        assert_eq!(out[1] & 0x7f, payload_type);
    }
}

#[test]
fn a_stream_of_a_lower_profile_goes_as_the_higher_one() {
    let mut stage = Stage::of(&[h264(High)], &["l"], TOP);
    let departure =
        stage.arrive(h264(ConstrainedBaseline), (H264_KEY, true), None).expect("it is a part of it");
    assert_eq!(departure.payload_type, Pt(100));
    let mut stage = Stage::of(&[h264(ConstrainedBaseline)], &["l"], TOP);
    assert_eq!(stage.arrive(h264(High), (H264_KEY, true), None), Err(Withheld::Codec));
}

#[test]
fn frames_of_a_voice_share_a_packet_in_their_places() {
    let mut stage = Stage::of(&[Codec::Opus, Codec::Red], &[], TOP);
    let Subscription { line, .. } = &stage.subscription;
    let line = SubscriptionLine { kind: MediaKind::Audio, ..line.clone() };
    stage.subscription = Subscription::new(stage.now, TrackIndex(0), line, 7, 0);
    stage.track = Track::new(TrackId::from_bits(1), ParticipantIndex(0), TrackSource::Microphone, &[]);
    // The first is marked, and the third is lost on its way here.
    let mut arrivals = [1_u16, 2, 4, 5].map(|sequence| {
        let mut packet = vec![0x80, if sequence == 2 { 0x80 } else { 0 }];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 960).to_be_bytes());
        packet.extend([0, 0, 0, 9, sequence as u8, 1, 1]);
        let header = RtpHeader::parse(&packet).expect("well formed");
        let packet = IncomingPacket {
            delivery: Delivery::Original,
            sequence: SeqNo(sequence),
            timestamp: header.timestamp(),
            codec: Codec::Opus,
            header: &header,
            payload: header.payload(),
            values: &ExtensionValues::default(),
        };
        stage.track.encodings[0].handle_packet(stage.now, &packet).expect("a frame")
    });
    let mut write = |bundle: Bundle| {
        let departure = stage.subscription.offer_bundle(stage.now, &bundle).expect("it goes");
        let packet = stage.track.stored(0, departure.source_sequence).expect("it is kept");
        let own = (packet.notes.timestamp, packet.payload.len());
        let repeats = stage.subscription.repeats(&stage.track, &departure, own);
        let mut out = Vec::new();
        stage.subscription.write(stage.now, departure, packet, &repeats, &mut out);
        out
    };
    let [first, second, fourth, fifth] = arrivals.each_mut().map(|one| one.take().expect("new"));
    let alone = write(Bundle::of(first));
    let together = write(Bundle { carrier: fifth, before: [Some(second), Some(fourth)] });
    let headers = [&alone, &together].map(|packet| RtpHeader::parse(packet).expect("well formed"));
    assert_eq!(headers.each_ref().map(|one| (one.pt(), one.marker())), [(Pt(100), false), (Pt(102), true)]);
    // The one that was lost may yet come: its number is kept, and those of the others are not needed.
    assert_eq!(headers.each_ref().map(|one| one.sequence().0), [8, 10]);
    assert_eq!(headers[1].timestamp().wrapping_sub(headers[0].timestamp()), 4 * 960);
    let payload = RedundantPayload::parse(headers[1].payload()).expect("well formed");
    let told: Vec<_> = payload.earlier().map(|block| (block.offset, block.payload[0])).collect();
    assert_eq!((told, payload.primary().payload[0]), (vec![(3 * 960, 2), (960, 4)], 5));
}
