//! SRTP_AES128_CM_HMAC_SHA1_80 (RFC 3711 §4), for peers without AES-GCM: sealing at the end of a buffer, opening where
//! the datagram lies.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use crate::rtp::{FixedHeader, Prefix, Ssrc};
use crate::srtp::key_derivation::{Label, derive};
use crate::srtp::profile::MasterKey;
use crate::srtp::session::{OpenError, SealError, rtcp_sender};
use crate::srtp::stream_table::StreamTable;

/// HMAC-SHA1, cut to 80 bits.
const TAG_LEN: usize = 10;

/// Bytes of an RTCP header with its sender, which SRTCP leaves in the clear.
const RTCP_PREFIX_LEN: usize = 8;

/// The word behind an SRTCP packet: whether it is encrypted, and its index.
const INDEX_LEN: usize = 4;

/// Set where the SRTCP packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;

/// The session keys of RTP, or of RTCP, in one direction.
struct SessionKeys {
    cipher: EncryptingKey,
    salt: [u8; 14],
    authentication: hmac::Key,
}

impl SessionKeys {
    fn derive(master: &MasterKey<'_>, [key, salt, auth]: [Label; 3]) -> Result<Self, Unspecified> {
        let session_key: [u8; 16] = derive(master, key)?;
        let authentication: [u8; 20] = derive(master, auth)?;
        Ok(Self {
            cipher: EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &session_key)?)?,
            salt: derive(master, salt)?,
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &authentication),
        })
    }

    fn of_rtp(master: &MasterKey<'_>) -> Result<Self, Unspecified> {
        Self::derive(master, [Label::RtpEncryption, Label::RtpSalt, Label::RtpAuthentication])
    }

    fn of_rtcp(master: &MasterKey<'_>) -> Result<Self, Unspecified> {
        Self::derive(master, [Label::RtcpEncryption, Label::RtcpSalt, Label::RtcpAuthentication])
    }

    /// Encrypts or decrypts in place, which is the same (RFC 3711 §4.1.1): the counter begins with the salt, masked by the
    /// SSRC and 48 bits of index.
    fn mask(&self, ssrc: Ssrc, index: u64, payload: &mut [u8]) -> Result<(), Unspecified> {
        let [_, _, low_index @ ..] = index.to_be_bytes();
        let mut counter = [0; 16];
        counter[..self.salt.len()].copy_from_slice(&self.salt);
        let masks = ssrc.0.to_be_bytes().into_iter().chain(low_index);
        counter[4..].iter_mut().zip(masks).for_each(|(byte, mask)| *byte ^= mask);
        let context = EncryptionContext::Iv128(FixedLength::from(&counter));
        self.cipher.less_safe_encrypt(payload, context).map(|_| ())
    }

    /// The tag of a packet and what goes before it is authenticated.
    fn tag(&self, packet: &[u8], word: [u8; 4]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(&word);
        let mut tag = [0; TAG_LEN];
        tag.iter_mut().zip(context.sign().as_ref()).for_each(|(byte, of)| *byte = *of);
        tag
    }
}

/// Both directions of one peer.
pub(super) struct AesCm {
    pub(super) sealer: AesCmSealer,
    pub(super) opener: AesCmOpener,
}

impl AesCm {
    pub(super) fn new(local: &MasterKey<'_>, remote: &MasterKey<'_>) -> Result<Self, Unspecified> {
        Ok(Self { sealer: AesCmSealer::new(local)?, opener: AesCmOpener::new(remote)? })
    }
}

/// Seals what leaves.
pub(super) struct AesCmSealer {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    next_rtcp_index: u32,
}

impl AesCmSealer {
    fn new(master: &MasterKey<'_>) -> Result<Self, Unspecified> {
        let (rtp, rtcp) = (SessionKeys::of_rtp(master)?, SessionKeys::of_rtcp(master)?);
        Ok(Self { rtp, rtcp, next_rtcp_index: 1 })
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
        self.rtp.mask(ssrc, index, packet.get_mut(header_len..).ok_or(SealError::Malformed)?)?;
        let tag = self.rtp.tag(packet, rollover(index));
        out.extend_from_slice(&tag);
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
        let payload = packet.get_mut(RTCP_PREFIX_LEN..).ok_or(SealError::Malformed)?;
        self.rtcp.mask(ssrc, u64::from(index), payload)?;
        let word = (ENCRYPTED | index).to_be_bytes();
        let tag = self.rtcp.tag(packet, word);
        out.extend_from_slice(&word);
        out.extend_from_slice(&tag);
        Ok(())
    }
}

/// Opens what arrives.
pub(super) struct AesCmOpener {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_streams: StreamTable,
    rtcp_streams: StreamTable,
}

impl AesCmOpener {
    fn new(master: &MasterKey<'_>) -> Result<Self, Unspecified> {
        Ok(Self {
            rtp: SessionKeys::of_rtp(master)?,
            rtcp: SessionKeys::of_rtcp(master)?,
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
        let (packet, tag) = datagram.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::Malformed)?;
        verify_slices_are_equal(&self.rtp.tag(packet, rollover(index)), tag)
            .map_err(|Unspecified| OpenError::Unauthentic)?;
        let payload = packet.get_mut(prefix.len..).ok_or(OpenError::Malformed)?;
        self.rtp.mask(ssrc, index, payload).map_err(|Unspecified| OpenError::Malformed)?;
        self.rtp_streams.accept(place, ssrc, index);
        Ok(packet)
    }

    /// Opens an SRTCP packet in place; what is left is the plain compound packet.
    pub(super) fn open_rtcp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        let ssrc = rtcp_sender(datagram).ok_or(OpenError::Malformed)?;
        let (rest, tag) = datagram.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::Malformed)?;
        let (packet, &mut word) = rest.split_last_chunk_mut::<INDEX_LEN>().ok_or(OpenError::Malformed)?;
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
        verify_slices_are_equal(&self.rtcp.tag(packet, word), tag)
            .map_err(|Unspecified| OpenError::Unauthentic)?;
        let payload = packet.get_mut(RTCP_PREFIX_LEN..).ok_or(OpenError::Malformed)?;
        self.rtcp.mask(ssrc, index, payload).map_err(|Unspecified| OpenError::Malformed)?;
        self.rtcp_streams.accept(place, ssrc, index);
        Ok(packet)
    }

    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.rtp_streams.forget(ssrc);
        self.rtcp_streams.forget(ssrc);
    }
}

/// What authenticates an RTP packet besides itself: how often its sequence numbers have wrapped (RFC 3711 §4.2).
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
