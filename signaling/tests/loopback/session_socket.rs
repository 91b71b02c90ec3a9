//! Sessions over real WebSockets, with a fake media plane at the edge.

use std::time::Duration;

use crate::support::Gateway;
use protocol::id::TrackId;
use protocol::media_message::{MediaAction, MediaReport};
use protocol::network_class::NetworkClass;
use protocol::server_message::ErrorCode;
use protocol::track::{Track, TrackSource};
use serde_json::{Value, json};
use signaling::attested_apps::AttestedApp;
use signaling::sample::{AttestationRefused, AuthFailure, JoinOutcome, Limit, Sample};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot::error::TryRecvError;
use tokio_tungstenite::tungstenite::Message;

const CAMERA: TrackId = TrackId::from_bits(77);

fn offer() -> Value {
    json!({"type": "offer", "sdp": "v=0\r\n", "tracks": [{"mid": "0", "source": "camera"}], "subscriptions": []})
}

async fn doctor_and_patient(gateway: &Gateway) -> [String; 2] {
    let tokens = gateway.invite(&json!({"subject": "follow-up"})).await;
    tokens.try_into().expect("two participants")
}

#[tokio::test]
async fn two_meet_and_one_publishes() {
    let mut gateway = Gateway::start().await;
    let [doctor, patient] = doctor_and_patient(&gateway).await;
    let mut doctor = gateway.join(&doctor, "Dr. Li").await;
    let mut patient = gateway.join(&patient, "Wang").await;
    let joined = doctor.event().await;
    assert_eq!((&joined["type"], &joined["name"]), (&"participant_joined".into(), &"Wang".into()));
    let id = joined["id"].as_str().expect("an id").parse().expect("an id");
    patient
        .send_text(
            &json!({"id": 9, "type": "offer", "sdp": "v=0", "tracks": [], "subscriptions": []}).to_string(),
        )
        .await;
    let (room, _) = gateway.answer_offer(CAMERA).await;
    let answer = patient.response(9).await;
    assert_eq!(
        (&answer["type"], &answer["tracks"][0]["track"]),
        (&"answer".into(), &CAMERA.to_string().into())
    );
    let track = Track { id: CAMERA, publisher: id, source: TrackSource::Camera, muted: false };
    gateway.report(room, MediaReport::TrackPublished(track)).await;
    assert_eq!(doctor.event().await["type"], "track_published");
    let wish = json!({"type": "subscribe", "track": CAMERA, "max_lines": 720});
    assert_eq!(doctor.ask(wish).await["type"], "ok");
    assert_eq!(patient.ask(json!({"type": "leave"})).await["type"], "bye");
    assert_eq!(patient.closed().await, 1000);
    assert_eq!(doctor.event().await["type"], "track_unpublished");
    assert_eq!(doctor.event().await["type"], "participant_left");
    gateway.counted(Sample::Join(JoinOutcome::Ok)).await;
}

#[tokio::test]
async fn a_cut_connection_is_resumed_with_what_it_missed() {
    let mut gateway = Gateway::start().await;
    let [doctor, patient] = doctor_and_patient(&gateway).await;
    let mut watching = gateway.join(&doctor, "Dr. Li").await;
    let mut cut = gateway.connect().await;
    let welcome = cut.hello(&patient).await;
    cut.ask(json!({"type": "join", "name": "Wang"})).await;
    drop(cut);
    assert_eq!(watching.event().await["type"], "participant_joined");
    assert_eq!(watching.event().await["connected"], false);
    assert_eq!(watching.ask(json!({"type": "leave"})).await["type"], "bye");
    let mut back = gateway.connect().await;
    let resumed = back.resume(&patient, &welcome, 0).await;
    assert_eq!((&resumed["resumed"], &resumed["session"]), (&true.into(), &welcome["session"]));
    assert_eq!(back.event().await["type"], "participant_left");
    gateway.counted(Sample::Resume { resumed: true }).await;
    let mut guess = gateway.connect().await;
    let refused = guess.resume(&patient, &json!({"resume_secret": "guess"}), 0).await;
    assert_eq!(refused["code"], "session_lost");
    assert_eq!(guess.hello(&patient).await["resumed"], false, "the same connection may begin anew");
    assert_eq!(back.event().await["reason"], "replaced");
    assert_eq!(back.closed().await, 4409);
}

#[tokio::test]
async fn links_work_after_a_restart_and_clients_are_told_of_it() {
    let mut gateway = Gateway::start().await;
    let [_, patient] = doctor_and_patient(&gateway).await;
    assert!(
        gateway.signaling.ended.try_recv().is_err_and(|error| error == TryRecvError::Empty),
        "it goes on"
    );
    let mut before = gateway.join(&patient, "Wang").await;
    let (gateway, told) = tokio::join!(gateway.restart(), async {
        let reason = before.event().await["reason"].clone();
        (reason, before.closed().await)
    });
    assert_eq!(told, ("shutdown".into(), 1001));
    gateway.join(&patient, "Wang").await;
}

#[tokio::test]
async fn a_first_start_draws_an_api_key_once() {
    let gateway = Gateway::start_with(|config| config.api_key = None).await;
    let key = gateway.signaling.drawn_api_key.clone().expect("a key was drawn");
    assert!(!format!("{:?}", gateway.signaling).contains(key.reveal()), "it is not printed by accident");
    let request = reqwest::Client::new().post(gateway.url("/api/v1/consults")).bearer_auth(key.reveal());
    assert_eq!(request.json(&json!({})).send().await.expect("an answer").status(), 201);
}

#[tokio::test]
async fn bad_messages_are_answered_and_counted() {
    let mut gateway = Gateway::start().await;
    let [_, patient] = doctor_and_patient(&gateway).await;
    let mut client = gateway.join(&patient, "Wang").await;
    let deep = "[".repeat(20_000);
    let malformed = [
        "",
        "null",
        "{",
        "{}",
        r#"{"id":1}"#,
        r#"{"id":-1,"type":"ping"}"#,
        r#"{"id":1,"type":"rule"}"#,
        r#"{"id":1,"type":"join"}"#,
        r#"{"type":"ping"}"#,
        r#"{"id":1,"type":"mute","track":"x","muted":true}"#,
        &deep,
    ];
    for text in malformed {
        client.send_text(text).await;
        let answer = client.response(0).await;
        assert_eq!(answer["code"], "malformed_message", "{text:.40}");
    }
    client.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.response(0).await["code"], "malformed_message");
    gateway.counted(Sample::Error(ErrorCode::MalformedMessage)).await;
    let unknown_field = json!({"type": "ping", "future": {"__proto__": 1}});
    assert_eq!(client.ask(unknown_field).await["type"], "pong", "unknown fields are for later versions");
}

#[tokio::test]
async fn who_is_not_invited_is_refused() {
    let mut gateway = Gateway::start().await;
    let [_, patient] = doctor_and_patient(&gateway).await;
    // The last character of a signature is one of A, Q, g and w.
    let last = if patient.ends_with('A') { 'Q' } else { 'A' };
    let altered = format!("{}{last}", &patient[..patient.len() - 1]);
    let hello =
        |version: u16, token: &str| json!({"id": 1, "type": "hello", "version": version, "token": token});
    let early = gateway.invite(&json!({"not_before": 4_000_000_000_u64.min(now() + 3_600)})).await.remove(0);
    let table = [
        (hello(1, &altered), "token_invalid", 4401),
        (hello(1, ""), "token_invalid", 4401),
        (hello(1, &"x".repeat(60_000)), "token_invalid", 4401),
        (hello(1, &early), "token_invalid", 4401),
        (hello(2, &patient), "unsupported_version", 4400),
        (json!({"id": 1, "type": "ping"}), "hello_expected", 4400),
    ];
    for (message, code, close) in table {
        let mut client = gateway.connect().await;
        client.send_text(&message.to_string()).await;
        assert_eq!(client.response(1).await["code"], code);
        assert_eq!(client.closed().await, close, "{code}");
    }
    gateway.counted(Sample::AuthFailure(AuthFailure::TokenInvalid)).await;
    gateway.counted(Sample::AuthFailure(AuthFailure::TokenImmature)).await;
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()
}

#[tokio::test]
async fn an_expired_link_says_so() {
    let gateway = Gateway::start().await;
    // Expired within the leeway of clocks: the token passes, and the consult is over.
    let token = gateway.invite(&json!({"not_before": now() - 10, "expires_in": 11})).await.remove(0);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut client = gateway.connect().await;
    assert_eq!(client.hello(&token).await["code"], "consult_closed");
}

#[tokio::test]
async fn limits_hold_at_their_boundary() {
    let mut gateway = Gateway::start().await;
    let [doctor, patient] = doctor_and_patient(&gateway).await;
    let padded = |bytes: usize| {
        let ping = r#"{"id":5,"type":"ping"}"#;
        format!("{ping}{}", " ".repeat(bytes - ping.len()))
    };
    let mut client = gateway.join(&patient, "Wang").await;
    client.send_text(&padded(64 * 1024)).await;
    assert_eq!(client.response(5).await["type"], "pong");
    client.send(Message::text(padded(64 * 1024 + 1))).await;
    assert_eq!(client.closed().await, 1009);
    gateway.counted(Sample::LimitHit(Limit::MessageSize)).await;
    let mut hasty = gateway.join(&doctor, "Dr. Li").await;
    for _ in 0..60 {
        hasty.send(Message::text(r#"{"id":5,"type":"ping"}"#)).await;
    }
    assert_eq!(hasty.response(0).await["code"], "rate_limited");
    assert_eq!(hasty.closed().await, 4429);
    gateway.counted(Sample::LimitHit(Limit::MessageRate)).await;
}

/// A frame of a client (RFC 6455 §5.2), with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    let extended = if length > 125 { vec![0x80 | 126, 0, length] } else { vec![0x80 | length] };
    [vec![first], extended, vec![0; 4], payload.to_vec()].concat()
}

#[tokio::test]
async fn broken_frames_are_closed_with_what_is_wrong() {
    const FINAL: u8 = 0x80;
    const TEXT: u8 = 1;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    let mut gateway = Gateway::start().await;
    let table = [
        ("text is no UTF-8", frame(FINAL | TEXT, b"\xc3("), 1007),
        ("the reason of a close is no UTF-8", frame(FINAL | CLOSE, b"\x03\xe8\xff"), 1007),
        ("a ping of 126 bytes", frame(FINAL | PING, &[0; 126]), 1002),
        ("a ping in fragments", frame(PING, b""), 1002),
        ("a reserved bit", frame(FINAL | 0x40 | TEXT, b"{}"), 1002),
        ("a reserved opcode", frame(FINAL | 3, b""), 1002),
        ("a continuation of nothing", frame(FINAL, b"{}"), 1002),
        ("no mask", vec![FINAL | TEXT, 2, b'{', b'}'], 1002),
        ("a close of one byte", frame(FINAL | CLOSE, b"\x03"), 1002),
        ("a close whose code may not be sent", frame(FINAL | CLOSE, &1006_u16.to_be_bytes()), 1002),
        ("a close as it should be", frame(FINAL | CLOSE, &1000_u16.to_be_bytes()), 1000),
    ];
    for (what, bytes, code) in table {
        let mut client = gateway.connect().await;
        client.send_raw(&bytes).await;
        assert_eq!(client.closed().await, code, "{what}");
    }
    gateway.without_connections().await;
    assert!(!gateway.has_counted(Limit::MessageSize), "none of them is too long");
}

#[tokio::test]
async fn only_our_pages_and_programs_open_sessions() {
    let gateway = Gateway::start_with(|config| {
        config.public_url = "https://clinic.example".to_owned();
        config.allowed_origins = vec!["https://portal.example".to_owned()];
    })
    .await;
    let address = gateway.signaling.local_address;
    let own = format!("http://{address}");
    let (suffix, other_port) = (format!("{own}.evil.example"), format!("http://{}:1", address.ip()));
    let table = [
        (None, true),
        (Some(own.as_str()), true),
        (Some("https://clinic.example"), true),
        (Some("https://portal.example"), true),
        (Some("null"), false),
        (Some(""), false),
        (Some("https://evil.example"), false),
        (Some("https://clinic.example.evil.example"), false),
        (Some("https://evilclinic.example"), false),
        (Some("http://clinic.example"), false),
        (Some("https://clinic.example:444"), false),
        (Some(suffix.as_str()), false),
        (Some(other_port.as_str()), false),
    ];
    for (origin, allowed) in table {
        let outcome = gateway.connect_from(origin).await;
        assert_eq!(outcome.err(), (!allowed).then_some(403), "{origin:?}");
    }
}

#[tokio::test]
async fn connections_of_one_address_are_bounded() {
    let mut gateway = Gateway::start_with(|config| config.max_connections_per_address = 2).await;
    let _held = [gateway.connect().await, gateway.connect().await];
    let mut third = TcpStream::connect(gateway.signaling.local_address).await.expect("a connection");
    let mut byte = [0];
    let read =
        tokio::time::timeout(Duration::from_secs(2), third.read(&mut byte)).await.expect("closed at once");
    assert!(matches!(read, Ok(0) | Err(_)));
    gateway.counted(Sample::LimitHit(Limit::ConnectionsPerAddress)).await;
}

#[tokio::test]
async fn a_media_plane_that_does_not_answer_fails_the_offer_only() {
    let gateway = Gateway::start().await;
    let [_, patient] = doctor_and_patient(&gateway).await;
    let mut client = gateway.join(&patient, "Wang").await;
    assert_eq!(client.ask(offer()).await["code"], "media_unavailable");
    assert_eq!(client.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn what_was_refused_did_not_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let base = crate::support::config(dir.path());
    let cases = [
        signaling::config::SignalingConfig { public_url: "clinic.example".to_owned(), ..base.clone() },
        signaling::config::SignalingConfig {
            public_url: "https://clinic.example/".to_owned(),
            ..base.clone()
        },
        signaling::config::SignalingConfig { api_key: Some("short".to_owned().into()), ..base.clone() },
        signaling::config::SignalingConfig { link_lifetime: Duration::ZERO, ..base.clone() },
    ];
    for config in cases {
        let (link, _media) = signaling::media_link::MediaLink::pair();
        let refused = signaling::start(config, link).await.expect_err("it does not start");
        assert!(matches!(refused, signaling::StartError::Setting { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_report_that_an_enrolled_app_has_signed_reaches_the_media_plane() {
    // The vectors of `docs/network-shell.md`.
    let mut gateway = Gateway::start_with(|config| {
        let key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let public_key = key.parse().expect("a public key");
        config.attested_apps = vec![AttestedApp { name: "clinic-app".to_owned(), public_key }];
    })
    .await;
    let [_, patient] = doctor_and_patient(&gateway).await;
    let mut client = gateway.join(&patient, "Wang").await;
    gateway.next_command().await;
    let report = json!({
        "type": "attested_report",
        "app": "clinic-app",
        "nonce": "0000000000000000000000019a",
        "sequence": 1,
        "class": "5g",
        "time_ms": 81_234,
        "signature":
            "hmMwdK8zg1Mj1y3X6ntM31DiMVXr2VPNSxyVmTM1jFBHZ4IOVuqGxpI6LAltsB8stHqrqHRdJhXa3U09anvTBw==",
    });
    for (change, refused) in [
        (json!({"class": "4g"}), AttestationRefused::Signature),
        (json!({"signature": "c2ln"}), AttestationRefused::Signature),
        (json!({"app": "other"}), AttestationRefused::UnknownApp),
    ] {
        let mut forged = report.clone();
        forged.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let answer = client.ask(forged).await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!("forbidden")));
        gateway.counted(Sample::AttestationRefused(refused)).await;
    }
    assert_eq!(client.ask(report.clone()).await["type"], "ok");
    let MediaAction::Attested(claim) = gateway.next_command().await.action else {
        panic!("what was forged came through");
    };
    assert_eq!((claim.sequence, claim.class, claim.time_ms), (1, NetworkClass::FiveG, 81_234));
    // A flood is not even verified.
    for _ in 0..10 {
        client.ask(report.clone()).await;
    }
    gateway.counted(Sample::AttestationRefused(AttestationRefused::TooOften)).await;
}
