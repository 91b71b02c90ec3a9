//! The resource that a `POST` makes: a session, and the task that keeps it until a `DELETE`, the end of its media or
//! the end of the consult.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::id::{ParticipantId, SessionId};
use protocol::media_message::{Answer, Offer};
use protocol::server_message::RoomSnapshot;
use tokio::sync::{mpsc, oneshot};

use super::caller::{CallError, Caller};
use super::ice_fragment::{IceFragment, fragment_of, ufrag_of, with_credentials};
use crate::consult::Admission;
use crate::front::Front;

/// Requests to one resource that wait; a client has no reason to send more than one at a time.
const MAX_WAITING: usize = 4;

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
    Patch { condition: Condition, fragment: IceFragment, reply: oneshot::Sender<Result<Patched, Refused>> },
    End { reply: oneshot::Sender<()> },
}

/// Which version of a resource a request is for (`If-Match`, RFC 9110 §13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Any,
    Tag(String),
}

/// What became of a `PATCH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Patched {
    /// Candidates, which a lite agent does not need.
    Noted,
    /// Another ICE session began.
    Restarted { fragment: String, tag: String },
}

/// Why a request to a resource came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is none of that id, or it is somebody else's.
    Unknown,
    /// It is about an ICE session that is over.
    Outdated,
    /// A restart without a password.
    Incomplete,
    Call(CallError),
}

/// A new resource.
pub(super) struct Opened {
    pub(super) session: SessionId,
    pub(super) answer: String,
    pub(super) tag: String,
}

/// Why there is none.
pub(super) enum NotOpened {
    /// The offer sends nothing, or there is nothing that it could receive.
    Pointless,
    Call(CallError),
}

impl From<CallError> for NotOpened {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Makes a resource: a session that enters the room and negotiates. `offer` says what the descriptions are for, and
/// `None` where they are for nothing.
pub(super) async fn open(
    front: Arc<Front>,
    owner: ParticipantId,
    admission: Admission,
    offer: impl FnOnce(&RoomSnapshot) -> Option<Offer>,
) -> Result<Opened, NotOpened> {
    let given = admission.name.as_ref().map(|name| name.reveal().clone());
    let name = given.unwrap_or_else(|| admission.role.as_str().to_owned());
    let mut caller = Caller::connect(Arc::clone(&front)).await?;
    let entered = enter(&mut caller, admission, name, offer).await;
    let (session, offer, answer) = match entered {
        Ok(entered) => entered,
        Err(reason) => {
            caller.leave().await;
            return Err(reason);
        }
    };
    let (requests, waiting) = mpsc::channel(MAX_WAITING);
    front.resources.insert(session, Keeper { requests, owner });
    let tag = tag_of(&answer);
    let resource = Resource { caller, offer, tag: tag.clone() };
    tokio::spawn(async move {
        resource.keep(waiting).await;
        front.resources.remove(session);
    });
    Ok(Opened { session, answer: answer.sdp, tag })
}

async fn enter(
    caller: &mut Caller,
    admission: Admission,
    name: String,
    offer: impl FnOnce(&RoomSnapshot) -> Option<Offer>,
) -> Result<(SessionId, Offer, Answer), NotOpened> {
    let session = caller.hello(admission).await?;
    let snapshot = caller.join(name).await?;
    let offer = offer(&snapshot).ok_or(NotOpened::Pointless)?;
    let answer = caller.negotiate(offer.clone()).await?;
    Ok((session, offer, answer))
}

/// The entity tag of an ICE session: its user name fragment, which is drawn anew with each.
fn tag_of(answer: &Answer) -> String {
    format!("\"{}\"", ufrag_of(&answer.sdp).unwrap_or_default())
}

impl Resources {
    fn insert(&self, session: SessionId, keeper: Keeper) {
        self.keepers().insert(session, keeper);
    }

    fn remove(&self, session: SessionId) {
        self.keepers().remove(&session);
    }

    fn of(&self, session: SessionId, owner: ParticipantId) -> Result<Keeper, Refused> {
        let keepers = self.keepers();
        keepers.get(&session).filter(|keeper| keeper.owner == owner).cloned().ok_or(Refused::Unknown)
    }

    fn keepers(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Keeper>> {
        // A map is whole after every step, so one that a panic left behind is as good as any.
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes candidates, or restarts ICE.
    pub(super) async fn patch(
        &self,
        session: SessionId,
        owner: ParticipantId,
        condition: Condition,
        fragment: IceFragment,
    ) -> Result<Patched, Refused> {
        let keeper = self.of(session, owner)?;
        let (reply, outcome) = oneshot::channel();
        let request = Request::Patch { condition, fragment, reply };
        keeper.requests.send(request).await.map_err(|_| Refused::Unknown)?;
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
    tag: String,
}

impl Resource {
    async fn keep(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut ended = None;
        loop {
            let request = tokio::select! {
                () = self.caller.until_over() => break,
                request = requests.recv() => request,
            };
            match request {
                Some(Request::Patch { condition, fragment, reply }) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.patch(&condition, fragment).await);
                }
                Some(Request::End { reply }) => {
                    ended = Some(reply);
                    break;
                }
                None => break,
            }
        }
        self.caller.leave().await;
        if let Some(reply) = ended {
            let _ = reply.send(());
        }
    }

    async fn patch(&mut self, condition: &Condition, fragment: IceFragment) -> Result<Patched, Refused> {
        if let Condition::Tag(tag) = condition
            && *tag != self.tag
        {
            return Err(Refused::Outdated);
        }
        let Some(ufrag) = fragment.ufrag.filter(|ufrag| ufrag_of(&self.offer.sdp).as_ref() != Some(ufrag))
        else {
            return Ok(Patched::Noted);
        };
        let password = fragment.password.ok_or(Refused::Incomplete)?;
        let sdp = with_credentials(&self.offer.sdp, &ufrag, &password);
        let offer = Offer { sdp, ..self.offer.clone() };
        let answer = self.caller.negotiate(offer.clone()).await.map_err(Refused::Call)?;
        self.offer = offer;
        self.tag = tag_of(&answer);
        Ok(Patched::Restarted { fragment: fragment_of(&answer.sdp), tag: self.tag.clone() })
    }
}
