//! The routes, and what holds for all of them: limits, proofs, counting, and the headers that keep a browser safe.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::connection_slots::ConnectionSlot;
use crate::constant_time;
use crate::consults_api;
use crate::decisions_api;
use crate::front::{Front, Pass};
use crate::limits::{MAX_MESSAGE_BYTES, MISS_DELAY, READ_BUFFER};
use crate::page::{is_page_path, page};
use crate::problem::{Problem, ProblemCode};
use crate::sample::{AuthFailure, Limit, Route, Sample};
use crate::socket::serve_socket;
use crate::whip;

/// The address of a client, as far as proxies tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Every route of the control plane.
pub(crate) fn routes(front: Arc<Front>, others: Router) -> Router {
    let api = Router::new()
        .route("/api/v1/consults", post(consults_api::create))
        .route("/api/v1/consults/{id}", get(consults_api::show).delete(consults_api::end))
        .route("/api/v1/consults/{id}/decisions", get(decisions_api::show))
        .layer(from_fn_with_state(Arc::clone(&front), require_api_key));
    let security = security_headers(&front.config.public_url);
    Router::new()
        .merge(api)
        .route("/api/v1/session", get(session))
        .merge(media_routes())
        .fallback(get(page))
        .method_not_allowed_fallback(method_not_allowed)
        .merge(others.with_state(()))
        .layer(from_fn_with_state(Arc::clone(&front), observe))
        .layer(from_fn(move |request, next| harden(security.clone(), request, next)))
        .with_state(front)
}

/// Where media is published and played by plain HTTP. RFC 9725 §4.1 leaves `GET` free for later: it is no method here.
fn media_routes() -> Router<Arc<Front>> {
    let resource = || axum::routing::patch(whip::patch).delete(whip::end).options(whip::preflight);
    Router::new()
        .route("/whip", post(whip::publish).options(whip::preflight))
        .route("/whep", post(whip::play).options(whip::preflight))
        .route("/whip/{id}", resource())
        .route("/whep/{id}", resource())
        .layer(map_response(async |mut response: Response| {
            whip::share(&mut response);
            response
        }))
}

/// `GET /api/v1/session`: a WebSocket.
async fn session(
    State(front): State<Arc<Front>>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Extension(slot): Extension<Arc<ConnectionSlot>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !front.allows_origin(&headers) {
        front.samples.count(Sample::AuthFailure(AuthFailure::Origin));
        return Err(ProblemCode::OriginRefused.because("this origin may not open a session"));
    }
    let upgrade = upgrade.map_err(|_| ProblemCode::UpgradeRequired.because("this is a WebSocket"))?;
    let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.read_buffer_size(READ_BUFFER).on_upgrade(move |socket| async move {
        serve_socket(front, socket, address).await;
        drop(slot);
    }))
}

async fn method_not_allowed() -> Problem {
    ProblemCode::MethodNotAllowed.because("the resource does not know this method")
}

/// Lets a request pass that shows the API key; too many failures of one address are answered late.
async fn require_api_key(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let address = client_address(&front, &request);
    if front.pass_api(address) == Pass::Exhausted {
        return ProblemCode::RateLimited.because("too many requests in too short a time").into_response();
    }
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = shown.and_then(|value| value.strip_prefix("Bearer "));
    if key.is_some_and(|key| constant_time::equal(key.trim(), front.api_key.reveal())) {
        return next.run(request).await;
    }
    match front.miss(address, AuthFailure::ApiKey) {
        Pass::Granted => ProblemCode::Unauthorized.because("an API key is needed").into_response(),
        Pass::Exhausted => {
            tokio::time::sleep(MISS_DELAY).await;
            ProblemCode::RateLimited.because("too many failed proofs").into_response()
        }
    }
}

/// Finds out who asks, and counts what was asked and answered.
async fn observe(State(front): State<Arc<Front>>, mut request: Request, next: Next) -> Response {
    let asked_at = Instant::now();
    let address = ClientAddress(client_address(&front, &request));
    request.extensions_mut().insert(address);
    let (route, method) = (route_of(request.uri().path()), method_word(request.method()));
    let response = next.run(request).await;
    let status = response.status();
    if status == ProblemCode::BodyTimeout.status() {
        front.samples.count(Sample::LimitHit(Limit::BodyTime));
    } else if status == ProblemCode::BodyTooLarge.status() {
        front.samples.count(Sample::LimitHit(Limit::BodySize));
    }
    let duration = asked_at.elapsed();
    front.samples.count(Sample::ApiRequest { route, method, status: status.as_u16(), duration });
    response
}

fn client_address(front: &Front, request: &Request) -> IpAddr {
    // The listener puts the slot into every request.
    let peer = request.extensions().get::<Arc<ConnectionSlot>>().map(|slot| slot.peer());
    front.client_address(peer.unwrap_or(IpAddr::from([0, 0, 0, 0])), request.headers())
}

fn route_of(path: &str) -> Route {
    match path {
        "/api/v1/consults" => Route::Consults,
        "/api/v1/session" => Route::Session,
        "/whip" => Route::Whip,
        "/whep" => Route::Whep,
        "/operator/events" => Route::OperatorEvents,
        _ if path.starts_with("/whip/") || path.starts_with("/whep/") => Route::MediaResource,
        _ if path.starts_with("/api/v1/consults/") => Route::Consult,
        _ if is_page_path(path) => Route::Page,
        _ => Route::Unknown,
    }
}

fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        _ => "OTHER",
    }
}

/// The headers of every response. `public_url` is one of the two names that the WebSocket may have:
/// older Safari does not take `'self'` for it.
fn security_headers(public_url: &str) -> Vec<(HeaderName, HeaderValue)> {
    let socket_url = public_url.replacen("http", "ws", 1);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob: mediastream:; font-src 'self'; manifest-src 'self'; worker-src 'self'; \
         connect-src 'self' {socket_url}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
        ),
    ];
    let policy = HeaderValue::from_str(&policy).ok().map(|policy| (header::CONTENT_SECURITY_POLICY, policy));
    fixed.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().chain(policy).collect()
}

async fn harden(security: Vec<(HeaderName, HeaderValue)>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.extend(security);
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
