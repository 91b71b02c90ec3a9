//! `/whip` and `/whep`: an offer makes a resource, which can be patched and ended.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::ice_server::IceServer;
use protocol::id::{ConsultId, ParticipantId, SessionId};
use protocol::media_message::Offer;
use protocol::server_message::ErrorCode;
use protocol::track::{Role, Track};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::caller::CallError;
use super::cast::{publications, subscriptions};
use super::ice_fragment::IceCredentials;
use super::resource::{Opened, Patch, Patched, Refused, open};
use super::sdp_outline::outline;
use crate::admission::{Refusal, admit};
use crate::close_reason::CloseReason;
use crate::consult::{Admission, ClientKind};
use crate::consults_api::draw_bits;
use crate::control_loop::LoopInput;
use crate::front::{Front, Pass};
use crate::ice_servers::links;
use crate::problem::{Problem, ProblemCode};
use crate::request_body::read_body;
use crate::routes::ClientAddress;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Stands before the name of the invitation that lets a player in, so that nobody takes it for the person.
const PLAYER_MARK: &str = "▶ ";

/// What a player asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct PlayQuery {
    /// Whom to see and hear; where it says nothing, who showed a picture first, and then the others.
    #[serde(default)]
    participant: Option<String>,
}

/// `POST /whip`: publishes as the participant of the token.
pub(crate) async fn publish(
    State(front): State<Arc<Front>>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (admission, sdp) = receive(&front, address, &headers, body).await?;
    if admission.role == Role::Observer {
        return Err(ProblemCode::Forbidden.because("an observer publishes nothing"));
    }
    let tracks = publications(&outline(&sdp));
    if tracks.is_empty() {
        return Err(ProblemCode::OfferRejected.because("the offer has no media description that sends"));
    }
    let name = name_of(&admission);
    let offer = Offer { sdp, tracks, subscriptions: Vec::new() };
    created("whip", front, admission, name, offer).await
}

/// `POST /whep`: plays to an observer of its own, whom the token of any participant lets in.
pub(crate) async fn play(
    State(front): State<Arc<Front>>,
    Extension(address): Extension<ClientAddress>,
    Query(query): Query<PlayQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asked_for: Option<ParticipantId> = match query.participant {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| ProblemCode::InvalidField.because("participant is no id"))?),
    };
    let (invited, sdp) = receive(&front, address, &headers, body).await?;
    let media = outline(&sdp);
    if !media.iter().any(|media| media.receives) {
        return Err(ProblemCode::OfferRejected.because("the offer has no media description that receives"));
    }
    let subscriptions = subscriptions(&media, &tracks(&front, invited.consult).await?, asked_for);
    if subscriptions.is_empty() {
        return Err(ProblemCode::NothingPublished.because("nobody publishes what could be played"));
    }
    let name = format!("{PLAYER_MARK}{}", name_of(&invited));
    let participant = ParticipantId::from_bits(draw_bits()?);
    let viewer = Admission { participant, role: Role::Observer, ..invited };
    created("whep", front, viewer, name, Offer { sdp, tracks: Vec::new(), subscriptions }).await
}

/// `PATCH /whip/{id}` and `/whep/{id}`: candidates, or a restart of ICE.
pub(crate) async fn patch(
    State(front): State<Arc<Front>>,
    Extension(address): Extension<ClientAddress>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let admission = prove(&front, address, &headers).await?;
    require_type(&headers, FRAGMENT)?;
    let Some(condition) = headers.get(header::IF_MATCH) else {
        return Err(ProblemCode::PreconditionRequired.because("If-Match names the ICE session, or is *"));
    };
    let condition = condition.to_str().unwrap_or_default().trim();
    let credentials = IceCredentials::read(&read_text(body).await?)
        .map_err(|_| ProblemCode::InvalidField.because("the fragment has no fit ICE credentials"))?;
    let patch = match (condition, credentials) {
        ("*", Some(credentials)) => Patch::Restart(credentials),
        ("*", None) => return Err(ProblemCode::InvalidField.because("a restart has credentials")),
        (tags, _) => Patch::Trickle { tags: tags.split(',').map(|tag| tag.trim().to_owned()).collect() },
    };
    match front.resources.patch(session_of(&id)?, admission.participant, patch).await {
        Ok(Patched::Noted) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Patched::Restarted { fragment, tag }) => {
            let headers = [(header::CONTENT_TYPE, FRAGMENT.to_owned()), (header::ETAG, tag)];
            Ok((StatusCode::OK, headers, fragment).into_response())
        }
        Err(refused) => Err(refusal(refused)),
    }
}

/// `DELETE /whip/{id}` and `/whep/{id}`: ends the resource.
pub(crate) async fn end(
    State(front): State<Arc<Front>>,
    Extension(address): Extension<ClientAddress>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let admission = prove(&front, address, &headers).await?;
    front.resources.end(session_of(&id)?, admission.participant).await.map_err(refusal)?;
    Ok(StatusCode::OK)
}

/// `OPTIONS`: what a page of another origin asks first. The token is the proof, no cookie is, so any origin may ask. Who
/// shows a token is told of the STUN and TURN servers, too (RFC 9725 §4.6); browsers show none here by themselves.
pub(crate) async fn preflight(
    State(front): State<Arc<Front>>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let told = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        (HeaderName::from_static("accept-post"), SDP),
        (HeaderName::from_static("accept-patch"), FRAGMENT),
    ];
    let mut response = (StatusCode::NO_CONTENT, told).into_response();
    if headers.contains_key(header::AUTHORIZATION) {
        let admission = prove(&front, address, &headers).await?;
        tell_ice_servers(&mut response, &front.ice_servers(admission.participant));
    }
    Ok(response)
}

fn tell_ice_servers(response: &mut Response, servers: &[IceServer]) {
    for link in links(servers) {
        response.headers_mut().append(header::LINK, link);
    }
}

/// Lets a page of any origin read an answer.
pub(crate) fn share(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("location, etag, accept-patch, link, retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

async fn receive(
    front: &Front,
    address: ClientAddress,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Admission, String), Problem> {
    let admission = prove(front, address, headers).await?;
    require_type(headers, SDP)?;
    Ok((Admission { client: ClientKind::Resource, ..admission }, read_text(body).await?))
}

async fn prove(
    front: &Front,
    ClientAddress(address): ClientAddress,
    headers: &HeaderMap,
) -> Result<Admission, Problem> {
    if front.pass_resource(address) == Pass::Exhausted {
        return Err(ProblemCode::RateLimited.because("too many requests in too short a time"));
    }
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|value| value.split_once(' '));
    let Some((_, token)) = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(ProblemCode::Unauthorized.because("the token of an invitation is needed"));
    };
    admit(front, address, token.trim()).await.map_err(|Refusal { code, message, .. }| problem(code, message))
}

fn require_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Problem> {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = told.split(';').next().unwrap_or_default().trim();
    if told.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(ProblemCode::UnsupportedMediaType.because(format!("the body is {wanted}")))
    }
}

async fn read_text(body: Body) -> Result<String, Problem> {
    String::from_utf8(read_body(body).await?)
        .map_err(|_| ProblemCode::MalformedBody.because("the body is no UTF-8"))
}

/// The tracks of a consult, asked for before anybody enters: who polls for something to play disturbs nobody.
async fn tracks(front: &Front, consult: ConsultId) -> Result<Vec<Track>, Problem> {
    let (reply, tracks) = oneshot::channel();
    front.inputs.send(LoopInput::Tracks { consult, reply }).await.map_err(|_| stopping())?;
    tracks.await.map_err(|_| stopping())
}

fn name_of(admission: &Admission) -> String {
    let given = admission.name.as_ref().map(|name| name.reveal().clone());
    given.unwrap_or_else(|| admission.role.as_str().to_owned())
}

fn session_of(id: &str) -> Result<SessionId, Problem> {
    id.parse().map_err(|_| refusal(Refused::Unknown))
}

async fn created(
    endpoint: &str,
    front: Arc<Front>,
    admission: Admission,
    name: String,
    offer: Offer,
) -> Result<Response, Problem> {
    let ice_servers = front.ice_servers(admission.participant);
    // Whoever hangs up in the middle leaves a session that ends with its media, not one that nobody keeps.
    let opening = tokio::spawn(open(front, admission, name, offer));
    let Opened { session, answer, tag } = opening.await.map_err(|_| stopping())?.map_err(failed)?;
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, format!("/{endpoint}/{session}")),
        (header::ETAG, tag),
        (HeaderName::from_static("accept-patch"), FRAGMENT.to_owned()),
    ];
    let mut response = (StatusCode::CREATED, headers, answer).into_response();
    tell_ice_servers(&mut response, &ice_servers);
    Ok(response)
}

fn refusal(refused: Refused) -> Problem {
    match refused {
        Refused::Unknown => ProblemCode::NotFound.because("no such resource of this token"),
        Refused::Outdated => ProblemCode::PreconditionFailed.because("this ICE session is over"),
        Refused::Call(error) => failed(error),
    }
}

fn failed(error: CallError) -> Problem {
    let reason = match error {
        CallError::Refused { code, message } => return problem(code, &message),
        CallError::Closed(reason) => reason,
    };
    match reason {
        CloseReason::Replaced => ProblemCode::TakenOver.because("another client of this token took over"),
        CloseReason::ConsultEnded | CloseReason::Left => {
            ProblemCode::ConsultClosed.because("the session has ended")
        }
        CloseReason::GoingAway
        | CloseReason::Overloaded
        | CloseReason::TooSlow
        | CloseReason::RateLimited
        | CloseReason::ProtocolViolation
        | CloseReason::InvalidText
        | CloseReason::MessageTooBig
        | CloseReason::Unspoken
        | CloseReason::Unauthorized => {
            ProblemCode::MediaUnavailable.because("the gateway has no place for it now")
        }
    }
}

/// A refusal of the control loop in the words of HTTP.
fn problem(code: ErrorCode, message: &str) -> Problem {
    let code = match code {
        ErrorCode::TokenInvalid | ErrorCode::TokenExpired => ProblemCode::Unauthorized,
        ErrorCode::ConsultClosed | ErrorCode::SessionLost => ProblemCode::ConsultClosed,
        ErrorCode::OfferRejected => ProblemCode::OfferRejected,
        ErrorCode::Forbidden => ProblemCode::Forbidden,
        ErrorCode::RoomFull => ProblemCode::RoomFull,
        ErrorCode::RateLimited => ProblemCode::RateLimited,
        ErrorCode::MediaUnavailable => ProblemCode::MediaUnavailable,
        ErrorCode::MalformedMessage
        | ErrorCode::UnsupportedVersion
        | ErrorCode::HelloExpected
        | ErrorCode::NotJoined
        | ErrorCode::NameInvalid
        | ErrorCode::UnknownTrack
        | ErrorCode::Internal => ProblemCode::Internal,
    };
    code.because(message)
}

fn stopping() -> Problem {
    ProblemCode::Internal.because("the gateway stops")
}
