//! Messages on their way to one connection: bounded by number and bytes, so that a slow reader costs little
//! and delays nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::close_reason::CloseReason;
use crate::limits::{MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES};

/// The end that fills.
#[derive(Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Outgoing>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The end that empties.
#[derive(Debug)]
pub(crate) struct OutboxReader {
    receiver: mpsc::Receiver<Outgoing>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// One step of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Text(String),
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

/// Makes both ends.
pub(crate) fn outbox() -> (Outbox, OutboxReader) {
    // One place more than messages, so that a close always fits.
    let (sender, receiver) = mpsc::channel(MAX_OUTBOX_MESSAGES + 1);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    (Outbox { sender, waiting_bytes: Arc::clone(&waiting_bytes) }, OutboxReader { receiver, waiting_bytes })
}

impl Outbox {
    /// Adds a message.
    pub(crate) fn push(&self, text: String) -> Result<(), Refused> {
        // What waits for a reader that is gone says nothing about its speed.
        if self.sender.is_closed() {
            return Err(Refused::Gone);
        }
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        if self.sender.capacity() <= 1 || waiting + text.len() > MAX_OUTBOX_BYTES {
            return Err(Refused::Full);
        }
        self.waiting_bytes.fetch_add(text.len(), Ordering::Relaxed);
        self.sender.try_send(Outgoing::Text(text)).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Closed(_) => Refused::Gone,
        })
    }

    /// Ends the connection after what waits.
    pub(crate) fn close(self, reason: CloseReason) {
        // A reader that is gone needs no close.
        let _ = self.sender.try_send(Outgoing::Close(reason));
    }
}

impl OutboxReader {
    /// The next step; a filling end that is gone without a close means a reader that was too slow.
    pub(crate) async fn next(&mut self) -> Outgoing {
        let next = self.receiver.recv().await.unwrap_or(Outgoing::Close(CloseReason::TooSlow));
        if let Outgoing::Text(text) = &next {
            self.waiting_bytes.fetch_sub(text.len(), Ordering::Relaxed);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushes(outbox: &Outbox, bytes: usize) -> usize {
        (0..).take_while(|_| outbox.push("x".repeat(bytes)).is_ok()).count()
    }

    #[test]
    fn a_reader_that_is_gone_is_not_too_slow() {
        let (gone, reader) = outbox();
        assert_eq!(pushes(&gone, 1), MAX_OUTBOX_MESSAGES);
        assert_eq!(gone.push(String::new()), Err(Refused::Full));
        drop(reader);
        assert_eq!(gone.push(String::new()), Err(Refused::Gone));
    }

    #[tokio::test]
    async fn messages_and_bytes_are_bounded_and_come_back_when_read() {
        for (bytes, fit) in [(1, MAX_OUTBOX_MESSAGES), (MAX_OUTBOX_BYTES / 4, 4), (MAX_OUTBOX_BYTES + 1, 0)] {
            let (outbox, mut reader) = outbox();
            assert_eq!(pushes(&outbox, bytes), fit, "{bytes}");
            if fit > 0 {
                assert!(matches!(reader.next().await, Outgoing::Text(_)));
                assert_eq!(pushes(&outbox, bytes), 1, "{bytes}");
            }
            outbox.close(CloseReason::Left);
            for _ in 0..fit {
                assert!(matches!(reader.next().await, Outgoing::Text(_)));
            }
            assert_eq!(reader.next().await, Outgoing::Close(CloseReason::Left), "a close always fits");
            assert_eq!(reader.next().await, Outgoing::Close(CloseReason::TooSlow), "nobody fills it");
        }
    }
}
