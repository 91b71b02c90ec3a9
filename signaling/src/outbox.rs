//! Messages on their way to one connection: bounded by number and bytes, so that a slow reader costs little
//! and delays nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::server_message::ServerMessage;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::close_reason::CloseReason;
use crate::limits::{MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES};

/// The end that fills.
#[derive(Debug)]
pub(crate) enum Outbox {
    /// Of a socket, which writes texts.
    Socket(TextOutbox),
    /// Of a caller in this process, which takes messages as they are.
    Caller(mpsc::Sender<Outgoing<Box<ServerMessage>>>),
}

/// The end that a socket's messages come in at.
#[derive(Debug)]
pub(crate) struct TextOutbox {
    sender: mpsc::Sender<Outgoing<String>>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The end that a socket empties.
#[derive(Debug)]
pub(crate) struct TextReader {
    receiver: mpsc::Receiver<Outgoing<String>>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The end that a caller empties.
#[derive(Debug)]
pub(crate) struct MessageReader(mpsc::Receiver<Outgoing<Box<ServerMessage>>>);

/// One step of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing<M> {
    Message(M),
    Close(CloseReason),
}

/// Why a message was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The reader is too slow.
    Full,
    /// The reader is gone: its connection has ended.
    Gone,
}

/// One place more than messages, so that a close always fits.
const PLACES: usize = MAX_OUTBOX_MESSAGES + 1;

/// Makes both ends of a socket's.
pub(crate) fn socket_outbox() -> (Outbox, TextReader) {
    let (outbox, reader) = text_outbox();
    (Outbox::Socket(outbox), reader)
}

/// Makes both ends of a caller's.
pub(crate) fn caller_outbox() -> (Outbox, MessageReader) {
    let (sender, receiver) = mpsc::channel(PLACES);
    (Outbox::Caller(sender), MessageReader(receiver))
}

fn text_outbox() -> (TextOutbox, TextReader) {
    let (sender, receiver) = mpsc::channel(PLACES);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    (TextOutbox { sender, waiting_bytes: Arc::clone(&waiting_bytes) }, TextReader { receiver, waiting_bytes })
}

impl Outbox {
    /// Adds a message.
    pub(crate) fn push(&self, message: ServerMessage) -> Result<(), Refused> {
        match self {
            Self::Socket(outbox) => match serde_json::to_string(&message) {
                Ok(text) => outbox.push(text),
                Err(error) => {
                    tracing::error!(%error, "a message cannot be written");
                    Ok(())
                }
            },
            Self::Caller(sender) => push(sender, Box::new(message)),
        }
    }

    /// Whether what is added goes over the wire.
    pub(crate) const fn is_socket(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Ends the connection after what waits.
    pub(crate) fn close(self, reason: CloseReason) {
        // A reader that is gone needs no close.
        match self {
            Self::Socket(outbox) => drop(outbox.sender.try_send(Outgoing::Close(reason))),
            Self::Caller(sender) => drop(sender.try_send(Outgoing::Close(reason))),
        }
    }
}

impl TextOutbox {
    fn push(&self, text: String) -> Result<(), Refused> {
        // What waits for a reader that is gone says nothing about its speed.
        if self.sender.is_closed() {
            return Err(Refused::Gone);
        }
        let bytes = text.len();
        if self.waiting_bytes.load(Ordering::Relaxed) + bytes > MAX_OUTBOX_BYTES {
            return Err(Refused::Full);
        }
        // Counted before the reader can take it off again.
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        push(&self.sender, text).inspect_err(|_| {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        })
    }
}

/// Adds a message where one place stays free for the close.
fn push<M>(sender: &mpsc::Sender<Outgoing<M>>, message: M) -> Result<(), Refused> {
    if sender.is_closed() {
        return Err(Refused::Gone);
    }
    if sender.capacity() <= 1 {
        return Err(Refused::Full);
    }
    sender.try_send(Outgoing::Message(message)).map_err(|error| match error {
        TrySendError::Full(_) => Refused::Full,
        TrySendError::Closed(_) => Refused::Gone,
    })
}

impl TextReader {
    /// The next step; a filling end that is gone without a close means a reader that was too slow.
    pub(crate) async fn next(&mut self) -> Outgoing<String> {
        let next = self.receiver.recv().await.unwrap_or(Outgoing::Close(CloseReason::TooSlow));
        if let Outgoing::Message(text) = &next {
            self.waiting_bytes.fetch_sub(text.len(), Ordering::Relaxed);
        }
        next
    }
}

impl MessageReader {
    /// The next step; a filling end that is gone without a close means a reader that was too slow.
    pub(crate) async fn next(&mut self) -> Outgoing<Box<ServerMessage>> {
        self.0.recv().await.unwrap_or(Outgoing::Close(CloseReason::TooSlow))
    }
}

#[cfg(test)]
mod tests {
    use protocol::server_message::{Response, ResponseEnvelope};

    use super::*;

    fn pushes(outbox: &TextOutbox, bytes: usize) -> usize {
        (0..).take_while(|_| outbox.push("x".repeat(bytes)).is_ok()).count()
    }

    fn pong() -> ServerMessage {
        ServerMessage::Response(ResponseEnvelope { id: 1, response: Response::Pong })
    }

    #[test]
    fn a_reader_that_is_gone_is_not_too_slow() {
        let (gone, reader) = text_outbox();
        assert_eq!(pushes(&gone, 1), MAX_OUTBOX_MESSAGES);
        assert_eq!(gone.push(String::new()), Err(Refused::Full));
        drop(reader);
        assert_eq!(gone.push(String::new()), Err(Refused::Gone));
    }

    #[tokio::test]
    async fn messages_and_bytes_are_bounded_and_come_back_when_read() {
        for (bytes, fit) in [(1, MAX_OUTBOX_MESSAGES), (MAX_OUTBOX_BYTES / 4, 4), (MAX_OUTBOX_BYTES + 1, 0)] {
            let (outbox, mut reader) = text_outbox();
            assert_eq!(pushes(&outbox, bytes), fit, "{bytes}");
            if fit > 0 {
                assert!(matches!(reader.next().await, Outgoing::Message(_)));
                assert_eq!(pushes(&outbox, bytes), 1, "{bytes}");
            }
            Outbox::Socket(outbox).close(CloseReason::Left);
            for _ in 0..fit {
                assert!(matches!(reader.next().await, Outgoing::Message(_)));
            }
            assert_eq!(reader.next().await, Outgoing::Close(CloseReason::Left), "a close always fits");
            assert_eq!(reader.next().await, Outgoing::Close(CloseReason::TooSlow), "nobody fills it");
        }
    }

    #[tokio::test]
    async fn a_socket_gets_texts_and_a_caller_the_message_itself() {
        let (socket, mut texts) = socket_outbox();
        let (caller, mut messages) = caller_outbox();
        for outbox in [&socket, &caller] {
            assert_eq!((0..).take_while(|_| outbox.push(pong()).is_ok()).count(), MAX_OUTBOX_MESSAGES);
        }
        assert_eq!(texts.next().await, Outgoing::Message(r#"{"id":1,"type":"pong"}"#.to_owned()));
        assert_eq!(messages.next().await, Outgoing::Message(Box::new(pong())));
        caller.close(CloseReason::Left);
        for _ in 1..MAX_OUTBOX_MESSAGES {
            messages.next().await;
        }
        assert_eq!(messages.next().await, Outgoing::Close(CloseReason::Left), "a close always fits");
    }
}
