//! The whole process at work: both planes, the metrics and the admin listener, from start to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sfu::relay::WorkerId;
use sfu::sfu::Path;
use signaling::Signaling;
use signaling::config::SignalingConfig;
use signaling::media_link::MediaLink;
use signaling::redacted::Redacted;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::admin_server::AdminServer;
use crate::config::{Config, InvalidConfig};
use crate::kernel_drops::WatchedSockets;
use crate::media_plane::MediaPlane;
use crate::media_worker::WorkerError;
use crate::metrics::{Metrics, NodeState};
use crate::operator::{Adapter, AdapterSetup, ClientError, OperatorHandle, SinkCredential, events_route};

/// Gauges of the control plane and of the kernel are read this often.
const CENSUS_INTERVAL: Duration = Duration::from_secs(1);

/// The media plane ends within a turn of its loops; a worker that hangs must not keep the process.
const MEDIA_STOP_LIMIT: Duration = Duration::from_secs(2);

/// Paths that wait for whoever asks the operator: every participant of a busy node at once.
const PATH_QUEUE: usize = 4_096;

/// The gateway at work.
#[derive(Debug)]
pub struct Gateway {
    signaling: Signaling,
    media: JoinHandle<()>,
    operator: Option<OperatorHandle>,
    admin: JoinHandle<()>,
    metrics: Arc<Metrics>,
    state: watch::Sender<NodeState>,
    exits: mpsc::Receiver<WorkerId>,
    sockets: WatchedSockets,
    addresses: Addresses,
    grace: Duration,
}

/// Where the gateway can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The listener of the page, the API and the WebSocket.
    pub http: SocketAddr,
    /// The listener of metrics and health.
    pub admin: SocketAddr,
    /// The candidates that answers carry, of all workers.
    pub media: Vec<SocketAddr>,
    /// What links begin with.
    pub page: String,
}

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A metric is declared wrongly.
    #[error("the metrics cannot be declared")]
    Metrics(#[from] prometheus::Error),
    /// A listener cannot be bound.
    #[error("the address {address} cannot be listened on")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A media worker cannot start.
    #[error("the media plane cannot start")]
    Media(#[from] WorkerError),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The operator of the mobile network cannot be asked.
    #[error("the operator's interface cannot be used")]
    Operator(#[from] ClientError),
    /// The system has no randomness for secrets.
    #[error("no randomness for secrets")]
    Randomness,
    /// The control plane cannot start.
    #[error("the control plane cannot start")]
    Signaling(#[from] signaling::StartError),
}

/// A media worker ended by itself: its rooms are gone, and whoever supervises the process starts it anew.
#[derive(Debug, thiserror::Error)]
#[error("media worker {0} ended")]
pub struct WorkerEnded(usize);

impl Gateway {
    /// Starts both planes and the admin listener.
    ///
    /// # Errors
    ///
    /// [`StartError`] where a port or a setting cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let metrics = Metrics::new(config.media.worker_count(), config.policy.hd_mode)?;
        let (state, watched_state) = watch::channel(NodeState::Starting);
        let admin_address = config.admin.listen;
        let admin = AdminServer::bind(admin_address)
            .await
            .map_err(|source| StartError::Listen { address: admin_address, source })?;
        let admin_address = admin.local_address();
        let admin = tokio::spawn(admin.serve(Arc::clone(&metrics), watched_state));

        let (link, end) = MediaLink::pair();
        let (exit_sender, exits) = mpsc::channel(config.media.worker_count());
        metrics.show_unattested_5g(config.policy.accept_unattested_5g);
        let (operator, path_sender, routes) = match config.operator.api_root {
            None => (None, None, Router::new()),
            Some(_) => {
                let (adapter, paths, routes) = operator_adapter(&config, &link, &metrics)?;
                (Some(adapter.start()), Some(paths), routes)
            }
        };
        let plane = MediaPlane::start(&config, &metrics, (&end.events, path_sender.as_ref()), &exit_sender)?;
        drop(path_sender);
        let candidates = plane.candidates().to_vec();
        let sockets = plane.watched_sockets();
        // Only the workers keep a sender: their end closes the channel.
        drop(end.events);
        let media = tokio::spawn(plane.run(end.commands));

        let grace = config.shutdown.grace.0;
        let settings = signaling_config(config)?;
        let signaling = signaling::start_with_routes(settings.clone(), link, routes).await?;
        let addresses = Addresses {
            http: signaling.local_address,
            admin: admin_address,
            media: candidates,
            page: settings.public_url,
        };
        let gateway =
            Self { signaling, media, operator, admin, metrics, state, exits, sockets, addresses, grace };
        gateway.enter(NodeState::Ready);
        Ok(gateway)
    }

    /// Where it can be reached.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The API key, if it was drawn at this start.
    #[must_use]
    pub fn drawn_api_key(&self) -> Option<&Redacted<String>> {
        self.signaling.drawn_api_key.as_ref()
    }

    /// Works until `stop` completes, then tells every session and ends.
    ///
    /// # Errors
    ///
    /// [`WorkerEnded`] where a media worker ends before.
    pub async fn serve_until(mut self, stop: impl Future<Output = ()>) -> Result<(), WorkerEnded> {
        let outcome = self.work(stop).await;
        self.enter(NodeState::Stopping);
        if timeout(self.grace, self.signaling.shut_down()).await.is_err() {
            tracing::warn!("sessions took longer than the grace period");
        }
        // It holds a way to the media plane, which ends once there is none.
        if let Some(operator) = self.operator {
            operator.shut_down().await;
        }
        if timeout(MEDIA_STOP_LIMIT, self.media).await.is_err() {
            tracing::warn!("the media plane does not end");
        }
        self.admin.abort();
        outcome
    }

    async fn work(&mut self, stop: impl Future<Output = ()>) -> Result<(), WorkerEnded> {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = interval(CENSUS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut kernel_drops = 0;
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                Some(worker) = self.exits.recv() => return Err(WorkerEnded(worker.0)),
                Some(sample) = self.signaling.samples.recv() => self.metrics.control_sample(sample),
                _ = ticks.tick() => {
                    self.metrics.signaling_census(&self.signaling.census());
                    let drops = self.sockets.drops();
                    self.metrics.count_receive_drops(drops.saturating_sub(kernel_drops));
                    kernel_drops = drops;
                }
            }
        }
    }

    fn enter(&self, state: NodeState) {
        self.metrics.set_node_state(state);
        self.state.send_replace(state);
    }
}

/// What asks the operator of the mobile network, the way of paths to it, and the route of its events.
fn operator_adapter(
    config: &Config,
    link: &MediaLink,
    metrics: &Arc<Metrics>,
) -> Result<(Adapter, mpsc::Sender<Path>, Router), StartError> {
    let credential = SinkCredential::draw().map_err(|_| StartError::Randomness)?;
    let (path_sender, paths) = mpsc::channel(PATH_QUEUE);
    let (routes, events) = events_route(credential.clone(), Arc::clone(metrics));
    let adapter = Adapter::new(AdapterSetup {
        config: config.operator.clone(),
        public_url: config.http.public_url.clone(),
        credential,
        paths,
        events,
        commands: link.commands.clone(),
        metrics: Arc::clone(metrics),
    })?;
    // Without events there is nothing to be told.
    let routes = if config.operator.events { routes } else { Router::new() };
    Ok((adapter, path_sender, routes))
}

fn signaling_config(config: Config) -> Result<SignalingConfig, InvalidConfig> {
    let attested_apps = config.policy.attested_apps()?;
    let ice_servers = config.ice.servers().map_err(InvalidConfig::Ice)?;
    let Config { http, consults, policy, store, .. } = config;
    let public_url = http.public_url.unwrap_or_else(|| format!("http://{}", browsable(http.listen)));
    Ok(SignalingConfig {
        listen: http.listen,
        public_url: public_url.trim_end_matches('/').to_owned(),
        data_dir: store.data_dir,
        api_key: http.api_key.map(|key| Redacted::new(key.reveal().to_owned())),
        allowed_origins: http.allowed_origins,
        trusted_proxies: http.trusted_proxies,
        link_lifetime: consults.link_lifetime.0,
        hd_mode: policy.hd_mode,
        attested_apps,
        ice_servers,
        video_codecs: policy.video_codecs,
        max_participants: consults.max_participants,
        max_viewers: consults.max_viewers,
        max_connections_per_address: http.max_connections_per_address,
        ..SignalingConfig::default()
    })
}

/// How a browser on this machine calls the listener: camera and microphone need `localhost`.
fn browsable(listen: SocketAddr) -> String {
    if listen.ip().is_loopback() || listen.ip().is_unspecified() {
        format!("localhost:{}", listen.port())
    } else {
        listen.to_string()
    }
}
