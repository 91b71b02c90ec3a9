//! The adapter against an operator on loopback: from a path to the word that reaches the media plane.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaAction, MediaCommand};
use protocol::network_class::NetworkClass::{self, FiveG, FourG, Unknown};
use protocol::quality::HdMode;
use serde_json::{Value, json};
use sfu::sfu::Path;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::mock_operator::{MockOperator, Mood};
use super::{Adapter, AdapterSetup, OperatorConfig, OperatorHandle, SinkCredential, events_route};
use crate::metrics::Metrics;

/// Real sockets and a real clock: longer than any machine needs, so that only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

const ROOM: RoomId = RoomId::from_bits(1);
const PHONE: &str = "1.2.3.4:40001";

struct Story {
    operator: MockOperator,
    paths: mpsc::Sender<Path>,
    commands: mpsc::Receiver<MediaCommand>,
    metrics: Arc<Metrics>,
    credential: SinkCredential,
    sink: String,
    handle: OperatorHandle,
}

impl Story {
    async fn new(mood: Mood, change: impl FnOnce(&mut OperatorConfig)) -> Self {
        let operator = MockOperator::start(mood).await;
        let mut config = operator.config();
        change(&mut config);
        let metrics = Metrics::new(1, HdMode::default()).expect("metrics");
        let credential = SinkCredential::draw().expect("randomness");
        let (routes, events) = events_route(credential.clone(), Arc::clone(&metrics));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let root = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let (paths, path_receiver) = mpsc::channel(64);
        let (command_sender, commands) = mpsc::channel(64);
        let adapter = Adapter::new(AdapterSetup {
            config,
            public_url: Some(root.clone()),
            credential: credential.clone(),
            paths: path_receiver,
            events,
            commands: command_sender,
            metrics: Arc::clone(&metrics),
        })
        .expect("a client");
        let sink = format!("{root}/operator/events");
        Self { operator, paths, commands, metrics, credential, sink, handle: adapter.start() }
    }

    async fn comes_from(&self, participant: u128, address: Option<&str>) {
        let address: Option<SocketAddr> = address.map(|address| address.parse().expect("an address"));
        let participant = ParticipantId::from_bits(participant);
        self.paths.send(Path { room: ROOM, participant, address }).await.expect("it listens");
    }

    /// Waits until that is told; whatever comes before is passed over.
    async fn is_told(&mut self, participant: u128, class: NetworkClass) {
        let participant = ParticipantId::from_bits(participant);
        let expected = MediaCommand { room: ROOM, participant, action: MediaAction::Operator { class } };
        let comes = async { while self.commands.recv().await.expect("it works") != expected {} };
        timeout(PATIENCE, comes).await.unwrap_or_else(|_| panic!("{class} is never told"));
    }

    async fn eventually(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn metric(&self, series: &str) -> f64 {
        let text = String::from_utf8(self.metrics.render()).expect("text");
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("no {series}"))
    }

    fn requests(&self, request: &str, outcome: &str) -> f64 {
        // Labels are sorted by name.
        self.metric(&format!("tvg_operator_requests_total{{outcome=\"{outcome}\",request=\"{request}\"}}"))
    }

    async fn sends(&self, bearer: &str, body: String) -> u16 {
        let request = reqwest::Client::new().post(&self.sink).bearer_auth(bearer);
        let request = request.header("content-type", "application/cloudevents+json").body(body);
        request.send().await.expect("an answer").status().as_u16()
    }
}

fn event(subscription: &str, second: u32, data: &Value) -> String {
    let mut data = data.clone();
    data["subscriptionId"] = subscription.into();
    let kind =
        if data.get("terminationReason").is_some() { "subscription-ended" } else { "network-type-changed" };
    json!({
        "id": second.to_string(),
        "source": "https://notifications.operator.example",
        "type": format!("org.camaraproject.connected-network-type-subscriptions.v0.{kind}"),
        "specversion": "1.0",
        "time": format!("2026-01-01T00:00:{second:02}Z"),
        "data": data,
    })
    .to_string()
}

#[tokio::test]
async fn a_phone_is_asked_about_by_the_address_that_ice_saw() {
    let mut story = Story::new(Mood::Fine("5G"), |_| {}).await;
    story.comes_from(7, Some(PHONE)).await;
    story.comes_from(8, Some("10.0.0.8:40002")).await;
    story.comes_from(9, Some("[2a00:1450::9]:40003")).await;
    story.is_told(7, FiveG).await;
    story.is_told(9, FiveG).await;
    story.operator.books().mood = Mood::Fine("4G");
    story.is_told(7, FourG).await;
    let devices = story.operator.books().retrieved.clone();
    let expected = [
        json!({ "ipv4Address": { "publicAddress": "1.2.3.4", "publicPort": 40_001 } }),
        json!({ "ipv6Address": "2a00:1450::9" }),
    ];
    assert!(devices.iter().all(|device| expected.contains(device)), "{devices:?}");
    assert_eq!(story.operator.books().tokens_issued, 1, "one token for all");
    story.operator.books().mood = Mood::UnknownDevice;
    story.is_told(7, Unknown).await;
    story.handle.shut_down().await;
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_replaced() {
    let mut story = Story::new(Mood::Fine("5G"), |_| {}).await;
    story.comes_from(7, Some(PHONE)).await;
    story.is_told(7, FiveG).await;
    {
        let mut books = story.operator.books();
        books.token = "another".to_owned();
        books.mood = Mood::Fine("4G");
    }
    story.is_told(7, FourG).await;
    assert_eq!(story.operator.books().tokens_issued, 2);
    assert_eq!(story.metric("tvg_operator_spared"), 0.0);
}

#[tokio::test]
async fn wrong_credentials_ask_for_nothing_but_tokens() {
    let story = Story::new(Mood::Fine("5G"), |config| config.client_id = "stranger".to_owned()).await;
    story.comes_from(7, Some(PHONE)).await;
    story.eventually("it is counted", |story| story.requests("token", "unauthorized") >= 1.0).await;
    assert!(story.operator.books().retrieved.is_empty());
}

#[tokio::test]
async fn every_bad_day_of_the_operator_is_counted_and_told_to_nobody() {
    for (mood, outcome) in [
        (Mood::UnknownDevice, "unknown_device"),
        (Mood::TooMany, "too_many"),
        (Mood::Broken, "server_error"),
        (Mood::Slow, "timeout"),
        (Mood::Garbage, "malformed"),
        (Mood::Fine("6G"), "malformed"),
        (Mood::TooLarge, "too_large"),
        (Mood::Redirect, "refused"),
    ] {
        let mut story = Story::new(mood, |_| {}).await;
        story.comes_from(7, Some(PHONE)).await;
        story.eventually(outcome, |story| story.requests("retrieve", outcome) >= 1.0).await;
        assert!(story.commands.try_recv().is_err(), "{mood:?}");
    }
    let story =
        Story::new(Mood::Broken, |config| config.api_root = Some("http://127.0.0.1:1".to_owned())).await;
    story.comes_from(7, Some(PHONE)).await;
    story.eventually("unreachable", |story| story.requests("retrieve", "unreachable") >= 1.0).await;
}

#[tokio::test]
async fn an_operator_that_fails_is_spared() {
    let story = Story::new(Mood::Broken, |_| {}).await;
    for participant in 1..=20 {
        story.comes_from(participant, Some(PHONE)).await;
    }
    story.eventually("it is spared", |story| story.metric("tvg_operator_spared") == 1.0).await;
    sleep(Duration::from_millis(300)).await;
    let asked = story.operator.books().retrieved.len();
    assert!((5..=5 + 8).contains(&asked), "five in a row and those under way: {asked}");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(story.operator.books().retrieved.len(), asked);
}

#[tokio::test]
async fn a_slow_operator_has_few_requests_at_once() {
    let story = Story::new(Mood::Slow, |config| config.max_concurrent_requests = 3).await;
    for participant in 1..=20 {
        story.comes_from(participant, Some(PHONE)).await;
    }
    story.eventually("some time out", |story| story.requests("retrieve", "timeout") >= 3.0).await;
    // The operator still works on those that the gateway has given up.
    assert!(story.operator.books().most_under_way <= 6);
    assert!(story.metric("tvg_operator_devices") == 20.0);
}

#[tokio::test]
async fn events_are_subscribed_to_taken_and_ended() {
    let mut story = Story::new(Mood::Fine("5G"), |config| config.events = true).await;
    story.comes_from(7, Some(PHONE)).await;
    story.is_told(7, FiveG).await;
    story.eventually("a subscription", |story| story.operator.books().subscriptions.len() == 1).await;
    story.eventually("it is known", |story| story.requests("subscribe", "ok") == 1.0).await;
    let wish = story.operator.books().subscriptions["qs15-0"].clone();
    assert_eq!(wish["sink"], story.sink.as_str());
    assert_eq!(wish["sinkCredential"]["accessToken"], story.credential.reveal());
    assert_eq!(wish["sinkCredential"]["credentialType"], "ACCESSTOKEN");
    assert_eq!(wish["protocol"], "HTTP");
    let device = &wish["config"]["subscriptionDetail"]["device"]["ipv4Address"];
    assert_eq!(device, &json!({ "publicAddress": "1.2.3.4", "publicPort": 40_001 }));

    let credential = story.credential.reveal().to_owned();
    let to_4g = json!({ "connectedNetworkType": "4G" });
    // The answer to the subscription and the first event may cross.
    story.eventually("the subscription counts", |_| true).await;
    sleep(Duration::from_millis(50)).await;
    for (bearer, body, status) in [
        ("wrong", event("qs15-0", 1, &to_4g), 401),
        (credential.as_str(), event("qs15-9", 1, &to_4g), 410),
        (credential.as_str(), "{}".to_owned(), 400),
        (credential.as_str(), " ".repeat(20_000), 413),
    ] {
        assert_eq!(story.sends(bearer, body).await, status);
    }
    assert!(story.commands.try_recv().is_err(), "none of these told anything");
    assert_eq!(story.sends(&credential, event("qs15-0", 5, &to_4g)).await, 204);
    story.is_told(7, FourG).await;
    let older = event("qs15-0", 4, &json!({ "connectedNetworkType": "5G" }));
    assert_eq!(story.sends(&credential, older).await, 204, "it need not be sent again");
    assert!(story.commands.try_recv().is_err(), "but it tells nothing");
    assert_eq!(story.metric("tvg_operator_events_total{outcome=\"old\"}"), 1.0);
    assert_eq!(story.metric("tvg_operator_events_total{outcome=\"unauthorized\"}"), 1.0);

    // The operator ends it: the gateway asks what happened meanwhile, and subscribes anew.
    let over = json!({ "terminationReason": "SUBSCRIPTION_EXPIRED" });
    assert_eq!(story.sends(&credential, event("qs15-0", 9, &over)).await, 204);
    story.is_told(7, FiveG).await;
    story.eventually("another", |story| story.requests("subscribe", "ok") == 2.0).await;
    sleep(Duration::from_millis(50)).await;
    // Who leaves takes the subscription along, and so does a gateway that stops.
    story.comes_from(8, Some("1.2.3.9:40009")).await;
    story.eventually("a third", |story| story.requests("subscribe", "ok") == 3.0).await;
    sleep(Duration::from_millis(50)).await;
    story.comes_from(7, None).await;
    story.is_told(7, Unknown).await;
    story.eventually("it is ended", |story| story.operator.books().ended == ["qs15-1"]).await;
    let operator = story.operator.clone();
    story.handle.shut_down().await;
    assert_eq!(operator.books().ended, ["qs15-1", "qs15-2"]);
}

#[test]
fn no_address_and_no_credential_is_printed() {
    let path = Path { room: ROOM, participant: ParticipantId::from_bits(1), address: PHONE.parse().ok() };
    let credential = SinkCredential::draw().expect("randomness");
    let printed = format!("{path:?} {credential:?}");
    assert!(!printed.contains("1.2.3.4") && !printed.contains(credential.reveal()), "{printed}");
}
