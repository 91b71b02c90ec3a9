//! A lecture: a few who are seen, and many who watch from one address.

use std::time::Duration;

use protocol::id::{ParticipantId, RoomId, ShellNonce, TrackId};
use protocol::media_message::{Answer, MediaAction, MediaReport, TransportState};
use protocol::track::{Track, TrackSource};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{API_KEY, Client, Gateway};

/// Viewers who come at the same moment: several times as many as a room lists by name.
const VIEWERS: usize = 300;

/// Viewers whom a room lists by name.
const LISTED: usize = 20;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=recvonly\r\n";

/// A doctor in the room whose camera is on air.
async fn on_air(gateway: &mut Gateway, token: &str) -> (Client, RoomId) {
    let doctor = gateway.join(token, "Dr. Li").await;
    let command = gateway.next_command().await;
    let (room, publisher) = (command.room, command.participant);
    let track = Track { id: TrackId::from_bits(1), publisher, source: TrackSource::Camera, muted: false };
    gateway.report(room, MediaReport::TrackPublished(track)).await;
    (doctor, room)
}

/// Answers offers until so many viewers are connected, and returns who they are.
async fn connect_viewers(gateway: &mut Gateway, count: usize) -> Vec<ParticipantId> {
    let mut viewers = Vec::with_capacity(count);
    while viewers.len() < count {
        let command = gateway.next_command().await;
        let MediaAction::Negotiate { negotiation, .. } = command.action else { continue };
        let (room, participant) = (command.room, command.participant);
        let sdp = "v=0\r\na=ice-ufrag:x\r\n".to_owned();
        let outcome = Ok(Answer { sdp, tracks: Vec::new(), shell_nonce: ShellNonce::from_bits(5) });
        gateway.report(room, MediaReport::Negotiated { participant, negotiation, outcome }).await;
        gateway.report(room, MediaReport::Transport { participant, state: TransportState::Connected }).await;
        viewers.push(participant);
    }
    viewers
}

/// Asks for the picture, as soon as the track is known to the control plane.
async fn watch(client: reqwest::Client, url: String, token: String) -> StatusCode {
    loop {
        let ask = client.post(&url).header("content-type", "application/sdp").bearer_auth(&token);
        let answer = ask.body(OFFER).send().await.expect("an answer");
        if answer.status() != StatusCode::CONFLICT {
            return answer.status();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the doctor hears until it knows that so many watch besides those who are listed.
async fn heard_until(doctor: &mut Client, unlisted: usize) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let event = doctor.event().await;
        let is_last = event["type"] == "viewers" && event["unlisted"] == unlisted;
        heard.push(event);
        if is_last {
            return heard;
        }
    }
}

#[tokio::test]
async fn many_watch_at_once_and_the_doctor_is_told_how_many() {
    let mut gateway = Gateway::start().await;
    let invitations = json!({"participants": [{"role": "clinician"}, {"role": "observer"}]});
    let consult = gateway.create_consult(&invitations).await;
    let tokens: Vec<_> =
        consult["participants"].as_array().expect("two").iter().map(crate::support::token_of).collect();
    let (mut doctor, room) = on_air(&mut gateway, &tokens[0]).await;
    let (client, url) = (reqwest::Client::new(), gateway.url("/whep"));
    let mut asked = JoinSet::new();
    for _ in 0..VIEWERS {
        asked.spawn(watch(client.clone(), url.clone(), tokens[1].clone()));
    }
    let viewers = connect_viewers(&mut gateway, VIEWERS).await;
    assert!(asked.join_all().await.into_iter().all(|status| status == StatusCode::CREATED));
    let heard = heard_until(&mut doctor, VIEWERS - LISTED).await;
    assert!(heard.len() < 2 * LISTED, "{} events for {VIEWERS} viewers", heard.len());

    // Half of them hang up, none of whom is listed, and the consult ends for the others: everybody is on record.
    let is_listed = |viewer: &ParticipantId| heard.iter().any(|event| event["id"] == viewer.to_string());
    for participant in viewers.into_iter().filter(|viewer| !is_listed(viewer)).take(VIEWERS / 2) {
        gateway.report(room, MediaReport::Transport { participant, state: TransportState::Closed }).await;
    }
    heard_until(&mut doctor, VIEWERS / 2 - LISTED).await;
    let path = format!("/api/v1/consults/{}", consult["id"].as_str().expect("an id"));
    let ended = client.delete(gateway.url(&path)).bearer_auth(API_KEY).send().await.expect("an answer");
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert_eq!(doctor.closed().await, 4410);
    let store = gateway.dir.path().join("data/signaling.db");
    gateway.signaling.shut_down().await;
    let pool =
        sqlx::sqlite::SqlitePool::connect(&format!("sqlite://{}", store.display())).await.expect("the store");
    let ends: Vec<(String, i64)> = sqlx::query_as(
        "SELECT end_reason, count(*) FROM sessions WHERE joined_at > 0 GROUP BY end_reason ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .expect("rows");
    let half = i64::try_from(VIEWERS / 2).expect("a small number");
    assert_eq!(ends, [("consult_closed".to_owned(), half + 1), ("left".to_owned(), half)]);
}
