//! AEAD_AES_128_GCM (RFC 7714): sealing at the end of a buffer, opening where the datagram lies.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;

use crate::rtp::{FixedHeader, Prefix, Ssrc};
use crate::srtp::key_derivation::{Label, derive};
use crate::srtp::profile::MasterKey;
use crate::srtp::session::{OpenError, SealError, rtcp_sender};
use crate::srtp::stream_table::StreamTable;

const TAG_LEN: usize = 16;

/// Bytes of an RTCP header with its sender, which SRTCP leaves in the clear.
const RTCP_PREFIX_LEN: usize = 8;

/// The word behind an SRTCP packet: whether it is encrypted, and its index.
const INDEX_LEN: usize = 4;

/// Set where the SRTCP packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;

/// A session key with the salt of its nonces.
struct SaltedKey {
    key: LessSafeKey,
    salt: [u8; NONCE_LEN],
}

impl SaltedKey {
    fn derive(master: &MasterKey<'_>, key: Label, salt: Label) -> Result<Self, Unspecified> {
        let session_key: [u8; 16] = derive(master, key)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &session_key)?);
        Ok(Self { key, salt: derive(master, salt)? })
    }

    /// Two zero bytes, the SSRC, and 48 bits of index, masked by the salt (RFC 7714 §8.1, §9.1).
    #[inline]
    fn nonce(&self, ssrc: Ssrc, index: u64) -> Nonce {
        let [_, _, low_index @ ..] = index.to_be_bytes();
        let mut nonce = self.salt;
        for (byte, mask) in nonce[2..].iter_mut().zip(ssrc.0.to_be_bytes().into_iter().chain(low_index)) {
            *byte ^= mask;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals what leaves.
pub(super) struct GcmSealer {
    rtp: SaltedKey,
    rtcp: SaltedKey,
    next_rtcp_index: u32,
}

impl GcmSealer {
    pub(super) fn new(master: &MasterKey<'_>) -> Result<Self, Unspecified> {
        Ok(Self {
            rtp: SaltedKey::derive(master, Label::RtpEncryption, Label::RtpSalt)?,
            rtcp: SaltedKey::derive(master, Label::RtcpEncryption, Label::RtcpSalt)?,
            next_rtcp_index: 1,
        })
    }

    /// Seals the packet of stream `ssrc` that starts at `start` and ends the buffer.
    pub(super) fn seal_rtp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        header_len: usize,
        (ssrc, index): (Ssrc, u64),
    ) -> Result<(), SealError> {
        let packet = out.get_mut(start..).ok_or(SealError::Malformed)?;
        let (header, payload) = packet.split_at_mut_checked(header_len).ok_or(SealError::Malformed)?;
        let nonce = self.rtp.nonce(ssrc, index);
        let tag = self.rtp.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Seals the compound packet that starts at `start` and ends the buffer.
    pub(super) fn seal_rtcp(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        let packet = out.get_mut(start..).ok_or(SealError::Malformed)?;
        let ssrc = rtcp_sender(packet).ok_or(SealError::Malformed)?;
        if self.next_rtcp_index >= ENCRYPTED {
            return Err(SealError::KeyUsedUp);
        }
        let index = self.next_rtcp_index;
        self.next_rtcp_index += 1;
        let (header, payload) = packet.split_at_mut_checked(RTCP_PREFIX_LEN).ok_or(SealError::Malformed)?;
        let word = (ENCRYPTED | index).to_be_bytes();
        let aad = rtcp_aad(header, word);
        let nonce = self.rtcp.nonce(ssrc, u64::from(index));
        let tag = self.rtcp.key.seal_in_place_separate_tag(nonce, Aad::from(aad), payload)?;
        out.extend_from_slice(tag.as_ref());
        out.extend_from_slice(&word);
        Ok(())
    }
}

/// Opens what arrives.
pub(super) struct GcmOpener {
    rtp: SaltedKey,
    rtcp: SaltedKey,
    rtp_streams: StreamTable,
    rtcp_streams: StreamTable,
}

impl GcmOpener {
    pub(super) fn new(master: &MasterKey<'_>) -> Result<Self, Unspecified> {
        Ok(Self {
            rtp: SaltedKey::derive(master, Label::RtpEncryption, Label::RtpSalt)?,
            rtcp: SaltedKey::derive(master, Label::RtcpEncryption, Label::RtcpSalt)?,
            rtp_streams: StreamTable::default(),
            rtcp_streams: StreamTable::default(),
        })
    }

    /// Opens an SRTP packet in place; what is left is the plain packet.
    pub(super) fn open_rtp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        let FixedHeader { ssrc, sequence, .. } = FixedHeader::parse(datagram)?;
        let prefix = Prefix::parse(datagram)?;
        let (place, window) = self.rtp_streams.find(ssrc)?;
        let index = window.estimate(sequence).ok_or(OpenError::Replayed)?;
        if !window.is_fresh(index) {
            return Err(OpenError::Replayed);
        }
        let plain_len = datagram.len().saturating_sub(TAG_LEN);
        let (header, sealed) = datagram.split_at_mut_checked(prefix.len).ok_or(OpenError::Malformed)?;
        self.rtp
            .key
            .open_in_place(self.rtp.nonce(ssrc, index), Aad::from(&*header), sealed)
            .map_err(|Unspecified| OpenError::Unauthentic)?;
        self.rtp_streams.accept(place, ssrc, index);
        datagram.get(..plain_len).ok_or(OpenError::Malformed)
    }

    /// Opens an SRTCP packet in place; what is left is the plain compound packet.
    pub(super) fn open_rtcp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        let ssrc = rtcp_sender(datagram).ok_or(OpenError::Malformed)?;
        let (packet, &mut word) = datagram.split_last_chunk_mut::<INDEX_LEN>().ok_or(OpenError::Malformed)?;
        let flagged = u32::from_be_bytes(word);
        // WebRTC encrypts all RTCP (RFC 8827 §6.5).
        if flagged & ENCRYPTED == 0 {
            return Err(OpenError::Unauthentic);
        }
        let index = u64::from(flagged & !ENCRYPTED);
        let (place, window) = self.rtcp_streams.find(ssrc)?;
        if !window.is_fresh(index) {
            return Err(OpenError::Replayed);
        }
        let plain_len = packet.len().saturating_sub(TAG_LEN);
        let (header, sealed) = packet.split_at_mut_checked(RTCP_PREFIX_LEN).ok_or(OpenError::Malformed)?;
        let aad = rtcp_aad(header, word);
        self.rtcp
            .key
            .open_in_place(self.rtcp.nonce(ssrc, index), Aad::from(aad), sealed)
            .map_err(|Unspecified| OpenError::Unauthentic)?;
        self.rtcp_streams.accept(place, ssrc, index);
        datagram.get(..plain_len).ok_or(OpenError::Malformed)
    }

    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.rtp_streams.forget(ssrc);
        self.rtcp_streams.forget(ssrc);
    }
}

/// What SRTCP authenticates in the clear: the header, and the word at the end (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], word: [u8; INDEX_LEN]) -> [u8; RTCP_PREFIX_LEN + INDEX_LEN] {
    let mut aad = [0; RTCP_PREFIX_LEN + INDEX_LEN];
    aad[..RTCP_PREFIX_LEN].copy_from_slice(header);
    aad[RTCP_PREFIX_LEN..].copy_from_slice(&word);
    aad
}
