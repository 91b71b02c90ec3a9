//! DTLS (RFC 5764): the gateway is always the server. One association per participant, keyed by a
//! constant, so that a NAT rebind keeps it; datagrams reach it only from validated addresses.

mod certificate;
mod client_hello;
mod last_flight;
mod session;

pub(crate) use certificate::DtlsCertificate;
pub(crate) use session::{DtlsEvent, DtlsSession};
