//! A client of the control loop without a WebSocket: it says what a page would say, in the same order.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::client_message::{ClientEnvelope, ClientMessage};
use protocol::id::{SessionId, TrackId};
use protocol::media_message::{Answer, Offer};
use protocol::server_message::{ErrorCode, Event, EventEnvelope, Response, ServerMessage};

use crate::close_reason::CloseReason;
use crate::consult::Admission;
use crate::control_loop::LoopInput;
use crate::front::Front;
use crate::outbox::{MessageReader, Outgoing, caller_outbox};
use crate::registry::Greeting;
use crate::session::ConnectionId;

/// One session's client.
pub(super) struct Caller {
    front: Arc<Front>,
    connection: ConnectionId,
    reader: MessageReader,
    last_request: u32,
    /// Tracks that ended while something else was waited for.
    ended_tracks: VecDeque<TrackId>,
    /// The control loop has ended the session, and knows of no such client any more.
    is_over: bool,
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
        let (filling, reader) = caller_outbox();
        let ended_tracks = VecDeque::new();
        let mut caller = Self { front, connection, reader, last_request: 0, ended_tracks, is_over: false };
        caller.tell(LoopInput::Connected { connection, outbox: filling }).await?;
        Ok(caller)
    }

    pub(super) async fn hello(&mut self, admission: Admission) -> Result<SessionId, CallError> {
        let (connection, request) = (self.connection, self.next_request());
        // Its client is told of servers in the headers of the answer.
        let greeting = Greeting { request, admission, resume: None, ice_servers: Vec::new() };
        self.tell(LoopInput::Hello { connection, greeting }).await?;
        match self.response(request).await? {
            Response::Welcome(welcome) => Ok(welcome.session),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn join(&mut self, name: String) -> Result<(), CallError> {
        match self.ask(ClientMessage::Join { name }).await? {
            Response::Joined(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn negotiate(&mut self, offer: Offer) -> Result<Answer, CallError> {
        match self.ask(ClientMessage::Offer(offer)).await? {
            Response::Answer(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    /// The next track of the room that ends, or else the end of the session.
    pub(super) async fn ended_track(&mut self) -> Result<TrackId, CallError> {
        loop {
            match self.ended_tracks.pop_front() {
                Some(track) => return Ok(track),
                None => {
                    let message = self.next().await?;
                    self.note(&message);
                }
            }
        }
    }

    /// Ends the session; one that has ended already is none the worse.
    pub(super) async fn leave(mut self) {
        if self.is_over {
            return;
        }
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

    /// Of all that happens in a room, only the end of what it plays concerns a client that cannot be told anything.
    fn note(&mut self, message: &ServerMessage) {
        if let ServerMessage::Event(EventEnvelope { event: Event::TrackUnpublished { track }, .. }) = message
        {
            self.ended_tracks.push_back(*track);
        }
    }

    async fn next(&mut self) -> Result<ServerMessage, CallError> {
        match self.reader.next().await {
            Outgoing::Message(message) => Ok(*message),
            Outgoing::Close(reason) => {
                self.is_over = true;
                Err(CallError::Closed(reason))
            }
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
