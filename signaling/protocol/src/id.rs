//! Opaque ids: 128 random bits, written as 26 characters of lower-case Crockford base 32.
//! They carry no meaning, so they may be logged; who draws the bits passes them in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of an id in text: 26 × 5 bits hold 128 bits.
const TEXT_LENGTH: usize = 26;

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of {TEXT_LENGTH} base 32 characters")]
pub struct ParseIdError;

fn encode(bits: u128) -> String {
    (0..TEXT_LENGTH)
        .rev()
        .map(|position| char::from(ALPHABET[(bits >> (position * 5)) as usize & 31]))
        .collect()
}

fn decode(text: &str) -> Result<u128, ParseIdError> {
    // 26 characters carry 130 bits, so the first one may only use its low three.
    if text.len() != TEXT_LENGTH || text.as_bytes()[0] > b'7' {
        return Err(ParseIdError);
    }
    text.bytes().try_fold(0, |bits: u128, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte).ok_or(ParseIdError)?;
        Ok(bits << 5 | digit as u128)
    })
}

macro_rules! opaque_id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, TS)]
        #[ts(type = "string")]
        pub struct $name(u128);

        impl $name {
            /// Makes an id of 128 random bits.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The bits it was made of.
            #[must_use]
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                decode(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Owned, so that a text with JSON escapes is refused by `decode` and not by serde.
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

opaque_id! {
    /// A consult: the medical appointment, known to the signaling plane only.
    ConsultId,
    /// A room: the media-plane home of one consult.
    RoomId,
    /// A participant: one person on one device in a room.
    ParticipantId,
    /// A session: one resumable signaling lifetime of a participant.
    SessionId,
    /// A track: one audio, camera or screen source.
    TrackId,
    /// A nonce that ties the signed reports of a shell to one transport of one participant.
    ShellNonce,
}

impl From<ConsultId> for RoomId {
    fn from(consult: ConsultId) -> Self {
        Self(consult.0)
    }
}

impl From<RoomId> for ConsultId {
    fn from(room: RoomId) -> Self {
        Self(room.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for bits in [0, 1, 31, 32, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = TrackId::from_bits(bits);
            assert_eq!(id.to_string().len(), TEXT_LENGTH);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        let too_big = "8".to_owned() + &"0".repeat(25);
        for text in ["", "0", "il", &"o".repeat(26), &too_big, &"é".repeat(13)] {
            assert_eq!(text.parse::<TrackId>(), Err(ParseIdError), "{text:?}");
        }
    }
}
