//! What a participant sends: a voice of constant rate, and a camera in several encodings that obey the
//! uplink plan and restart at a key frame when asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use protocol::ladder::Rung;
use protocol::quality::{EncodingPlan, UplinkPlan};
use protocol::units::Bitrate;
use rtc::rtp;
use rtc::rtp::codec::vp8::Vp8Payloader;
use rtc::rtp::packetizer::Payloader;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};

use super::clip::{Clip, choose};
use super::keyframe_requests::requested_ssrcs;
use super::peer::{MID_URI, RID_URI, Sending};

/// Below every path's limit, with room for headers, extensions and SRTP.
const MAX_PAYLOAD: usize = 1_100;

/// Packets of a frame that leave at once; the others are spread, as a pacer would do.
const BURST: usize = 4;

/// Shares of the time between two frames within which a frame is sent.
const PACING_SHARE: f64 = 0.4;

const AUDIO_FRAME_TIME: Duration = Duration::from_millis(20);

/// 20 ms at 48 kHz.
const AUDIO_FRAME_TICKS: u32 = 960;

/// RTP clock of video.
const VIDEO_CLOCK: f64 = 90_000.0;

/// The encodings of the camera, smallest first, and the rungs they carry until a plan says otherwise.
pub(crate) const ENCODINGS: [(&str, Rung); 3] = [("l", Rung::P180), ("m", Rung::P360), ("h", Rung::P720)];

/// Silence of 20 ms in an Opus packet of 80 bytes, 32 kbit/s: one CELT frame with padding (RFC 6716 §3.2.5).
fn opus_frame() -> Bytes {
    const PADDING: u8 = 75;
    // Configuration 31, stereo off, code 3; one frame, padded; then the frame and the padding.
    let mut packet = vec![0xfb, 0x41, PADDING, 0xff, 0xfe];
    packet.resize(packet.len() + usize::from(PADDING), 0);
    packet.into()
}

/// What was sent of one encoding.
#[derive(Debug, Default)]
pub(crate) struct SentCounter {
    packets: AtomicU64,
    bytes: AtomicU64,
    frames: AtomicU64,
    key_frames: AtomicU64,
    requests: AtomicU64,
}

/// The figures of one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SentFigures {
    /// Packets sent.
    pub packets: u64,
    /// Bytes of payload.
    pub payload_bytes: u64,
    /// Frames sent.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Key frames that were asked for.
    pub requests: u64,
}

impl SentCounter {
    pub(crate) fn figures(&self) -> SentFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SentFigures {
            packets: read(&self.packets),
            payload_bytes: read(&self.bytes),
            frames: read(&self.frames),
            key_frames: read(&self.key_frames),
            requests: read(&self.requests),
        }
    }
}

/// One encoding that is being sent.
pub(crate) struct Encoding {
    pub(crate) rid: String,
    pub(crate) sent: Arc<SentCounter>,
    plan: watch::Sender<EncodingPlan>,
}

impl Encoding {
    /// Does what the plan says of this encoding, if it says anything.
    pub(crate) fn apply(&self, plan: &UplinkPlan) {
        if let Some(plan) = plan.encodings.iter().find(|plan| plan.rid == self.rid) {
            self.plan.send_replace(plan.clone());
        }
    }
}

/// Starts to send a voice. Ends with its track.
pub(crate) async fn start_audio(sending: &Sending) -> anyhow::Result<Arc<SentCounter>> {
    let mut stream = Stream::new(sending, 0).await?;
    let sent = Arc::clone(&stream.sent);
    tokio::spawn(async move {
        let (frame, mut due, mut timestamp) = (opus_frame(), Instant::now(), 0u32);
        loop {
            stream.sent.frames.fetch_add(1, Ordering::Relaxed);
            if stream.send(frame.clone(), timestamp, false).await.is_err() {
                return;
            }
            timestamp = timestamp.wrapping_add(AUDIO_FRAME_TICKS);
            due += AUDIO_FRAME_TIME;
            sleep_until(due).await;
        }
    });
    Ok(sent)
}

/// Starts to send a camera. Ends with its track.
pub(crate) async fn start_video(sending: &Sending, clips: &Arc<Vec<Clip>>) -> anyhow::Result<Vec<Encoding>> {
    let (mut encodings, mut wanted) = (Vec::new(), Vec::new());
    for (index, (rid, ssrc)) in sending.encodings.iter().enumerate() {
        let stream = Stream::new(sending, index).await?;
        let rung =
            ENCODINGS.iter().find(|encoding| encoding.0 == rid).map_or(Rung::P180, |encoding| encoding.1);
        let (plan, received) = watch::channel(EncodingPlan {
            rid: rid.clone(),
            active: true,
            rung,
            max_bitrate_bps: Bitrate::MAX,
            max_framerate: 30,
        });
        let key_frame_wanted = Arc::new(AtomicBool::new(false));
        wanted.push((*ssrc, Arc::clone(&key_frame_wanted), Arc::clone(&stream.sent)));
        encodings.push(Encoding { rid: rid.clone(), sent: Arc::clone(&stream.sent), plan });
        tokio::spawn(send_encoding(stream, Arc::clone(clips), received, key_frame_wanted));
    }
    let track = Arc::clone(&sending.track);
    tokio::spawn(async move {
        while let Some(TrackLocalEvent::OnRtcpPacket(packets)) = track.poll().await {
            for asked in packets.iter().flat_map(|packet| requested_ssrcs(packet.as_ref())) {
                for (_, flag, sent) in wanted.iter().filter(|(ssrc, ..)| *ssrc == asked) {
                    sent.requests.fetch_add(1, Ordering::Relaxed);
                    flag.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    Ok(encodings)
}

async fn send_encoding(
    mut stream: Stream,
    clips: Arc<Vec<Clip>>,
    mut plan: watch::Receiver<EncodingPlan>,
    key_frame_wanted: Arc<AtomicBool>,
) {
    let mut payloader = Vp8Payloader::default();
    payloader.enable_picture_id = true;
    let (began_at, mut due) = (Instant::now(), Instant::now());
    let (mut position, mut showing) = (0, None);
    loop {
        let wanted = plan.borrow_and_update().clone();
        let Some(clip) = choose(&clips, &wanted) else {
            showing = None;
            if plan.changed().await.is_err() {
                return;
            }
            due = Instant::now();
            continue;
        };
        if showing.replace(clip.rung) != Some(clip.rung) || key_frame_wanted.swap(false, Ordering::Relaxed) {
            position = 0;
        }
        stream.sent.frames.fetch_add(1, Ordering::Relaxed);
        stream.sent.key_frames.fetch_add(u64::from(position == 0), Ordering::Relaxed);
        // A lower frame rate plays the clip more slowly: leaving frames out would break it.
        let frame_time = clip.frame_time.max(Duration::from_secs(1) / u32::from(wanted.max_framerate.max(1)));
        let timestamp = ((due - began_at).as_secs_f64() * VIDEO_CLOCK) as u64 as u32;
        let payloads = payloader.payload(MAX_PAYLOAD, &clip.frame(position)).unwrap_or_default();
        let step = frame_time.mul_f64(PACING_SHARE / payloads.len().max(1) as f64);
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            if index >= BURST {
                sleep_until(due + step * u32::try_from(index).unwrap_or(u32::MAX)).await;
            }
            if stream.send(payload, timestamp, index == last).await.is_err() {
                return;
            }
        }
        position += 1;
        due += frame_time;
        sleep_until(due).await;
    }
}

/// One RTP stream: numbers its packets and marks whose they are.
struct Stream {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    first_timestamp: u32,
    extensions: Vec<(u8, Bytes)>,
    sent: Arc<SentCounter>,
}

impl Stream {
    /// Takes the negotiated numbers, so the answer must have been applied.
    async fn new(sending: &Sending, index: usize) -> anyhow::Result<Self> {
        let (rid, ssrc) = sending.encodings.get(index).context("no such encoding")?.clone();
        let sender = sending.transceiver.sender().await?.context("the transceiver does not send")?;
        let parameters = sender.get_parameters().await?.rtp_parameters;
        let mid = sending.transceiver.mid().await?.context("the transceiver has no mid")?;
        let mut extensions = Vec::new();
        for (uri, value) in [(MID_URI, mid), (RID_URI, rid)] {
            let negotiated = parameters.header_extensions.iter().find(|extension| extension.uri == uri);
            if let Some(extension) = negotiated.filter(|_| !value.is_empty()) {
                extensions.push((u8::try_from(extension.id)?, Bytes::from(value)));
            }
        }
        Ok(Self {
            track: Arc::clone(&sending.track),
            ssrc,
            payload_type: parameters.codecs.first().context("the answer accepts no codec")?.payload_type,
            sequence: rand::random(),
            first_timestamp: rand::random(),
            extensions,
            sent: Arc::default(),
        })
    }

    async fn send(&mut self, payload: Bytes, timestamp: u32, marker: bool) -> anyhow::Result<()> {
        let mut header = rtp::Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: self.first_timestamp.wrapping_add(timestamp),
            ssrc: self.ssrc,
            ..rtp::Header::default()
        };
        for (id, value) in &self.extensions {
            header.set_extension(*id, value.clone())?;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.sent.packets.fetch_add(1, Ordering::Relaxed);
        self.sent.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
        Ok(self.track.write_rtp(rtp::Packet { header, payload }).await?)
    }
}
