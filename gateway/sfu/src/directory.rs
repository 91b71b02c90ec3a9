//! Where a datagram belongs: by the user name of a connectivity check, and by source address for all else.
//! An address is listed only once a check from it was authentic, and belongs to one participant at a time.

use std::collections::HashMap;
use std::net::SocketAddr;

/// A room's place on its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomIndex(pub(crate) usize);

/// A participant's place in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ParticipantIndex(pub(crate) usize);

/// A participant's place on its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Seat {
    pub(crate) room: RoomIndex,
    pub(crate) participant: ParticipantIndex,
}

/// The ways to every seat.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    seats_by_ufrag: HashMap<String, Seat>,
    seats_by_address: HashMap<SocketAddr, Seat>,
}

impl Directory {
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<Seat> {
        self.seats_by_ufrag.get(ufrag).copied()
    }

    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<Seat> {
        self.seats_by_address.get(&address).copied()
    }

    /// Lists the user name of a new ICE generation.
    pub(crate) fn list_ufrag(&mut self, ufrag: &str, seat: Seat) {
        self.seats_by_ufrag.insert(ufrag.to_owned(), seat);
    }

    /// Lists an address that has proved a password; a NAT may have given it to somebody else before.
    pub(crate) fn list_address(&mut self, address: SocketAddr, seat: Seat) {
        self.seats_by_address.insert(address, seat);
    }

    /// Strikes an address out, if it still is that seat's.
    pub(crate) fn strike_address(&mut self, address: SocketAddr, seat: Seat) {
        if self.by_address(address) == Some(seat) {
            self.seats_by_address.remove(&address);
        }
    }

    /// Strikes a user name out.
    pub(crate) fn strike_ufrag(&mut self, ufrag: &str) {
        self.seats_by_ufrag.remove(ufrag);
    }

    /// Entries of both kinds.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.seats_by_ufrag.len() + self.seats_by_address.len()
    }
}
