//! What tests of both ends of a path share: an answer, and a seal that the other end opens.

use rtc::crypto::RTCCryptoProvider as _;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::answer::{Answer, Media};
use super::ice::Credentials;

/// An answer with this picture, and a voice of payload type 111 like it.
pub(super) fn answer(video: Media) -> Answer {
    Answer {
        remote: Credentials { ufrag: String::new(), password: String::new() },
        candidate: "127.0.0.1:1".parse().expect("an address"),
        audio: Some(Media { payload_type: 111, ..video }),
        video,
    }
}

/// One end of a path whose ends have the same keys.
pub(super) fn seal() -> Context {
    let provider = AwsLcRsProvider::new();
    Context::new(&[1; 16], &[2; 12], ProtectionProfile::AeadAes128Gcm, None, None, provider.crypto())
        .expect("a seal")
}
