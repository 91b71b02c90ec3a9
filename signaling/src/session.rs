//! A session: one resumable signaling lifetime of a participant, from `hello` through lobby and room until
//! it is gone. It outlives its connection by [`RESUME_WINDOW`](crate::limits::RESUME_WINDOW).

use std::time::Instant;

use protocol::id::{ParticipantId, RoomId, SessionId, TrackId};
use protocol::media_message::Offer;
use protocol::network_class::{NetworkClass, NetworkReport};
use protocol::server_message::{Event, EventEnvelope, Participant};

use crate::consult::{Admission, ClientKind};
use crate::event_log::{EventLog, Gap};
use crate::limits::MAX_OFFERED_TRACKS;
use crate::redacted::Redacted;

/// One WebSocket connection; drawn by the shell, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// One resumable signaling lifetime of a participant.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) admission: Admission,
    /// Resumes the session.
    pub(crate) secret: Redacted<String>,
    pub(crate) link: Link,
    pub(crate) place: Place,
    /// Of a page alone: no other client resumes.
    log: EventLog,
    pub(crate) network_class: NetworkClass,
    pub(crate) open_negotiations: usize,
    /// Its client shows the decisions of the room.
    pub(crate) watches_decisions: bool,
    /// The latest report of each source that came before the join.
    early_reports: Vec<NetworkReport>,
    /// Tracks that answers have named, published yet or not.
    own_tracks: Vec<TrackId>,
    /// What a client of plain HTTP asked to play, once it did.
    plays: Option<Vec<TrackId>>,
}

/// Whether the client can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Connected(ConnectionId),
    Dropped { since: Instant },
}

/// Where in the consult a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Welcomed; no media, and not seen by others.
    Lobby,
    /// In the room.
    Room { name: Redacted<String>, since: Instant, media: MediaState },
}

/// Whether media of this session flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaState {
    /// It never has.
    Awaited,
    /// It does.
    Reached,
    /// It did; nothing has come for a while, and may come again.
    Silent,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        admission: Admission,
        secret: Redacted<String>,
        connection: ConnectionId,
    ) -> Self {
        Self {
            id,
            admission,
            secret,
            link: Link::Connected(connection),
            place: Place::Lobby,
            log: EventLog::default(),
            network_class: NetworkClass::Unknown,
            open_negotiations: 0,
            watches_decisions: false,
            early_reports: Vec::new(),
            own_tracks: Vec::new(),
            plays: None,
        }
    }

    pub(crate) fn room(&self) -> RoomId {
        self.admission.consult.into()
    }

    pub(crate) fn participant(&self) -> ParticipantId {
        self.admission.participant
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self.link {
            Link::Connected(connection) => Some(connection),
            Link::Dropped { .. } => None,
        }
    }

    pub(crate) fn is_in_room(&self) -> bool {
        match self.place {
            Place::Room { .. } => true,
            Place::Lobby => false,
        }
    }

    /// Whether the media plane has lost sight of the participant for the moment.
    pub(crate) fn is_media_silent(&self) -> bool {
        match &self.place {
            Place::Room { media, .. } => *media == MediaState::Silent,
            Place::Lobby => false,
        }
    }

    /// The participant as others see it; none in the lobby.
    pub(crate) fn as_seen(&self) -> Option<Participant> {
        match &self.place {
            Place::Lobby => None,
            Place::Room { name, .. } => Some(Participant {
                id: self.participant(),
                name: name.reveal().clone(),
                role: self.admission.role,
                network_class: self.network_class,
                connected: self.connection().is_some() && !self.is_media_silent(),
            }),
        }
    }

    /// What the client is told of an event; a page's is numbered, and kept in case that it resumes.
    pub(crate) fn envelope(&mut self, event: Event) -> Option<EventEnvelope> {
        match self.admission.client {
            ClientKind::Page => Some(self.log.push(event)),
            // It can be told nothing over plain HTTP, but it ends with what it plays.
            ClientKind::Resource => {
                let concerns = matches!(event, Event::TrackUnpublished { track } if self.may_play(track));
                concerns.then_some(EventEnvelope { sequence: 0, event })
            }
        }
    }

    /// Notes what a client plays from here on; a page is told of every track anyway.
    pub(crate) fn note_offer(&mut self, offer: &Offer) {
        if self.admission.client == ClientKind::Resource {
            self.plays = Some(offer.subscriptions.iter().map(|line| line.track).collect());
        }
    }

    /// Whether it plays a track, or may be about to.
    fn may_play(&self, track: TrackId) -> bool {
        self.plays.as_ref().is_none_or(|plays| plays.contains(&track))
    }

    /// The events that a client has missed which has seen those up to `last_sequence`.
    pub(crate) fn missed(&self, last_sequence: u64) -> Result<Vec<EventEnvelope>, Gap> {
        self.log.since(last_sequence).map(|missed| missed.cloned().collect())
    }

    /// Keeps a report for the join; the latest of its source.
    pub(crate) fn keep_report(&mut self, report: NetworkReport) {
        self.early_reports.retain(|kept| kept.source != report.source);
        self.early_reports.push(report);
    }

    pub(crate) fn take_reports(&mut self) -> Vec<NetworkReport> {
        std::mem::take(&mut self.early_reports)
    }

    /// Learns of tracks that an answer made.
    pub(crate) fn add_tracks(&mut self, tracks: impl Iterator<Item = TrackId>) {
        for track in tracks {
            if !self.owns(track) && self.own_tracks.len() < MAX_OFFERED_TRACKS {
                self.own_tracks.push(track);
            }
        }
    }

    pub(crate) fn forget_track(&mut self, track: TrackId) {
        self.own_tracks.retain(|own| *own != track);
    }

    pub(crate) fn owns(&self, track: TrackId) -> bool {
        self.own_tracks.contains(&track)
    }
}
