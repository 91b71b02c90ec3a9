//! The transport of one participant: ICE-lite and DTLS, until there are SRTP keys, and what else
//! has to leave by it in the clear.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::dtls::{DtlsEvent, DtlsSession};
use crate::ice::LiteAgent;
use crate::srtp::SrtpSession;

/// Datagrams that wait for the next fill: a DTLS flight and a few answers to checks. More than that is a
/// flood, and the peer repeats what it needs.
const MAX_WAITING: usize = 32;

/// The transport of one participant.
pub(crate) struct Transport {
    pub(crate) agent: LiteAgent,
    pub(crate) dtls: DtlsSession,
    pub(crate) srtp: Option<SrtpSession>,
    /// When the first offer came; join times count from here.
    pub(crate) offered_at: Instant,
    /// `sess-id` and `sess-version` of the answers (RFC 8866 §5.2).
    pub(crate) session_id: u64,
    pub(crate) session_version: u64,
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Transport {
    pub(crate) fn new(now: Instant, agent: LiteAgent, dtls: DtlsSession, session_id: u64) -> Self {
        Self {
            agent,
            dtls,
            srtp: None,
            offered_at: now,
            session_id,
            session_version: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Puts a datagram up for sending.
    pub(crate) fn send(&mut self, destination: SocketAddr, datagram: Vec<u8>) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((destination, datagram));
        }
    }

    /// The next datagram to send; call until `None`.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.waiting.pop_front()
    }

    /// Takes a DTLS datagram; `false` where it was refused.
    pub(crate) fn handle_dtls(&mut self, now: Instant, datagram: &[u8], events: &mut Vec<DtlsEvent>) -> bool {
        let accepted = self.dtls.handle_datagram(now, datagram, events);
        self.drain_dtls();
        accepted
    }

    /// Drives the timers of DTLS.
    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut Vec<DtlsEvent>) {
        self.dtls.handle_timeout(now, events);
        self.drain_dtls();
    }

    fn drain_dtls(&mut self) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            // Without an address there is nobody to send to, but the queue has to be emptied all the same.
            if let Some(destination) = self.agent.selected() {
                self.send(destination, datagram.to_vec());
            }
        }
    }

    /// Ends the association; gives the last datagrams, and where they go.
    pub(crate) fn close(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let Some(destination) = self.agent.selected() else { return Vec::new() };
        self.dtls.close(now).into_iter().map(|datagram| (destination, datagram.to_vec())).collect()
    }

    /// When something has to happen if nothing arrives.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let expiry = self.agent.expires_at();
        self.dtls.poll_timeout().map_or(expiry, |due| due.min(expiry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtls::DtlsCertificate;
    use crate::ice::IceCredentials;
    use crate::limits::{CONSENT_TIMEOUT, DTLS_START_TIMEOUT, ICE_TIMEOUT};
    use crate::testing::origin;

    fn transport(now: Instant) -> Transport {
        let credentials = IceCredentials { ufrag: "local".into(), password: "password".into() };
        let agent = LiteAgent::new(now, credentials, "remote".into());
        Transport::new(now, agent, DtlsSession::new(DtlsCertificate::any(), [0; 32]), 7)
    }

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 5_000))
    }

    #[test]
    fn what_waits_leaves_in_order_and_a_flood_is_cut() {
        let mut transport = transport(origin());
        for number in 0..=MAX_WAITING {
            transport.send(address(), vec![number as u8]);
        }
        let left: Vec<u8> =
            std::iter::from_fn(|| transport.poll_transmit()).map(|(_, datagram)| datagram[0]).collect();
        assert_eq!(left, (0..MAX_WAITING as u8).collect::<Vec<_>>());
    }

    #[test]
    fn the_nearest_deadline_counts() {
        let start = origin();
        let mut transport = transport(start);
        assert_eq!(transport.poll_timeout(), start + ICE_TIMEOUT);
        transport.agent.handle_check(start, address(), true);
        assert_eq!(transport.poll_timeout(), start + CONSENT_TIMEOUT);
        transport.dtls.handle_validated(start);
        assert_eq!(transport.poll_timeout(), start + DTLS_START_TIMEOUT);
    }
}
