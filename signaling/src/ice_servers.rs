//! The STUN and TURN servers that clients are told of: media needs none of them where UDP reaches the gateway, and some
//! networks let none out. Credentials are the same for everybody, or drawn for each participant with a secret that the
//! TURN server knows (draft-uberti-behave-turn-rest, `use-auth-secret` of coturn) and good for a while.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::ice_server::IceServer;
use protocol::id::ParticipantId;

use crate::redacted::Redacted;
use crate::unix_time::UnixTime;

/// URLs in all: browsers warn of five, and take longer to connect with each.
const MAX_URLS: usize = 8;

/// Characters of a URL, a user name, a credential or a secret.
const MAX_CHARS: usize = 256;

/// The STUN and TURN servers of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServers {
    servers: Vec<SiteIceServer>,
    credential_lifetime: Duration,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteIceServer {
    /// Where it is.
    pub urls: Vec<IceUrl>,
    /// What it asks for.
    pub access: IceAccess,
}

/// What a STUN or TURN server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IceAccess {
    /// Nothing, as STUN does.
    Open,
    /// A name and a password, the same for everybody.
    Password {
        /// The name.
        username: String,
        /// The password.
        credential: Redacted<String>,
    },
    /// What is drawn with this secret: a name that says until when it is good, and the proof of it.
    Secret(Redacted<String>),
}

/// `stun:`, `stuns:`, `turn:` or `turns:`, as RFC 7064 and RFC 7065 write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceUrl(String);

/// What cannot be told to clients as a STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIceServers {
    /// Not the form of one.
    #[error(
        "{0:?} is no URL of a STUN or TURN server, such as stun:stun.example.org or turn:turn.example.org:3478?transport=udp"
    )]
    Url(String),
    /// There is nothing to ask.
    #[error("a server has no urls")]
    NoUrl,
    /// Browsers would refuse it.
    #[error("a TURN server needs a username and a credential, or a secret to draw them with")]
    NoCredentials,
    /// One would hide the other.
    #[error("a server has a secret, or a username and a credential, not both")]
    TwoCredentials,
    /// A credential that nobody asks for is one in the wrong place.
    #[error("a STUN server takes no credentials")]
    StunCredentials,
    /// It could not be told in a header.
    #[error("usernames, credentials and secrets have 1 to {MAX_CHARS} visible ASCII characters")]
    Unprintable,
    /// Browsers would be slowed down.
    #[error("{0} urls are more than {MAX_URLS}")]
    TooMany(usize),
    /// Clients could not use it, or for longer than anybody means to.
    #[error("credential_lifetime is 1 minute to 90 days")]
    Lifetime,
}

impl FromStr for IceUrl {
    type Err = InvalidIceServers;

    fn from_str(text: &str) -> Result<Self, InvalidIceServers> {
        if is_ice_url(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIceServers::Url(text.to_owned()))
        }
    }
}

fn is_ice_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let is_fit = match (scheme, query) {
        ("stun" | "stuns" | "turn" | "turns", None) => true,
        ("turn" | "turns", Some(query)) => matches!(query, "transport=udp" | "transport=tcp"),
        _ => false,
    };
    is_fit && text.len() <= MAX_CHARS && is_place(place)
}

/// A host or an address, and maybe a port.
fn is_place(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (None, rest),
        Some(_) => return false,
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Some(host), port)
        }
    };
    let is_name = |host: &str| {
        !host.is_empty()
            && host.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-'))
    };
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|digits| digits.parse().is_ok_and(|it: u16| it > 0));
    host.is_none_or(is_name) && (port.is_empty() || is_port(port))
}

impl IceUrl {
    fn is_turn(&self) -> bool {
        self.0.starts_with("turn")
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SiteIceServer {
    fn check(&self) -> Result<(), InvalidIceServers> {
        if self.urls.is_empty() {
            return Err(InvalidIceServers::NoUrl);
        }
        let has_turn = self.urls.iter().any(IceUrl::is_turn);
        let words = match &self.access {
            IceAccess::Open if has_turn => return Err(InvalidIceServers::NoCredentials),
            IceAccess::Open => return Ok(()),
            IceAccess::Password { .. } | IceAccess::Secret(_) if !has_turn => {
                return Err(InvalidIceServers::StunCredentials);
            }
            IceAccess::Password { username, credential } => vec![username, credential.reveal()],
            IceAccess::Secret(secret) => vec![secret.reveal()],
        };
        if words.into_iter().all(|word| is_printable(word)) {
            Ok(())
        } else {
            Err(InvalidIceServers::Unprintable)
        }
    }

    fn told_to(&self, participant: ParticipantId, until: UnixTime) -> IceServer {
        let (username, credential) = match &self.access {
            IceAccess::Open => (None, None),
            IceAccess::Password { username, credential } => {
                (Some(username.clone()), Some(credential.reveal().clone()))
            }
            IceAccess::Secret(secret) => {
                let username = format!("{}:{participant}", until.as_secs());
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.reveal().as_bytes());
                let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
                (Some(username), Some(credential))
            }
        };
        IceServer { urls: self.urls.iter().map(IceUrl::to_string).collect(), username, credential }
    }
}

fn is_printable(word: &str) -> bool {
    (1..=MAX_CHARS).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

impl Default for IceServers {
    /// None at all.
    fn default() -> Self {
        Self { servers: Vec::new(), credential_lifetime: Duration::from_secs(24 * 3_600) }
    }
}

impl IceServers {
    /// Takes the servers of a site. What is drawn with a secret is good for `credential_lifetime`.
    ///
    /// # Errors
    ///
    /// [`InvalidIceServers`] with the first thing that is wrong.
    pub fn new(
        servers: Vec<SiteIceServer>,
        credential_lifetime: Duration,
    ) -> Result<Self, InvalidIceServers> {
        servers.iter().try_for_each(SiteIceServer::check)?;
        let urls = servers.iter().map(|server| server.urls.len()).sum();
        if urls > MAX_URLS {
            return Err(InvalidIceServers::TooMany(urls));
        }
        let lifetimes = Duration::from_secs(60)..=Duration::from_secs(90 * 24 * 3_600);
        if !lifetimes.contains(&credential_lifetime) {
            return Err(InvalidIceServers::Lifetime);
        }
        Ok(Self { servers, credential_lifetime })
    }

    /// What a participant is told of them.
    pub(crate) fn told_to(&self, participant: ParticipantId, now: UnixTime) -> Vec<IceServer> {
        let until = now.after(self.credential_lifetime);
        self.servers.iter().map(|server| server.told_to(participant, until)).collect()
    }
}

/// The same as the values of `Link` headers (RFC 9725 §4.6), one per URL.
pub(crate) fn links(servers: &[IceServer]) -> impl Iterator<Item = HeaderValue> {
    servers.iter().flat_map(|server| server.urls.iter().filter_map(|url| link(url, server)))
}

fn link(url: &str, server: &IceServer) -> Option<HeaderValue> {
    let mut text = format!("<{url}>; rel=\"ice-server\"");
    let is_turn = url.starts_with("turn");
    if let (true, Some(username), Some(credential)) = (is_turn, &server.username, &server.credential) {
        let (username, credential) = (quoted(username), quoted(credential));
        text += &format!("; username={username}; credential={credential}; credential-type=\"password\"");
    }
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A quoted string of RFC 9110 §5.6.4.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEBODY: ParticipantId = ParticipantId::from_bits(7);
    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn server(urls: &[&str], access: IceAccess) -> SiteIceServer {
        SiteIceServer { urls: urls.iter().map(|url| url.parse().expect("a URL")).collect(), access }
    }

    fn password(username: &str, credential: &str) -> IceAccess {
        IceAccess::Password { username: username.to_owned(), credential: credential.to_owned().into() }
    }

    fn secret() -> IceAccess {
        IceAccess::Secret("north star of the clinic".to_owned().into())
    }

    fn day(servers: Vec<SiteIceServer>) -> Result<IceServers, InvalidIceServers> {
        IceServers::new(servers, Duration::from_secs(86_400))
    }

    #[test]
    fn urls_are_those_of_the_two_rfcs() {
        for (url, fit) in [
            ("stun:stun.example.org", true),
            ("stuns:192.0.2.1:5349", true),
            ("turn:turn.example.org:3478?transport=udp", true),
            ("turns:[2001:db8::1]:443?transport=tcp", true),
            ("turn:[2001:db8::1]", true),
            ("stun:stun.example.org?transport=udp", false),
            ("turn:turn.example.org?transport=sctp", false),
            ("turn://turn.example.org", false),
            ("turn:turn.example.org:0", false),
            ("turn:turn.example.org:70000", false),
            ("turn:turn.example.org>; rel=x", false),
            ("turn:user@turn.example.org", false),
            ("turn:[turn.example.org]", false),
            ("turn:", false),
            ("https:turn.example.org", false),
            ("turn.example.org", false),
        ] {
            assert_eq!(url.parse::<IceUrl>().is_ok(), fit, "{url}");
        }
    }

    #[test]
    fn what_no_client_could_use_is_refused() {
        let (stun, turn) = (&["stun:a.example"][..], &["turn:a.example"][..]);
        for (servers, wrong) in [
            (vec![server(&[], IceAccess::Open)], InvalidIceServers::NoUrl),
            (vec![server(turn, IceAccess::Open)], InvalidIceServers::NoCredentials),
            (vec![server(stun, secret())], InvalidIceServers::StunCredentials),
            (vec![server(turn, password("", "word"))], InvalidIceServers::Unprintable),
            (vec![server(turn, password("名", "word"))], InvalidIceServers::Unprintable),
            (vec![server(turn, password("name", "wo\nrd"))], InvalidIceServers::Unprintable),
            (vec![server(stun, IceAccess::Open); 9], InvalidIceServers::TooMany(9)),
        ] {
            assert_eq!(day(servers), Err(wrong));
        }
        let brief = IceServers::new(Vec::new(), Duration::from_secs(59));
        assert_eq!(brief, Err(InvalidIceServers::Lifetime));
    }

    /// The vector is made with Python's `hmac`.
    #[test]
    fn a_secret_draws_credentials_that_say_until_when_they_are_good() {
        let servers = day(vec![server(&["turn:a.example"], secret())]).expect("servers");
        let told = servers.told_to(SOMEBODY, NOW).remove(0);
        assert_eq!(told.username.as_deref(), Some("1800086400:00000000000000000000000007"));
        assert_eq!(told.credential.as_deref(), Some("AjmonQZ0T5I9AKWJayQ52vj5IL4="));
        let other = servers.told_to(ParticipantId::from_bits(8), NOW).remove(0);
        assert_ne!(other.credential, told.credential);
    }

    #[test]
    fn each_url_is_a_link_and_only_turn_has_credentials() {
        let urls = ["stun:a.example", "turn:a.example?transport=udp"];
        let servers = day(vec![server(&urls, password(r#"na"me"#, r"can\ary"))]).expect("servers");
        let told = servers.told_to(SOMEBODY, NOW);
        let links: Vec<_> = links(&told).collect();
        let expected = [
            r#"<stun:a.example>; rel="ice-server""#,
            r#"<turn:a.example?transport=udp>; rel="ice-server"; username="na\"me"; credential="can\\ary"; credential-type="password""#,
        ];
        assert_eq!(links, expected);
        let printed = format!("{servers:?} {told:?} {links:?}");
        assert!(!printed.contains("ary"), "{printed}");
    }
}
