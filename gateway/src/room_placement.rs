//! Which media worker a room lives on: the one with the fewest participants when the room begins,
//! and that one until its last participant has left.

use std::collections::{HashMap, HashSet};

use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaAction, MediaCommand};
use sfu::limits::MAX_ROOMS;

/// A media worker, by its place in the list of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorkerIndex(pub(crate) usize);

/// The rooms of every worker.
#[derive(Debug)]
pub(crate) struct RoomPlacement {
    rooms: HashMap<RoomId, Place>,
    loads: Vec<Load>,
}

#[derive(Debug)]
struct Place {
    worker: WorkerIndex,
    participants: HashSet<ParticipantId>,
}

/// Orders workers: participants cost more than the rooms they are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    participants: usize,
    rooms: usize,
}

impl RoomPlacement {
    /// A placement over so many workers, all of them empty.
    pub(crate) fn new(workers: usize) -> Self {
        Self { rooms: HashMap::new(), loads: vec![Load::default(); workers] }
    }

    /// Which worker the command is for; `None` where its room does not exist and cannot begin.
    pub(crate) fn route(&mut self, command: &MediaCommand) -> Option<WorkerIndex> {
        match command.action {
            MediaAction::Join { .. } => self.join(command.room, command.participant),
            MediaAction::Leave => self.leave(command.room, command.participant),
            MediaAction::Negotiate { .. }
            | MediaAction::Subscribe(_)
            | MediaAction::Mute { .. }
            | MediaAction::Report(_)
            | MediaAction::Attested(_)
            | MediaAction::Operator { .. }
            | MediaAction::EncoderLimit { .. }
            | MediaAction::Explain => self.rooms.get(&command.room).map(|place| place.worker),
        }
    }

    fn join(&mut self, room: RoomId, participant: ParticipantId) -> Option<WorkerIndex> {
        if !self.rooms.contains_key(&room) {
            let (worker, load) = self.loads.iter_mut().enumerate().min_by_key(|(_, load)| **load)?;
            if load.rooms >= MAX_ROOMS {
                return None;
            }
            load.rooms += 1;
            let worker = WorkerIndex(worker);
            self.rooms.insert(room, Place { worker, participants: HashSet::new() });
        }
        let place = self.rooms.get_mut(&room)?;
        if place.participants.insert(participant) {
            self.loads.get_mut(place.worker.0)?.participants += 1;
        }
        Some(place.worker)
    }

    fn leave(&mut self, room: RoomId, participant: ParticipantId) -> Option<WorkerIndex> {
        let place = self.rooms.get_mut(&room)?;
        let worker = place.worker;
        let load = self.loads.get_mut(worker.0)?;
        if place.participants.remove(&participant) {
            load.participants -= 1;
        }
        if place.participants.is_empty() {
            load.rooms -= 1;
            self.rooms.remove(&room);
        }
        Some(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::track::Role;

    fn command(room: u128, participant: u128, action: MediaAction) -> MediaCommand {
        let (room, participant) = (RoomId::from_bits(room), ParticipantId::from_bits(participant));
        MediaCommand { room, participant, action }
    }

    fn join(room: u128, participant: u128) -> MediaCommand {
        command(room, participant, MediaAction::Join { role: Role::Patient, steerable: true })
    }

    fn leave(room: u128, participant: u128) -> MediaCommand {
        command(room, participant, MediaAction::Leave)
    }

    fn mute(room: u128) -> MediaCommand {
        let track = protocol::id::TrackId::from_bits(0);
        command(room, 0, MediaAction::Mute { track, muted: true })
    }

    #[test]
    fn rooms_go_where_the_fewest_participants_are_and_stay() {
        let steps = [
            (join(1, 1), Some(0)),
            (join(2, 2), Some(1)),
            (join(1, 3), Some(0)),
            (join(1, 3), Some(0)),
            (join(3, 4), Some(1)),
            (mute(1), Some(0)),
            (mute(9), None),
            (leave(9, 1), None),
            (leave(1, 1), Some(0)),
            (leave(1, 1), Some(0)),
            (mute(1), Some(0)),
            (leave(1, 3), Some(0)),
            (mute(1), None),
            (join(1, 1), Some(0)),
        ];
        let mut placement = RoomPlacement::new(2);
        for (number, (command, worker)) in steps.into_iter().enumerate() {
            assert_eq!(placement.route(&command), worker.map(WorkerIndex), "step {number}");
        }
    }

    #[test]
    fn a_full_node_begins_no_room() {
        let mut placement = RoomPlacement::new(1);
        for room in 0..MAX_ROOMS as u128 {
            assert!(placement.route(&join(room, 1)).is_some());
        }
        assert_eq!(placement.route(&join(u128::MAX, 1)), None);
        placement.route(&leave(0, 1));
        assert!(placement.route(&join(u128::MAX, 1)).is_some());
    }
}
