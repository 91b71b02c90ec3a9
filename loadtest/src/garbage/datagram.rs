//! The n-th hostile datagram of a seed: drawn alone, so that one of a hundred thousand can be made again.

use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::mutation::mutate;
use super::stun::{self, IceKey};
use super::{dtls, rtcp, rtp};

/// The largest datagram that is sent: what a path of 1500 bytes carries in one piece.
pub(crate) const MAX_DATAGRAM: usize = 1_472;

/// The seal of SRTP takes up to 32 bytes more.
const MAX_SEALED: usize = MAX_DATAGRAM - 32;

/// Sources (SSRC) of a participant's media: fewer than a gateway may allow, so that they get past that limit.
const SEALED_SOURCES: u32 = 12;

/// Of well-formed seeds, so many are spoiled before they are sent.
const SPOILED: f64 = 0.5;

/// What a datagram looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Noise,
    Check,
    HostileCheck,
    ClientHello,
    HostileRecord,
    Rtp,
    Rtcp,
    LyingRtcp,
    TransportFeedback,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Noise,
        Self::Check,
        Self::HostileCheck,
        Self::ClientHello,
        Self::HostileRecord,
        Self::Rtp,
        Self::Rtcp,
        Self::LyingRtcp,
        Self::TransportFeedback,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Noise => "random bytes",
            Self::Check => "STUN check",
            Self::HostileCheck => "STUN check, hostile",
            Self::ClientHello => "DTLS ClientHello",
            Self::HostileRecord => "DTLS records, hostile",
            Self::Rtp => "RTP",
            Self::Rtcp => "RTCP compound",
            Self::LyingRtcp => "RTCP, lengths that lie",
            Self::TransportFeedback => "RTCP, absurd feedback",
        })
    }
}

/// What the sender knows of the gateway's secrets.
#[derive(Clone)]
pub(crate) enum Knowledge {
    /// Nothing.
    Nothing,
    /// A user name fragment that the gateway drew, without its password.
    Fragment(String),
    /// A fragment with its password: some of the checks are authentic.
    Key(IceKey),
}

/// A datagram to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
}

/// A generator for one thing of a numbered series.
pub(crate) fn dice(seed: u64, number: u64) -> StdRng {
    // The multiplier of Knuth's MMIX generator keeps neighbouring numbers of neighbouring seeds apart.
    StdRng::seed_from_u64(seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number))
}

/// The datagram of this number.
pub(crate) fn nth(seed: u64, number: u64, knowledge: &Knowledge) -> Datagram {
    let mut rng = dice(seed, number);
    let kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
    let invented = IceKey::invented(&mut rng);
    let key = match knowledge {
        Knowledge::Nothing => invented,
        Knowledge::Fragment(ufrag) => IceKey { ufrag: ufrag.clone(), ..invented },
        Knowledge::Key(key) => key.clone(),
    };
    let mut bytes = match kind {
        Kind::Noise => noise(number, &mut rng),
        Kind::Check => stun::check(&key, &mut rng),
        Kind::HostileCheck => stun::hostile_check(&key.ufrag, &mut rng),
        Kind::ClientHello => dtls::client_hello(&mut rng),
        Kind::HostileRecord => dtls::hostile_record(&mut rng),
        Kind::Rtp => rtp::packet(&mut rng),
        Kind::Rtcp => rtcp::compound(&mut rng),
        Kind::LyingRtcp => rtcp::lying_compound(&mut rng),
        Kind::TransportFeedback => rtcp::absurd_feedback(&mut rng),
    };
    if kind != Kind::Noise && rng.random_bool(SPOILED) {
        mutate(&mut bytes, MAX_DATAGRAM, &mut rng);
    }
    bytes.truncate(MAX_DATAGRAM);
    Datagram { kind, bytes }
}

/// The media of this number, as a participant would seal it: RTP whose streams go on, and RTCP.
pub(crate) fn nth_media(seed: u64, number: u64) -> Datagram {
    let mut rng = dice(seed, number);
    let (kind, mut bytes) = match rng.random_range(0..8) {
        0..=3 => (Kind::Rtp, rtp::packet(&mut rng)),
        4 => (Kind::Rtcp, rtcp::compound(&mut rng)),
        5 => (Kind::LyingRtcp, rtcp::lying_compound(&mut rng)),
        _ => (Kind::TransportFeedback, rtcp::absurd_feedback(&mut rng)),
    };
    // The source stands in the third word of RTP and in the second of RTCP.
    let at = if kind == Kind::Rtp { 8 } else { 4 };
    if let Some(source) = bytes.get_mut(at..at + 4) {
        source.copy_from_slice(&rng.random_range(1..=SEALED_SOURCES).to_be_bytes());
    }
    if kind == Kind::Rtp
        && let Some(sequence) = bytes.get_mut(2..4)
    {
        sequence.copy_from_slice(&number.to_be_bytes()[6..]);
    }
    if rng.random_bool(SPOILED / 2.0) {
        mutate(&mut bytes, MAX_SEALED, &mut rng);
    }
    bytes.truncate(MAX_SEALED);
    Datagram { kind, bytes }
}

/// Random bytes of any length; neighbours begin with every first byte in turn.
fn noise(number: u64, rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(0..=MAX_DATAGRAM)];
    rng.fill(&mut bytes[..]);
    if let Some(first) = bytes.first_mut() {
        *first = number.to_le_bytes()[0];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_number_of_a_seed_is_always_the_same_datagram() {
        for number in 0..200 {
            assert_eq!(nth(7, number, &Knowledge::Nothing), nth(7, number, &Knowledge::Nothing));
        }
        assert!((0..200).all(|number| nth_media(7, number) == nth_media(7, number)));
        let differing = (0..200).filter(|number| {
            nth(7, *number, &Knowledge::Nothing).bytes != nth(8, *number, &Knowledge::Nothing).bytes
        });
        assert!(differing.count() > 190);
    }

    #[test]
    fn every_kind_and_first_byte_comes_and_none_is_too_long() {
        let (mut kinds, mut first, mut longest) = (BTreeSet::new(), BTreeSet::new(), 0);
        for number in 0..20_000 {
            let datagram = nth(1, number, &Knowledge::Nothing);
            kinds.insert(datagram.kind);
            first.extend(datagram.bytes.first().copied());
            longest = longest.max(datagram.bytes.len());
            assert!(nth_media(1, number).bytes.len() <= MAX_SEALED);
        }
        assert_eq!(kinds.len(), Kind::ALL.len());
        assert_eq!(first.len(), 256);
        assert!((MAX_DATAGRAM - 10..=MAX_DATAGRAM).contains(&longest), "{longest}");
    }
}
