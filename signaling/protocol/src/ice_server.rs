//! A STUN or TURN server that a client may ask for a way to the gateway, where its network lets it take none of its own.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A STUN or TURN server, as `RTCIceServer` of a browser takes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IceServer {
    /// `stun:`, `stuns:`, `turn:` and `turns:` URLs of one server.
    pub urls: Vec<String>,
    /// Who the client is there; STUN does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    /// The password that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<String>,
}

/// Never prints the credentials.
impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_to_clients_and_printed_nowhere() {
        let server = IceServer {
            urls: vec!["turn:turn.example.org".to_owned()],
            username: Some("canary-name".to_owned()),
            credential: Some("canary-word".to_owned()),
        };
        assert!(!format!("{server:?}").contains("canary"));
        let stun = IceServer { username: None, credential: None, ..server };
        assert_eq!(serde_json::to_string(&stun).unwrap(), r#"{"urls":["turn:turn.example.org"]}"#);
    }
}
