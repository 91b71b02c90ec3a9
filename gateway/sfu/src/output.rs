//! What the media plane tells its shell: each output is said once and asks for no answer.

use std::fmt;
use std::net::SocketAddr;

use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::MediaEvent;

use crate::sample::Sample;

/// What the media plane wants done or known.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To the signaling plane.
    Event(MediaEvent),
    /// To the metrics.
    Sample(Sample),
    /// To whoever asks the mobile network operator; to nobody else.
    Path(Path),
}

/// Where the media of a participant comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The room.
    pub room: RoomId,
    /// The participant.
    pub participant: ParticipantId,
    /// The address as the gateway sees it, behind whatever NAT there is; `None` once the transport is gone.
    pub address: Option<SocketAddr>,
}

/// Never prints the address.
impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room, participant, address } = self;
        let known = address.is_some();
        f.debug_struct("Path")
            .field("room", room)
            .field("participant", participant)
            .field("known", &known)
            .finish()
    }
}
