//! Why a media plane cannot start.

/// The media plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The DTLS certificate could not be made.
    #[error("the DTLS certificate could not be made: {0}")]
    Certificate(String),
    /// The cryptography has no randomness.
    #[error("no randomness for keys")]
    Randomness,
}
