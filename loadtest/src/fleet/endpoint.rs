//! A WHIP or WHEP endpoint over plain HTTP (RFC 9725, draft-ietf-wish-whep): an offer makes a resource, and ends it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer of two media descriptions has about 3 KiB.
const MAX_ANSWER: usize = 256 * 1024;

/// How often a server is asked again that says it is not ready: what is to be played may be about to come.
const MAX_REFUSALS: usize = 20;

/// Between two such requests, unless the server says how long.
const PAUSE: Duration = Duration::from_millis(500);

/// No longer than this, whatever the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Of a refusal, this much is repeated.
const SHOWN: usize = 300;

/// Where offers go, and what proves that they may.
#[derive(Clone)]
pub(crate) struct Endpoint {
    client: Client,
    url: Url,
    token: Option<String>,
}

/// What an offer made.
pub(crate) struct Made {
    /// The SDP answer, as it came.
    pub(crate) answer: String,
    /// When the request left that was answered.
    pub(crate) asked: Instant,
    /// What to end; `None` where the server did not say.
    pub(crate) location: Option<Url>,
}

impl Endpoint {
    /// An endpoint at this address.
    ///
    /// # Errors
    /// Where the address is none of HTTP.
    pub(crate) fn new(url: &str, token: Option<String>) -> anyhow::Result<Self> {
        let url: Url = url.parse().with_context(|| format!("{url} is no address"))?;
        ensure!(
            url.scheme() == "http",
            "{url}: only http:// is spoken; put a server with TLS behind a proxy"
        );
        ensure!(url.host().is_some(), "{url} names no host");
        let client = Client::builder().timeout(PATIENCE).build().context("make an HTTP client")?;
        Ok(Self { client, url, token })
    }

    /// The host and the port that it speaks to.
    pub(crate) fn authority(&self) -> (String, u16) {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        (host.to_owned(), self.url.port_or_known_default().unwrap_or(80))
    }

    /// Makes a resource; asks again where the server is not ready.
    ///
    /// # Errors
    /// Where the server refuses or does not answer.
    pub(crate) async fn post(&self, offer: &str) -> anyhow::Result<Made> {
        for _ in 0..MAX_REFUSALS {
            let asked = Instant::now();
            let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/sdp");
            let response = self.authorized(request).body(offer.to_owned()).send().await;
            let response = response.with_context(|| format!("post to {}", self.url))?;
            if let Some(pause) = pause(&response) {
                tracing::info!(status = %response.status(), "not ready yet");
                tokio::time::sleep(pause).await;
                continue;
            }
            let status = response.status();
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let location = location.and_then(|location| response.url().join(location).ok());
            let answer = body(response).await?;
            ensure!(
                status == StatusCode::CREATED,
                "{} answered {status}: {}",
                self.url,
                answer.chars().take(SHOWN).collect::<String>()
            );
            return Ok(Made { answer, asked, location });
        }
        bail!("{} was not ready after {MAX_REFUSALS} requests", self.url)
    }

    /// Ends a resource; asks again where the server has too much to do.
    ///
    /// # Errors
    /// Where the server refuses or does not answer.
    pub(crate) async fn end(&self, location: Url) -> anyhow::Result<()> {
        for _ in 0..MAX_REFUSALS {
            let response = self.authorized(self.client.delete(location.clone())).send().await?;
            let Some(pause) = pause(&response) else {
                response.error_for_status()?;
                return Ok(());
            };
            tokio::time::sleep(pause).await;
        }
        bail!("{location} was not ended after {MAX_REFUSALS} requests")
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// How long to wait where the server says that it will be ready.
fn pause(response: &Response) -> Option<Duration> {
    let told = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let told = told.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
    let may_come = match response.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
        StatusCode::CONFLICT => told.is_some(),
        _ => false,
    };
    may_come.then(|| told.unwrap_or(PAUSE).clamp(PAUSE, LONGEST_PAUSE))
}

async fn body(mut response: Response) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.context("read the answer")? {
        ensure!(bytes.len() + chunk.len() <= MAX_ANSWER, "an answer of more than {MAX_ANSWER} bytes");
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
