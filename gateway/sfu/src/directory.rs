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
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Seat = Seat { room: RoomIndex(0), participant: ParticipantIndex(0) };
    const SECOND: Seat = Seat { room: RoomIndex(0), participant: ParticipantIndex(1) };

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 5_000))
    }

    #[test]
    fn an_address_is_its_newest_owners_and_only_they_give_it_up() {
        let mut directory = Directory::default();
        assert_eq!(directory.by_address(address()), None);
        directory.list_address(address(), FIRST);
        directory.list_address(address(), SECOND);
        directory.strike_address(address(), FIRST);
        assert_eq!(directory.by_address(address()), Some(SECOND));
        directory.strike_address(address(), SECOND);
        assert_eq!(directory.by_address(address()), None);
    }

    #[test]
    fn a_user_name_leads_to_its_seat_until_it_is_struck_out() {
        let mut directory = Directory::default();
        directory.list_ufrag("first", FIRST);
        directory.list_ufrag("second", SECOND);
        directory.strike_ufrag("first");
        assert_eq!((directory.by_ufrag("first"), directory.by_ufrag("second")), (None, Some(SECOND)));
    }
}
