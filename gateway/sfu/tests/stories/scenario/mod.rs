//! Stories about calls: a whole media plane in memory on virtual time, every participant a simulated
//! browser behind two directions of the link emulator. A story asserts what participants experience.
//!
//! Everything is driven by one seed, except the keys of DTLS and the certificates, which change no timing.

mod arrival_log;
mod browser;
mod camera;
mod connection;
mod expectation;
mod ntp;
mod picture_receiver;
mod publisher;
mod reception;
mod report;
mod session_description;
mod stranger;
mod uplink_control;
mod voice_receiver;
mod wire;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::link::{Link as Direction, LinkSettings};
use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaAction, MediaCommand, MediaReport};
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use protocol::quality::HdMode;
use protocol::track::{Role, Track};
use protocol::units::{Bitrate, DataSize};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sfu::burst::BurstSlab;
use sfu::config::{SfuConfig, SiteProfile};
use sfu::sfu::{Fill, Output, Sfu};

use self::browser::{Browser, Traits};
use self::expectation::Run;
pub(crate) use self::expectation::{Expectation, hears, is_on, is_told_hd, sees, sees_nothing_of};
pub(crate) use self::stranger::{client_hello, garbage};
use self::wire::IP_UDP_OVERHEAD;
pub(crate) use ::link::LinkSettings as Link;

/// Where the media plane listens.
const GATEWAY: ([u8; 4], u16) = ([192, 0, 2, 1], 3_478);

/// More turns than this at one instant mean that the media plane asks to be called at once, over and over.
const MAX_TURNS: u32 = 2_000;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn kbps(rate: u64) -> Bitrate {
    Bitrate::kbps(rate)
}

pub(crate) fn mbps(rate: u64) -> Bitrate {
    Bitrate::mbps(rate)
}

struct Person {
    name: String,
    id: ParticipantId,
    address: SocketAddr,
    uplink: Direction<(SocketAddr, Vec<u8>)>,
    downlink: Direction<Vec<u8>>,
    links: (LinkSettings, LinkSettings),
    traits: Traits,
    reports: u32,
    stage: Stage,
}

enum Stage {
    /// Joins when the story goes on.
    Outside,
    InCall(Box<Browser>),
    Gone,
}

/// A story in the making.
pub(crate) struct Scenario {
    origin: Instant,
    now: Instant,
    run_since: Instant,
    rng: StdRng,
    seed: u64,
    sfu: Sfu,
    slab: BurstSlab,
    room: RoomId,
    people: Vec<Person>,
    people_by_address: HashMap<SocketAddr, usize>,
    tracks: Vec<Track>,
    spraying: Option<Spray>,
    /// Datagrams that went to where nobody of the story is.
    strayed: HashMap<SocketAddr, usize>,
}

/// Datagrams of a stranger that arrive all the time.
struct Spray {
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
    interval: Duration,
    next: Instant,
    count: usize,
}

impl Scenario {
    /// A room with nobody in it; `seed` repeats losses, jitter and pictures.
    pub(crate) fn new(seed: u64) -> Self {
        Self::in_mode(seed, HdMode::Equivalent)
    }

    /// The same, where the operator chose this mode.
    pub(crate) fn in_mode(seed: u64, hd_mode: HdMode) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant can only be made by the clock; its value is never used"
        )]
        let origin = Instant::now();
        let config = SfuConfig {
            candidates: vec![SocketAddr::from(GATEWAY)],
            hd_mode,
            site_profiles: NetworkClass::ALL.into_iter().filter_map(site_profile).collect(),
            accept_unattested_5g: false,
        };
        let sfu = Sfu::new(config, StdRng::seed_from_u64(seed)).expect("a certificate can be made");
        Self {
            origin,
            now: origin,
            run_since: origin,
            rng: StdRng::seed_from_u64(!seed),
            seed,
            sfu,
            slab: BurstSlab::default(),
            room: RoomId::from_bits(u128::from(seed)),
            people: Vec::new(),
            people_by_address: HashMap::new(),
            tracks: Vec::new(),
            spraying: None,
            strayed: HashMap::new(),
        }
    }

    /// Somebody who joins when the story goes on; what follows describes them.
    pub(crate) fn participant(mut self, name: &str) -> Self {
        let index = self.people.len();
        let links = (LinkSettings::wired(), LinkSettings::wired());
        let seed = self.seed.wrapping_mul(1_000) + 2 * index as u64;
        self.people.push(Person {
            name: name.to_owned(),
            id: ParticipantId::from_bits(0xa000 + index as u128),
            address: address(NetworkClass::Unknown, index, 0),
            uplink: Direction::new(self.now, links.0.clone(), seed),
            downlink: Direction::new(self.now, links.1.clone(), seed + 1),
            links,
            traits: Traits { role: role_of(name), tile_lines: 720, network_cost: UNKNOWN_COST },
            reports: 0,
            stage: Stage::Outside,
        });
        self
    }

    fn newcomer(&mut self) -> &mut Person {
        self.people.last_mut().expect("a participant is described after it is named")
    }

    /// The same link in both directions.
    pub(crate) fn on(self, link: LinkSettings) -> Self {
        self.on_links(link.clone(), link)
    }

    /// An uplink and a downlink.
    pub(crate) fn on_links(mut self, uplink: LinkSettings, downlink: LinkSettings) -> Self {
        self.newcomer().links = (uplink, downlink);
        self
    }

    /// On a network that the operator vouches for: its address is in a range of that class.
    pub(crate) fn class(mut self, class: NetworkClass) -> Self {
        let index = self.people.len() - 1;
        let newcomer = self.newcomer();
        newcomer.address = address(class, index, 0);
        newcomer.traits.network_cost = cost_of(class);
        self
    }

    /// With the network cost that its browser tells in connectivity checks.
    pub(crate) fn network_cost(mut self, cost: u16) -> Self {
        self.newcomer().traits.network_cost = cost;
        self
    }

    /// Shows others in tiles of so many lines.
    pub(crate) fn with_tiles_of(mut self, lines: u16) -> Self {
        self.newcomer().traits.tile_lines = lines;
        self
    }

    /// Changes both directions of somebody's link.
    pub(crate) fn change(self, name: &str, link: LinkSettings) -> Self {
        self.change_uplink(name, link.clone()).change_downlink(name, link)
    }

    pub(crate) fn change_uplink(mut self, name: &str, link: LinkSettings) -> Self {
        let now = self.now;
        self.person(name).uplink.set(now, link);
        self
    }

    pub(crate) fn change_downlink(mut self, name: &str, link: LinkSettings) -> Self {
        let now = self.now;
        self.person(name).downlink.set(now, link);
        self
    }

    /// Somebody's device goes over to another network: another address, another class.
    pub(crate) fn hand_over(mut self, name: &str, class: NetworkClass) -> Self {
        let now = self.now;
        let index = self.index_of(name);
        let person = &mut self.people[index];
        self.people_by_address.remove(&person.address);
        person.address = address(class, index, person.address.port() - FIRST_PORT + 1);
        if let Stage::InCall(browser) = &mut person.stage {
            browser.move_to_network(now, cost_of(class));
        }
        self.people_by_address.insert(person.address, index);
        self
    }

    /// Somebody's page or shell reports the network it is on.
    pub(crate) fn reports(mut self, name: &str, class: NetworkClass) -> Self {
        let person = self.person(name);
        person.reports += 1;
        let report =
            NetworkReport { source: ReportSource::Shell, class, save_data: false, sequence: person.reports };
        if let Stage::InCall(browser) = &mut person.stage {
            browser.command(MediaAction::Report(report));
        }
        self
    }

    /// Somebody leaves for good.
    pub(crate) fn leave(mut self, name: &str) -> Self {
        let index = self.index_of(name);
        let person = &mut self.people[index];
        person.stage = Stage::Gone;
        let command = MediaCommand { room: self.room, participant: person.id, action: MediaAction::Leave };
        self.sfu.handle_command(self.now, command);
        self.settle();
        self
    }

    /// From here on, a stranger's datagrams reach the gateway, one of them every `interval`, in turn.
    pub(crate) fn sprayed_with(mut self, datagrams: Vec<(SocketAddr, Vec<u8>)>, interval: Duration) -> Self {
        self.spraying = Some(Spray { datagrams, interval, next: self.now, count: 0 });
        self
    }

    /// The address that somebody is seen at.
    pub(crate) fn address_of(&self, name: &str) -> SocketAddr {
        self.people[self.index_of(name)].address
    }

    /// Datagrams that the gateway has sent to an address where nobody of the story is.
    pub(crate) fn sent_to(&self, address: SocketAddr) -> usize {
        self.strayed.get(&address).copied().unwrap_or_default()
    }

    /// The media plane's own counts.
    pub(crate) fn counters(&self) -> &sfu::counters::Counters {
        self.sfu.counters()
    }

    /// What is there at this moment.
    pub(crate) fn census(&self) -> sfu::counters::Census {
        self.sfu.census()
    }

    fn index_of(&self, name: &str) -> usize {
        let found = self.people.iter().position(|person| person.name == name);
        found.unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    fn person(&mut self, name: &str) -> &mut Person {
        let index = self.index_of(name);
        &mut self.people[index]
    }

    /// Lets time pass.
    pub(crate) fn run_for(mut self, duration: Duration) -> Self {
        self.admit();
        self.run_since = self.now;
        let end = self.now + duration;
        let mut turns = 0;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            turns = if next <= self.now { turns + 1 } else { 0 };
            assert!(
                turns < MAX_TURNS,
                "time stands still at {:?}: {}",
                self.now - self.origin,
                self.deadlines()
            );
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = end;
        self
    }

    fn admit(&mut self) {
        for (index, person) in self.people.iter_mut().enumerate() {
            let Stage::Outside = person.stage else { continue };
            person.uplink.set(self.now, person.links.0.clone());
            person.downlink.set(self.now, person.links.1.clone());
            self.people_by_address.insert(person.address, index);
            let mut browser =
                Browser::new(&person.name, index as u64, self.origin, self.now, &mut self.rng, person.traits);
            browser.join(&self.tracks);
            person.stage = Stage::InCall(Box::new(browser));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let people = self.people.iter().flat_map(|person| {
            let tick = match &person.stage {
                Stage::InCall(browser) => Some(browser.poll_timeout()),
                Stage::Outside | Stage::Gone => None,
            };
            [tick, person.uplink.poll_timeout(), person.downlink.poll_timeout()]
        });
        let spray = self.spraying.as_ref().map(|spray| spray.next);
        people.chain([self.sfu.poll_timeout(), spray]).flatten().min()
    }

    fn deadlines(&self) -> String {
        let late = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(self.now));
        format!("the media plane wants to be called in {:?}", late(self.sfu.poll_timeout()))
    }

    /// Does all that is due at this instant.
    fn settle(&mut self) {
        let now = self.now;
        self.spray();
        for index in 0..self.people.len() {
            if let Stage::InCall(browser) = &mut self.people[index].stage {
                browser.handle_timeout(now);
            }
        }
        self.exchange_signaling();
        for person in &mut self.people {
            while let Some((_, (source, mut datagram))) = person.uplink.poll(now) {
                self.sfu.handle_datagram(now, source, &mut datagram);
            }
        }
        if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
            self.sfu.handle_timeout(now);
        }
        self.exchange_signaling();
        self.drain_media_plane();
        for person in &mut self.people {
            while let Some((_, datagram)) = person.downlink.poll(now) {
                if let Stage::InCall(browser) = &mut person.stage {
                    browser.handle_datagram(now, &datagram);
                }
            }
        }
        self.collect_datagrams();
    }

    fn spray(&mut self) {
        let Some(spray) = &mut self.spraying else { return };
        while spray.next <= self.now && !spray.datagrams.is_empty() {
            let (source, mut datagram) = spray.datagrams[spray.count % spray.datagrams.len()].clone();
            self.sfu.handle_datagram(self.now, source, &mut datagram);
            spray.next += spray.interval;
            spray.count += 1;
        }
    }

    fn collect_datagrams(&mut self) {
        for person in &mut self.people {
            let Stage::InCall(browser) = &mut person.stage else { continue };
            while let Some((destination, datagram)) = browser.poll_transmit() {
                assert_eq!(destination, SocketAddr::from(GATEWAY), "answers name the gateway's candidate");
                let size = DataSize::bytes((datagram.len() + IP_UDP_OVERHEAD) as u64);
                // What the link drops is gone, as on any link.
                let _ = person.uplink.enqueue(self.now, size, (person.address, datagram));
            }
        }
    }

    /// Commands and reports travel at once: signaling has a transport of its own, and is not what is tested.
    fn exchange_signaling(&mut self) {
        loop {
            let mut is_quiet = true;
            for index in 0..self.people.len() {
                let person = &mut self.people[index];
                let Stage::InCall(browser) = &mut person.stage else { continue };
                while let Some(action) = browser.poll_command() {
                    is_quiet = false;
                    let command = MediaCommand { room: self.room, participant: person.id, action };
                    self.sfu.handle_command(self.now, command);
                }
            }
            while let Some(output) = self.sfu.poll_output() {
                is_quiet = false;
                if let Output::Event(event) = output {
                    assert_eq!(event.room, self.room, "there is one room");
                    self.pass_on(&event.report);
                }
            }
            if is_quiet {
                return self.collect_datagrams();
            }
        }
    }

    fn pass_on(&mut self, report: &MediaReport) {
        match report {
            MediaReport::TrackPublished(track) => self.tracks.push(*track),
            MediaReport::TrackUnpublished(track) => self.tracks.retain(|other| other.id != track.id),
            _ => {}
        }
        for person in &mut self.people {
            if let Stage::InCall(browser) = &mut person.stage {
                browser.handle_report(self.now, person.id, report);
            }
        }
    }

    fn drain_media_plane(&mut self) {
        loop {
            let fill = self.sfu.fill(self.now, &mut self.slab);
            for burst in self.slab.bursts() {
                let person = self.people_by_address.get(&burst.destination);
                for datagram in burst.contents.chunks(burst.segment_size) {
                    // Somebody who moved on may still be sent to for a while.
                    let Some(index) = person else {
                        *self.strayed.entry(burst.destination).or_default() += 1;
                        continue;
                    };
                    let size = DataSize::bytes((datagram.len() + IP_UDP_OVERHEAD) as u64);
                    let _ = self.people[*index].downlink.enqueue(self.now, size, datagram.to_vec());
                }
            }
            self.slab.clear();
            if fill == Fill::Drained {
                return;
            }
        }
    }

    /// Asserts what somebody experienced since the last [`Self::run_for`] began.
    #[track_caller]
    pub(crate) fn expect(self, name: &str, expectation: impl Expectation) -> Self {
        let person = &self.people[self.index_of(name)];
        let Stage::InCall(observer) = &person.stage else { panic!("{name} is not in the call") };
        let run = Run { observer, since: self.run_since, until: self.now };
        let whom = expectation.whom().map(|whom| self.people[self.index_of(whom)].id);
        if let Err(experience) = expectation.judge(run, whom) {
            panic!(
                "after {:?} (seed {}), {name} {experience}\n{}",
                self.now - self.origin,
                self.seed,
                self.report()
            );
        }
        self
    }
}

/// The first port of a participant; each hand-over takes the next.
const FIRST_PORT: u16 = 50_000;

fn address(class: NetworkClass, index: usize, moves: u16) -> SocketAddr {
    let network = NetworkClass::ALL.iter().position(|other| *other == class).unwrap_or_default();
    SocketAddr::from(([10, network as u8, 0, 10 + index as u8], FIRST_PORT + moves))
}

/// The operator vouches for one range per class, and for none of those on unknown networks.
fn site_profile(class: NetworkClass) -> Option<SiteProfile> {
    let range = format!("{}/16", address(class, 0, 0).ip()).parse().expect("a range of addresses");
    (class != NetworkClass::Unknown).then_some(SiteProfile { range, class })
}

/// libwebrtc's cost of a network whose kind it does not know.
const UNKNOWN_COST: u16 = 50;

/// What Chromium tells of such a network: it never tells the generation of a cellular one.
fn cost_of(class: NetworkClass) -> u16 {
    match class {
        NetworkClass::Wired => 0,
        NetworkClass::Wifi => 10,
        NetworkClass::FiveG
        | NetworkClass::FourG
        | NetworkClass::ThreeG
        | NetworkClass::TwoG
        | NetworkClass::Cell => 900,
        NetworkClass::Unknown => UNKNOWN_COST,
    }
}

fn role_of(name: &str) -> Role {
    match name {
        "doctor" | "nurse" | "specialist" => Role::Clinician,
        "interpreter" => Role::Interpreter,
        "daughter" | "son" => Role::Family,
        "student" => Role::Observer,
        _ => Role::Patient,
    }
}
