//! Rooms on one media worker: its media plane and its socket, one step of the worker's turn at a time. Their
//! time is virtual, and goes on only where it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use gateway::udp_socket::{ReceiveBatch, UdpSocket};
use protocol::id::{ParticipantId, RoomId, TrackId};
use protocol::media_message::{MediaAction, MediaCommand, MediaReport, SubscriptionWish};
use protocol::network_class::NetworkClass;
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::track::Role;
use protocol::video_codec::CodecPreference;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sfu::burst::BurstSlab;
use sfu::config::{SfuConfig, SiteProfile};
use sfu::sfu::{Fill, Output, Sfu};

use crate::film::{Film, PACKET_INTERVAL};
use crate::participant::{Participant, Segmentation};
use crate::processor_time::processor_time;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The lines of the publisher's picture, and of the tiles that show it.
const LINES: u16 = 720;

/// Participants look at their timers this often.
const TICK: Duration = Duration::from_millis(5);

/// Everybody is connected by then.
const JOINING: Duration = Duration::from_secs(5);

/// One publisher, and everybody else sees it.
struct Room {
    id: RoomId,
    film: Film,
    publisher: Participant,
    subscribers: Vec<Participant>,
}

pub(crate) struct Worker {
    now: Instant,
    sfu: Sfu,
    slab: BurstSlab,
    socket: UdpSocket,
    batch: ReceiveBatch,
    /// For what the participants receive.
    their_batch: ReceiveBatch,
    rooms: Vec<Room>,
}

impl Worker {
    /// So many rooms with one publisher and so many subscribers each, all of them connected.
    pub(crate) fn new(rooms: usize, subscribers: usize) -> Self {
        let now = Instant::now();
        let socket = UdpSocket::bind(SocketAddr::from((LOOPBACK, 0))).expect("a socket on loopback");
        let gateway = socket.local_address().expect("a bound socket");
        let wired = SiteProfile {
            range: "127.0.0.0/8".parse().expect("a range of addresses"),
            class: NetworkClass::Wired,
        };
        let config = SfuConfig {
            candidates: vec![gateway],
            hd_mode: HdMode::Equivalent,
            adaptation: AdaptationPolicy::default(),
            video_codecs: CodecPreference::default(),
            site_profiles: vec![wired],
            accept_unattested_5g: false,
        };
        let mut worker = Self {
            now,
            sfu: Sfu::new(config, StdRng::seed_from_u64(1)).expect("a certificate can be made"),
            slab: BurstSlab::default(),
            socket,
            batch: ReceiveBatch::default(),
            their_batch: ReceiveBatch::default(),
            rooms: Vec::new(),
        };
        let mut newcomers = (0..).map(|number| Participant::new(number, now, gateway));
        for number in 0..rooms {
            let mut people = newcomers.by_ref().take(1 + subscribers);
            let publisher = people.next().expect("newcomers never end");
            let id = RoomId::from_bits(number as u128);
            let room = Room { id, film: Film::new(), publisher, subscribers: people.collect() };
            worker.admit(room);
        }
        let deadline = worker.now + JOINING;
        while !worker.participants().all(|one| one.is_connected()) {
            assert!(worker.now < deadline, "everybody connects");
            worker.pass_time(TICK);
        }
        worker
    }

    fn admit(&mut self, mut room: Room) {
        let (publisher, subscribers) = (&mut room.publisher, &mut room.subscribers);
        self.command(room.id, publisher.id, MediaAction::Join { role: Role::Patient, steerable: true });
        let (answer, tracks) = self.negotiate(room.id, publisher.id, publisher.offer(None));
        publisher.handle_answer(self.now, &answer);
        let track = *tracks.first().expect("the answer makes a track");
        for subscriber in subscribers {
            self.command(
                room.id,
                subscriber.id,
                MediaAction::Join { role: Role::Clinician, steerable: true },
            );
            let (answer, _) = self.negotiate(room.id, subscriber.id, subscriber.offer(Some(track)));
            subscriber.handle_answer(self.now, &answer);
            let wish = SubscriptionWish { track, max_lines: LINES };
            self.command(room.id, subscriber.id, MediaAction::Subscribe(wish));
        }
        self.rooms.push(room);
    }

    fn participants(&mut self) -> impl Iterator<Item = &mut Participant> {
        everybody(&mut self.rooms)
    }

    fn subscribers(&self) -> impl Iterator<Item = &Participant> {
        self.rooms.iter().flat_map(|room| &room.subscribers)
    }

    fn command(&mut self, room: RoomId, participant: ParticipantId, action: MediaAction) {
        self.sfu.handle_command(self.now, MediaCommand { room, participant, action });
    }

    fn negotiate(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        offer: MediaAction,
    ) -> (String, Vec<TrackId>) {
        self.command(room, participant, offer);
        while let Some(output) = self.sfu.poll_output() {
            if let Output::Event(event) = output
                && let MediaReport::Negotiated { outcome, .. } = event.report
            {
                let answer = outcome.expect("the offer is accepted");
                return (answer.sdp, answer.tracks.iter().map(|answered| answered.track).collect());
            }
        }
        panic!("an offer is answered");
    }

    /// Lets the films run until feedback has told what the links carry.
    pub(crate) fn settle(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.pass_time(PACKET_INTERVAL);
            self.publish(1);
            let _ = (self.take_in(), self.send_on());
            self.receive_media();
        }
    }

    pub(crate) fn subscriber_addresses(&self) -> Vec<SocketAddr> {
        self.subscribers().map(Participant::address).collect()
    }

    /// Lets time pass for everybody, and gives the processor time that the gateway spends meanwhile: on
    /// timers, feedback and reports, and on what comes of them.
    pub(crate) fn pass_time(&mut self, duration: Duration) -> Duration {
        let end = self.now + duration;
        let mut spent = Duration::ZERO;
        while self.now < end {
            let due = self.sfu.poll_timeout().unwrap_or(end).max(self.now + Duration::from_micros(1));
            self.now = end.min(due).min(self.now + TICK);
            let now = self.now;
            self.participants().for_each(|one| one.handle_timeout(now));
            spent += self.take_in();
            spent += processor_time(|| {
                if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
                    self.sfu.handle_timeout(now);
                }
                while self.sfu.poll_output().is_some() {}
            });
            let (filling, sending) = self.send_on();
            spent += filling + sending;
            self.receive_media();
        }
        spent
    }

    /// Every publisher sends so many packets; they wait in the gateway's socket.
    pub(crate) fn publish(&mut self, packets: usize) {
        for Room { film, publisher, .. } in &mut self.rooms {
            for _ in 0..packets {
                if publisher.take_key_frame_request() {
                    film.request_key_frame();
                }
                publisher.send(&film.next());
            }
        }
    }

    /// Receives all that waits in the socket and hands it to the media plane.
    pub(crate) fn take_in(&mut self) -> Duration {
        processor_time(|| {
            while self.socket.receive(&mut self.batch).is_ok() {
                for (source, datagram) in self.batch.datagrams() {
                    self.sfu.handle_datagram(self.now, source, datagram);
                }
            }
        })
    }

    /// Seals what may leave, and sends it: how long each of the two takes.
    pub(crate) fn send_on(&mut self) -> (Duration, Duration) {
        let (mut filling, mut sending) = (Duration::ZERO, Duration::ZERO);
        let mut fill = Fill::More;
        while fill == Fill::More {
            filling += processor_time(|| fill = self.sfu.fill(self.now, &mut self.slab));
            sending += processor_time(|| {
                self.slab.bursts().for_each(|burst| self.socket.send(self.now, burst));
                self.slab.clear();
            });
        }
        (filling, sending)
    }

    /// Lets everybody take what has arrived: the sizes of the datagrams with media, all of which opened.
    pub(crate) fn receive_media(&mut self) -> Vec<usize> {
        let now = self.now;
        let batch = &mut self.their_batch;
        everybody(&mut self.rooms).flat_map(|one| one.receive(now, batch)).collect()
    }

    /// The datagrams that have arrived and are no part of a call, with their subscribers' numbers.
    pub(crate) fn receive_raw(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut datagrams = Vec::new();
        let subscribers = self.rooms.iter_mut().flat_map(|room| &mut room.subscribers);
        for (number, subscriber) in subscribers.enumerate() {
            let received = subscriber.receive_raw(&mut self.their_batch);
            datagrams.extend(received.into_iter().map(|datagram| (number, datagram)));
        }
        datagrams
    }

    /// Chooses where the bursts to all participants are cut.
    pub(crate) fn set_segmentation(&mut self, segmentation: Segmentation) {
        self.participants().for_each(|one| one.set_segmentation(segmentation));
    }
}

fn everybody(rooms: &mut [Room]) -> impl Iterator<Item = &mut Participant> {
    rooms.iter_mut().flat_map(|room| room.subscribers.iter_mut().chain([&mut room.publisher]))
}
