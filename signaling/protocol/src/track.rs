//! Tracks and the participants that publish them, as both edges name them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::{ParticipantId, TrackId};

/// What a track shows or carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// The participant's voice.
    Microphone,
    /// The participant's camera.
    Camera,
    /// A shared screen or image.
    Screen,
}

impl TrackSource {
    /// Whether it is heard or seen.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Microphone => MediaKind::Audio,
            Self::Camera | Self::Screen => MediaKind::Video,
        }
    }
}

/// Audio or video, as in an SDP media description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Heard.
    Audio,
    /// Seen.
    Video,
}

/// What a participant is in the consult; it orders priorities and, later, rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A doctor, nurse or specialist.
    Clinician,
    /// The patient.
    Patient,
    /// An interpreter.
    Interpreter,
    /// A relative or carer.
    Family,
    /// Somebody who only watches.
    Observer,
    /// A machine, such as an exam camera.
    Device,
}

impl Role {
    /// Every role, in the order of metrics.
    pub const ALL: [Self; 6] =
        [Self::Clinician, Self::Patient, Self::Interpreter, Self::Family, Self::Observer, Self::Device];

    /// The word used on the wire, in metrics and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clinician => "clinician",
            Self::Patient => "patient",
            Self::Interpreter => "interpreter",
            Self::Family => "family",
            Self::Observer => "observer",
            Self::Device => "device",
        }
    }
}

/// A published track, as subscribers are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Track {
    /// Its id.
    pub id: TrackId,
    /// Who publishes it.
    pub publisher: ParticipantId,
    /// What it shows.
    pub source: TrackSource,
    /// The publisher has muted it.
    pub muted: bool,
}
