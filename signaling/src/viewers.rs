//! Who only watches a room, by plain HTTP: the first few are listed among its participants, and of the others it
//! is told how many they are.

use std::collections::HashMap;

use protocol::id::{ParticipantId, SessionId};

use crate::limits::MAX_LISTED_VIEWERS;

/// The viewers of one room.
#[derive(Debug, Default)]
pub(crate) struct Viewers {
    session_by_viewer: HashMap<ParticipantId, SessionId>,
    /// In the order they came. A place that becomes free is for the next who comes.
    listed: Vec<ParticipantId>,
    /// How many the room believes to watch unlisted.
    told: u32,
    /// Whether the room is about to be told.
    is_due: bool,
}

impl Viewers {
    pub(crate) fn len(&self) -> usize {
        self.session_by_viewer.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.session_by_viewer.is_empty()
    }

    /// Adds one.
    pub(crate) fn insert(&mut self, viewer: ParticipantId, session: SessionId) {
        if self.session_by_viewer.insert(viewer, session).is_none() && self.listed.len() < MAX_LISTED_VIEWERS
        {
            self.listed.push(viewer);
        }
    }

    /// Removes one, where it is there.
    pub(crate) fn remove(&mut self, viewer: ParticipantId) {
        self.session_by_viewer.remove(&viewer);
        self.listed.retain(|listed| *listed != viewer);
    }

    /// Removes all, none of whom anybody shall hear of.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn session(&self, viewer: ParticipantId) -> Option<SessionId> {
        self.session_by_viewer.get(&viewer).copied()
    }

    /// Some viewer.
    pub(crate) fn first(&self) -> Option<ParticipantId> {
        self.session_by_viewer.keys().next().copied()
    }

    /// The sessions of all of them.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.session_by_viewer.values().copied()
    }

    /// The sessions of those who are listed, in the order they came.
    pub(crate) fn listed(&self) -> impl Iterator<Item = SessionId> {
        self.listed.iter().filter_map(|viewer| self.session(*viewer))
    }

    /// Whether a viewer is listed.
    pub(crate) fn lists(&self, viewer: ParticipantId) -> bool {
        self.listed.contains(&viewer)
    }

    /// How many the room was told of last, besides those who are listed.
    pub(crate) const fn told(&self) -> u32 {
        self.told
    }

    /// Whether there is news that nobody is about to tell yet; the caller is, from here on.
    pub(crate) fn becomes_due(&mut self) -> bool {
        let becomes = !self.is_due && self.unlisted() != self.told;
        self.is_due |= becomes;
        becomes
    }

    /// What the room shall be told now: how many watch unlisted, where that is another number than before.
    pub(crate) fn take_news(&mut self) -> Option<u32> {
        self.is_due = false;
        let unlisted = self.unlisted();
        (std::mem::replace(&mut self.told, unlisted) != unlisted).then_some(unlisted)
    }

    fn unlisted(&self) -> u32 {
        u32::try_from(self.len() - self.listed.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(number: usize) -> ParticipantId {
        ParticipantId::from_bits(number as u128)
    }

    fn session(number: usize) -> SessionId {
        SessionId::from_bits(number as u128)
    }

    fn many(count: usize) -> Viewers {
        let mut viewers = Viewers::default();
        (0..count).for_each(|number| viewers.insert(viewer(number), session(number)));
        viewers
    }

    #[test]
    fn the_first_are_listed_and_the_others_counted() {
        let mut viewers = many(MAX_LISTED_VIEWERS + 3);
        assert_eq!(
            viewers.listed().collect::<Vec<_>>(),
            (0..MAX_LISTED_VIEWERS).map(session).collect::<Vec<_>>()
        );
        assert!(viewers.becomes_due() && !viewers.becomes_due(), "once");
        assert_eq!((viewers.told(), viewers.take_news(), viewers.told()), (0, Some(3), 3));
        assert_eq!(viewers.take_news(), None);
        viewers.remove(viewer(4));
        assert!(!viewers.becomes_due(), "the others are as many as before");
        viewers.insert(viewer(99), session(99));
        assert!(
            viewers.lists(viewer(99)) && !viewers.lists(viewer(MAX_LISTED_VIEWERS)),
            "a free place is taken"
        );
    }

    #[test]
    fn who_came_and_went_between_two_words_is_no_news() {
        let mut viewers = many(MAX_LISTED_VIEWERS);
        viewers.insert(viewer(50), session(50));
        assert!(viewers.becomes_due());
        viewers.remove(viewer(50));
        viewers.remove(viewer(50));
        assert_eq!((viewers.take_news(), viewers.len()), (None, MAX_LISTED_VIEWERS));
    }
}
