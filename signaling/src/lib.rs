//! The control plane: consults and their links, sessions and their resumption, the HTTP and WebSocket API,
//! and the record of who was there. Everything that decides is pure ([`start`] wires it to the world):
//! `registry` turns messages, media events and time into answers, commands and records.
//!
//! It knows the media plane only as a [`MediaLink`](media_link::MediaLink), and metrics only as
//! [`Sample`](sample::Sample)s that somebody counts.

pub mod config;
mod duration_text;
mod limits;
pub mod media_link;
pub mod redacted;
pub mod sample;
mod start;

pub use start::{Census, Signaling, StartError, start};
