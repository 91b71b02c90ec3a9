//! The decisions of a room by themselves: everybody is measured as a room measures it, and nothing changes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, TrackId};
use protocol::network_class::NetworkClass;
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::track::{Role, TrackSource};
use protocol::units::Bitrate;
use protocol::video_codec::CodecPreference;
use sfu::adapt::{Adaptation, Downlink, DownlinkState, LayerMeasure, Publication, Uplink};
use sfu::config::{SfuConfig, SiteProfile};

/// Participants that publish a camera and follow plans; the others are players.
const CAMERAS: usize = 10;

/// As long as the room's own.
const TICK: Duration = Duration::from_millis(200);

/// Until plans and layers have settled.
const SETTLING_TICKS: u32 = 15;

const RIDS: [&str; 3] = ["low", "mid", "high"];

/// Lines and rate of what arrives of a camera.
const ENCODINGS: [(u16, Bitrate); 3] =
    [(180, Bitrate::kbps(130)), (360, Bitrate::kbps(450)), (720, Bitrate::kbps(1_500))];

pub(crate) struct Decisions {
    now: Instant,
    adaptation: Adaptation,
    participants: Vec<ParticipantId>,
    cameras: Vec<TrackId>,
}

impl Decisions {
    /// A settled room of so many.
    pub(crate) fn new(participants: usize) -> Self {
        let wired = SiteProfile {
            range: "10.0.0.0/8".parse().expect("a range of addresses"),
            class: NetworkClass::Wired,
        };
        let config = SfuConfig {
            candidates: Vec::new(),
            hd_mode: HdMode::Equivalent,
            adaptation: AdaptationPolicy::default(),
            video_codecs: CodecPreference::default(),
            site_profiles: vec![wired],
            accept_unattested_5g: false,
        };
        let mut room = Self {
            now: Instant::now(),
            adaptation: Adaptation::new(&config),
            participants: Vec::new(),
            cameras: Vec::new(),
        };
        (1..=participants).for_each(|number| room.admit(number));
        room.drain();
        (0..SETTLING_TICKS).for_each(|_| room.tick());
        room
    }

    fn admit(&mut self, number: usize) {
        let id = ParticipantId::from_bits(number as u128);
        let [.., high, low] = number.to_be_bytes();
        let address = IpAddr::from(Ipv4Addr::new(10, 0, high, low));
        let (role, steerable) =
            if number <= CAMERAS { (Role::Clinician, true) } else { (Role::Observer, false) };
        self.adaptation.handle_join(self.now, id, role, steerable);
        self.adaptation.handle_address(self.now, id, address);
        self.participants.push(id);
        if number <= CAMERAS {
            let track = TrackId::from_bits(number as u128);
            let rids = RIDS.map(str::to_owned).to_vec();
            let source = TrackSource::Camera;
            let publication = Publication { track, publisher: id, source, mid: "0".to_owned(), rids };
            self.adaptation.handle_publish(self.now, publication);
            self.cameras.push(track);
            for other in 1..number {
                self.subscribe(ParticipantId::from_bits(other as u128), number);
            }
        }
        let subscribed = 0..self.cameras.len();
        subscribed.for_each(|camera| self.subscribe(id, camera + 1));
    }

    /// Everybody but its publisher watches a camera.
    fn subscribe(&mut self, subscriber: ParticipantId, camera: usize) {
        let track = TrackId::from_bits(camera as u128);
        if subscriber != ParticipantId::from_bits(camera as u128) {
            self.adaptation.handle_subscribe(self.now, subscriber, track, 720);
        }
    }

    /// Everything is measured, and then decided anew.
    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        let now = self.now;
        for camera in &self.cameras {
            self.adaptation.handle_layers(now, *camera, &ENCODINGS.map(layer));
        }
        for id in &self.participants {
            self.adaptation.handle_uplink(now, *id, UPLINK);
            self.adaptation.handle_downlink(now, *id, DOWNLINK);
        }
        self.adaptation.handle_timeout(now);
        self.drain();
    }

    fn drain(&mut self) {
        while self.adaptation.poll_output().is_some() {}
    }
}

fn layer((lines, rate): (u16, Bitrate)) -> LayerMeasure {
    LayerMeasure {
        alive: true,
        stalled: false,
        height: Some(lines),
        cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
        temporal_layers: 3,
        frame_rate: 30.0,
    }
}

const UPLINK: Uplink =
    Uplink { rate: Bitrate::kbps(2_080), loss: 0.0, jitter: Duration::from_millis(5), rtt: None };

const DOWNLINK: Downlink = Downlink {
    estimate: Bitrate::mbps(8),
    acknowledged: Bitrate::mbps(4),
    rtt: Duration::from_millis(40),
    loss: 0.0,
    jitter: Duration::from_millis(5),
    queue_delay: Duration::ZERO,
    state: DownlinkState::Steady,
};
