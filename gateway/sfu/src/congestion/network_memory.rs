//! What the networks that a subscriber has been on were measured to carry. Whoever walks out of the Wi-Fi and
//! back finds a probe for what it had there; a probe, and not a promise.

use std::net::IpAddr;

use protocol::units::Bitrate;

use super::link_capacity::LinkCapacity;

/// Names the network of a subscriber's selected pair: the network-id of its connectivity checks (see
/// draft-thatcher-ice-network-cost-01 §4; zero where there is none), and the address it is seen under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkName {
    /// The network-id.
    pub id: u16,
    /// The address, without the port: a NAT that rebinds is no new network.
    pub address: IpAddr,
}

/// What is known of one network.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) target: Bitrate,
    pub(crate) capacity: LinkCapacity,
}

/// The networks of one subscriber, the one left last at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkMemory {
    current: Option<NetworkName>,
    known: Vec<(NetworkName, Remembered)>,
}

impl NetworkMemory {
    /// Moves to a network. `None` where it is the present one, or the first; else what is known of it.
    pub(crate) fn enter(
        &mut self,
        name: NetworkName,
        left: impl FnOnce() -> Remembered,
    ) -> Option<Option<Remembered>> {
        let before = self.current.replace(name).filter(|before| *before != name)?;
        self.known.retain(|(known, _)| *known != before);
        if self.known.len() == MOST_NETWORKS {
            self.known.remove(0);
        }
        self.known.push((before, left()));
        Some(self.known.iter().find(|(known, _)| *known == name).map(|(_, remembered)| remembered.clone()))
    }
}

/// Wi-Fi, two SIMs and a cable.
const MOST_NETWORKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn what_was_left_is_known_on_return_until_it_is_too_long_ago() {
        let name = |id| NetworkName { id, address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let left =
            |kbps| move || Remembered { target: Bitrate::kbps(kbps), capacity: LinkCapacity::default() };
        let target = |entered: Option<Option<Remembered>>| entered.map(|known| known.map(|one| one.target));
        let mut memory = NetworkMemory::default();
        assert_eq!(target(memory.enter(name(1), left(0))), None, "the first");
        assert_eq!(target(memory.enter(name(1), left(0))), None, "the same");
        assert_eq!(target(memory.enter(name(2), left(100))), Some(None), "a new one");
        assert_eq!(target(memory.enter(name(1), left(200))), Some(Some(Bitrate::kbps(100))));
        for id in 3..8 {
            assert_eq!(target(memory.enter(name(id), left(300))), Some(None));
        }
        assert_eq!(memory.known.len(), MOST_NETWORKS);
        assert_eq!(target(memory.enter(name(2), left(300))), Some(None), "forgotten");
    }
}
