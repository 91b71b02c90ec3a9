//! `/api/v1/consults/{id}/decisions`: what everybody in a consult gets of everybody's picture at this moment,
//! and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use protocol::decision::RoomDecisions;
use protocol::id::{ConsultId, ParticipantId};
use protocol::quality::HdMode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::consults_api::find;
use crate::control_loop::LoopInput;
use crate::front::Front;
use crate::problem::{Problem, ProblemCode};
use crate::redacted::Redacted;
use crate::registry::Unexplained;
use crate::unix_time::UnixTime;

/// The decisions of a consult as the API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DecisionsBody {
    pub(crate) consult: ConsultId,
    /// When it was so, in seconds since 1970.
    pub(crate) at: u64,
    pub(crate) hd_mode: HdMode,
    /// The names that those in the room gave.
    pub(crate) names: BTreeMap<ParticipantId, Redacted<String>>,
    #[serde(flatten)]
    pub(crate) decisions: RoomDecisions,
}

/// `GET /api/v1/consults/{id}/decisions`
pub(crate) async fn show(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
) -> Result<Json<DecisionsBody>, Problem> {
    let consult = find(&front, &id).await?.id;
    let stops = || ProblemCode::Internal.because("the gateway stops");
    let (reply, answer) = oneshot::channel();
    front.inputs.send(LoopInput::Explain { consult, reply }).await.map_err(|_| stops())?;
    let explanation = answer.await.map_err(|_| stops())?.map_err(|unexplained| match unexplained {
        Unexplained::MediaSilent => ProblemCode::MediaUnavailable.because("the media plane does not answer"),
        Unexplained::TooMany => ProblemCode::RateLimited.because("too many ask for these decisions"),
    })?;
    let named = explanation.participants.into_iter().map(|one| (one.id, one.name.into()));
    Ok(Json(DecisionsBody {
        consult,
        at: UnixTime::now().as_secs(),
        hd_mode: front.config.hd_mode,
        names: named.collect(),
        decisions: explanation.decisions,
    }))
}
