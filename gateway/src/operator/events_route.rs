//! `POST /operator/events`: where the operator tells of changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::routing::post;
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::{mpsc, oneshot};

use super::cloud_event::OperatorEvent;
use super::outcome::EventOutcome;
use crate::metrics::Metrics;

/// An event has under a kilobyte.
const MAX_BODY: usize = 16 * 1024;

/// How long an event may take to come in, and to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Events that wait for the adapter; more than that are refused, and the operator sends them again.
const QUEUE: usize = 256;

/// What every event must carry; drawn at start, and known to the operator alone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SinkCredential(String);

impl SinkCredential {
    /// Draws one.
    pub(crate) fn draw() -> Result<Self, rand::rngs::SysError> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The credential itself, for the operator.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Never prints it.
impl fmt::Debug for SinkCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SinkCredential")
    }
}

/// An event on its way to the adapter, and the way back of what became of it.
pub(crate) type EventInput = (OperatorEvent, oneshot::Sender<EventOutcome>);

/// The adapter's end of the route.
#[derive(Debug)]
pub(crate) struct EventsEnd {
    pub(crate) events: mpsc::Receiver<EventInput>,
}

struct Gate {
    credential: SinkCredential,
    events: mpsc::Sender<EventInput>,
    metrics: Arc<Metrics>,
}

/// The route, and the end where its events come out.
pub(crate) fn events_route(credential: SinkCredential, metrics: Arc<Metrics>) -> (Router, EventsEnd) {
    let (sender, events) = mpsc::channel(QUEUE);
    let gate = Arc::new(Gate { credential, events: sender, metrics });
    (Router::new().route("/operator/events", post(take)).with_state(gate), EventsEnd { events })
}

async fn take(State(gate): State<Arc<Gate>>, request: Request) -> StatusCode {
    let outcome = match tokio::time::timeout(PATIENCE, outcome_of(&gate, request)).await {
        Ok(outcome) => outcome,
        Err(_) => EventOutcome::TooMany,
    };
    gate.metrics.count_operator_event(outcome);
    match outcome {
        EventOutcome::Taken | EventOutcome::Old => StatusCode::NO_CONTENT,
        EventOutcome::UnknownSubscription => StatusCode::GONE,
        EventOutcome::Unauthorized => StatusCode::UNAUTHORIZED,
        EventOutcome::Malformed => StatusCode::BAD_REQUEST,
        EventOutcome::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        EventOutcome::TooMany => StatusCode::TOO_MANY_REQUESTS,
    }
}

async fn outcome_of(gate: &Gate, request: Request) -> EventOutcome {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' '));
    let bearer = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    // Nothing is read of whom the operator did not send.
    if !bearer.is_some_and(|(_, token)| signaling::equal_secrets(token.trim(), gate.credential.reveal())) {
        return EventOutcome::Unauthorized;
    }
    let body: Body = request.into_body();
    let Ok(body) = to_bytes(body, MAX_BODY).await else { return EventOutcome::TooLarge };
    let Ok(event) = OperatorEvent::read(&body) else { return EventOutcome::Malformed };
    let (reply, outcome) = oneshot::channel();
    if gate.events.try_send((event, reply)).is_err() {
        return EventOutcome::TooMany;
    }
    outcome.await.unwrap_or(EventOutcome::TooMany)
}
