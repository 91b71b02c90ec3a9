//! Where participants are: an address range per network class, which the operator vouches for, and the
//! network cost that a browser there tells.

use std::net::SocketAddr;

use protocol::network_class::NetworkClass;
use sfu::config::SiteProfile;

/// The first port of a participant; each hand-over takes the next.
pub(super) const FIRST_PORT: u16 = 50_000;

pub(super) fn address(class: NetworkClass, index: usize, moves: u16) -> SocketAddr {
    let network = NetworkClass::ALL.iter().position(|other| *other == class).unwrap_or_default();
    SocketAddr::from(([10, network as u8, 0, 10 + index as u8], FIRST_PORT + moves))
}

/// The operator vouches for one range per class, and for none of those on unknown networks.
pub(super) fn site_profile(class: NetworkClass) -> Option<SiteProfile> {
    let range = format!("{}/16", address(class, 0, 0).ip()).parse().expect("a range of addresses");
    (class != NetworkClass::Unknown).then_some(SiteProfile { range, class })
}

/// libwebrtc's cost of a network whose kind it does not know.
pub(super) const UNKNOWN_COST: u16 = 50;

/// What Chromium tells of such a network: it never tells the generation of a cellular one.
pub(super) fn cost_of(class: NetworkClass) -> u16 {
    match class {
        NetworkClass::Wired => 0,
        NetworkClass::Wifi => 10,
        NetworkClass::FiveG
        | NetworkClass::FourG
        | NetworkClass::ThreeG
        | NetworkClass::TwoG
        | NetworkClass::Cell => 900,
        NetworkClass::Unknown => UNKNOWN_COST,
    }
}

/// What a build of libwebrtc tells that knows the generations of cellular networks apart
/// (`rtc_base/network_constants.h`).
pub(super) fn native_cost_of(class: NetworkClass) -> u16 {
    match class {
        NetworkClass::FiveG => 250,
        NetworkClass::FourG => 500,
        NetworkClass::ThreeG => 910,
        NetworkClass::TwoG => 980,
        NetworkClass::Wired | NetworkClass::Wifi | NetworkClass::Cell | NetworkClass::Unknown => {
            cost_of(class)
        }
    }
}
