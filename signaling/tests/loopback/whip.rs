//! WHIP and WHEP over real HTTP, with a media plane that answers as the real one does.

use std::time::Duration;

use crate::support::{Client, Gateway};
use protocol::id::{ParticipantId, RoomId, ShellNonce, TrackId};
use protocol::media_message::{
    Answer, AnsweredMid, MediaAction, MediaReport, NegotiationFailure, Offer, TransportState,
};
use protocol::track::{Role, Track, TrackSource};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use signaling::ice_servers::{IceAccess, IceServers, SiteIceServer};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=sendonly\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\n";

fn track_id(number: u128) -> TrackId {
    TrackId::from_bits(number)
}

fn answer_text(ufrag: &str) -> String {
    format!(
        "v=0\r\na=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:secret\r\n\
         a=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host\r\n"
    )
}

/// What the media plane is asked to negotiate next; it answers with that.
async fn negotiation(
    gateway: &mut Gateway,
    outcome: Result<&str, NegotiationFailure>,
) -> (RoomId, ParticipantId, Offer) {
    loop {
        let command = gateway.next_command().await;
        let MediaAction::Negotiate { negotiation, offer } = command.action else { continue };
        let published = offer.tracks.iter().zip(1_u128..);
        let tracks = published
            .map(|(line, number)| AnsweredMid { mid: line.mid.clone(), track: track_id(number) })
            .collect();
        let outcome = outcome.map(|ufrag| Answer {
            sdp: answer_text(ufrag),
            tracks,
            shell_nonce: ShellNonce::from_bits(5),
        });
        let report = MediaReport::Negotiated { participant: command.participant, negotiation, outcome };
        gateway.report(command.room, report).await;
        return (command.room, command.participant, offer);
    }
}

fn post(gateway: &Gateway, path: &str, token: &str, sdp: &str) -> reqwest::RequestBuilder {
    let url = gateway.url(path);
    let post = reqwest::Client::new().post(url).header("content-type", "application/sdp");
    post.bearer_auth(token).body(sdp.to_owned())
}

fn resource(gateway: &Gateway, method: &str, path: &str, token: &str) -> reqwest::RequestBuilder {
    let method = method.parse().expect("a method");
    reqwest::Client::new().request(method, gateway.url(path)).bearer_auth(token)
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    let body: Value = response.json().await.expect("JSON");
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn tokens(gateway: &Gateway) -> Vec<String> {
    let roles = ["clinician", "device", "observer"].map(|role| json!({"role": role}));
    gateway.invite(&json!({"participants": roles})).await
}

async fn told(client: &mut Client, kind: &str) -> Value {
    loop {
        let event = client.event().await;
        if event["type"] == kind {
            return event;
        }
    }
}

/// A device publishes: the response, and where its media plane is.
async fn publish(gateway: &mut Gateway, token: &str) -> (Response, RoomId, ParticipantId, Offer) {
    let asked = tokio::spawn(post(gateway, "/whip", token, OFFER).send());
    let (room, participant, offer) = negotiation(gateway, Ok("first")).await;
    (asked.await.expect("a task").expect("an answer"), room, participant, offer)
}

#[tokio::test]
async fn a_device_publishes_until_it_deletes() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let mut doctor = gateway.join(&tokens[0], "Dr. Li").await;
    let (made, _, _, offer) = publish(&mut gateway, &tokens[1]).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(header(&made, "content-type"), "application/sdp");
    assert_eq!(header(&made, "etag"), "\"first\"");
    assert_eq!(header(&made, "access-control-allow-origin"), "*");
    let location = header(&made, "location").to_owned();
    assert!(location.starts_with("/whip/"), "{location}");
    assert_eq!(made.text().await.expect("a body"), answer_text("first"));
    let sources: Vec<_> = offer.tracks.iter().map(|line| (line.mid.as_str(), line.source)).collect();
    assert_eq!(sources, [("0", TrackSource::Microphone), ("1", TrackSource::Camera)]);
    let joined = told(&mut doctor, "participant_joined").await;
    assert_eq!((&joined["role"], &joined["name"]), (&"device".into(), &"device".into()));

    let stranger = resource(&gateway, "DELETE", &location, &tokens[0]).send().await.expect("an answer");
    assert_eq!(problem(stranger).await, (404, "not_found".to_owned()), "it is another's");
    let ended = resource(&gateway, "DELETE", &location, &tokens[1]).send().await.expect("an answer");
    assert_eq!(ended.status(), StatusCode::OK);
    told(&mut doctor, "participant_left").await;
    let again = resource(&gateway, "DELETE", &location, &tokens[1]).send().await.expect("an answer");
    assert_eq!(problem(again).await, (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_patch_takes_candidates_and_restarts_ice() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let (made, ..) = publish(&mut gateway, &tokens[1]).await;
    let location = header(&made, "location").to_owned();
    let url = gateway.url(&location);
    let patch = |condition: Option<&'static str>, fragment: &'static str| {
        let patch = reqwest::Client::new().patch(&url).bearer_auth(&tokens[1]);
        let patch = patch.header("content-type", "application/trickle-ice-sdpfrag").body(fragment);
        match condition {
            Some(condition) => patch.header("if-match", condition),
            None => patch,
        }
    };
    let candidates = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:1 1 udp 1 192.0.2.9 1 typ host\r\n";
    let restart = "a=ice-ufrag:wxyz\r\na=ice-pwd:1098765432109876543210\r\n";
    let noted = patch(Some("\"first\""), candidates).send().await.expect("an answer");
    assert_eq!(noted.status(), StatusCode::NO_CONTENT);
    for (condition, fragment, expected) in [
        (None, candidates, (428, "precondition_required")),
        (Some("\"other\""), candidates, (412, "precondition_failed")),
        (Some("*"), "a=ice-ufrag:wxyz\r\n", (422, "invalid_field")),
        (Some("*"), "a=candidate:1 1 udp 1 192.0.2.9 1 typ host\r\n", (422, "invalid_field")),
    ] {
        let refused = patch(condition, fragment).send().await.expect("an answer");
        let (status, code) = problem(refused).await;
        assert_eq!((status, code.as_str()), expected);
    }
    let asked = tokio::spawn(patch(Some("*"), restart).send());
    let (_, _, offer) = negotiation(&mut gateway, Ok("second")).await;
    assert!(offer.sdp.contains("a=ice-ufrag:wxyz\r\na=ice-pwd:1098765432109876543210\r\n"), "{}", offer.sdp);
    assert_eq!(offer.tracks.len(), 2, "it publishes what it did");
    let restarted = asked.await.expect("a task").expect("an answer");
    assert_eq!((restarted.status(), header(&restarted, "etag")), (StatusCode::OK, "\"second\""));
    assert_eq!(header(&restarted, "content-type"), "application/trickle-ice-sdpfrag");
    let fragment = restarted.text().await.expect("a body");
    let again = patch(Some("*"), restart).send().await.expect("an answer");
    assert_eq!(
        (again.status(), header(&again, "etag")),
        (StatusCode::OK, "\"second\""),
        "its answer was lost"
    );
    assert_eq!(again.text().await.expect("a body"), fragment);
    assert!(fragment.contains("a=ice-ufrag:second\r\n") && fragment.contains("a=candidate:1 "), "{fragment}");
}

/// Lets a device publish a voice and a picture; returns its room.
async fn on_air(gateway: &mut Gateway, token: &str) -> RoomId {
    let (_, room, publisher, _) = publish(gateway, token).await;
    for (number, source) in [(1, TrackSource::Microphone), (2, TrackSource::Camera)] {
        let track = Track { id: track_id(number), publisher, source, muted: false };
        gateway.report(room, MediaReport::TrackPublished(track)).await;
    }
    room
}

/// A player begins: the response, who it is, and what it was offered.
async fn watch(gateway: &mut Gateway, token: &str) -> (Response, ParticipantId, Offer) {
    let asked = tokio::spawn(post(gateway, "/whep", token, &watching()).send());
    let (_, player, offer) = negotiation(gateway, Ok("player")).await;
    (asked.await.expect("a task").expect("an answer"), player, offer)
}

fn watching() -> String {
    OFFER.replace("a=sendonly", "a=recvonly")
}

/// Waits until there is no such resource any more. A resource that ends by itself does so a moment later; asking with
/// candidates changes nothing.
async fn until_gone(gateway: &Gateway, location: &str, token: &str) {
    let ask = || {
        let ask = resource(gateway, "PATCH", location, token).header("if-match", "\"none\"");
        ask.header("content-type", "application/trickle-ice-sdpfrag").send()
    };
    let gone = async { while ask().await.expect("an answer").status() != StatusCode::NOT_FOUND {} };
    tokio::time::timeout(Duration::from_secs(8), gone).await.expect("it ends");
}

#[tokio::test]
async fn a_player_is_an_observer_who_gets_what_there_is() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    on_air(&mut gateway, &tokens[1]).await;
    let mut doctor = gateway.join(&tokens[0], "Dr. Li").await;
    for _ in 0..2 {
        let (made, _, offer) = watch(&mut gateway, &tokens[2]).await;
        let got: Vec<_> = offer.subscriptions.iter().map(|line| (line.mid.as_str(), line.track)).collect();
        assert_eq!(got, [("0", track_id(1)), ("1", track_id(2))]);
        assert_eq!(made.status(), StatusCode::CREATED);
        assert!(header(&made, "location").starts_with("/whep/"));
        let joined = told(&mut doctor, "participant_joined").await;
        let (role, name) = (&joined["role"], &joined["name"]);
        assert_eq!(
            (role, name),
            (&Role::Observer.as_str().into(), &"▶ observer".into()),
            "who watches is seen"
        );
    }
}

#[tokio::test]
async fn who_finds_nothing_to_play_disturbs_nobody() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let mut doctor = gateway.join(&tokens[0], "Dr. Li").await;
    let nothing = post(&gateway, "/whep", &tokens[2], &watching()).send().await.expect("an answer");
    assert_eq!(header(&nothing, "retry-after"), "1");
    assert_eq!(problem(nothing).await, (409, "nothing_published".to_owned()));
    publish(&mut gateway, &tokens[1]).await;
    assert_eq!(told(&mut doctor, "participant_joined").await["role"], "device", "the first that came");
}

#[tokio::test]
async fn a_player_ends_with_the_last_that_it_plays() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let room = on_air(&mut gateway, &tokens[1]).await;
    let mut doctor = gateway.join(&tokens[0], "Dr. Li").await;
    let (made, ..) = watch(&mut gateway, &tokens[2]).await;
    let location = header(&made, "location").to_owned();
    let publisher = ParticipantId::from_bits(0);
    for (number, source) in [(1, TrackSource::Microphone), (2, TrackSource::Camera)] {
        let track = Track { id: track_id(number), publisher, source, muted: false };
        gateway.report(room, MediaReport::TrackUnpublished(track)).await;
    }
    assert_eq!(told(&mut doctor, "participant_left").await["type"], "participant_left");
    until_gone(&gateway, &location, &tokens[2]).await;
}

#[tokio::test]
async fn players_and_people_have_places_of_their_own() {
    let mut gateway =
        Gateway::start_with(|config| (config.max_participants, config.max_viewers) = (3, 2)).await;
    let tokens = tokens(&gateway).await;
    on_air(&mut gateway, &tokens[1]).await;
    for _ in 0..2 {
        assert_eq!(watch(&mut gateway, &tokens[2]).await.0.status(), StatusCode::CREATED);
    }
    let full = post(&gateway, "/whep", &tokens[2], &watching()).send().await.expect("an answer");
    let (status, body): (_, Value) = (full.status(), full.json().await.expect("JSON"));
    let told = (status.as_u16(), body["code"].as_str(), body["detail"].as_str());
    assert_eq!(told, (409, Some("room_full"), Some("as many watch as may")));
    gateway.join(&tokens[0], "Dr. Li").await;
    gateway.join(&tokens[2], "Student").await;
}

/// The secret of TURN servers in tests.
const TURN_SECRET: &str = "north star of the clinic";

async fn with_turn() -> Gateway {
    let url = |text: &str| text.parse().expect("a URL");
    let servers = vec![
        SiteIceServer { urls: vec![url("stun:stun.example.org")], access: IceAccess::Open },
        SiteIceServer {
            urls: vec![url("turn:turn.example.org?transport=tcp")],
            access: IceAccess::Secret(TURN_SECRET.to_owned().into()),
        },
    ];
    let servers = IceServers::new(servers, Duration::from_secs(3_600)).expect("servers");
    Gateway::start_with(|config| config.ice_servers = servers).await
}

/// Every `Link` of an answer.
fn links(response: &Response) -> Vec<String> {
    let links = response.headers().get_all("link").iter();
    links.map(|value| value.to_str().expect("text").to_owned()).collect()
}

fn turn_link(links: &[String]) -> &str {
    let [stun, turn] = links else { panic!("two servers: {links:?}") };
    assert_eq!(stun, r#"<stun:stun.example.org>; rel="ice-server""#);
    let told = turn.strip_prefix(r#"<turn:turn.example.org?transport=tcp>; rel="ice-server"; username=""#);
    let told = told.and_then(|rest| rest.strip_suffix(r#""; credential-type="password""#));
    told.unwrap_or_else(|| panic!("not of the form of RFC 9725: {turn}"))
}

#[tokio::test]
async fn who_is_let_in_is_told_of_the_turn_servers() {
    let mut gateway = with_turn().await;
    let tokens = tokens(&gateway).await;
    let mut doctor = gateway.connect().await;
    let welcome = doctor.hello(&tokens[0]).await;
    let (stun, turn) = (&welcome["ice_servers"][0], &welcome["ice_servers"][1]);
    assert_eq!(stun, &json!({"urls": ["stun:stun.example.org"]}));
    let username = turn["username"].as_str().expect("a name");
    let of_doctor = welcome["participant"].as_str().expect("an id");
    assert!(username.ends_with(&format!(":{of_doctor}")), "{username}");

    let (made, ..) = publish(&mut gateway, &tokens[1]).await;
    assert!(header(&made, "access-control-expose-headers").contains("link"));
    let of_device = links(&made);
    assert!(!turn_link(&of_device).contains(of_doctor), "each has its own");
    let asked = resource(&gateway, "OPTIONS", "/whep", &tokens[2]).send().await.expect("an answer");
    assert_eq!(asked.status(), StatusCode::NO_CONTENT);
    turn_link(&links(&asked));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_of_no_turn_server() {
    let gateway = with_turn().await;
    let preflight =
        reqwest::Client::new().request("OPTIONS".parse().expect("a method"), gateway.url("/whip"));
    let preflight = preflight.send().await.expect("an answer");
    assert_eq!((preflight.status(), links(&preflight)), (StatusCode::NO_CONTENT, Vec::new()));
    let stranger = resource(&gateway, "OPTIONS", "/whip", "no-token").send().await.expect("an answer");
    assert_eq!(links(&stranger), Vec::<String>::new());
    assert_eq!(problem(stranger).await, (401, "unauthorized".to_owned()));
}

#[tokio::test]
async fn a_resource_ends_with_its_media() {
    for state in [TransportState::Failed, TransportState::Closed] {
        let mut gateway = Gateway::start().await;
        let tokens = tokens(&gateway).await;
        let mut doctor = gateway.join(&tokens[0], "Dr. Li").await;
        let (made, room, participant, _) = publish(&mut gateway, &tokens[1]).await;
        let location = header(&made, "location").to_owned();
        told(&mut doctor, "participant_joined").await;
        gateway.report(room, MediaReport::Transport { participant, state }).await;
        told(&mut doctor, "participant_left").await;
        until_gone(&gateway, &location, &tokens[1]).await;
    }
}

#[tokio::test]
async fn an_offer_that_is_refused_throws_nobody_out() {
    let gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let mut doctor = gateway.join(&tokens[0], "Dr. Li").await;
    let refused = post(&gateway, "/whip", &tokens[0], "").send().await.expect("an answer");
    assert_eq!(problem(refused).await, (422, "offer_rejected".to_owned()));
    assert_eq!(doctor.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_link_that_publishes_anew_takes_over() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let (first, ..) = publish(&mut gateway, &tokens[1]).await;
    let (second, ..) = publish(&mut gateway, &tokens[1]).await;
    let (first, second) = (header(&first, "location").to_owned(), header(&second, "location").to_owned());
    assert_ne!(first, second);
    until_gone(&gateway, &first, &tokens[1]).await;
    let new = resource(&gateway, "DELETE", &second, &tokens[1]).send().await.expect("an answer");
    assert_eq!(new.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    let no_type = gateway.url("/whip");
    let no_type = reqwest::Client::new().post(no_type).bearer_auth(&tokens[1]).body(OFFER).send();
    assert_eq!(problem(no_type.await.expect("an answer")).await, (415, "unsupported_media_type".to_owned()));
    let no_token =
        reqwest::Client::new().post(gateway.url("/whip")).header("content-type", "application/sdp");
    let no_token = no_token.body(OFFER).send().await.expect("an answer");
    assert_eq!(header(&no_token, "www-authenticate"), "Bearer");
    assert_eq!(problem(no_token).await, (401, "unauthorized".to_owned()));
    let watch = OFFER.replace("a=sendonly", "a=recvonly");
    for (path, token, sdp, expected) in [
        ("/whip", "no-token", OFFER, (401, "unauthorized")),
        ("/whip", &*tokens[2], OFFER, (403, "forbidden")),
        ("/whip", &*tokens[1], &*watch, (422, "offer_rejected")),
        ("/whep", &*tokens[2], OFFER, (422, "offer_rejected")),
        ("/whep?participant=x", &*tokens[2], &*watch, (422, "invalid_field")),
    ] {
        let (status, code) = problem(post(&gateway, path, token, sdp).send().await.expect("an answer")).await;
        assert_eq!((status, code.as_str()), expected, "{path}");
    }
    let asked = tokio::spawn(post(&gateway, "/whip", &tokens[1], OFFER).send());
    negotiation(&mut gateway, Err(NegotiationFailure::NoCommonCodec)).await;
    let refused = asked.await.expect("a task").expect("an answer");
    assert_eq!(problem(refused).await, (422, "offer_rejected".to_owned()));
    for path in ["/whip", "/whep"] {
        let read = resource(&gateway, "GET", path, &tokens[1]).send().await.expect("an answer");
        assert_eq!(problem(read).await, (405, "method_not_allowed".to_owned()));
    }
    let asked = reqwest::Client::new().request("OPTIONS".parse().expect("a method"), gateway.url("/whip"));
    let asked = asked.send().await.expect("an answer");
    assert_eq!((asked.status(), header(&asked, "accept-post")), (StatusCode::NO_CONTENT, "application/sdp"));
}

/// A player has no invitation of its own; its record stands under the one that let it in, and breaks nobody else's.
#[tokio::test]
async fn a_player_is_recorded_under_the_invitation_that_let_it_in() {
    let mut gateway = Gateway::start().await;
    let tokens = tokens(&gateway).await;
    on_air(&mut gateway, &tokens[1]).await;
    watch(&mut gateway, &tokens[2]).await;
    watch(&mut gateway, &tokens[2]).await;
    let store = gateway.dir.path().join("data/signaling.db");
    gateway.signaling.shut_down().await;
    let pool =
        sqlx::sqlite::SqlitePool::connect(&format!("sqlite://{}", store.display())).await.expect("the store");
    let roles: Vec<String> = sqlx::query_scalar(
        "SELECT role FROM sessions JOIN participants ON participants.id = sessions.participant ORDER BY role",
    )
    .fetch_all(&pool)
    .await
    .expect("rows");
    assert_eq!(roles, ["device", "observer", "observer"]);
}
