//! Watches: counts by headers alone, opens one packet in so many to read its mark, and reports back as a browser does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::srtp::context::Context;

use super::answer::Answer;
use super::clock::Moment;
use super::handshake::Seals;
use super::histogram::Histogram;
use super::latency_marker::latency_us;
use super::rtcp::{ReportBlock, hear, picture_loss, receiver_report};
use super::rtp_header::{RtpHeader, extension};
use super::sequence_count::SequenceCount;
use super::twcc_feedback::TwccRecorder;

/// Time between two receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two feedbacks about transport-wide numbers.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// Streams of one viewer: a voice, a picture, its repair, and as many again where a server changes their SSRCs.
const MAX_STREAMS: usize = 8;

/// One SSRC that comes.
struct Stream {
    ssrc: u32,
    is_video: bool,
    count: SequenceCount,
    /// Middle of the NTP time of its last report, and when that came.
    last_report: Option<(u32, Instant)>,
}

/// What a viewer counted since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Packets of voice and picture that were sent to it, by their numbers.
    pub(crate) expected: u64,
    /// Those that came.
    pub(crate) received: u64,
    /// Those that came and are of the picture.
    pub(crate) pictures: u64,
    /// Bytes of all datagrams with RTP.
    pub(crate) bytes: u64,
    /// Repairs, probes, and streams beyond the bound.
    pub(crate) others: u64,
}

/// A sink of media.
pub(crate) struct Viewer {
    ssrc: u32,
    video_type: u8,
    audio_type: Option<u8>,
    transport_cc: Option<u8>,
    streams: Vec<Stream>,
    twcc: TwccRecorder,
    open_every: u32,
    since_opened: u32,
    next_report: Instant,
    next_feedback: Instant,
    bytes: u64,
    others: u64,
    /// When the first packet came.
    pub(crate) first_packet: Option<Instant>,
}

impl Viewer {
    /// Waits for media; `open_every` says which share of packets is opened.
    pub(crate) fn new(ssrc: u32, answer: &Answer, open_every: u32, now: Instant) -> Self {
        Self {
            ssrc,
            video_type: answer.video.payload_type,
            audio_type: answer.audio.map(|audio| audio.payload_type),
            transport_cc: answer.video.transport_cc,
            streams: Vec::new(),
            twcc: TwccRecorder::new(now),
            open_every: open_every.max(1),
            // Not all viewers open the same packets.
            since_opened: ssrc % open_every.max(1),
            next_report: now + REPORT_INTERVAL,
            next_feedback: now + FEEDBACK_INTERVAL,
            bytes: 0,
            others: 0,
            first_packet: None,
        }
    }

    /// A sealed RTP packet came.
    pub(crate) fn handle_rtp(
        &mut self,
        now: Moment,
        datagram: &[u8],
        seals: &mut Seals,
        (latency, out): (&mut Histogram, &mut Vec<Bytes>),
    ) {
        let Some(header) = RtpHeader::parse(datagram) else { return };
        self.first_packet.get_or_insert(now.instant);
        self.bytes += datagram.len() as u64;
        if let Some(number) =
            self.transport_cc.and_then(|id| extension(datagram, id)).and_then(<[u8]>::first_chunk)
        {
            self.twcc.handle_packet(now.instant, u16::from_be_bytes(*number));
        }
        let is_video = header.payload_type == self.video_type;
        if !is_video && Some(header.payload_type) != self.audio_type {
            self.others += 1;
            return;
        }
        if self.count(header, is_video) && is_video {
            send(&picture_loss(self.ssrc, header.ssrc), &mut seals.sealer, out);
        }
        if !is_video {
            return;
        }
        self.since_opened += 1;
        if self.since_opened >= self.open_every {
            self.since_opened = 0;
            let opened = seals.opener.decrypt_rtp(datagram).ok();
            opened.and_then(|packet| latency_us(&packet, now)).into_iter().for_each(|us| latency.record(us));
        }
    }

    /// RTCP came, in the clear.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        let Some((ssrc, middle)) = hear(compound).sender_report else { return };
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
            stream.last_report = Some((middle, now));
        }
    }

    /// Sends the reports that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, sealer: &mut Context, out: &mut Vec<Bytes>) {
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            let blocks: Vec<_> = self.streams.iter_mut().map(|stream| stream.report(now)).collect();
            send(&receiver_report(self.ssrc, &blocks), sealer, out);
        }
        if self.transport_cc.is_some() && now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK_INTERVAL;
            let media = self.streams.iter().find(|stream| stream.is_video).map_or(0, |stream| stream.ssrc);
            if let Some(feedback) = self.twcc.feedback(self.ssrc, media) {
                send(&feedback, sealer, out);
            }
        }
    }

    /// When to come back.
    pub(crate) fn poll_timeout(&self) -> Instant {
        match self.transport_cc {
            Some(_) => self.next_report.min(self.next_feedback),
            None => self.next_report,
        }
    }

    /// What it counted.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { bytes: self.bytes, others: self.others, ..Counts::default() };
        for stream in &self.streams {
            counts.expected += stream.count.expected();
            counts.received += stream.count.received();
            counts.pictures += if stream.is_video { stream.count.received() } else { 0 };
        }
        counts
    }

    /// Counts a packet, and says whether its stream is new.
    fn count(&mut self, header: RtpHeader, is_video: bool) -> bool {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == header.ssrc) {
            stream.count.handle_packet(header.sequence);
            return false;
        }
        if self.streams.len() == MAX_STREAMS {
            self.others += 1;
            return false;
        }
        let count = SequenceCount::new(header.sequence);
        self.streams.push(Stream { ssrc: header.ssrc, is_video, count, last_report: None });
        true
    }
}

impl Stream {
    fn report(&mut self, now: Instant) -> ReportBlock {
        let (fraction_lost, lost, highest) = self.count.report();
        let (last_report, since_last_report) = self.last_report.map_or((0, 0), |(middle, came)| {
            let since = now.saturating_duration_since(came);
            (middle, (since.as_secs_f64() * 65_536.0) as u32)
        });
        ReportBlock { ssrc: self.ssrc, fraction_lost, lost, highest, last_report, since_last_report }
    }
}

fn send(compound: &[u8], sealer: &mut Context, out: &mut Vec<Bytes>) {
    out.extend(sealer.encrypt_rtcp(compound).ok().map(|sealed| sealed.freeze()));
}

#[cfg(test)]
mod tests {
    use super::super::answer::Media;
    use super::super::clock::fake::Clock;
    use super::super::latency_marker::mark;
    use super::super::testing::{answer, seal};
    use super::*;

    struct Rig {
        viewer: Viewer,
        seals: Seals,
        server: Seals,
        clock: Clock,
        latency: Histogram,
    }

    impl Rig {
        fn new(open_every: u32) -> Self {
            let answer = answer(Media { payload_type: 96, mid_extension: None, transport_cc: Some(3) });
            let clock = Clock::new();
            Self {
                viewer: Viewer::new(open_every, &answer, open_every, clock.after(0).instant),
                seals: Seals { sealer: seal(), opener: seal() },
                server: Seals { sealer: seal(), opener: seal() },
                clock,
                latency: Histogram::default(),
            }
        }

        /// A packet that left 3 ms ago comes; gives what is said in return, in the clear.
        fn packet(&mut self, millis: u64, payload_type: u8, sequence: u16) -> Vec<Vec<u8>> {
            let ssrc = u32::from(payload_type);
            let header = RtpHeader { payload_type, marker: false, sequence, timestamp: 0, ssrc };
            let mut packet = Vec::new();
            header.write(&[(3, &sequence.to_be_bytes())], &mut packet);
            packet.extend(mark(self.clock.after(millis)));
            let sealed = self.server.sealer.encrypt_rtp(&packet).expect("a seal");
            let (now, mut out) = (self.clock.after(millis + 3), Vec::new());
            self.viewer.handle_rtp(now, &sealed, &mut self.seals, (&mut self.latency, &mut out));
            self.opened(&out)
        }

        fn at(&mut self, millis: u64) -> Vec<Vec<u8>> {
            let (now, mut out) = (self.clock.after(millis).instant, Vec::new());
            self.viewer.handle_timeout(now, &mut self.seals.sealer, &mut out);
            self.opened(&out)
        }

        fn opened(&mut self, out: &[Bytes]) -> Vec<Vec<u8>> {
            out.iter().map(|each| self.server.opener.decrypt_rtcp(each).expect("its seal").to_vec()).collect()
        }
    }

    #[test]
    fn one_packet_in_so_many_is_opened_and_all_are_counted() {
        let mut rig = Rig::new(10);
        (0..100).filter(|sequence| *sequence != 50).for_each(|sequence| drop(rig.packet(1, 96, sequence)));
        rig.packet(1, 111, 0);
        rig.packet(1, 97, 0);
        let counts = rig.viewer.counts();
        assert_eq!((counts.expected, counts.received, counts.pictures, counts.others), (101, 100, 99, 1));
        assert_eq!(rig.latency.total(), 9);
        assert!(rig.latency.quantile(0.5).is_some_and(|us| (2_900..=3_100).contains(&us)));
    }

    #[test]
    fn the_first_packet_of_a_picture_asks_for_a_key_frame() {
        let mut rig = Rig::new(50);
        assert_eq!(rig.packet(1, 111, 0).len(), 0);
        let said = rig.packet(1, 96, 0);
        assert_eq!(said.len(), 1);
        assert!(hear(&said[0]).key_frame);
        assert_eq!(rig.packet(1, 96, 1).len(), 0);
    }

    #[test]
    fn reports_and_feedback_come_in_time() {
        let mut rig = Rig::new(50);
        rig.packet(1, 96, 0);
        assert_eq!(rig.at(99).len(), 0);
        let said = rig.at(100);
        assert_eq!(said.iter().map(|each| (each[0] & 0x1F, each[1])).collect::<Vec<_>>(), [(15, 205)]);
        assert_eq!(rig.at(200).len(), 0, "nothing came since");
        let said = rig.at(1_000);
        assert_eq!(said.iter().map(|each| (each[0] & 0x1F, each[1])).collect::<Vec<_>>(), [(1, 201)]);
    }

    #[test]
    fn a_flood_of_streams_is_bounded() {
        let mut rig = Rig::new(50);
        let header = RtpHeader { payload_type: 96, marker: false, sequence: 1, timestamp: 0, ssrc: 0 };
        for ssrc in 0..100 {
            rig.viewer.count(RtpHeader { ssrc, ..header }, true);
        }
        assert_eq!((rig.viewer.counts().received, rig.viewer.counts().others), (8, 92));
    }
}
