//! The control plane: consults and their links, sessions and their resumption, the HTTP and WebSocket API,
//! and the record of who was there. Everything that decides is pure ([`start`] wires it to the world):
//! `registry` turns messages, media events and time into answers, commands and records.
//!
//! It knows the media plane only as a [`MediaLink`](media_link::MediaLink), and metrics only as
//! [`Sample`](sample::Sample)s that somebody counts.

mod address_limiter;
mod admission;
pub mod attested_apps;
mod client_address;
mod close_reason;
pub mod config;
mod connection_slots;
mod constant_time;
mod consult;
mod consults_api;
mod control_loop;
mod decisions_api;
mod display_name;
mod duration_text;
mod event_log;
mod front;
pub mod ice_servers;
mod key_file;
mod limits;
mod listener;
pub mod media_link;
mod message_type;
mod outbox;
mod page;
mod problem;
mod recorder;
pub mod redacted;
#[cfg(test)]
mod reference;
mod registry;
mod request_body;
mod room;
mod routes;
pub mod sample;
mod sample_sink;
mod session;
mod socket;
mod start;
mod store;
mod token;
mod token_bucket;
mod unix_time;
mod viewers;
mod watched_stream;
mod whip;

pub use start::{Census, CensusReader, Signaling, StartError, start, start_with_routes};

pub use constant_time::equal as equal_secrets;
