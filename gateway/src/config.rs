//! What the operator decides: one typed tree, read from a TOML file and from `TVG_*` variables.
//! Without either, the defaults start a gateway that a browser on the same machine can use.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use protocol::network_class::NetworkClass;
use protocol::quality::{AdaptationPolicy, HdMode};
use protocol::video_codec::CodecPreference;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sfu::limits::{MAX_PARTICIPANTS, MAX_VIEWERS};
use signaling::attested_apps::{AttestedApp, ParseKeyError};
use signaling::ice_servers::InvalidIceServers;

use crate::human_units::HumanDuration;
pub use crate::ice_config::{IceConfig, IceServerConfig};
pub use crate::operator::{InvalidOperator, OperatorConfig};

/// Everything that an operator may decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The page, the API and the WebSocket for browsers.
    pub http: HttpConfig,
    /// Where media arrives and leaves.
    pub media: MediaConfig,
    /// Consults and their invitation links.
    pub consults: ConsultsConfig,
    /// STUN and TURN servers that clients are told of. Where UDP reaches the gateway nobody needs them; where a network
    /// lets none out, a TURN server that is reached by TCP or TLS carries the media on.
    pub ice: IceConfig,
    /// Who gets HD.
    pub policy: PolicyConfig,
    /// Metrics and health for operators. Keep it off the public network.
    pub admin: AdminConfig,
    /// What the gateway keeps on disk.
    pub store: StoreConfig,
    /// What the gateway says about itself.
    pub log: LogConfig,
    /// The interface of the mobile network operator that tells the generation a device is on (CAMARA Connected Network
    /// Type).
    pub operator: OperatorConfig,
    /// How the gateway ends.
    pub shutdown: ShutdownConfig,
}

/// The page, the API and the WebSocket for browsers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port to listen on. Browsers give camera and microphone only to `localhost` and to
    /// HTTPS pages: put a TLS-terminating proxy in front of any other address.
    pub listen: SocketAddr,
    /// The address of the page as browsers see it; invitation links start with it.
    /// Without it, links name the listening address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// The key that systems which create consults send as `Authorization: Bearer …`.
    /// Without it, one is drawn at the first start and kept in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// Address ranges of reverse proxies whose `X-Forwarded-For` is believed.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Origins, such as `https://clinic.example.org`, whose pages may open a session, besides the page that
    /// this gateway serves.
    pub allowed_origins: Vec<String>,
    /// Connections from one IPv4 address or IPv6 /64. A hospital behind one address needs many.
    pub max_connections_per_address: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen,
            public_url: None,
            api_key: None,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections_per_address: 1_000,
        }
    }
}

/// Where media arrives and leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// UDP port of the first media worker; each further worker takes the next port.
    /// Zero lets the system choose.
    pub port: u16,
    /// Addresses to bind, at most one of each family.
    pub bind: Vec<IpAddr>,
    /// Addresses that browsers can reach the media ports by, such as the public address of a NAT.
    /// An empty list advertises the addresses of this machine's interfaces.
    pub advertise: Vec<IpAddr>,
    /// Media workers, each a thread with a port of its own. Without it, one per core,
    /// and a single one on machines with one or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroUsize>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        let bind = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        Self { port: 50_000, bind, advertise: Vec::new(), workers: None }
    }
}

/// Consults and their invitation links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsultsConfig {
    /// How long an invitation link works where the consult does not say otherwise.
    pub link_lifetime: HumanDuration,
    /// People in one consult, at most, cameras that publish by WHIP included.
    pub max_participants: usize,
    /// Players that may watch one consult by WHEP, besides its people. The others see the first 20 of them by name, and
    /// of the rest how many they are.
    pub max_viewers: usize,
}

impl Default for ConsultsConfig {
    fn default() -> Self {
        let link_lifetime = HumanDuration(Duration::from_secs(24 * 3_600));
        Self { link_lifetime, max_participants: 16, max_viewers: 500 }
    }
}

/// Who gets HD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Which pairs may have HD at all: `equivalent` takes 5G, wired and Wi-Fi for HD-grade once
    /// measurement agrees; `strict` takes 5G to 5G only.
    #[schemars(with = "String")]
    pub hd_mode: HdMode,
    /// Which rules choose the pictures: `two_loop`, or a yardstick to measure it against: `fixed_by_class`
    /// takes 720 or 360 lines by class alone, `bandwidth_only` takes what the latest estimate pays for.
    #[schemars(with = "String")]
    pub adaptation: AdaptationPolicy,
    /// The video codecs in the order that they are liked: `vp8`, `h264`, `vp9`, `av1`; those that are not named come
    /// last. Pictures go in the first that everybody in the room can decode. VP9 and AV1 need a third less of the
    /// network than VP8, and about three times of the sender's processor.
    #[schemars(with = "Vec<String>")]
    pub video_codecs: CodecPreference,
    /// Take a claim of 5G that nothing attests for proof. For demonstrations only.
    pub accept_unattested_5g: bool,
    /// Address ranges whose network class the operator vouches for, such as
    /// `[{ range = "10.20.0.0/16", class = "5g" }]`. The first match counts.
    pub site_profiles: Vec<SiteProfileConfig>,
    /// Apps whose signed reports of their network are believed, such as `[{ name = "clinic-app", public_key =
    /// "MCowBQYDK2VwAyEA…" }]`; `signaling/docs/network-shell.md` says how they sign.
    pub attested_apps: Vec<AttestedAppConfig>,
}

/// An app that signs what it reports of its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttestedAppConfig {
    /// The name that its reports carry: visible ASCII characters.
    pub name: String,
    /// Its public key, of Ed25519 or of the curve P-256: in PEM, or in the base64 of the same.
    pub public_key: String,
}

/// An address range on a network of known class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteProfileConfig {
    /// The addresses, as the gateway sees them.
    #[schemars(with = "String")]
    pub range: IpNet,
    /// The network they are on: `wired`, `wifi`, `5g`, `4g`, `3g`, `2g`, `cell` or `unknown`.
    #[schemars(with = "String")]
    pub class: NetworkClass,
}

/// Metrics and health for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port of `/metrics`, `/livez` and `/readyz`.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9091)) }
    }
}

/// What the gateway keeps on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Directory of the database and of the drawn secrets; made when it is not there.
    pub data_dir: PathBuf,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("data") }
    }
}

/// What the gateway says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` for people, `json` for collectors.
    pub format: LogFormat,
    /// What to log, as directives of `tracing-subscriber`: `info`, `info,signaling=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        // The DTLS crate warns of every extension of a browser's ClientHello that it skips.
        Self { format: LogFormat::default(), filter: "info,rtc_dtls=error".to_owned() }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line of text per event.
    #[default]
    Text,
    /// One JSON object per event.
    Json,
}

/// How the gateway ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// How long sessions have to hear that the gateway stops, before it does.
    pub grace: HumanDuration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { grace: HumanDuration(Duration::from_secs(5)) }
    }
}

/// A secret of the configuration; it is never printed, neither in logs nor as TOML.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Secret(String);

/// What stands where a secret would.
const MASK: &str = "(hidden)";

impl Secret {
    /// Takes a secret in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one who checks it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// What is wrong with a configuration that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Too short a key can be guessed.
    #[error("http.api_key needs at least {MIN_API_KEY_LENGTH} characters")]
    ApiKeyTooShort,
    /// Links could not start with it.
    #[error("http.public_url must start with http:// or https:// and carry no query")]
    PublicUrl,
    /// No socket would be there.
    #[error("media.bind needs one address, and at most one of each family")]
    Bind,
    /// An answer carries a bounded number of candidates.
    #[error("media.advertise takes at most {MAX_ADVERTISED} addresses")]
    TooManyAdvertised,
    /// Nobody can send to it.
    #[error("media.advertise cannot carry the address {0}")]
    NotAdvertisable(IpAddr),
    /// The ports would run past the last one.
    #[error("media.port {port} leaves no room for {workers} workers")]
    PortRange {
        /// The first port.
        port: u16,
        /// Ports wanted.
        workers: usize,
    },
    /// More threads than any machine has use for.
    #[error("media.workers is at most {MAX_WORKERS}")]
    TooManyWorkers,
    /// A room has no place for more.
    #[error("consults.max_participants is 1 to {MAX_PARTICIPANTS}")]
    MaxParticipants,
    /// The media plane has no place for more.
    #[error("consults.max_viewers is 0 to {MAX_VIEWERS}")]
    MaxViewers,
    /// Clients could not use them.
    #[error("ice: {0}")]
    Ice(InvalidIceServers),
    /// Its reports could never be verified.
    #[error("policy.attested_apps: the key of {0:?}: {1}")]
    AttestedKey(String, ParseKeyError),
    /// Its reports could not be told from another's.
    #[error("policy.attested_apps: {0:?} is used twice, or no name of 1 to 64 visible ASCII characters")]
    AttestedName(String),
    /// The operator could not be asked.
    #[error(transparent)]
    Operator(#[from] InvalidOperator),
    /// One log line could not be filtered.
    #[error("log.filter is not a filter: {0}")]
    LogFilter(String),
}

/// The control plane refuses shorter keys: 32 hexadecimal digits carry 128 bits.
const MIN_API_KEY_LENGTH: usize = 32;

/// A browser pairs every candidate with each of its own; more than a handful delays the connection.
pub(crate) const MAX_ADVERTISED: usize = 16;

/// Workers take one port and one core each.
const MAX_WORKERS: usize = 256;

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        if self.http.api_key.as_ref().is_some_and(|key| key.reveal().len() < MIN_API_KEY_LENGTH) {
            return Err(InvalidConfig::ApiKeyTooShort);
        }
        if self.http.public_url.as_deref().is_some_and(|url| !is_page_address(url)) {
            return Err(InvalidConfig::PublicUrl);
        }
        if !(1..=MAX_PARTICIPANTS).contains(&self.consults.max_participants) {
            return Err(InvalidConfig::MaxParticipants);
        }
        if self.consults.max_viewers > MAX_VIEWERS {
            return Err(InvalidConfig::MaxViewers);
        }
        self.ice.servers().map_err(InvalidConfig::Ice)?;
        self.media.validate()?;
        self.policy.validate()?;
        self.operator.validate(self.http.public_url.as_deref())?;
        tracing_subscriber::EnvFilter::try_new(&self.log.filter)
            .map_err(|error| InvalidConfig::LogFilter(error.to_string()))?;
        Ok(())
    }
}

fn is_page_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', ' ']))
}

impl PolicyConfig {
    /// The apps with their keys.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] for the first key that is none.
    pub fn attested_apps(&self) -> Result<Vec<AttestedApp>, InvalidConfig> {
        let app = |it: &AttestedAppConfig| match it.public_key.parse() {
            Ok(public_key) => Ok(AttestedApp { name: it.name.clone(), public_key }),
            Err(error) => Err(InvalidConfig::AttestedKey(it.name.clone(), error)),
        };
        self.attested_apps.iter().map(app).collect()
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        let apps = self.attested_apps()?;
        match apps.iter().enumerate().find(|(place, app)| !app.is_name_fit(&apps[..*place])) {
            Some((_, app)) => Err(InvalidConfig::AttestedName(app.name.clone())),
            None => Ok(()),
        }
    }
}

impl MediaConfig {
    /// How many workers there shall be.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // Two cores are shared with the control plane: two busy workers would starve it.
        let by_default = || if cores() > 2 { cores() } else { 1 };
        self.workers.map_or_else(by_default, NonZeroUsize::get).min(MAX_WORKERS)
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        let of_v4 = self.bind.iter().filter(|address| address.is_ipv4()).count();
        let of_v6 = self.bind.len() - of_v4;
        if self.bind.is_empty() || of_v4 > 1 || of_v6 > 1 {
            return Err(InvalidConfig::Bind);
        }
        if self.advertise.len() > MAX_ADVERTISED {
            return Err(InvalidConfig::TooManyAdvertised);
        }
        if let Some(address) = self.advertise.iter().find(|it| it.is_unspecified() || it.is_multicast()) {
            return Err(InvalidConfig::NotAdvertisable(*address));
        }
        if self.workers.is_some_and(|workers| workers.get() > MAX_WORKERS) {
            return Err(InvalidConfig::TooManyWorkers);
        }
        let workers = self.worker_count();
        if self.port != 0 && usize::from(self.port) + workers - 1 > usize::from(u16::MAX) {
            return Err(InvalidConfig::PortRange { port: self.port, workers });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use signaling::config::SignalingConfig;

    use super::*;

    fn parse(text: &str) -> Result<Config, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        let config = parse("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        for text in
            ["[htpp]", "[http]\nlisen = \"127.0.0.1:1\"", "[policy]\nsite_profiles = [{ rnge = \"::/0\" }]"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_keep_their_words() {
        let config = parse(
            "[policy]\nhd_mode = \"strict\"\nsite_profiles = [{ range = \"10.0.0.0/8\", class = \"5g\" }]\n\
             [shutdown]\ngrace = \"800ms\"",
        )
        .unwrap();
        assert_eq!(config.policy.hd_mode, HdMode::Strict);
        assert_eq!(config.policy.site_profiles[0].class, NetworkClass::FiveG);
        assert_eq!(config.shutdown.grace.0, Duration::from_millis(800));
    }

    #[test]
    fn what_the_types_cannot_say_is_checked() {
        let port_range = InvalidConfig::PortRange { port: 65_535, workers: 2 };
        let multicast = IpAddr::from([224, 0, 0, 1]);
        for (text, wrong) in [
            ("[http]\napi_key = \"short\"", InvalidConfig::ApiKeyTooShort),
            ("[http]\npublic_url = \"video.example.org\"", InvalidConfig::PublicUrl),
            ("[http]\npublic_url = \"https://video.example.org/?a=b\"", InvalidConfig::PublicUrl),
            ("[consults]\nmax_participants = 65", InvalidConfig::MaxParticipants),
            ("[consults]\nmax_participants = 0", InvalidConfig::MaxParticipants),
            ("[consults]\nmax_viewers = 5001", InvalidConfig::MaxViewers),
            (
                "[ice]\nservers = [{ urls = [\"turn:turn.example.org\"] }]",
                InvalidConfig::Ice(InvalidIceServers::NoCredentials),
            ),
            ("[ice]\ncredential_lifetime = \"1s\"", InvalidConfig::Ice(InvalidIceServers::Lifetime)),
            ("[media]\nbind = []", InvalidConfig::Bind),
            ("[media]\nbind = [\"127.0.0.1\", \"127.0.0.2\"]", InvalidConfig::Bind),
            ("[media]\nadvertise = [\"224.0.0.1\"]", InvalidConfig::NotAdvertisable(multicast)),
            ("[media]\nport = 65535\nworkers = 2", port_range),
            ("[media]\nworkers = 257", InvalidConfig::TooManyWorkers),
            (
                "[policy]\nattested_apps = [{ name = \"app\", public_key = \"key\" }]",
                InvalidConfig::AttestedKey("app".to_owned(), ParseKeyError),
            ),
            (
                "[operator]\napi_root = \"https://a.example\"",
                InvalidConfig::Operator(InvalidOperator::Credentials),
            ),
        ] {
            assert_eq!(parse(text).unwrap().validate(), Err(wrong), "{text}");
        }
        let filter = parse("[log]\nfilter = \"info,=x=\"").unwrap().validate();
        assert!(matches!(filter, Err(InvalidConfig::LogFilter(_))), "{filter:?}");
    }

    #[test]
    fn a_secret_is_printed_nowhere() {
        let server = "urls = [\"turn:turn.example.org\"]";
        let config = parse(&format!(
            "[http]\napi_key = \"correct horse battery staple and more\"\n[ice]\n\
             servers = [{{ {server}, secret = \"horse\" }}, {{ {server}, username = \"me\", credential = \"horse\" }}]",
        ))
        .unwrap();
        assert_eq!(config.validate(), Ok(()));
        let told = config.ice.servers().unwrap();
        assert!(!format!("{config:?}{}{told:?}", toml::to_string(&config).unwrap()).contains("horse"));
    }

    #[test]
    fn the_control_plane_takes_as_many_as_the_media_plane() {
        let largest = SignalingConfig {
            max_participants: MAX_PARTICIPANTS,
            max_viewers: MAX_VIEWERS,
            ..SignalingConfig::default()
        };
        assert!(largest.check().is_ok());
    }
}
