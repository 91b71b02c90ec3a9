//! Keeps `docs/protocol.md` true: its examples are read by the real types, and its tables name every word.

use std::collections::BTreeSet;

use protocol::client_message::ClientEnvelope;
use protocol::server_message::{ErrorCode, ServerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::close_reason::CloseReason;
use crate::consults_api::{ConsultBody, ConsultRequest};
use crate::decisions_api::DecisionsBody;
use crate::message_type::{client_message_type, server_message_type};
use crate::problem::{ProblemBody, ProblemCode};

const REFERENCE: &str = include_str!("../docs/protocol.md");

/// The code blocks of a kind, such as "```json client".
fn examples(kind: &str) -> Vec<&'static str> {
    let begin = format!("```json {kind}\n");
    let blocks = REFERENCE.split(&begin).skip(1);
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
    assert_eq!(server.len(), 7 + 13, "seven responses and thirteen events: {server:?}");
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
