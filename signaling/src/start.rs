//! Starts the control plane and ends it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use protocol::track::Role;
use rand::rngs::{StdRng, SysRng};
use rand::{SeedableRng, TryRng};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::attested_apps::are_names_fit;
use crate::config::SignalingConfig;
use crate::connection_slots::ConnectionSlots;
use crate::control_loop::{ControlLoop, LoopInput};
use crate::front::Front;
use crate::key_file::{Secret, load_or_draw, make_private_dir};
use crate::limits::{
    MAX_LINK_LIFETIME, MAX_LOOP_INPUTS, MAX_SAMPLES, MAX_STORE_BACKLOG, MOST_PEOPLE, MOST_VIEWERS,
    SHUTDOWN_PATIENCE,
};
use crate::listener;
use crate::media_link::MediaLink;
use crate::recorder::record_sessions;
use crate::redacted::Redacted;
use crate::registry::{Places, Registry};
use crate::routes::routes;
use crate::sample::Sample;
use crate::sample_sink::SampleSink;
use crate::store::{Store, StoreError};
use crate::token::TokenKey;
use crate::unix_time::UnixTime;

/// A configured API key is a secret; a short one can be guessed.
const MIN_API_KEY_CHARS: usize = 32;

/// How often a stopping gateway looks whether its clients are gone.
const SHUTDOWN_POLL: Duration = Duration::from_millis(20);

/// The control plane at work.
#[derive(Debug)]
pub struct Signaling {
    /// Where it listens; tells the port where the configuration asked for any.
    pub local_address: SocketAddr,
    /// What to count. Whoever does not read it loses samples, nothing else.
    pub samples: mpsc::Receiver<Sample>,
    /// The API key that was drawn at this start, to be shown once; none where there already was one.
    pub drawn_api_key: Option<Redacted<String>>,
    /// Completes, with an error, once nobody decides any more: after a fault, or the shutdown.
    pub ended: oneshot::Receiver<Infallible>,
    running: Running,
}

/// What ends the control plane.
#[derive(Debug)]
struct Running {
    inputs: mpsc::Sender<LoopInput>,
    census: watch::Receiver<Census>,
    slots: Arc<ConnectionSlots>,
    stopping: watch::Sender<bool>,
    store: Store,
    control_loop: JoinHandle<()>,
    recorder: JoinHandle<()>,
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

/// Looks at what is there, from wherever metrics are served.
#[derive(Debug, Clone)]
pub struct CensusReader {
    census: watch::Receiver<Census>,
    slots: Arc<ConnectionSlots>,
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
        reason: &'static str,
    },
    /// A file of the data directory cannot be used.
    #[error("cannot use {}", path.display())]
    DataDir {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use the database {}", path.display())]
    Store {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Signaling {
    /// What is there at this moment.
    #[must_use]
    pub fn census(&self) -> Census {
        self.census_reader().read()
    }

    /// A reader of the census that outlives this borrow.
    #[must_use]
    pub fn census_reader(&self) -> CensusReader {
        CensusReader { census: self.running.census.clone(), slots: Arc::clone(&self.running.slots) }
    }

    /// Tells every client, writes the last records, and stops; takes a few seconds at most.
    pub async fn shut_down(self) {
        let Running { inputs, slots, stopping, store, control_loop, recorder, .. } = self.running;
        // Fails where the loop is gone already.
        let _ = inputs.send(LoopInput::ShutDown).await;
        stopping.send_replace(true);
        let ended = async {
            let _ = control_loop.await;
            let _ = recorder.await;
            while slots.taken() > 0 {
                tokio::time::sleep(SHUTDOWN_POLL).await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, ended).await.is_err() {
            tracing::warn!(connections = slots.taken(), "clients did not close in time");
        }
        store.close().await;
    }
}

impl CensusReader {
    /// What is there at this moment, at most half a second old.
    #[must_use]
    pub fn read(&self) -> Census {
        Census { connections: self.slots.taken(), ..*self.census.borrow() }
    }
}

impl SignalingConfig {
    /// Checks what types do not say.
    ///
    /// # Errors
    ///
    /// [`StartError::Setting`] with the first setting that makes no sense.
    pub fn check(&self) -> Result<(), StartError> {
        let origin = |url: &str| {
            url.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.authority().is_some()
                    && uri.path() == "/"
            }) && !url.ends_with('/')
        };
        let settings = [
            ("public_url", origin(&self.public_url), "is no origin such as https://clinic.example"),
            (
                "allowed_origins",
                self.allowed_origins.iter().all(|url| origin(url)),
                "has an entry that is no origin such as https://clinic.example",
            ),
            (
                "api_key",
                self.api_key.as_ref().is_none_or(|key| key.reveal().len() >= MIN_API_KEY_CHARS),
                "has less than 32 characters",
            ),
            (
                "link_lifetime",
                !self.link_lifetime.is_zero() && self.link_lifetime <= MAX_LINK_LIFETIME,
                "is zero or above 90 days",
            ),
            (
                "attested_apps",
                are_names_fit(&self.attested_apps),
                "has a name that is missing, long, used twice, or no visible ASCII characters",
            ),
            ("max_participants", (1..=MOST_PEOPLE).contains(&self.max_participants), "is not 1 to 64"),
            ("max_viewers", self.max_viewers <= MOST_VIEWERS, "is above 5000"),
            ("max_connections", self.max_connections > 0, "is zero"),
            ("max_connections_per_address", self.max_connections_per_address > 0, "is zero"),
            ("api_requests_per_second", self.api_requests_per_second > 0, "is zero"),
        ];
        match settings.into_iter().find(|(_, fine, _)| !fine) {
            Some((setting, _, reason)) => Err(StartError::Setting { setting, reason }),
            None => Ok(()),
        }
    }
}

/// Starts the control plane on the current tokio runtime.
///
/// # Errors
///
/// [`StartError`] where a setting, the data directory or the address cannot be used.
pub async fn start(config: SignalingConfig, media: MediaLink) -> Result<Signaling, StartError> {
    start_with_routes(config, media, Router::new()).await
}

/// The same, with routes of others served beside its own: within the limits of its listener, and counted.
///
/// # Errors
///
/// [`StartError`] where a setting, the data directory or the address cannot be used.
pub async fn start_with_routes(
    config: SignalingConfig,
    media: MediaLink,
    others: Router,
) -> Result<Signaling, StartError> {
    config.check()?;
    let data_dir = config.data_dir.clone();
    make_private_dir(&data_dir).map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
    let tokens = open_token_key(&data_dir.join("token-key"), config.public_url.clone())?;
    let (api_key, drawn_api_key) = open_api_key(&data_dir.join("api-key"), config.api_key.clone())?;
    let store = open_store(&data_dir.join("signaling.db")).await?;
    let places = Places { people: config.max_participants, viewers: config.max_viewers };
    let registry = Registry::new(config.hd_mode, config.video_codecs.clone(), places, seed(&data_dir)?);

    let (sample_sender, samples) = mpsc::channel(MAX_SAMPLES);
    let sink = SampleSink::new(sample_sender);
    let (inputs, input_receiver) = mpsc::channel(MAX_LOOP_INPUTS);
    let (records, record_receiver) = mpsc::channel(MAX_STORE_BACKLOG);
    let (census_sender, census) = watch::channel(Census::default());
    let (stopping, stopping_receiver) = watch::channel(false);

    let listener = listener::bind(config.listen)
        .map_err(|source| StartError::Listen { address: config.listen, source })?;
    let local_address =
        listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
    let slots = ConnectionSlots::new(config.max_connections, config.max_connections_per_address);
    let control_loop = ControlLoop::new(registry, media.commands, records, sink.clone(), census_sender);
    let (alive, ended) = oneshot::channel();
    let control_loop = tokio::spawn(async move {
        let _alive = alive;
        control_loop.run(input_receiver, media.events).await;
    });
    let recorder = tokio::spawn(record_sessions(store.clone(), record_receiver, sink.clone()));
    let front = Front::new(config, tokens, api_key, store.clone(), sink.clone(), inputs.clone());
    let routes = routes(Arc::new(front), others);
    tokio::spawn(listener::accept(listener, routes, Arc::clone(&slots), sink, stopping_receiver));
    tracing::info!(%local_address, "signaling listens");
    let running = Running { inputs, census, slots, stopping, store, control_loop, recorder };
    Ok(Signaling { local_address, samples, drawn_api_key, ended, running })
}

fn open_token_key(path: &Path, issuer: String) -> Result<TokenKey, StartError> {
    let failed = |source| StartError::DataDir { path: path.to_owned(), source };
    let (Secret::Found(pkcs8) | Secret::Drawn(pkcs8)) =
        load_or_draw(path, || TokenKey::draw().map_err(io::Error::other)).map_err(failed)?;
    TokenKey::from_pkcs8(&pkcs8, issuer).map_err(|error| failed(io::Error::other(error)))
}

/// The key to ask for, and the same once more where it was drawn just now.
fn open_api_key(
    path: &Path,
    configured: Option<Redacted<String>>,
) -> Result<(Redacted<String>, Option<Redacted<String>>), StartError> {
    if let Some(key) = configured {
        return Ok((key, None));
    }
    let failed = |source| StartError::DataDir { path: path.to_owned(), source };
    let text = |bytes: Vec<u8>| {
        let key = String::from_utf8(bytes).unwrap_or_default().trim().to_owned();
        if key.len() < MIN_API_KEY_CHARS {
            return Err(failed(io::Error::other("not an API key of at least 32 characters")));
        }
        Ok(Redacted::new(key))
    };
    match load_or_draw(path, draw_api_key).map_err(failed)? {
        Secret::Found(key) => Ok((text(key)?, None)),
        Secret::Drawn(key) => text(key).map(|key| (key.clone(), Some(key))),
    }
}

fn draw_api_key() -> io::Result<Vec<u8>> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes())
}

fn seed(data_dir: &Path) -> Result<StdRng, StartError> {
    StdRng::try_from_rng(&mut SysRng)
        .map_err(|error| StartError::DataDir { path: data_dir.to_owned(), source: io::Error::other(error) })
}

async fn open_store(path: &Path) -> Result<Store, StartError> {
    Store::open(path, UnixTime::now())
        .await
        .map_err(|error: StoreError| StartError::Store { path: path.to_owned(), source: Box::new(error) })
}
