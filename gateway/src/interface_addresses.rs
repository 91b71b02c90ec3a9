//! The addresses of this machine, for sites that name none to advertise.

use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::config::MAX_ADVERTISED;

/// Addresses that a browser on this machine, or on a network of it, can use; loopback comes last.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let mut addresses: Vec<IpAddr> = interfaces
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| {
            let storage = interface.address?;
            let v4 = storage.as_sockaddr_in().map(|it| IpAddr::V4(*SocketAddrV4::from(*it).ip()));
            v4.or_else(|| storage.as_sockaddr_in6().map(|it| IpAddr::V6(*SocketAddrV6::from(*it).ip())))
        })
        .filter(|address| is_usable(*address))
        .collect();
    addresses.sort_by_key(IpAddr::is_loopback);
    addresses.dedup();
    addresses.truncate(MAX_ADVERTISED);
    addresses
}

/// Link-local addresses mean nothing without a zone, which a candidate cannot carry.
fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_at_least_its_loopback_address() {
        let addresses = interface_addresses();
        assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
        assert!(addresses.iter().all(|address| is_usable(*address)));
    }
}
