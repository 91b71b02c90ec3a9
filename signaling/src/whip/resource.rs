//! The resource that a `POST` makes: a session, and the task that keeps it until a `DELETE`, the end of its media, of
//! what it plays, or of the consult.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::id::{ParticipantId, SessionId, TrackId};
use protocol::media_message::{Answer, Offer};
use tokio::sync::{mpsc, oneshot};

use super::caller::{CallError, Caller};
use super::ice_fragment::{IceCredentials, fragment_of, ufrag_of, with_credentials};
use crate::consult::Admission;
use crate::front::Front;
use crate::limits::MAX_RESOURCE_REQUESTS;

/// Every resource that there is.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    keepers: Mutex<HashMap<SessionId, Keeper>>,
}

/// The way to the task of a resource.
#[derive(Debug, Clone)]
struct Keeper {
    requests: mpsc::Sender<Request>,
    /// Whose token made it: no other token touches it.
    owner: ParticipantId,
}

/// What a client asks of a resource.
#[derive(Debug)]
enum Request {
    Patch { patch: Patch, reply: oneshot::Sender<Result<Patched, Refused>> },
    End { reply: oneshot::Sender<()> },
}

/// What a `PATCH` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Patch {
    /// Candidates of the ICE session of one of these entity tags.
    Trickle { tags: Vec<String> },
    /// Another ICE session.
    Restart(IceCredentials),
}

/// What became of a `PATCH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Patched {
    /// Candidates, which a lite agent does not need.
    Noted,
    /// This ICE session is the one that counts.
    Restarted { fragment: String, tag: String },
}

/// Why a request to a resource came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is none of that id, or it is somebody else's.
    Unknown,
    /// It is about an ICE session that is over.
    Outdated,
    Call(CallError),
}

/// A new resource.
pub(super) struct Opened {
    pub(super) session: SessionId,
    pub(super) answer: String,
    pub(super) tag: String,
}

/// Makes a resource: a session that enters the room and negotiates.
pub(super) async fn open(
    front: Arc<Front>,
    admission: Admission,
    name: String,
    offer: Offer,
) -> Result<Opened, CallError> {
    let owner = admission.invitation;
    let mut caller = Caller::connect(Arc::clone(&front)).await?;
    let (session, answer) = match enter(&mut caller, admission, name, &offer).await {
        Ok(entered) => entered,
        Err(reason) => {
            caller.leave().await;
            return Err(reason);
        }
    };
    let (requests, waiting) = mpsc::channel(MAX_RESOURCE_REQUESTS);
    front.resources.keepers().insert(session, Keeper { requests, owner });
    let plays = offer.subscriptions.iter().map(|line| line.track).collect();
    let resource =
        Resource { caller, offer, plays, fragment: fragment_of(&answer.sdp), tag: tag_of(&answer) };
    let tag = resource.tag.clone();
    tokio::spawn(async move {
        resource.keep(waiting).await;
        front.resources.keepers().remove(&session);
    });
    Ok(Opened { session, answer: answer.sdp, tag })
}

async fn enter(
    caller: &mut Caller,
    admission: Admission,
    name: String,
    offer: &Offer,
) -> Result<(SessionId, Answer), CallError> {
    let session = caller.hello(admission).await?;
    caller.join(name).await?;
    Ok((session, caller.negotiate(offer.clone()).await?))
}

/// The entity tag of an ICE session: its user name fragment, which is drawn anew with each.
fn tag_of(answer: &Answer) -> String {
    format!("\"{}\"", ufrag_of(&answer.sdp).unwrap_or_default())
}

impl Resources {
    fn keepers(&self) -> MutexGuard<'_, HashMap<SessionId, Keeper>> {
        // A map is whole after every step, so one that a panic left behind is as good as any.
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, session: SessionId, owner: ParticipantId) -> Result<Keeper, Refused> {
        let keepers = self.keepers();
        keepers.get(&session).filter(|keeper| keeper.owner == owner).cloned().ok_or(Refused::Unknown)
    }

    /// Notes candidates, or restarts ICE.
    pub(super) async fn patch(
        &self,
        session: SessionId,
        owner: ParticipantId,
        patch: Patch,
    ) -> Result<Patched, Refused> {
        let keeper = self.of(session, owner)?;
        let (reply, outcome) = oneshot::channel();
        keeper.requests.send(Request::Patch { patch, reply }).await.map_err(|_| Refused::Unknown)?;
        outcome.await.unwrap_or(Err(Refused::Unknown))
    }

    /// Ends a resource.
    pub(super) async fn end(&self, session: SessionId, owner: ParticipantId) -> Result<(), Refused> {
        let keeper = self.of(session, owner)?;
        let (reply, ended) = oneshot::channel();
        keeper.requests.send(Request::End { reply }).await.map_err(|_| Refused::Unknown)?;
        // One that ends by itself meanwhile has ended, too.
        let _ = ended.await;
        Ok(())
    }
}

/// What a resource remembers.
struct Resource {
    caller: Caller,
    offer: Offer,
    /// The tracks that it plays, as far as they go on; none where it publishes.
    plays: Vec<TrackId>,
    /// The gateway's end of the ICE session that counts, and its entity tag.
    fragment: String,
    tag: String,
}

impl Resource {
    async fn keep(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut ended = None;
        loop {
            tokio::select! {
                track = self.caller.ended_track() => match track {
                    Ok(track) if self.has_nothing_left(track) => break,
                    Ok(_) => {}
                    Err(_) => break,
                },
                request = requests.recv() => match request {
                    Some(Request::Patch { patch, reply }) => {
                        // Whoever asked may have gone.
                        let _ = reply.send(self.patch(patch).await);
                    }
                    Some(Request::End { reply }) => {
                        ended = Some(reply);
                        break;
                    }
                    None => break,
                },
            }
        }
        self.caller.leave().await;
        if let Some(reply) = ended {
            let _ = reply.send(());
        }
    }

    /// Whether the last track has ended that it plays: it cannot be given another, and its client asks anew.
    fn has_nothing_left(&mut self, ended: TrackId) -> bool {
        let before = self.plays.len();
        self.plays.retain(|track| *track != ended);
        before > 0 && self.plays.is_empty()
    }

    async fn patch(&mut self, patch: Patch) -> Result<Patched, Refused> {
        let credentials = match patch {
            Patch::Trickle { tags } if tags.contains(&self.tag) => return Ok(Patched::Noted),
            Patch::Trickle { .. } => return Err(Refused::Outdated),
            Patch::Restart(credentials) => credentials,
        };
        // A client whose answer was lost asks again for what it has.
        if ufrag_of(&self.offer.sdp) != Some(&credentials.ufrag) {
            let sdp = with_credentials(&self.offer.sdp, &credentials);
            let offer = Offer { sdp, ..self.offer.clone() };
            let answer = self.caller.negotiate(offer.clone()).await.map_err(Refused::Call)?;
            (self.fragment, self.tag) = (fragment_of(&answer.sdp), tag_of(&answer));
            self.offer = offer;
        }
        Ok(Patched::Restarted { fragment: self.fragment.clone(), tag: self.tag.clone() })
    }
}
