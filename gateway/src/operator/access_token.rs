//! The access token at the operator (OAuth 2.0, RFC 6749 §4.4): fetched when it is needed, kept while it lasts.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::camara::{Failure, body_of, sent};
use super::config::OperatorConfig;
use super::outcome::{OperatorRequest, RequestOutcome};
use crate::metrics::Metrics;

/// A token is not used in its last seconds: it would expire on the way.
const MARGIN: Duration = Duration::from_secs(10);

/// Where an issuer does not say how long a token lasts.
const UNSAID_LIFETIME: Duration = Duration::from_secs(300);

/// Longer lifetimes are not believed, so that a token that was revoked is replaced some day.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3_600);

/// The rights that are asked for.
const SCOPES: &str = "connected-network-type:read \
    connected-network-type-subscriptions:org.camaraproject.connected-network-type-subscriptions.v0.network-type-changed:create \
    connected-network-type-subscriptions:delete";

/// The token, shared by all requests.
#[derive(Default)]
pub(super) struct AccessToken {
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    token: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

impl AccessToken {
    /// The token; whoever comes while it is fetched waits for the same one.
    pub(super) async fn get(
        &self,
        http: &reqwest::Client,
        config: &OperatorConfig,
        metrics: &Metrics,
    ) -> Result<String, Failure> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok(held.token.clone());
        }
        let issued = fetch(http, config).await;
        let outcome = issued.as_ref().err().map_or(RequestOutcome::Ok, |failure| failure.outcome);
        metrics.count_operator_request(OperatorRequest::Token, outcome);
        let issued = issued?;
        let lifetime = issued.expires_in.map_or(UNSAID_LIFETIME, Duration::from_secs).min(LONGEST_LIFETIME);
        let until = Instant::now() + lifetime.saturating_sub(MARGIN).max(Duration::from_secs(1));
        *held = Some(Held { token: issued.access_token.clone(), until });
        Ok(issued.access_token)
    }

    /// The operator does not take this one; another may be there already.
    pub(super) async fn reject(&self, token: &str) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| held.token == token) {
            *held = None;
        }
    }
}

async fn fetch(http: &reqwest::Client, config: &OperatorConfig) -> Result<Issued, Failure> {
    let url = config.token_url.as_deref().unwrap_or_default();
    let secret = config.client_secret.as_ref().map(|secret| secret.reveal());
    let request = http
        .post(url)
        .basic_auth(&config.client_id, secret)
        .form(&[("grant_type", "client_credentials"), ("scope", SCOPES)]);
    let response = sent(request).await?;
    let status = response.status().as_u16();
    let body = body_of(response).await?;
    match status {
        200 => {}
        400 | 401 | 403 => return Err(RequestOutcome::Unauthorized.into()),
        429 => return Err(RequestOutcome::TooMany.into()),
        500.. => return Err(RequestOutcome::ServerError.into()),
        _ => return Err(RequestOutcome::Refused.into()),
    }
    let issued: Issued = serde_json::from_slice(&body).map_err(|_| RequestOutcome::Malformed)?;
    // What stands in a header must be visible ASCII (RFC 6750 §2.1).
    let is_fit =
        !issued.access_token.is_empty() && issued.access_token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_fit || !issued.token_type.eq_ignore_ascii_case("bearer") {
        return Err(RequestOutcome::Malformed.into());
    }
    Ok(issued)
}
