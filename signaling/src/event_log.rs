//! The events of one session, kept so that a client whose connection dropped can have those it missed.
//! Events that replace one another (quality, plans, states) are kept once, the latest; beyond the bound
//! the oldest is dropped, and a client that has not seen it needs a new session.

use std::collections::VecDeque;

use protocol::id::{ParticipantId, TrackId};
use protocol::server_message::{Event, EventEnvelope};

use crate::limits::MAX_LOGGED_EVENTS;

/// The events of one session.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    events: VecDeque<EventEnvelope>,
    last_sequence: u64,
    /// Whoever has not seen up to here has lost an event for good.
    dropped_through: u64,
}

/// The client has missed events that are not kept any more, or claims some that never were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap;

/// What makes two events replace one another.
#[derive(PartialEq)]
enum Subject {
    Quality,
    Decisions,
    Plan(TrackId),
    Codec(TrackId),
    Speaker,
    OwnClass,
    Participant(ParticipantId),
    Viewers,
    Muted(TrackId),
}

impl EventLog {
    /// Numbers an event and keeps it.
    pub(crate) fn push(&mut self, event: Event) -> EventEnvelope {
        if let Some(subject) = subject(&event) {
            self.events.retain(|kept| self::subject(&kept.event).as_ref() != Some(&subject));
        }
        self.last_sequence += 1;
        let envelope = EventEnvelope { sequence: self.last_sequence, event };
        self.events.push_back(envelope.clone());
        if self.events.len() > MAX_LOGGED_EVENTS
            && let Some(dropped) = self.events.pop_front()
        {
            self.dropped_through = dropped.sequence;
        }
        envelope
    }

    /// What a client that has seen events up to `last_sequence` has missed, in order.
    pub(crate) fn since(&self, last_sequence: u64) -> Result<impl Iterator<Item = &EventEnvelope>, Gap> {
        if last_sequence < self.dropped_through || last_sequence > self.last_sequence {
            return Err(Gap);
        }
        Ok(self.events.iter().filter(move |event| event.sequence > last_sequence))
    }
}

fn subject(event: &Event) -> Option<Subject> {
    match event {
        Event::Quality { .. } => Some(Subject::Quality),
        Event::Decisions(_) => Some(Subject::Decisions),
        Event::UplinkPlan(plan) => Some(Subject::Plan(plan.track)),
        Event::VoicePlan(plan) => Some(Subject::Plan(plan.track)),
        Event::CodecPlan(plan) => Some(Subject::Codec(plan.track)),
        Event::ActiveSpeaker { .. } => Some(Subject::Speaker),
        Event::NetworkClass { .. } => Some(Subject::OwnClass),
        Event::ParticipantChanged(participant) => Some(Subject::Participant(participant.id)),
        Event::Viewers { .. } => Some(Subject::Viewers),
        Event::TrackMuted(track) => Some(Subject::Muted(track.id)),
        Event::ParticipantJoined(_)
        | Event::ParticipantLeft { .. }
        | Event::TrackPublished(_)
        | Event::TrackUnpublished { .. }
        | Event::MediaFailed
        | Event::Ended { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality() -> Event {
        Event::Quality { pairs: Vec::new() }
    }

    fn ended_track(track: u128) -> Event {
        Event::TrackUnpublished { track: TrackId::from_bits(track) }
    }

    fn sequences(log: &EventLog, since: u64) -> Result<Vec<u64>, Gap> {
        log.since(since).map(|events| events.map(|event| event.sequence).collect())
    }

    #[test]
    fn missed_events_come_in_order_and_states_only_once() {
        let mut log = EventLog::default();
        for event in [quality(), ended_track(1), quality(), Event::MediaFailed, quality()] {
            log.push(event);
        }
        assert_eq!(sequences(&log, 0), Ok(vec![2, 4, 5]));
        assert_eq!(sequences(&log, 4), Ok(vec![5]));
        assert_eq!(sequences(&log, 5), Ok(vec![]));
        assert_eq!(sequences(&log, 6), Err(Gap), "events that never were");
    }

    #[test]
    fn a_full_log_drops_the_oldest_and_says_so() {
        let mut log = EventLog::default();
        for track in 0..MAX_LOGGED_EVENTS as u128 + 2 {
            log.push(ended_track(track));
        }
        assert_eq!(sequences(&log, 1), Err(Gap));
        assert_eq!(sequences(&log, 2).map(|missed| missed.len()), Ok(MAX_LOGGED_EVENTS));
    }

    #[test]
    fn states_never_fill_the_log() {
        let mut log = EventLog::default();
        log.push(ended_track(1));
        for _ in 0..10 * MAX_LOGGED_EVENTS {
            log.push(quality());
        }
        assert_eq!(sequences(&log, 0).map(|missed| missed.len()), Ok(2));
    }
}
