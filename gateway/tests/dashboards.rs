//! The dashboards, rules and scrape configuration of `deploy/`, run by a real Prometheus against a live
//! gateway: no query may be refused, and none may name a metric that the gateway does not have.

#[expect(dead_code, reason = "a test of its own uses the rest of the vocabulary")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{API_KEY, RunningGateway, eventually, fetch, free_address};
use tempfile::TempDir;

/// The one complaint that we do not share: estimates are rates of links, and those are in bits.
const RATES_ARE_IN_BITS: &str = "tvg_bwe_bits_per_second use base unit \"bytes\" instead of \"bits\"";

/// `deploy/` of the repository.
fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A Prometheus that ends with the test.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _home: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Starts one with the configuration of `deploy/`, aimed at `target` and hurried up.
    fn start(target: SocketAddr) -> Self {
        let home = TempDir::new().expect("a directory");
        let config = fs::read_to_string(deploy().join("prometheus.yml")).expect("deploy/prometheus.yml");
        let rules = deploy().canonicalize().expect("deploy/").join("rules");
        let config = config
            .replace("127.0.0.1:9091", &target.to_string())
            .replace("rules/*.yml", &format!("{}/*.yml", rules.display()))
            .replace("scrape_interval: 10s", "scrape_interval: 1s")
            .replace("evaluation_interval: 30s", "evaluation_interval: 1s");
        let path = home.path().join("prometheus.yml");
        fs::write(&path, config).expect("written");
        let address = free_address();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`prometheus` is not installed: apt-get install prometheus");
        Self { process, address, _home: home }
    }

    /// The answer to an instant query; Prometheus' own words where it refuses.
    async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let url = format!("http://{}/api/v1/query?query={encoded}", self.address);
        let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        match body["data"]["result"].as_array() {
            Some(series) => Ok(series.clone()),
            None => Err(body["error"].to_string()),
        }
    }
}

/// Title and query of every target of every dashboard.
fn dashboard_queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for entry in fs::read_dir(deploy().join("grafana")).expect("deploy/grafana") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let title = format!("{} / {}", dashboard["title"], panel["title"]);
                queries.push((
                    title,
                    target["expr"].as_str().expect("a query").replace("$__rate_interval", "1m"),
                ));
            }
        }
    }
    assert!(queries.len() > 40, "only {} queries", queries.len());
    queries
}

/// The metrics that a text names.
fn metrics_named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.starts_with("tvg_")).map(str::to_owned).collect()
}

/// What `promtool` says against its input; nothing where it is content.
fn promtool(arguments: &[&str], input: &str) -> Vec<String> {
    let mut process = Command::new("promtool")
        .args(arguments)
        .current_dir(deploy())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`promtool` is not installed: apt-get install prometheus");
    process.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    let output = process.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Vec::new() } else { said.lines().map(str::to_owned).collect() }
}

#[test]
fn configuration_and_rules_pass_promtool() {
    assert_eq!(promtool(&["check", "config", "prometheus.yml"], ""), Vec::<String>::new());
    assert_eq!(promtool(&["test", "rules", "rules_test.yml"], ""), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_answered_and_names_metrics_that_exist() {
    let gateway = RunningGateway::start().await;
    let prometheus = Prometheus::start(gateway.addresses.admin);
    let (_, exposition) = gateway.admin("/metrics").await;
    let complaints = promtool(&["check", "metrics"], &exposition);
    let complaints: Vec<_> =
        complaints.iter().filter(|line| !line.is_empty() && **line != RATES_ARE_IN_BITS).collect();
    assert!(complaints.is_empty(), "{complaints:?}");

    // Rates need two scrapes with a difference between them.
    eventually("a first scrape", async || prometheus.query("up == 1").await.is_ok_and(|it| !it.is_empty()))
        .await;
    assert_eq!(gateway.create_consult(API_KEY).await.0, 201);
    eventually("a rate over the new consult", async || {
        let created = prometheus.query("sum(rate(tvg_api_requests_total[1m])) > 0").await;
        created.is_ok_and(|series| !series.is_empty())
    })
    .await;

    let existing = metrics_named(&exposition);
    for (title, query) in dashboard_queries() {
        let answer = prometheus.query(&query).await;
        assert!(answer.is_ok(), "{title}: {query}: {answer:?}");
        let missing: Vec<_> = metrics_named(&query).difference(&existing).cloned().collect();
        assert!(missing.is_empty(), "{title} names {missing:?}, which the gateway does not have");
    }
    for query in ["sum(tvg_node_state)", "tvg_worker_busy_ratio", "sum by (mode) (tvg_hd_mode)"] {
        assert!(prometheus.query(query).await.is_ok_and(|series| !series.is_empty()), "no data: {query}");
    }
    every_rule_is_healthy(&prometheus, &existing).await;
    assert!(gateway.stop().await);
}

async fn every_rule_is_healthy(prometheus: &Prometheus, existing: &BTreeSet<String>) {
    let url = format!("http://{}/api/v1/rules", prometheus.address);
    let rules = async || {
        let body: Value = serde_json::from_str(&fetch(&url).await.1).unwrap_or_default();
        let groups = body["data"]["groups"].as_array().cloned().unwrap_or_default();
        groups
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    eventually("an evaluation of all rules", async || {
        let rules = rules().await;
        rules.len() >= 15 && rules.iter().all(|rule| rule["health"] != "unknown")
    })
    .await;
    for rule in rules().await {
        assert_eq!(rule["health"], "ok", "{rule}");
        let missing: Vec<_> =
            metrics_named(rule["query"].as_str().unwrap_or_default()).difference(existing).cloned().collect();
        assert!(missing.is_empty(), "{} names {missing:?}", rule["name"]);
    }
}
