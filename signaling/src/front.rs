//! What every request needs: the keys, the store, the limits, and the way to the control loop.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, header};
use protocol::ice_server::IceServer;
use protocol::id::{ConsultId, ParticipantId};
use tokio::sync::mpsc;

use crate::address_limiter::AddressLimiter;
use crate::attested_apps::AttestedApps;
use crate::client_address::client_address;
use crate::config::SignalingConfig;
use crate::consult::Consult;
use crate::control_loop::LoopInput;
use crate::limits::{MISS_BURST, MISS_RATE, RESOURCE_REQUEST_BURST, RESOURCE_REQUEST_RATE};
use crate::redacted::Redacted;
use crate::sample::{AuthFailure, Limit, Sample, StoreOperation};
use crate::sample_sink::SampleSink;
use crate::session::ConnectionId;
use crate::store::{Creation, Idempotency, Store, StoreError};
use crate::token::TokenKey;
use crate::token_bucket::Rate;
use crate::unix_time::UnixTime;
use crate::whip::Resources;

/// What every request needs.
pub(crate) struct Front {
    pub(crate) config: SignalingConfig,
    pub(crate) tokens: TokenKey,
    pub(crate) api_key: Redacted<String>,
    pub(crate) attested_apps: AttestedApps,
    pub(crate) samples: SampleSink,
    pub(crate) inputs: mpsc::Sender<LoopInput>,
    /// What plain HTTP has made.
    pub(crate) resources: Resources,
    store: Store,
    api_limiter: Mutex<AddressLimiter>,
    resource_limiter: Mutex<AddressLimiter>,
    miss_limiter: Mutex<AddressLimiter>,
    last_connection: AtomicU64,
}

/// Whether a limit lets something pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Granted,
    Exhausted,
}

impl Front {
    pub(crate) fn new(
        mut config: SignalingConfig,
        tokens: TokenKey,
        api_key: Redacted<String>,
        store: Store,
        samples: SampleSink,
        inputs: mpsc::Sender<LoopInput>,
    ) -> Self {
        let per_second = f64::from(config.api_requests_per_second.max(1));
        let resource_rate = Rate { per_second: RESOURCE_REQUEST_RATE, burst: RESOURCE_REQUEST_BURST };
        let miss_rate = Rate { per_second: MISS_RATE, burst: MISS_BURST };
        let attested_apps = AttestedApps::new(std::mem::take(&mut config.attested_apps));
        Self {
            config,
            tokens,
            api_key,
            attested_apps,
            samples,
            inputs,
            resources: Resources::default(),
            store,
            api_limiter: Mutex::new(AddressLimiter::new(Rate { per_second, burst: 2.0 * per_second })),
            resource_limiter: Mutex::new(AddressLimiter::new(resource_rate)),
            miss_limiter: Mutex::new(AddressLimiter::new(miss_rate)),
            last_connection: AtomicU64::new(0),
        }
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// What a participant is told of STUN and TURN servers.
    pub(crate) fn ice_servers(&self, participant: ParticipantId) -> Vec<IceServer> {
        self.config.ice_servers.told_to(participant, UnixTime::now())
    }

    /// Counts an API request of an address.
    pub(crate) fn pass_api(&self, address: IpAddr) -> Pass {
        self.pass(&self.api_limiter, Limit::ApiRate, address)
    }

    /// Counts a request of an address about media over plain HTTP.
    pub(crate) fn pass_resource(&self, address: IpAddr) -> Pass {
        self.pass(&self.resource_limiter, Limit::ResourceRate, address)
    }

    /// Counts a proof that failed; beyond the rate, its answer shall be late.
    pub(crate) fn miss(&self, address: IpAddr, failure: AuthFailure) -> Pass {
        self.samples.count(Sample::AuthFailure(failure));
        self.pass(&self.miss_limiter, Limit::MissRate, address)
    }

    fn pass(&self, limiter: &Mutex<AddressLimiter>, limit: Limit, address: IpAddr) -> Pass {
        // A limiter is whole after every step, so one that a panic left behind is as good as any.
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if limiter.take(address, Instant::now()) {
            return Pass::Granted;
        }
        self.samples.count(Sample::LimitHit(limit));
        Pass::Exhausted
    }

    /// The address of a client: the peer's, or what the trusted proxies in front say.
    pub(crate) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client_address(&self.config.trusted_proxies, peer, headers)
    }

    /// Whether a page of this origin may open a session. Programs that are no browsers send none.
    pub(crate) fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let same_host = || {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let origin_host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_some() && host == origin_host
        };
        origin == self.config.public_url
            || self.config.allowed_origins.iter().any(|allowed| allowed == origin)
            || same_host()
    }

    pub(crate) async fn find_consult(&self, id: ConsultId) -> Result<Option<Consult>, StoreError> {
        self.timed(StoreOperation::FindConsult, self.store.find_consult(id)).await
    }

    pub(crate) async fn create_consult(
        &self,
        consult: &Consult,
        idempotency: Option<&Idempotency>,
    ) -> Result<Creation, StoreError> {
        self.timed(StoreOperation::CreateConsult, self.store.create_consult(consult, idempotency)).await
    }

    pub(crate) async fn end_consult(&self, id: ConsultId) -> Result<(), StoreError> {
        self.timed(StoreOperation::EndConsult, self.store.end_consult(id, UnixTime::now())).await
    }

    async fn timed<T>(
        &self,
        operation: StoreOperation,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let asked_at = Instant::now();
        let outcome = request.await;
        let duration = asked_at.elapsed();
        self.samples.count(Sample::StoreRequest { operation, ok: outcome.is_ok(), duration });
        if let Err(error) = &outcome {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, operation = operation.as_str(), "the store failed");
        }
        outcome
    }
}
