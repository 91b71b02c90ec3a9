//! The transport of a simulated browser: a controlling ICE agent (RFC 8445), a DTLS client, and SRTP.
//! It is made of the protocol crates alone, so that the media plane is tested against code that is not its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_rtp::Packet;
use rtc_shared::TransportProtocol;
use rtc_shared::marshal::{Marshal, Unmarshal};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType, RawAttribute,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};

use super::session_description::Answer;

const ATTR_GOOG_NETWORK_INFO: AttrType = AttrType(0xC057);

/// libwebrtc checks a weak pair every 48 ms and a strong one every 480 ms.
const WEAK_CHECK_INTERVAL: Duration = Duration::from_millis(48);
const STRONG_CHECK_INTERVAL: Duration = Duration::from_millis(480);

/// A response that takes longer leaves the pair weak again.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(2_500);

/// Browsers begin with less, and resend more.
const FIRST_RESEND: Duration = Duration::from_millis(200);

/// Any address: the association is keyed by it, and there is only one.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 2);

/// What arrived, opened.
pub(super) enum Opened {
    Rtp(Packet),
    Rtcp(Vec<Box<dyn rtc_rtcp::Packet>>),
    Nothing,
}

struct Remote {
    ufrag: String,
    password: String,
    fingerprint: String,
}

/// The last datagrams of the handshake. `rtc-dtls` stops its own timer once part of a flight has come, so
/// a browser's stubbornness (RFC 6347 §4.2.4) is added here.
#[derive(Default)]
struct Flight {
    datagrams: Vec<Vec<u8>>,
    resend_at: Option<Instant>,
    resends: u32,
}

struct SrtpKeys {
    incoming: Context,
    outgoing: Context,
}

pub(super) struct Connection {
    provider: Arc<AwsLcRsProvider>,
    certificate: Certificate,
    ufrag: String,
    password: String,
    /// Network id and cost as `GOOG_NETWORK_INFO` tells them.
    network: (u16, u16),
    remote: Option<Remote>,
    next_check: Option<Instant>,
    transaction: u64,
    last_response: Option<Instant>,
    dtls: Option<Endpoint>,
    flight: Flight,
    keys: Option<SrtpKeys>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Connection {
    /// `tag` makes its ICE credentials.
    pub(super) fn new(tag: u64, network_cost: u16) -> Self {
        let provider = Arc::new(AwsLcRsProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["browser".to_owned()], provider.crypto())
            .expect("a certificate can be made");
        Self {
            provider,
            certificate,
            ufrag: format!("b{tag:03}"),
            password: format!("browserpasswordbrowser{tag:03}"),
            network: (1, network_cost),
            remote: None,
            next_check: None,
            transaction: tag << 32,
            last_response: None,
            dtls: None,
            flight: Flight::default(),
            keys: None,
            outgoing: VecDeque::new(),
        }
    }

    pub(super) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    pub(super) fn fingerprint(&self) -> String {
        hex(self.provider.as_ref(), self.certificate.certificate.first().expect("a certificate"))
    }

    /// Whether media can flow.
    pub(super) fn is_ready(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes the answer's side of the transport; a later answer of the same transport changes nothing.
    pub(super) fn set_remote(&mut self, now: Instant, answer: &Answer) {
        if self.remote.as_ref().is_some_and(|remote| remote.ufrag == answer.ufrag) {
            return;
        }
        self.remote = Some(Remote {
            ufrag: answer.ufrag.clone(),
            password: answer.password.clone(),
            fingerprint: answer.fingerprint.clone(),
        });
        self.next_check = Some(now);
    }

    /// Goes on from another network: checks at once, with another network id.
    pub(super) fn move_to_network(&mut self, now: Instant, cost: u16) {
        self.network = (self.network.0 + 1, cost);
        self.last_response = None;
        self.next_check = self.next_check.map(|_| now);
    }

    /// Stays on its network, and tells another cost of it.
    pub(super) fn tell_network_cost(&mut self, cost: u16) {
        self.network.1 = cost;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.next_check.is_some_and(|due| now >= due) {
            self.send_check(now);
        }
        if let Some(dtls) = &mut self.dtls {
            if dtls.poll_timeout(&PEER).is_some_and(|due| now >= due) {
                // Where only part of an answer came over a link that is full, `rtc-dtls` knows no way on; the flight
                // below is sent again all the same, as a browser does.
                let _ = dtls.handle_timeout(PEER, now);
            }
            self.drain_dtls(now);
        }
        if self.keys.is_none() && self.flight.resend_at.is_some_and(|due| now >= due) {
            self.flight.resends += 1;
            self.flight.resend_at = Some(now + FIRST_RESEND * (1 << self.flight.resends.min(3)));
            self.outgoing.extend(self.flight.datagrams.iter().cloned());
        }
    }

    fn send_check(&mut self, now: Instant) {
        let Some(remote) = &self.remote else { return };
        let is_strong = self.last_response.is_some_and(|response| now - response < RESPONSE_TIMEOUT);
        self.next_check = Some(now + if is_strong { STRONG_CHECK_INTERVAL } else { WEAK_CHECK_INTERVAL });
        self.transaction += 1;
        let mut id = TransactionId::default();
        id.0[4..].copy_from_slice(&self.transaction.to_be_bytes());
        let raw = |typ, value: &[u8]| RawAttribute { typ, length: value.len() as u16, value: value.to_vec() };
        let network = [self.network.0.to_be_bytes(), self.network.1.to_be_bytes()].concat();
        let username = format!("{}:{}", remote.ufrag, self.ufrag);
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(id),
            Box::new(BINDING_REQUEST),
            Box::new(raw(ATTR_USERNAME, username.as_bytes())),
            Box::new(raw(ATTR_GOOG_NETWORK_INFO, &network)),
            Box::new(raw(ATTR_ICE_CONTROLLING, &[7; 8])),
            Box::new(raw(ATTR_PRIORITY, &1_845_501_695_u32.to_be_bytes())),
        ];
        if self.last_response.is_some() {
            setters.push(Box::new(raw(ATTR_USE_CANDIDATE, &[])));
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            remote.password.clone(),
            self.provider.crypto(),
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut check = Message::new();
        check.build(&setters).expect("a check can be built");
        self.outgoing.push_back(check.raw);
    }

    /// Takes a datagram; what is not authentic is an error of the test.
    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Opened {
        match datagram.first() {
            Some(0..=3) => self.handle_stun(now, datagram),
            Some(20..=63) => self.handle_dtls(now, datagram),
            Some(128..=191) => return self.open(datagram),
            other => panic!("no protocol of ours begins with {other:?}"),
        }
        Opened::Nothing
    }

    fn handle_stun(&mut self, now: Instant, datagram: &[u8]) {
        let mut message = Message::new();
        message.unmarshal_binary(datagram).expect("a STUN message");
        assert_eq!(message.typ, BINDING_SUCCESS, "an ICE-lite agent sends responses only");
        let remote = self.remote.as_ref().expect("a response follows a check");
        MessageIntegrity::check(&mut message, remote.password.as_bytes(), self.provider.crypto())
            .expect("responses are authenticated");
        if self.last_response.replace(now).is_none() {
            // Nominate at once.
            self.next_check = Some(now);
        }
        if self.dtls.is_none() {
            self.start_dtls(now);
        }
    }

    fn start_dtls(&mut self, now: Instant) {
        let expected = self.remote.as_ref().map(|remote| remote.fingerprint.clone()).unwrap_or_default();
        let provider = self.provider.clone();
        let verify = move |chain: &[Vec<u8>], _: &[_]| {
            let presented = chain.first().map(|der| format!("sha-256 {}", hex(provider.as_ref(), der)));
            assert_eq!(
                presented.as_deref(),
                Some(expected.as_str()),
                "the gateway shows the certificate it announced"
            );
            Ok(())
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            ])
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(verify)))
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, Some(PEER))
            .expect("a DTLS configuration");
        let mut dtls = Endpoint::new(PEER, TransportProtocol::UDP, None);
        dtls.connect(now, PEER, Arc::new(config), None).expect("a handshake can begin");
        self.dtls = Some(dtls);
        self.drain_dtls(now);
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) {
        let Some(dtls) = &mut self.dtls else { return };
        let events = dtls.read(now, PEER, None, BytesMut::from(datagram)).expect("the gateway speaks DTLS");
        if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
            self.keys = Some(derive_keys(dtls, self.provider.as_ref()));
        }
        self.drain_dtls(now);
    }

    fn drain_dtls(&mut self, now: Instant) {
        let mut datagrams = Vec::new();
        while let Some(transmit) = self.dtls.as_mut().and_then(Endpoint::poll_transmit) {
            datagrams.push(transmit.message.to_vec());
        }
        if !datagrams.is_empty() {
            self.outgoing.extend(datagrams.iter().cloned());
            self.flight = Flight { datagrams, resend_at: Some(now + FIRST_RESEND), resends: 0 };
        }
    }

    fn open(&mut self, datagram: &[u8]) -> Opened {
        // The gateway may be done a flight earlier; a browser drops what it cannot open yet.
        let Some(keys) = &mut self.keys else { return Opened::Nothing };
        if (64..=95).contains(&(datagram[1] & 0x7f)) {
            let mut plain = keys.incoming.decrypt_rtcp(datagram).expect("RTCP is authentic").freeze();
            return Opened::Rtcp(rtc_rtcp::packet::unmarshal(&mut plain).expect("RTCP is well formed"));
        }
        let mut plain: Bytes =
            keys.incoming.decrypt_rtp(datagram).expect("RTP is authentic and new").freeze();
        Opened::Rtp(Packet::unmarshal(&mut plain).expect("RTP is well formed"))
    }

    pub(super) fn send_rtp(&mut self, packet: &Packet) {
        let Some(keys) = &mut self.keys else { return };
        // The crate would add padding of its own; ours is in the payload already.
        let mut unpadded = packet.clone();
        unpadded.header.padding = false;
        let mut plain = unpadded.marshal().expect("a packet can be written");
        plain[0] |= u8::from(packet.header.padding) << 5;
        let sealed = keys.outgoing.encrypt_rtp(&plain).expect("a packet can be sealed");
        self.outgoing.push_back(sealed.to_vec());
    }

    pub(super) fn send_rtcp(&mut self, packets: Vec<Box<dyn rtc_rtcp::Packet>>) {
        let Some(keys) = &mut self.keys else { return };
        let plain = rtc_rtcp::packet::marshal(&packets).expect("RTCP can be written");
        let sealed = keys.outgoing.encrypt_rtcp(&plain).expect("RTCP can be sealed");
        self.outgoing.push_back(sealed.to_vec());
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }
}

fn hex(provider: &dyn RTCCryptoProvider, der: &[u8]) -> String {
    let digest = provider.crypto().hash(HashAlgorithm::Sha256, der).expect("SHA-256 is there");
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// RFC 5764 §4.2, seen from the client.
fn derive_keys(dtls: &Endpoint, provider: &dyn RTCCryptoProvider) -> SrtpKeys {
    let state = dtls.get_connection_state(PEER).expect("the association is there");
    let (profile, key, salt) = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => (ProtectionProfile::AeadAes128Gcm, 16, 12),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            (ProtectionProfile::Aes128CmHmacSha1_80, 16, 14)
        }
        other => panic!("{other:?} was not offered"),
    };
    let material = state
        .export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (key + salt))
        .expect("keys can be exported");
    let material: &[u8] = material.as_ref();
    let (client_key, rest) = material.split_at(key);
    let (server_key, rest) = rest.split_at(key);
    let (client_salt, server_salt) = rest.split_at(salt);
    let replay = rtc_srtp::option::srtp_replay_protection(1_024);
    SrtpKeys {
        incoming: Context::new(server_key, server_salt, profile, Some(replay), None, provider.crypto())
            .expect("keys of the right size"),
        outgoing: Context::new(client_key, client_salt, profile, None, None, provider.crypto())
            .expect("keys of the right size"),
    }
}
