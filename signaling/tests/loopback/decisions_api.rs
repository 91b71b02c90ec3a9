//! Why everybody gets what they get, over real HTTP and WebSockets, with a media plane that answers or does not.

use std::time::{Duration, Instant};

use crate::support::{Gateway, token_of};
use protocol::decision::{Change, DecisionChange, RoomDecisions};
use protocol::media_message::{MediaAction, MediaReport};
use protocol::network_class::NetworkClass;
use serde_json::{Value, json};

/// What a media plane might say.
fn decisions(participant: &Value) -> RoomDecisions {
    let participant = participant.as_str().and_then(|id| id.parse().ok()).expect("an id");
    let change = Change::NetworkClass { participant, from: NetworkClass::FiveG, to: NetworkClass::FourG };
    let changes = vec![DecisionChange { ago_ms: 1_500, change }];
    RoomDecisions { changes, forgotten_changes: 7, ..RoomDecisions::default() }
}

/// Answers the next inquiry as a media plane would.
async fn explain(gateway: &mut Gateway, decisions: RoomDecisions) {
    loop {
        let command = gateway.next_command().await;
        if command.action == MediaAction::Explain {
            return gateway.report(command.room, MediaReport::Decisions(decisions)).await;
        }
    }
}

async fn ask(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn the_decisions_of_a_consult_are_told_with_names_to_who_has_the_key() {
    let mut gateway = Gateway::start().await;
    let created = gateway.create_consult(&json!({})).await;
    let path = format!("/api/v1/consults/{}/decisions", created["id"].as_str().expect("an id"));
    let (status, empty) = ask(gateway.request("GET", &path)).await;
    assert_eq!((status, &empty["pairs"], &empty["names"]), (200, &json!([]), &json!({})), "nobody is in");

    let doctor = &created["participants"][0];
    let _doctor = gateway.join(&token_of(doctor), "李医生").await;
    let request = gateway.request("GET", &path);
    let ((status, told), ()) = tokio::join!(ask(request), explain(&mut gateway, decisions(&doctor["id"])));
    assert_eq!((status, &told["consult"], &told["forgotten_changes"]), (200, &created["id"], &json!(7)));
    assert_eq!(told["names"][doctor["id"].as_str().expect("an id")], "李医生");
    assert_eq!(
        told["changes"][0],
        json!({"ago_ms": 1_500, "what": "network_class", "participant": doctor["id"], "from": "5g", "to": "4g"})
    );

    let keyless = reqwest::Client::new().get(gateway.url(&path));
    assert_eq!(ask(keyless).await.0, 401);
}

#[tokio::test]
async fn what_is_not_there_and_what_does_not_answer_are_problems() {
    let gateway = Gateway::start().await;
    for id in ["nothing", "03w5a7xkq2dmv8tq4rs0n1yzpc"] {
        let (status, problem) =
            ask(gateway.request("GET", &format!("/api/v1/consults/{id}/decisions"))).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    }
    let created = gateway.create_consult(&json!({})).await;
    let _patient = gateway.join(&token_of(&created["participants"][1]), "Wang").await;
    let path = format!("/api/v1/consults/{}/decisions", created["id"].as_str().expect("an id"));
    let asked_at = Instant::now();
    let response = gateway.request("GET", &path).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.status().as_u16(), 503);
    let problem: Value = response.json().await.expect("JSON");
    assert_eq!(problem["code"], "media_unavailable");
    assert!(asked_at.elapsed() < Duration::from_secs(4), "{:?}", asked_at.elapsed());
}

#[tokio::test]
async fn a_doctor_watches_and_a_patient_may_not() {
    let mut gateway = Gateway::start().await;
    let created = gateway.create_consult(&json!({})).await;
    let mut doctor = gateway.join(&token_of(&created["participants"][0]), "Dr. Li").await;
    let mut patient = gateway.join(&token_of(&created["participants"][1]), "Wang").await;
    let watch = json!({"type": "watch_decisions", "watch": true});
    assert_eq!(patient.ask(watch.clone()).await["code"], "forbidden");
    assert_eq!(doctor.ask(watch).await["type"], "ok");
    for _ in 0..2 {
        explain(&mut gateway, decisions(&created["participants"][1]["id"])).await;
        let told = loop {
            let event = doctor.event().await;
            if event["type"] == "decisions" {
                break event;
            }
        };
        assert_eq!(told["changes"][0]["to"], "4g");
    }
}
