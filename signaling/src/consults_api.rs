//! `/api/v1/consults`: an appointment system makes consults, and sends their links to the participants.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::id::{ConsultId, ParticipantId};
use protocol::track::Role;
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};

use crate::consult::{Consult, ConsultState, Invitation};
use crate::control_loop::LoopInput;
use crate::display_name::display_name;
use crate::front::Front;
use crate::limits::{MAX_IDEMPOTENCY_KEY, MAX_LINK_LIFETIME, MAX_SUBJECT_CHARS};
use crate::problem::{Problem, ProblemCode};
use crate::redacted::Redacted;
use crate::request_body::read_body;
use crate::store::{Creation, Idempotency};
use crate::unix_time::UnixTime;

/// What a consult is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsultRequest {
    /// What it is about; shown to its participants.
    #[serde(default)]
    pub(crate) subject: Redacted<String>,
    /// Who is invited; a clinician and a patient where it says nothing.
    #[serde(default = "doctor_and_patient")]
    pub(crate) participants: Vec<InvitationRequest>,
    /// From when on the links work, in seconds since 1970; from now on where it says nothing.
    #[serde(default)]
    pub(crate) not_before: Option<u64>,
    /// For how many seconds after that they work; the gateway's default where it says nothing.
    #[serde(default)]
    pub(crate) expires_in: Option<u64>,
}

/// One participant to invite.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationRequest {
    pub(crate) role: Role,
    #[serde(default)]
    pub(crate) name: Option<Redacted<String>>,
}

/// A consult as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsultBody {
    pub(crate) id: ConsultId,
    pub(crate) state: StateWord,
    pub(crate) subject: Redacted<String>,
    pub(crate) created_at: u64,
    pub(crate) not_before: u64,
    pub(crate) expires_at: u64,
    pub(crate) ended_at: Option<u64>,
    pub(crate) participants: Vec<ParticipantBody>,
}

/// A participant as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParticipantBody {
    pub(crate) id: ParticipantId,
    pub(crate) role: Role,
    pub(crate) name: Option<Redacted<String>>,
    /// Opens the page as this participant; whoever has it is the participant.
    pub(crate) link: Redacted<String>,
}

/// The state of a consult, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateWord {
    Open,
    Ended,
}

fn doctor_and_patient() -> Vec<InvitationRequest> {
    [Role::Clinician, Role::Patient].map(|role| InvitationRequest { role, name: None }).to_vec()
}

/// `POST /api/v1/consults`
pub(crate) async fn create(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let body = read_body(body).await?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ProblemCode::MalformedJson.because("a consult is a JSON object"));
    }
    // The wording of serde names fields and places, never a value of a known text field.
    let request: ConsultRequest = serde_json::from_slice(&body)
        .map_err(|error| ProblemCode::MalformedJson.because(error.to_string()))?;
    let consult = draw_consult(&front, request, UnixTime::now())?;
    let idempotency = key.map(|key| Idempotency { key, digest: digest(&body) });
    let creation = front.create_consult(&consult, idempotency.as_ref()).await.map_err(|_| store_failed())?;
    let (status, consult) = match creation {
        Creation::Created => (StatusCode::CREATED, consult),
        Creation::Repeated(consult) => (StatusCode::OK, consult),
        Creation::Conflict => {
            let detail = "this Idempotency-Key came before with another body";
            return Err(ProblemCode::IdempotencyConflict.because(detail));
        }
    };
    let location = format!("/api/v1/consults/{}", consult.id);
    Ok((status, [(header::LOCATION, location)], Json(shown(&front, &consult)?)).into_response())
}

/// `GET /api/v1/consults/{id}`
pub(crate) async fn show(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
) -> Result<Json<ConsultBody>, Problem> {
    find(&front, &id).await.and_then(|consult| shown(&front, &consult)).map(Json)
}

/// `DELETE /api/v1/consults/{id}`: ends it, for everyone and at once.
pub(crate) async fn end(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let consult = find(&front, &id).await?;
    front.end_consult(consult.id).await.map_err(|_| store_failed())?;
    front
        .inputs
        .send(LoopInput::ConsultEnded(consult.id))
        .await
        .map_err(|_| ProblemCode::Internal.because("the gateway stops"))?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn find(front: &Front, id: &str) -> Result<Consult, Problem> {
    let unknown = || ProblemCode::NotFound.because("no such consult");
    let id: ConsultId = id.parse().map_err(|_| unknown())?;
    front.find_consult(id).await.map_err(|_| store_failed())?.ok_or_else(unknown)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
            Err(ProblemCode::InvalidField.because(detail))
        }
    }
}

fn digest(body: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks a request, and draws the ids of a consult.
fn draw_consult(front: &Front, request: ConsultRequest, now: UnixTime) -> Result<Consult, Problem> {
    let invalid = |detail: String| ProblemCode::InvalidField.because(detail);
    if request.subject.reveal().chars().count() > MAX_SUBJECT_CHARS {
        return Err(invalid(format!("subject has at most {MAX_SUBJECT_CHARS} characters")));
    }
    let most = front.config.max_participants;
    if !(1..=most).contains(&request.participants.len()) {
        return Err(invalid(format!("participants has 1 to {most} entries")));
    }
    let lifetime = request.expires_in.map_or(front.config.link_lifetime, Duration::from_secs);
    if lifetime.is_zero() || lifetime > MAX_LINK_LIFETIME {
        return Err(invalid(format!("expires_in is 1 to {} seconds", MAX_LINK_LIFETIME.as_secs())));
    }
    let not_before = request.not_before.map_or(now, UnixTime::from_secs);
    if not_before > now.after(MAX_LINK_LIFETIME) {
        return Err(invalid("not_before is seconds since 1970, at most 90 days ahead".to_owned()));
    }
    let expires_at = not_before.after(lifetime);
    if expires_at <= now {
        return Err(invalid("the consult would be over already".to_owned()));
    }
    let invitations = request
        .participants
        .into_iter()
        .map(|participant| {
            let name = match participant.name {
                None => None,
                Some(name) => Some(
                    display_name(name.reveal())
                        .ok_or_else(|| invalid("a name has 1 to 64 printable characters".to_owned()))?,
                ),
            };
            let id = ParticipantId::from_bits(draw_bits()?);
            Ok(Invitation { participant: id, role: participant.role, name: name.map(Into::into) })
        })
        .collect::<Result<_, Problem>>()?;
    Ok(Consult {
        id: ConsultId::from_bits(draw_bits()?),
        subject: request.subject,
        created_at: now,
        not_before,
        expires_at,
        ended_at: None,
        invitations,
    })
}

pub(crate) fn draw_bits() -> Result<u128, Problem> {
    let mut bytes = [0; 16];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| ProblemCode::Internal.because("the system draws no random numbers"))?;
    Ok(u128::from_le_bytes(bytes))
}

fn shown(front: &Front, consult: &Consult) -> Result<ConsultBody, Problem> {
    let participants = consult
        .invitations
        .iter()
        .map(|invitation| {
            let token = front
                .tokens
                .sign(consult, invitation)
                .map_err(|_| ProblemCode::Internal.because("the token cannot be signed"))?;
            Ok(ParticipantBody {
                id: invitation.participant,
                role: invitation.role,
                name: invitation.name.clone(),
                // In the fragment, so that no server, proxy or log ever sees it.
                link: format!("{}/join#token={token}", front.config.public_url).into(),
            })
        })
        .collect::<Result<_, Problem>>()?;
    Ok(ConsultBody {
        id: consult.id,
        state: match consult.state(UnixTime::now()) {
            ConsultState::Open => StateWord::Open,
            ConsultState::Ended => StateWord::Ended,
        },
        subject: consult.subject.clone(),
        created_at: consult.created_at.as_secs(),
        not_before: consult.not_before.as_secs(),
        expires_at: consult.expires_at.as_secs(),
        ended_at: consult.ended_at.map(UnixTime::as_secs),
        participants,
    })
}

fn store_failed() -> Problem {
    ProblemCode::Internal.because("the store failed")
}
