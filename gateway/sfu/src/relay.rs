//! What goes between the workers that one room spans. Everybody who shows something is on the room's home; players may
//! be on other workers, each with a hall of its own that sees the same stage. A hall gets every packet once, in the
//! clear, and seals it for its players; it asks for key frames, and says what its players have a use for.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::id::{ParticipantId, RoomId, TrackId};
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::track::{Role, TrackSource};

use crate::forward::TrackIndex;
use crate::limits::MAX_DATAGRAM;
use crate::room::PayloadTypes;
use crate::rtp::ExtensionMap;
use crate::sdp::{Mid, Rid};

/// A worker of the same process, by its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub usize);

/// What one worker tells another about a room; see [`crate::sfu::Sfu::handle_relay`].
#[derive(Debug, Clone)]
pub struct RelayMessage {
    pub(crate) room: RoomId,
    pub(crate) body: RelayBody,
}

impl RelayMessage {
    /// Whether it is media, which may be lost as on any other way; all else has to arrive.
    #[must_use]
    pub fn is_media(&self) -> bool {
        match self.body {
            RelayBody::Packet(_) | RelayBody::Clock(_) => true,
            RelayBody::Attach
            | RelayBody::Detach
            | RelayBody::Stage(_)
            | RelayBody::KeyFrame { .. }
            | RelayBody::Wish { .. } => false,
        }
    }
}

/// A message on its way.
#[derive(Debug, Clone)]
pub struct RelayOutput {
    /// Who is told.
    pub to: WorkerId,
    /// What.
    pub message: RelayMessage,
}

/// What is told.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "packets are what nearly all of them are, and a box would be an allocation"
)]
pub(crate) enum RelayBody {
    /// To the home: a hall has opened.
    Attach,
    /// To the home: it is empty again.
    Detach,
    /// To a hall: who is on the stage now, and what they show.
    Stage(Arc<Stage>),
    /// To a hall: a packet.
    Packet(RelayedPacket),
    /// To a hall: the clocks of a sender report.
    Clock(RelayedClock),
    /// To the home: players wait for a key frame.
    KeyFrame { track: TrackId, encoding: u8 },
    /// To the home: the most that players have a use for.
    Wish { track: TrackId, rung: Rung },
}

/// Everybody who shows something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) performers: Vec<Performer>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Performer {
    pub(crate) id: ParticipantId,
    pub(crate) role: Role,
    pub(crate) steerable: bool,
    /// What its network is known to be, where more than a claim stands behind it.
    pub(crate) proven_class: Option<NetworkClass>,
    pub(crate) extensions: ExtensionMap,
    pub(crate) payload_types: PayloadTypes,
    pub(crate) shows: Vec<Showing>,
}

/// A track on the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Showing {
    pub(crate) id: TrackId,
    /// Its place in the home; packets name it by that.
    pub(crate) place: TrackIndex,
    pub(crate) source: TrackSource,
    pub(crate) mid: Mid,
    /// None without simulcast.
    pub(crate) rids: Vec<Rid>,
    pub(crate) muted: bool,
}

/// An authentic RTP packet, and where it belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelayedPacket {
    pub(crate) track: TrackIndex,
    pub(crate) encoding: u8,
    /// It repairs the encoding.
    pub(crate) is_repair: bool,
    len: u16,
    bytes: [u8; MAX_DATAGRAM],
}

impl RelayedPacket {
    /// `None` for one that is longer than a datagram.
    pub(crate) fn new(track: TrackIndex, encoding: u8, is_repair: bool, packet: &[u8]) -> Option<Self> {
        let mut relayed = Self {
            track,
            encoding,
            is_repair,
            len: u16::try_from(packet.len()).ok()?,
            bytes: [0; MAX_DATAGRAM],
        };
        relayed.bytes.get_mut(..packet.len())?.copy_from_slice(packet);
        Some(relayed)
    }

    pub(crate) fn packet(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// The clocks of a publisher, as a sender report told them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelayedClock {
    pub(crate) track: TrackIndex,
    pub(crate) encoding: u8,
    pub(crate) ntp: u64,
    pub(crate) rtp_timestamp: u32,
}

/// The home's side: who has a hall, and what they know.
#[derive(Debug, Default)]
pub(crate) struct Halls {
    workers: Vec<WorkerId>,
    told: Option<Arc<Stage>>,
}

impl Halls {
    pub(crate) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// A hall has opened; it knows nothing yet.
    pub(crate) fn attach(&mut self, worker: WorkerId) {
        if !self.workers.contains(&worker) {
            self.workers.push(worker);
        }
        self.told = None;
    }

    pub(crate) fn detach(&mut self, worker: WorkerId) {
        self.workers.retain(|known| *known != worker);
    }

    /// Tells all of the stage, unless they know.
    pub(crate) fn tell_stage(&mut self, room: RoomId, stage: Stage, relays: &mut VecDeque<RelayOutput>) {
        if self.is_empty() || self.told.as_deref() == Some(&stage) {
            return;
        }
        let stage = Arc::new(stage);
        self.told = Some(Arc::clone(&stage));
        self.tell(room, &RelayBody::Stage(stage), relays);
    }

    pub(crate) fn tell(&self, room: RoomId, body: &RelayBody, relays: &mut VecDeque<RelayOutput>) {
        for to in &self.workers {
            relays.push_back(RelayOutput { to: *to, message: RelayMessage { room, body: body.clone() } });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_when_it_changes_and_to_who_comes() {
        let room = RoomId::from_bits(1);
        let (mut halls, mut relays) = (Halls::default(), VecDeque::new());
        halls.tell_stage(room, Stage::default(), &mut relays);
        assert!(relays.is_empty(), "nobody listens");
        halls.attach(WorkerId(1));
        halls.tell_stage(room, Stage::default(), &mut relays);
        halls.tell_stage(room, Stage::default(), &mut relays);
        halls.attach(WorkerId(2));
        halls.tell_stage(room, Stage::default(), &mut relays);
        halls.detach(WorkerId(1));
        halls.tell(room, &RelayBody::Attach, &mut relays);
        assert_eq!(relays.iter().map(|relay| relay.to.0).collect::<Vec<_>>(), [1, 1, 2, 2]);
    }

    #[test]
    fn a_packet_arrives_as_it_left() {
        let relayed = RelayedPacket::new(TrackIndex(3), 1, false, &[7; 1_200]).unwrap();
        assert_eq!(relayed.packet(), [7; 1_200]);
        assert!(RelayedPacket::new(TrackIndex(3), 1, false, &[7; MAX_DATAGRAM + 1]).is_none());
    }
}
