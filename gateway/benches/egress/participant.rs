//! A participant behind a socket of its own on loopback: it connects, reports what arrives, and opens every
//! datagram with its own keys.

use std::net::SocketAddr;
use std::time::Instant;

use gateway::udp_socket::{ReceiveBatch, UdpSocket};
use nix::sys::socket::{setsockopt, sockopt};
use protocol::id::{ParticipantId, TrackId};
use protocol::media_message::{MediaAction, NegotiationId, Offer, PublishedMid, SubscribedMid};
use protocol::track::{MediaKind, TrackSource};
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtp::Packet;
use sfu::burst::Burst;

use crate::arrival_log::ArrivalLog;
use crate::connection::{Connection, Opened};
use crate::film::CAMERA_MID;
use crate::session_description::{Answer, Line, OfferedTransport, offer};
use crate::wire::{TRANSPORT_CC_ID, VP8};

/// libwebrtc's cost of a wired network.
const WIRED_COST: u16 = 0;

/// Where a burst is cut into datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segmentation {
    /// In the kernel: the receiving socket wants datagrams, and pays for cutting and queueing each.
    Software,
    /// Not on this machine: the burst passes the kernel whole, as it does where the network interface cuts it.
    Offloaded,
}

/// What a datagram brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Media,
    Else,
}

pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    socket: UdpSocket,
    gateway: SocketAddr,
    connection: Connection,
    arrivals: ArrivalLog,
    asked_for_key_frame: bool,
}

impl Participant {
    pub(crate) fn new(number: u64, now: Instant, gateway: SocketAddr) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(gateway.ip(), 0)).expect("a socket on loopback");
        Self {
            id: ParticipantId::from_bits(u128::from(number) + 1),
            socket,
            gateway,
            connection: Connection::new(number, WIRED_COST),
            arrivals: ArrivalLog::new(now),
            asked_for_key_frame: false,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_address().expect("a bound socket")
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_ready()
    }

    /// Offers to send a camera, or to receive `track`.
    pub(crate) fn offer(&self, track: Option<TrackId>) -> MediaAction {
        let direction = if track.is_some() { "recvonly" } else { "sendonly" };
        let line = Line { mid: CAMERA_MID, kind: MediaKind::Video, direction, rids: &[] };
        let transport = OfferedTransport {
            ufrag: self.connection.ufrag(),
            password: self.connection.password(),
            fingerprint: &self.connection.fingerprint(),
            version: 1,
            redundancy: false,
        };
        let mid = CAMERA_MID.to_owned();
        let published = PublishedMid { mid: mid.clone(), source: TrackSource::Camera };
        let offer = Offer {
            sdp: offer(&transport, &[line]),
            tracks: if track.is_none() { vec![published] } else { Vec::new() },
            subscriptions: track.map(|track| SubscribedMid { mid, track }).into_iter().collect(),
        };
        MediaAction::Negotiate { negotiation: NegotiationId(1), offer }
    }

    pub(crate) fn handle_answer(&mut self, now: Instant, sdp: &str) {
        self.connection.set_remote(now, &Answer::read(sdp));
    }

    /// Checks, handshakes and reports, as far as they are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        if let Some(report) = self.arrivals.poll_report(now) {
            self.connection.send_rtcp(vec![Box::new(report)]);
        }
        self.flush();
    }

    pub(crate) fn send(&mut self, packet: &Packet) {
        self.connection.send_rtp(packet);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.connection.poll_transmit() {
            let (destination, segment_size) = (self.gateway, datagram.len());
            self.socket.send(Instant::now(), Burst { destination, segment_size, contents: &datagram });
        }
    }

    /// Chooses where bursts to this participant are cut.
    pub(crate) fn set_segmentation(&self, segmentation: Segmentation) {
        let takes_bursts = segmentation == Segmentation::Offloaded;
        setsockopt(&self.socket, sockopt::UdpGroSegment, &takes_bursts).expect("the kernel knows UDP_GRO");
    }

    /// Takes all that has arrived, and gives the sizes of the datagrams with media.
    pub(crate) fn receive(&mut self, now: Instant, batch: &mut ReceiveBatch) -> Vec<usize> {
        let mut media = Vec::new();
        while self.socket.receive(batch).is_ok() {
            for (_, datagram) in batch.datagrams() {
                let opened = self.connection.handle_datagram(now, datagram);
                if self.handle(now, opened) == Carried::Media {
                    media.push(datagram.len());
                }
            }
        }
        self.flush();
        media
    }

    fn handle(&mut self, now: Instant, opened: Opened) -> Carried {
        match opened {
            Opened::Rtp(packet) => {
                if let Some(number) = packet.header.get_extension(TRANSPORT_CC_ID) {
                    let number = u16::from_be_bytes([number[0], number[1]]);
                    self.arrivals.note(now, number, packet.header.ssrc);
                }
                if packet.header.payload_type == VP8 { Carried::Media } else { Carried::Else }
            }
            Opened::Rtcp(packets) => {
                let is_request = |packet: &dyn rtc_rtcp::Packet| {
                    packet.as_any().is::<PictureLossIndication>() || packet.as_any().is::<FullIntraRequest>()
                };
                self.asked_for_key_frame |= packets.iter().any(|packet| is_request(packet.as_ref()));
                Carried::Else
            }
            Opened::Nothing => Carried::Else,
        }
    }

    /// The datagrams that have arrived, as they are.
    pub(crate) fn receive_raw(&mut self, batch: &mut ReceiveBatch) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while self.socket.receive(batch).is_ok() {
            datagrams.extend(batch.datagrams().map(|(_, datagram)| datagram.to_vec()));
        }
        datagrams
    }

    /// Whether a key frame was asked for since the last call.
    pub(crate) fn take_key_frame_request(&mut self) -> bool {
        std::mem::take(&mut self.asked_for_key_frame)
    }
}
