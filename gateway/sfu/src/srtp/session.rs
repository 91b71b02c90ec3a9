//! The SRTP session with one peer: both directions, under whichever profile DTLS agreed on.

use aws_lc_rs::error::Unspecified;

use crate::counters::DropReason;
use crate::rtp::{FixedHeader, HeaderError, Ssrc};
use crate::srtp::aes_cm::AesCm;
use crate::srtp::gcm::{GcmOpener, GcmSealer};
use crate::srtp::index_window::RolloverCounter;
use crate::srtp::profile::{MasterKeys, SrtpProfile};

/// The keying material does not make a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyingError {
    /// It has not the length that the profile takes.
    #[error("srtp keying material has a wrong length")]
    Length,
    /// The cipher refused it.
    #[error("srtp cipher refused the keying material")]
    Cipher,
}

/// A packet cannot be sealed. The buffer then ends as it did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// It is shorter than its header.
    #[error("packet to seal is shorter than its header")]
    Malformed,
    /// Its sequence number was sealed already, or is too old to know.
    #[error("packet index was used already")]
    IndexReused,
    /// The keys have sealed as much as they may.
    #[error("srtp keys are used up")]
    KeyUsedUp,
}

impl From<Unspecified> for SealError {
    fn from(_: Unspecified) -> Self {
        Self::Malformed
    }
}

/// A datagram cannot be opened. Nothing but the datagram itself has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is no RTP or RTCP packet.
    #[error("srtp packet is malformed")]
    Malformed,
    /// It was not sealed with the peer's key.
    #[error("srtp packet does not authenticate")]
    Unauthentic,
    /// It was opened before, or is too old to know.
    #[error("srtp packet was seen before")]
    Replayed,
    /// Its stream is one more than the peer may have.
    #[error("peer has too many streams")]
    TooManyStreams,
}

impl From<HeaderError> for OpenError {
    fn from(_: HeaderError) -> Self {
        Self::Malformed
    }
}

impl From<OpenError> for DropReason {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed => Self::RtpMalformed,
            OpenError::Unauthentic => Self::SrtpAuthentication,
            OpenError::Replayed => Self::SrtpReplayed,
            OpenError::TooManyStreams => Self::TooManyStreams,
        }
    }
}

/// The SRTP session with one peer.
pub(crate) struct SrtpSession {
    cipher: Cipher,
}

#[expect(clippy::large_enum_variant, reason = "the large one is the rule, and its keys shall lie close by")]
enum Cipher {
    Gcm {
        sealer: GcmSealer,
        opener: GcmOpener,
    },
    /// Its keys take kilobytes, and few need them.
    AesCm(Box<AesCm>),
}

impl SrtpSession {
    /// Makes the session that DTLS agreed on, from its exported keying material.
    ///
    /// # Errors
    ///
    /// [`KeyingError`] where the material does not fit.
    pub(crate) fn from_dtls(profile: SrtpProfile, keying_material: &[u8]) -> Result<Self, KeyingError> {
        let keys = MasterKeys::divide(profile, keying_material).ok_or(KeyingError::Length)?;
        Self::new(profile, &keys)
    }

    fn new(profile: SrtpProfile, keys: &MasterKeys<'_>) -> Result<Self, KeyingError> {
        let cipher = match profile {
            SrtpProfile::AeadAes128Gcm => Cipher::Gcm {
                sealer: GcmSealer::new(&keys.local).map_err(|Unspecified| KeyingError::Cipher)?,
                opener: GcmOpener::new(&keys.remote).map_err(|Unspecified| KeyingError::Cipher)?,
            },
            SrtpProfile::Aes128CmHmacSha1_80 => {
                let keys = AesCm::new(&keys.local, &keys.remote);
                Cipher::AesCm(Box::new(keys.map_err(|Unspecified| KeyingError::Cipher)?))
            }
        };
        Ok(Self { cipher })
    }

    /// The profile in use.
    #[must_use]
    pub(crate) const fn profile(&self) -> SrtpProfile {
        match self.cipher {
            Cipher::Gcm { .. } => SrtpProfile::AeadAes128Gcm,
            Cipher::AesCm(_) => SrtpProfile::Aes128CmHmacSha1_80,
        }
    }

    /// Seals in place the RTP packet that starts at `start` and ends the buffer, with a header of `header_len`
    /// bytes. `counter` belongs to the packet's SSRC alone.
    ///
    /// # Errors
    ///
    /// [`SealError`]; drop the packet then.
    pub(crate) fn seal_rtp(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header_len: usize,
        counter: &mut RolloverCounter,
    ) -> Result<(), SealError> {
        let packet = out.get(start..).ok_or(SealError::Malformed)?;
        let FixedHeader { ssrc, sequence, .. } =
            FixedHeader::parse(packet).map_err(|_| SealError::Malformed)?;
        let index = counter.claim(sequence)?;
        match &mut self.cipher {
            Cipher::Gcm { sealer, .. } => sealer.seal_rtp(out, start, header_len, (ssrc, index)),
            Cipher::AesCm(keys) => keys.sealer.seal_rtp(out, start, header_len, (ssrc, index)),
        }
    }

    /// Seals in place the compound RTCP packet that starts at `start` and ends the buffer.
    ///
    /// # Errors
    ///
    /// [`SealError`]; drop the packet then.
    pub(crate) fn seal_rtcp(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        match &mut self.cipher {
            Cipher::Gcm { sealer, .. } => sealer.seal_rtcp(out, start),
            Cipher::AesCm(keys) => keys.sealer.seal_rtcp(out, start),
        }
    }

    /// Opens an SRTP packet in place and gives the plain packet.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the datagram is spoilt then.
    pub(crate) fn open_rtp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        match &mut self.cipher {
            Cipher::Gcm { opener, .. } => opener.open_rtp(datagram),
            Cipher::AesCm(keys) => keys.opener.open_rtp(datagram),
        }
    }

    /// Opens an SRTCP packet in place and gives the plain compound packet.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the datagram is spoilt then.
    pub(crate) fn open_rtcp<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        match &mut self.cipher {
            Cipher::Gcm { opener, .. } => opener.open_rtcp(datagram),
            Cipher::AesCm(keys) => keys.opener.open_rtcp(datagram),
        }
    }

    /// Makes room for another stream of the peer: this one is gone from its session description.
    pub(crate) fn forget_stream(&mut self, ssrc: Ssrc) {
        match &mut self.cipher {
            Cipher::Gcm { opener, .. } => opener.forget(ssrc),
            Cipher::AesCm(keys) => keys.opener.forget(ssrc),
        }
    }
}

/// The sender of a compound RTCP packet, which is at least a header and an SSRC long.
pub(super) fn rtcp_sender(packet: &[u8]) -> Option<Ssrc> {
    let &[first, _, _, _, s0, s1, s2, s3] = packet.first_chunk()?;
    (first >> 6 == 2).then_some(Ssrc(u32::from_be_bytes([s0, s1, s2, s3])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc_srtp::context::Context;
    use rtc_srtp::protection_profile::ProtectionProfile;

    use super::*;

    const PROFILES: [SrtpProfile; 2] = [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];
    const RTCP: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];

    fn material(profile: SrtpProfile) -> Vec<u8> {
        (0..profile.keying_material_len()).map(|n| n as u8).collect()
    }

    #[derive(Clone, Copy)]
    enum Side {
        Client,
        Server,
    }

    fn keys(profile: SrtpProfile, material: &[u8], side: Side) -> MasterKeys<'_> {
        let of_server = MasterKeys::divide(profile, material).expect("keys fit");
        match side {
            Side::Client => of_server.mirrored(),
            Side::Server => of_server,
        }
    }

    fn session(profile: SrtpProfile, side: Side) -> SrtpSession {
        SrtpSession::new(profile, &keys(profile, &material(profile), side)).expect("keys fit")
    }

    /// The other implementation, in one direction.
    fn other(profile: SrtpProfile, writer: Side) -> Context {
        let material = material(profile);
        let keys = keys(profile, &material, writer).local;
        let profile = match profile {
            SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProfile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let provider = rtc_crypto::default_provider().expect("a provider");
        Context::new(keys.key, keys.salt, profile, None, None, provider.crypto()).expect("keys fit")
    }

    fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 9]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0xBE, 0xDE, 0, 1, 0x10, b'0', 0, 0]);
        packet.extend_from_slice(payload);
        packet
    }

    fn seal(session: &mut SrtpSession, counter: &mut RolloverCounter, packet: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        out.extend_from_slice(packet);
        session.seal_rtp(&mut out, 6, 20, counter).expect("sealed");
        assert_eq!(out.len(), 6 + packet.len() + session.profile().rtp_overhead());
        out.split_off(6)
    }

    #[test]
    fn both_implementations_open_what_the_other_sealed_across_rollovers() {
        for profile in PROFILES {
            let mut server = session(profile, Side::Server);
            let (mut opener, mut sealer) = (other(profile, Side::Server), other(profile, Side::Client));
            let mut counter = RolloverCounter::default();
            for sequence in [65_000, 65_534, 65_535, 0, 1, 30_000, 60_000, 10] {
                let plain = packet(7, sequence, b"payload");
                let mut sealed = seal(&mut server, &mut counter, &plain);
                assert_eq!(opener.decrypt_rtp(&sealed).expect("opened")[..], plain[..]);
                sealed = sealer.encrypt_rtp(&plain).expect("sealed").to_vec();
                assert_eq!(server.open_rtp(&mut sealed), Ok(&plain[..]));
            }
            let mut out = RTCP.to_vec();
            server.seal_rtcp(&mut out, 0).expect("sealed");
            assert_eq!(out.len(), RTCP.len() + profile.rtp_overhead() + 4);
            assert_eq!(opener.decrypt_rtcp(&out).expect("opened")[..], RTCP[..]);
            let mut sealed = sealer.encrypt_rtcp(&RTCP).expect("sealed").to_vec();
            assert_eq!(server.open_rtcp(&mut sealed), Ok(&RTCP[..]));
        }
    }

    #[test]
    fn replays_and_forgeries_are_refused_and_leave_no_trace() {
        for profile in PROFILES {
            let (mut client, mut server) = (session(profile, Side::Client), session(profile, Side::Server));
            let sealed = seal(&mut client, &mut RolloverCounter::default(), &packet(7, 5, b"payload"));
            for position in 0..sealed.len() {
                let mut forged = sealed.clone();
                forged[position] ^= 0x01;
                assert!(server.open_rtp(&mut forged).is_err(), "{profile:?} {position}");
            }
            // Streams of forged names must not take the room of real ones.
            for ssrc in 0..200 {
                let mut forged = packet(ssrc, 1, &[0; 40]);
                assert_eq!(server.open_rtp(&mut forged), Err(OpenError::Unauthentic));
            }
            assert!(server.open_rtp(&mut sealed.clone()).is_ok());
            assert_eq!(server.open_rtp(&mut sealed.clone()), Err(OpenError::Replayed));
            let mut out = RTCP.to_vec();
            client.seal_rtcp(&mut out, 0).expect("sealed");
            let mut forged = out.clone();
            forged[9] ^= 1;
            assert_eq!(server.open_rtcp(&mut forged), Err(OpenError::Unauthentic));
            assert!(server.open_rtcp(&mut out.clone()).is_ok());
            assert_eq!(server.open_rtcp(&mut out), Err(OpenError::Replayed));
        }
    }

    #[test]
    fn streams_are_bounded_until_forgotten() {
        let (mut client, mut server) =
            (session(PROFILES[0], Side::Client), session(PROFILES[0], Side::Server));
        let mut open = |server: &mut SrtpSession, ssrc| {
            let mut sealed = seal(&mut client, &mut RolloverCounter::default(), &packet(ssrc, 5, b"x"));
            server.open_rtp(&mut sealed).map(<[u8]>::len)
        };
        let room = crate::srtp::stream_table::MAX_AUTHENTICATED_STREAMS as u32;
        assert!((0..room).all(|ssrc| open(&mut server, ssrc).is_ok()));
        assert_eq!(open(&mut server, room), Err(OpenError::TooManyStreams));
        server.forget_stream(Ssrc(3));
        assert!(open(&mut server, room).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_payload_makes_the_round_trip(payload in proptest::collection::vec(any::<u8>(), 0..60), sequence: u16) {
            let (mut client, mut server) = (session(PROFILES[0], Side::Client), session(PROFILES[0], Side::Server));
            let plain = packet(7, sequence, &payload);
            let mut sealed = seal(&mut client, &mut RolloverCounter::default(), &plain);
            prop_assert_eq!(server.open_rtp(&mut sealed), Ok(&plain[..]));
        }

        #[test]
        fn any_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut server = session(PROFILES[0], Side::Server);
            prop_assert!(server.open_rtp(&mut bytes.clone()).is_err());
            prop_assert!(server.open_rtcp(&mut bytes).is_err());
        }
    }
}
