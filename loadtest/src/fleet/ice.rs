//! One end of ICE (RFC 8445) with one candidate on either side: the controlling agent, which checks, nominates, answers
//! checks where the other end is a full agent, and keeps consent fresh (RFC 7675).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rtc::crypto::RTCCrypto;
use rtc::stun::attributes::{ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, MESSAGE_HEADER_SIZE, Message, Setter as _, TransactionId,
};
use rtc::stun::xoraddr::XorMappedAddress;

const ATTR_ICE_CONTROLLING: AttrType = AttrType(0x802A);

/// The priority of a peer-reflexive candidate that this one would be (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = (110 << 24) | (0xFFFF << 8) | 0xFF;

/// Until the first answer; a check that is lost on the way costs this much setup time.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Half of what RFC 7675 §5.1 suggests, as browsers do it.
const CONSENT_INTERVAL: Duration = Duration::from_millis(2_500);

/// Consent without an answer ends after this long (RFC 7675 §5.1).
const CONSENT_LIFETIME: Duration = Duration::from_secs(30);

/// Checks whose answers are still welcome.
const MAX_OUTSTANDING: usize = 16;

/// User name fragment and password of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

impl Credentials {
    /// Draws new ones.
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut word = |length: usize| -> String {
            (0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
        };
        Self { ufrag: word(8), password: word(26) }
    }
}

/// The other end gave no sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("consent has expired: no check was answered for {CONSENT_LIFETIME:?}")]
pub(crate) struct ConsentExpired;

/// The agent.
pub(crate) struct IceAgent {
    local: Credentials,
    remote: Credentials,
    remote_address: SocketAddr,
    tie_breaker: [u8; 8],
    rng: StdRng,
    outstanding: Vec<TransactionId>,
    next_check: Instant,
    consent_until: Option<Instant>,
}

impl IceAgent {
    /// Begins to check at once.
    pub(crate) fn new(
        local: Credentials,
        remote: (Credentials, SocketAddr),
        mut rng: StdRng,
        now: Instant,
    ) -> Self {
        let tie_breaker = rng.random();
        let (remote, remote_address) = remote;
        let (outstanding, consent_until) = (Vec::new(), None);
        Self { local, remote, remote_address, tie_breaker, rng, outstanding, next_check: now, consent_until }
    }

    /// Whether a check has been answered.
    pub(crate) fn is_connected(&self) -> bool {
        self.consent_until.is_some()
    }

    /// A STUN message came.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        crypto: &dyn RTCCrypto,
        out: &mut Vec<Bytes>,
    ) {
        let Some(mut message) = parse(datagram) else { return };
        if message.typ == BINDING_REQUEST {
            let key = self.local.password.as_bytes();
            if MessageIntegrity::check(&mut message, key, crypto).is_ok() {
                let password = &self.local.password;
                out.extend(response(message.transaction_id, self.remote_address, password, crypto));
            }
        } else if message.typ == BINDING_SUCCESS
            && self.outstanding.contains(&message.transaction_id)
            && MessageIntegrity::check(&mut message, self.remote.password.as_bytes(), crypto).is_ok()
        {
            self.outstanding.clear();
            if !self.is_connected() {
                self.next_check = now + CONSENT_INTERVAL;
            }
            self.consent_until = Some(now + CONSENT_LIFETIME);
        }
    }

    /// Sends a check where one is due.
    ///
    /// # Errors
    /// Where consent has expired.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        crypto: &dyn RTCCrypto,
        out: &mut Vec<Bytes>,
    ) -> Result<(), ConsentExpired> {
        if self.consent_until.is_some_and(|until| now >= until) {
            return Err(ConsentExpired);
        }
        if now < self.next_check {
            return Ok(());
        }
        let interval = if self.is_connected() { CONSENT_INTERVAL } else { CHECK_INTERVAL };
        self.next_check = now + interval;
        let transaction = TransactionId(self.rng.random());
        if self.outstanding.len() == MAX_OUTSTANDING {
            self.outstanding.remove(0);
        }
        self.outstanding.push(transaction);
        out.extend(self.check(transaction, crypto));
        Ok(())
    }

    /// When to come back.
    pub(crate) fn poll_timeout(&self) -> Instant {
        self.consent_until.map_or(self.next_check, |until| until.min(self.next_check))
    }

    fn check(&self, transaction: TransactionId, crypto: &dyn RTCCrypto) -> Option<Bytes> {
        let mut message = Message::new();
        message.typ = BINDING_REQUEST;
        message.transaction_id = transaction;
        message.write_header();
        message.add(ATTR_USERNAME, format!("{}:{}", self.remote.ufrag, self.local.ufrag).as_bytes());
        message.add(ATTR_ICE_CONTROLLING, &self.tie_breaker);
        message.add(ATTR_USE_CANDIDATE, &[]);
        message.add(ATTR_PRIORITY, &PRIORITY.to_be_bytes());
        seal(message, &self.remote.password, crypto)
    }
}

/// The answer to a check that came from there (RFC 8445 §7.3).
pub(crate) fn response(
    transaction: TransactionId,
    from: SocketAddr,
    password: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Bytes> {
    let mut message = Message::new();
    message.typ = BINDING_SUCCESS;
    message.transaction_id = transaction;
    message.write_header();
    XorMappedAddress { ip: from.ip(), port: from.port() }.add_to(&mut message).ok()?;
    seal(message, password, crypto)
}

fn seal(mut message: Message, password: &str, crypto: &dyn RTCCrypto) -> Option<Bytes> {
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto);
    integrity.add_to(&mut message).ok()?;
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(Bytes::from(message.raw))
}

/// Reads a message whose length is the one that it tells.
pub(crate) fn parse(datagram: &[u8]) -> Option<Message> {
    let body = datagram.len().checked_sub(MESSAGE_HEADER_SIZE)?;
    let told = u16::from_be_bytes([datagram[2], datagram[3]]);
    if usize::from(told) != body || !body.is_multiple_of(4) {
        return None;
    }
    let mut message = Message::new();
    message.unmarshal_binary(datagram).ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rtc::crypto::RTCCryptoProvider as _;
    use rtc::crypto::providers::AwsLcRsProvider;

    use super::*;

    struct Pair {
        agents: [IceAgent; 2],
        provider: AwsLcRsProvider,
        now: Instant,
    }

    impl Pair {
        fn new() -> Self {
            let mut rng = StdRng::seed_from_u64(1);
            let (a, b) = (Credentials::draw(&mut rng), Credentials::draw(&mut rng));
            let now = Instant::now();
            let address = "127.0.0.1:7000".parse().expect("an address");
            let agent = |local: &Credentials, remote: &Credentials, seed| {
                let rng = StdRng::seed_from_u64(seed);
                IceAgent::new(local.clone(), (remote.clone(), address), rng, now)
            };
            Self { agents: [agent(&a, &b, 1), agent(&b, &a, 2)], provider: AwsLcRsProvider::new(), now }
        }

        /// Lets one agent's timers run, and what it sends arrive.
        fn turn(&mut self, from: usize) -> Result<(), ConsentExpired> {
            let crypto = self.provider.crypto();
            let (mut there, mut back) = (Vec::new(), Vec::new());
            self.agents[from].handle_timeout(self.now, crypto, &mut there)?;
            for datagram in there {
                self.agents[1 - from].handle_datagram(self.now, &datagram, crypto, &mut back);
            }
            for datagram in back {
                self.agents[from].handle_datagram(self.now, &datagram, crypto, &mut Vec::new());
            }
            Ok(())
        }
    }

    #[test]
    fn two_full_agents_answer_each_other() {
        let mut pair = Pair::new();
        pair.turn(0).expect("a check");
        assert_eq!(pair.agents.each_ref().map(IceAgent::is_connected), [true, false]);
        pair.turn(1).expect("a check");
        assert!(pair.agents[1].is_connected());
        assert_eq!(pair.agents[0].poll_timeout(), pair.now + CONSENT_INTERVAL);
    }

    #[test]
    fn silence_ends_consent() {
        let mut pair = Pair::new();
        pair.turn(0).expect("a check");
        pair.now += CONSENT_LIFETIME - Duration::from_millis(1);
        let (crypto, mut out) = (pair.provider.crypto(), Vec::new());
        assert_eq!(pair.agents[0].handle_timeout(pair.now, crypto, &mut out), Ok(()));
        let later = pair.now + Duration::from_millis(1);
        assert_eq!(pair.agents[0].handle_timeout(later, crypto, &mut out), Err(ConsentExpired));
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn strangers_and_garbage_are_not_answered() {
        let (mut pair, stranger) = (Pair::new(), Pair::new());
        pair.agents[1].local.password = "another".to_owned();
        pair.turn(0).expect("a check");
        assert!(!pair.agents[0].is_connected(), "its check bore the wrong password");
        let (crypto, mut out) = (stranger.provider.crypto(), Vec::new());
        for datagram in [&[][..], &[0; 19], &[0; 20], &[1, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42]] {
            pair.agents[0].handle_datagram(pair.now, datagram, crypto, &mut out);
        }
        assert_eq!(out, Vec::<Bytes>::new());
    }
}
