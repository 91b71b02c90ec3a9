//! Compound RTCP (RFC 3550 §6, RFC 4585, transport-wide feedback): well-formed, and with counts and lengths that lie.

use rand::RngExt as _;
use rand::rngs::StdRng;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// The format of transport-wide congestion control feedback.
const TRANSPORT_WIDE: u8 = 15;

/// One compound packet holds at most this many bytes.
const MAX_COMPOUND: usize = 1_400;

/// A compound packet that is right in every length.
pub(crate) fn compound(rng: &mut StdRng) -> Vec<u8> {
    let mut raw = one(rng);
    while raw.len() < MAX_COMPOUND && rng.random_bool(0.5) {
        let next = one(rng);
        if raw.len() + next.len() > MAX_COMPOUND {
            break;
        }
        raw.extend(next);
    }
    raw
}

/// A compound packet of which one length or count lies.
pub(crate) fn lying_compound(rng: &mut StdRng) -> Vec<u8> {
    let mut raw = compound(rng);
    match rng.random_range(0..3) {
        0 => {
            let length: u16 = [0, 1, 0x7fff, 0xffff, rng.random()][rng.random_range(0..5)];
            raw[2..4].copy_from_slice(&length.to_be_bytes());
        }
        1 => raw[0] = raw[0] & 0xe0 | rng.random_range(0..32),
        // A padding bit whose count is whatever the last byte happens to be.
        _ => raw[0] |= 0x20,
    }
    raw
}

/// Transport-wide feedback whose count and chunks promise more than it holds.
pub(crate) fn absurd_feedback(rng: &mut StdRng) -> Vec<u8> {
    let base: u16 = [0, 0xffff, 0x8000, rng.random()][rng.random_range(0..4)];
    let count: u16 = [0, 1, 0xfffe, 0xffff, rng.random()][rng.random_range(0..5)];
    let mut chunks = Vec::new();
    for _ in 0..rng.random_range(0..200) {
        let run = [0x1fff, 0x3fff, 0x5fff, 0x7fff, 0x2001, rng.random()][rng.random_range(0..6)];
        chunks.extend(u16::to_be_bytes(run));
    }
    let deltas = rng.random_range(0..600);
    chunks.extend((0..deltas).map(|_| rng.random::<u8>()));
    feedback_of(base, count, &chunks, rng)
}

fn one(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..10) {
        0 => reports(SENDER_REPORT, rng),
        1 => reports(RECEIVER_REPORT, rng),
        2 => packet(SOURCE_DESCRIPTION, 1, &[0, 0, 0, 7, 1, 4, b'a', b'b', b'c', b'd', 0, 0]),
        3 => packet(GOODBYE, 1, &[0, 0, 0, 7]),
        4 => feedback(TRANSPORT_FEEDBACK, 1, &words(rng, 1..40), rng),
        5 => feedback(PAYLOAD_FEEDBACK, 1, &[], rng),
        6 => feedback(PAYLOAD_FEEDBACK, 4, &words(rng, 2..9), rng),
        7 => {
            let mut estimate = vec![b'R', b'E', b'M', b'B', 1];
            estimate.extend(rng.random::<[u8; 7]>());
            feedback(PAYLOAD_FEEDBACK, 15, &estimate, rng)
        }
        8 => packet(EXTENDED_REPORT, 0, &[&[0, 0, 0, 7, 4, 0, 0, 2][..], &rng.random::<[u8; 8]>()].concat()),
        // One run of 20 packets with small deltas.
        _ => {
            let deltas: [u8; 20] = rng.random();
            let base = rng.random();
            feedback_of(base, 20, &[&[0x20, 20][..], &deltas].concat(), rng)
        }
    }
}

fn reports(kind: u8, rng: &mut StdRng) -> Vec<u8> {
    let count = rng.random_range(0..=31_u8);
    let sender_info = if kind == SENDER_REPORT { 20 } else { 0 };
    let length = 4 + sender_info + usize::from(count) * 24;
    let body: Vec<u8> = (0..length).map(|_| rng.random()).collect();
    packet(kind, count, &body)
}

fn words(rng: &mut StdRng, count: std::ops::Range<usize>) -> Vec<u8> {
    (0..rng.random_range(count) * 4).map(|_| rng.random()).collect()
}

fn feedback(kind: u8, format: u8, message: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut body = rng.random_range(1..64_u32).to_be_bytes().to_vec();
    body.extend(rng.random_range(1..64_u32).to_be_bytes());
    body.extend(message);
    packet(kind, format, &body)
}

fn feedback_of(base: u16, count: u16, chunks: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut message = base.to_be_bytes().to_vec();
    message.extend(count.to_be_bytes());
    message.extend(rng.random::<[u8; 4]>());
    message.extend(chunks);
    feedback(TRANSPORT_FEEDBACK, TRANSPORT_WIDE, &message, rng)
}

fn packet(kind: u8, count: u8, body: &[u8]) -> Vec<u8> {
    let words = body.len().div_ceil(4);
    let mut raw = vec![0x80 | count & 0x1f, kind];
    raw.extend(u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes());
    raw.extend(body);
    raw.resize(4 + words * 4, 0);
    raw
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    /// The packets of a compound by their length fields; `None` where these do not end with it.
    fn kinds(mut raw: &[u8]) -> Option<Vec<u8>> {
        let mut kinds = Vec::new();
        while !raw.is_empty() {
            let length = 4 + 4 * usize::from(u16::from_be_bytes([*raw.get(2)?, *raw.get(3)?]));
            kinds.push(raw[1]);
            raw = raw.get(length..)?;
        }
        Some(kinds)
    }

    #[test]
    fn compounds_hold_together_until_they_lie() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut seen, mut broken) = (std::collections::BTreeSet::new(), 0);
        for _ in 0..1_000 {
            let raw = compound(&mut rng);
            assert!(raw.len() <= 1_500);
            seen.extend(kinds(&raw).expect("lengths that fit"));
            broken += usize::from(kinds(&lying_compound(&mut rng)).is_none());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 201, 202, 203, 205, 206, 207]);
        assert!(broken > 200, "{broken} of 1000 lie about a length");
    }

    #[test]
    fn absurd_feedback_fits_a_datagram() {
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..1_000 {
            let raw = absurd_feedback(&mut rng);
            assert!(raw[1] == TRANSPORT_FEEDBACK && raw.len() <= 1_500, "{} bytes", raw.len());
        }
    }
}
