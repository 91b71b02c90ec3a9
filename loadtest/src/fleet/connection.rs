//! One session's path: checks, then a handshake, then media one way. It owns no socket and reads no clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::clock::Moment;
use super::handshake::{End, Handshake, HandshakeError, Identity, Seals};
use super::histogram::Histogram;
use super::ice::{ConsentExpired, IceAgent};
use super::publisher::Publisher;
use super::viewer::Viewer;

/// A path that is not open by then will not be.
const SETUP_PATIENCE: Duration = Duration::from_secs(10);

/// Which way media go.
pub(crate) enum Role {
    Publish(Publisher),
    Play(Viewer),
}

/// How far the path is.
enum Phase {
    Checking,
    Handshaking(Box<Handshake>),
    Open(Box<Seals>),
}

/// Why a session ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// Neither a check nor a flight was answered in time.
    #[error("no {0} within {SETUP_PATIENCE:?}")]
    SetupTimedOut(&'static str),
    /// The other end fell silent.
    #[error(transparent)]
    Consent(#[from] ConsentExpired),
    /// There are no keys.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// A session's path and what goes over it.
pub(crate) struct Connection {
    identity: Arc<Identity>,
    ice: IceAgent,
    phase: Phase,
    role: Role,
    setup_until: Instant,
}

impl Connection {
    /// Begins to check.
    pub(crate) fn new(identity: Arc<Identity>, ice: IceAgent, role: Role, now: Instant) -> Self {
        Self { identity, ice, phase: Phase::Checking, role, setup_until: now + SETUP_PATIENCE }
    }

    /// A datagram came.
    ///
    /// # Errors
    /// Where the session cannot go on.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Moment,
        datagram: &[u8],
        latency: &mut Histogram,
        out: &mut Vec<Bytes>,
    ) -> Result<(), ConnectionError> {
        match datagram {
            // RFC 7983, the most frequent first.
            [128..=191, kind, ..] => {
                let Phase::Open(seals) = &mut self.phase else { return Ok(()) };
                if !(192..=223).contains(kind) {
                    if let Role::Play(viewer) = &mut self.role {
                        viewer.handle_rtp(now, datagram, seals, (latency, out));
                    }
                } else if let Ok(compound) = seals.opener.decrypt_rtcp(datagram) {
                    match &mut self.role {
                        Role::Publish(publisher) => publisher.handle_rtcp(&compound, out),
                        Role::Play(viewer) => viewer.handle_rtcp(now.instant, &compound),
                    }
                }
            }
            [0..=3, ..] => {
                self.ice.handle_datagram(now.instant, datagram, self.identity.crypto(), out);
                if self.ice.is_connected() && matches!(self.phase, Phase::Checking) {
                    let handshake = Handshake::begin(&self.identity, now.instant, out)?;
                    self.phase = Phase::Handshaking(Box::new(handshake));
                }
            }
            [20..=63, ..] => {
                if let Phase::Handshaking(handshake) = &mut self.phase
                    && let Some(keys) = handshake.handle_datagram(now.instant, datagram, out)?
                {
                    let seals = keys.seals(End::Client, self.identity.crypto())?;
                    self.phase = Phase::Open(Box::new(seals));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Where the session cannot go on.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Moment,
        out: &mut Vec<Bytes>,
    ) -> Result<(), ConnectionError> {
        self.ice.handle_timeout(now.instant, self.identity.crypto(), out)?;
        let is_late = now.instant >= self.setup_until;
        match &mut self.phase {
            Phase::Checking if is_late => return Err(ConnectionError::SetupTimedOut("answer to checks")),
            Phase::Handshaking(_) if is_late => return Err(ConnectionError::SetupTimedOut("DTLS handshake")),
            Phase::Checking => {}
            Phase::Handshaking(handshake) => handshake.handle_timeout(now.instant, out)?,
            Phase::Open(seals) => match &mut self.role {
                Role::Publish(publisher) => publisher.handle_timeout(now, &mut seals.sealer, out),
                Role::Play(viewer) => viewer.handle_timeout(now.instant, &mut seals.sealer, out),
            },
        }
        Ok(())
    }

    /// When to come back.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let next = match (&self.phase, &self.role) {
            (Phase::Checking, _) => self.setup_until,
            (Phase::Handshaking(handshake), _) => {
                handshake.poll_timeout().map_or(self.setup_until, |due| due.min(self.setup_until))
            }
            (Phase::Open(_), Role::Publish(publisher)) => publisher.poll_timeout(),
            (Phase::Open(_), Role::Play(viewer)) => viewer.poll_timeout(),
        };
        next.min(self.ice.poll_timeout())
    }

    /// The next packet of a publisher's picture.
    pub(crate) fn next_packet(&mut self, now: Moment) -> Option<Bytes> {
        match (&mut self.phase, &mut self.role) {
            (Phase::Open(seals), Role::Publish(publisher)) => publisher.next_packet(now, &mut seals.sealer),
            _ => None,
        }
    }

    /// Whether media can go over the path.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// What goes over the path.
    pub(crate) fn role(&self) -> &Role {
        &self.role
    }
}
