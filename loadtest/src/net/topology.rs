//! Which namespaces are joined by which links, and the `ip` commands that make them so.
//! What a run made, it removes when it ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use nix::sched::{CloneFlags, setns};

use super::sys;

/// Devices carry Ethernet's packet size, as any link of the internet.
const MTU: &str = "1500";

/// The kernel's own queue before the emulator reads: deep, so that only the emulated queue drops.
const DEVICE_QUEUE: &str = "10000";

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The network namespace; empty for the one this process runs in.
    pub namespace: String,
    /// Its address on the link.
    pub address: Ipv4Addr,
}

/// A link between two namespaces; its name is also the name of its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// The name.
    pub name: String,
    /// The first end.
    pub a: End,
    /// The second end.
    pub b: End,
}

/// The text is not `NAME=NAMESPACE:ADDRESS,NAMESPACE:ADDRESS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseLinkError {
    /// A part is missing, or an address is none.
    #[error("not of the form NAME=NAMESPACE:ADDRESS,NAMESPACE:ADDRESS")]
    Form,
    /// The name cannot be the name of a device.
    #[error("a name has 1 to {} of a-z, A-Z, 0-9 and -", sys::MAX_DEVICE_NAME)]
    Name,
    /// Both ends are in one namespace.
    #[error("both ends are in one namespace")]
    SameNamespace,
}

impl FromStr for LinkSpec {
    type Err = ParseLinkError;

    fn from_str(text: &str) -> Result<Self, ParseLinkError> {
        let (name, ends) = text.split_once('=').ok_or(ParseLinkError::Form)?;
        let (a, b) = ends.split_once(',').ok_or(ParseLinkError::Form)?;
        let end = |text: &str| {
            let (namespace, address) = text.split_once(':').ok_or(ParseLinkError::Form)?;
            let address = address.parse().map_err(|_| ParseLinkError::Form)?;
            if !namespace.is_empty() && !is_name(namespace) {
                return Err(ParseLinkError::Name);
            }
            Ok(End { namespace: namespace.to_owned(), address })
        };
        if !is_name(name) {
            return Err(ParseLinkError::Name);
        }
        let spec = Self { name: name.to_owned(), a: end(a)?, b: end(b)? };
        if spec.a.namespace == spec.b.namespace {
            return Err(ParseLinkError::SameNamespace);
        }
        Ok(spec)
    }
}

fn is_name(text: &str) -> bool {
    (1..=sys::MAX_DEVICE_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The namespaces that this run made; dropping it removes them.
#[derive(Debug, Default)]
pub struct Namespaces {
    made: Vec<String>,
}

impl Namespaces {
    /// Makes those namespaces of the links that are not there yet.
    ///
    /// # Errors
    /// Where `ip` refuses.
    pub fn create(links: &[LinkSpec]) -> anyhow::Result<Self> {
        let mut namespaces = Self::default();
        for name in links.iter().flat_map(|link| [&link.a.namespace, &link.b.namespace]) {
            if name.is_empty() || path_of(name).exists() {
                continue;
            }
            ip(&["netns", "add", name])?;
            namespaces.made.push(name.clone());
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(namespaces)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.made {
            if let Err(error) = ip(&["netns", "del", name]) {
                tracing::warn!(%error, name, "a namespace stays behind");
            }
        }
    }
}

/// The devices of one link.
#[derive(Debug)]
pub struct Devices {
    /// The device of the first end.
    pub a: File,
    /// The device of the second end.
    pub b: File,
}

/// Makes the devices of all links, with addresses and routes. A device lives as long as its file is open.
///
/// # Errors
/// Where the kernel or `ip` refuses.
pub fn connect(links: &[LinkSpec]) -> anyhow::Result<Vec<Devices>> {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for namespace in links.iter().flat_map(|link| [&link.a.namespace, &link.b.namespace]) {
        *uses.entry(namespace).or_default() += 1;
    }
    let connect_one = |link: &LinkSpec| {
        let a = open_end(link, &link.a, &link.b)?;
        let b = open_end(link, &link.b, &link.a)?;
        for (end, peer) in [(&link.a, &link.b), (&link.b, &link.a)] {
            // A namespace with one link reaches everything through it; without a default route a page that
            // only receives gathers no candidate. A hub knows its neighbours only.
            if !end.namespace.is_empty() && uses.get(end.namespace.as_str()) == Some(&1) {
                let peer = peer.address.to_string();
                ip_in(end, &["route", "replace", "default", "via", &peer, "dev", &link.name])?;
            }
        }
        Ok(Devices { a, b })
    };
    links.iter().map(connect_one).collect()
}

fn open_end(link: &LinkSpec, end: &End, peer: &End) -> anyhow::Result<File> {
    let place = if end.namespace.is_empty() { "here".to_owned() } else { format!("in {}", end.namespace) };
    let device = open_tun_in(&end.namespace, &link.name).with_context(|| {
        format!("make the device {} {place} (needs root; --create makes namespaces)", link.name)
    })?;
    let name = link.name.as_str();
    let (address, peer) = (end.address.to_string(), format!("{}/32", peer.address));
    ip_in(end, &["addr", "add", &address, "peer", &peer, "dev", name])?;
    // Without this the kernel sends its own IPv6 housekeeping over the link.
    ip_in(end, &["link", "set", "dev", name, "addrgenmode", "none"])?;
    ip_in(end, &["link", "set", "dev", name, "mtu", MTU, "txqueuelen", DEVICE_QUEUE, "up"])?;
    Ok(device)
}

/// `setns` moves the calling thread only, so the device is made in a thread of its own.
fn open_tun_in(namespace: &str, device: &str) -> anyhow::Result<File> {
    std::thread::scope(|scope| {
        let open = scope.spawn(|| -> anyhow::Result<File> {
            if !namespace.is_empty() {
                setns(File::open(path_of(namespace))?, CloneFlags::CLONE_NEWNET)?;
            }
            Ok(sys::open_tun(device)?)
        });
        open.join().map_err(|_| anyhow::anyhow!("the thread that opens {device} panicked"))?
    })
}

fn path_of(namespace: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(namespace)
}

fn ip_in(end: &End, arguments: &[&str]) -> anyhow::Result<()> {
    if end.namespace.is_empty() { ip(arguments) } else { ip(&[&["-n", &end.namespace], arguments].concat()) }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("run ip (package iproute2)")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), errors.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_written_with_its_two_ends() {
        let end = |namespace: &str, host| End {
            namespace: namespace.to_owned(),
            address: Ipv4Addr::new(10, 77, 1, host),
        };
        let link = |a, b| Ok(LinkSpec { name: "doctor".to_owned(), a, b });
        let table = [
            ("doctor=doctor:10.77.1.2,gw:10.77.1.1", link(end("doctor", 2), end("gw", 1))),
            ("doctor=doctor:10.77.1.2,:10.77.1.1", link(end("doctor", 2), end("", 1))),
            ("doctor", Err(ParseLinkError::Form)),
            ("doctor=gw:10.77.1.1", Err(ParseLinkError::Form)),
            ("doctor=a:10.77.1.2,b:10.77.1.256", Err(ParseLinkError::Form)),
            ("doctor=a:10.77.1.2,../b:10.77.1.1", Err(ParseLinkError::Name)),
            ("=a:10.77.1.2,b:10.77.1.1", Err(ParseLinkError::Name)),
            ("sixteenletters16=a:10.77.1.2,b:10.77.1.1", Err(ParseLinkError::Name)),
            ("doctor=a:10.77.1.2,a:10.77.1.1", Err(ParseLinkError::SameNamespace)),
        ];
        for (text, spec) in table {
            assert_eq!(text.parse(), spec, "{text}");
        }
    }
}
