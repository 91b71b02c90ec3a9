//! Either end of a DTLS handshake (RFC 5764), which ends in keys for media.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider as _};
use rtc::dtls::config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
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

    /// What all handshakes of a server have in common, which takes AEAD_AES_128_GCM only.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn for_server(&self) -> Result<Arc<HandshakeConfig>, HandshakeError> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_extended_master_secret(ExtendedMasterSecretType::Request)
            .build(false, None)?;
        Ok(Arc::new(config))
    }
}

/// Seals what is sent, opens what comes.
pub(crate) struct Seals {
    pub(crate) sealer: Context,
    pub(crate) opener: Context,
}

/// The key and the salt that one end seals with.
pub(crate) struct MasterKey {
    pub(crate) key: [u8; KEY_LENGTH],
    pub(crate) salt: Vec<u8>,
}

/// What a handshake ends in (RFC 5764 §4.2).
pub(crate) struct MasterKeys {
    profile: ProtectionProfile,
    pub(crate) client: MasterKey,
    pub(crate) server: MasterKey,
}

/// The end that one is oneself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

impl MasterKeys {
    /// What this end seals and opens with.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn seals(&self, end: End, crypto: &dyn RTCCrypto) -> Result<Seals, HandshakeError> {
        let (ours, theirs) = match end {
            End::Client => (&self.client, &self.server),
            End::Server => (&self.server, &self.client),
        };
        let seal =
            |master: &MasterKey| Context::new(&master.key, &master.salt, self.profile, None, None, crypto);
        Ok(Seals { sealer: seal(ours)?, opener: seal(theirs)? })
    }
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
}

impl Handshake {
    /// Sends the first flight of a client.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub(crate) fn begin(
        identity: &Identity,
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
        let mut handshake = Self { endpoint };
        handshake.drain(out);
        Ok(handshake)
    }

    /// Waits for the first flight of a client.
    pub(crate) fn await_client(config: Arc<HandshakeConfig>) -> Self {
        Self { endpoint: Endpoint::new(PEER, TransportProtocol::UDP, Some(config)) }
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
    ) -> Result<Option<MasterKeys>, HandshakeError> {
        let events = self.endpoint.read(now, PEER, None, BytesMut::from(datagram))?;
        self.drain(out);
        let is_complete = events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete));
        if is_complete { self.keys().map(Some) } else { Ok(None) }
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

    fn keys(&self) -> Result<MasterKeys, HandshakeError> {
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
        let material: &[u8] = material.as_ref();
        let (keys, salts) =
            material.split_first_chunk::<{ 2 * KEY_LENGTH }>().ok_or(HandshakeError::NoKeys)?;
        let (client_salt, server_salt) = salts.split_at_checked(salt_length).ok_or(HandshakeError::NoKeys)?;
        let (client_key, server_key) = keys.split_at(KEY_LENGTH);
        let master = |key: &[u8], salt: &[u8]| {
            let key = key.try_into().map_err(|_| HandshakeError::NoKeys)?;
            Ok::<_, HandshakeError>(MasterKey { key, salt: salt.to_vec() })
        };
        Ok(MasterKeys {
            profile,
            client: master(client_key, client_salt)?,
            server: master(server_key, server_salt)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(profiles: Vec<SrtpProtectionProfile>) -> Arc<HandshakeConfig> {
        let identity = Identity::new().expect("a certificate");
        let config = ConfigBuilder::default()
            .with_crypto_provider(identity.provider.clone())
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(profiles)
            .build(false, None);
        Arc::new(config.expect("a configuration"))
    }

    /// Both ends, and nothing lost on the way; gives the keys of the client and of the server.
    fn shake(config: Arc<HandshakeConfig>) -> (Option<MasterKeys>, Option<MasterKeys>) {
        let identity = Identity::new().expect("a certificate");
        let (now, mut there, mut back) = (Instant::now(), Vec::new(), Vec::new());
        let mut server = Handshake::await_client(config);
        let mut client = Handshake::begin(&identity, now, &mut there).expect("a first flight");
        let (mut ours, mut theirs) = (None, None);
        for _ in 0..10 {
            for datagram in std::mem::take(&mut there) {
                theirs = server.handle_datagram(now, &datagram, &mut back).ok().flatten().or(theirs);
            }
            for datagram in std::mem::take(&mut back) {
                ours = client.handle_datagram(now, &datagram, &mut there).ok().flatten().or(ours);
            }
        }
        (ours, theirs)
    }

    #[test]
    fn a_handshake_ends_in_keys_of_either_profile() {
        let cm = config(vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80]);
        let gcm = Identity::new().expect("a certificate").for_server().expect("a configuration");
        for config in [gcm, cm] {
            let (client, server) = shake(config);
            let provider = AwsLcRsProvider::new();
            let seals = |keys: Option<MasterKeys>, end| {
                keys.expect("keys").seals(end, provider.crypto()).expect("seals")
            };
            let (mut client, mut server) = (seals(client, End::Client), seals(server, End::Server));
            let packet = [&[0x80, 96, 0, 1][..], &[0; 40]].concat();
            let sealed = client.sealer.encrypt_rtp(&packet).expect("a seal");
            assert_eq!(server.opener.decrypt_rtp(&sealed).expect("its seal"), packet);
            let sealed = server.sealer.encrypt_rtp(&packet).expect("a seal");
            assert_eq!(client.opener.decrypt_rtp(&sealed).expect("its seal"), packet);
        }
    }

    #[test]
    fn garbage_gives_no_keys() {
        let identity = Identity::new().expect("a certificate");
        let (now, mut out) = (Instant::now(), Vec::new());
        let mut client = Handshake::begin(&identity, now, &mut out).expect("a first flight");
        assert!(!out.is_empty());
        for datagram in [&[22][..], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255], &[21; 15]] {
            assert!(!matches!(client.handle_datagram(now, datagram, &mut out), Ok(Some(_))));
        }
    }
}
