//! The servers that are measured: a gateway of our own, with a key and a folder that live as long as it does, and the
//! bare forwarder. Both are on loopback.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use rand::RngExt as _;
use tempfile::TempDir;

use crate::compare::rounds::Contender;
use crate::fleet::place::Place;
use crate::server_process::ServerProcess;

/// A running gateway.
pub(super) struct Gateway {
    process: ServerProcess,
    place: Place,
    _folder: TempDir,
}

impl Gateway {
    /// Starts the program with so many media workers, on these cores.
    ///
    /// # Errors
    /// Where it does not start.
    pub(super) fn start(
        program: &Path,
        workers: usize,
        cores: &[usize],
        max_viewers: usize,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let port = free_port()?;
        let key = format!("{:032x}", rand::rng().random::<u128>());
        let data = folder.path().join("data");
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\napi_key = \"{key}\"\nmax_connections_per_address = 20000\n\
             [media]\nport = 0\nbind = [\"127.0.0.1\"]\nadvertise = [\"127.0.0.1\"]\nworkers = {workers}\n\
             [consults]\nmax_viewers = {max_viewers}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [store]\ndata_dir = {data:?}\n[log]\nfilter = \"error\"\n"
        );
        let file = folder.path().join("gateway.toml");
        fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&file);
        // What is set for another gateway is not for this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TVG_")) {
            command.env_remove(name);
        }
        let process = ServerProcess::start(&mut command, Some(cores), ("127.0.0.1", port))?;
        let place = Place::Consults { api: format!("http://127.0.0.1:{port}"), key };
        Ok(Self { process, place, _folder: folder })
    }

    /// As one that takes part in a comparison.
    pub(super) fn contender(&self) -> Contender {
        let pids = vec![self.process.pid()];
        Contender { name: "gateway".to_owned(), place: self.place.clone(), pids }
    }
}

/// A running forwarder.
pub(super) struct Floor {
    process: ServerProcess,
    port: u16,
    name: &'static str,
}

impl Floor {
    /// Starts the forwarder that is part of this program.
    ///
    /// # Errors
    /// Where it does not start.
    pub(super) fn start(name: &'static str, options: &[&str], cores: &[usize]) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command.args(["forwarder", "--listen", &format!("127.0.0.1:{port}")]).args(options);
        let process = ServerProcess::start(&mut command, Some(cores), ("127.0.0.1", port))?;
        Ok(Self { process, port, name })
    }

    /// As one that takes part in a comparison.
    pub(super) fn contender(&self) -> Contender {
        let url = |path: &str| format!("http://127.0.0.1:{}/{path}/{{}}", self.port);
        let place = Place::Urls { whip: url("whip"), whip_token: None, whep: url("whep"), whep_token: None };
        Contender { name: self.name.to_owned(), place, pids: vec![self.process.pid()] }
    }
}

/// A port that nobody has at the moment.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}
