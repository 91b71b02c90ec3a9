//! What a simulated browser sends: a microphone and a simulcast camera, paced, numbered, kept for
//! retransmission, with sender reports.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use protocol::id::TrackId;
use protocol::quality::{UplinkPlan, VoicePlan};
use protocol::units::{Bitrate, DataSize};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtp::Packet;
use rtc_shared::marshal::MarshalSize;

use super::camera::{Camera, Fragment};
use super::connection::Connection;
use super::ntp::ntp_time;
use super::uplink_control::{PROBE_PACKETS, UplinkControl};
use super::wire::{
    AUDIO_CLOCK, AUDIO_LEVEL_ID, MID_ID, OPUS, RED, REPAIRED_RID_ID, RID_ID, RTX, TRANSPORT_CC_ID,
    VIDEO_CLOCK, VP8, packet, set_extension,
};

pub(super) const MICROPHONE_MID: &str = "0";
pub(super) const CAMERA_MID: &str = "1";

const PTIME: Duration = Duration::from_millis(20);
/// Frames a second of Opus.
const VOICE_FRAMES: u64 = 50;
/// What Chromium sends until it is told otherwise.
const VOICE_CEILING: Bitrate = Bitrate::kbps(32);
const VOICE_RATE: Bitrate = Bitrate::kbps(45);
/// RFC 6464: voice, at -30 dBov.
const LOUD: u8 = 0x80 | 30;

/// libwebrtc paces at 2.5 times the estimate.
const PACING_FACTOR: f64 = 2.5;
const HISTORY: usize = 1_500;
const REPAIR_WINDOW: Duration = Duration::from_millis(500);
const REPAIR_INTERVAL: Duration = Duration::from_millis(100);
const REPAIR_SHARE: f64 = 0.3;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const PADDING: u8 = 255;

struct Stream {
    rid: &'static str,
    ssrc: u32,
    rtx_ssrc: u32,
    sequence: u16,
    rtx_sequence: u16,
    /// Once the receiver has reported on a stream, libwebrtc leaves out `mid` and `rid`.
    is_known: bool,
    packets: u32,
    bytes: u32,
    last_timestamp: u32,
}

pub(super) struct Publisher {
    origin: Instant,
    camera: Camera,
    control: UplinkControl,
    voice: Stream,
    encodings: Vec<Stream>,
    next_voice: Option<Instant>,
    voice_plan: VoicePlan,
    /// The frame before, with its timestamp.
    last_frame: Option<(u32, Bytes)>,
    /// The first byte of each frame counts them, for those who listen.
    frames: u8,
    queue: VecDeque<(Packet, bool)>,
    /// When the pacer may send again.
    clear_at: Instant,
    probe_rate: Option<Bitrate>,
    history: HashMap<(u32, u16), Packet>,
    history_order: VecDeque<(u32, u16)>,
    next_report: Instant,
    /// Repairs of the last half second, with their size.
    repairs: VecDeque<(Instant, (u32, u16), usize)>,
}

impl Publisher {
    pub(super) fn new(origin: Instant, now: Instant, camera_lines: u16, rng: &mut StdRng) -> Self {
        let mut stream = |rid| Stream {
            rid,
            ssrc: rng.random(),
            rtx_ssrc: rng.random(),
            sequence: rng.random_range(0..0x7fff),
            rtx_sequence: rng.random_range(0..0x7fff),
            is_known: false,
            packets: 0,
            bytes: 0,
            last_timestamp: 0,
        };
        let voice = stream("");
        let encodings = Camera::rids().into_iter().map(&mut stream).collect();
        Self {
            origin,
            camera: Camera::new(origin, camera_lines, StdRng::seed_from_u64(rng.random())),
            control: UplinkControl::new(origin),
            voice,
            encodings,
            next_voice: None,
            voice_plan: VoicePlan {
                track: TrackId::from_bits(0),
                mid: MICROPHONE_MID.to_owned(),
                max_bitrate_bps: VOICE_CEILING,
                redundancy: false,
            },
            last_frame: None,
            frames: 0,
            queue: VecDeque::new(),
            clear_at: now,
            probe_rate: None,
            history: HashMap::new(),
            history_order: VecDeque::new(),
            next_report: now,
            repairs: VecDeque::new(),
        }
    }

    pub(super) fn apply(&mut self, plan: &UplinkPlan) {
        assert_eq!(plan.mid, CAMERA_MID, "plans are about the camera");
        self.camera.apply(&plan.encodings);
    }

    pub(super) fn apply_voice(&mut self, plan: &VoicePlan) {
        assert_eq!(plan.mid, MICROPHONE_MID, "the voice is the microphone's");
        self.voice_plan = plan.clone();
    }

    /// The rate that the uplink is believed to carry.
    pub(super) fn estimate(&self) -> Bitrate {
        self.control.estimate()
    }

    pub(super) fn mute_camera(&mut self, is_muted: bool) {
        self.camera.mute(is_muted);
    }

    pub(super) fn is_camera_muted(&self) -> bool {
        self.camera.is_muted()
    }

    /// Key frames sent so far.
    pub(super) fn key_frames(&self) -> u32 {
        self.camera.key_frames()
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.voice.ssrc
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, connection: &mut Connection) {
        if !connection.is_ready() {
            return;
        }
        self.speak(now, connection);
        self.repairs.retain(|(at, ..)| now - *at < REPAIR_WINDOW);
        self.camera.share_out(self.control.estimate() - VOICE_RATE - self.repair_rate());
        for fragment in self.camera.capture(now) {
            self.enqueue(fragment);
        }
        if let Some(rate) = self.control.poll_probe(now, self.camera.wanted() + VOICE_RATE) {
            self.enqueue_probe(rate);
        }
        self.pace(now, connection);
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.report(now, connection);
        }
    }

    fn speak(&mut self, now: Instant, connection: &mut Connection) {
        let mut due = *self.next_voice.get_or_insert(now);
        while due <= now {
            let ticks = (due - self.origin).as_micros() as u64 * AUDIO_CLOCK / 1_000_000;
            self.voice.sequence = self.voice.sequence.wrapping_add(1);
            let (payload_type, payload) = self.frame(ticks as u32);
            let mut packet =
                packet(payload_type, self.voice.ssrc, self.voice.sequence, ticks as u32, payload);
            set_extension(&mut packet, AUDIO_LEVEL_ID, vec![LOUD]);
            set_extension(&mut packet, MID_ID, MICROPHONE_MID);
            self.voice.count(&packet);
            self.send(now, packet, false, connection);
            due += PTIME;
        }
        self.next_voice = Some(due);
    }

    /// The next frame of the voice, behind the one before where that is asked for.
    fn frame(&mut self, timestamp: u32) -> (u8, Bytes) {
        self.frames = self.frames.wrapping_add(1);
        let size = self.voice_plan.max_bitrate_bps.as_bps() / 8 / VOICE_FRAMES;
        let own = Bytes::from(vec![self.frames; size as usize]);
        let before = self.last_frame.replace((timestamp, own.clone()));
        match before.filter(|_| self.voice_plan.redundancy) {
            Some((at, before)) => (RED, red_payload(timestamp - at, &before, &own)),
            None => (OPUS, own),
        }
    }

    fn enqueue(&mut self, fragment: Fragment) {
        let stream = &mut self.encodings[fragment.encoding];
        stream.sequence = stream.sequence.wrapping_add(1);
        let mut packet = packet(VP8, stream.ssrc, stream.sequence, fragment.timestamp, fragment.payload);
        packet.header.marker = fragment.is_last;
        stream.count(&packet);
        self.history.insert((stream.ssrc, stream.sequence), packet.clone());
        self.history_order.push_back((stream.ssrc, stream.sequence));
        if self.history_order.len() > HISTORY
            && let Some(oldest) = self.history_order.pop_front()
        {
            self.history.remove(&oldest);
        }
        if !stream.is_known {
            set_extension(&mut packet, MID_ID, CAMERA_MID);
            set_extension(&mut packet, RID_ID, stream.rid);
        }
        self.queue.push_back((packet, false));
    }

    /// Padding on the retransmission stream of the highest encoding, as libwebrtc probes.
    fn enqueue_probe(&mut self, rate: Bitrate) {
        let Some(stream) = self.camera.top().and_then(|top| self.encodings.get_mut(top)) else { return };
        self.probe_rate = Some(rate);
        for _ in 0..PROBE_PACKETS {
            let mut padding = vec![0; usize::from(PADDING)];
            padding[usize::from(PADDING) - 1] = PADDING;
            stream.rtx_sequence = stream.rtx_sequence.wrapping_add(1);
            let mut packet = packet(
                RTX,
                stream.rtx_ssrc,
                stream.rtx_sequence,
                stream.last_timestamp,
                Bytes::from(padding),
            );
            packet.header.padding = true;
            set_extension(&mut packet, MID_ID, CAMERA_MID);
            set_extension(&mut packet, REPAIRED_RID_ID, stream.rid);
            self.queue.push_back((packet, true));
        }
    }

    fn pace(&mut self, now: Instant, connection: &mut Connection) {
        while self.clear_at <= now
            && let Some((packet, is_probe)) = self.queue.pop_front()
        {
            let rate = match self.probe_rate {
                Some(rate) if is_probe => rate,
                _ => self.control.estimate().scaled(PACING_FACTOR),
            };
            let size = DataSize::bytes(packet.marshal_size() as u64);
            self.clear_at = self.clear_at.max(now - Duration::from_millis(5)) + size / rate;
            self.send(now, packet, is_probe, connection);
        }
    }

    fn send(&mut self, now: Instant, mut packet: Packet, is_probe: bool, connection: &mut Connection) {
        let sequence = self.control.register(now, packet.marshal_size() + 20, is_probe);
        set_extension(&mut packet, TRANSPORT_CC_ID, sequence.to_be_bytes().to_vec());
        connection.send_rtp(&packet);
    }

    fn repair_rate(&self) -> Bitrate {
        let bytes: usize = self.repairs.iter().map(|(.., size)| size).sum();
        DataSize::bytes(bytes as u64).per(REPAIR_WINDOW)
    }

    /// Repairs what a NACK of the gateway names, within the bounds that libwebrtc sets: not twice in a
    /// round trip, and no more than a share of the estimate.
    pub(super) fn retransmit(&mut self, now: Instant, ssrc: u32, sequence: u16) {
        let key = (ssrc, sequence);
        let is_on_its_way =
            self.repairs.iter().any(|(at, sent, _)| *sent == key && now - *at < REPAIR_INTERVAL);
        if is_on_its_way || self.repair_rate() >= self.control.estimate().scaled(REPAIR_SHARE) {
            return;
        }
        let Some(lost) = self.history.get(&key) else { return };
        self.repairs.push_back((now, key, lost.payload.len()));
        let Some(stream) = self.encodings.iter_mut().find(|stream| stream.ssrc == ssrc) else { return };
        stream.rtx_sequence = stream.rtx_sequence.wrapping_add(1);
        let mut payload = BytesMut::with_capacity(lost.payload.len() + 2);
        payload.put_u16(sequence);
        payload.put_slice(&lost.payload);
        let mut repair =
            packet(RTX, stream.rtx_ssrc, stream.rtx_sequence, lost.header.timestamp, payload.freeze());
        repair.header.marker = lost.header.marker;
        set_extension(&mut repair, MID_ID, CAMERA_MID);
        set_extension(&mut repair, REPAIRED_RID_ID, stream.rid);
        self.queue.push_front((repair, false));
    }

    pub(super) fn request_key_frame(&mut self, ssrc: u32) {
        let encoding = self.encodings.iter().position(|stream| stream.ssrc == ssrc);
        self.camera.request_key_frame(encoding.expect("key frames are asked of streams that exist"));
    }

    pub(super) fn handle_feedback(&mut self, now: Instant, feedback: &TransportLayerCc) {
        self.control.handle_feedback(now, feedback);
    }

    /// The gateway has reported on a stream, so it knows it.
    pub(super) fn note_report(&mut self, ssrc: u32) {
        if let Some(stream) = self.encodings.iter_mut().find(|stream| stream.ssrc == ssrc) {
            stream.is_known = true;
        }
    }

    fn report(&self, now: Instant, connection: &mut Connection) {
        let elapsed = (now - self.origin).as_micros() as u64;
        for stream in self.encodings.iter().chain([&self.voice]).filter(|stream| stream.packets > 0) {
            let clock = if stream.ssrc == self.voice.ssrc { AUDIO_CLOCK } else { VIDEO_CLOCK };
            connection.send_rtcp(vec![Box::new(SenderReport {
                ssrc: stream.ssrc,
                ntp_time: ntp_time(now - self.origin),
                rtp_time: (elapsed * clock / 1_000_000) as u32,
                packet_count: stream.packets,
                octet_count: stream.bytes,
                ..SenderReport::default()
            })]);
        }
    }
}

impl Stream {
    fn count(&mut self, packet: &Packet) {
        self.packets += 1;
        self.bytes = self.bytes.wrapping_add(packet.payload.len() as u32);
        self.last_timestamp = packet.header.timestamp;
    }
}

/// A frame behind an earlier one (RFC 2198 §3).
fn red_payload(offset: u32, before: &[u8], own: &[u8]) -> Bytes {
    let mut payload = BytesMut::new();
    payload.put_u32(1 << 31 | u32::from(OPUS) << 24 | offset << 10 | before.len() as u32);
    payload.put_u8(OPUS);
    payload.put_slice(before);
    payload.put_slice(own);
    payload.freeze()
}
