//! One synthetic participant: joins through the signaling, sends, receives everything, and keeps a record of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use protocol::client_message::ClientMessage;
use protocol::id::TrackId;
use protocol::media_message::{Offer, PublishedMid, SubscribedMid, SubscriptionWish};
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use protocol::quality::{PairQuality, UplinkPlan};
use protocol::server_message::{Event, Response};
use protocol::track::{MediaKind, Track, TrackSource};
use protocol::units::DataSize;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp::codec::vp8::Vp8Packet;
use rtc::rtp::packetizer::Depacketizer;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::RTCPeerConnectionState;
use webrtc::rtp_transceiver::RtpTransceiver;

use super::clip::Clip;
use super::meter::{Arrival, Figures, TrackMeter};
use super::peer::{Peer, Sending};
use super::publisher::{self, ENCODINGS, Encoding, SentCounter};
use super::record::{Received, Record, Sample, Sent};
use super::signaling::{self, Session};

/// The most tracks that one participant receives.
const MAX_TRACKS: usize = 64;

/// Lines of the tile in which a synthetic participant "shows" each camera.
const TILE_LINES: u16 = 720;

/// A connection that takes longer has failed.
const CONNECT_WAIT: Duration = Duration::from_secs(15);

/// Between two requests for a key frame: one that was lost is repeated, one on its way is not.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// How a participant behaves.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The WebSocket.
    pub(crate) url: String,
    /// The proof of the invitation.
    pub(crate) token: String,
    /// The name that others see.
    pub(crate) name: String,
    /// Whether it sends.
    pub(crate) sends: Sends,
    /// What it says of its network.
    pub(crate) class: Option<NetworkClass>,
    /// How long it stays.
    pub(crate) stay: Duration,
    /// From where it sends; found out where it is `None`.
    pub(crate) bind: Option<IpAddr>,
}

/// What a participant sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sends {
    /// Voice and camera.
    Both,
    /// Voice only.
    Audio,
    /// Nothing.
    Nothing,
}

type SharedMeter = Arc<Mutex<TrackMeter>>;

/// A track that is being received.
struct Subscription {
    track: Track,
    transceiver: Arc<dyn RtpTransceiver>,
    meter: SharedMeter,
    last: Figures,
    quality: Option<PairQuality>,
}

struct Participant {
    plan: Plan,
    session: Session,
    peer: Peer,
    audio: Option<Sending>,
    video: Option<Sending>,
    sent_audio: Option<Arc<SentCounter>>,
    encodings: Vec<Encoding>,
    uplink_plan: Option<UplinkPlan>,
    clips: Arc<Vec<Clip>>,
    subscriptions: BTreeMap<TrackId, Subscription>,
    wanted: Vec<Track>,
    record: Record,
    began_at: Instant,
}

/// Takes part in a consult as the plan says, and reports what was experienced.
pub(crate) async fn take_part(plan: Plan, clips: Arc<Vec<Clip>>) -> anyhow::Result<Record> {
    let began_at = Instant::now();
    let (session, events, welcome) = signaling::connect(&plan.url, &plan.token).await?;
    let Response::Joined(room) = session.request(ClientMessage::Join { name: plan.name.clone() }).await?
    else {
        bail!("join was not answered by joined");
    };
    let local = match plan.bind {
        Some(local) => local,
        None => local_address(&plan.url).await?,
    };
    let peer = Peer::new(local).await?;
    let audio = if plan.sends == Sends::Nothing { None } else { Some(peer.send_audio().await?) };
    let rids = ENCODINGS.map(|encoding| encoding.0);
    let video = if plan.sends == Sends::Both { Some(peer.send_video(&rids).await?) } else { None };
    let record = Record::new(&plan.name, welcome.participant, welcome.role);
    let mut participant = Participant {
        plan,
        session,
        peer,
        audio,
        video,
        sent_audio: None,
        encodings: Vec::new(),
        uplink_plan: None,
        clips,
        subscriptions: BTreeMap::new(),
        wanted: room.tracks,
        record,
        began_at,
    };
    let outcome = participant.run(events).await;
    participant.peer.close().await;
    if let Err(error) = outcome {
        participant.record.failure = Some(format!("{error:#}"));
    }
    Ok(participant.finish())
}

/// The address from which packets to the host of a URL leave.
async fn local_address(url: &str) -> anyhow::Result<IpAddr> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let default_port = if url.starts_with("wss") { ":443" } else { ":80" };
    let has_port =
        authority.parse::<SocketAddr>().is_ok() || authority.rsplit(':').next().is_some_and(is_number);
    let host = if has_port { authority.to_owned() } else { format!("{authority}{default_port}") };
    let remote =
        tokio::net::lookup_host(&host).await?.next().with_context(|| format!("no address of {host}"))?;
    let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = tokio::net::UdpSocket::bind(any).await?;
    socket.connect(remote).await?;
    Ok(socket.local_addr()?.ip())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Participant {
    async fn run(&mut self, mut events: mpsc::Receiver<Event>) -> anyhow::Result<()> {
        self.report_network().await?;
        self.negotiate().await?;
        let end = self.began_at + self.plan.stay;
        let mut seconds = interval(Duration::from_secs(1));
        let mut state = self.peer.state.clone();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => break,
                event = events.recv() => match event {
                    Some(Event::Ended { reason }) => bail!("ended: {reason:?}"),
                    Some(event) => self.handle_event(event).await?,
                    None => bail!("the session closed"),
                },
                Some(track) = self.peer.tracks.recv() => self.meter(track).await,
                changed = state.changed() => {
                    changed.context("the connection is gone")?;
                    let now = *state.borrow_and_update();
                    self.handle_state(now).await?;
                }
                _ = seconds.tick() => self.sample(),
            }
            if self.record.connected_ms.is_none() && self.began_at.elapsed() > CONNECT_WAIT {
                bail!("not connected after {CONNECT_WAIT:?}");
            }
            if !self.wanted.is_empty() {
                // What was published meanwhile goes into the same offer.
                while let Ok(event) = events.try_recv() {
                    self.handle_event(event).await?;
                }
                self.negotiate().await?;
            }
        }
        self.session.request(ClientMessage::Leave).await.map(drop)
    }

    async fn report_network(&self) -> anyhow::Result<()> {
        let Some(class) = self.plan.class else { return Ok(()) };
        let report = NetworkReport::plain(ReportSource::Shell, class, 1);
        self.session.request(ClientMessage::NetworkReport(report)).await.map(drop)
    }

    /// Offers what is sent and what is wanted, and applies the answer.
    async fn negotiate(&mut self) -> anyhow::Result<()> {
        for track in std::mem::take(&mut self.wanted) {
            if self.subscriptions.contains_key(&track.id) || self.subscriptions.len() >= MAX_TRACKS {
                continue;
            }
            let kind = match track.source.kind() {
                MediaKind::Audio => RtpCodecKind::Audio,
                MediaKind::Video => RtpCodecKind::Video,
            };
            let transceiver = self.peer.receive(kind).await?;
            let meter = TrackMeter::new(std::time::Instant::now(), track.source.kind());
            let meter = Arc::new(Mutex::new(meter));
            let subscription =
                Subscription { track, transceiver, meter, last: Figures::default(), quality: None };
            self.subscriptions.insert(track.id, subscription);
        }
        let sdp = self.peer.offer().await?;
        let mut offer = Offer { sdp, tracks: Vec::new(), subscriptions: Vec::new() };
        let sources = [(&self.audio, TrackSource::Microphone), (&self.video, TrackSource::Camera)];
        for (sending, source) in sources {
            if let Some(sending) = sending {
                let mid = sending.transceiver.mid().await?.context("an offered track has no mid")?;
                offer.tracks.push(PublishedMid { mid, source });
            }
        }
        for subscription in self.subscriptions.values() {
            let mid = subscription.transceiver.mid().await?.context("an offered subscription has no mid")?;
            offer.subscriptions.push(SubscribedMid { mid, track: subscription.track.id });
        }
        let Response::Answer(answer) = self.session.request(ClientMessage::Offer(offer)).await? else {
            bail!("offer was not answered by answer");
        };
        self.record.negotiations += 1;
        self.peer.accept(answer.sdp).await?;
        for track in self.subscriptions.values().map(|subscription| subscription.track) {
            if track.source.kind() == MediaKind::Video {
                let wish = SubscriptionWish { track: track.id, max_lines: TILE_LINES };
                self.session.request(ClientMessage::Subscribe(wish)).await?;
            }
        }
        Ok(())
    }

    async fn start_sending(&mut self) -> anyhow::Result<()> {
        if let Some(audio) = &self.audio {
            self.sent_audio = Some(publisher::start_audio(audio).await?);
        }
        if let Some(video) = &self.video {
            self.encodings = publisher::start_video(video, &self.clips).await?;
            if let Some(plan) = &self.uplink_plan {
                self.encodings.iter().for_each(|encoding| encoding.apply(plan));
            }
        }
        Ok(())
    }

    async fn handle_event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::TrackPublished(track) => self.wanted.push(track),
            Event::TrackUnpublished { track } => {
                // Its place in the session stays, as a recvonly description without a track.
                if let Some(gone) = self.subscriptions.remove(&track) {
                    gone.transceiver.stop().await?;
                    self.record.received.push(received(&gone));
                }
            }
            Event::UplinkPlan(plan) => {
                self.record.uplink_plans += 1;
                self.encodings.iter().for_each(|encoding| encoding.apply(&plan));
                // Sending starts with the connection; a plan may come before it.
                self.uplink_plan = Some(plan);
            }
            Event::Quality { pairs } => {
                for pair in pairs {
                    if let Some(subscription) = self.subscriptions.get_mut(&pair.track) {
                        subscription.quality = Some(pair);
                    }
                }
            }
            Event::MediaFailed => bail!("the gateway reports that the media transport failed"),
            Event::NetworkClass { class } => self.record.network_class = Some(class),
            Event::VoicePlan(_)
            | Event::CodecPlan(_)
            | Event::Decisions(_)
            | Event::ParticipantJoined(_)
            | Event::ParticipantChanged(_)
            | Event::ParticipantLeft { .. }
            | Event::Viewers { .. }
            | Event::TrackMuted(_)
            | Event::ActiveSpeaker { .. }
            | Event::Ended { .. } => {}
        }
        Ok(())
    }

    async fn handle_state(&mut self, state: RTCPeerConnectionState) -> anyhow::Result<()> {
        match state {
            RTCPeerConnectionState::Connected if self.record.connected_ms.is_none() => {
                self.record.connected_ms = u64::try_from(self.began_at.elapsed().as_millis()).ok();
                self.start_sending().await
            }
            RTCPeerConnectionState::Failed => bail!("the peer connection failed"),
            _ => Ok(()),
        }
    }

    /// Measures a track from its first packet on.
    async fn meter(&self, remote: Arc<dyn TrackRemote>) {
        let Some(TrackRemoteEvent::OnOpen(opened)) = remote.poll().await else { return };
        let Some(mid) = self.peer.mid_of_receiver(opened.receiver_id).await else { return };
        for subscription in self.subscriptions.values() {
            if subscription.transceiver.mid().await.ok().flatten().as_ref() == Some(&mid) {
                let (meter, kind) = (Arc::clone(&subscription.meter), subscription.track.source.kind());
                tokio::spawn(measure(remote, meter, kind));
                return;
            }
        }
        tracing::warn!(mid, "a track that nobody asked for");
    }

    /// Takes down what the last second was like.
    fn sample(&mut self) {
        let second = self.began_at.elapsed().as_secs();
        for (id, subscription) in &mut self.subscriptions {
            let figures = lock(&subscription.meter).figures(std::time::Instant::now());
            let interval = Duration::from_secs(1);
            self.record.samples.push(Sample {
                second,
                participant: self.record.name.clone(),
                track: *id,
                source: subscription.track.source,
                kbps: figures.rate_since(&subscription.last, interval).as_bps() as f64 / 1e3,
                fps: figures.frame_rate_since(&subscription.last, interval),
                lost: figures.lost.saturating_sub(subscription.last.lost),
                gap_ms: figures.gap_ms.saturating_sub(subscription.last.gap_ms),
                rung: subscription.quality.map(|quality| quality.rung),
            });
            subscription.last = figures;
        }
    }

    fn finish(mut self) -> Record {
        self.record.stayed_ms = u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record.received.extend(self.subscriptions.values().map(received));
        let audio = self.sent_audio.iter().map(|sent| ("audio".to_owned(), sent.figures()));
        let video = self
            .encodings
            .iter()
            .map(|encoding| (format!("video {}", encoding.rid), encoding.sent.figures()));
        self.record.sent = audio.chain(video).map(|(encoding, figures)| Sent { encoding, figures }).collect();
        self.record
    }
}

fn received(subscription: &Subscription) -> Received {
    Received {
        track: subscription.track.id,
        publisher: subscription.track.publisher,
        source: subscription.track.source,
        figures: lock(&subscription.meter).figures(std::time::Instant::now()),
        quality: subscription.quality,
    }
}

/// Reads a track until it ends. Asks for a key frame where the picture stands still, as a browser would.
async fn measure(remote: Arc<dyn TrackRemote>, meter: SharedMeter, kind: MediaKind) {
    let mut asked_at = None;
    while let Some(event) = remote.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let now = std::time::Instant::now();
        let awaits_key_frame = {
            let mut meter = lock(&meter);
            meter.handle_arrival(arrival(now, &packet, kind));
            meter.awaits_key_frame(now)
        };
        if awaits_key_frame && asked_at.is_none_or(|asked| now - asked > REQUEST_INTERVAL) {
            asked_at = Some(now);
            let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: packet.header.ssrc };
            let _ = remote.write_rtcp(vec![Box::new(request)]).await;
        }
    }
}

fn arrival(at: std::time::Instant, packet: &rtp::Packet, kind: MediaKind) -> Arrival {
    let begins_key_frame = kind == MediaKind::Video && {
        let mut vp8 = Vp8Packet::default();
        let frame = vp8.depacketize(&packet.payload);
        // RFC 6386 §9.1: the lowest bit of a frame's first byte is zero in a key frame.
        frame.is_ok_and(|frame| vp8.s == 1 && vp8.pid == 0 && frame.first().is_some_and(|byte| byte & 1 == 0))
    };
    Arrival {
        at,
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        marker: packet.header.marker,
        size: DataSize::bytes(packet.payload.len() as u64),
        begins_key_frame,
    }
}

fn lock(meter: &SharedMeter) -> std::sync::MutexGuard<'_, TrackMeter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}
