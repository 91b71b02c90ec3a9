//! Events on their way from a media worker to the control plane, which must not hold the worker up.

use std::collections::VecDeque;

use protocol::media_message::{MediaEvent, MediaReport};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Events that wait while the control plane is behind: about ten seconds of a worker with a hundred rooms.
const BACKLOG: usize = 4_096;

/// Sends in order without waiting. What does not fit waits in a backlog; in a full one, news that the next
/// second repeats give way first, and every loss is counted.
#[derive(Debug)]
pub(crate) struct EventOutbox {
    channel: mpsc::Sender<MediaEvent>,
    backlog: VecDeque<MediaEvent>,
    lost: u64,
}

impl EventOutbox {
    /// Makes an outbox over a channel.
    pub(crate) fn new(channel: mpsc::Sender<MediaEvent>) -> Self {
        Self { channel, backlog: VecDeque::new(), lost: 0 }
    }

    /// Sends an event, or keeps it for [`Self::flush`].
    pub(crate) fn push(&mut self, event: MediaEvent) {
        if self.backlog.len() >= BACKLOG {
            self.make_room();
        }
        self.backlog.push_back(event);
        self.flush();
    }

    /// Sends what waits, as far as the channel takes it.
    pub(crate) fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.channel.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.backlog.push_front(event),
                Err(TrySendError::Closed(_)) => self.lost += 1,
            }
        }
    }

    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Events lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn make_room(&mut self) {
        let expendable = self.backlog.iter().position(|event| is_repeated(&event.report)).unwrap_or(0);
        self.backlog.remove(expendable);
        self.lost += 1;
    }
}

/// Whether the next one replaces it.
fn is_repeated(report: &MediaReport) -> bool {
    match report {
        MediaReport::Quality { .. } | MediaReport::Decisions(_) | MediaReport::ActiveSpeaker { .. } => true,
        MediaReport::Negotiated { .. }
        | MediaReport::Transport { .. }
        | MediaReport::TrackPublished(_)
        | MediaReport::TrackMuted(_)
        | MediaReport::TrackUnpublished(_)
        | MediaReport::UplinkPlan { .. }
        | MediaReport::VoicePlan { .. }
        | MediaReport::CodecPlan { .. }
        | MediaReport::RoomCodecs { .. }
        | MediaReport::NetworkClass { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::{ParticipantId, RoomId};
    use protocol::media_message::TransportState;

    fn lasting(number: usize) -> MediaEvent {
        let participant = ParticipantId::from_bits(number as u128);
        let report = MediaReport::Transport { participant, state: TransportState::Connected };
        MediaEvent { room: RoomId::from_bits(0), report }
    }

    fn repeated() -> MediaEvent {
        let report = MediaReport::ActiveSpeaker { participant: None };
        MediaEvent { room: RoomId::from_bits(0), report }
    }

    #[test]
    fn a_slow_reader_gets_everything_in_order() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outbox = EventOutbox::new(sender);
        (0..10).for_each(|number| outbox.push(lasting(number)));
        let mut read = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            read.push(event);
            outbox.flush();
        }
        assert_eq!(read, (0..10).map(lasting).collect::<Vec<_>>());
        assert!(outbox.is_empty());
        assert_eq!(outbox.lost(), 0);
    }

    #[test]
    fn a_full_backlog_gives_up_what_is_repeated() {
        let (sender, _receiver) = mpsc::channel(1);
        let mut outbox = EventOutbox::new(sender);
        outbox.push(lasting(0));
        outbox.push(lasting(1));
        outbox.push(repeated());
        (2..BACKLOG).for_each(|number| outbox.push(lasting(number)));
        assert_eq!((outbox.backlog.len(), outbox.lost()), (BACKLOG, 0));
        outbox.push(lasting(BACKLOG));
        assert_eq!((outbox.backlog.len(), outbox.lost()), (BACKLOG, 1));
        assert!(outbox.backlog.iter().all(|event| *event != repeated()));
    }

    #[test]
    fn without_a_reader_events_are_lost_and_counted() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let mut outbox = EventOutbox::new(sender);
        outbox.push(lasting(0));
        assert_eq!((outbox.is_empty(), outbox.lost()), (true, 1));
    }
}
