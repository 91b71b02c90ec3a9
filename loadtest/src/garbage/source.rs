//! Whose address an attack comes from. Loopback has 2^24 of them: enough that a limit per address does not hide what
//! lies behind it, and that the table of such limits is filled, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, bail};
use tokio::net::{TcpSocket, TcpStream};

/// The local address to bind for the n-th source toward a target; unspecified where the target is not loopback.
pub(crate) fn local_address(target: SocketAddr, number: u64) -> SocketAddr {
    let ip = match target.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            // 127.1.0.0 to 127.239.255.255, each once before any comes again.
            let [low, middle, high, ..] = number.to_le_bytes();
            IpAddr::V4(Ipv4Addr::new(127, 1 + high % 239, middle, low))
        }
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}

/// Where the HTTP side of a gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// For the `Host` field.
    pub(crate) host: String,
}

impl Target {
    /// Reads `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// Where the URL has another form, or its host has no address.
    pub(crate) async fn resolve(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else { bail!("{url} does not begin with http://") };
        let host = rest.split('/').next().unwrap_or(rest).to_owned();
        let named = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.clone()
        } else {
            format!("{host}:80")
        };
        let mut addresses =
            tokio::net::lookup_host(&named).await.with_context(|| format!("resolve {named}"))?;
        let address = addresses.next().with_context(|| format!("{named} has no address"))?;
        Ok(Self { address, host })
    }

    /// Connects from the n-th source.
    ///
    /// # Errors
    /// Where the gateway does not take the connection.
    pub(crate) async fn connect(&self, number: u64) -> std::io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(local_address(self.address, number))?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_differ_on_loopback_only() {
        let toward = |target: &str, number| {
            local_address(target.parse().expect("an address"), number).ip().to_string()
        };
        assert_eq!(toward("127.0.0.1:80", 0), "127.1.0.0");
        assert_eq!(toward("127.0.0.1:80", 0x0002_0301), "127.3.3.1");
        assert_eq!(toward("192.0.2.1:80", 5), "0.0.0.0");
        assert_eq!(toward("[::1]:80", 5), "::");
    }

    #[tokio::test]
    async fn a_url_names_host_and_port() {
        let target = Target::resolve("http://127.0.0.1:8080/join").await.expect("a target");
        assert_eq!((target.address.port(), target.host.as_str()), (8080, "127.0.0.1:8080"));
        let target = Target::resolve("http://127.0.0.1").await.expect("a target");
        assert_eq!((target.address.port(), target.host.as_str()), (80, "127.0.0.1"));
        Target::resolve("https://127.0.0.1").await.expect_err("this speaks no TLS");
    }
}
