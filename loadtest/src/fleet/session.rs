//! Opens a session: a socket, an offer over HTTP, and from the answer what a worker goes on with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::Context as _;
use nix::sys::socket::{setsockopt, sockopt};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Url;

use super::answer::{self, Answer};
use super::connection::{Connection, Role};
use super::endpoint::Endpoint;
use super::handshake::Identity;
use super::ice::{Credentials, IceAgent};
use super::offer::{self, Purpose};
use super::worker::Admission;

/// What the kernel may keep for a viewer while others have their turn: half a second at 6 Mbit/s, if it lets us.
const SOCKET_ROOM: usize = 1 << 20;

/// What sessions of one endpoint have in common.
#[derive(Clone)]
pub(crate) struct Sessions {
    endpoint: Endpoint,
    identity: Arc<Identity>,
    /// The address of this machine that the server is reached from.
    local: IpAddr,
}

/// A session that has been agreed upon.
pub(crate) struct Opened {
    pub(crate) admission: Admission,
    /// What to end it by.
    pub(crate) location: Option<Url>,
}

impl Sessions {
    /// Finds the way to the server.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) async fn new(endpoint: Endpoint, identity: Arc<Identity>) -> anyhow::Result<Self> {
        let (host, port) = endpoint.authority();
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        let mut found: Vec<_> = found.with_context(|| format!("look {host} up"))?.collect();
        // Servers advertise addresses of IPv4 more often than others.
        found.sort_by_key(SocketAddr::is_ipv6);
        let server = *found.first().with_context(|| format!("{host} has no address"))?;
        let probe = UdpSocket::bind((any(server.ip()), 0))?;
        probe.connect(server).with_context(|| format!("there is no way to {server}"))?;
        Ok(Self { endpoint, identity, local: probe.local_addr()?.ip() })
    }

    /// Opens one; `role` says what it does with what was agreed upon, given an SSRC of its own.
    ///
    /// # Errors
    /// Where the server refuses, or its answer cannot be used.
    pub(crate) async fn open(
        &self,
        number: usize,
        purpose: Purpose,
        role: impl FnOnce(&Answer, u32, std::time::Instant) -> Role,
    ) -> anyhow::Result<Opened> {
        let mut rng = StdRng::try_from_rng(&mut SysRng).context("draw numbers")?;
        let socket = UdpSocket::bind((any(self.local), 0)).context("bind a socket for media")?;
        // The kernel may allow less, which shows as loss if it is too little.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &SOCKET_ROOM);
        let candidate = SocketAddr::new(self.local, socket.local_addr()?.port());
        let credentials = Credentials::draw(&mut rng);
        let session = rng.random::<u64>() >> 1;
        let offer = offer::write(purpose, &credentials, self.identity.fingerprint(), candidate, session);
        let made = self.endpoint.post(&offer).await?;
        let answer = answer::read(&made.answer, candidate)?;
        socket
            .connect(answer.candidate)
            .with_context(|| format!("there is no way to {}", answer.candidate))?;
        let now = std::time::Instant::now();
        let role = role(&answer, rng.random(), now);
        let ice = IceAgent::new(credentials, (answer.remote, answer.candidate), rng, now);
        let connection = Connection::new(Arc::clone(&self.identity), ice, role, now);
        let admission = Admission { number, socket, connection, asked: made.asked };
        Ok(Opened { admission, location: made.location })
    }

    /// Ends one.
    ///
    /// # Errors
    /// Where the server refuses.
    pub(crate) async fn end(&self, location: Url) -> anyhow::Result<()> {
        self.endpoint.end(location).await
    }
}

fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
