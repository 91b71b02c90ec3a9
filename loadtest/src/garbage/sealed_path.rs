//! A participant's own media path: checks and the DTLS handshake done right, so that hostile RTP and RTCP arrive sealed
//! (RFC 5764) and are opened and read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::crypto::{HashAlgorithm, RTCCryptoProvider as _};
use rtc::dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::rtp::header::Header;
use rtc::shared::TransportProtocol;
use rtc::shared::marshal::{MarshalSize as _, Unmarshal as _};
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::datagram::{dice, nth_media};
use super::flood::{Outcome, take_answers};
use super::source::local_address;
use super::stun::{IceKey, check};

/// On loopback a handshake takes milliseconds; a gateway under load may take longer.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(8);

/// How long to wait for a datagram before checks and timers are looked at.
const STEP: Duration = Duration::from_millis(50);

/// Consent needs checks to go on.
const CHECK_INTERVAL: Duration = Duration::from_millis(480);

/// Key and salt of `SRTP_AEAD_AES_128_GCM` (RFC 7714 §12).
const KEY_LENGTH: usize = 16;
const SALT_LENGTH: usize = 12;

/// Any address: the association is keyed by it, and there is only one.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 2);

/// Who the participant is on its media path.
pub(crate) struct Identity {
    provider: Arc<AwsLcRsProvider>,
    certificate: Certificate,
}

impl Identity {
    /// Makes a certificate.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let provider = Arc::new(AwsLcRsProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["garbage".to_owned()], provider.crypto())?;
        Ok(Self { provider, certificate })
    }

    /// The fingerprint of the certificate, as an offer tells it.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn fingerprint(&self) -> anyhow::Result<String> {
        let der = self.certificate.certificate.first().context("an empty chain")?;
        let digest = self.provider.crypto().hash(HashAlgorithm::Sha256, der)?;
        Ok(digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
    }
}

/// A media path with keys.
pub(crate) struct SealedPath {
    socket: UdpSocket,
    media: SocketAddr,
    key: IceKey,
    seal: Context,
}

impl SealedPath {
    /// Checks, and shakes hands.
    ///
    /// # Errors
    /// Where the gateway does not take part.
    pub(crate) fn establish(media: SocketAddr, key: IceKey, identity: &Identity) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(local_address(media, 9)).context("bind a media socket")?;
        socket.set_read_timeout(Some(STEP))?;
        let mut dtls = begin(identity)?;
        let deadline = Instant::now() + HANDSHAKE_PATIENCE;
        let (mut checked, mut buffer) = (false, [0; 2_048]);
        let mut rng = dice(0, 0);
        while Instant::now() < deadline {
            if !checked {
                socket.send_to(&check(&key, &mut rng), media)?;
            } else if dtls.poll_timeout(&PEER).is_some_and(|due| Instant::now() >= due) {
                dtls.handle_timeout(PEER, Instant::now())?;
            }
            while checked && let Some(transmit) = dtls.poll_transmit() {
                socket.send_to(&transmit.message, media)?;
            }
            let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
            match buffer[0] {
                0..=3 => checked = true,
                20..=63 => {
                    let events = dtls.read(Instant::now(), PEER, None, BytesMut::from(&buffer[..length]))?;
                    if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
                        while let Some(transmit) = dtls.poll_transmit() {
                            socket.send_to(&transmit.message, media)?;
                        }
                        socket.set_nonblocking(true)?;
                        let seal = seal_of(&dtls, identity)?;
                        return Ok(Self { socket, media, key, seal });
                    }
                }
                _ => {}
            }
        }
        bail!("no DTLS handshake within {HANDSHAKE_PATIENCE:?}")
    }

    /// Sends a series of sealed datagrams; what cannot be sealed, as it has no header, goes in the clear.
    pub(crate) fn pour(&mut self, seed: u64, count: u64, rate: u64, outcome: &mut Outcome) {
        let began = Instant::now();
        let (mut number, mut next_check) = (0, began);
        let mut rng = dice(seed, u64::MAX);
        while number < count {
            if Instant::now() >= next_check {
                let _ = self.socket.send_to(&check(&self.key, &mut rng), self.media);
                next_check += CHECK_INTERVAL;
            }
            let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
            for _ in 0..due.saturating_sub(number).min(rate.div_ceil(100)).min(count - number) {
                self.send(seed, number, outcome);
                number += 1;
            }
            take_answers(std::slice::from_ref(&self.socket), number, outcome);
            std::thread::sleep(Duration::from_millis(1));
        }
        outcome.took += began.elapsed();
    }

    fn send(&mut self, seed: u64, number: u64, outcome: &mut Outcome) {
        let datagram = nth_media(seed, number);
        let is_rtcp = datagram.bytes.get(1).is_some_and(|kind| (192..=223).contains(kind));
        let sealed = if is_rtcp {
            self.seal.encrypt_rtcp(&datagram.bytes).ok()
        } else if has_header(&datagram.bytes) {
            self.seal.encrypt_rtp(&datagram.bytes).ok()
        } else {
            None
        };
        let bytes = sealed.map_or(datagram.bytes, |sealed| sealed.to_vec());
        match self.socket.send_to(&bytes, self.media) {
            Ok(_) => {
                *outcome.sent.entry(datagram.kind).or_default() += 1;
                outcome.sent_bytes += bytes.len() as u64;
            }
            Err(_) => outcome.refused_by_kernel += 1,
        }
    }
}

/// Whether there is an RTP header, and all of it: the cipher cuts there without looking.
fn has_header(mut bytes: &[u8]) -> bool {
    let length = bytes.len();
    Header::unmarshal(&mut bytes).is_ok_and(|header| header.marshal_size() <= length)
}

fn begin(identity: &Identity) -> anyhow::Result<Endpoint> {
    // Whom it talks to is of no concern to somebody who only sends garbage.
    let config = ConfigBuilder::default()
        .with_crypto_provider(identity.provider.clone())
        .with_certificates(vec![identity.certificate.clone()])
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
        .with_insecure_skip_verify(true)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .build(true, Some(PEER))?;
    let mut dtls = Endpoint::new(PEER, TransportProtocol::UDP, None);
    dtls.connect(Instant::now(), PEER, Arc::new(config), None)?;
    Ok(dtls)
}

/// RFC 5764 §4.2, seen from the client.
fn seal_of(dtls: &Endpoint, identity: &Identity) -> anyhow::Result<Context> {
    let state = dtls.get_connection_state(PEER).context("no association")?;
    let length = 2 * (KEY_LENGTH + SALT_LENGTH);
    let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], length)?;
    let material: &[u8] = material.as_ref();
    let key = material.get(..KEY_LENGTH).context("short keys")?;
    let salt = material.get(2 * KEY_LENGTH..2 * KEY_LENGTH + SALT_LENGTH).context("short keys")?;
    let profile = ProtectionProfile::AeadAes128Gcm;
    Ok(Context::new(key, salt, profile, None, None, identity.provider.crypto())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_media_of_a_participant_can_be_sealed_and_none_breaks_the_seal() {
        let identity = Identity::new().expect("a certificate");
        assert_eq!(identity.fingerprint().expect("a digest").len(), 32 * 3 - 1);
        let crypto = identity.provider.crypto();
        let profile = ProtectionProfile::AeadAes128Gcm;
        let mut seal = Context::new(&[1; 16], &[2; 12], profile, None, None, crypto).expect("a seal");
        let mut sealed = 0;
        for number in 0..4_000 {
            let bytes = nth_media(1, number).bytes;
            if has_header(&bytes) {
                sealed += usize::from(seal.encrypt_rtp(&bytes).is_ok());
            }
        }
        assert!(sealed > 3_000, "{sealed} of 4000");
    }
}
