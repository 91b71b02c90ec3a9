//! `/metrics`, `/livez` and `/readyz`, on a listener of their own that stays off the public network.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::metrics::{Metrics, NodeState};

/// Scrapers, probes and a few people.
const MAX_CONNECTIONS: usize = 64;

/// One request takes milliseconds; whoever holds a connection longer than this only holds it.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(10);

/// Accepting fails while descriptors are short; they come back as connections end.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Shown {
    metrics: Arc<Metrics>,
    state: watch::Receiver<NodeState>,
}

/// A bound listener.
#[derive(Debug)]
pub(crate) struct AdminServer {
    listener: TcpListener,
    local_address: SocketAddr,
}

impl AdminServer {
    /// Binds the listener.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local_address = listener.local_addr()?;
        Ok(Self { listener, local_address })
    }

    /// Where it listens.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Answers until the task is dropped.
    pub(crate) async fn serve(self, metrics: Arc<Metrics>, state: watch::Receiver<NodeState>) {
        let routes = Router::new()
            .route("/metrics", get(show_metrics))
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(show_readiness))
            .with_state(Shown { metrics, state });
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    // Without a free slot the connection closes at once.
                    if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                        let routes = routes.clone();
                        tokio::spawn(async move {
                            let _slot = slot;
                            let _ = timeout(CONNECTION_LIFETIME, serve_connection(stream, routes)).await;
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, routes: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection");
    }
}

async fn show_metrics(State(shown): State<Shown>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shown.metrics.render()).into_response()
}

async fn show_readiness(State(shown): State<Shown>) -> Response {
    match *shown.state.borrow() {
        NodeState::Ready => (StatusCode::OK, "ready\n").into_response(),
        NodeState::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        NodeState::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}
