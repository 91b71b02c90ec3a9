//! A session key for RTP with the salt of its nonces (AEAD_AES_128_GCM, RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;

use crate::fleet::handshake::MasterKey;

/// The key.
pub(super) struct SaltedKey {
    pub(super) key: LessSafeKey,
    salt: [u8; NONCE_LEN],
}

impl SaltedKey {
    /// RFC 3711 §4.3 with the labels of RTP; the salt of GCM is extended by zeros (RFC 7714 §11).
    pub(super) fn derive(master: &MasterKey) -> anyhow::Result<Self> {
        let block = |label: u8| {
            let mut block = [0; 16];
            block.get_mut(..master.salt.len()).ok_or(Unspecified)?.copy_from_slice(&master.salt);
            block[7] ^= label;
            EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, &master.key)?)?.encrypt(&mut block)?;
            Ok::<_, Unspecified>(block)
        };
        let (key, [salt @ .., _, _, _, _]) = (block(0)?, block(2)?);
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?), salt })
    }

    /// RFC 7714 §8.1.
    pub(super) fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let [_, _, low_index @ ..] = index.to_be_bytes();
        let mut nonce = self.salt;
        for (byte, mask) in nonce[2..].iter_mut().zip(ssrc.to_be_bytes().into_iter().chain(low_index)) {
            *byte ^= mask;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}
