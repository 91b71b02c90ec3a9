//! The user name fragment and password of one ICE generation (RFC 8445 §5.3).

use rand::RngExt;
use rand::rngs::StdRng;

/// Characters that RFC 8839 §5.4 allows (`ice-char`), less the two that are not alphanumeric.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// 12 × 5.95 bits: two participants of one gateway never draw the same by chance.
const UFRAG_LENGTH: usize = 12;

/// 24 × 5.95 bits; RFC 8839 §5.4 asks for at least 128.
const PASSWORD_LENGTH: usize = 24;

/// Credentials that the gateway gives to one participant.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IceCredentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

impl IceCredentials {
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        Self { ufrag: draw(rng, UFRAG_LENGTH), password: draw(rng, PASSWORD_LENGTH) }
    }
}

fn draw(rng: &mut StdRng, length: usize) -> String {
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// Never prints the password.
impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}
