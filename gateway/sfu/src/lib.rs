//! The media plane as a pure state machine: ICE, DTLS-SRTP, rooms, forwarding, congestion control and
//! adaptation. It does no IO, reads no clock and takes no lock; a media worker of the gateway, or a test
//! on virtual time, feeds it datagrams, commands and timeouts, and drains its outputs.
//!
//! `adapt` decides and never sees a packet, `forward` moves packets and never sees a policy, and
//! `room` alone joins them. `congestion` estimates what a subscriber's link carries.

pub mod adapt;
pub mod burst;
pub mod config;
pub mod congestion;
pub mod counters;
mod demux;
mod directory;
mod dtls;
mod forward;
mod ice;
pub mod limits;
mod output;
mod premises;
pub mod relay;
mod room;
mod rtcp;
mod rtp;
pub mod sample;
mod sdp;
mod setup_error;
pub mod sfu;
mod shell_nonce;
mod srtp;
#[cfg(test)]
mod testing;
mod transport;
pub mod voice;
