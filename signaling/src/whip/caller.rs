//! A client of the control loop without a WebSocket: it says what a page would say, in the same order.

use std::sync::Arc;

use protocol::client_message::{ClientEnvelope, ClientMessage};
use protocol::id::SessionId;
use protocol::media_message::{Answer, Offer};
use protocol::server_message::{ErrorCode, Event, Response, RoomSnapshot, ServerMessage};

use crate::close_reason::CloseReason;
use crate::consult::Admission;
use crate::control_loop::LoopInput;
use crate::front::Front;
use crate::outbox::{OutboxReader, Outgoing, outbox};
use crate::session::ConnectionId;

/// One session's client.
pub(super) struct Caller {
    front: Arc<Front>,
    connection: ConnectionId,
    reader: OutboxReader,
    last_request: u32,
    /// Its transport failed while something else was waited for.
    has_failed: bool,
}

/// A request that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallError {
    /// The control loop says why.
    Refused { code: ErrorCode, message: String },
    /// The session has ended.
    Closed(CloseReason),
}

impl Caller {
    pub(super) async fn connect(front: Arc<Front>) -> Result<Self, CallError> {
        let connection = front.next_connection();
        let (filling, reader) = outbox();
        let mut caller = Self { front, connection, reader, last_request: 0, has_failed: false };
        caller.tell(LoopInput::Connected { connection, outbox: filling }).await?;
        Ok(caller)
    }

    pub(super) async fn hello(&mut self, admission: Admission) -> Result<SessionId, CallError> {
        let (connection, request) = (self.connection, self.next_request());
        self.tell(LoopInput::Hello { connection, request, admission, resume: None }).await?;
        match self.response(request).await? {
            Response::Welcome(welcome) => Ok(welcome.session),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn join(&mut self, name: String) -> Result<RoomSnapshot, CallError> {
        match self.ask(ClientMessage::Join { name }).await? {
            Response::Joined(snapshot) => Ok(snapshot),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn negotiate(&mut self, offer: Offer) -> Result<Answer, CallError> {
        match self.ask(ClientMessage::Offer(offer)).await? {
            Response::Answer(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until its media has failed or its session has ended.
    pub(super) async fn until_over(&mut self) {
        while !self.has_failed {
            match self.next().await {
                Ok(message) => self.note(&message),
                Err(_) => return,
            }
        }
    }

    /// Ends the session; one that has ended already is none the worse.
    pub(super) async fn leave(mut self) {
        let (id, connection) = (self.next_request(), self.connection);
        let envelope = ClientEnvelope { id, message: ClientMessage::Leave };
        // Fails where the gateway stops, which ends the session as well.
        let _ = self.tell(LoopInput::Message { connection, envelope }).await;
        let _ = self.tell(LoopInput::Disconnected { connection }).await;
    }

    async fn ask(&mut self, message: ClientMessage) -> Result<Response, CallError> {
        let (id, connection) = (self.next_request(), self.connection);
        let envelope = ClientEnvelope { id, message };
        self.tell(LoopInput::Message { connection, envelope }).await?;
        self.response(id).await
    }

    async fn response(&mut self, request: u32) -> Result<Response, CallError> {
        loop {
            match self.next().await? {
                ServerMessage::Response(envelope) if envelope.id == request => {
                    return match envelope.response {
                        Response::Error { code, message } => Err(CallError::Refused { code, message }),
                        response => Ok(response),
                    };
                }
                message => self.note(&message),
            }
        }
    }

    /// Of all that happens in a room, only the end of its own media concerns a client that cannot be told anything.
    fn note(&mut self, message: &ServerMessage) {
        self.has_failed |=
            matches!(message, ServerMessage::Event(envelope) if envelope.event == Event::MediaFailed);
    }

    async fn next(&mut self) -> Result<ServerMessage, CallError> {
        match self.reader.next().await {
            Outgoing::Text(text) => serde_json::from_str(&text).map_err(|error| {
                tracing::error!(%error, "a message cannot be read");
                CallError::Closed(CloseReason::GoingAway)
            }),
            Outgoing::Close(reason) => Err(CallError::Closed(reason)),
        }
    }

    async fn tell(&mut self, input: LoopInput) -> Result<(), CallError> {
        self.front.inputs.send(input).await.map_err(|_| CallError::Closed(CloseReason::GoingAway))
    }

    fn next_request(&mut self) -> u32 {
        self.last_request += 1;
        self.last_request
    }
}

fn unexpected(response: &Response) -> CallError {
    tracing::error!(?response, "an answer to another question");
    CallError::Closed(CloseReason::GoingAway)
}
