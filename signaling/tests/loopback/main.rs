//! The control plane over real sockets on loopback, with a fake media plane at the edge.

mod consults_api;
mod decisions_api;
mod lecture;
mod session_socket;
mod slow_peers;
mod support;
mod whip;
