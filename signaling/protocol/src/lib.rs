//! The words that the planes and the browser share: ids, units, network classes, the ladder, and the
//! messages of both edges. It decides nothing, does no IO, and imports nothing of ours.

pub mod attestation;
pub mod client_message;
pub mod decision;
pub mod ice_server;
pub mod id;
pub mod ladder;
pub mod media_message;
pub mod network_class;
pub mod quality;
pub mod server_message;
pub mod track;
pub mod units;
pub mod video_codec;

/// Version of the client protocol, sent in `hello` and answered in `welcome`.
pub const PROTOCOL_VERSION: u16 = 1;
