//! What is particular to voices: redundancy where a link loses packets (RFC 2198), and how a call sounds
//! (ITU-T G.107). The SFU wraps and unwraps by itself, so that each leg has what its own link needs.

pub mod e_model;
mod fates;
mod leg;
mod passengers;
mod recovery;
mod redundancy;
mod redundant_payload;
mod repeats;
mod voice_rate;

pub(crate) use leg::VoiceLeg;
pub(crate) use passengers::Passengers;
pub(crate) use recovery::{Earlier, MAX_EARLIER, recoverable};
pub(crate) use redundancy::{Redundancy, RedundancyControl};
pub(crate) use redundant_payload::RedundantPayload;
pub(crate) use repeats::Repeats;
pub(crate) use voice_rate::{VoiceRate, VoiceRateControl};
