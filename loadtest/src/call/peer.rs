//! The WebRTC side of a participant: one connection, its codecs, and the offers it makes.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::{
    Registry, configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc,
};
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionState,
    RTCSessionDescription, SettingEngineBuilder,
};
use webrtc::rtp_transceiver::RtpTransceiver;

use super::keyframe_requests::{KeyframeRequests, SLOT};

const OPUS_PT: u8 = 111;
const VP8_PT: u8 = 96;
const RTX_PT: u8 = 97;

/// RFC 8843 §15: which media description a packet belongs to.
pub(crate) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// RFC 8852: which encoding a packet belongs to.
pub(crate) const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

/// Received tracks that nobody has taken up yet; a room has no more.
const TRACK_QUEUE: usize = 256;

/// A participant's connection to the gateway.
pub(crate) struct Peer {
    connection: Arc<dyn PeerConnection>,
    /// How the transport is.
    pub(crate) state: watch::Receiver<RTCPeerConnectionState>,
    /// Tracks of which the first packet came.
    pub(crate) tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
}

/// A track that the participant sends, and what carries it.
pub(crate) struct Sending {
    pub(crate) track: Arc<TrackLocalStaticRTP>,
    pub(crate) transceiver: Arc<dyn RtpTransceiver>,
    /// RID and SSRC of every encoding; one with an empty RID for audio.
    pub(crate) encodings: Vec<(String, u32)>,
}

struct ConnectionEvents {
    state: watch::Sender<RTCPeerConnectionState>,
    tracks: mpsc::Sender<Arc<dyn TrackRemote>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for ConnectionEvents {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        if self.tracks.try_send(track).is_err() {
            tracing::warn!("more tracks than expected");
        }
    }
}

impl Peer {
    /// Makes a connection whose packets leave from this address.
    pub(crate) async fn new(local: IpAddr) -> anyhow::Result<Self> {
        let mut media = media_engine()?;
        let registry = configure_nack(Registry::new(), &mut media);
        configure_simulcast_extension_headers(&mut media)?;
        let mid = RTCRtpHeaderExtensionCapability { uri: MID_URI.to_owned() };
        media.register_header_extension(mid, RtpCodecKind::Audio, None)?;
        let registry = configure_twcc(registry, &mut media)?;
        let registry = configure_rtcp_reports(registry).with(SLOT.into(), KeyframeRequests::default());
        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let (track_sender, tracks) = mpsc::channel(TRACK_QUEUE);
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_setting_engine(SettingEngineBuilder::new().with_include_loopback_candidate(true).build())
            .with_handler(Arc::new(ConnectionEvents { state: state_sender, tracks: track_sender }))
            .with_udp_addrs(vec![(local, 0)])
            .build()
            .await
            .context("make the peer connection")?;
        Ok(Self { connection: Arc::new(connection), state, tracks })
    }

    /// Adds a voice to send.
    pub(crate) async fn send_audio(&self) -> anyhow::Result<Sending> {
        self.send("microphone", RtpCodecKind::Audio, opus(), &[""]).await
    }

    /// Adds a camera to send, in one encoding per RID.
    pub(crate) async fn send_video(&self, rids: &[&str]) -> anyhow::Result<Sending> {
        self.send("camera", RtpCodecKind::Video, vp8(), rids).await
    }

    async fn send(
        &self,
        name: &str,
        kind: RtpCodecKind,
        codec: RTCRtpCodec,
        rids: &[&str],
    ) -> anyhow::Result<Sending> {
        let encodings: Vec<_> =
            rids.iter().map(|rid| ((*rid).to_owned(), rand::random::<u32>().max(1))).collect();
        let parameters = encodings.iter().map(|(rid, ssrc)| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: rid.clone(),
                ssrc: Some(*ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: codec.clone(),
            ..RTCRtpEncodingParameters::default()
        });
        let parameters: Vec<_> = parameters.collect();
        let stream = "participant".to_owned();
        let track =
            MediaStreamTrack::new(stream.clone(), name.to_owned(), name.to_owned(), kind, parameters.clone());
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec![stream],
            send_encodings: parameters,
        };
        let local: Arc<dyn TrackLocal> = track.clone();
        let transceiver = self.connection.add_transceiver_from_track(local, Some(init)).await?;
        Ok(Sending { track, transceiver, encodings })
    }

    /// Adds a place for a track to receive.
    pub(crate) async fn receive(&self, kind: RtpCodecKind) -> anyhow::Result<Arc<dyn RtpTransceiver>> {
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Recvonly,
            streams: vec![],
            send_encodings: vec![],
        };
        Ok(self.connection.add_transceiver_from_kind(kind, Some(init)).await?)
    }

    /// Makes an offer; every transceiver has its mid afterwards. The gateway needs no candidates of ours.
    pub(crate) async fn offer(&self) -> anyhow::Result<String> {
        let offer = self.connection.create_offer(None).await.context("create an offer")?;
        self.connection.set_local_description(offer.clone()).await.context("apply the offer")?;
        Ok(offer.sdp)
    }

    /// Applies the answer to the last offer.
    pub(crate) async fn accept(&self, sdp: String) -> anyhow::Result<()> {
        let answer = RTCSessionDescription::answer(sdp).context("read the answer")?;
        self.connection.set_remote_description(answer).await.context("apply the answer")
    }

    /// The mid of the media description through which a track arrives.
    pub(crate) async fn mid_of_receiver(
        &self,
        id: webrtc::rtp_transceiver::RTCRtpReceiverId,
    ) -> Option<String> {
        for transceiver in self.connection.get_transceivers().await {
            if let Ok(Some(receiver)) = transceiver.receiver().await
                && receiver.id() == id
            {
                return transceiver.mid().await.ok().flatten();
            }
        }
        None
    }

    /// Ends the connection.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "close");
        }
    }
}

fn media_engine() -> anyhow::Result<MediaEngine> {
    let mut media = MediaEngine::default();
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={VP8_PT}"),
        rtcp_feedback: vec![],
    };
    let codecs = [
        (opus(), OPUS_PT, RtpCodecKind::Audio),
        (vp8(), VP8_PT, RtpCodecKind::Video),
        (rtx, RTX_PT, RtpCodecKind::Video),
    ];
    for (rtp_codec, payload_type, kind) in codecs {
        media.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind)?;
    }
    Ok(media)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

fn vp8() -> RTCRtpCodec {
    let feedback = [("ccm", "fir"), ("nack", ""), ("nack", "pli")];
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: feedback
            .map(|(typ, parameter)| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() })
            .to_vec(),
    }
}
