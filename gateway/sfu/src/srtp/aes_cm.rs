//! SRTP_AES128_CM_HMAC_SHA1_80 by `rtc-srtp`, for peers without AES-GCM. Its contexts remember every SSRC that
//! they are asked about, so an unknown one proves itself to a context of its own first.

use rtc_crypto::SecretVec;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::rtp::{FixedHeader, Ssrc};
use crate::srtp::profile::MasterKey;
use crate::srtp::session::{KeyingError, OpenError, SealError, rtcp_sender};
use crate::srtp::stream_table::{Place, StreamTable};

const TAG_LEN: usize = 10;
const INDEX_LEN: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

/// Both directions of one peer.
pub(super) struct AesCm {
    sealer: Context,
    opener: Context,
    remote_key: SecretVec,
    remote_salt: SecretVec,
    rtp_streams: StreamTable,
    rtcp_streams: StreamTable,
}

impl AesCm {
    pub(super) fn new(local: &MasterKey<'_>, remote: &MasterKey<'_>) -> Result<Self, KeyingError> {
        Ok(Self {
            sealer: context(local.key, local.salt).ok_or(KeyingError::Cipher)?,
            opener: context(remote.key, remote.salt).ok_or(KeyingError::Cipher)?,
            remote_key: SecretVec::new(remote.key.to_vec()),
            remote_salt: SecretVec::new(remote.salt.to_vec()),
            rtp_streams: StreamTable::default(),
            rtcp_streams: StreamTable::default(),
        })
    }

    pub(super) fn seal_rtp(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        let packet = out.get(start..).ok_or(SealError::Malformed)?;
        let sealed = self.sealer.encrypt_rtp(packet).map_err(|_| SealError::Malformed)?;
        out.truncate(start);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    pub(super) fn seal_rtcp(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        let packet = out.get(start..).ok_or(SealError::Malformed)?;
        let sealed = self.sealer.encrypt_rtcp(packet).map_err(|_| SealError::Malformed)?;
        out.truncate(start);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    pub(super) fn open_rtp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        let FixedHeader { ssrc, sequence, .. } = FixedHeader::parse(datagram)?;
        let (place, window) = self.rtp_streams.find(ssrc)?;
        let index = window.estimate(sequence).ok_or(OpenError::Replayed)?;
        if !window.is_fresh(index) {
            return Err(OpenError::Replayed);
        }
        if place == Place::New {
            let mut probe = self.probe().ok_or(OpenError::Unauthentic)?;
            probe.decrypt_rtp(datagram).map_err(|_| OpenError::Unauthentic)?;
        }
        let plain = self.opener.decrypt_rtp(datagram).map_err(|_| OpenError::Unauthentic)?;
        self.rtp_streams.accept(place, ssrc, index);
        copy_back(&plain, datagram)
    }

    pub(super) fn open_rtcp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        let ssrc = rtcp_sender(datagram).ok_or(OpenError::Malformed)?;
        let word_at = datagram.len().checked_sub(TAG_LEN + INDEX_LEN).ok_or(OpenError::Malformed)?;
        let word = *datagram.get(word_at..).and_then(<[u8]>::first_chunk).ok_or(OpenError::Malformed)?;
        let flagged = u32::from_be_bytes(word);
        if flagged & ENCRYPTED == 0 {
            return Err(OpenError::Unauthentic);
        }
        let index = u64::from(flagged & !ENCRYPTED);
        let (place, window) = self.rtcp_streams.find(ssrc)?;
        if !window.is_fresh(index) {
            return Err(OpenError::Replayed);
        }
        if place == Place::New {
            let mut probe = self.probe().ok_or(OpenError::Unauthentic)?;
            probe.decrypt_rtcp(datagram).map_err(|_| OpenError::Unauthentic)?;
        }
        let plain = self.opener.decrypt_rtcp(datagram).map_err(|_| OpenError::Unauthentic)?;
        self.rtcp_streams.accept(place, ssrc, index);
        copy_back(&plain, datagram)
    }

    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.rtp_streams.forget(ssrc);
        self.rtcp_streams.forget(ssrc);
    }

    fn probe(&self) -> Option<Context> {
        context(self.remote_key.as_ref(), self.remote_salt.as_ref())
    }
}

/// A context without replay protection: the stream tables give that.
fn context(key: &[u8], salt: &[u8]) -> Option<Context> {
    let provider = rtc_crypto::default_provider().ok()?;
    Context::new(key, salt, ProtectionProfile::Aes128CmHmacSha1_80, None, None, provider.crypto()).ok()
}

fn copy_back<'d>(plain: &[u8], datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
    let room = datagram.get_mut(..plain.len()).ok_or(OpenError::Malformed)?;
    room.copy_from_slice(plain);
    Ok(room)
}
