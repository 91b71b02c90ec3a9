//! Evidence for a network class: who says it, how far to trust it, and how long it counts.

use std::time::{Duration, Instant};

use protocol::network_class::{NetworkClass, ReportSource};

/// How far a statement about a network class is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trust {
    /// T0: a hint, or nothing at all.
    Hint,
    /// T1: a claim of software on the device, or the network family as the browser's ICE agent sees it.
    Claim,
    /// T2: a statement of the radio's generation by a shell that is hard to imitate.
    Native,
    /// T3: the operator of the gateway vouches: for the range of the address, or for the key of the app.
    Vouched,
    /// T4: the operator of the mobile network says so.
    Operator,
}

/// Who a piece of evidence is from; each has one slot, so evidence is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EvidenceSource {
    /// GOOG_NETWORK_INFO of STUN requests on the selected pair.
    Stun,
    /// A report of the page or its shell.
    Report(ReportSource),
    /// A signed report of an enrolled app.
    AttestedApp,
    /// A site profile that matches the media source address.
    Site,
    /// The mobile network operator.
    Operator,
}

impl EvidenceSource {
    pub(super) const COUNT: usize = 8;

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Stun => 0,
            Self::Report(ReportSource::NetworkInformation) => 1,
            Self::Report(ReportSource::Shell) => 2,
            Self::Report(ReportSource::WechatMiniProgram) => 3,
            Self::Report(ReportSource::Person) => 4,
            Self::AttestedApp => 5,
            Self::Site => 6,
            Self::Operator => 7,
        }
    }

    /// Whether the device itself speaks. Such a source is believed at once when it asks for less.
    pub(super) const fn is_device(self) -> bool {
        match self {
            Self::Stun
            | Self::Report(
                ReportSource::NetworkInformation | ReportSource::Shell | ReportSource::WechatMiniProgram,
            )
            | Self::AttestedApp => true,
            Self::Report(ReportSource::Person) | Self::Site | Self::Operator => false,
        }
    }

    /// Whether it speaks of the network that the device was on when it spoke, and no longer of the next one.
    pub(super) const fn is_of_one_network(self) -> bool {
        match self {
            Self::Report(_) | Self::AttestedApp | Self::Operator => true,
            Self::Stun | Self::Site => false,
        }
    }
}

/// One statement about the network of a participant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    pub(super) source: EvidenceSource,
    pub(super) class: NetworkClass,
    pub(super) trust: Trust,
    /// When it was last said.
    pub(super) heard: Instant,
}

impl Evidence {
    /// Weight in log-odds: full during its lifetime, then falling to nothing over the same time again.
    pub(super) fn weight(&self, now: Instant) -> f64 {
        let full = match self.trust {
            Trust::Hint => 0.5,
            Trust::Claim => 1.0,
            Trust::Native => 2.0,
            Trust::Vouched => 3.0,
            Trust::Operator => 4.0,
        };
        let Some(lifetime) = self.lifetime() else { return full };
        let age = now.saturating_duration_since(self.heard);
        if age <= lifetime {
            return full;
        }
        let faded = (age - lifetime).as_secs_f64() / lifetime.as_secs_f64();
        full * (1.0 - faded).max(0.0)
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        self.weight(now) > 0.0
    }

    /// When it starts to fade; `None` for evidence that lasts until it is replaced.
    pub(super) fn fades_at(&self) -> Option<Instant> {
        self.lifetime().map(|lifetime| self.heard + lifetime)
    }

    fn lifetime(&self) -> Option<Duration> {
        match self.source {
            EvidenceSource::Stun => Some(STUN_LIFETIME),
            EvidenceSource::AttestedApp => Some(NATIVE_LIFETIME),
            EvidenceSource::Report(_) if self.trust >= Trust::Native => Some(NATIVE_LIFETIME),
            // A hint holds for as long as the session does.
            EvidenceSource::Report(ReportSource::Person) | EvidenceSource::Site => None,
            EvidenceSource::Report(_) => Some(CLAIM_LIFETIME),
            EvidenceSource::Operator => Some(OPERATOR_LIFETIME),
        }
    }
}

/// Two of the slowest check intervals of libwebrtc on a stable pair (2.5 s).
const STUN_LIFETIME: Duration = Duration::from_secs(5);

/// A shell that knows the generation repeats itself every few seconds; radio segments are often as short.
pub(super) const NATIVE_LIFETIME: Duration = Duration::from_secs(10);

/// A family changes seldom, and pages report it on change.
const CLAIM_LIFETIME: Duration = Duration::from_secs(15);

/// The poll interval of an operator's API; whoever holds a subscription to its events says the last one again.
const OPERATOR_LIFETIME: Duration = Duration::from_secs(60);

/// What a network cost of libwebrtc means (`rtc_base/network_constants.h`); `None` is no evidence.
///
/// The cost of a VPN is that of the network below it plus one. 900 is every cellular generation at once.
pub(super) fn class_of_cost(cost: u16) -> Option<(NetworkClass, Trust)> {
    match cost {
        0 | 1 => Some((NetworkClass::Wired, Trust::Claim)),
        10 | 11 => Some((NetworkClass::Wifi, Trust::Claim)),
        250 | 251 => Some((NetworkClass::FiveG, Trust::Native)),
        500 | 501 => Some((NetworkClass::FourG, Trust::Native)),
        900 | 901 => Some((NetworkClass::Cell, Trust::Claim)),
        910 | 911 => Some((NetworkClass::ThreeG, Trust::Native)),
        980 | 981 => Some((NetworkClass::TwoG, Trust::Native)),
        // 50 is "unknown", 999 the any-address; the rest is no value of libwebrtc.
        _ => None,
    }
}

/// Whether a network cost of libwebrtc is that of a VPN: one above that of the network below it
/// (`WebRTC-AddNetworkCostToVpn`).
pub(super) fn is_vpn_cost(cost: u16) -> bool {
    matches!(cost, 1 | 11 | 251 | 501 | 901 | 911 | 981)
}

/// What a report is worth: the class that its source can know, and the trust in it.
pub(super) fn class_of_report(source: ReportSource, class: NetworkClass) -> Option<(NetworkClass, Trust)> {
    let trust = match (source, Family::of(class)) {
        (_, Family::Unknown) => return None,
        (ReportSource::Person, Family::Wired | Family::Wifi | Family::Cellular) => Trust::Hint,
        // `effectiveType` ends at 4g, also on 5G and on fibre: the generation says nothing.
        (ReportSource::NetworkInformation, Family::Cellular) => {
            return Some((NetworkClass::Cell, Trust::Claim));
        }
        (ReportSource::WechatMiniProgram, Family::Cellular) if class != NetworkClass::Cell => Trust::Native,
        (
            ReportSource::NetworkInformation | ReportSource::Shell | ReportSource::WechatMiniProgram,
            Family::Wired | Family::Wifi | Family::Cellular,
        ) => Trust::Claim,
    };
    Some((class, trust))
}

/// The kind of link, which is all that a browser can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Wired,
    Wifi,
    Cellular,
    Unknown,
}

impl Family {
    pub(super) const fn of(class: NetworkClass) -> Self {
        match class {
            NetworkClass::Wired => Self::Wired,
            NetworkClass::Wifi => Self::Wifi,
            NetworkClass::FiveG
            | NetworkClass::FourG
            | NetworkClass::ThreeG
            | NetworkClass::TwoG
            | NetworkClass::Cell => Self::Cellular,
            NetworkClass::Unknown => Self::Unknown,
        }
    }

    pub(super) const fn is_local(self) -> bool {
        match self {
            Self::Wired | Self::Wifi => true,
            Self::Cellular | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_of_libwebrtc() {
        use NetworkClass::{Cell, FiveG, FourG, ThreeG, TwoG, Wifi, Wired};
        let table = [
            (0, Some(Wired)),
            (10, Some(Wifi)),
            (11, Some(Wifi)),
            (50, None),
            (250, Some(FiveG)),
            (500, Some(FourG)),
            (900, Some(Cell)),
            (910, Some(ThreeG)),
            (980, Some(TwoG)),
            (999, None),
            (u16::MAX, None),
        ];
        for (cost, class) in table {
            assert_eq!(class_of_cost(cost).map(|(class, _)| class), class, "{cost}");
        }
    }

    #[test]
    fn the_page_knows_the_family_only() {
        for class in [NetworkClass::FiveG, NetworkClass::FourG, NetworkClass::TwoG, NetworkClass::Cell] {
            let worth = class_of_report(ReportSource::NetworkInformation, class);
            assert_eq!(worth, Some((NetworkClass::Cell, Trust::Claim)), "{class}");
        }
        assert_eq!(class_of_report(ReportSource::Shell, NetworkClass::Unknown), None);
    }

    #[test]
    fn a_person_can_only_hint() {
        for class in [NetworkClass::FiveG, NetworkClass::Wifi, NetworkClass::TwoG] {
            let worth = class_of_report(ReportSource::Person, class);
            assert_eq!(worth, Some((class, Trust::Hint)));
        }
    }

    #[test]
    fn only_odd_costs_are_of_a_vpn() {
        for cost in [0, 10, 50, 250, 500, 900, 910, 980, 999] {
            assert!(!is_vpn_cost(cost), "{cost}");
            assert_eq!(is_vpn_cost(cost + 1), class_of_cost(cost + 1).is_some(), "{cost}");
        }
    }

    #[test]
    fn evidence_fades_over_its_lifetime_again() {
        let start = crate::testing::origin();
        let evidence = Evidence {
            source: EvidenceSource::Stun,
            class: NetworkClass::FiveG,
            trust: Trust::Native,
            heard: start,
        };
        for (seconds, weight) in [(0.0, 2.0), (5.0, 2.0), (7.5, 1.0), (10.0, 0.0), (60.0, 0.0)] {
            let found = evidence.weight(start + Duration::from_secs_f64(seconds));
            assert!((found - weight).abs() < 1e-6, "{seconds} s: {found}");
        }
    }
}
