//! What the operator decides about the media plane.

use std::net::SocketAddr;

use ipnet::IpNet;
use protocol::network_class::NetworkClass;
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::video_codec::CodecPreference;

/// Settings of one media worker's share of the media plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SfuConfig {
    /// The host candidates that answers carry: what browsers can reach this worker's socket by.
    pub candidates: Vec<SocketAddr>,
    /// Which pairs may have HD at all.
    pub hd_mode: HdMode,
    /// Which rules choose the pictures.
    pub adaptation: AdaptationPolicy,
    /// The codecs for pictures in the order that the site likes them.
    pub video_codecs: CodecPreference,
    /// Address ranges whose network class the operator vouches for; the first match counts.
    pub site_profiles: Vec<SiteProfile>,
    /// Take an unattested claim of 5G for proof. For demonstrations only.
    pub accept_unattested_5g: bool,
}

/// An address range on a network of known class: "this range is our 5G private network".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteProfile {
    /// The addresses, as the gateway sees them.
    pub range: IpNet,
    /// The network they are on.
    pub class: NetworkClass,
}
