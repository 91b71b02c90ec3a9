//! The protection profiles that DTLS may agree on (RFC 5764 §4.1.2, RFC 7714 §14.2), and how they share
//! the exported keying material.

/// Bytes of a master key of both profiles.
pub(crate) const KEY_LEN: usize = 16;

/// How packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SrtpProfile {
    /// AEAD_AES_128_GCM, which is preferred.
    AeadAes128Gcm,
    /// SRTP_AES128_CM_HMAC_SHA1_80, for who has no other.
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes of keying material to export from DTLS.
    #[must_use]
    pub(crate) const fn keying_material_len(self) -> usize {
        2 * (KEY_LEN + self.salt_len())
    }

    /// Bytes that sealing adds to an RTP packet.
    #[must_use]
    pub(crate) const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }
}

/// The master key and salt of one direction.
#[derive(Clone, Copy)]
pub(super) struct MasterKey<'a> {
    pub(super) key: &'a [u8; KEY_LEN],
    pub(super) salt: &'a [u8],
}

/// The master keys of both directions.
pub(super) struct MasterKeys<'a> {
    pub(super) local: MasterKey<'a>,
    pub(super) remote: MasterKey<'a>,
}

impl<'a> MasterKeys<'a> {
    /// Divides the exported bytes as the DTLS server, which the gateway always is: client key, server key, client salt, server salt (RFC 5764 §4.2).
    /// `None` where their number is not what the profile takes.
    pub(super) fn divide(profile: SrtpProfile, material: &'a [u8]) -> Option<Self> {
        if material.len() != profile.keying_material_len() {
            return None;
        }
        let (client_key, rest) = material.split_first_chunk()?;
        let (server_key, salts) = rest.split_first_chunk()?;
        let (client_salt, server_salt) = salts.split_at_checked(profile.salt_len())?;
        Some(Self {
            local: MasterKey { key: server_key, salt: server_salt },
            remote: MasterKey { key: client_key, salt: client_salt },
        })
    }

    /// The keys as the other side has them.
    #[cfg(test)]
    pub(super) fn mirrored(self) -> Self {
        Self { local: self.remote, remote: self.local }
    }
}
