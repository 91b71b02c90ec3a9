//! A participant of a call within the process: it connects, opens every datagram with its own keys, and reports
//! what has arrived.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use protocol::id::{ParticipantId, TrackId};
use protocol::media_message::{MediaAction, NegotiationId, Offer, PublishedMid, SubscribedMid};
use protocol::track::{MediaKind, TrackSource};
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtp::Packet;

use super::arrival_log::ArrivalLog;
use super::connection::{Connection, Opened};
use super::film::CAMERA_MID;
use super::publication::MICROPHONE_MID;
use super::session_description::{Answer, Line, OfferedTransport, offer};
use super::wire::TRANSPORT_CC_ID;

/// libwebrtc's cost of a wired network.
const WIRED_COST: u16 = 0;

const PORT: u16 = 5_000;

pub(super) struct Participant {
    pub(super) id: ParticipantId,
    pub(super) address: SocketAddr,
    connection: Connection,
    arrivals: ArrivalLog,
    asked_for_key_frame: bool,
}

impl Participant {
    pub(super) fn new(number: usize, now: Instant) -> Self {
        let [.., high, low] = number.to_be_bytes();
        Self {
            id: ParticipantId::from_bits(number as u128 + 1),
            address: SocketAddr::from((Ipv4Addr::new(10, 0, high, low), PORT)),
            connection: Connection::new(number as u64, WIRED_COST),
            arrivals: ArrivalLog::new(now),
            asked_for_key_frame: false,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_ready()
    }

    /// Offers to receive these tracks, a camera's and a microphone's; where there are none, to send them.
    pub(super) fn offer(&self, tracks: &[TrackId]) -> MediaAction {
        let direction = if tracks.is_empty() { "sendonly" } else { "recvonly" };
        let line = |mid, kind| Line { mid, kind, direction, rids: &[] };
        let lines = [line(CAMERA_MID, MediaKind::Video), line(MICROPHONE_MID, MediaKind::Audio)];
        let transport = OfferedTransport {
            ufrag: self.connection.ufrag(),
            password: self.connection.password(),
            fingerprint: &self.connection.fingerprint(),
            version: 1,
            redundancy: false,
        };
        let sources = [(CAMERA_MID, TrackSource::Camera), (MICROPHONE_MID, TrackSource::Microphone)];
        let published = sources.map(|(mid, source)| PublishedMid { mid: mid.to_owned(), source });
        let mids = [CAMERA_MID, MICROPHONE_MID].map(str::to_owned);
        let subscribed =
            mids.into_iter().zip(tracks).map(|(mid, track)| SubscribedMid { mid, track: *track });
        let offer = Offer {
            sdp: offer(&transport, &lines),
            tracks: if tracks.is_empty() { published.to_vec() } else { Vec::new() },
            subscriptions: subscribed.collect(),
        };
        MediaAction::Negotiate { negotiation: NegotiationId(1), offer }
    }

    pub(super) fn handle_answer(&mut self, now: Instant, sdp: &str) {
        self.connection.set_remote(now, &Answer::read(sdp));
    }

    /// Checks, handshakes and reports, as far as they are due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        if let Some(report) = self.arrivals.poll_report(now) {
            self.connection.send_rtcp(vec![Box::new(report)]);
        }
    }

    pub(super) fn send(&mut self, packet: &Packet) {
        self.connection.send_rtp(packet);
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.connection.poll_transmit()
    }

    pub(super) fn receive(&mut self, now: Instant, datagram: &[u8]) {
        match self.connection.handle_datagram(now, datagram) {
            Opened::Rtp(packet) => {
                if let Some(number) = packet.header.get_extension(TRANSPORT_CC_ID) {
                    let number = u16::from_be_bytes([number[0], number[1]]);
                    self.arrivals.note(now, number, packet.header.ssrc);
                }
            }
            Opened::Rtcp(packets) => {
                let is_request = |packet: &dyn rtc_rtcp::Packet| {
                    packet.as_any().is::<PictureLossIndication>() || packet.as_any().is::<FullIntraRequest>()
                };
                self.asked_for_key_frame |= packets.iter().any(|packet| is_request(packet.as_ref()));
            }
            Opened::Nothing => {}
        }
    }

    /// Whether a key frame was asked for since the last call.
    pub(super) fn take_key_frame_request(&mut self) -> bool {
        std::mem::take(&mut self.asked_for_key_frame)
    }
}
