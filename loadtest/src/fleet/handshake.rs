//! The client's end of a DTLS handshake (RFC 5764), which ends in keys for media.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider as _};
use rtc::dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

/// Any address: the association is keyed by it, and there is only one.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 2);

/// Both profiles have keys of this length.
const KEY_LENGTH: usize = 16;

/// One certificate serves all sessions: a server looks at nothing but its fingerprint.
pub(crate) struct Identity {
    provider: Arc<AwsLcRsProvider>,
    certificate: Certificate,
    fingerprint: String,
}

impl Identity {
    /// Makes a certificate.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let provider = Arc::new(AwsLcRsProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["fleet".to_owned()], provider.crypto())?;
        let der = certificate.certificate.first().ok_or_else(|| anyhow::anyhow!("an empty chain"))?;
        let digest = provider.crypto().hash(HashAlgorithm::Sha256, der)?;
        let fingerprint = digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        Ok(Self { provider, certificate, fingerprint })
    }

    /// SHA-256 of the certificate, as an offer tells it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The cryptography.
    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }
}

/// Seals what is sent, opens what comes.
pub(crate) struct Seals {
    pub(crate) sealer: Context,
    pub(crate) opener: Context,
}

/// The other end did not come to keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The protocol was broken, or an alert came.
    #[error("the DTLS handshake failed")]
    Dtls(#[from] rtc::shared::error::Error),
    /// No SRTP profile was agreed upon.
    #[error("DTLS came without a profile for SRTP")]
    NoProfile,
    /// The exporter gave no keys.
    #[error("DTLS gave no keys")]
    NoKeys,
}

/// A handshake that goes on.
pub(crate) struct Handshake {
    endpoint: Endpoint,
    identity: Arc<Identity>,
}

impl Handshake {
    /// Sends the first flight.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn begin(
        identity: &Arc<Identity>,
        now: Instant,
        out: &mut Vec<Bytes>,
    ) -> Result<Self, HandshakeError> {
        // The server proves nothing by its certificate that a measurement needs to know.
        let config = ConfigBuilder::default()
            .with_crypto_provider(identity.provider.clone())
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Request)
            .build(true, Some(PEER))?;
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        endpoint.connect(now, PEER, Arc::new(config), None)?;
        let mut handshake = Self { endpoint, identity: Arc::clone(identity) };
        handshake.drain(out);
        Ok(handshake)
    }

    /// A DTLS record came; gives keys where it was the last of the handshake.
    ///
    /// # Errors
    /// Where the handshake cannot go on.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        out: &mut Vec<Bytes>,
    ) -> Result<Option<Seals>, HandshakeError> {
        let events = self.endpoint.read(now, PEER, None, BytesMut::from(datagram))?;
        self.drain(out);
        let is_complete = events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete));
        if is_complete { self.seals().map(Some) } else { Ok(None) }
    }

    /// Repeats a flight where that is due.
    ///
    /// # Errors
    /// Where the handshake cannot go on.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut Vec<Bytes>,
    ) -> Result<(), HandshakeError> {
        if self.poll_timeout().is_some_and(|due| now >= due) {
            self.endpoint.handle_timeout(PEER, now)?;
        }
        self.drain(out);
        Ok(())
    }

    /// When to come back.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout(&PEER)
    }

    fn drain(&mut self, out: &mut Vec<Bytes>) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            out.push(transmit.message.freeze());
        }
    }

    /// RFC 5764 §4.2, seen from the client.
    fn seals(&self) -> Result<Seals, HandshakeError> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(HandshakeError::NoKeys)?;
        let (profile, salt_length) = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => (ProtectionProfile::AeadAes128Gcm, 12),
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
                (ProtectionProfile::Aes128CmHmacSha1_80, 14)
            }
            _ => return Err(HandshakeError::NoProfile),
        };
        let length = 2 * (KEY_LENGTH + salt_length);
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], length);
        let material = material.map_err(|_| HandshakeError::NoKeys)?;
        let (keys, salts) = AsRef::<[u8]>::as_ref(&material)
            .split_at_checked(2 * KEY_LENGTH)
            .filter(|(_, salts)| salts.len() == 2 * salt_length)
            .ok_or(HandshakeError::NoKeys)?;
        let seal =
            |key: &[u8], salt: &[u8]| Context::new(key, salt, profile, None, None, self.identity.crypto());
        Ok(Seals {
            sealer: seal(&keys[..KEY_LENGTH], &salts[..salt_length])?,
            opener: seal(&keys[KEY_LENGTH..], &salts[salt_length..])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rtc::dtls::config::ClientAuthType;

    use super::*;

    /// A server that knows these profiles, and nothing lost on the way; gives what it would export.
    fn shake(profiles: Vec<SrtpProtectionProfile>) -> (Result<Option<Seals>, HandshakeError>, Endpoint) {
        let identity = Arc::new(Identity::new().expect("a certificate"));
        let config = ConfigBuilder::default()
            .with_crypto_provider(identity.provider.clone())
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .build(false, None)
            .expect("a configuration");
        let mut server = Endpoint::new(PEER, TransportProtocol::UDP, Some(Arc::new(config)));
        let (now, mut flight) = (Instant::now(), Vec::new());
        let mut client = Handshake::begin(&identity, now, &mut flight).expect("a first flight");
        for _ in 0..10 {
            for datagram in std::mem::take(&mut flight) {
                let _ = server.read(now, PEER, None, BytesMut::from(&datagram[..]));
            }
            while let Some(transmit) = server.poll_transmit() {
                match client.handle_datagram(now, &transmit.message, &mut flight) {
                    Ok(None) => {}
                    done => return (done, server),
                }
            }
        }
        (Ok(None), server)
    }

    #[test]
    fn a_handshake_ends_in_keys_of_either_profile() {
        let gcm = (SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, ProtectionProfile::AeadAes128Gcm, 12);
        let cm =
            (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, ProtectionProfile::Aes128CmHmacSha1_80, 14);
        for (offered, profile, salt_length) in [gcm, cm] {
            let (seals, server) = shake(vec![offered]);
            let mut seals = seals.expect("a handshake").expect("keys");
            let state = server.get_connection_state(PEER).expect("an association");
            let length = 2 * (KEY_LENGTH + salt_length);
            let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], length).expect("keys");
            let material: &[u8] = material.as_ref();
            let provider = AwsLcRsProvider::new();
            let (key, salt) = (&material[..16], &material[32..32 + salt_length]);
            let opener = Context::new(key, salt, profile, None, None, provider.crypto());
            let packet = [&[0x80, 96, 0, 1][..], &[0; 40]].concat();
            let sealed = seals.sealer.encrypt_rtp(&packet).expect("a seal");
            assert_eq!(opener.expect("a seal").decrypt_rtp(&sealed).expect("its seal"), packet);
        }
    }

    #[test]
    fn garbage_gives_no_keys() {
        let identity = Arc::new(Identity::new().expect("a certificate"));
        let (now, mut out) = (Instant::now(), Vec::new());
        let mut client = Handshake::begin(&identity, now, &mut out).expect("a first flight");
        assert!(!out.is_empty());
        for datagram in [&[22][..], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255], &[21; 15]] {
            assert!(!matches!(client.handle_datagram(now, datagram, &mut out), Ok(Some(_))));
        }
    }
}
