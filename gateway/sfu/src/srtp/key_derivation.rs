//! Session keys from master keys (RFC 3711 §4.3) with a key derivation rate of zero, as DTLS-SRTP has it
//! (RFC 5764 §4.1.2). A salt of 96 bits is extended by zeros (RFC 7714 §11).

use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;

use crate::srtp::profile::MasterKey;

/// What a derived key is for (RFC 3711 §4.3.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum Label {
    RtpEncryption = 0x00,
    RtpAuthentication = 0x01,
    RtpSalt = 0x02,
    RtcpEncryption = 0x03,
    RtcpAuthentication = 0x04,
    RtcpSalt = 0x05,
}

const BLOCK_LEN: usize = 16;

/// The first bytes of the key stream of one label: a block for keys and salts, two for what authenticates.
pub(super) fn derive<const LEN: usize>(
    master: &MasterKey<'_>,
    label: Label,
) -> Result<[u8; LEN], Unspecified> {
    const { assert!(LEN <= 2 * BLOCK_LEN, "two blocks of key stream are derived") };
    let mut block = [0; BLOCK_LEN];
    // The last two bytes count blocks; the salt is at most 14 bytes.
    block.get_mut(..master.salt.len()).ok_or(Unspecified)?.copy_from_slice(master.salt);
    block[7] ^= label as u8;
    let mut stream = [0; 2 * BLOCK_LEN];
    let (first, second) = stream.split_at_mut(BLOCK_LEN);
    first.copy_from_slice(&block);
    block[BLOCK_LEN - 1] = 1;
    second.copy_from_slice(&block);
    EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, master.key)?)?.encrypt(&mut stream)?;
    stream.first_chunk().copied().ok_or(Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711, appendix B.3.
    #[test]
    fn keys_match_the_published_vectors() {
        let key = 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes();
        let salt = &0x0EC6_75AD_498A_FEEB_B696_0B3A_ABE6_u128.to_be_bytes()[2..];
        let master = MasterKey { key: &key, salt };
        assert_eq!(
            derive::<16>(&master, Label::RtpEncryption),
            Ok(0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087_u128.to_be_bytes())
        );
        assert_eq!(
            derive::<14>(&master, Label::RtpSalt).expect("derived"),
            0x30CB_BC08_863D_8C85_D49D_B34A_9AE1_u128.to_be_bytes()[2..]
        );
        let authentication = derive::<20>(&master, Label::RtpAuthentication).expect("derived");
        assert_eq!(authentication[..16], 0xCEBE_321F_6FF7_716B_6FD4_AB49_AF25_6A15_u128.to_be_bytes());
        assert_eq!(authentication[16..], 0x6D38_BAA4_u32.to_be_bytes());
    }
}
