//! The ICE-lite agent of one participant: which addresses have proved the password, and which one of
//! them media goes to. Consent is the freshness of those proofs (RFC 7675, answered side).

use std::net::SocketAddr;
use std::time::Instant;

use crate::ice::IceCredentials;
use crate::limits::{CONSENT_TIMEOUT, ICE_TIMEOUT, MAX_VALIDATED_ADDRESSES};

/// What a check did to the selected address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Media goes on to where it went.
    Kept,
    /// Media goes to the address of this check from here on.
    Changed,
}

#[derive(Debug, Clone, Copy)]
struct Validated {
    address: SocketAddr,
    checked_at: Instant,
}

/// The ICE-lite agent of one participant.
#[derive(Debug)]
pub(crate) struct LiteAgent {
    credentials: IceCredentials,
    remote_ufrag: String,
    started_at: Instant,
    validated: Vec<Validated>,
    /// When the last authentic check came.
    checked_at: Option<Instant>,
    selected: Option<SocketAddr>,
}

impl LiteAgent {
    pub(crate) fn new(now: Instant, credentials: IceCredentials, remote_ufrag: String) -> Self {
        Self {
            credentials,
            remote_ufrag,
            started_at: now,
            validated: Vec::new(),
            checked_at: None,
            selected: None,
        }
    }

    /// A new generation (RFC 8445 §9). Media goes on to the old address until the first new check.
    pub(crate) fn restart(&mut self, now: Instant, credentials: IceCredentials, remote_ufrag: String) {
        self.credentials = credentials;
        self.remote_ufrag = remote_ufrag;
        self.started_at = now;
    }

    pub(crate) fn credentials(&self) -> &IceCredentials {
        &self.credentials
    }

    pub(crate) fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Where media goes to.
    pub(crate) fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Takes an authentic check. Returns the address that it pushed out of the table, if any.
    pub(crate) fn handle_check(
        &mut self,
        now: Instant,
        address: SocketAddr,
        nominated: bool,
    ) -> (Selection, Option<SocketAddr>) {
        self.checked_at = Some(now);
        let evicted = self.validate(now, address);
        // The first address that works is taken at once; after that the controlling side decides.
        if self.selected.is_none() || nominated && self.selected != Some(address) {
            self.selected = Some(address);
            return (Selection::Changed, evicted);
        }
        (Selection::Kept, evicted)
    }

    fn validate(&mut self, now: Instant, address: SocketAddr) -> Option<SocketAddr> {
        if let Some(known) = self.validated.iter_mut().find(|known| known.address == address) {
            known.checked_at = now;
            return None;
        }
        self.validated.push(Validated { address, checked_at: now });
        if self.validated.len() <= MAX_VALIDATED_ADDRESSES {
            return None;
        }
        let selected = self.selected;
        let stalest = self
            .validated
            .iter()
            .enumerate()
            .filter(|(_, known)| Some(known.address) != selected && known.address != address)
            .min_by_key(|(_, known)| known.checked_at)
            .map(|(index, _)| index)?;
        Some(self.validated.swap_remove(stalest).address)
    }

    /// Every address that datagrams other than checks are accepted from.
    pub(crate) fn validated(&self) -> impl Iterator<Item = SocketAddr> {
        self.validated.iter().map(|known| known.address)
    }

    /// When the participant is lost, if no further check arrives.
    pub(crate) fn expires_at(&self) -> Instant {
        match self.checked_at {
            Some(checked_at) => checked_at + CONSENT_TIMEOUT,
            None => self.started_at + ICE_TIMEOUT,
        }
    }

    /// Whether any check has ever been answered.
    pub(crate) fn is_validated(&self) -> bool {
        !self.validated.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn agent(now: Instant) -> LiteAgent {
        let credentials = IceCredentials { ufrag: "local".into(), password: "password".into() };
        LiteAgent::new(now, credentials, "remote".into())
    }

    fn origin() -> Instant {
        crate::testing::origin()
    }

    #[test]
    fn the_first_address_is_taken_and_a_nomination_moves_on() {
        let now = origin();
        let mut agent = agent(now);
        assert_eq!(agent.handle_check(now, address(1), false).0, Selection::Changed);
        assert_eq!(agent.handle_check(now, address(2), false).0, Selection::Kept);
        assert_eq!(agent.handle_check(now, address(2), true).0, Selection::Changed);
        assert_eq!(agent.selected(), Some(address(2)));
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_keeps_the_selected_one() {
        let now = origin();
        let mut agent = agent(now);
        agent.handle_check(now, address(1), true);
        for port in 2..100 {
            agent.handle_check(now + Duration::from_secs(port.into()), address(port), false);
        }
        assert_eq!(agent.validated().count(), MAX_VALIDATED_ADDRESSES);
        assert!(agent.validated().any(|known| known == address(1)));
        assert!(agent.validated().any(|known| known == address(99)));
    }

    #[test]
    fn consent_lives_as_long_as_checks_arrive() {
        let now = origin();
        let mut agent = agent(now);
        assert_eq!(agent.expires_at(), now + ICE_TIMEOUT);
        agent.handle_check(now, address(1), true);
        let later = now + Duration::from_secs(7);
        agent.handle_check(later, address(1), true);
        assert_eq!(agent.expires_at(), later + CONSENT_TIMEOUT);
    }
}
