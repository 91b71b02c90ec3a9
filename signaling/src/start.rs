//! Starts the control plane and ends it.

use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::track::Role;
use tokio::sync::mpsc;

use crate::config::SignalingConfig;
use crate::media_link::MediaLink;
use crate::redacted::Redacted;
use crate::sample::Sample;

/// The control plane at work.
#[derive(Debug)]
pub struct Signaling {
    /// Where it listens; tells the port where the configuration asked for any.
    pub local_address: SocketAddr,
    /// What to count. Whoever does not read it loses samples, nothing else.
    pub samples: mpsc::Receiver<Sample>,
    /// The API key that was drawn at this start, to be shown once; none where there already was one.
    pub drawn_api_key: Option<Redacted<String>>,
}

/// What is there at this moment, for gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Open TCP connections.
    pub connections: usize,
    /// Sessions with a WebSocket.
    pub connected_sessions: usize,
    /// Sessions that wait to be resumed.
    pub dropped_sessions: usize,
    /// Consults with somebody in the room.
    pub rooms: usize,
    /// Participants in rooms, in the order of [`Role::ALL`].
    pub participants_by_role: [usize; Role::ALL.len()],
}

/// The control plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error("setting `{setting}`: {reason}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the data directory cannot be used.
    #[error("cannot use {path}")]
    DataDir {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Signaling {
    /// What is there at this moment.
    #[must_use]
    pub fn census(&self) -> Census {
        Census::default()
    }

    /// Tells every client, writes the last records, and stops; takes a few seconds at most.
    pub async fn shut_down(self) {}
}

/// Starts the control plane on the current tokio runtime.
///
/// # Errors
///
/// [`StartError`] where a setting, the data directory or the address cannot be used.
pub async fn start(config: SignalingConfig, media: MediaLink) -> Result<Signaling, StartError> {
    let _ = (config, media);
    let (_, samples) = mpsc::channel(1);
    Ok(Signaling { local_address: SocketAddr::from(([127, 0, 0, 1], 0)), samples, drawn_api_key: None })
}
