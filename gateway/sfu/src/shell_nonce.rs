//! The nonce that ties the signed reports of a shell to one transport: a keyed hash over the participant, the
//! fingerprint of its DTLS certificate, and the number of the transport. Nobody else can predict or reuse it.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::rand::SystemRandom;
use protocol::id::{ParticipantId, ShellNonce};

use crate::setup_error::SetupError;

/// Draws nonces; the key never leaves the process.
pub(crate) struct NonceKey(Key);

impl NonceKey {
    /// Draws the key from the cryptography's own source, as every key.
    pub(crate) fn draw() -> Result<Self, SetupError> {
        Key::generate(HMAC_SHA256, &SystemRandom::new()).map(Self).map_err(|_| SetupError::Randomness)
    }

    /// The nonce of a transport; always the same for the same one.
    pub(crate) fn nonce(
        &self,
        participant: ParticipantId,
        fingerprint: &[u8; 32],
        session_id: u64,
    ) -> ShellNonce {
        let named = [&participant.bits().to_be_bytes()[..], fingerprint, &session_id.to_be_bytes()].concat();
        let tag = sign(&self.0, &named);
        // The first half of SHA-256's 32 bytes: 128 bits cannot be guessed.
        let bits = tag.as_ref().iter().take(16).fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
        ShellNonce::from_bits(bits)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_transport_has_its_own() {
        let keys = [(); 2].map(|()| NonceKey::draw().expect("a key"));
        let participants = [1, 2].map(ParticipantId::from_bits);
        let mut seen = HashSet::new();
        for key in &keys {
            for participant in participants {
                for fingerprint in [[1; 32], [2; 32]] {
                    for session in [1, 2] {
                        let nonce = key.nonce(participant, &fingerprint, session);
                        assert_eq!(nonce, key.nonce(participant, &fingerprint, session));
                        assert!(seen.insert(nonce));
                    }
                }
            }
        }
        assert_eq!(seen.len(), 16);
    }
}
