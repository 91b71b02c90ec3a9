//! The operator's interface over HTTP: CAMARA `connected-network-type` and its subscriptions. Every answer is
//! bounded in time and size, redirects are not followed, and nothing of a device or a token is ever logged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::network_class::NetworkClass;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access_token::AccessToken;
use super::cloud_event::{NETWORK_TYPE_CHANGED, class_of};
use super::config::OperatorConfig;
use super::events_route::SinkCredential;
use super::outcome::{OperatorRequest, RequestOutcome};
use super::rfc3339;
use super::watchlist::{Answer, Question};
use crate::metrics::Metrics;

/// An answer of the interface has a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a subscription is asked for: a consult that lasts longer renews it.
const SUBSCRIPTION_LIFETIME: Duration = Duration::from_secs(3_600);

/// The shortest that a subscription may last to be worth having.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

/// Speaks with the operator.
pub(crate) struct CamaraClient {
    http: reqwest::Client,
    config: OperatorConfig,
    token: AccessToken,
    sink: Option<Sink>,
    metrics: Arc<Metrics>,
}

/// Where events are to be sent, and what they must carry.
#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) url: String,
    pub(crate) credential: SinkCredential,
}

/// The client for the operator cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the client for the operator's interface cannot be made")]
pub struct ClientError(#[source] reqwest::Error);

/// Why there is no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) outcome: RequestOutcome,
    /// When to ask again, where the operator says so.
    pub(super) after: Option<Duration>,
}

impl From<RequestOutcome> for Failure {
    fn from(outcome: RequestOutcome) -> Self {
        Self { outcome, after: None }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retrieved {
    connected_network_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribed {
    id: String,
    expires_at: Option<String>,
}

impl CamaraClient {
    pub(crate) fn new(
        config: OperatorConfig,
        sink: Option<Sink>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.request_timeout.0)
            .pool_max_idle_per_host(config.max_concurrent_requests)
            .user_agent(concat!("tvg/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError)?;
        Ok(Self { http, config, token: AccessToken::default(), sink, metrics })
    }

    /// Asks a question; an answer comes in any case.
    pub(crate) async fn ask(&self, question: &Question) -> Answer {
        let (request, outcome) = match question {
            Question::Retrieve { device } => (OperatorRequest::Retrieve, self.retrieve(*device).await),
            Question::Subscribe { device } => (OperatorRequest::Subscribe, self.subscribe(*device).await),
            Question::Unsubscribe { subscription } => {
                (OperatorRequest::Unsubscribe, self.unsubscribe(subscription).await)
            }
        };
        let word = outcome.as_ref().err().map_or(RequestOutcome::Ok, |failure| failure.outcome);
        self.metrics.count_operator_request(request, word);
        outcome.unwrap_or_else(answer_of)
    }

    async fn retrieve(&self, device: SocketAddr) -> Result<Answer, Failure> {
        let url = format!("{}/retrieve", self.interface("connected-network-type"));
        let body = json!({ "device": device_of(device) });
        let body = self.exchange(|http| http.post(&url).json(&body), &[200]).await?;
        let retrieved: Retrieved = serde_json::from_slice(&body).map_err(|_| RequestOutcome::Malformed)?;
        match class_of(&retrieved.connected_network_type).ok_or(RequestOutcome::Malformed)? {
            NetworkClass::Unknown => Err(RequestOutcome::UnknownDevice.into()),
            class => Ok(Answer::NetworkType(class)),
        }
    }

    async fn subscribe(&self, device: SocketAddr) -> Result<Answer, Failure> {
        let Some(sink) = &self.sink else { return Err(RequestOutcome::Refused.into()) };
        let url = format!("{}/subscriptions", self.interface("connected-network-type-subscriptions"));
        let now = unix_ms();
        let expiry = rfc3339::written(now + SUBSCRIPTION_LIFETIME.as_millis() as i64);
        let body = json!({
            "protocol": "HTTP",
            "sink": sink.url,
            "sinkCredential": {
                "credentialType": "ACCESSTOKEN",
                "accessToken": sink.credential.reveal(),
                "accessTokenExpiresUtc": expiry,
                "accessTokenType": "bearer",
            },
            "types": [NETWORK_TYPE_CHANGED],
            "config": {
                "subscriptionDetail": { "device": device_of(device) },
                "subscriptionExpireTime": expiry,
                "initialEvent": false,
            },
        });
        let body = self.exchange(|http| http.post(&url).json(&body), &[201, 202]).await?;
        let Subscribed { id, expires_at } =
            serde_json::from_slice(&body).map_err(|_| RequestOutcome::Malformed)?;
        if !is_fit_id(&id) {
            return Err(RequestOutcome::Malformed.into());
        }
        let said = expires_at.as_deref().and_then(rfc3339::read).map(|at| at.saturating_sub(now));
        let lifetime = said.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let lifetime =
            lifetime.unwrap_or(SUBSCRIPTION_LIFETIME).clamp(SHORTEST_LIFETIME, SUBSCRIPTION_LIFETIME);
        Ok(Answer::Subscribed { subscription: id, lifetime })
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<Answer, Failure> {
        let root = self.interface("connected-network-type-subscriptions");
        let url = format!("{root}/subscriptions/{subscription}");
        self.exchange(|http| http.delete(&url), &[202, 204, 404]).await?;
        Ok(Answer::Unsubscribed)
    }

    fn interface(&self, name: &str) -> String {
        let root = self.config.api_root.as_deref().unwrap_or_default();
        format!("{root}/{name}/{}", self.config.api_version)
    }

    /// Sends a request with a token; one that is no longer taken is replaced once.
    async fn exchange(
        &self,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
        fine: &[u16],
    ) -> Result<Vec<u8>, Failure> {
        for is_last in [false, true] {
            let token = self.token.get(&self.http, &self.config, &self.metrics).await?;
            let response = sent(request(&self.http).bearer_auth(&token)).await?;
            let (status, after) = (response.status().as_u16(), retry_after(&response));
            let body = body_of(response).await?;
            if fine.contains(&status) {
                return Ok(body);
            }
            let outcome = match status {
                401 if !is_last => {
                    self.token.reject(&token).await;
                    continue;
                }
                401 | 403 => RequestOutcome::Unauthorized,
                // Also 422: an identifier that the operator cannot use, or a service that does not apply.
                404 | 422 => RequestOutcome::UnknownDevice,
                429 => RequestOutcome::TooMany,
                500.. => RequestOutcome::ServerError,
                _ => RequestOutcome::Refused,
            };
            return Err(Failure { outcome, after });
        }
        Err(RequestOutcome::Unauthorized.into())
    }
}

/// What the watchlist makes of a failure. Credentials that are refused are the operator's failure as far as
/// devices go: nobody is to be asked about until that is mended.
fn answer_of(failure: Failure) -> Answer {
    match failure.outcome {
        RequestOutcome::UnknownDevice => Answer::UnknownDevice,
        RequestOutcome::TooMany => Answer::TooMany { after: failure.after },
        RequestOutcome::Refused => Answer::Refused,
        RequestOutcome::Ok
        | RequestOutcome::Unauthorized
        | RequestOutcome::ServerError
        | RequestOutcome::Timeout
        | RequestOutcome::Unreachable
        | RequestOutcome::Malformed
        | RequestOutcome::TooLarge => Answer::Failed,
    }
}

/// A device by the address that it has on this side of the operator's NAT.
fn device_of(address: SocketAddr) -> Value {
    match address.ip().to_canonical() {
        std::net::IpAddr::V4(v4) => {
            json!({ "ipv4Address": { "publicAddress": v4, "publicPort": address.port() } })
        }
        std::net::IpAddr::V6(v6) => json!({ "ipv6Address": v6 }),
    }
}

pub(super) async fn sent(request: RequestBuilder) -> Result<Response, Failure> {
    request.send().await.map_err(|error| failure_of(&error))
}

/// The body, unless it is larger than any should be.
pub(super) async fn body_of(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(RequestOutcome::TooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failure_of(error: &reqwest::Error) -> Failure {
    let outcome = if error.is_timeout() {
        RequestOutcome::Timeout
    } else if error.is_connect() {
        RequestOutcome::Unreachable
    } else {
        RequestOutcome::Malformed
    };
    outcome.into()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// An id becomes part of a path.
fn is_fit_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    (1..=128).contains(&id.len()) && id.bytes().all(fits) && id.bytes().any(|byte| byte != b'.')
}

fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
