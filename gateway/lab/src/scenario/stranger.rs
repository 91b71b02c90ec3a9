//! What somebody may send who has no place in the call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

/// First bytes of the protocols that share the port (RFC 7983), and of none.
const FIRST_BYTES: [u8; 9] = [0, 1, 20, 22, 23, 64, 128, 129, 255];

/// Noise that begins like each protocol in turn, of all sizes that a path carries.
pub fn garbage(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|number| {
            let mut datagram = vec![0; rng.random_range(1..1_400)];
            rng.fill(&mut datagram[..]);
            datagram[0] = FIRST_BYTES[number % FIRST_BYTES.len()];
            datagram
        })
        .collect()
}

/// The first flight of a DTLS client that has none of the call's secrets.
pub fn client_hello() -> Vec<u8> {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by the clock; its value is never used"
    )]
    let now = Instant::now();
    let peer = SocketAddr::from(([192, 0, 2, 9], 9));
    let config = ConfigBuilder::default()
        .with_crypto_provider(Arc::new(AwsLcRsProvider::new()))
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
        .with_insecure_skip_verify(true)
        .build(true, Some(peer))
        .expect("a DTLS configuration");
    let mut endpoint = Endpoint::new(peer, TransportProtocol::UDP, None);
    endpoint.connect(now, peer, Arc::new(config), None).expect("a handshake can begin");
    endpoint.poll_transmit().expect("a ClientHello").message.to_vec()
}
