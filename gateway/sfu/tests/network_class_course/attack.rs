//! Attackers in a room: one end is really on a network that is HD-grade, the other says that it is on 5G. Both links
//! are excellent, so that nothing but the class stands between the attacker and HD.

use std::time::{Duration, Instant};

use protocol::attestation::AttestedClaim;
use protocol::id::{ParticipantId, ShellNonce, TrackId};
use protocol::network_class::NetworkClass::{self, Cell, FiveG, FourG, Wifi, Wired};
use protocol::network_class::{NetworkReport, ReportSource};
use protocol::quality::{AdaptationPolicy, HdMode, HdReason};
use protocol::track::{Role, TrackSource};
use protocol::units::Bitrate;
use protocol::video_codec::CodecPreference;
use sfu::adapt::{Adaptation, Downlink, DownlinkState, LayerMeasure, Publication, Uplink};
use sfu::config::{SfuConfig, SiteProfile};

use super::labels::Draw;

/// What the attacker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// None: it is on 5G, and its app says so. It must get HD, or the others prove nothing.
    Honest,
    /// Claims of 5G by everything that anybody may say, as fast as it can.
    UnattestedFlood,
    /// A hint in the link, repeated by the page and an unattested shell.
    Hints,
    /// Signed reports of somebody else on 5G, in another call.
    Replay,
    /// Its own reports of before it made a new transport, on another certificate.
    Transfer,
    /// Its own reports of when it was on 5G, after later ones that said 4G.
    Rollback,
    /// The same, but held back instead of sent, and given out one by one later.
    HeldBack,
    /// A phone on Wi-Fi whose app, mini-program and operator all speak of its 5G radio.
    RadioOnWifi,
    /// Costs that change with every request.
    FlappingCost,
    /// Requests of the network before, replayed after a handover, around claims of 5G.
    ReorderedRequests,
    /// Anything of the above, drawn.
    Anything(u64),
}

impl Attack {
    pub(crate) const ALL: [Self; 9] = [
        Self::UnattestedFlood,
        Self::Hints,
        Self::Replay,
        Self::Transfer,
        Self::Rollback,
        Self::HeldBack,
        Self::RadioOnWifi,
        Self::FlappingCost,
        Self::ReorderedRequests,
    ];

    /// Whether the attacker was on 5G for a moment, and may have had HD for it.
    const fn begins_on_5g(self) -> bool {
        matches!(self, Self::Transfer | Self::HeldBack)
    }

    /// Whether it is on Wi-Fi for all that the browser says: good for HD in `equivalent` mode.
    pub(crate) const fn is_seen_on_wifi(self) -> bool {
        matches!(self, Self::RadioOnWifi | Self::FlappingCost | Self::ReorderedRequests)
    }
}

/// How long an attack goes on.
const TIME: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_millis(100);

/// An honest past is forgiven until here: evidence lasts 10 s and fades for 10 s, and the class dwells.
const PAST: Duration = Duration::from_secs(30);

const DOCTOR: ParticipantId = ParticipantId::from_bits(1);
const ATTACKER: ParticipantId = ParticipantId::from_bits(2);
const OWN: ShellNonce = ShellNonce::from_bits(10);
const FOREIGN: ShellNonce = ShellNonce::from_bits(11);

struct Room {
    started: Instant,
    now: Instant,
    adaptation: Adaptation,
    sequence: u32,
    /// The steps in which a pair had HD permission.
    granted: Vec<Duration>,
}

/// For how many steps of a tenth of a second a pair with the attacker had HD that it should not have had.
pub(crate) fn false_grants(start: Instant, mode: HdMode, attack: Attack) -> usize {
    let mut room = Room::new(start, mode);
    let mut draw = Draw(if let Attack::Anything(seed) = attack { seed } else { 0 });
    while room.now < start + TIME {
        room.attack(attack, &mut draw);
        room.measure();
        if room.adaptation.poll_timeout().is_some_and(|due| due <= room.now) {
            room.adaptation.handle_timeout(room.now);
        }
        room.drain();
        room.now += STEP;
    }
    let past = if attack.begins_on_5g() { PAST } else { Duration::ZERO };
    room.granted.iter().filter(|at| **at >= past).count()
}

fn camera(of: ParticipantId) -> TrackId {
    TrackId::from_bits(100 + of.bits())
}

impl Room {
    fn new(start: Instant, mode: HdMode) -> Self {
        // Beside 5G an honest end on 4G may earn HD in `equivalent` mode; beside a cable only the lie would do.
        let class = match mode {
            HdMode::Strict => FiveG,
            HdMode::Equivalent => Wired,
        };
        let doctors_site = SiteProfile { range: "10.5.0.0/16".parse().expect("a range"), class };
        let config = SfuConfig {
            candidates: Vec::new(),
            hd_mode: mode,
            adaptation: AdaptationPolicy::default(),
            video_codecs: CodecPreference::default(),
            site_profiles: vec![doctors_site],
            accept_unattested_5g: false,
        };
        let mut adaptation = Adaptation::new(&config);
        for (id, address) in [(DOCTOR, "10.5.0.1"), (ATTACKER, "192.0.2.1")] {
            adaptation.handle_join(start, id, Role::Patient, true);
            let rids = ["l", "m", "h"].map(str::to_owned).to_vec();
            let source = TrackSource::Camera;
            let publication = Publication { track: camera(id), publisher: id, source, mid: "1".into(), rids };
            adaptation.handle_publish(start, publication);
            adaptation.handle_address(start, id, address.parse().expect("an address"));
        }
        adaptation.handle_subscribe(start, DOCTOR, camera(ATTACKER), 720);
        adaptation.handle_subscribe(start, ATTACKER, camera(DOCTOR), 720);
        adaptation.handle_shell_nonce(ATTACKER, OWN);
        Self { started: start, now: start, adaptation, sequence: 0, granted: Vec::new() }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.started
    }

    fn every(&self, period: Duration) -> bool {
        self.elapsed().as_millis().is_multiple_of(period.as_millis())
    }

    fn says(&mut self, source: ReportSource, class: NetworkClass) {
        self.sequence += 1;
        let report = NetworkReport::plain(source, class, self.sequence);
        let _ = self.adaptation.handle_report(self.now, ATTACKER, &report);
    }

    fn signs(&mut self, nonce: ShellNonce, sequence: u32, class: NetworkClass, made: Duration) {
        let claim = AttestedClaim { nonce, sequence, class, time_ms: made.as_millis() as u64 };
        let _ = self.adaptation.handle_attested(self.now, ATTACKER, &claim);
    }

    fn checks(&mut self, network: u16, cost: u16) {
        self.adaptation.handle_network_cost(self.now, ATTACKER, network, cost);
    }

    fn attack(&mut self, attack: Attack, draw: &mut Draw) {
        let elapsed = self.elapsed();
        let second = elapsed.as_secs() as u32;
        let (each_second, each_check) =
            (self.every(Duration::from_secs(1)), self.every(Duration::from_millis(2_500)));
        if each_check
            && !matches!(attack, Attack::RadioOnWifi | Attack::FlappingCost | Attack::ReorderedRequests)
        {
            self.checks(1, 900);
        }
        match attack {
            Attack::Honest if each_second => self.signs(OWN, second + 1, FiveG, elapsed),
            Attack::UnattestedFlood => {
                self.says(ReportSource::Shell, FiveG);
                self.says(ReportSource::NetworkInformation, FiveG);
                self.says(ReportSource::Person, FiveG);
            }
            Attack::Hints if each_second => {
                self.says(ReportSource::Person, FiveG);
                self.says(ReportSource::NetworkInformation, Cell);
                self.says(ReportSource::Shell, FiveG);
            }
            Attack::Replay if each_second => self.signs(FOREIGN, second + 1, FiveG, elapsed),
            Attack::Transfer if each_second => {
                if second < 5 {
                    self.signs(OWN, second + 1, FiveG, elapsed);
                } else {
                    self.adaptation.handle_shell_nonce(ATTACKER, FOREIGN);
                    self.signs(OWN, second + 1, FiveG, elapsed);
                }
            }
            Attack::Rollback if each_second => {
                self.signs(OWN, 1_000 + second, FourG, Duration::from_secs(1_000) + elapsed);
                self.signs(OWN, second, FiveG, elapsed);
            }
            Attack::HeldBack if each_second => {
                // The reports of the first five seconds, of which all but one are kept for later.
                if second == 0 {
                    self.signs(OWN, 1, FiveG, elapsed);
                } else if second.is_multiple_of(20) {
                    self.signs(OWN, 1 + second, FiveG, Duration::from_millis(u64::from(second) * 40));
                }
            }
            Attack::RadioOnWifi => {
                if each_check {
                    self.checks(1, 10);
                }
                if each_second {
                    self.signs(OWN, second + 1, FiveG, elapsed);
                    self.says(ReportSource::WechatMiniProgram, FiveG);
                    self.adaptation.handle_operator(self.now, ATTACKER, FiveG);
                }
            }
            Attack::FlappingCost => {
                let costs = [500, 250, 900, 10, 250, 50, 980, 251];
                if self.every(Duration::from_millis(500)) {
                    self.checks(1, costs[(elapsed.as_millis() / 500) as usize % costs.len()]);
                }
            }
            Attack::ReorderedRequests => {
                if self.every(Duration::from_millis(500)) {
                    self.checks(2, 900);
                } else if elapsed > Duration::from_secs(5) {
                    self.checks(1, 10);
                } else {
                    self.checks(1, 0);
                }
                if each_second {
                    self.says(ReportSource::Shell, FiveG);
                }
            }
            Attack::Anything(_) => self.attack_drawn(draw),
            Attack::Honest
            | Attack::Hints
            | Attack::Replay
            | Attack::Transfer
            | Attack::Rollback
            | Attack::HeldBack => {}
        }
    }

    fn attack_drawn(&mut self, draw: &mut Draw) {
        let claimed = [FiveG, FiveG, FiveG, Wifi, FourG, Cell, NetworkClass::Unknown][draw.below(7)];
        let sources = [ReportSource::Shell, ReportSource::NetworkInformation, ReportSource::Person];
        let elapsed = self.elapsed();
        match draw.below(8) {
            0..=3 => self.says(sources[draw.below(3)], claimed),
            4 => self.signs(FOREIGN, draw.below(1_000) as u32, FiveG, elapsed),
            5 => {
                // Genuine, of a phone on 4G, and then everything that it may have signed earlier.
                self.signs(OWN, 10_000 + elapsed.as_millis() as u32, FourG, Duration::from_secs(9) + elapsed);
                self.signs(OWN, draw.below(10_000) as u32, FiveG, Duration::from_secs(draw.below(9) as u64));
            }
            6 => self.checks(1, [900, 900, 50, 999, 901][draw.below(5)]),
            _ => {}
        }
    }

    /// Links without a fault, on which HD flows as soon as it is permitted.
    fn measure(&mut self) {
        let rate = Bitrate::kbps(1_500);
        let (rtt, jitter) = (Duration::from_millis(40), Duration::from_millis(5));
        let lines = [180, 480, 720];
        let layers = lines.map(|lines| LayerMeasure {
            alive: true,
            stalled: false,
            height: Some(lines),
            cumulative: [rate.scaled(0.4), rate.scaled(0.6), rate],
            temporal_layers: 3,
            frame_rate: 30.0,
        });
        for id in [DOCTOR, ATTACKER] {
            self.adaptation.handle_layers(self.now, camera(id), &layers);
            let uplink = Uplink { rate, loss: 0.0, jitter, rtt: Some(rtt) };
            self.adaptation.handle_uplink(self.now, id, uplink);
            let downlink = Downlink {
                estimate: Bitrate::mbps(8),
                acknowledged: rate,
                rtt,
                loss: 0.0,
                jitter,
                queue_delay: Duration::ZERO,
                state: DownlinkState::Steady,
            };
            self.adaptation.handle_downlink(self.now, id, downlink);
        }
    }

    fn drain(&mut self) {
        while self.adaptation.poll_output().is_some() {}
        let pairs = [DOCTOR, ATTACKER].into_iter().flat_map(|id| self.adaptation.quality(id));
        if pairs.into_iter().any(|pair| pair.hd == HdReason::Granted) {
            self.granted.push(self.elapsed());
        }
    }
}
