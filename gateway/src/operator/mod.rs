//! Asks the operator of a mobile network which generation its devices are on: CAMARA Connected Network Type,
//! by polling and by events. What it answers is the most trusted evidence there is, and flows to the rooms as
//! [`MediaAction::Operator`](protocol::media_message::MediaAction::Operator).
//!
//! `watchlist` decides whom to ask and when, `camara` speaks HTTP, and `adapter` lets the one drive the other.
//! No address and no token reaches a log or a label.

mod access_token;
mod adapter;
mod camara;
mod circuit_breaker;
mod cloud_event;
mod config;
mod events_route;
#[cfg(test)]
mod mock_operator;
mod outcome;
mod rfc3339;
#[cfg(test)]
mod stories;
mod watchlist;

pub(crate) use self::adapter::{Adapter, AdapterSetup, OperatorHandle};
pub(crate) use self::camara::ClientError;
pub use self::config::{InvalidOperator, OperatorConfig};
pub(crate) use self::events_route::{SinkCredential, events_route};
pub(crate) use self::outcome::{EventOutcome, OperatorRequest, RequestOutcome};
