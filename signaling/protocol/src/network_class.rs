//! The network class of a participant, and the evidence that a browser or its shell can offer for it.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The verdict on which network a participant is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, TS)]
pub enum NetworkClass {
    /// Ethernet.
    #[serde(rename = "wired")]
    Wired,
    /// Wi-Fi.
    #[serde(rename = "wifi")]
    Wifi,
    /// 5G NR, stand-alone or not.
    #[serde(rename = "5g")]
    FiveG,
    /// LTE.
    #[serde(rename = "4g")]
    FourG,
    /// UMTS, EV-DO and their kin.
    #[serde(rename = "3g")]
    ThreeG,
    /// GPRS, EDGE and their kin.
    #[serde(rename = "2g")]
    TwoG,
    /// Cellular of unknown generation: all that a browser can tell by itself.
    #[serde(rename = "cell")]
    Cell,
    /// No evidence, or evidence that contradicts itself.
    #[default]
    #[serde(rename = "unknown")]
    Unknown,
}

impl NetworkClass {
    /// Every class, in the order of metrics and dashboards.
    pub const ALL: [Self; 8] = [
        Self::Wired,
        Self::Wifi,
        Self::FiveG,
        Self::FourG,
        Self::ThreeG,
        Self::TwoG,
        Self::Cell,
        Self::Unknown,
    ];

    /// The word used on the wire, in metrics and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wired => "wired",
            Self::Wifi => "wifi",
            Self::FiveG => "5g",
            Self::FourG => "4g",
            Self::ThreeG => "3g",
            Self::TwoG => "2g",
            Self::Cell => "cell",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for NetworkClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who speaks in a [`NetworkReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReportSource {
    /// The page's Network Information API: tells the family, never the generation.
    NetworkInformation,
    /// A native shell around the page, through `postMessage`; not attested.
    Shell,
    /// The WeChat mini-program around the page, through `wx.getNetworkType`.
    WechatMiniProgram,
    /// A person, or whoever made the link that was opened: a hint.
    Person,
}

impl ReportSource {
    /// Every source, in the order of metrics.
    pub const ALL: [Self; 4] = [Self::NetworkInformation, Self::Shell, Self::WechatMiniProgram, Self::Person];
}

/// What a page or its shell says of the network it is on.
///
/// A report is a claim: it can lower a participant's class at once and support a higher one,
/// but it never grants HD by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NetworkReport {
    /// Who speaks.
    pub source: ReportSource,
    /// The class it claims.
    pub class: NetworkClass,
    /// The user asked the browser to save data.
    #[serde(default)]
    pub save_data: bool,
    /// The traffic goes through a VPN.
    #[serde(default)]
    pub vpn: bool,
    /// The device is in another operator's network.
    #[serde(default)]
    pub roaming: bool,
    /// Grows with every report of this source in a session; an older report than the last is ignored.
    pub sequence: u32,
}

impl NetworkReport {
    /// A report without any of the flags.
    #[must_use]
    pub const fn plain(source: ReportSource, class: NetworkClass, sequence: u32) -> Self {
        Self { source, class, save_data: false, vpn: false, roaming: false, sequence }
    }
}
