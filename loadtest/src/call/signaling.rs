//! The client side of the signaling protocol: requests that wait for their response, and a stream of events.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::PROTOCOL_VERSION;
use protocol::client_message::{ClientEnvelope, ClientMessage, Hello};
use protocol::server_message::{Event, Response, ServerMessage, Welcome};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// Longer than the gateway's own limits, so that its answer comes first.
const RESPONSE_WAIT: Duration = Duration::from_secs(10);

/// Twice as often as the protocol asks for.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Events wait here while a negotiation runs; a room does not produce more in that time.
const EVENT_QUEUE: usize = 1_024;

type OpenRequests = Arc<Mutex<HashMap<u32, oneshot::Sender<Response>>>>;

/// The requesting half of a session.
#[derive(Clone)]
pub(crate) struct Session {
    outgoing: mpsc::Sender<Message>,
    open: OpenRequests,
    next_id: Arc<AtomicU32>,
}

/// Opens a session and says hello.
///
/// # Errors
/// Where the gateway cannot be reached or refuses.
pub(crate) async fn connect(
    url: &str,
    token: &str,
) -> anyhow::Result<(Session, mpsc::Receiver<Event>, Welcome)> {
    let (socket, _) =
        tokio_tungstenite::connect_async(url).await.with_context(|| format!("connect to {url}"))?;
    let (mut sink, mut source) = socket.split();
    let (outgoing, mut to_send) = mpsc::channel(64);
    let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
    let open = OpenRequests::default();
    tokio::spawn(async move {
        while let Some(message) = to_send.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    });
    let answered = Arc::clone(&open);
    tokio::spawn(async move {
        while let Some(Ok(message)) = source.next().await {
            let Message::Text(text) = message else { continue };
            match serde_json::from_str(&text) {
                Ok(ServerMessage::Response(response)) => {
                    if let Some(waiting) = lock(&answered).remove(&response.id) {
                        let _ = waiting.send(response.response);
                    }
                }
                Ok(ServerMessage::Event(event)) => {
                    if event_sender.send(event.event).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, "a message that is not of the protocol"),
            }
        }
        // Nobody will answer: whoever waits is told by the dropped senders.
        lock(&answered).clear();
    });
    let session = Session { outgoing, open, next_id: Arc::new(AtomicU32::new(1)) };
    let hello = Hello { version: PROTOCOL_VERSION, token: token.to_owned(), resume: None };
    let Response::Welcome(welcome) = session.request(ClientMessage::Hello(hello)).await? else {
        bail!("hello was not answered by welcome");
    };
    tokio::spawn(session.clone().keep_alive());
    Ok((session, events, welcome))
}

impl Session {
    /// Sends a request and waits for its response; an error response is an error.
    pub(crate) async fn request(&self, message: ClientMessage) -> anyhow::Result<Response> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, response) = oneshot::channel();
        lock(&self.open).insert(id, sender);
        let text = serde_json::to_string(&ClientEnvelope { id, message })?;
        self.outgoing.send(Message::text(text)).await.ok().context("the session is closed")?;
        let response = tokio::time::timeout(RESPONSE_WAIT, response).await.context("no response in time")?;
        match response.context("the session closed before the response")? {
            Response::Error { code, message } => bail!("refused: {}: {message}", code.as_str()),
            response => Ok(response),
        }
    }

    async fn keep_alive(self) {
        loop {
            tokio::time::sleep(PING_INTERVAL).await;
            if self.request(ClientMessage::Ping).await.is_err() {
                return;
            }
        }
    }
}

fn lock(open: &OpenRequests) -> std::sync::MutexGuard<'_, HashMap<u32, oneshot::Sender<Response>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
