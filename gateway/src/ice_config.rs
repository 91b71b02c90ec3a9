//! The STUN and TURN servers that clients are told of, as a site writes them down.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signaling::ice_servers::{IceAccess, IceServers, InvalidIceServers, SiteIceServer};
use signaling::redacted::Redacted;

use crate::config::Secret;
use crate::human_units::HumanDuration;

/// STUN and TURN servers that clients are told of. Where UDP reaches the gateway nobody needs them; where a network lets
/// none out, a TURN server that is reached by TCP or TLS carries the media on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IceConfig {
    /// The servers, such as `[{ urls = ["turn:turn.example.org:3478?transport=tcp"], secret = "…" }]`. A TURN server has a
    /// `secret` that it knows, too (`use-auth-secret` and `static-auth-secret` of coturn), to draw credentials with for each
    /// participant, or a `username` and a `credential` for everybody; a STUN server has neither.
    pub servers: Vec<IceServerConfig>,
    /// How long credentials are good that were drawn with a `secret`.
    pub credential_lifetime: HumanDuration,
}

impl Default for IceConfig {
    fn default() -> Self {
        Self { servers: Vec::new(), credential_lifetime: HumanDuration(Duration::from_secs(24 * 3_600)) }
    }
}

/// A STUN or TURN server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IceServerConfig {
    /// Where it is: `stun:`, `stuns:`, `turn:` and `turns:` URLs of one server.
    pub urls: Vec<String>,
    /// The name that everybody shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Secret>,
    /// What it draws and checks credentials with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

impl IceConfig {
    /// The servers as the control plane tells of them.
    ///
    /// # Errors
    ///
    /// [`InvalidIceServers`] with the first thing that is wrong.
    pub fn servers(&self) -> Result<IceServers, InvalidIceServers> {
        let servers = self.servers.iter().map(IceServerConfig::server).collect::<Result<_, _>>()?;
        IceServers::new(servers, self.credential_lifetime.0)
    }
}

impl IceServerConfig {
    fn server(&self) -> Result<SiteIceServer, InvalidIceServers> {
        let urls = self.urls.iter().map(|url| url.parse()).collect::<Result<_, _>>()?;
        let hidden = |secret: &Secret| Redacted::new(secret.reveal().to_owned());
        let access = match (&self.username, &self.credential, &self.secret) {
            (None, None, None) => IceAccess::Open,
            (Some(username), Some(credential), None) => {
                IceAccess::Password { username: username.clone(), credential: hidden(credential) }
            }
            (None, None, Some(secret)) => IceAccess::Secret(hidden(secret)),
            (_, _, Some(_)) => return Err(InvalidIceServers::TwoCredentials),
            (_, _, None) => return Err(InvalidIceServers::NoCredentials),
        };
        Ok(SiteIceServer { urls, access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(servers: &str) -> Result<IceServers, InvalidIceServers> {
        toml::from_str::<IceConfig>(&format!("servers = [{servers}]")).expect("TOML").servers()
    }

    #[test]
    fn a_server_has_the_access_that_it_asks_for() {
        let (stun, turn) = (r#"urls = ["stun:a.example"]"#, r#"urls = ["turn:a.example"]"#);
        let named = r#"username = "me", credential = "word""#;
        let drawn = r#"secret = "word""#;
        for (text, fits) in [
            (format!("{{ {stun} }}, {{ {turn}, {drawn} }}"), true),
            (format!("{{ {turn}, {named} }}"), true),
            (format!("{{ {turn} }}"), false),
            (format!("{{ {stun}, {drawn} }}"), false),
            (format!("{{ {turn}, {named}, {drawn} }}"), false),
            (format!("{{ {turn}, username = \"me\" }}"), false),
            (r#"{ urls = ["http://a.example"] }"#.to_owned(), false),
        ] {
            let servers = read(&text);
            assert_eq!(servers.is_ok(), fits, "{text}: {servers:?}");
        }
    }
}
