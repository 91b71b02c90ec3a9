//! How many connections there are, in all and per address. A slot is held until a connection is gone, as
//! HTTP and as WebSocket.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address_limiter::limited_address;
use crate::sample::Limit;

/// Counts connections.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    max_in_all: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    peer: IpAddr,
}

impl ConnectionSlots {
    pub(crate) fn new(max_in_all: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max_in_all, max_per_address, taken: Mutex::default() })
    }

    /// Takes a slot, or says which limit is reached.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionSlot, Limit> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.in_all >= self.max_in_all {
            return Err(Limit::Connections);
        }
        let of_address = taken.by_address.entry(limited_address(peer)).or_insert(0);
        if *of_address >= self.max_per_address {
            return Err(Limit::ConnectionsPerAddress);
        }
        *of_address += 1;
        taken.in_all += 1;
        Ok(ConnectionSlot { slots: Arc::clone(self), peer })
    }

    /// Connections in all.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).in_all
    }
}

impl ConnectionSlot {
    /// The other end of the connection.
    pub(crate) const fn peer(&self) -> IpAddr {
        self.peer
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        let address = limited_address(self.peer);
        if let Some(of_address) = taken.by_address.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_and_come_back() {
        let slots = ConnectionSlots::new(3, 2);
        let [one, two] = [1, 2].map(|host| IpAddr::from([192, 0, 2, host]));
        let first = slots.take(one).expect("a slot");
        let second = slots.take(one).expect("a slot");
        assert_eq!(slots.take(one).err(), Some(Limit::ConnectionsPerAddress));
        let third = slots.take(two).expect("a slot");
        assert_eq!(slots.take(two).err(), Some(Limit::Connections));
        drop(first);
        assert_eq!(slots.taken(), 2);
        let _again = slots.take(one).expect("a slot");
        drop((second, third));
        assert_eq!(slots.taken(), 1);
    }
}
