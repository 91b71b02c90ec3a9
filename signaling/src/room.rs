//! A room as the control plane knows it: who entered, in which order, who watches, and what is published.

use protocol::id::{ParticipantId, SessionId, TrackId};
use protocol::track::Track;
use protocol::video_codec::VideoCodec;

use crate::limits::MAX_ROOM_TRACKS;
use crate::viewers::Viewers;

/// Who and what is in a room.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Those who are invited, in the order they came; they hear of all that happens.
    pub(crate) people: Vec<(ParticipantId, SessionId)>,
    /// Those whom an invitation of somebody else lets watch.
    pub(crate) viewers: Viewers,
    pub(crate) tracks: Vec<Track>,
    /// What everybody here can decode, once the media plane has told.
    pub(crate) video_codecs: Option<Vec<VideoCodec>>,
}

impl Room {
    pub(crate) fn member(&self, participant: ParticipantId) -> Option<SessionId> {
        let person = || self.people.iter().find(|(member, _)| *member == participant);
        self.viewers.session(participant).or_else(|| person().map(|(_, session)| *session))
    }

    /// The sessions of those whom the people here know by name, in the order they came.
    pub(crate) fn listed(&self) -> impl Iterator<Item = SessionId> {
        self.people.iter().map(|(_, session)| *session).chain(self.viewers.listed())
    }

    /// Whether the people here know a member by name.
    pub(crate) fn lists(&self, participant: ParticipantId) -> bool {
        self.viewers.session(participant).is_none() || self.viewers.lists(participant)
    }

    /// Some member.
    pub(crate) fn anybody(&self) -> Option<ParticipantId> {
        self.people.first().map(|(person, _)| *person).or_else(|| self.viewers.first())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.viewers.is_empty()
    }

    /// Whether somebody else publishes the track.
    pub(crate) fn offers(&self, track: TrackId, to: ParticipantId) -> bool {
        self.tracks.iter().any(|known| known.id == track && known.publisher != to)
    }

    /// Adds or changes a track; `None` where there is nothing new to tell.
    pub(crate) fn set_track(&mut self, track: Track) -> Option<TrackChange> {
        let has_place = self.tracks.len() < MAX_ROOM_TRACKS;
        match self.tracks.iter_mut().find(|known| known.id == track.id) {
            Some(known) if *known == track => None,
            Some(known) => {
                *known = track;
                Some(TrackChange::Muted)
            }
            None => has_place.then(|| {
                self.tracks.push(track);
                TrackChange::Published
            }),
        }
    }

    /// Removes a track; whether it was there.
    pub(crate) fn remove_track(&mut self, track: TrackId) -> bool {
        let before = self.tracks.len();
        self.tracks.retain(|known| known.id != track);
        self.tracks.len() < before
    }

    /// Removes a member and its tracks, and returns these.
    pub(crate) fn remove_member(&mut self, participant: ParticipantId) -> Vec<TrackId> {
        self.viewers.remove(participant);
        self.people.retain(|(member, _)| *member != participant);
        self.tracks.extract_if(.., |track| track.publisher == participant).map(|track| track.id).collect()
    }
}

/// What is new about a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrackChange {
    Published,
    Muted,
}
