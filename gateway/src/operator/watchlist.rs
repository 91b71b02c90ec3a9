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
mod tests {
    use std::net::IpAddr;

    use NetworkClass::{FiveG, FourG, Unknown};

    use super::*;

    const ROOM: RoomId = RoomId::from_bits(1);

    struct Story {
        now: Instant,
        watchlist: Watchlist,
        asked: Vec<(DeviceKey, Question)>,
        told: Vec<(u128, NetworkClass)>,
    }

    impl Story {
        fn new(events: bool) -> Self {
            let config = OperatorConfig { events, max_concurrent_requests: 2, ..OperatorConfig::default() };
            Self {
                now: Instant::now(),
                watchlist: Watchlist::new(config),
                asked: Vec::new(),
                told: Vec::new(),
            }
        }

        fn drained(&mut self) -> &mut Self {
            while let Some(output) = self.watchlist.poll_output() {
                match output {
                    Output::Ask { key, question } => self.asked.push((key, question)),
                    Output::Tell { participant, class, .. } => self.told.push((participant.bits(), class)),
                }
            }
            self
        }

        fn path(&mut self, participant: u128, address: Option<&str>) -> &mut Self {
            let address = address.map(|address| SocketAddr::new(address.parse::<IpAddr>().unwrap(), 4_000));
            let participant = ParticipantId::from_bits(participant);
            self.watchlist.handle_path(self.now, Path { room: ROOM, participant, address });
            self.drained()
        }

        /// Answers the oldest open question.
        fn answers(&mut self, answer: Answer) -> &mut Self {
            let (key, question) = self.asked.remove(0);
            self.watchlist.handle_answer(self.now, key, &question, answer);
            self.drained()
        }

        /// Time passes by the watchlist's own deadlines.
        fn after(&mut self, seconds: f64) -> &mut Self {
            let until = self.now + Duration::from_secs_f64(seconds);
            while let Some(due) = self.watchlist.poll_timeout().filter(|due| *due <= until) {
                self.now = self.now.max(due);
                self.watchlist.handle_timeout(self.now);
                self.drained();
                assert!(self.watchlist.poll_timeout().is_none_or(|next| next > self.now), "it spins");
            }
            self.now = until;
            self
        }

        fn told(&mut self) -> Vec<(u128, NetworkClass)> {
            std::mem::take(&mut self.told)
        }

        fn event(&mut self, subscription: &str, at: i64, news: News) -> EventOutcome {
            let event = OperatorEvent { subscription: subscription.to_owned(), at, news };
            let outcome = self.watchlist.handle_event(self.now, &event);
            self.drained();
            outcome
        }

        fn subscribed(&mut self, id: &str) -> &mut Self {
            let lifetime = Duration::from_secs(3_600);
            self.answers(Answer::Subscribed { subscription: id.to_owned(), lifetime })
        }
    }

    fn is_retrieval((_, question): &(DeviceKey, Question)) -> bool {
        matches!(question, Question::Retrieve { .. })
    }

    #[test]
    fn a_device_is_asked_about_at_once_and_every_minute() {
        let mut story = Story::new(false);
        story.path(7, Some("1.2.3.4"));
        let device = "1.2.3.4:4000".parse().unwrap();
        assert_eq!(story.asked, [(DeviceKey(1), Question::Retrieve { device })]);
        story.answers(Answer::NetworkType(FiveG));
        assert_eq!(story.told(), [(7, FiveG)]);
        assert!(story.after(59.0).asked.is_empty());
        assert_eq!(story.after(1.0).asked.len(), 1);
        story.answers(Answer::NetworkType(FourG));
        assert_eq!(story.told(), [(7, FourG)]);
        // The same address again is nothing new; another is another device.
        assert!(story.path(7, Some("1.2.3.4")).asked.is_empty());
        assert_eq!(story.path(7, Some("1.2.3.5")).asked.len(), 1);
        assert_eq!(story.watchlist.devices(), 1);
    }

    #[test]
    fn whoever_leaves_the_operators_network_is_forgotten() {
        let mut story = Story::new(false);
        assert!(story.path(7, Some("192.168.0.9")).asked.is_empty(), "not the operator's");
        story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).told();
        story.path(7, Some("192.168.0.9"));
        assert_eq!((story.told(), story.watchlist.devices()), (vec![(7, Unknown)], 0));
        story.path(7, Some("1.2.3.4")).path(7, None);
        story.answers(Answer::NetworkType(FiveG));
        assert_eq!(story.told(), [], "an answer about somebody who is gone");
        assert_eq!(story.watchlist.poll_timeout(), None);
    }

    #[test]
    fn so_many_requests_are_under_way_and_no_more() {
        let mut story = Story::new(false);
        for participant in 1..=5 {
            story.path(participant, Some("1.2.3.4"));
        }
        assert_eq!(story.asked.len(), 2);
        for left in [2, 2, 2, 1, 0] {
            story.answers(Answer::NetworkType(FiveG));
            assert_eq!(story.asked.len(), left);
        }
        assert_eq!(story.told().len(), 5);
    }

    #[test]
    fn failures_make_the_pauses_longer_and_then_spare_the_operator() {
        let mut story = Story::new(false);
        story.path(7, Some("1.2.3.4"));
        let mut pauses = Vec::new();
        for _ in 0..5 {
            let before = story.now;
            story.answers(Answer::Failed);
            while story.asked.is_empty() {
                story.after(0.1);
            }
            pauses.push((story.now - before).as_secs_f64());
        }
        assert!(pauses.windows(2).all(|pair| pair[1] > 1.5 * pair[0]), "{pauses:?}");
        assert!(pauses[4] >= 15.0 && story.watchlist.is_spared(), "{pauses:?}");
        // Nobody else is asked about while one tries.
        assert_eq!(story.path(8, Some("1.2.3.5")).asked.len(), 1);
        story.answers(Answer::NetworkType(FiveG));
        assert!(!story.watchlist.is_spared());
        assert_eq!(story.asked.len(), 1, "the one that waited");
    }

    #[test]
    fn what_the_operator_cannot_tell_is_not_asked_again_soon() {
        for (answer, pause) in [
            (Answer::UnknownDevice, 600.0),
            (Answer::Refused, 600.0),
            (Answer::TooMany { after: Some(Duration::from_secs(90)) }, 90.0),
            (Answer::TooMany { after: Some(Duration::from_secs(100_000)) }, 600.0),
        ] {
            let mut story = Story::new(false);
            story.path(7, Some("1.2.3.4")).answers(answer);
            assert!(story.after(pause - 1.0).asked.is_empty());
            assert_eq!(story.after(1.5).asked.len(), 1);
            assert!(!story.watchlist.is_spared() && story.told().is_empty());
        }
        let mut story = Story::new(false);
        story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).after(60.0);
        story.answers(Answer::UnknownDevice);
        assert_eq!(story.told(), [(7, FiveG), (7, Unknown)]);
    }

    #[test]
    fn with_events_the_last_word_is_said_again_until_the_next() {
        let mut story = Story::new(true);
        story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FourG));
        assert!(matches!(story.asked[0].1, Question::Subscribe { .. }));
        story.subscribed("one");
        assert_eq!(story.told(), [(7, FourG)]);
        story.after(120.0);
        assert_eq!(story.told(), [(7, FourG); 4]);
        assert!(story.asked.is_empty(), "no polls meanwhile");
        assert_eq!(story.event("one", 1_000, News::NetworkType(FiveG)), EventOutcome::Taken);
        assert_eq!(story.event("one", 1_000, News::NetworkType(FourG)), EventOutcome::Old);
        assert_eq!(story.event("one", 999, News::NetworkType(FourG)), EventOutcome::Old);
        assert_eq!(story.event("two", 2_000, News::NetworkType(FourG)), EventOutcome::UnknownSubscription);
        assert_eq!(story.told(), [(7, FiveG)]);
        // Events get lost: now and then it asks all the same.
        story.after(600.0);
        assert!(story.asked.iter().any(is_retrieval));
    }

    #[test]
    fn subscriptions_are_renewed_ended_and_begun_anew() {
        let mut story = Story::new(true);
        story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).subscribed("one");
        while !story.asked.iter().any(|(_, question)| matches!(question, Question::Subscribe { .. })) {
            story.after(1.0);
            if story.asked.first().is_some_and(is_retrieval) {
                story.answers(Answer::NetworkType(FiveG));
            }
        }
        story.subscribed("two");
        assert_eq!(story.asked[0].1, Question::Unsubscribe { subscription: "one".to_owned() });
        story.answers(Answer::Unsubscribed);
        assert_eq!(story.event("one", 1, News::Nothing), EventOutcome::UnknownSubscription);
        assert_eq!(story.event("two", 1, News::Ended), EventOutcome::Taken);
        assert!(is_retrieval(&story.asked[0]), "what happened meanwhile");
        story.answers(Answer::NetworkType(FourG)).subscribed("three");
        assert_eq!(story.watchlist.subscriptions(), ["three"]);
        story.path(7, None);
        assert_eq!(story.asked[0].1, Question::Unsubscribe { subscription: "three".to_owned() });
        story.answers(Answer::Unsubscribed);
        assert!(story.watchlist.subscriptions().is_empty());
    }

    #[test]
    fn without_a_subscription_it_polls() {
        let mut story = Story::new(true);
        story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).answers(Answer::Refused);
        story.after(61.0);
        assert!(story.asked.len() == 1 && is_retrieval(&story.asked[0]), "{:?}", story.asked);
    }
}
