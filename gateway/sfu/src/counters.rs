//! What the media plane counts per packet: plain integers of one thread, read once a second.

use std::time::Duration;

use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::RungReason;
use protocol::track::{MediaKind, Role};

/// Counts since the start. Each only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// RTP that arrived and was authentic.
    pub ingress: RtpCounts,
    /// RTP that left.
    pub egress: RtpCounts,
    /// Bytes of retransmissions received.
    pub retransmitted_bytes_in: u64,
    /// Bytes of retransmissions sent.
    pub retransmitted_bytes_out: u64,
    /// Bytes of earlier frames that voices carried again to subscribers.
    pub redundant_bytes_out: u64,
    /// Voice packets that were lost on the way here and came within later ones.
    pub voice_packets_recovered: u64,
    /// Bytes of padding sent to probe.
    pub padding_bytes_out: u64,
    /// NACKed packets asked of publishers.
    pub nacks_out: u64,
    /// NACKed packets that subscribers asked for.
    pub nacks_in: u64,
    /// Key frames asked of publishers.
    pub key_frame_requests_out: u64,
    /// Key frames that subscribers asked for.
    pub key_frame_requests_in: u64,
    /// How long forwarded packets stayed inside, from the socket that read them to the slab.
    pub forward_delay: DelayHistogram,
    /// Datagrams dropped, by reason, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
}

impl Counters {
    pub(crate) fn drop_one(&mut self, reason: DropReason) {
        self.dropped[reason as usize] += 1;
    }
}

/// A histogram of delays with fixed bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DelayHistogram {
    /// Delays up to each of [`Self::BOUNDS`], and beyond the last one; not cumulative.
    pub buckets: [u64; Self::BOUNDS.len() + 1],
    /// Sum of all delays.
    pub total: Duration,
}

impl DelayHistogram {
    /// Upper bounds of the buckets.
    pub const BOUNDS: [Duration; 11] = [
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
    ];

    pub(crate) fn record(&mut self, delay: Duration) {
        let bucket = Self::BOUNDS.iter().position(|bound| delay <= *bound).unwrap_or(Self::BOUNDS.len());
        self.buckets[bucket] += 1;
        self.total += delay;
    }
}

/// Packets and bytes of RTP, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RtpCounts {
    /// Audio packets.
    pub audio_packets: u64,
    /// Audio bytes.
    pub audio_bytes: u64,
    /// Video packets.
    pub video_packets: u64,
    /// Video bytes.
    pub video_bytes: u64,
}

impl RtpCounts {
    pub(crate) fn count(&mut self, kind: MediaKind, bytes: usize) {
        match kind {
            MediaKind::Audio => {
                self.audio_packets += 1;
                self.audio_bytes += bytes as u64;
            }
            MediaKind::Video => {
                self.video_packets += 1;
                self.video_bytes += bytes as u64;
            }
        }
    }
}

/// Why a datagram, or a packet in it, went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Empty, or of no protocol that shares the port (RFC 7983).
    UnknownProtocol,
    /// Not STUN, from an address that has passed no authenticated check.
    UnvalidatedSource,
    /// STUN that cannot be parsed.
    StunMalformed,
    /// STUN with no known user name, or whose MESSAGE-INTEGRITY does not verify.
    StunUnauthenticated,
    /// DTLS that the association refused.
    DtlsRefused,
    /// SRTP before the keys are there.
    NoKeys,
    /// SRTP or SRTCP that does not authenticate.
    SrtpAuthentication,
    /// SRTP or SRTCP seen before.
    SrtpReplayed,
    /// RTP or RTCP that cannot be parsed.
    RtpMalformed,
    /// RTP of a stream that was not negotiated.
    UnknownStream,
    /// More streams than a participant may have.
    TooManyStreams,
    /// The pacer's queue of a subscriber was full: old video went.
    PacerFull,
    /// A retransmission beyond its budget, too old to help, or of an encoding that a lower one replaced.
    RetransmissionBudget,
    /// Media of a codec that the subscriber did not negotiate; counted for each who does not get it.
    CodecNotNegotiated,
    /// Between workers that one room spans, where a queue was full.
    RelayFull,
}

impl DropReason {
    /// Every reason, in the order of their discriminants.
    pub const ALL: [Self; 15] = [
        Self::UnknownProtocol,
        Self::UnvalidatedSource,
        Self::StunMalformed,
        Self::StunUnauthenticated,
        Self::DtlsRefused,
        Self::NoKeys,
        Self::SrtpAuthentication,
        Self::SrtpReplayed,
        Self::RtpMalformed,
        Self::UnknownStream,
        Self::TooManyStreams,
        Self::PacerFull,
        Self::RetransmissionBudget,
        Self::CodecNotNegotiated,
        Self::RelayFull,
    ];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownProtocol => "unknown_protocol",
            Self::UnvalidatedSource => "unvalidated_source",
            Self::StunMalformed => "stun_malformed",
            Self::StunUnauthenticated => "stun_unauthenticated",
            Self::DtlsRefused => "dtls_refused",
            Self::NoKeys => "no_keys",
            Self::SrtpAuthentication => "srtp_authentication",
            Self::SrtpReplayed => "srtp_replayed",
            Self::RtpMalformed => "rtp_malformed",
            Self::UnknownStream => "unknown_stream",
            Self::TooManyStreams => "too_many_streams",
            Self::PacerFull => "pacer_full",
            Self::RetransmissionBudget => "retransmission_budget",
            Self::CodecNotNegotiated => "codec_not_negotiated",
            Self::RelayFull => "relay_full",
        }
    }
}

/// What is there at this moment; the gateway reads it once a second for its gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Rooms.
    pub rooms: usize,
    /// Participants per room, one entry a room.
    pub room_sizes: Vec<usize>,
    /// Participants by role, in the order of [`Role::ALL`].
    pub participants: [usize; Role::ALL.len()],
    /// Participants by network class, in the order of [`NetworkClass::ALL`].
    pub network_classes: [usize; NetworkClass::ALL.len()],
    /// Published audio tracks.
    pub audio_tracks: usize,
    /// Published video tracks.
    pub video_tracks: usize,
    /// Audio subscriptions.
    pub audio_subscriptions: usize,
    /// Video subscriptions by the rung they get, in the order of [`Rung::ALL`].
    pub video_subscriptions: [usize; Rung::ALL.len()],
    /// Video subscriptions by what holds them at their rung, in the order of [`RungReason::ALL`].
    pub rung_reasons: [usize; RungReason::ALL.len()],
    /// Video subscriptions with HD permission.
    pub hd_permitted: usize,
}
