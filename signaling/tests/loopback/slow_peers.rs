//! Peers that say nothing, say it slowly, or do not listen. These tests wait for real timeouts.

use std::time::Duration;

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::media_message::MediaReport;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdReason, PairQuality, RungReason};
use serde_json::json;
use signaling::sample::{Limit, Sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{API_KEY, Gateway};

/// Sends a text, and returns what comes until the gateway closes.
async fn until_closed(gateway: &Gateway, text: &str, patience: Duration) -> String {
    let mut stream = TcpStream::connect(gateway.signaling.local_address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(patience, stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "still open after {text:?}");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn slow_and_silent_connections_are_closed() {
    let gateway = Gateway::start().await;
    let patience = Duration::from_secs(7);
    let mut mute = gateway.connect().await;
    let mute = async move { assert_eq!(mute.closed().await, 4408, "no hello") };
    tokio::join!(
        until_closed(&gateway, "", patience),
        until_closed(&gateway, "G", patience),
        until_closed(&gateway, "GET /x HTTP/1.1\r\nhost: x\r\n", patience),
        until_closed(&gateway, "GET /x HTTP/1.1\r\nhost: x\r\n\r\n", patience),
        mute,
    );
    gateway.without_connections().await;
}

#[tokio::test]
async fn only_a_header_that_began_runs_out_of_time() {
    const REQUEST: &str = "GET /x HTTP/1.1\r\nhost: x\r\n\r\n";
    let patience = Duration::from_secs(7);
    let [mut idle, mut slow, mut second] =
        [Gateway::start().await, Gateway::start().await, Gateway::start().await];
    tokio::join!(
        until_closed(&idle, "", patience),
        until_closed(&idle, REQUEST, patience),
        until_closed(&slow, "GET /x HTTP/1.1\r\nhost:", patience),
        async {
            let mut stream = TcpStream::connect(second.signaling.local_address).await.expect("a connection");
            stream.write_all(REQUEST.as_bytes()).await.expect("written");
            stream.read_u8().await.expect("an answer");
            stream.write_all(b"GET /").await.expect("written");
            let end = tokio::time::timeout(patience, stream.read_to_end(&mut Vec::new())).await;
            assert!(end.is_ok(), "still open after half of a second header");
        },
    );
    assert!(!idle.has_counted(Limit::HeaderTime), "browsers hold idle connections");
    slow.counted(Sample::LimitHit(Limit::HeaderTime)).await;
    second.counted(Sample::LimitHit(Limit::HeaderTime)).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let mut gateway = Gateway::start().await;
    let request = format!(
        "POST /api/v1/consults HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\ncontent-length: 9\r\n\r\n{{"
    );
    let answer = until_closed(&gateway, &request, Duration::from_secs(12)).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_timeout"), "{answer}");
    gateway.counted(Sample::LimitHit(Limit::BodyTime)).await;
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_may_resume() {
    let mut gateway = Gateway::start().await;
    let token = gateway.invite(&json!({})).await.remove(0);
    let mut deaf = gateway.connect().await;
    let welcome = deaf.hello(&token).await;
    deaf.ask(json!({"type": "join", "name": "Dr. Li"})).await;
    let room = gateway.next_command().await.room;
    let participant: ParticipantId = welcome["participant"].as_str().expect("an id").parse().expect("an id");
    let pair = PairQuality {
        track: TrackId::from_bits(1),
        publisher: ParticipantId::from_bits(2),
        publisher_class: NetworkClass::Wired,
        subscriber_class: NetworkClass::Wired,
        rung: Rung::P720,
        rung_reason: RungReason::Best,
        hd: HdReason::Granted,
    };
    // More than the buffers of both sockets hold.
    for _ in 0..600 {
        gateway.report(room, MediaReport::Quality { participant, pairs: vec![pair; 100] }).await;
    }
    gateway.counted(Sample::LimitHit(Limit::Outbox)).await;
    assert_eq!(deaf.closed().await, 4408);
    let mut back = gateway.connect().await;
    assert_eq!(back.resume(&token, &welcome, 0).await["resumed"], true);
    let latest = back.event().await;
    assert_eq!((&latest["type"], &latest["sequence"]), (&"quality".into(), &600.into()), "the latest, once");
}
