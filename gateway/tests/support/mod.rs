//! A gateway on free loopback ports, and the few requests that tests make of it.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

use gateway::config::{Config, Secret};
use gateway::gateway::{Addresses, Gateway};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// The API key of every gateway under test.
pub(crate) const API_KEY: &str = "a key for tests that is long enough to pass";

/// Real sockets and a real clock: longer than any machine needs, so that only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway at work in this process.
pub(crate) struct RunningGateway {
    pub(crate) addresses: Addresses,
    stop: oneshot::Sender<()>,
    work: JoinHandle<bool>,
    _data: TempDir,
}

/// A configuration that disturbs nobody: free ports of the loopback address, and a data directory to throw away.
pub(crate) fn quiet_config(data: &TempDir) -> Config {
    let mut config = Config::default();
    config.http.listen = free_address();
    config.http.api_key = Some(Secret::new(API_KEY));
    config.admin.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.media.port = 0;
    config.media.bind = vec![Ipv4Addr::LOCALHOST.into()];
    config.media.workers = NonZeroUsize::new(2);
    config.store.data_dir = data.path().to_owned();
    config
}

/// An address whose port was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

impl RunningGateway {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let data = TempDir::new().expect("a directory");
        let gateway = Gateway::start(quiet_config(&data)).await.expect("the gateway starts");
        let addresses = gateway.addresses().clone();
        let (stop, stopped) = oneshot::channel();
        let work = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            gateway.serve_until(stop).await.is_ok()
        });
        Self { addresses, stop, work, _data: data }
    }

    /// Stops it, as a signal would; tells whether it ended well.
    pub(crate) async fn stop(self) -> bool {
        let _ = self.stop.send(());
        self.work.await.unwrap_or(false)
    }

    /// Fetches a path of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        fetch(&format!("http://{}{path}", self.addresses.admin)).await
    }

    /// The sum of all series of a metric whose labels contain a text.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = self.admin("/metrics").await;
        text.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| line.contains(labels))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }

    /// Asks for a consult with this key; tells the status and the body.
    pub(crate) async fn create_consult(&self, key: &str) -> (u16, serde_json::Value) {
        let answer = reqwest::Client::new()
            .post(format!("http://{}/api/v1/consults", self.addresses.http))
            .bearer_auth(key)
            .json(&serde_json::json!({ "subject": "Test" }))
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}

/// Fetches a page.
pub(crate) async fn fetch(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

/// Waits until something holds, looking again and again; says what, where it never does.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come true within {PATIENCE:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
