//! A simulated browser in a call: it offers, connects, publishes, subscribes to every track of the room,
//! and reports what arrives, as the project's web client in Chromium would.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::media_message::{
    MediaAction, MediaReport, NegotiationId, Offer, PublishedMid, SubscribedMid, SubscriptionWish,
    TransportState,
};
use protocol::network_class::NetworkClass;
use protocol::quality::PairQuality;
use protocol::track::{MediaKind, Role, Track, TrackSource};
use rand::rngs::StdRng;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc_rtp::Packet;

use super::arrival_log::ArrivalLog;
use super::camera::Camera;
use super::connection::{Connection, Opened};
use super::picture_receiver::{Complaint, PictureReceiver, Shown};
use super::publisher::{CAMERA_MID, MICROPHONE_MID, Publisher};
use super::reception::Reception;
use super::session_description::{Answer, Line, OfferedTransport, offer};
use super::voice_receiver::VoiceReceiver;
use super::wire::{AUDIO_CLOCK, OPUS, RED, TRANSPORT_CC_ID, VIDEO_CLOCK};

/// Pacing, feedback and repair are looked at this often.
const TICK: Duration = Duration::from_millis(5);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What receives a track.
pub(super) enum Receiver {
    /// Not negotiated yet.
    Pending,
    Picture(PictureReceiver),
    Voice(VoiceReceiver),
}

pub(super) struct Subscription {
    pub(super) track: Track,
    mid: String,
    is_ended: bool,
    pub(super) receiver: Receiver,
}

pub(crate) struct Browser {
    name: String,
    origin: Instant,
    role: Role,
    /// Lines of the tiles that show others.
    tile_lines: u16,
    redundancy: bool,
    connection: Connection,
    pub(super) publisher: Publisher,
    published: Vec<TrackId>,
    camera: Option<TrackId>,
    subscriptions: Vec<Subscription>,
    arrivals: ArrivalLog,
    receptions: HashMap<u32, Reception>,
    next_tick: Instant,
    next_report: Instant,
    negotiations: u64,
    is_negotiating: bool,
    is_stale: bool,
    commands: VecDeque<MediaAction>,
    destination: Option<SocketAddr>,
    /// Arrived bytes of media, with their instant.
    received: Vec<(Instant, usize)>,
    quality: Vec<PairQuality>,
    /// What was told of quality, with its instant.
    told: Vec<(Instant, PairQuality)>,
    network_class: NetworkClass,
    transport: Option<TransportState>,
}

impl Browser {
    pub(super) fn new(
        name: &str,
        tag: u64,
        origin: Instant,
        now: Instant,
        rng: &mut StdRng,
        traits: Traits,
    ) -> Self {
        Self {
            name: name.to_owned(),
            origin,
            role: traits.role,
            tile_lines: traits.tile_lines,
            redundancy: traits.redundancy,
            connection: Connection::new(tag, traits.network_cost),
            publisher: Publisher::new(origin, now, traits.camera_lines, rng),
            published: Vec::new(),
            camera: None,
            subscriptions: Vec::new(),
            arrivals: ArrivalLog::new(origin),
            receptions: HashMap::new(),
            // Browsers do not tick in step.
            next_tick: now + Duration::from_micros(tag * 371 % 5_000),
            next_report: now + Duration::from_millis(tag * 137 % 1_000),
            negotiations: 0,
            is_negotiating: false,
            is_stale: true,
            commands: VecDeque::new(),
            destination: None,
            received: Vec::new(),
            quality: Vec::new(),
            told: Vec::new(),
            network_class: NetworkClass::Unknown,
            transport: None,
        }
    }

    /// Enters the room, in which these tracks are already.
    pub(super) fn join(&mut self, tracks: &[Track]) {
        self.commands.push_back(MediaAction::Join { role: self.role, steerable: true });
        for track in tracks {
            self.subscribe(*track);
        }
        self.negotiate();
    }

    pub(super) fn command(&mut self, action: MediaAction) {
        self.commands.push_back(action);
    }

    pub(super) fn move_to_network(&mut self, now: Instant, cost: u16) {
        self.connection.move_to_network(now, cost);
    }

    pub(super) fn tell_network_cost(&mut self, cost: u16) {
        self.connection.tell_network_cost(cost);
    }

    /// Turns the camera off or on, and says so once it is published.
    pub(super) fn mute_camera(&mut self, is_muted: bool) {
        self.publisher.mute_camera(is_muted);
        if let Some(track) = self.camera {
            self.commands.push_back(MediaAction::Mute { track, muted: is_muted });
        }
    }

    pub(super) fn shows_tiles(&self) -> bool {
        self.tile_lines > 0
    }

    /// Shows all others in tiles of so many lines; none hides them.
    pub(super) fn resize_tiles(&mut self, lines: u16) {
        self.tile_lines = lines;
        for subscription in &self.subscriptions {
            if let Receiver::Picture(_) = subscription.receiver {
                let wish = SubscriptionWish { track: subscription.track.id, max_lines: lines };
                self.commands.push_back(MediaAction::Subscribe(wish));
            }
        }
    }

    fn subscribe(&mut self, track: Track) {
        let mid = (2 + self.subscriptions.len()).to_string();
        self.subscriptions.push(Subscription { track, mid, is_ended: false, receiver: Receiver::Pending });
        self.is_stale = true;
    }

    /// Offers what is wanted, unless an answer is outstanding.
    fn negotiate(&mut self) {
        if self.is_negotiating || !std::mem::take(&mut self.is_stale) {
            return;
        }
        self.is_negotiating = true;
        self.negotiations += 1;
        let rids = Camera::rids();
        let mut lines = vec![
            Line { mid: MICROPHONE_MID, kind: MediaKind::Audio, direction: "sendonly", rids: &[] },
            Line { mid: CAMERA_MID, kind: MediaKind::Video, direction: "sendonly", rids: &rids },
        ];
        lines.extend(self.subscriptions.iter().map(|subscription| Line {
            mid: &subscription.mid,
            kind: subscription.track.source.kind(),
            direction: if subscription.is_ended { "inactive" } else { "recvonly" },
            rids: &[],
        }));
        let transport = OfferedTransport {
            ufrag: self.connection.ufrag(),
            password: self.connection.password(),
            fingerprint: &self.connection.fingerprint(),
            version: self.negotiations,
            redundancy: self.redundancy,
        };
        let published = |mid: &str, source| PublishedMid { mid: mid.to_owned(), source };
        let live = self.subscriptions.iter().filter(|subscription| !subscription.is_ended);
        let offer = Offer {
            sdp: offer(&transport, &lines),
            tracks: vec![
                published(MICROPHONE_MID, TrackSource::Microphone),
                published(CAMERA_MID, TrackSource::Camera),
            ],
            subscriptions: live
                .map(|subscription| SubscribedMid {
                    mid: subscription.mid.clone(),
                    track: subscription.track.id,
                })
                .collect(),
        };
        self.commands
            .push_back(MediaAction::Negotiate { negotiation: NegotiationId(self.negotiations), offer });
    }

    /// Takes what the signaling plane would pass on.
    pub(super) fn handle_report(&mut self, now: Instant, me: ParticipantId, report: &MediaReport) {
        match report {
            MediaReport::Negotiated { participant, negotiation, outcome } if *participant == me => {
                assert_eq!(
                    negotiation.0, self.negotiations,
                    "{} gets the answer to its last offer",
                    self.name
                );
                let answer = outcome.as_ref().unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
                self.published = answer.tracks.iter().map(|answered| answered.track).collect();
                let camera = answer.tracks.iter().find(|answered| answered.mid == CAMERA_MID);
                let camera = camera.map(|answered| answered.track);
                if std::mem::replace(&mut self.camera, camera) != camera && self.publisher.is_camera_muted() {
                    self.mute_camera(true);
                }
                self.apply(now, &Answer::read(&answer.sdp));
                self.is_negotiating = false;
            }
            MediaReport::TrackPublished(track) if track.publisher != me => self.subscribe(*track),
            MediaReport::TrackUnpublished(track) if track.publisher != me => self.end(track.id),
            MediaReport::UplinkPlan { participant, plan } if *participant == me => {
                assert!(self.published.contains(&plan.track), "{} publishes what it is to send", self.name);
                self.publisher.apply(plan);
            }
            MediaReport::VoicePlan { participant, plan } if *participant == me => {
                assert!(self.redundancy || !plan.redundancy, "{} is asked for what it can do", self.name);
                self.publisher.apply_voice(plan);
            }
            MediaReport::Quality { participant, pairs } if *participant == me => {
                let news = pairs.iter().filter(|pair| !self.quality.contains(pair));
                self.told.extend(news.map(|pair| (now, *pair)));
                self.quality.clone_from(pairs);
            }
            MediaReport::NetworkClass { participant, class } if *participant == me => {
                self.network_class = *class
            }
            MediaReport::Transport { participant, state } if *participant == me => {
                self.transport = Some(*state)
            }
            MediaReport::Negotiated { .. }
            | MediaReport::Transport { .. }
            | MediaReport::TrackPublished(_)
            | MediaReport::TrackMuted(_)
            | MediaReport::TrackUnpublished(_)
            | MediaReport::UplinkPlan { .. }
            | MediaReport::VoicePlan { .. }
            | MediaReport::CodecPlan { .. }
            | MediaReport::RoomCodecs { .. }
            | MediaReport::Quality { .. }
            | MediaReport::Decisions(_)
            | MediaReport::NetworkClass { .. }
            | MediaReport::ActiveSpeaker { .. } => {}
        }
        self.negotiate();
    }

    fn end(&mut self, track: TrackId) {
        for subscription in
            self.subscriptions.iter_mut().filter(|subscription| subscription.track.id == track)
        {
            subscription.is_ended = true;
            self.is_stale = true;
        }
    }

    fn apply(&mut self, now: Instant, answer: &Answer) {
        let offered = 2 + self.subscriptions.len();
        assert!(answer.lines.len() <= offered, "{}: an answer has the lines of its offer", self.name);
        self.connection.set_remote(now, answer);
        self.destination = Some(answer.candidate);
        let tile_lines = self.tile_lines;
        for (subscription, line) in self.subscriptions.iter_mut().zip(answer.lines.iter().skip(2)) {
            assert_eq!(subscription.mid, line.mid, "{}: answers keep the order of lines", self.name);
            let Some(ssrc) = line.ssrc.filter(|_| line.direction == "sendonly") else { continue };
            let track = subscription.track;
            match (&subscription.receiver, track.source.kind()) {
                (Receiver::Pending, MediaKind::Audio) => {
                    subscription.receiver = Receiver::Voice(VoiceReceiver::new(ssrc));
                }
                (Receiver::Pending, MediaKind::Video) => {
                    subscription.receiver = Receiver::Picture(PictureReceiver::new(ssrc, line.rtx_ssrc));
                    let wish = SubscriptionWish { track: track.id, max_lines: tile_lines };
                    self.commands.push_back(MediaAction::Subscribe(wish));
                }
                (Receiver::Picture(picture), _) => {
                    assert_eq!(picture.ssrc, ssrc, "{}: renegotiation keeps SSRCs", self.name);
                }
                (Receiver::Voice(voice), _) => {
                    assert_eq!(voice.ssrc, ssrc, "{}: renegotiation keeps SSRCs", self.name);
                }
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_tick
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        while self.next_tick <= now {
            self.next_tick += TICK;
        }
        self.connection.handle_timeout(now);
        self.publisher.handle_timeout(now, &mut self.connection);
        if let Some(report) = self.arrivals.poll_report(now) {
            self.connection.send_rtcp(vec![Box::new(report)]);
        }
        self.complain(now);
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.report(now);
        }
    }

    fn complain(&mut self, now: Instant) {
        let sender_ssrc = self.publisher.ssrc();
        for subscription in self.subscriptions.iter_mut().filter(|subscription| !subscription.is_ended) {
            match &mut subscription.receiver {
                Receiver::Voice(voice) => voice.play(now),
                Receiver::Picture(picture) => match picture.poll_complaint(now) {
                    Some(Complaint::Missing(numbers)) => {
                        let nacks = nack_pairs_from_sequence_numbers(&numbers);
                        let nack = TransportLayerNack { sender_ssrc, media_ssrc: picture.ssrc, nacks };
                        self.connection.send_rtcp(vec![Box::new(nack)]);
                    }
                    Some(Complaint::KeyFrameNeeded) => {
                        let pli = PictureLossIndication { sender_ssrc, media_ssrc: picture.ssrc };
                        self.connection.send_rtcp(vec![Box::new(pli)]);
                    }
                    None => {}
                },
                Receiver::Pending => {}
            }
        }
    }

    fn report(&mut self, now: Instant) {
        let mut reports: Vec<_> =
            self.receptions.iter_mut().filter_map(|(ssrc, reception)| reception.report(now, *ssrc)).collect();
        reports.sort_by_key(|report| report.ssrc);
        for reports in reports.chunks(31) {
            let report = ReceiverReport {
                ssrc: self.publisher.ssrc(),
                reports: reports.to_vec(),
                ..Default::default()
            };
            self.connection.send_rtcp(vec![Box::new(report)]);
        }
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match self.connection.handle_datagram(now, datagram) {
            Opened::Rtp(packet) => self.handle_rtp(now, packet),
            Opened::Rtcp(packets) => {
                for packet in packets {
                    self.handle_rtcp(now, packet.as_ref());
                }
            }
            Opened::Nothing => {}
        }
    }

    fn handle_rtp(&mut self, now: Instant, packet: Packet) {
        let ssrc = packet.header.ssrc;
        if let Some(number) = packet.header.get_extension(TRANSPORT_CC_ID) {
            let number = number.as_ref().try_into().map(u16::from_be_bytes);
            self.arrivals.note(now, number.expect("transport-wide numbers have two bytes"), ssrc);
        }
        self.received.push((now, packet.payload.len() + 12));
        let clock = if matches!(packet.header.payload_type, OPUS | RED) { AUDIO_CLOCK } else { VIDEO_CLOCK };
        let elapsed = now - self.origin;
        self.receptions.entry(ssrc).or_insert_with(|| Reception::new(clock)).note(elapsed, &packet);
        for subscription in &mut self.subscriptions {
            match &mut subscription.receiver {
                Receiver::Picture(picture) if picture.ssrc == ssrc || picture.rtx_ssrc == Some(ssrc) => {
                    return picture.handle(now, packet);
                }
                Receiver::Voice(voice) if voice.ssrc == ssrc => return voice.handle(now, &packet),
                Receiver::Picture(_) | Receiver::Voice(_) | Receiver::Pending => {}
            }
        }
        panic!("{}: no answer announced the stream {ssrc:08x}", self.name);
    }

    fn handle_rtcp(&mut self, now: Instant, packet: &dyn rtc_rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(feedback) = packet.downcast_ref::<TransportLayerCc>() {
            self.publisher.handle_feedback(now, feedback);
        } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
            for sequence in nack.nacks.iter().flat_map(|pair| pair.packet_list()) {
                self.publisher.retransmit(now, nack.media_ssrc, sequence);
            }
        } else if let Some(pli) = packet.downcast_ref::<PictureLossIndication>() {
            self.publisher.request_key_frame(pli.media_ssrc);
        } else if let Some(fir) = packet.downcast_ref::<FullIntraRequest>() {
            fir.fir.iter().for_each(|entry| self.publisher.request_key_frame(entry.ssrc));
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            report.reports.iter().for_each(|block| self.publisher.note_report(block.ssrc));
        } else if let Some(report) = packet.downcast_ref::<SenderReport>() {
            report.reports.iter().for_each(|block| self.publisher.note_report(block.ssrc));
            if let Some(reception) = self.receptions.get_mut(&report.ssrc) {
                reception.note_sender_report(now, report.ntp_time);
            }
        }
    }

    /// The next datagram to send, and where to.
    pub(super) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        Some((self.destination?, self.connection.poll_transmit()?))
    }

    pub(super) fn poll_command(&mut self) -> Option<MediaAction> {
        self.commands.pop_front()
    }

    /// The live subscription to a track of that publisher.
    pub(super) fn subscription_to(&self, publisher: ParticipantId, kind: MediaKind) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| {
            let track = subscription.track;
            !subscription.is_ended && track.publisher == publisher && track.source.kind() == kind
        })
    }

    /// The pictures seen of that publisher.
    pub(super) fn shown_of(&self, publisher: ParticipantId) -> Option<&[Shown]> {
        match &self.subscription_to(publisher, MediaKind::Video)?.receiver {
            Receiver::Picture(picture) => Some(picture.shown()),
            Receiver::Voice(_) | Receiver::Pending => None,
        }
    }

    pub(super) fn received_since(&self, since: Instant) -> usize {
        self.received.iter().filter(|(at, _)| *at >= since).map(|(_, bytes)| bytes).sum()
    }

    pub(super) fn quality_of(&self, publisher: ParticipantId) -> Option<&PairQuality> {
        self.quality.iter().find(|pair| pair.publisher == publisher)
    }

    /// All that was ever told of the quality of somebody's picture.
    pub(super) fn told_of(&self, publisher: ParticipantId) -> impl Iterator<Item = &(Instant, PairQuality)> {
        self.told.iter().filter(move |(_, pair)| pair.publisher == publisher)
    }

    pub(super) fn network_class(&self) -> NetworkClass {
        self.network_class
    }

    pub(super) fn transport(&self) -> Option<TransportState> {
        self.transport
    }
}

/// What is particular to one participant's device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) role: Role,
    pub(super) tile_lines: u16,
    pub(super) camera_lines: u16,
    /// As `GOOG_NETWORK_INFO` tells it.
    pub(super) network_cost: u16,
    /// Whether its voices may carry earlier frames again; Firefox's may not.
    pub(super) redundancy: bool,
}
