//! The ways between media workers that share a room: a bounded queue into each, and a waker. Nobody waits for anybody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use mio::Waker;
use sfu::relay::{RelayMessage, RelayOutput, WorkerId};

/// Messages that wait for one worker: a tenth of a second of thirty pictures of 1.5 Mbit/s, which take 1.6 KB each.
const CAPACITY: usize = 512;

/// Messages other than media that wait for room in a queue: as many rooms change at once, at the most.
const MAX_KEPT: usize = 4_096;

/// What comes from other workers.
#[derive(Debug)]
pub(crate) struct RelayInbox(Receiver<(WorkerId, RelayMessage)>);

/// What goes to other workers.
#[derive(Debug)]
pub(crate) struct RelayOutbox {
    from: WorkerId,
    peers: Vec<Peer>,
}

/// The way to one worker.
#[derive(Debug, Clone)]
struct Peer {
    queue: SyncSender<(WorkerId, RelayMessage)>,
    waker: Arc<Waker>,
    /// What must not be lost, and waits for room.
    kept: VecDeque<RelayMessage>,
    has_news: bool,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// It is on its way, or waits to be.
    Taken,
    /// There was no room for it.
    Lost,
}

/// The queues of all workers, which are woken by these.
pub(crate) fn relay_queues(wakers: &[Arc<Waker>]) -> Vec<(RelayInbox, RelayOutbox)> {
    let (queues, inboxes): (Vec<_>, Vec<_>) = wakers.iter().map(|_| sync_channel(CAPACITY)).unzip();
    let peers: Vec<Peer> = queues
        .into_iter()
        .zip(wakers)
        .map(|(queue, waker)| Peer {
            queue,
            waker: Arc::clone(waker),
            kept: VecDeque::new(),
            has_news: false,
        })
        .collect();
    let outboxes = (0..wakers.len()).map(|place| RelayOutbox { from: WorkerId(place), peers: peers.clone() });
    inboxes.into_iter().map(RelayInbox).zip(outboxes).collect()
}

impl RelayInbox {
    /// The next message; call until `None`.
    pub(crate) fn poll(&self) -> Option<(WorkerId, RelayMessage)> {
        self.0.try_recv().ok()
    }
}

impl RelayOutbox {
    /// Passes a message on. It is heard of with the next [`Self::wake`].
    pub(crate) fn push(&mut self, relay: RelayOutput) -> Relayed {
        let Some(peer) = self.peers.get_mut(relay.to.0) else { return Relayed::Lost };
        peer.push(self.from, relay.message)
    }

    /// Passes on what waits, and wakes who has been told something.
    pub(crate) fn wake(&mut self) {
        for peer in &mut self.peers {
            peer.flush(self.from);
            if std::mem::take(&mut peer.has_news)
                && let Err(error) = peer.waker.wake()
            {
                tracing::error!(%error, "a media worker cannot be woken");
            }
        }
    }

    /// Whether something waits for room.
    pub(crate) fn is_empty(&self) -> bool {
        self.peers.iter().all(|peer| peer.kept.is_empty())
    }
}

impl Peer {
    fn push(&mut self, from: WorkerId, message: RelayMessage) -> Relayed {
        self.flush(from);
        let refused = if self.kept.is_empty() { self.send(from, message) } else { Some(message) };
        match refused {
            None => Relayed::Taken,
            Some(message) if !message.is_media() && self.kept.len() < MAX_KEPT => {
                self.kept.push_back(message);
                Relayed::Taken
            }
            Some(_) => Relayed::Lost,
        }
    }

    fn flush(&mut self, from: WorkerId) {
        while let Some(message) = self.kept.pop_front() {
            if let Some(refused) = self.send(from, message) {
                return self.kept.push_front(refused);
            }
        }
    }

    /// Gives the message back where there is no room.
    fn send(&mut self, from: WorkerId, message: RelayMessage) -> Option<RelayMessage> {
        match self.queue.try_send((from, message)) {
            Ok(()) => {
                self.has_news = true;
                None
            }
            Err(TrySendError::Full((_, message))) => Some(message),
            // A worker that is gone ends the process.
            Err(TrySendError::Disconnected(_)) => None,
        }
    }
}
