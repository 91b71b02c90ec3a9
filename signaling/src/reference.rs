//! Keeps `docs/protocol.md` true: its examples are read by the real types, and its tables name every word.

use std::collections::BTreeSet;

use protocol::attestation::AttestedReport;
use protocol::client_message::{ClientEnvelope, ClientMessage};
use protocol::server_message::{ErrorCode, ServerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::attested_apps::{AttestedApp, AttestedApps};
use crate::close_reason::CloseReason;
use crate::consults_api::{ConsultBody, ConsultRequest};
use crate::decisions_api::DecisionsBody;
use crate::message_type::{client_message_type, server_message_type};
use crate::problem::{ProblemBody, ProblemCode};
use crate::sample::AttestationRefused;

const REFERENCE: &str = include_str!("../docs/protocol.md");
const SHELL_REFERENCE: &str = include_str!("../docs/network-shell.md");

/// The code blocks of a kind, such as "```json client".
fn examples(kind: &str) -> Vec<&'static str> {
    examples_in(REFERENCE, kind)
}

fn examples_in(text: &'static str, kind: &str) -> Vec<&'static str> {
    let begin = format!("```json {kind}\n");
    let blocks = text.split(&begin).skip(1);
    blocks.map(|rest| rest.split("\n```").next().expect("a block ends")).collect()
}

/// Reads an example, and checks that writing it again gives the same: nothing is misspelled, nothing extra.
#[track_caller]
fn read<T: DeserializeOwned + Serialize>(example: &str) -> T {
    let value: Value = serde_json::from_str(example).expect("an example is JSON");
    let typed: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {example}"));
    let mut written = serde_json::to_value(&typed).expect("messages are JSON");
    if value.get("resume").is_none()
        && let Some(object) = written.as_object_mut()
        && object.get("resume") == Some(&Value::Null)
    {
        object.remove("resume");
    }
    assert_eq!(written, value);
    typed
}

#[test]
fn every_message_has_an_example_that_the_types_read() {
    let client: BTreeSet<_> = examples("client")
        .into_iter()
        .map(|text| client_message_type(&read::<ClientEnvelope>(text).message))
        .collect();
    let expected = [
        "attested_report",
        "encoder_limit",
        "hello",
        "join",
        "leave",
        "mute",
        "network_report",
        "offer",
        "ping",
        "subscribe",
        "watch_decisions",
    ];
    assert_eq!(client, BTreeSet::from(expected));
    let server: BTreeSet<_> = examples("server")
        .into_iter()
        .map(|text| server_message_type(&read::<ServerMessage>(text)))
        .collect();
    assert_eq!(server.len(), 7 + 16, "seven responses and sixteen events: {server:?}");
}

#[test]
fn the_examples_of_the_api_are_read_by_its_types() {
    for (kind, count) in [("consult-request", 1), ("consult", 1), ("decisions", 1), ("problem", 1)] {
        assert_eq!(examples(kind).len(), count, "{kind}");
    }
    let request: ConsultRequest = serde_json::from_str(examples("consult-request")[0]).expect("a request");
    assert_eq!(request.participants.len(), 2);
    read::<ConsultBody>(examples("consult")[0]);
    read::<DecisionsBody>(examples("decisions")[0]);
    read::<ProblemBody>(examples("problem")[0]);
}

#[test]
fn every_code_is_in_its_table() {
    for code in ErrorCode::ALL {
        assert!(REFERENCE.contains(&format!("| `{}` | ", code.as_str())), "{code:?}");
    }
    for code in ProblemCode::ALL {
        let row = format!("| `{}` | {} | ", code.as_str(), code.status().as_u16());
        assert!(REFERENCE.contains(&row), "{row}");
    }
    for reason in CloseReason::ALL {
        assert!(REFERENCE.contains(&format!("| {} | ", reason.code())), "{reason:?}");
    }
}

/// What an app that follows the page would sign, with the key that the page shows.
#[test]
fn the_test_vectors_for_shells_are_true() {
    let (_, key) = SHELL_REFERENCE.split_once("public_key = \"").expect("a key");
    let public_key = key.split('"').next().and_then(|key| key.parse().ok()).expect("a public key");
    let apps = AttestedApps::new(vec![AttestedApp { name: "clinic-app".to_owned(), public_key }]);
    let vectors = examples_in(SHELL_REFERENCE, "shell-attested");
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let report: AttestedReport = serde_json::from_str(vector).expect("a report");
        assert_eq!(apps.verify(&report), Ok(report.claim()), "{vector}");
        let message: Value = serde_json::from_str(vector).expect("JSON");
        assert!(message["source"] == "tvg-shell" && message["type"] == "attested");
    }
    let passed_on = examples_in(SHELL_REFERENCE, "client")[0];
    let ClientMessage::AttestedReport(passed_on) = read::<ClientEnvelope>(passed_on).message else {
        panic!("not a signed report");
    };
    let first: AttestedReport =
        serde_json::from_str(examples_in(SHELL_REFERENCE, "shell-attested")[0]).expect("a report");
    assert_eq!(passed_on, first, "the page changes nothing");
    let (_, text) = SHELL_REFERENCE.split_once("```text\n").expect("the signed text");
    assert_eq!(text.split("\n```").next(), Some(first.signed_text().as_str()));
    let nonce: Value =
        serde_json::from_str(examples_in(SHELL_REFERENCE, "page-nonce")[0]).expect("what the page says");
    assert_eq!(nonce["nonce"], first.nonce.to_string());
}

#[test]
fn every_refusal_is_in_the_reference_for_shells() {
    for refused in AttestationRefused::ALL {
        assert!(SHELL_REFERENCE.contains(&format!("| `{}` | ", refused.as_str())), "{refused:?}");
    }
}
