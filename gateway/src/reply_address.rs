//! Remembers which of our addresses each peer sends to, so that what goes back leaves from there:
//! on a host with several addresses the kernel would choose by route, and ICE drops an answer from
//! an address that it did not ask (RFC 8445 §7.2.5.2.1).

use std::collections::HashMap;
use std::mem;
use std::net::{IpAddr, SocketAddr};

/// Peers of one generation: every participant that one worker may have, and strangers besides.
const GENERATION: usize = 8_192;

/// Our address by peer, in two generations. A full young one becomes the old one, so strangers push
/// out only peers that were silent for as long as it took thousands of strangers to speak.
#[derive(Debug, Default)]
pub(crate) struct ReplyAddresses {
    own: OwnAddresses,
    young: HashMap<SocketAddr, IpAddr>,
    old: HashMap<SocketAddr, IpAddr>,
}

/// Which of our addresses peers use: on most hosts there is one that they can reach, and nothing to look up.
#[derive(Debug, Default, Clone, Copy)]
enum OwnAddresses {
    #[default]
    NoneYet,
    One(IpAddr),
    Several,
}

impl ReplyAddresses {
    /// Takes note that `peer` sent to our address `local`.
    pub(crate) fn learn(&mut self, peer: SocketAddr, local: IpAddr) {
        self.own = match self.own {
            OwnAddresses::NoneYet => OwnAddresses::One(local),
            OwnAddresses::One(known) if known == local => OwnAddresses::One(known),
            OwnAddresses::One(_) | OwnAddresses::Several => OwnAddresses::Several,
        };
        if let Some(known) = self.young.get_mut(&peer) {
            *known = local;
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(peer, local);
    }

    /// The address that `peer`, who was heard of, last sent to.
    pub(crate) fn of(&self, peer: SocketAddr) -> Option<IpAddr> {
        match self.own {
            OwnAddresses::NoneYet => None,
            OwnAddresses::One(address) => Some(address),
            OwnAddresses::Several => self.young.get(&peer).or_else(|| self.old.get(&peer)).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn peer(number: usize) -> SocketAddr {
        let [.., a, b, c] = number.to_be_bytes();
        SocketAddr::from(([10, a, b, c], 9))
    }

    #[test]
    fn the_last_address_counts() {
        let mut addresses = ReplyAddresses::default();
        assert_eq!(addresses.of(peer(1)), None);
        addresses.learn(peer(1), IpAddr::from([192, 0, 2, 2]));
        addresses.learn(peer(1), OURS);
        assert_eq!(addresses.of(peer(1)), Some(OURS));
    }

    #[test]
    fn where_peers_use_several_of_ours_each_keeps_its_own() {
        let mut addresses = ReplyAddresses::default();
        addresses.learn(peer(1), OURS);
        addresses.learn(peer(2), OURS);
        assert_eq!(addresses.of(peer(2)), Some(OURS));
        let other = IpAddr::from([192, 0, 2, 2]);
        addresses.learn(peer(2), other);
        assert_eq!([addresses.of(peer(1)), addresses.of(peer(2))], [Some(OURS), Some(other)]);
    }

    #[test]
    fn a_flood_of_strangers_does_not_push_out_who_speaks_in_between() {
        let mut addresses = ReplyAddresses::default();
        addresses.learn(peer(0), IpAddr::from([192, 0, 2, 2]));
        for stranger in 1..10 * GENERATION {
            if stranger % GENERATION == 1 {
                addresses.learn(peer(0), OURS);
            }
            addresses.learn(peer(stranger), OURS);
            assert_eq!(addresses.of(peer(0)), Some(OURS), "after {stranger} strangers");
            assert!(addresses.young.len() + addresses.old.len() <= 2 * GENERATION);
        }
    }
}
