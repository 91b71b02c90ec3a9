//! How the operator of the mobile network is asked, as far as sites differ.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::human_units::HumanDuration;

/// The interface of the mobile network operator that tells the generation a device is on (CAMARA Connected Network Type).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorConfig {
    /// Where the operator's interfaces begin, `https://…` without a slash at the end. Without it, nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_root: Option<String>,
    /// The version of the interface, as it stands in its path.
    pub api_version: String,
    /// Where access tokens are issued (OAuth 2.0, client credentials).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// The name of this gateway at the operator.
    pub client_id: String,
    /// The secret that belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// Address ranges of this operator's devices: only about these is it asked. An empty list means every public address.
    #[schemars(with = "Vec<String>")]
    pub ranges: Vec<IpNet>,
    /// Have changes told to `/operator/events` at `http.public_url`, which the operator must reach by HTTPS.
    pub events: bool,
    /// How often a device is asked about while no events tell of its changes.
    pub poll_interval: HumanDuration,
    /// How long an answer may take.
    pub request_timeout: HumanDuration,
    /// Requests that may be under way at once.
    pub max_concurrent_requests: usize,
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self {
            api_root: None,
            api_version: "v0.2".to_owned(),
            token_url: None,
            client_id: String::new(),
            client_secret: None,
            ranges: Vec::new(),
            events: false,
            poll_interval: HumanDuration(Duration::from_secs(60)),
            request_timeout: HumanDuration(Duration::from_secs(3)),
            max_concurrent_requests: 8,
        }
    }
}

/// What is wrong with the settings of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOperator {
    /// Tokens and addresses would cross the network in the clear.
    #[error("operator.api_root and operator.token_url must start with https://, and carry no query")]
    Url,
    /// Nothing could be asked.
    #[error("operator.api_root needs token_url, client_id and client_secret beside it")]
    Credentials,
    /// The path would be another.
    #[error("operator.api_version is a word such as v0.2")]
    Version,
    /// The operator would refuse the sink.
    #[error("operator.events needs an http.public_url that starts with https://")]
    Sink,
    /// The evidence would fade between polls, or the operator would be flooded.
    #[error("operator.poll_interval is 10 s to 60 s")]
    PollInterval,
    /// No answer would ever be in time, or the classes be too old.
    #[error("operator.request_timeout is 100 ms to 30 s")]
    Timeout,
    /// Nothing would be asked, or too much.
    #[error("operator.max_concurrent_requests is 1 to 64")]
    Concurrency,
}

impl OperatorConfig {
    /// Whether the operator is asked about a device of that address.
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self.ranges.as_slice() {
            [] => is_public(address),
            ranges => ranges.iter().any(|range| range.contains(&address)),
        }
    }

    /// Checks what the types cannot say.
    pub(crate) fn validate(&self, public_url: Option<&str>) -> Result<(), InvalidOperator> {
        let Some(api_root) = &self.api_root else { return Ok(()) };
        let Some((token_url, secret)) = self.token_url.as_ref().zip(self.client_secret.as_ref()) else {
            return Err(InvalidOperator::Credentials);
        };
        if self.client_id.is_empty() || secret.reveal().is_empty() {
            return Err(InvalidOperator::Credentials);
        }
        if ![api_root, token_url].into_iter().all(|url| is_private_url(url)) || api_root.ends_with('/') {
            return Err(InvalidOperator::Url);
        }
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
        if self.api_version.is_empty() || !self.api_version.chars().all(is_word) {
            return Err(InvalidOperator::Version);
        }
        if self.events && !public_url.is_some_and(is_private_url) {
            return Err(InvalidOperator::Sink);
        }
        let seconds = |least, most| Duration::from_millis(least)..=Duration::from_secs(most);
        if !seconds(10_000, 60).contains(&self.poll_interval.0) {
            return Err(InvalidOperator::PollInterval);
        }
        if !seconds(100, 30).contains(&self.request_timeout.0) {
            return Err(InvalidOperator::Timeout);
        }
        if !(1..=64).contains(&self.max_concurrent_requests) {
            return Err(InvalidOperator::Concurrency);
        }
        Ok(())
    }
}

/// HTTPS, or a host that is this machine, as in tests and behind a proxy of one's own.
fn is_private_url(url: &str) -> bool {
    let is_local = || {
        let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
        matches!(host, Some("localhost" | "127.0.0.1"))
    };
    let is_plain = url.chars().all(|letter| letter.is_ascii_graphic() && !matches!(letter, '?' | '#' | '@'));
    is_plain && (url.len() > "https://".len() && url.starts_with("https://") || is_local())
}

/// Whether an address can be one that a mobile network shows to the outside. Private ones mean a network of the
/// gateway's own site, of which no operator knows.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || is_shared
                || first == 0
                || first >= 240)
        }
        IpAddr::V6(v6) => {
            let is_documentation = v6.segments()[..2] == [0x2001, 0x0db8];
            // Global unicast is 2000::/3 alone (RFC 4291 §2.4).
            v6.segments()[0] >> 13 == 1 && !is_documentation
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> OperatorConfig {
        OperatorConfig {
            api_root: Some("https://api.operator.example".to_owned()),
            token_url: Some("https://login.operator.example/token".to_owned()),
            client_id: "clinic".to_owned(),
            client_secret: Some(Secret::new("secret")),
            ..OperatorConfig::default()
        }
    }

    #[test]
    fn only_public_addresses_are_asked_about() {
        let config = config();
        for (address, covered) in [
            ("1.2.3.4", true),
            ("::ffff:1.2.3.4", true),
            ("2a00:1450::1", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("192.168.0.1", false),
            ("100.64.0.1", false),
            ("169.254.169.254", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("64:ff9b::7f00:1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(config.covers(address.parse().unwrap()), covered, "{address}");
        }
        let ranges = vec!["10.64.0.0/10".parse().unwrap()];
        let config = OperatorConfig { ranges, ..config };
        assert!(config.covers("10.64.0.1".parse().unwrap()) && !config.covers("1.2.3.4".parse().unwrap()));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        type Change = fn(&mut OperatorConfig);
        let table: [(Change, Result<(), InvalidOperator>); 14] = [
            (|_| {}, Ok(())),
            (|it| *it = OperatorConfig { client_id: String::new(), ..OperatorConfig::default() }, Ok(())),
            (|it| it.token_url = None, Err(InvalidOperator::Credentials)),
            (|it| it.client_secret = None, Err(InvalidOperator::Credentials)),
            (|it| it.client_id.clear(), Err(InvalidOperator::Credentials)),
            (|it| it.api_root = Some("http://api.operator.example".to_owned()), Err(InvalidOperator::Url)),
            (|it| it.api_root = Some("https://api.operator.example/".to_owned()), Err(InvalidOperator::Url)),
            (|it| it.api_root = Some("http://127.0.0.1:7".to_owned()), Ok(())),
            (|it| it.api_root = Some("http://127.0.0.1.evil.example".to_owned()), Err(InvalidOperator::Url)),
            (|it| it.api_version = "v1/..".to_owned(), Err(InvalidOperator::Version)),
            (|it| it.events = true, Err(InvalidOperator::Sink)),
            (
                |it| it.poll_interval = HumanDuration(Duration::from_secs(61)),
                Err(InvalidOperator::PollInterval),
            ),
            (|it| it.request_timeout = HumanDuration(Duration::ZERO), Err(InvalidOperator::Timeout)),
            (|it| it.max_concurrent_requests = 0, Err(InvalidOperator::Concurrency)),
        ];
        for (place, (change, outcome)) in table.into_iter().enumerate() {
            let mut config = config();
            change(&mut config);
            assert_eq!(config.validate(None), outcome, "row {place}");
        }
        let config = OperatorConfig { events: true, ..config() };
        assert_eq!(config.validate(Some("https://video.example.org")), Ok(()));
        assert_eq!(config.validate(Some("http://video.example.org")), Err(InvalidOperator::Sink));
    }
}
