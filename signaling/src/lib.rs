//! The control plane: consults and their links, sessions and their resumption, the HTTP and WebSocket API,
//! and the record of who was there. Everything that decides is pure ([`start`] wires it to the world):
//! `registry` turns messages, media events and time into answers, commands and records.
//!
//! It knows the media plane only as a [`MediaLink`](media_link::MediaLink), and metrics only as
//! [`Sample`](sample::Sample)s that somebody counts.

mod address_limiter;
mod close_reason;
pub mod config;
mod constant_time;
mod consult;
mod display_name;
mod duration_text;
mod event_log;
mod key_file;
mod limits;
pub mod media_link;
mod message_type;
pub mod redacted;
mod registry;
mod room;
pub mod sample;
mod session;
mod start;
mod store;
mod token;
mod token_bucket;
mod unix_time;

pub use start::{Census, Signaling, StartError, start};
