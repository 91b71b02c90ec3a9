//! The self-signed certificate of a media worker and its fingerprint (RFC 8122 §5).

use std::sync::Arc;

use rtc_crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider};
use rtc_dtls::crypto::Certificate;

use crate::setup_error::SetupError;

/// A certificate that lives as long as the process: browsers pin it by the fingerprint in each answer.
#[derive(Clone)]
pub(crate) struct DtlsCertificate {
    pub(super) certificate: Certificate,
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: [u8; 32],
}

impl DtlsCertificate {
    pub(crate) fn generate(provider: Arc<dyn RTCCryptoProvider>) -> Result<Self, SetupError> {
        let certificate = Certificate::generate_self_signed(vec!["gateway".to_owned()], provider.crypto())
            .map_err(|error| SetupError::Certificate(error.to_string()))?;
        let fingerprint = certificate
            .certificate
            .first()
            .and_then(|der| fingerprint(provider.as_ref(), der))
            .ok_or_else(|| SetupError::Certificate("it has no SHA-256 fingerprint".to_owned()))?;
        Ok(Self { certificate, provider, fingerprint })
    }

    /// One for tests.
    #[cfg(test)]
    pub(crate) fn any() -> Self {
        let provider = Arc::new(rtc_crypto::providers::AwsLcRsProvider::new());
        Self::generate(provider).expect("a certificate")
    }

    /// The cryptography that the certificate was made with.
    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    /// SHA-256 over the DER form.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// SHA-256 over a certificate in DER form.
pub(super) fn fingerprint(provider: &dyn RTCCryptoProvider, der: &[u8]) -> Option<[u8; 32]> {
    provider.crypto().hash(HashAlgorithm::Sha256, der).ok()?.try_into().ok()
}
