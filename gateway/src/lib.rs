//! The gateway process: it owns the sockets, the threads and the clock that the pure media plane lacks,
//! joins it to the signaling plane, and shows what both do as metrics and logs.

mod admin_server;
pub mod config;
pub mod config_source;
pub mod config_text;
pub mod demo;
mod departures;
pub mod descriptor_limit;
mod event_outbox;
pub mod gateway;
pub mod human_units;
pub mod ice_config;
mod interface_addresses;
mod kernel_drops;
pub mod log_output;
mod media_plane;
pub mod media_worker;
pub mod metrics;
mod operator;
mod relay_queue;
mod reply_address;
mod room_placement;
#[doc(hidden)]
pub mod udp_socket;
mod worker_pulse;
