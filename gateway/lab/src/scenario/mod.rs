//! Stories about calls: a whole media plane in memory on virtual time, every participant a simulated
//! browser behind two directions of the link emulator. A story asserts what participants experience.
//!
//! Everything is driven by one seed, except the keys of DTLS and the certificates, which change no timing.

mod arrival_log;
mod bottleneck;
mod browser;
mod camera;
mod connection;
mod expectation;
mod frame_buffer;
mod network;
mod ntp;
mod picture_receiver;
mod publisher;
mod reception;
mod recorder;
mod report;
mod session_description;
mod stranger;
mod surroundings;
mod tcp_flow;
mod uplink_control;
mod voice_receiver;
mod wire;
mod world;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::link::{Link as Direction, LinkSettings};
use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaAction, MediaCommand};
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::track::{Role, Track};
use protocol::units::{Bitrate, DataSize};
use protocol::video_codec::CodecPreference;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sfu::burst::BurstSlab;
use sfu::config::SfuConfig;
use sfu::sfu::Sfu;

use self::bottleneck::Bottleneck;
use self::browser::{Browser, Traits};
use self::expectation::Run;
pub use self::expectation::{
    Expectation, hears, is_on, is_told_hd, is_told_rung, is_told_the_truth_of, is_told_to_be, sees,
    sees_nothing_of,
};
use self::network::{FIRST_PORT, UNKNOWN_COST, address, cost_of, site_profile};
use self::recorder::Recorder;
pub use self::stranger::{client_hello, garbage};
use self::tcp_flow::TcpFlow;
pub use ::link::LinkSettings as Link;

/// Where the media plane listens.
const GATEWAY: ([u8; 4], u16) = ([192, 0, 2, 1], 3_478);

/// More turns than this at one instant mean that the media plane asks to be called at once, over and over.
const MAX_TURNS: u32 = 2_000;

/// So many milliseconds.
pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many seconds.
pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many kbit/s.
pub fn kbps(rate: u64) -> Bitrate {
    Bitrate::kbps(rate)
}

/// So many Mbit/s.
pub fn mbps(rate: u64) -> Bitrate {
    Bitrate::mbps(rate)
}

struct Person {
    name: String,
    id: ParticipantId,
    address: SocketAddr,
    uplink: Direction<(SocketAddr, Vec<u8>)>,
    downlink: Direction<Vec<u8>>,
    links: (LinkSettings, LinkSettings),
    /// The network that it is on, whatever is known of it.
    network: NetworkClass,
    /// The shared link that its downlink begins with.
    behind: Option<usize>,
    /// What the gateway has sent to it.
    sent_to: DataSize,
    traits: Traits,
    reports: u32,
    joined: Option<Instant>,
    stage: Stage,
}

enum Stage {
    /// Joins when the story goes on.
    Outside,
    InCall(Box<Browser>),
    Gone,
}

/// A story in the making.
pub struct Scenario {
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
    bottlenecks: Vec<Bottleneck>,
    transfers: Vec<TcpFlow>,
    recorder: Option<Recorder>,
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
    pub fn new(seed: u64) -> Self {
        Self::in_mode(seed, HdMode::Equivalent)
    }

    /// The same, where the operator chose this mode.
    pub fn in_mode(seed: u64, hd_mode: HdMode) -> Self {
        Self::under(seed, hd_mode, AdaptationPolicy::default())
    }

    /// The same, where these rules choose the pictures.
    pub fn under(seed: u64, hd_mode: HdMode, adaptation: AdaptationPolicy) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant can only be made by the clock; its value is never used"
        )]
        let origin = Instant::now();
        let config = SfuConfig {
            candidates: vec![SocketAddr::from(GATEWAY)],
            hd_mode,
            adaptation,
            video_codecs: CodecPreference::default(),
            site_profiles: NetworkClass::ALL.into_iter().filter_map(site_profile).collect(),
            accept_unattested_5g: false,
        };
        let seed = seed + sweep();
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
            bottlenecks: Vec::new(),
            transfers: Vec::new(),
            recorder: None,
            spraying: None,
            strayed: HashMap::new(),
        }
    }

    /// Somebody who joins when the story goes on; what follows describes them.
    pub fn participant(mut self, name: &str) -> Self {
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
            traits: Traits {
                role: role_of(name),
                tile_lines: 720,
                camera_lines: 720,
                network_cost: UNKNOWN_COST,
                redundancy: true,
            },
            network: NetworkClass::Unknown,
            behind: None,
            sent_to: DataSize::ZERO,
            reports: 0,
            joined: None,
            stage: Stage::Outside,
        });
        self
    }

    fn newcomer(&mut self) -> &mut Person {
        self.people.last_mut().expect("a participant is described after it is named")
    }

    /// The same link in both directions.
    pub fn on(self, link: LinkSettings) -> Self {
        self.on_links(link.clone(), link)
    }

    /// An uplink and a downlink.
    pub fn on_links(mut self, uplink: LinkSettings, downlink: LinkSettings) -> Self {
        self.newcomer().links = (uplink, downlink);
        self
    }

    /// On a network that the operator vouches for: its address is in a range of that class.
    pub fn class(mut self, class: NetworkClass) -> Self {
        let index = self.people.len() - 1;
        let newcomer = self.newcomer();
        newcomer.address = address(class, index, 0);
        newcomer.network = class;
        newcomer.traits.network_cost = cost_of(class);
        self
    }

    /// With the network cost that its browser tells in connectivity checks.
    pub fn network_cost(mut self, cost: u16) -> Self {
        self.newcomer().traits.network_cost = cost;
        self
    }

    /// Shows others in tiles of so many lines.
    pub fn with_tiles_of(mut self, lines: u16) -> Self {
        self.newcomer().traits.tile_lines = lines;
        self
    }

    /// With a camera of so many lines.
    pub fn with_camera_of(mut self, lines: u16) -> Self {
        self.newcomer().traits.camera_lines = lines;
        self
    }

    /// In a browser whose voices carry nothing twice.
    pub fn without_redundancy(mut self) -> Self {
        self.newcomer().traits.redundancy = false;
        self
    }

    /// Changes both directions of somebody's link.
    pub fn change(self, name: &str, link: LinkSettings) -> Self {
        self.change_uplink(name, link.clone()).change_downlink(name, link)
    }

    /// Changes somebody's uplink.
    pub fn change_uplink(mut self, name: &str, link: LinkSettings) -> Self {
        let now = self.now;
        self.person(name).uplink.set(now, link);
        self
    }

    /// Changes somebody's downlink.
    pub fn change_downlink(mut self, name: &str, link: LinkSettings) -> Self {
        let now = self.now;
        self.person(name).downlink.set(now, link);
        self
    }

    /// Somebody's device goes over to another network: another address, another class.
    pub fn hand_over(mut self, name: &str, class: NetworkClass) -> Self {
        let now = self.now;
        let index = self.index_of(name);
        let person = &mut self.people[index];
        self.people_by_address.remove(&person.address);
        person.address = address(class, index, person.address.port() - FIRST_PORT + 1);
        person.network = class;
        if let Stage::InCall(browser) = &mut person.stage {
            browser.move_to_network(now, cost_of(class));
        }
        self.people_by_address.insert(person.address, index);
        self
    }

    /// Somebody's page or shell reports the network it is on.
    pub fn reports(mut self, name: &str, class: NetworkClass) -> Self {
        let person = self.person(name);
        person.reports += 1;
        let report = NetworkReport::plain(ReportSource::Shell, class, person.reports);
        if let Stage::InCall(browser) = &mut person.stage {
            browser.command(MediaAction::Report(report));
        }
        self
    }

    /// Somebody leaves for good.
    pub fn leave(mut self, name: &str) -> Self {
        let index = self.index_of(name);
        let person = &mut self.people[index];
        person.stage = Stage::Gone;
        let command = MediaCommand { room: self.room, participant: person.id, action: MediaAction::Leave };
        self.sfu.handle_command(self.now, command);
        self.settle();
        self
    }

    /// From here on, a stranger's datagrams reach the gateway, one of them every `interval`, in turn.
    pub fn sprayed_with(mut self, datagrams: Vec<(SocketAddr, Vec<u8>)>, interval: Duration) -> Self {
        self.spraying = Some(Spray { datagrams, interval, next: self.now, count: 0 });
        self
    }

    /// The address that somebody is seen at.
    pub fn address_of(&self, name: &str) -> SocketAddr {
        self.people[self.index_of(name)].address
    }

    /// Datagrams that the gateway has sent to an address where nobody of the story is.
    pub fn sent_to(&self, address: SocketAddr) -> usize {
        self.strayed.get(&address).copied().unwrap_or_default()
    }

    /// The media plane's own counts.
    pub fn counters(&self) -> &sfu::counters::Counters {
        self.sfu.counters()
    }

    /// What is there at this moment.
    pub fn census(&self) -> sfu::counters::Census {
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
    pub fn run_for(mut self, duration: Duration) -> Self {
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
            person.joined = Some(self.now);
            person.stage = Stage::InCall(Box::new(browser));
        }
    }

    /// Asserts what somebody experienced since the last [`Self::run_for`] began.
    #[track_caller]
    pub fn expect(self, name: &str, expectation: impl Expectation) -> Self {
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

/// `STORY_SWEEP=n` tells every story with another seed.
fn sweep() -> u64 {
    std::env::var("STORY_SWEEP").ok().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 100
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
