//! The devices that the operator is asked about: whom to ask next and for what, what to make of the answers,
//! and what to tell the rooms. It does no IO and reads no clock.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, RoomId};
use protocol::network_class::NetworkClass;
use sfu::sfu::Path;

use super::circuit_breaker::CircuitBreaker;
use super::cloud_event::{News, OperatorEvent};
use super::config::OperatorConfig;
use super::outcome::EventOutcome;

/// Devices that are watched at once: one per participant of a node that carries as many as it can.
const MAX_DEVICES: usize = 10_000;

/// A subscription is renewed when this share of its lifetime has passed.
const RENEWAL: f64 = 0.8;

/// The classifier forgets the operator's word after a minute: while events would tell of a change, the last one
/// is said again.
const RETELL: Duration = Duration::from_secs(30);

/// While a subscription is there, the device is asked about all the same now and then: events get lost.
const CHECK_ON_EVENTS: Duration = Duration::from_secs(600);

/// A device that the operator does not know is not asked about again for this long.
const UNKNOWN_DEVICE_PAUSE: Duration = Duration::from_secs(600);

/// Pauses after a failure: doubled with each in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A pause that the operator asks for is believed up to this.
const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(600);

/// A device, as long as its address stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceKey(u64);

/// What to ask the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Which network is the device on?
    Retrieve { device: SocketAddr },
    /// Tell of every change.
    Subscribe { device: SocketAddr },
    /// Stop that.
    Unsubscribe { subscription: String },
}

/// What the operator answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The device is on this network.
    NetworkType(NetworkClass),
    /// Events will come, for so long.
    Subscribed { subscription: String, lifetime: Duration },
    /// They will not come any more.
    Unsubscribed,
    /// It does not know the device, or cannot tell.
    UnknownDevice,
    /// Ask less often; it may say when to ask again.
    TooMany { after: Option<Duration> },
    /// It refused for another reason; to ask the same again is of no use.
    Refused,
    /// It failed, or could not be reached.
    Failed,
}

/// What shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Ask, and hand the answer to [`Watchlist::handle_answer`].
    Ask { key: DeviceKey, question: Question },
    /// Tell a room.
    Tell { room: RoomId, participant: ParticipantId, class: NetworkClass },
}

/// A device of a participant.
#[derive(Debug)]
struct Device {
    room: RoomId,
    participant: ParticipantId,
    address: SocketAddr,
    /// What is said of it at this moment.
    told: Option<(NetworkClass, Instant)>,
    ask_at: Instant,
    is_asking: bool,
    failures: u32,
    subscription: Option<Subscription>,
    /// When to subscribe; `None` where there is no use in it.
    subscribe_at: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Subscription {
    id: String,
    /// The time of the latest event, as the operator's clock has it.
    latest: i64,
}

/// Everybody that the operator is asked about.
#[derive(Debug)]
pub(crate) struct Watchlist {
    config: OperatorConfig,
    devices: HashMap<DeviceKey, Device>,
    key_by_participant: HashMap<ParticipantId, DeviceKey>,
    key_by_subscription: HashMap<String, DeviceKey>,
    last_key: u64,
    asking: usize,
    breaker: CircuitBreaker,
    /// Subscriptions that nobody needs any more.
    abandoned: VecDeque<String>,
    outputs: VecDeque<Output>,
    refused: u64,
}

impl Watchlist {
    pub(crate) fn new(config: OperatorConfig) -> Self {
        Self {
            config,
            devices: HashMap::new(),
            key_by_participant: HashMap::new(),
            key_by_subscription: HashMap::new(),
            last_key: 0,
            asking: 0,
            breaker: CircuitBreaker::new(),
            abandoned: VecDeque::new(),
            outputs: VecDeque::new(),
            refused: 0,
        }
    }

    /// A participant's media comes from another address, or no longer from any.
    pub(crate) fn handle_path(&mut self, now: Instant, path: Path) {
        let Path { room, participant, address } = path;
        let address = address.filter(|address| self.config.covers(address.ip()));
        let known = self.key_by_participant.get(&participant).copied();
        let before = known.and_then(|key| self.devices.get(&key)).map(|device| device.address);
        if before == address {
            return;
        }
        if let Some(device) = known.and_then(|key| self.forget(key))
            && address.is_none()
            && device.told.is_some()
        {
            // Off this operator's network, its word does not count any more.
            self.outputs.push_back(Output::Tell { room, participant, class: NetworkClass::Unknown });
        }
        let Some(address) = address else { return self.handle_timeout(now) };
        if self.devices.len() >= MAX_DEVICES {
            self.refused += 1;
            return;
        }
        self.last_key += 1;
        let key = DeviceKey(self.last_key);
        self.key_by_participant.insert(participant, key);
        let device = Device {
            room,
            participant,
            address,
            told: None,
            ask_at: now,
            is_asking: false,
            failures: 0,
            subscription: None,
            subscribe_at: self.config.events.then_some(now),
        };
        self.devices.insert(key, device);
        self.handle_timeout(now);
    }

    /// The operator answered a question about a device, which may be gone by now.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        key: DeviceKey,
        question: &Question,
        answer: Answer,
    ) {
        self.asking = self.asking.saturating_sub(1);
        match answer {
            Answer::Failed => self.breaker.handle_failure(now),
            _ => self.breaker.handle_success(),
        }
        if let Question::Unsubscribe { .. } = question {
            return self.handle_timeout(now);
        }
        match (self.devices.get_mut(&key), answer) {
            (None, Answer::Subscribed { subscription, .. }) => self.abandon(subscription),
            (None, _) => {}
            (Some(device), answer) => {
                device.is_asking = false;
                self.settle(now, key, question, answer);
            }
        }
        self.handle_timeout(now);
    }

    fn settle(&mut self, now: Instant, key: DeviceKey, question: &Question, answer: Answer) {
        let poll = if self.has_events(key) { CHECK_ON_EVENTS } else { self.config.poll_interval.0 };
        let Some(device) = self.devices.get_mut(&key) else { return };
        let pause = match answer {
            Answer::NetworkType(class) => {
                device.failures = 0;
                device.ask_at = now + poll;
                self.tell(now, key, class);
                return;
            }
            Answer::Subscribed { subscription, lifetime } => {
                device.failures = 0;
                let latest = device.subscription.as_ref().map_or(i64::MIN, |before| before.latest);
                device.subscribe_at = Some(now + lifetime.mul_f64(RENEWAL));
                let renewed = Subscription { id: subscription.clone(), latest };
                let replaced = device.subscription.replace(renewed);
                device.ask_at = device.ask_at.max(now + CHECK_ON_EVENTS);
                self.key_by_subscription.insert(subscription, key);
                if let Some(replaced) = replaced {
                    self.abandon(replaced.id);
                }
                return;
            }
            // Nothing more can be learned of it; what was told before fades by itself.
            Answer::UnknownDevice => {
                if device.told.is_some() {
                    self.tell(now, key, NetworkClass::Unknown);
                }
                UNKNOWN_DEVICE_PAUSE
            }
            Answer::Refused => UNKNOWN_DEVICE_PAUSE,
            Answer::TooMany { after } => {
                device.failures = device.failures.saturating_add(1);
                after.unwrap_or_default().min(LONGEST_ASKED_PAUSE).max(pause_after(device.failures, key))
            }
            Answer::Failed | Answer::Unsubscribed => {
                device.failures = device.failures.saturating_add(1);
                pause_after(device.failures, key)
            }
        };
        let Some(device) = self.devices.get_mut(&key) else { return };
        match question {
            Question::Retrieve { .. } => device.ask_at = now + pause,
            Question::Subscribe { .. } => {
                device.subscribe_at = device.subscribe_at.map(|_| now + pause);
                if device.subscription.is_none() {
                    device.ask_at = device.ask_at.min(now + self.config.poll_interval.0);
                }
            }
            Question::Unsubscribe { .. } => {}
        }
    }

    /// The operator sent an event.
    pub(crate) fn handle_event(&mut self, now: Instant, event: &OperatorEvent) -> EventOutcome {
        let Some(key) = self.key_by_subscription.get(&event.subscription).copied() else {
            return EventOutcome::UnknownSubscription;
        };
        let Some(device) = self.devices.get_mut(&key) else { return EventOutcome::UnknownSubscription };
        let Some(subscription) = device.subscription.as_mut() else {
            return EventOutcome::UnknownSubscription;
        };
        match event.news {
            News::NetworkType(_) if event.at <= subscription.latest => return EventOutcome::Old,
            News::NetworkType(class) => {
                subscription.latest = event.at;
                self.tell(now, key, class);
            }
            News::Ended => {
                device.subscription = None;
                device.subscribe_at = Some(now);
                device.ask_at = now;
                self.key_by_subscription.remove(&event.subscription);
            }
            News::Nothing => {}
        }
        self.handle_timeout(now);
        EventOutcome::Taken
    }

    /// Time has passed: asks what is due, as far as is allowed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.retell(now);
        while self.asking < self.config.max_concurrent_requests {
            let Some((key, question)) = self.due(now) else { return };
            if !self.breaker.admits(now) {
                if let Question::Unsubscribe { subscription } = question {
                    self.abandoned.push_front(subscription);
                }
                return;
            }
            if let Some(device) = self.devices.get_mut(&key) {
                device.is_asking = true;
            }
            self.asking += 1;
            self.outputs.push_back(Output::Ask { key, question });
        }
    }

    /// When to call [`Self::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let asks = self.devices.values().filter(|device| !device.is_asking).map(Device::due_at).min();
        let asks = asks.filter(|_| self.asking < self.config.max_concurrent_requests);
        // Nobody asks before the breaker admits it; while one tries, its outcome wakes the rest.
        let asks = match (self.breaker.is_open(), self.breaker.opens_at()) {
            (true, Some(opens_at)) if !self.abandoned.is_empty() => Some(opens_at),
            (true, Some(opens_at)) => asks.map(|at| at.max(opens_at)),
            (true, None) => None,
            (false, _) => asks,
        };
        let events = self.devices.values().filter(|device| device.subscription.is_some());
        let retells = events.filter_map(|device| device.told.map(|(_, at)| at + RETELL)).min();
        asks.into_iter().chain(retells).min()
    }

    /// What shall be done next; call until `None`.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The subscriptions that the operator still has: to be ended when the gateway stops.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        self.key_by_subscription.keys().chain(&self.abandoned).cloned().collect()
    }

    /// Devices that are watched.
    pub(crate) fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Whether the operator is spared for its failures.
    pub(crate) fn is_spared(&self) -> bool {
        self.breaker.is_open()
    }

    fn due(&mut self, now: Instant) -> Option<(DeviceKey, Question)> {
        if let Some(subscription) = self.abandoned.pop_front() {
            return Some((DeviceKey(0), Question::Unsubscribe { subscription }));
        }
        let idle = self.devices.iter().filter(|(_, device)| !device.is_asking);
        // Among those that are due, whoever has waited longest.
        let (key, device) = idle.min_by_key(|(key, device)| (device.due_at(), **key))?;
        let device_address = device.address;
        if device.ask_at <= now {
            return Some((*key, Question::Retrieve { device: device_address }));
        }
        let subscribes = device.subscribe_at.is_some_and(|at| at <= now);
        subscribes.then_some((*key, Question::Subscribe { device: device_address }))
    }

    fn retell(&mut self, now: Instant) {
        let stale = self.devices.values_mut().filter(|device| device.subscription.is_some());
        for device in stale {
            if let Some((class, at)) = &mut device.told
                && now.saturating_duration_since(*at) >= RETELL
            {
                *at = now;
                let Device { room, participant, .. } = *device;
                self.outputs.push_back(Output::Tell { room, participant, class: *class });
            }
        }
    }

    fn tell(&mut self, now: Instant, key: DeviceKey, class: NetworkClass) {
        let Some(device) = self.devices.get_mut(&key) else { return };
        device.told = (class != NetworkClass::Unknown).then_some((class, now));
        let Device { room, participant, .. } = *device;
        self.outputs.push_back(Output::Tell { room, participant, class });
    }

    fn has_events(&self, key: DeviceKey) -> bool {
        self.devices.get(&key).is_some_and(|device| device.subscription.is_some())
    }

    fn forget(&mut self, key: DeviceKey) -> Option<Device> {
        let mut device = self.devices.remove(&key)?;
        self.key_by_participant.remove(&device.participant);
        if let Some(subscription) = device.subscription.take() {
            self.abandon(subscription.id);
        }
        Some(device)
    }

    fn abandon(&mut self, subscription: String) {
        self.key_by_subscription.remove(&subscription);
        // Bounded as devices are; what is lost here ends by its own lifetime.
        if self.abandoned.len() < MAX_DEVICES {
            self.abandoned.push_back(subscription);
        }
    }
}

impl Device {
    fn due_at(&self) -> Instant {
        self.subscribe_at.map_or(self.ask_at, |at| at.min(self.ask_at))
    }
}

/// Doubled with each failure in a row, and different for each device, so that they do not all come back at once.
fn pause_after(failures: u32, key: DeviceKey) -> Duration {
    let pause = (FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST_PAUSE);
    let spread = (key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1_u32 << 24);
    pause.mul_f64(0.75 + 0.5 * spread)
}

#[cfg(test)]
#[path = "watchlist_tests.rs"]
mod tests;
