//! A whole call within the process, on virtual time: the media plane of one worker, one participant that sends a
//! picture and a voice, and players that receive both. ICE, DTLS, SRTP, transport-wide feedback and the pacer are at
//! work; nothing is between the ends, so that datagrams arrive when they leave.
//!
//! Whoever measures hands in a [`Watch`], and every call of the media plane goes through it.

#[path = "../../lab/src/scenario/arrival_log.rs"]
mod arrival_log;
#[path = "../../lab/src/scenario/connection.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod connection;
#[path = "../../benches/egress/film.rs"]
#[expect(dead_code, reason = "the benchmark uses more of it")]
mod film;
mod participant;
mod publication;
#[path = "../../lab/src/scenario/session_description.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod session_description;
#[path = "../../lab/src/scenario/wire.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod wire;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

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
use sfu::counters::RtpCounts;
use sfu::sfu::{Fill, Output, Sfu};

use self::participant::Participant;
use self::publication::Publication;

/// What the media plane is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Act {
    /// A command of the signaling plane.
    Command,
    /// Connectivity checks and handshakes.
    Connect,
    /// RTP has arrived.
    Media,
    /// What has just arrived of media is sealed for its subscribers.
    Forward,
    /// RTCP has arrived.
    Feedback,
    /// A deadline has come.
    Timeout,
    /// What follows of all but media is sealed: reports, answers to checks, and what the pacer held back.
    Upkeep,
    /// What has happened is told.
    Output,
}

/// Sees every call of the media plane, and has to make it.
pub(crate) type Watch<'a> = dyn FnMut(Act, &mut dyn FnMut()) + 'a;

/// Makes every call, and nothing of it.
pub(crate) fn unwatched(_: Act, call: &mut dyn FnMut()) {
    call();
}

/// Participants look at their timers this often.
const TICK: Duration = Duration::from_millis(5);

/// Everybody is connected by then.
const JOINING: Duration = Duration::from_secs(5);

/// The lines of the tiles that show the picture.
const LINES: u16 = 720;

const ROOM: RoomId = RoomId::from_bits(1);

/// What was forwarded at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Packets of media that arrived.
    pub(crate) arrived: u64,
    /// Packets that left for a subscriber as another arrived, and not later.
    pub(crate) forwarded: u64,
    /// Packets that left for a subscriber.
    pub(crate) sent: u64,
    /// RTCP datagrams that arrived.
    pub(crate) feedbacks: u64,
    /// Deadlines that came.
    pub(crate) timeouts: u64,
}

/// One room with one publisher.
pub(crate) struct Call {
    now: Instant,
    sfu: Sfu,
    slab: BurstSlab,
    publication: Publication,
    tracks: Vec<TrackId>,
    /// The publisher comes first.
    participants: Vec<Participant>,
    numbers_by_address: HashMap<SocketAddr, usize>,
    tally: Tally,
}

impl Call {
    /// A call with so many subscribers, all of them connected, in which no media has been sent yet.
    pub(crate) fn new(subscribers: usize, watch: &mut Watch<'_>) -> Self {
        let now = Instant::now();
        let wired = SiteProfile {
            range: "10.0.0.0/8".parse().expect("a range of addresses"),
            class: NetworkClass::Wired,
        };
        let config = SfuConfig {
            candidates: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000))],
            hd_mode: HdMode::Equivalent,
            adaptation: AdaptationPolicy::default(),
            video_codecs: CodecPreference::default(),
            site_profiles: vec![wired],
            accept_unattested_5g: false,
        };
        let mut call = Self {
            now,
            sfu: Sfu::new(config, StdRng::seed_from_u64(1)).expect("a certificate can be made"),
            slab: BurstSlab::default(),
            publication: Publication::new(now),
            tracks: Vec::new(),
            participants: Vec::new(),
            numbers_by_address: HashMap::new(),
            tally: Tally::default(),
        };
        (0..=subscribers).for_each(|number| call.admit(number, watch));
        let deadline = now + JOINING;
        while !call.participants.iter().all(Participant::is_connected) {
            assert!(call.now < deadline, "everybody connects");
            call.pass_time(TICK, watch);
        }
        call
    }

    /// Lets the first come as the publisher, and everybody else subscribe to its tracks.
    fn admit(&mut self, number: usize, watch: &mut Watch<'_>) {
        let mut newcomer = Participant::new(number, self.now);
        let (id, address) = (newcomer.id, newcomer.address);
        let (role, steerable) = if number == 0 { (Role::Patient, true) } else { (Role::Observer, false) };
        self.command(id, MediaAction::Join { role, steerable }, watch);
        self.command(id, newcomer.offer(&self.tracks), watch);
        let (answer, tracks) = self.take_answer(watch);
        newcomer.handle_answer(self.now, &answer);
        if number == 0 {
            self.tracks = tracks;
        } else {
            // The camera's; a voice is heard without a wish.
            let wish = SubscriptionWish { track: self.tracks[0], max_lines: LINES };
            self.command(id, MediaAction::Subscribe(wish), watch);
        }
        self.participants.push(newcomer);
        self.numbers_by_address.insert(address, number);
    }

    fn command(&mut self, participant: ParticipantId, action: MediaAction, watch: &mut Watch<'_>) {
        let mut command = Some(MediaCommand { room: ROOM, participant, action });
        let (sfu, now) = (&mut self.sfu, self.now);
        watch(Act::Command, &mut || command.take().into_iter().for_each(|it| sfu.handle_command(now, it)));
    }

    fn take_answer(&mut self, watch: &mut Watch<'_>) -> (String, Vec<TrackId>) {
        let mut answered = None;
        while let Some(output) = self.poll_output(watch) {
            if let Output::Event(event) = output
                && let MediaReport::Negotiated { outcome, .. } = event.report
            {
                let answer = outcome.expect("the offer is accepted");
                answered = Some((answer.sdp, answer.tracks.iter().map(|line| line.track).collect()));
            }
        }
        answered.expect("an offer is answered")
    }

    fn poll_output(&mut self, watch: &mut Watch<'_>) -> Option<Output> {
        let mut output = None;
        watch(Act::Output, &mut || output = self.sfu.poll_output());
        output
    }

    /// Everybody goes on for a while, without media.
    pub(crate) fn pass_time(&mut self, duration: Duration, watch: &mut Watch<'_>) {
        let end = self.now + duration;
        while self.now < end {
            let next = self.next_deadline(end);
            self.turn(next, watch);
        }
    }

    /// The publisher sends its picture and its voice for a while.
    pub(crate) fn run(&mut self, duration: Duration, watch: &mut Watch<'_>) {
        let end = self.now + duration;
        self.publication.resume(self.now);
        while self.now < end {
            let next = self.next_deadline(end.min(self.publication.due()));
            self.turn(next, watch);
            while self.publication.due() <= self.now {
                self.publish(watch);
            }
        }
    }

    fn next_deadline(&self, end: Instant) -> Instant {
        let due = self.sfu.poll_timeout().unwrap_or(end).max(self.now + Duration::from_micros(1));
        end.min(due).min(self.now + TICK)
    }

    /// One turn of the worker's loop, and of everybody's.
    fn turn(&mut self, now: Instant, watch: &mut Watch<'_>) {
        self.now = now;
        self.participants.iter_mut().for_each(|one| one.handle_timeout(now));
        self.take_in(watch);
        if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
            self.tally.timeouts += 1;
            watch(Act::Timeout, &mut || self.sfu.handle_timeout(now));
        }
        while self.poll_output(watch).is_some() {}
        self.send_on(Act::Upkeep, watch);
    }

    fn publish(&mut self, watch: &mut Watch<'_>) {
        let publisher = &mut self.participants[0];
        let packet = self.publication.next(publisher.take_key_frame_request());
        publisher.send(&packet);
        let before = forwarded(&self.sfu.counters().egress);
        self.take_in(watch);
        self.send_on(Act::Forward, watch);
        let after = forwarded(&self.sfu.counters().egress);
        self.tally.arrived += 1;
        self.tally.forwarded += after - before;
    }

    /// Hands all that participants have sent to the media plane.
    fn take_in(&mut self, watch: &mut Watch<'_>) {
        let (sfu, now) = (&mut self.sfu, self.now);
        for participant in &mut self.participants {
            while let Some(mut datagram) = participant.poll_transmit() {
                let (source, act) = (participant.address, act_of(&datagram));
                self.tally.feedbacks += u64::from(act == Act::Feedback);
                watch(act, &mut || sfu.handle_datagram(now, source, &mut datagram));
            }
        }
    }

    /// Seals what may leave, and lets it arrive.
    fn send_on(&mut self, act: Act, watch: &mut Watch<'_>) {
        let mut fill = Fill::More;
        while fill == Fill::More {
            watch(act, &mut || fill = self.sfu.fill(self.now, &mut self.slab));
            for burst in self.slab.bursts() {
                let Some(number) = self.numbers_by_address.get(&burst.destination) else { continue };
                let participant = &mut self.participants[*number];
                let datagrams = burst.contents.chunks(burst.segment_size);
                datagrams.for_each(|datagram| participant.receive(self.now, datagram));
            }
            self.slab.clear();
        }
    }

    /// What has been forwarded since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        let sent = forwarded(&self.sfu.counters().egress);
        let taken = Tally { sent: sent - self.tally.sent, ..self.tally };
        self.tally = Tally { sent, ..Tally::default() };
        taken
    }
}

fn forwarded(counts: &RtpCounts) -> u64 {
    counts.audio_packets + counts.video_packets
}

/// RFC 7983 §7 and RFC 5761 §4.
fn act_of(datagram: &[u8]) -> Act {
    match datagram {
        [128..=191, 192..=223, ..] => Act::Feedback,
        [128..=191, ..] => Act::Media,
        _ => Act::Connect,
    }
}
