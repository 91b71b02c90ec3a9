//! What all rooms of a worker share: the configuration, the certificate, the source of chance, the
//! directory, and the books in which they write what happened.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;

use protocol::id::{ParticipantId, RoomId};
use protocol::media_message::{MediaEvent, MediaReport};
use rand::rngs::StdRng;
use rtc_crypto::RTCCrypto;

use crate::config::SfuConfig;
use crate::congestion::PacketStatus;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::dtls::DtlsCertificate;
use crate::output::{Output, Path};
use crate::relay::RelayOutput;
use crate::sample::Sample;
use crate::shell_nonce::NonceKey;

/// What all rooms of a worker share.
pub(crate) struct Premises {
    pub(crate) config: SfuConfig,
    pub(crate) certificate: DtlsCertificate,
    pub(crate) rng: StdRng,
    pub(crate) nonces: NonceKey,
    pub(crate) directory: Directory,
    pub(crate) counters: Counters,
    /// What one feedback says, in memory that is used again.
    pub(crate) statuses: Vec<PacketStatus>,
    /// Rooms whose home is another worker: that one tells of them.
    pub(crate) halls: HashSet<RoomId>,
    pub(crate) relays: VecDeque<RelayOutput>,
    /// The last datagrams to those who are gone, one each: they leave with the next fill.
    pub(crate) farewells: VecDeque<(SocketAddr, Vec<u8>)>,
    outputs: VecDeque<Output>,
}

impl Premises {
    pub(crate) fn new(
        config: SfuConfig,
        certificate: DtlsCertificate,
        nonces: NonceKey,
        rng: StdRng,
    ) -> Self {
        Self {
            config,
            certificate,
            rng,
            nonces,
            directory: Directory::default(),
            counters: Counters::default(),
            statuses: Vec::new(),
            halls: HashSet::new(),
            relays: VecDeque::new(),
            farewells: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.certificate.crypto()
    }

    pub(crate) fn report(&mut self, room: RoomId, report: MediaReport) {
        if self.halls.contains(&room) && is_of_the_stage(&report) {
            return;
        }
        self.outputs.push_back(Output::Event(MediaEvent { room, report }));
    }

    /// Says where a participant's media comes from.
    pub(crate) fn path(&mut self, room: RoomId, participant: ParticipantId, address: Option<SocketAddr>) {
        self.outputs.push_back(Output::Path(Path { room, participant, address }));
    }

    pub(crate) fn sample(&mut self, sample: Sample) {
        self.outputs.push_back(Output::Sample(sample));
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// Whether a report is about what everybody in a room sees, or those who show it.
fn is_of_the_stage(report: &MediaReport) -> bool {
    match report {
        MediaReport::Negotiated { .. }
        | MediaReport::Transport { .. }
        | MediaReport::NetworkClass { .. }
        | MediaReport::Quality { .. } => false,
        MediaReport::TrackPublished(_)
        | MediaReport::TrackUnpublished(_)
        | MediaReport::TrackMuted(_)
        | MediaReport::ActiveSpeaker { .. }
        | MediaReport::UplinkPlan { .. }
        | MediaReport::VoicePlan { .. }
        | MediaReport::CodecPlan { .. }
        | MediaReport::RoomCodecs { .. }
        | MediaReport::Decisions(_) => true,
    }
}
