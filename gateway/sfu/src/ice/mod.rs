//! ICE-lite (RFC 8445 §2.5): the gateway answers connectivity checks and never sends one. Candidates of
//! the client are ignored, so the gateway sends only to addresses that have proved the ICE password.

mod connectivity_check;
mod credentials;
mod lite_agent;

pub(crate) use connectivity_check::ConnectivityCheck;
pub(crate) use credentials::IceCredentials;
pub(crate) use lite_agent::{LiteAgent, Selection};
