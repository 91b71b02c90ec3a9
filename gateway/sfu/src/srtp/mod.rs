//! SRTP and SRTCP (RFC 3711) keyed by DTLS (RFC 5764): AES-128-GCM (RFC 7714) in place and without an
//! allocation, and AES-CM with HMAC-SHA1 for peers that offer nothing better.

mod aes_cm;
mod gcm;
mod index_window;
mod key_derivation;
mod profile;
mod session;
mod stream_table;

pub(crate) use index_window::RolloverCounter;
pub(crate) use profile::SrtpProfile;
pub(crate) use session::SrtpSession;
