//! The shell of one WebSocket: it reads within limits, checks the token of a `hello`, and writes what waits.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::FusedStream;
use protocol::PROTOCOL_VERSION;
use protocol::attestation::{AttestedClaim, AttestedReport};
use protocol::client_message::{ClientEnvelope, ClientMessage, Hello};
use protocol::server_message::{ErrorCode, Response, ResponseEnvelope};
use tungstenite::error::ProtocolError;

use crate::admission::{Refusal, admit};
use crate::close_reason::CloseReason;
use crate::consult::Admission;
use crate::control_loop::LoopInput;
use crate::front::Front;
use crate::limits::{
    ATTESTED_REPORT_RATE, BREACH_LINGER, MESSAGE_BURST, MESSAGE_RATE, SEND_TIMEOUT, SILENCE_TIMEOUT,
};
use crate::message_type::{client_message_type, error_text};
use crate::outbox::{Outgoing, TextReader, socket_outbox};
use crate::registry::Greeting;
use crate::sample::{AttestationRefused, Limit, Sample};
use crate::session::ConnectionId;
use crate::token_bucket::{Rate, TokenBucket};

const REPORT_LIMIT: Rate = Rate { per_second: ATTESTED_REPORT_RATE, burst: ATTESTED_REPORT_RATE };
const MESSAGE_LIMIT: Rate = Rate { per_second: MESSAGE_RATE, burst: MESSAGE_BURST };

/// Serves one WebSocket until it ends.
pub(crate) async fn serve_socket(front: Arc<Front>, socket: WebSocket, address: IpAddr) {
    let connection = front.next_connection();
    let (filling, reader) = socket_outbox();
    if front.inputs.send(LoopInput::Connected { connection, outbox: filling }).await.is_err() {
        return;
    }
    let bucket = TokenBucket::full(MESSAGE_LIMIT, Instant::now());
    let reports = TokenBucket::full(REPORT_LIMIT, Instant::now());
    let mut socket = Socket { front, socket, address, connection, bucket, reports, is_admitted: false };
    let closing = socket.serve(reader).await;
    let _ = socket.front.inputs.send(LoopInput::Disconnected { connection }).await;
    if let Some(reason) = closing {
        socket.close(reason).await;
    }
}

struct Socket {
    front: Arc<Front>,
    socket: WebSocket,
    address: IpAddr,
    connection: ConnectionId,
    bucket: TokenBucket,
    reports: TokenBucket,
    is_admitted: bool,
}

/// How a connection ends: by the gateway, or by itself.
type End = Option<CloseReason>;

impl Socket {
    async fn serve(&mut self, mut reader: TextReader) -> End {
        let mut silent_at = tokio::time::Instant::now() + SILENCE_TIMEOUT;
        loop {
            let step = tokio::select! {
                outgoing = reader.next() => match outgoing {
                    Outgoing::Message(text) => self.send(text).await,
                    Outgoing::Close(reason) => ControlFlow::Break(Some(reason)),
                },
                incoming = self.socket.recv() => {
                    silent_at = tokio::time::Instant::now() + SILENCE_TIMEOUT;
                    self.receive(incoming).await
                }
                () = tokio::time::sleep_until(silent_at) => {
                    self.count_limit(Limit::Silence);
                    ControlFlow::Break(Some(CloseReason::TooSlow))
                }
            };
            if let ControlFlow::Break(end) = step {
                return end;
            }
        }
    }

    async fn receive(&mut self, incoming: Option<Result<Message, axum::Error>>) -> ControlFlow<End> {
        let message = match incoming {
            Some(Ok(message)) => message,
            Some(Err(error)) => return self.broken(&error),
            None => return ControlFlow::Break(None),
        };
        if let Message::Close(_) = message {
            // The answer to a close goes out with the next read.
            let _ = tokio::time::timeout(SEND_TIMEOUT, self.socket.recv()).await;
            return ControlFlow::Break(None);
        }
        if !self.bucket.take(MESSAGE_LIMIT, Instant::now()) {
            self.count_limit(Limit::MessageRate);
            return self.refuse(0, &Refusal::new(ErrorCode::RateLimited, CloseReason::RateLimited)).await;
        }
        match message {
            Message::Text(text) => self.receive_text(&text).await,
            Message::Binary(_) => self.malformed().await,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => ControlFlow::Continue(()),
        }
    }

    async fn receive_text(&mut self, text: &str) -> ControlFlow<End> {
        let Ok(ClientEnvelope { id, message }) = serde_json::from_str(text) else {
            return self.malformed().await;
        };
        self.front.samples.count(Sample::MessageIn(client_message_type(&message)));
        let connection = self.connection;
        let input = match message {
            ClientMessage::Hello(hello) => match greet(&self.front, self.address, &hello).await {
                Ok(admission) => {
                    self.is_admitted = true;
                    let ice_servers = self.front.ice_servers(admission.participant);
                    let greeting = Greeting { request: id, admission, resume: hello.resume, ice_servers };
                    LoopInput::Hello { connection, greeting }
                }
                Err(refusal) => return self.refuse(id, &refusal).await,
            },
            // Signatures are verified here, on a task of this client alone.
            ClientMessage::AttestedReport(report) if self.is_admitted => match self.verify(&report) {
                Ok(claim) => LoopInput::Attested { connection, request: id, claim },
                Err(refused) => return self.refuse_report(id, refused).await,
            },
            message => LoopInput::Message { connection, envelope: ClientEnvelope { id, message } },
        };
        match self.front.inputs.send(input).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Some(CloseReason::GoingAway)),
        }
    }

    fn verify(&mut self, report: &AttestedReport) -> Result<AttestedClaim, AttestationRefused> {
        if !self.reports.take(REPORT_LIMIT, Instant::now()) {
            return Err(AttestationRefused::TooOften);
        }
        self.front.attested_apps.verify(report)
    }

    async fn refuse_report(&mut self, request: u32, refused: AttestationRefused) -> ControlFlow<End> {
        self.front.samples.count(Sample::AttestationRefused(refused));
        let (code, message) = match refused {
            AttestationRefused::UnknownApp => (ErrorCode::Forbidden, "no app of that name is enrolled"),
            AttestationRefused::Signature => (ErrorCode::Forbidden, "the signature does not fit the report"),
            AttestationRefused::TooOften => (ErrorCode::RateLimited, "too many reports within a second"),
        };
        self.send_error(request, code, message).await
    }

    async fn malformed(&mut self) -> ControlFlow<End> {
        self.front.samples.count(Sample::MessageIn("malformed"));
        let code = ErrorCode::MalformedMessage;
        self.send_error(0, code, error_text(code)).await
    }

    async fn refuse(&mut self, request: u32, refusal: &Refusal) -> ControlFlow<End> {
        match self.send_error(request, refusal.code, refusal.message).await {
            ControlFlow::Continue(()) => ControlFlow::Break(Some(refusal.close)),
            end @ ControlFlow::Break(_) => end,
        }
    }

    async fn send_error(&mut self, request: u32, code: ErrorCode, message: &str) -> ControlFlow<End> {
        self.front.samples.count(Sample::Error(code));
        self.front.samples.count(Sample::MessageOut("error"));
        let response = Response::Error { code, message: message.to_owned() };
        match serde_json::to_string(&ResponseEnvelope { id: request, response }) {
            Ok(text) => self.send(text).await,
            Err(_) => ControlFlow::Break(Some(CloseReason::Overloaded)),
        }
    }

    async fn send(&mut self, text: String) -> ControlFlow<End> {
        match tokio::time::timeout(SEND_TIMEOUT, self.socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) => ControlFlow::Break(None),
            Err(_) => {
                self.count_limit(Limit::Outbox);
                ControlFlow::Break(Some(CloseReason::TooSlow))
            }
        }
    }

    fn broken(&self, error: &axum::Error) -> ControlFlow<End> {
        let reason = breach(error);
        if reason == Some(CloseReason::MessageTooBig) {
            self.count_limit(Limit::MessageSize);
        }
        ControlFlow::Break(reason)
    }

    async fn close(&mut self, reason: CloseReason) {
        let frame = CloseFrame { code: reason.code(), reason: reason.as_str().into() };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                if self.socket.is_terminated() {
                    tokio::time::sleep(BREACH_LINGER).await;
                }
                // Reading until the peer's close lets ours arrive before the socket is reset.
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = tokio::time::timeout(SEND_TIMEOUT, closing).await;
    }

    fn count_limit(&self, limit: Limit) {
        self.front.samples.count(Sample::LimitHit(limit));
    }
}

/// What a peer did wrong, where a read failed for that; `None` where the connection is just gone.
fn breach(error: &axum::Error) -> Option<CloseReason> {
    // The library's own error lies within axum's.
    match std::error::Error::source(error)?.downcast_ref()? {
        tungstenite::Error::Capacity(_) => Some(CloseReason::MessageTooBig),
        tungstenite::Error::Utf8(_) => Some(CloseReason::InvalidText),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some(CloseReason::ProtocolViolation),
        _ => None,
    }
}

async fn greet(front: &Front, address: IpAddr, hello: &Hello) -> Result<Admission, Refusal> {
    if hello.version != PROTOCOL_VERSION {
        return Err(Refusal::new(ErrorCode::UnsupportedVersion, CloseReason::Unspoken));
    }
    admit(front, address, &hello.token).await
}
