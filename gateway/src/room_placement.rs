//! Which media worker a room lives on: the one with the fewest participants when the room begins,
//! and that one until its last participant has left. Players of a large room may be on others.

use std::collections::HashMap;

use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaAction, MediaCommand};
use protocol::track::Role;
use sfu::limits::MAX_ROOMS;
use sfu::relay::WorkerId;

/// A worker that has nothing of a room yet takes in players of it where it has so many participants fewer: every packet
/// crosses over for them.
const SPREAD: usize = 32;

/// The rooms of every worker.
#[derive(Debug)]
pub(crate) struct RoomPlacement {
    rooms: HashMap<RoomId, Place>,
    loads: Vec<Load>,
}

#[derive(Debug)]
struct Place {
    home: WorkerId,
    participants: HashMap<ParticipantId, WorkerId>,
    /// How many of them each worker has.
    counts: Vec<usize>,
}

/// Where a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) worker: WorkerId,
    /// Where the room lives.
    pub(crate) home: WorkerId,
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
    pub(crate) fn route(&mut self, command: &MediaCommand) -> Option<Route> {
        match command.action {
            MediaAction::Join { role, steerable } => {
                let is_player = role == Role::Observer && !steerable;
                self.join(command.room, command.participant, is_player)
            }
            MediaAction::Leave => self.leave(command.room, command.participant),
            MediaAction::Negotiate { .. }
            | MediaAction::Subscribe(_)
            | MediaAction::Mute { .. }
            | MediaAction::Report(_)
            | MediaAction::Attested(_)
            | MediaAction::Operator { .. }
            | MediaAction::EncoderLimit { .. } => {
                let room = self.rooms.get(&command.room)?;
                let at_home = Route { worker: room.home, home: room.home };
                Some(room.route(command.participant).unwrap_or(at_home))
            }
            // All that is decided about those who show something is decided there.
            MediaAction::Explain => {
                let home = self.rooms.get(&command.room)?.home;
                Some(Route { worker: home, home })
            }
        }
    }

    fn join(&mut self, id: RoomId, participant: ParticipantId, is_player: bool) -> Option<Route> {
        if !self.rooms.contains_key(&id) {
            let (home, load) = self.loads.iter_mut().enumerate().min_by_key(|(_, load)| **load)?;
            if load.rooms >= MAX_ROOMS {
                return None;
            }
            let (home, counts) = (WorkerId(home), vec![0; self.loads.len()]);
            self.rooms.insert(id, Place { home, participants: HashMap::new(), counts });
        }
        let room = self.rooms.get_mut(&id)?;
        if let Some(known) = room.route(participant) {
            return Some(known);
        }
        let worker = if is_player { room.worker_for_player(&self.loads) } else { room.home };
        let (count, load) = (room.counts.get_mut(worker.0)?, self.loads.get_mut(worker.0)?);
        load.rooms += usize::from(*count == 0);
        load.participants += 1;
        *count += 1;
        room.participants.insert(participant, worker);
        room.route(participant)
    }

    fn leave(&mut self, id: RoomId, participant: ParticipantId) -> Option<Route> {
        let room = self.rooms.get_mut(&id)?;
        let home = room.home;
        let Some(worker) = room.participants.remove(&participant) else {
            return Some(Route { worker: home, home });
        };
        let (count, load) = (room.counts.get_mut(worker.0)?, self.loads.get_mut(worker.0)?);
        *count -= 1;
        load.participants -= 1;
        load.rooms -= usize::from(*count == 0);
        if room.participants.is_empty() {
            self.rooms.remove(&id);
        }
        Some(Route { worker, home })
    }
}

impl Place {
    fn route(&self, participant: ParticipantId) -> Option<Route> {
        self.participants.get(&participant).map(|worker| Route { worker: *worker, home: self.home })
    }

    /// The worker with the fewest participants; one that would have to be told of the room has to be worth that.
    fn worker_for_player(&self, loads: &[Load]) -> WorkerId {
        let weight = |(place, load): &(usize, &Load)| {
            let is_new = self.counts.get(*place).is_none_or(|count| *count == 0) && *place != self.home.0;
            let is_full = is_new && load.rooms >= MAX_ROOMS;
            (is_full, load.participants + if is_new { SPREAD } else { 0 })
        };
        loads.iter().enumerate().min_by_key(weight).map_or(self.home, |(place, _)| WorkerId(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let route = worker.map(|worker| Route { worker: WorkerId(worker), home: WorkerId(worker) });
            assert_eq!(placement.route(&command), route, "step {number}");
        }
    }

    #[test]
    fn players_of_a_large_room_go_to_other_workers_and_find_their_own_again() {
        let watch = |participant| {
            let action = MediaAction::Join { role: Role::Observer, steerable: false };
            command(1, participant, action)
        };
        let mut placement = RoomPlacement::new(2);
        let mut worker = |command: &MediaCommand| {
            let route = placement.route(command).expect("there is room");
            assert_eq!(route.home, WorkerId(0));
            route.worker.0
        };
        assert_eq!(worker(&join(1, 1_000)), 0);
        let placed: Vec<usize> = (0..200).map(|player| worker(&watch(player))).collect();
        assert!(placed[..SPREAD - 1].iter().all(|worker| *worker == 0), "a small audience stays together");
        let away = placed.iter().filter(|worker| **worker == 1).count();
        assert!((95..=105).contains(&away), "{away} of 200 are away");
        assert_eq!(worker(&join(1, 1_001)), 0, "who shows something is at home");
        let (player, _) = placed.iter().enumerate().find(|(_, worker)| **worker == 1).expect("some are away");
        let subscribe = command(1, player as u128, mute(1).action);
        assert_eq!(worker(&subscribe), 1);
        assert_eq!(worker(&command(1, player as u128, MediaAction::Explain)), 0);
        assert_eq!(worker(&leave(1, player as u128)), 1);
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
