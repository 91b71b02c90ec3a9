//! The apps whose signed reports are believed: their public keys, and whether a report was signed with one.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use protocol::attestation::{AttestedClaim, AttestedReport};

use crate::sample::AttestationRefused;

/// What a key of Ed25519 begins with as SubjectPublicKeyInfo (RFC 8410 §4); the 32 bytes of the key follow.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The same for the curve P-256 (RFC 5480 §2); the uncompressed point follows.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Bytes of a signature of either algorithm without ASN.1 around it.
const PLAIN_SIGNATURE: usize = 64;

/// Characters of a signature in base64; one of ES256 in DER has 72 bytes at most.
const MAX_SIGNATURE_CHARS: usize = 100;

/// Characters of the name of an app.
const MAX_NAME_CHARS: usize = 64;

/// An app whose signed reports are believed.
#[derive(Debug, Clone, PartialEq)]
pub struct AttestedApp {
    /// The name that its reports carry.
    pub name: String,
    /// What they are signed with.
    pub public_key: AppKey,
}

/// A public key of Ed25519 or ES256.
#[derive(Clone)]
pub struct AppKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// The text is no public key in PEM, or in base64 of the same DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no public key of Ed25519 or of the curve P-256, in PEM or in the base64 of its SubjectPublicKeyInfo"
)]
pub struct ParseKeyError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    Es256,
}

impl FromStr for AppKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        let der = decode(&lines.collect::<String>()).ok_or(ParseKeyError)?;
        let (algorithm, bytes) = if let Some(key) = der.strip_prefix(&ED25519_PREFIX[..]) {
            (Algorithm::Ed25519, key)
        } else {
            (Algorithm::Es256, der.strip_prefix(&P256_PREFIX[..]).ok_or(ParseKeyError)?)
        };
        // Parsing says whether it is a point of the curve at all.
        let parsed = match algorithm {
            Algorithm::Ed25519 => ParsedPublicKey::new(&ED25519, bytes),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes),
        };
        parsed.map_err(|_| ParseKeyError)?;
        Ok(Self { algorithm, bytes: bytes.to_vec() })
    }
}

impl PartialEq for AppKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.bytes == other.bytes
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AppKey").field(&self.algorithm).finish()
    }
}

impl AppKey {
    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let parsed = match self.algorithm {
            Algorithm::Ed25519 => ParsedPublicKey::new(&ED25519, &self.bytes),
            Algorithm::Es256 if signature.len() == PLAIN_SIGNATURE => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.bytes)
            }
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.bytes),
        };
        parsed.is_ok_and(|key| key.verify_sig(text, signature).is_ok())
    }
}

/// Every enrolled app.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttestedApps(Vec<AttestedApp>);

impl AttestedApps {
    pub(crate) fn new(apps: Vec<AttestedApp>) -> Self {
        Self(apps)
    }

    /// What a report says, if an enrolled app has signed it.
    pub(crate) fn verify(&self, report: &AttestedReport) -> Result<AttestedClaim, AttestationRefused> {
        let app = self.0.iter().find(|app| app.name == report.app).ok_or(AttestationRefused::UnknownApp)?;
        let signature = decode(&report.signature).ok_or(AttestationRefused::Signature)?;
        if !app.public_key.verifies(report.signed_text().as_bytes(), &signature) {
            return Err(AttestationRefused::Signature);
        }
        Ok(report.claim())
    }
}

impl AttestedApp {
    /// Whether it can be told from those before it, and its name be signed: a line feed would let a signature
    /// for one text be one for another.
    #[must_use]
    pub fn is_name_fit(&self, before: &[Self]) -> bool {
        let name = &self.name;
        (1..=MAX_NAME_CHARS).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && before.iter().all(|other| other.name != *name)
    }
}

pub(crate) fn are_names_fit(apps: &[AttestedApp]) -> bool {
    apps.iter().enumerate().all(|(place, app)| app.is_name_fit(&apps[..place]))
}

/// Base64 of either alphabet, with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > 2 * MAX_SIGNATURE_CHARS {
        return None;
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard: String = text.chars().map(standard_letter).collect();
    GeneralPurpose::new(&STANDARD, config).decode(standard).ok()
}

const fn standard_letter(letter: char) -> char {
    match letter {
        '-' => '+',
        '_' => '/',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair,
    };
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use protocol::id::ShellNonce;
    use protocol::network_class::NetworkClass;

    use super::*;

    fn report() -> AttestedReport {
        AttestedReport {
            app: "clinic-app".to_owned(),
            nonce: ShellNonce::from_bits(42),
            sequence: 7,
            class: NetworkClass::FiveG,
            time_ms: 81_234,
            signature: String::new(),
        }
    }

    /// A key, and what it makes of a text.
    type Signer = Box<dyn Fn(&str) -> Vec<u8>>;

    fn ed25519() -> (AppKey, Signer) {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let der = [&ED25519_PREFIX[..], pair.public_key().as_ref()].concat();
        let key = STANDARD.encode(der).parse().expect("a public key");
        (key, Box::new(move |text| pair.sign(text.as_bytes()).as_ref().to_vec()))
    }

    fn es256(algorithm: &'static EcdsaSigningAlgorithm) -> (AppKey, Signer) {
        let pair = EcdsaKeyPair::generate(algorithm).expect("a key");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a key in DER");
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let key = pem.parse().expect("a public key");
        let sign = move |text: &str| {
            pair.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature").as_ref().to_vec()
        };
        (key, Box::new(sign))
    }

    fn signers() -> [(AppKey, Signer); 3] {
        [ed25519(), es256(&ECDSA_P256_SHA256_FIXED_SIGNING), es256(&ECDSA_P256_SHA256_ASN1_SIGNING)]
    }

    fn apps(public_key: &AppKey) -> AttestedApps {
        let name = "clinic-app".to_owned();
        AttestedApps::new(vec![AttestedApp { name, public_key: public_key.clone() }])
    }

    #[test]
    fn a_report_is_believed_that_an_enrolled_app_has_signed() {
        for (key, sign) in signers() {
            let mut report = report();
            for encode in [&STANDARD, &URL_SAFE_NO_PAD] {
                report.signature = encode.encode(sign(&report.signed_text()));
                assert_eq!(apps(&key).verify(&report), Ok(report.claim()), "{key:?}");
            }
        }
    }

    #[test]
    fn whatever_is_changed_voids_the_signature() {
        let changes: [fn(&mut AttestedReport); 6] = [
            |report| report.nonce = ShellNonce::from_bits(43),
            |report| report.sequence += 1,
            |report| report.class = NetworkClass::FourG,
            |report| report.time_ms += 1,
            |report| report.signature.clear(),
            |report| report.signature = STANDARD.encode([0; 64]),
        ];
        for (key, sign) in signers() {
            let mut signed = report();
            signed.signature = STANDARD.encode(sign(&signed.signed_text()));
            for change in changes {
                let mut report = signed.clone();
                change(&mut report);
                assert_eq!(apps(&key).verify(&report), Err(AttestationRefused::Signature), "{report:?}");
            }
            let stranger = AttestedReport { app: "other".to_owned(), ..signed.clone() };
            assert_eq!(apps(&key).verify(&stranger), Err(AttestationRefused::UnknownApp));
            let (other, _) = ed25519();
            assert_eq!(apps(&other).verify(&signed), Err(AttestationRefused::Signature), "another's key");
        }
    }

    #[test]
    fn only_public_keys_are_keys() {
        let off_curve = STANDARD.encode([&P256_PREFIX[..], &[4], &[7; 64]].concat());
        let short = STANDARD.encode([&ED25519_PREFIX[..], &[7; 31]].concat());
        for text in ["", "key", "MCowBQYDK2VwAyEA", &off_curve, &short, &"A".repeat(1_000)] {
            assert!(text.parse::<AppKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_words_and_differ() {
        let (key, _) = ed25519();
        let app = |name: &str| AttestedApp { name: name.to_owned(), public_key: key.clone() };
        assert!(are_names_fit(&[app("a"), app("b")]));
        for unfit in ["", "two words", "line\nfeed", "诊所"] {
            assert!(!are_names_fit(&[app(unfit)]), "{unfit:?}");
        }
        assert!(!are_names_fit(&[app("a"), app("a")]));
    }
}
