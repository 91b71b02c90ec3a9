//! Accepts connections and serves HTTP/1.1 on them, with a deadline on everything that a peer could delay.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;

use crate::connection_slots::{ConnectionSlot, ConnectionSlots};
use crate::limits::{HEADER_TIMEOUT, MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_UNACCEPTED, UNREAD_TIMEOUT};
use crate::sample::{Limit, Sample};
use crate::sample_sink::SampleSink;
use crate::watched_stream::watched;

/// After a failed accept, such as without free descriptors, wait this long instead of spinning.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);

/// Accepts connections until told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    routes: Router,
    slots: Arc<ConnectionSlots>,
    samples: SampleSink,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
                continue;
            }
        };
        match slots.take(peer.ip()) {
            Ok(slot) => {
                let (routes, samples) = (routes.clone(), samples.clone());
                tokio::spawn(serve(stream, routes, Arc::new(slot), samples, stopping.clone()));
            }
            // The refused connection is closed, which costs less than an answer.
            Err(limit) => samples.count(Sample::LimitHit(limit)),
        }
    }
}

/// Binds the address, so that a restarted gateway gets it at once.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_UNACCEPTED)
}

async fn serve(
    stream: TcpStream,
    routes: Router,
    slot: Arc<ConnectionSlot>,
    samples: SampleSink,
    mut stopping: watch::Receiver<bool>,
) {
    if prepare(&stream).is_err() {
        return;
    }
    // A connection that says nothing at all is closed before a server is made for it. That is no hit of a
    // limit: browsers connect ahead of what they may need.
    if tokio::time::timeout(HEADER_TIMEOUT, stream.readable()).await.is_err() {
        return;
    }
    let service = ServiceBuilder::new()
        .layer(MapRequestLayer::new(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Arc::clone(&slot));
            request
        }))
        .service(routes);
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADER_FIELDS)
        .max_buf_size(MAX_HEADER_BYTES);
    let (stream, watch) = watched(stream);
    let connection =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let outcome = match ended {
        Some(outcome) => outcome,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // The server gives an idle connection the same time, and the same error.
    if outcome.is_err_and(|error| error.is_timeout()) && watch.is_begun() {
        samples.count(Sample::LimitHit(Limit::HeaderTime));
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Less than the second after which a client knocks again.
    const AT_ONCE: Duration = Duration::from_millis(900);

    #[tokio::test]
    async fn a_hall_that_comes_at_once_waits_to_be_accepted() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let hall: io::Result<Vec<_>> =
            (0..600).map(|_| std::net::TcpStream::connect_timeout(&address, AT_ONCE)).collect();
        assert_eq!(hall.expect("nobody is dropped").len(), 600);
    }
}
