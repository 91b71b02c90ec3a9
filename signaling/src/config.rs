//! What a site may set of the control plane. Bounds that no site would set otherwise are in `limits`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use protocol::quality::HdMode;
use protocol::video_codec::CodecPreference;
use serde::{Deserialize, Serialize};

use crate::attested_apps::AttestedApp;
use crate::duration_text;
use crate::ice_servers::IceServers;
use crate::redacted::Redacted;

/// Settings of the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalingConfig {
    /// Where the page, the API and the WebSocket are served, in plain HTTP/1.1. TLS is for a proxy in front.
    pub listen: SocketAddr,
    /// What a browser calls that address, without a path; links begin with it, tokens are issued by it.
    pub public_url: String,
    /// Holds the database, the token key and the API key; made at first start, readable to the owner only.
    pub data_dir: PathBuf,
    /// The Bearer secret of the API, of at least 32 characters; without one, it is drawn at first start and
    /// kept in `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Redacted<String>>,
    /// Origins, such as `https://clinic.example`, whose pages may open a session, besides the page that
    /// this gateway serves.
    pub allowed_origins: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a link works where the consult does not say otherwise.
    #[serde(with = "duration_text")]
    pub link_lifetime: Duration,
    /// Which pairs may have HD at all; shown to clients, and the same as the media plane's.
    pub hd_mode: HdMode,
    /// Apps whose signed reports of their network are believed.
    #[serde(skip)]
    pub attested_apps: Vec<AttestedApp>,
    /// The STUN and TURN servers that clients are told of.
    #[serde(skip)]
    pub ice_servers: IceServers,
    /// The codecs for pictures in the order that the site likes them; shown to clients.
    pub video_codecs: CodecPreference,
    /// People in one consult, cameras that publish by plain HTTP included.
    pub max_participants: usize,
    /// Players that may watch one consult, besides its people.
    pub max_viewers: usize,
    /// API requests per second from one address.
    pub api_requests_per_second: u32,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections from one IPv4 address or IPv6 /64: a hospital behind one address needs many.
    pub max_connections_per_address: usize,
}

impl Default for SignalingConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            public_url: "http://localhost:8080".to_owned(),
            data_dir: PathBuf::from("data"),
            api_key: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            link_lifetime: Duration::from_secs(24 * 3_600),
            hd_mode: HdMode::default(),
            attested_apps: Vec::new(),
            ice_servers: IceServers::default(),
            video_codecs: CodecPreference::default(),
            max_participants: 16,
            max_viewers: 500,
            api_requests_per_second: 20,
            max_connections: 10_000,
            max_connections_per_address: 1_000,
        }
    }
}
