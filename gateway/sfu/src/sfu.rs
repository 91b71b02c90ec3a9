//! The media plane of one worker: rooms, and the ways from a datagram to the participant it belongs to.

use std::net::SocketAddr;
use std::time::Instant;

use protocol::media_message::{MediaCommand, MediaEvent};
use rand::rngs::StdRng;

use crate::burst::BurstSlab;
use crate::config::SfuConfig;
use crate::counters::{Census, Counters};
use crate::sample::Sample;

/// What the media plane wants done or known.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To the signaling plane.
    Event(MediaEvent),
    /// To the metrics.
    Sample(Sample),
}

/// Whether [`Sfu::fill`] has emptied everything that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing else is due.
    Drained,
    /// The slab is full: send it, clear it, and call again.
    More,
}

/// The media plane of one worker.
pub struct Sfu {
    config: SfuConfig,
    counters: Counters,
}

impl Sfu {
    /// Makes a media plane without rooms, with a DTLS certificate of its own. `rng` draws its
    /// certificate, credentials and ids.
    ///
    /// # Errors
    ///
    /// [`CertificateError`](crate::sfu::SetupError) where no certificate can be made.
    pub fn new(config: SfuConfig, _rng: StdRng) -> Result<Self, SetupError> {
        Ok(Self { config, counters: Counters::default() })
    }

    /// Takes a request of the signaling plane.
    pub fn handle_command(&mut self, _now: Instant, _command: MediaCommand) {}

    /// Takes a datagram from the socket; SRTP is opened in place.
    pub fn handle_datagram(&mut self, _now: Instant, _source: SocketAddr, _datagram: &mut [u8]) {}

    /// Takes note that time has passed.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When to call [`Self::handle_timeout`] and [`Self::fill`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do or know; call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// Seals what is due to leave by `now` into the slab.
    pub fn fill(&mut self, _now: Instant, _slab: &mut BurstSlab) -> Fill {
        Fill::Drained
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is there at this moment.
    #[must_use]
    pub fn census(&self) -> Census {
        let _ = &self.config;
        Census::default()
    }
}

/// The media plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The DTLS certificate could not be made.
    #[error("the DTLS certificate could not be made: {0}")]
    Certificate(String),
}
