//! One participant on the media plane: its transport, the streams it sends, and everything it is sent.

use std::time::Instant;

use protocol::id::ParticipantId;
use protocol::network_class::NetworkClass;
use protocol::track::Role;

use crate::adapt::Hearing;
use crate::forward::{Egress, SubscriptionIndex, TrackIndex};
use crate::limits::MAX_STREAMS;
use crate::room::arrival_loss::ArrivalLoss;
use crate::room::payload_types::PayloadTypes;
use crate::room::train_meter::TrainMeter;
use crate::room::voices::VoiceLinks;
use crate::rtcp::{KeyFrameAllowance, TwccClock, TwccRecorder};
use crate::rtp::{ExtensionMap, Ssrc};
use crate::sdp::{CodecSet, Mid};
use crate::transport::Transport;

/// Where a stream's packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// They are an encoding's media.
    Media { track: TrackIndex, encoding: usize },
    /// They repair an encoding.
    Repair { track: TrackIndex, encoding: usize },
}

/// What a media description of the participant is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It carries a track of the participant.
    Publishes(TrackIndex),
    /// It carries somebody's track to the participant.
    Subscribes(SubscriptionIndex),
}

/// One participant on the media plane.
pub(super) struct Participant {
    pub(super) id: ParticipantId,
    pub(super) role: Role,
    /// It follows plans.
    pub(super) steerable: bool,
    /// It is on the stage of another worker, which knows its transport.
    pub(super) is_mirrored: bool,
    pub(super) transport: Option<Transport>,
    /// The header extension ids of what it sends.
    pub(super) extensions: ExtensionMap,
    pub(super) payload_types: PayloadTypes,
    /// The pictures that it can decode; `None` where it does with none.
    pub(super) decodes: Option<CodecSet>,
    pub(super) lines: Vec<(Mid, Use)>,
    streams: Vec<(Ssrc, Destination)>,
    pub(super) arrivals: TwccRecorder,
    pub(super) arrival_loss: ArrivalLoss,
    pub(super) trains: TrainMeter,
    pub(super) feedback_clock: TwccClock,
    pub(super) egress: Egress,
    pub(super) voices: VoiceLinks,
    pub(super) key_frame_allowance: KeyFrameAllowance,
    pub(super) class: NetworkClass,
    /// Its media has begun; measured once, for the join time.
    pub(super) has_sent_media: bool,
    /// When something authentic last came from it, and whether others were told of a silence since.
    pub(super) heard_at: Instant,
    pub(super) hearing: Hearing,
    /// When reports to it are due.
    pub(super) report_at: Option<Instant>,
    /// The SSRC that its RTCP goes out under.
    pub(super) rtcp_ssrc: Ssrc,
}

impl Participant {
    pub(super) fn new(now: Instant, id: ParticipantId, role: Role, steerable: bool, rtcp_ssrc: Ssrc) -> Self {
        Self {
            id,
            role,
            steerable,
            is_mirrored: false,
            transport: None,
            extensions: ExtensionMap::default(),
            payload_types: PayloadTypes::default(),
            decodes: None,
            lines: Vec::new(),
            streams: Vec::new(),
            arrivals: TwccRecorder::default(),
            arrival_loss: ArrivalLoss::default(),
            trains: TrainMeter::default(),
            feedback_clock: TwccClock::default(),
            egress: Egress::new(now, NetworkClass::Unknown),
            voices: VoiceLinks::default(),
            key_frame_allowance: KeyFrameAllowance::default(),
            class: NetworkClass::Unknown,
            has_sent_media: false,
            heard_at: now,
            hearing: Hearing::Heard,
            report_at: None,
            rtcp_ssrc,
        }
    }

    /// Whether it only watches, and is no page.
    pub(super) fn is_player(&self) -> bool {
        self.role == Role::Observer && !self.steerable
    }

    /// Where packets of a stream go, if it is known.
    pub(super) fn destination(&self, ssrc: Ssrc) -> Option<Destination> {
        self.streams.iter().find(|(known, _)| *known == ssrc).map(|(_, destination)| *destination)
    }

    /// Some stream of its own, for feedback that has to name one.
    pub(super) fn any_stream(&self) -> Option<Ssrc> {
        self.streams.first().map(|(ssrc, _)| *ssrc)
    }

    /// Binds a stream to where its packets go; `false` where the participant has too many.
    pub(super) fn bind(&mut self, ssrc: Ssrc, destination: Destination) -> bool {
        if self.streams.len() >= MAX_STREAMS {
            return false;
        }
        self.streams.push((ssrc, destination));
        true
    }

    /// Forgets the streams of a track that ended.
    pub(super) fn unbind(&mut self, ended: TrackIndex) {
        let srtp = self.transport.as_mut().and_then(|transport| transport.srtp.as_mut());
        let is_of_it = |destination: &Destination| match destination {
            Destination::Media { track, .. } | Destination::Repair { track, .. } => *track == ended,
        };
        if let Some(srtp) = srtp {
            let gone = self.streams.iter().filter(|(_, destination)| is_of_it(destination));
            gone.for_each(|(ssrc, _)| srtp.forget_stream(*ssrc));
        }
        self.streams.retain(|(_, destination)| !is_of_it(destination));
    }

    /// Forgets every stream: the transport that they came by is gone. Tracks stay, for the next one.
    pub(super) fn forget_streams(&mut self) {
        self.streams.clear();
        self.arrivals = TwccRecorder::default();
        self.feedback_clock = TwccClock::default();
    }

    /// The tracks that it publishes.
    pub(super) fn published(&self) -> impl Iterator<Item = TrackIndex> {
        self.lines.iter().filter_map(|(_, usage)| match usage {
            Use::Publishes(track) => Some(*track),
            Use::Subscribes(_) => None,
        })
    }

    /// The subscription whose media goes out under that SSRC, and its track.
    pub(super) fn subscribed_as(&self, ssrc: Ssrc) -> Option<(SubscriptionIndex, TrackIndex)> {
        let mut subscriptions = self.egress.subscriptions();
        let (place, subscription) = subscriptions.find(|(_, one)| one.line().ssrc == ssrc)?;
        Some((place, subscription.track))
    }

    /// Whether media can flow.
    pub(super) fn is_connected(&self) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.srtp.is_some())
    }
}
