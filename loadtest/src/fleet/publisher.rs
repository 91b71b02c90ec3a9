//! Sends pictures at a bitrate, in bursts of a frame, each packet with the time at which it left; a key frame where one
//! is asked for, and packets again that somebody misses.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::srtp::context::Context;

use super::answer::{Answer, Media};
use super::clock::Moment;
use super::latency_marker::{LENGTH, mark};
use super::offer::{AUDIO_MID, VIDEO_MID};
use super::resend_ring::ResendRing;
use super::rtcp::{Sent, hear, sender_report};
use super::rtp_header::RtpHeader;
use super::vp8::{FRAME_INTERVAL, FRAME_TICKS, FrameBudget, PictureSize, Place, write_headers};

/// Time between two sender reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two packets of the voice, and its ticks.
const VOICE_INTERVAL: Duration = Duration::from_millis(20);
const VOICE_TICKS: u32 = 960;

/// A packet of the voice at 32 kbit/s, header excluded: the first byte says 20 ms of CELT at full band.
const VOICE_PAYLOAD: usize = 80;
const VOICE_FIRST_BYTE: u8 = 0xF8;

/// After a stall as long as this, what was missed is left out.
const LONGEST_BURST: Duration = Duration::from_millis(500);

/// What is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) bitrate: u64,
    pub(crate) picture: PictureSize,
    /// Whether there is a voice as well.
    pub(crate) voice: bool,
    /// Whether the packets of a picture leave one by one over its time.
    pub(crate) spread: bool,
    /// After so many pictures all is silent; `None` goes on for ever.
    pub(crate) pictures: Option<u64>,
    pub(crate) audio_ssrc: u32,
    pub(crate) video_ssrc: u32,
}

/// The numbers of one RTP stream.
struct Stream {
    media: Media,
    mid: &'static str,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    sent: Sent,
    due: Instant,
}

/// The rest of a picture whose packets are leaving.
struct Picture {
    id: u16,
    is_key: bool,
    packets: usize,
    length: usize,
    next: usize,
    began: Instant,
}

/// A source of media.
pub(crate) struct Publisher {
    plan: Plan,
    budget: FrameBudget,
    video: Stream,
    voice: Option<Stream>,
    picture: Picture,
    /// Pictures that have begun.
    begun: u64,
    key_frame_wanted: bool,
    transport_number: u16,
    next_report: Instant,
    ring: ResendRing,
    /// Packets of the picture that left; what viewers could see.
    pub(crate) published: u64,
    /// Packets that left again.
    pub(crate) resent: u64,
}

impl Publisher {
    /// Begins with a key frame at once.
    pub(crate) fn new(plan: Plan, answer: &Answer, now: Instant) -> Self {
        let stream = |media, mid, ssrc| {
            let sent = Sent::default();
            Stream { media, mid, ssrc, sequence: ssrc as u16 >> 1, timestamp: ssrc, sent, due: now }
        };
        let voice = answer.audio.filter(|_| plan.voice);
        Self {
            plan,
            budget: FrameBudget::new(plan.bitrate),
            video: stream(answer.video, VIDEO_MID, plan.video_ssrc),
            voice: voice.map(|media| stream(media, AUDIO_MID, plan.audio_ssrc)),
            picture: Picture { id: 0, is_key: false, packets: 0, length: 0, next: 0, began: now },
            begun: 0,
            key_frame_wanted: true,
            transport_number: 0,
            next_report: now + REPORT_INTERVAL,
            ring: ResendRing::default(),
            published: 0,
            resent: 0,
        }
    }

    /// RTCP came, in the clear.
    pub(crate) fn handle_rtcp(&mut self, compound: &[u8], out: &mut Vec<Bytes>) {
        let heard = hear(compound);
        self.key_frame_wanted |= heard.key_frame;
        let before = out.len();
        out.extend(heard.nacked.into_iter().filter_map(|sequence| self.ring.find(sequence)));
        self.resent += (out.len() - before) as u64;
    }

    /// Begins the picture that is due, and reports.
    pub(crate) fn handle_timeout(&mut self, now: Moment, sealer: &mut Context, out: &mut Vec<Bytes>) {
        let is_silent = self.plan.pictures.is_some_and(|most| self.begun >= most);
        if now.instant >= self.video.due && self.picture.next == self.picture.packets {
            if !is_silent {
                self.begin_picture(now.instant);
            }
            self.video.due = next_due(self.video.due, FRAME_INTERVAL, now.instant);
        }
        if let Some(voice) = &mut self.voice
            && now.instant >= voice.due
        {
            voice.timestamp = voice.timestamp.wrapping_add(VOICE_TICKS);
            voice.due = next_due(voice.due, VOICE_INTERVAL, now.instant);
            if !is_silent {
                out.extend(voice_packet(voice, &mut self.transport_number, sealer));
            }
        }
        if now.instant >= self.next_report {
            self.next_report = now.instant + REPORT_INTERVAL;
            for stream in [Some(&self.video), self.voice.as_ref()].into_iter().flatten() {
                let report = sender_report(stream.ssrc, now, stream.timestamp, stream.sent);
                out.extend(sealer.encrypt_rtcp(&report).ok().map(|sealed| sealed.freeze()));
            }
        }
    }

    /// When to come back.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let voice = self.voice.as_ref().map_or(self.next_report, |voice| voice.due);
        let rest = self.rest_due().unwrap_or(self.video.due);
        self.video.due.min(rest).min(self.next_report).min(voice)
    }

    /// When the next packet of the picture may leave, where they leave one by one.
    fn rest_due(&self) -> Option<Instant> {
        let Picture { packets, next, began, .. } = self.picture;
        let share = FRAME_INTERVAL * u32::try_from(next).ok()? / u32::try_from(packets).ok()?.max(1);
        (self.plan.spread && next < packets).then(|| began + share)
    }

    /// The next packet of the picture, one at a time so that each bears the time of its own.
    pub(crate) fn next_packet(&mut self, now: Moment, sealer: &mut Context) -> Option<Bytes> {
        let is_early = self.rest_due().is_some_and(|due| due > now.instant);
        let picture = &mut self.picture;
        if picture.next == picture.packets || is_early {
            return None;
        }
        let place = Place { picture: picture.id, is_key: picture.is_key, is_first: picture.next == 0 };
        picture.next += 1;
        let (length, is_last) = (picture.length, picture.next == picture.packets);
        let frame_bytes = picture.packets * picture.length;
        let mut packet = Vec::with_capacity(length + LENGTH);
        self.video.write_header(is_last, &mut self.transport_number, &mut packet);
        let header = packet.len();
        write_headers(place, self.plan.picture, frame_bytes, &mut packet);
        packet.extend(mark(now));
        packet.resize(packet.len().max(length), 0);
        self.published += 1;
        let sequence = self.video.count(packet.len() - header);
        let sealed = sealer.encrypt_rtp(&packet).ok()?.freeze();
        self.ring.keep(sequence, sealed.clone());
        Some(sealed)
    }

    fn begin_picture(&mut self, now: Instant) {
        self.begun += 1;
        let is_key = std::mem::take(&mut self.key_frame_wanted);
        let (packets, length) = self.budget.next_frame();
        let id = self.picture.id.wrapping_add(1) & 0x7FFF;
        self.picture = Picture { id, is_key, packets, length, next: 0, began: now };
        self.video.timestamp = self.video.timestamp.wrapping_add(FRAME_TICKS);
    }
}

impl Stream {
    fn write_header(&self, marker: bool, transport_number: &mut u16, out: &mut Vec<u8>) {
        let header = RtpHeader {
            payload_type: self.media.payload_type,
            marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let number = transport_number.to_be_bytes();
        let mid = self.media.mid_extension.map(|id| (id, self.mid.as_bytes()));
        let transport = self.media.transport_cc.map(|id| (id, &number[..]));
        if transport.is_some() {
            *transport_number = transport_number.wrapping_add(1);
        }
        let elements: Vec<_> = mid.into_iter().chain(transport).collect();
        header.write(&elements, out);
    }

    /// Counts a packet with so much payload, and gives its number.
    fn count(&mut self, payload: usize) -> u16 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.bytes = self.sent.bytes.wrapping_add(payload as u32);
        sequence
    }
}

fn voice_packet(voice: &mut Stream, transport_number: &mut u16, sealer: &mut Context) -> Option<Bytes> {
    let mut packet = Vec::with_capacity(128);
    voice.write_header(false, transport_number, &mut packet);
    packet.push(VOICE_FIRST_BYTE);
    packet.resize(packet.len() + VOICE_PAYLOAD - 1, 0);
    voice.count(VOICE_PAYLOAD);
    sealer.encrypt_rtp(&packet).ok().map(|sealed| sealed.freeze())
}

/// The time after one that was due; what a long stall missed is left out.
fn next_due(due: Instant, interval: Duration, now: Instant) -> Instant {
    if now > due + LONGEST_BURST { now + interval } else { due + interval }
}

#[cfg(test)]
mod tests {
    use super::super::clock::fake::Clock;
    use super::super::latency_marker::latency_us;
    use super::super::rtcp::picture_loss;
    use super::super::rtp_header::extension;
    use super::super::testing::{answer, seal};
    use super::*;

    struct Rig {
        publisher: Publisher,
        sealer: Context,
        opener: Context,
        clock: Clock,
    }

    impl Rig {
        fn new(voice: bool) -> Self {
            Self::publishing(voice, false)
        }

        fn publishing(voice: bool, spread: bool) -> Self {
            let answer = answer(Media { payload_type: 96, mid_extension: Some(4), transport_cc: Some(3) });
            let clock = Clock::new();
            let plan = Plan {
                bitrate: 1_500_000,
                picture: PictureSize { width: 640, height: 360 },
                voice,
                spread,
                pictures: None,
                audio_ssrc: 5,
                video_ssrc: 6,
            };
            Self {
                publisher: Publisher::new(plan, &answer, clock.after(0).instant),
                sealer: seal(),
                opener: seal(),
                clock,
            }
        }

        /// The packets of this moment: of the picture, and of the rest.
        fn at(&mut self, millis: u64) -> (Vec<Vec<u8>>, usize) {
            let (now, mut out) = (self.clock.after(millis), Vec::new());
            self.publisher.handle_timeout(now, &mut self.sealer, &mut out);
            let mut picture = Vec::new();
            while let Some(sealed) = self.publisher.next_packet(now, &mut self.sealer) {
                picture.push(self.opener.decrypt_rtp(&sealed).expect("its seal").to_vec());
            }
            (picture, out.len())
        }
    }

    fn starts_key_frame(packet: &[u8]) -> bool {
        let at = packet.windows(3).position(|window| window == [0x9D, 0x01, 0x2A]);
        at.is_some_and(|at| at < 40)
    }

    #[test]
    fn packets_of_a_picture_leave_at_once_or_one_by_one() {
        let counts = |spread| {
            let mut rig = Rig::publishing(false, spread);
            (0..33).map(|millis| rig.at(millis).0.len()).filter(|count| *count > 0).collect::<Vec<_>>()
        };
        let (at_once, spread) = (counts(false), counts(true));
        assert_eq!(at_once.len(), 1);
        assert!(at_once[0] >= 5);
        assert_eq!(spread, vec![1; at_once[0]]);
    }

    #[test]
    fn pictures_leave_in_full_packets_with_numbers_and_marks() {
        let mut rig = Rig::new(false);
        let (first, _) = rig.at(0);
        assert_eq!(first.len(), 5);
        assert!(first.iter().all(|packet| packet.len() == 1_200));
        assert!(starts_key_frame(&first[0]) && !first[1..].iter().any(|packet| starts_key_frame(packet)));
        let headers: Vec<_> = first.iter().filter_map(|packet| RtpHeader::parse(packet)).collect();
        assert_eq!(
            headers.iter().map(|header| header.marker).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        assert!(headers.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
        assert_eq!(extension(&first[4], 3), Some(&[0, 4][..]));
        assert_eq!(extension(&first[4], 4), Some(&b"1"[..]));
        assert_eq!(latency_us(&first[3], rig.clock.after(2)), Some(2_000));
        assert_eq!(rig.at(10).0.len(), 0, "nothing before its time");
        let (second, _) = rig.at(34);
        assert!(second.len() >= 5 && !starts_key_frame(&second[0]));
    }

    #[test]
    fn a_key_frame_comes_when_asked_for() {
        let mut rig = Rig::new(false);
        rig.at(0);
        rig.publisher.handle_rtcp(&picture_loss(1, 6), &mut Vec::new());
        assert!(starts_key_frame(&rig.at(34).0[0]));
        assert!(!starts_key_frame(&rig.at(67).0[0]));
    }

    #[test]
    fn one_that_falls_silent_still_reports() {
        let mut rig = Rig::new(true);
        rig.publisher.plan.pictures = Some(2);
        let (mut packets, mut rest) = (0, 0);
        for millis in 0..=2_000 {
            let (picture, others) = rig.at(millis);
            packets += picture.len();
            rest += others;
        }
        assert!((10..=13).contains(&packets), "two pictures: {packets}");
        assert!((4..=8).contains(&rest), "two reports of each, and a voice until then: {rest}");
    }

    #[test]
    fn a_missing_packet_leaves_again() {
        let mut rig = Rig::new(false);
        rig.at(0);
        let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 6, 0, 4, 0, 0];
        let mut out = Vec::new();
        rig.publisher.handle_rtcp(&nack, &mut out);
        assert_eq!((out.len(), rig.publisher.resent), (1, 1));
    }

    #[test]
    fn a_second_has_thirty_pictures_fifty_voices_and_a_report_of_each() {
        let mut rig = Rig::new(true);
        let (mut packets, mut rest) = (0, 0);
        for millis in 0..=1_000 {
            let (picture, others) = rig.at(millis);
            packets += picture.len();
            rest += others;
        }
        assert!((155..=163).contains(&packets), "{packets}");
        assert!((51..=54).contains(&rest), "{rest}");
    }
}
