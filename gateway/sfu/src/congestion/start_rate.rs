//! Where an estimate starts, by the class of the network: the class is the prior, measurement the judge.

use protocol::network_class::NetworkClass;
use protocol::units::Bitrate;

/// The rate before anything is measured, and the rate to be probed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartRate {
    /// The target until there is a measurement.
    pub rate: Bitrate,
    /// Probed as soon as packets may leave; `None` to wait for a demand.
    pub probe: Option<Bitrate>,
}

impl StartRate {
    /// The start for a subscriber on a network of this class.
    #[must_use]
    pub const fn of(class: NetworkClass) -> Self {
        match class {
            NetworkClass::Wired | NetworkClass::Wifi | NetworkClass::FiveG => {
                Self { rate: HD_GRADE_RATE, probe: Some(HD_GRADE_PROBE) }
            }
            NetworkClass::FourG => Self { rate: Bitrate::mbps(1), probe: Some(Bitrate::kbps(2_200)) },
            NetworkClass::Cell | NetworkClass::Unknown => {
                Self { rate: Bitrate::kbps(500), probe: Some(Bitrate::kbps(1_200)) }
            }
            NetworkClass::ThreeG => Self { rate: Bitrate::kbps(300), probe: Some(Bitrate::kbps(600)) },
            NetworkClass::TwoG => Self { rate: Bitrate::kbps(150), probe: None },
        }
    }
}

/// The HD rung and audio, with headroom: 95 % of the seconds of driving 5G carry it.
const HD_GRADE_RATE: Bitrate = Bitrate::kbps(2_500);

/// Enough above the HD rung that its success clears the allocator's margin for going up.
const HD_GRADE_PROBE: Bitrate = Bitrate::kbps(3_000);
