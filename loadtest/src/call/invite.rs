//! The link of an invitation, or its bare token: where to connect, and what to show there.

use std::fmt;
use std::str::FromStr;

/// Where sessions are opened.
const SESSION_PATH: &str = "/api/v1/session";

/// What lies between the address of a gateway and the token in a link.
const TOKEN_MARK: &str = "/join#token=";

/// An invitation as it was handed over.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    base: Option<String>,
    token: String,
}

/// Never prints the token.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("base", &self.base).finish_non_exhaustive()
    }
}

/// There is no token in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a link with {TOKEN_MARK} nor a token")]
pub struct ParseInviteError;

impl FromStr for Invite {
    type Err = ParseInviteError;

    fn from_str(text: &str) -> Result<Self, ParseInviteError> {
        let (base, token) = match text.trim().split_once(TOKEN_MARK) {
            Some((base, token)) => (Some(base.to_owned()), token),
            None => (None, text.trim()),
        };
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if token.is_empty() || !token.bytes().all(is_token) {
            return Err(ParseInviteError);
        }
        Ok(Self { base, token: token.to_owned() })
    }
}

impl Invite {
    /// The proof of the invitation.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The address of the session's WebSocket; `url` goes before the address in the link. `None` where there is neither,
    /// or one that is not `http` or `https`.
    #[must_use]
    pub fn session_url(&self, url: Option<&str>) -> Option<String> {
        let base = url.or(self.base.as_deref())?.trim_end_matches('/');
        let (scheme, rest) = base.split_once("://")?;
        let scheme = match scheme {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return None,
        };
        Some(format!("{scheme}://{rest}{SESSION_PATH}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_where_and_a_token_needs_to_be_told() {
        let link = "https://clinic.example/join#token=a.b-c_d";
        let ours = Some("http://127.0.0.1:8080/");
        // (invite, --url, session)
        let table = [
            (link, None, Some("wss://clinic.example/api/v1/session")),
            (link, ours, Some("ws://127.0.0.1:8080/api/v1/session")),
            ("a.b-c_d", ours, Some("ws://127.0.0.1:8080/api/v1/session")),
            ("a.b-c_d", None, None),
            ("a.b-c_d", Some("ftp://clinic.example"), None),
        ];
        for (text, url, session) in table {
            let invite: Invite = text.parse().expect("an invitation");
            assert_eq!(invite.token(), "a.b-c_d");
            assert_eq!(invite.session_url(url).as_deref(), session, "{text} at {url:?}");
        }
        for text in ["", "https://clinic.example/join", "https://clinic.example/join#token=", "a b"] {
            assert_eq!(text.parse::<Invite>(), Err(ParseInviteError), "{text}");
        }
    }
}
