//! STUN Binding requests (RFC 8489, RFC 8445 §7.2) as a browser sends them, and as it never would.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rtc::crypto::RTCCryptoProvider as _;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::stun::attributes::{ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, Message, Setter as _, TransactionId};

const ATTR_ICE_CONTROLLING: AttrType = AttrType(0x802a);

/// `GOOG_NETWORK_INFO`, which Chromium adds.
const ATTR_NETWORK_INFO: AttrType = AttrType(0xc057);

/// The longest attribute that still fits a datagram.
const MAX_ATTRIBUTE: usize = 1_200;

/// Who a check claims to be for: the gateway's user name fragment and its password.
#[derive(Clone)]
pub(crate) struct IceKey {
    /// The gateway's fragment.
    pub(crate) ufrag: String,
    /// The password that goes with it.
    pub(crate) password: String,
}

impl IceKey {
    /// A key of the right form that no gateway drew.
    pub(crate) fn invented(rng: &mut StdRng) -> Self {
        let mut word = |length| (0..length).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
        Self { ufrag: word(8), password: word(24) }
    }
}

/// A check that is right in everything.
pub(crate) fn check(key: &IceKey, rng: &mut StdRng) -> Vec<u8> {
    let mut message = begun(&format!("{}:chrm", key.ufrag), rng);
    seal(&mut message, &key.password);
    message.raw
}

fn begun(username: &str, rng: &mut StdRng) -> Message {
    let mut message = Message::new();
    message.typ = BINDING_REQUEST;
    message.transaction_id = TransactionId(rng.random());
    message.write_header();
    message.add(ATTR_USERNAME, username.as_bytes());
    message.add(ATTR_NETWORK_INFO, &[0, 1, 0, 10]);
    message.add(ATTR_ICE_CONTROLLING, &rng.random::<[u8; 8]>());
    message.add(ATTR_USE_CANDIDATE, &[]);
    message.add(ATTR_PRIORITY, &[0x6e, 0x7f, 0x1e, 0xff]);
    message
}

fn seal(message: &mut Message, password: &str) {
    let provider = AwsLcRsProvider::new();
    let integrity =
        MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
    // Neither can fail on a message that has no other seal; without one the check is hostile all the same.
    let _ = integrity.add_to(message);
    let _ = FINGERPRINT.add_to(message);
}

/// A check that no right key stands behind, each wrong in its own way.
pub(crate) fn hostile_check(ufrag: &str, rng: &mut StdRng) -> Vec<u8> {
    let wrong = IceKey { ufrag: ufrag.to_owned(), ..IceKey::invented(rng) };
    match rng.random_range(0..9) {
        0 => check(&wrong, rng),
        1 => begun(&format!("{ufrag}:chrm"), rng).raw,
        2 => with_username(&"u".repeat(rng.random_range(0..=513)), &wrong, rng),
        3 => with_username([":", "::::", "\0:\0", ""][rng.random_range(0..4)], &wrong, rng),
        4 => with_unknown_attributes(&wrong, rng),
        5 => {
            let mut raw = check(&wrong, rng);
            raw.resize(rng.random_range(raw.len()..1_500), rng.random());
            raw
        }
        6 => {
            let mut raw = check(&wrong, rng);
            let lie: u16 = rng.random();
            raw[2..4].copy_from_slice(&lie.to_be_bytes());
            raw
        }
        7 => {
            let mut raw = check(&wrong, rng);
            raw.truncate(rng.random_range(0..raw.len()));
            raw
        }
        _ => {
            // Any method and class, with or without the magic cookie.
            let mut raw = check(&wrong, rng);
            let kind: u16 = rng.random_range(0..0x4000);
            raw[..2].copy_from_slice(&kind.to_be_bytes());
            if rng.random() {
                raw[4..8].copy_from_slice(&rng.random::<[u8; 4]>());
            }
            raw
        }
    }
}

fn with_username(username: &str, key: &IceKey, rng: &mut StdRng) -> Vec<u8> {
    let mut message = begun(username, rng);
    seal(&mut message, &key.password);
    message.raw
}

fn with_unknown_attributes(key: &IceKey, rng: &mut StdRng) -> Vec<u8> {
    let mut message = begun(&format!("{}:chrm", key.ufrag), rng);
    let mut room = MAX_ATTRIBUTE;
    while room > 8 && rng.random_bool(0.9) {
        let value: Vec<u8> = (0..rng.random_range(0..room.min(300))).map(|_| rng.random()).collect();
        message.add(AttrType(rng.random()), &value);
        room = room.saturating_sub(value.len() + 8);
    }
    seal(&mut message, &key.password);
    message.raw
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn the_seed_of_all_checks_is_one_that_a_gateway_would_answer() {
        let mut rng = StdRng::seed_from_u64(1);
        let key = IceKey::invented(&mut rng);
        let mut message = Message::new();
        message.unmarshal_binary(&check(&key, &mut rng)).expect("a STUN message");
        assert_eq!(message.typ, BINDING_REQUEST);
        assert_eq!(message.get(ATTR_USERNAME).ok(), Some(format!("{}:chrm", key.ufrag).into_bytes()));
        let provider = AwsLcRsProvider::new();
        MessageIntegrity::check(&mut message, key.password.as_bytes(), provider.crypto())
            .expect("the right password");
    }

    #[test]
    fn no_hostile_check_knows_the_password() {
        let mut rng = StdRng::seed_from_u64(2);
        let key = IceKey::invented(&mut rng);
        for _ in 0..500 {
            let raw = hostile_check(&key.ufrag, &mut rng);
            assert!(raw.len() <= 1_500);
            let mut message = Message::new();
            let provider = AwsLcRsProvider::new();
            let authentic = message.unmarshal_binary(&raw).is_ok()
                && MessageIntegrity::check(&mut message, key.password.as_bytes(), provider.crypto()).is_ok();
            assert!(!authentic);
        }
    }
}
