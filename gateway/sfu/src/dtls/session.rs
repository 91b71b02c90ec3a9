//! The DTLS association of one participant, from the first ClientHello to the SRTP keys.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use crate::dtls::certificate::{DtlsCertificate, fingerprint};
use crate::dtls::client_hello::offers_aead_aes_128_gcm;
use crate::dtls::last_flight::LastFlight;
use crate::limits::{DTLS_START_TIMEOUT, DTLS_TIMEOUT};
use crate::srtp::SrtpProfile;

/// `rtc-dtls` keys associations by remote address; ours outlives any address.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);

/// A datagram that spoils the handshake may come from somebody who spoofs a validated address: the
/// association is then made anew, this many times. Beyond that the client itself is broken.
const MAX_ATTEMPTS: u8 = 4;

/// RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// What became of the association.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DtlsEvent {
    /// The handshake is done.
    Connected {
        /// The SRTP profile it agreed on.
        profile: SrtpProfile,
        /// Client key, server key, client salt, server salt.
        keying_material: Vec<u8>,
    },
    /// The client closed the association.
    Closed,
    /// It failed for good.
    Failed,
}

/// Never prints keys.
impl std::fmt::Debug for DtlsEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connected { .. } => "Connected",
            Self::Closed => "Closed",
            Self::Failed => "Failed",
        })
    }
}

enum State {
    /// No ClientHello yet; it is due from when the client's address is validated.
    Idle {
        due_since: Option<Instant>,
    },
    Handshaking {
        endpoint: Endpoint,
        since: Instant,
    },
    Connected {
        endpoint: Endpoint,
    },
    Ended,
}

/// The DTLS association of one participant.
pub(crate) struct DtlsSession {
    certificate: DtlsCertificate,
    remote_fingerprint: [u8; 32],
    state: State,
    attempts: u8,
    flight: LastFlight,
}

impl DtlsSession {
    pub(crate) fn new(certificate: DtlsCertificate, remote_fingerprint: [u8; 32]) -> Self {
        Self {
            certificate,
            remote_fingerprint,
            state: State::Idle { due_since: None },
            attempts: 0,
            flight: LastFlight::default(),
        }
    }

    /// The fingerprint that the client's certificate must have.
    pub(crate) fn remote_fingerprint(&self) -> [u8; 32] {
        self.remote_fingerprint
    }

    /// Whether it is over, by failure or by the client's wish.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The client's address is validated: from here on it has to begin.
    pub(crate) fn handle_validated(&mut self, now: Instant) {
        if let State::Idle { due_since } = &mut self.state {
            due_since.get_or_insert(now);
        }
    }

    /// Takes a datagram from a validated address. `false` where the association refused it.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        events: &mut Vec<DtlsEvent>,
    ) -> bool {
        if let State::Idle { .. } = self.state {
            let Some(endpoint) = self.endpoint_for(datagram) else { return false };
            self.attempts += 1;
            self.state = State::Handshaking { endpoint, since: now };
        }
        let (State::Handshaking { endpoint, .. } | State::Connected { endpoint }) = &mut self.state else {
            return false;
        };
        let Ok(reports) = endpoint.read(now, PEER, None, BytesMut::from(datagram)) else {
            self.recover(now, events);
            return false;
        };
        self.flight.send(now, transmits(endpoint));
        for report in reports {
            self.apply(report, events);
        }
        true
    }

    fn apply(&mut self, report: EndpointEvent, events: &mut Vec<DtlsEvent>) {
        match report {
            EndpointEvent::HandshakeComplete => self.complete(events),
            EndpointEvent::PeerClosed => {
                // The association's own close_notify is lost with it; the peer does not wait for it.
                self.state = State::Ended;
                events.push(DtlsEvent::Closed);
            }
            // Data channels are not negotiated, so nothing can rightly arrive here.
            _ => {}
        }
    }

    fn complete(&mut self, events: &mut Vec<DtlsEvent>) {
        let State::Handshaking { endpoint, .. } = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        match exported(&endpoint) {
            Some(event) => {
                self.state = State::Connected { endpoint };
                self.flight.finish();
                events.push(event);
            }
            None => events.push(DtlsEvent::Failed),
        }
    }

    /// After an error: before the handshake is done anew, after it the association simply lives on.
    fn recover(&mut self, now: Instant, events: &mut Vec<DtlsEvent>) {
        if let State::Handshaking { .. } = self.state {
            self.flight = LastFlight::default();
            if self.attempts < MAX_ATTEMPTS {
                self.state = State::Idle { due_since: Some(now) };
            } else {
                self.state = State::Ended;
                events.push(DtlsEvent::Failed);
            }
        }
    }

    /// A server association whose only SRTP profile is the best that the client offers.
    fn endpoint_for(&self, datagram: &[u8]) -> Option<Endpoint> {
        let profiles = match offers_aead_aes_128_gcm(datagram) {
            Some(true) => vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm],
            Some(false) => vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80],
            None => vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ],
        };
        let config = self.handshake_config(profiles)?;
        Some(Endpoint::new(PEER, TransportProtocol::UDP, Some(config)))
    }

    fn handshake_config(&self, profiles: Vec<SrtpProtectionProfile>) -> Option<Arc<HandshakeConfig>> {
        let (provider, expected) = (self.certificate.provider.clone(), self.remote_fingerprint);
        // The callback may run more than once, so it only compares.
        let verify = move |chain: &[Vec<u8>], _: &[_]| {
            let presented = chain.first().and_then(|der| fingerprint(provider.as_ref(), der));
            if presented == Some(expected) { Ok(()) } else { Err(Error::ErrNoMatchingCertificateFingerprint) }
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.certificate.provider.clone())
            .with_certificates(vec![self.certificate.certificate.clone()])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(verify)))
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(false, None);
        config.ok().map(Arc::new)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut Vec<DtlsEvent>) {
        if self.expires_at().is_some_and(|expiry| now >= expiry) {
            self.state = State::Ended;
            events.push(DtlsEvent::Failed);
        }
        let State::Handshaking { endpoint, .. } = &mut self.state else { return };
        if endpoint.handle_timeout(PEER, now).is_err() {
            self.recover(now, events);
        } else {
            self.flight.send(now, transmits(endpoint));
            self.flight.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let repeat = match &self.state {
            State::Handshaking { endpoint, .. } => [endpoint.poll_timeout(&PEER), self.flight.poll_timeout()],
            State::Idle { .. } | State::Connected { .. } | State::Ended => [None, None],
        };
        repeat.into_iter().flatten().chain(self.expires_at()).min()
    }

    /// Ends the association, and gives what tells the client so (`close_notify`, RFC 5246 §7.2.1). It may be lost on
    /// the way; then the client finds out by consent.
    pub(crate) fn close(&mut self, now: Instant) -> Vec<BytesMut> {
        let State::Connected { mut endpoint } = std::mem::replace(&mut self.state, State::Ended) else {
            return Vec::new();
        };
        match endpoint.close(now) {
            Ok(()) => transmits(&mut endpoint).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// When it has failed, if it comes no further until then.
    fn expires_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { due_since } => due_since.map(|since| since + DTLS_START_TIMEOUT),
            State::Handshaking { since, .. } => Some(*since + DTLS_TIMEOUT),
            State::Connected { .. } | State::Ended => None,
        }
    }

    /// The next datagram to send to the selected address; call until `None`, also after an error.
    pub(crate) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.flight.poll_transmit()
    }
}

fn transmits(endpoint: &mut Endpoint) -> impl Iterator<Item = BytesMut> {
    std::iter::from_fn(|| endpoint.poll_transmit().map(|transmit| transmit.message))
}

fn exported(endpoint: &Endpoint) -> Option<DtlsEvent> {
    let state = endpoint.get_connection_state(PEER)?;
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => SrtpProfile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => SrtpProfile::Aes128CmHmacSha1_80,
        _ => return None,
    };
    let keying_material =
        state.export_keying_material(EXPORTER_LABEL, &[], profile.keying_material_len()).ok()?;
    Some(DtlsEvent::Connected { profile, keying_material: AsRef::<[u8]>::as_ref(&keying_material).to_vec() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::origin;

    const A_MOMENT: Duration = Duration::from_millis(1);

    fn session() -> DtlsSession {
        DtlsSession::new(DtlsCertificate::any(), [0; 32])
    }

    fn events_at(session: &mut DtlsSession, now: Instant) -> Vec<DtlsEvent> {
        let mut events = Vec::new();
        session.handle_timeout(now, &mut events);
        events
    }

    #[test]
    fn a_client_that_never_begins_is_given_up_once_its_address_is_validated() {
        let start = origin();
        let mut session = session();
        assert_eq!(session.poll_timeout(), None, "ICE has a deadline of its own");
        session.handle_validated(start);
        session.handle_validated(start + DTLS_START_TIMEOUT / 2);
        let due = start + DTLS_START_TIMEOUT;
        assert_eq!(session.poll_timeout(), Some(due));
        assert_eq!(events_at(&mut session, due - A_MOMENT), []);
        assert_eq!(events_at(&mut session, due), [DtlsEvent::Failed]);
        assert!(session.has_ended());
        assert_eq!((session.poll_timeout(), events_at(&mut session, due + A_MOMENT)), (None, vec![]));
    }

    #[test]
    fn a_handshake_that_comes_no_further_is_given_up() {
        let start = origin();
        let mut session = session();
        session.handle_validated(start);
        let begun = start + DTLS_START_TIMEOUT / 2;
        // A handshake record that holds the first byte of a ClientHello.
        let datagram = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        assert!(session.handle_datagram(begun, &datagram, &mut Vec::new()));
        assert_eq!(events_at(&mut session, begun + DTLS_TIMEOUT - A_MOMENT), []);
        assert_eq!(events_at(&mut session, begun + DTLS_TIMEOUT), [DtlsEvent::Failed]);
    }
}
