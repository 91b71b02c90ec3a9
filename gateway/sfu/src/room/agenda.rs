//! Whose turn it is in a room: participants that something happened to, and those whose time comes. What many others
//! in the room wait for costs nothing in a turn that does not concern them.

use std::collections::VecDeque;
use std::time::Instant;

use crate::directory::ParticipantIndex;

/// What happened to a participant, and so what has to be looked at in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stir {
    /// Media for it arrived, and nothing else: by far the most of all turns.
    Media,
    /// Anything.
    Anything,
}

/// Whose turn it is. A deadline may be earlier than its participant needs, never later.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    stirred: VecDeque<ParticipantIndex>,
    places: Vec<Place>,
    /// A binary heap, the earliest deadline first; every participant is in it once at most.
    deadlines: Vec<(Instant, ParticipantIndex)>,
}

/// Where a participant stands.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    stirred: Option<Stir>,
    /// Its position in the heap.
    deadline: Option<usize>,
}

impl Agenda {
    /// Something happened to a participant: it is served with the next fill.
    pub(super) fn stir(&mut self, index: ParticipantIndex) {
        self.stir_for(index, Stir::Anything);
    }

    /// Something of that kind happened to a participant: it is served with the next fill.
    pub(super) fn stir_for(&mut self, index: ParticipantIndex, stir: Stir) {
        let stirred = &mut self.place(index).stirred;
        let before = *stirred;
        *stirred = before.max(Some(stir));
        if before.is_none() {
            self.stirred.push_back(index);
        }
    }

    /// Who is to be served next, and for what. It stays so until it is settled.
    pub(super) fn first_stirred(&self) -> Option<(ParticipantIndex, Stir)> {
        let first = *self.stirred.front()?;
        Some((first, self.places.get(first.0)?.stirred?))
    }

    /// The participant who was first is served, and what it last waited for stands; it has nothing to do before
    /// `deadline` besides.
    pub(super) fn settle_first_besides(&mut self, deadline: Instant) {
        let known = self.stirred.front().and_then(|index| self.places.get(index.0)?.deadline);
        match known.map(|position| self.deadlines[position].0) {
            Some(known) if known <= deadline => {
                if let Some(index) = self.stirred.pop_front() {
                    self.place(index).stirred = None;
                }
            }
            Some(_) | None => self.settle_first(Some(deadline)),
        }
    }

    /// The participant who was first is served, and has nothing to do before `deadline`.
    pub(super) fn settle_first(&mut self, deadline: Option<Instant>) {
        let Some(index) = self.stirred.pop_front() else { return };
        self.place(index).stirred = None;
        match (self.place(index).deadline, deadline) {
            (None, None) => {}
            (None, Some(at)) => {
                self.deadlines.push((at, index));
                self.rise(self.deadlines.len() - 1);
            }
            (Some(position), Some(at)) => {
                self.deadlines[position].0 = at;
                self.rise(position);
                if let Some(position) = self.place(index).deadline {
                    self.sink(position);
                }
            }
            (Some(position), None) => self.remove(position),
        }
    }

    /// The next participant whose time has come; it has no deadline any more, and is stirred.
    pub(super) fn poll_due(&mut self, now: Instant) -> Option<ParticipantIndex> {
        let (at, index) = *self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.remove(0);
        self.stir(index);
        Some(index)
    }

    /// When somebody's time comes.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn place(&mut self, index: ParticipantIndex) -> &mut Place {
        if self.places.len() <= index.0 {
            self.places.resize(index.0 + 1, Place::default());
        }
        &mut self.places[index.0]
    }

    fn remove(&mut self, position: usize) {
        let (_, gone) = self.deadlines.swap_remove(position);
        self.place(gone).deadline = None;
        if position < self.deadlines.len() {
            let (_, moved) = self.deadlines[position];
            self.rise(position);
            if let Some(position) = self.place(moved).deadline {
                self.sink(position);
            }
        }
    }

    fn rise(&mut self, mut position: usize) {
        while position > 0 && self.deadlines[position].0 < self.deadlines[(position - 1) / 2].0 {
            let parent = (position - 1) / 2;
            self.exchange(position, parent);
            position = parent;
        }
        self.note(position);
    }

    fn sink(&mut self, mut position: usize) {
        loop {
            let children = [2 * position + 1, 2 * position + 2];
            let earlier = children.into_iter().filter(|child| *child < self.deadlines.len());
            let Some(child) = earlier.min_by_key(|child| self.deadlines[*child].0) else { break };
            if self.deadlines[position].0 <= self.deadlines[child].0 {
                break;
            }
            self.exchange(position, child);
            position = child;
        }
        self.note(position);
    }

    fn exchange(&mut self, one: usize, other: usize) {
        self.deadlines.swap(one, other);
        self.note(one);
        self.note(other);
    }

    fn note(&mut self, position: usize) {
        let (_, index) = self.deadlines[position];
        self.place(index).deadline = Some(position);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::origin;

    fn settled(agenda: &mut Agenda, index: usize, deadline: Option<Instant>) {
        agenda.stir(ParticipantIndex(index));
        while let Some((first, _)) = agenda.first_stirred() {
            agenda.settle_first(deadline.filter(|_| first.0 == index));
        }
    }

    #[test]
    fn who_is_stirred_twice_is_served_once_and_in_order() {
        let mut agenda = Agenda::default();
        [2, 0, 2, 1].into_iter().for_each(|index| agenda.stir(ParticipantIndex(index)));
        let mut served = Vec::new();
        while let Some((index, _)) = agenda.first_stirred() {
            served.push(index.0);
            agenda.settle_first(None);
        }
        assert_eq!(served, [2, 0, 1]);
        assert_eq!(agenda.poll_timeout(), None);
    }

    #[test]
    fn what_it_waits_for_stands_unless_something_is_due_before() {
        let mut agenda = Agenda::default();
        let start = origin();
        let at = |ms| start + Duration::from_millis(ms);
        let one = ParticipantIndex(0);
        settled(&mut agenda, 0, Some(at(20)));
        for (besides, expected) in [(30, 20), (10, 10), (20, 10)] {
            agenda.stir_for(one, Stir::Media);
            assert_eq!(agenda.first_stirred(), Some((one, Stir::Media)));
            agenda.settle_first_besides(at(besides));
            assert_eq!((agenda.first_stirred(), agenda.poll_timeout()), (None, Some(at(expected))));
        }
        agenda.stir(one);
        agenda.stir_for(one, Stir::Media);
        assert_eq!(agenda.first_stirred(), Some((one, Stir::Anything)));
    }

    proptest! {
        /// Against a map that is searched from end to end.
        #[test]
        fn the_earliest_deadline_comes_first(
            steps in proptest::collection::vec((0_usize..12, proptest::option::of(0_u64..40), 0_u64..40), 1..200)
        ) {
            let start = origin();
            let at = |ms| start + Duration::from_millis(ms);
            let mut agenda = Agenda::default();
            let mut known: BTreeMap<usize, Instant> = BTreeMap::new();
            for (index, deadline, now) in steps {
                settled(&mut agenda, index, deadline.map(at));
                match deadline {
                    Some(ms) => known.insert(index, at(ms)),
                    None => known.remove(&index),
                };
                prop_assert_eq!(agenda.poll_timeout(), known.values().min().copied());
                if let Some(due) = agenda.poll_due(at(now)) {
                    let deadline = known.remove(&due.0);
                    prop_assert!(deadline.is_some_and(|deadline| deadline <= at(now)));
                    prop_assert!(known.values().all(|other| Some(*other) >= deadline));
                    agenda.settle_first(None);
                } else {
                    prop_assert!(known.values().all(|deadline| *deadline > at(now)));
                }
            }
        }
    }
}
