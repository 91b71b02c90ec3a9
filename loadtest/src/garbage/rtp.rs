//! RTP packets that look like each payload the gateway forwards (RFC 3550 §5.1, RFC 8285), sealed by nobody.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// What the payload of a packet looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Opus,
    Vp8,
    Vp9,
    H264,
    Av1,
    Retransmission,
    Padding,
    Nothing,
}

const PAYLOADS: [Payload; 8] = [
    Payload::Opus,
    Payload::Vp8,
    Payload::Vp9,
    Payload::H264,
    Payload::Av1,
    Payload::Retransmission,
    Payload::Padding,
    Payload::Nothing,
];

/// The longest payload; with header and extensions it fits a datagram.
const MAX_PAYLOAD: usize = 1_150;

/// A packet of any payload, with or without header extensions.
pub(crate) fn packet(rng: &mut StdRng) -> Vec<u8> {
    let payload = PAYLOADS[rng.random_range(0..PAYLOADS.len())];
    let sources = if rng.random_bool(0.05) { rng.random_range(0..=15_u8) } else { 0 };
    let extended: bool = rng.random();
    let mut raw = vec![
        0x80 | u8::from(payload == Payload::Padding) << 5 | u8::from(extended) << 4 | sources,
        u8::from(rng.random::<bool>()) << 7 | payload_type(payload),
    ];
    raw.extend(rng.random::<[u8; 2]>());
    raw.extend(rng.random::<[u8; 4]>());
    // Few sources, so that streams go on.
    raw.extend(rng.random_range(1..64_u32).to_be_bytes());
    raw.extend((0..usize::from(sources) * 4).map(|_| rng.random::<u8>()));
    if extended {
        raw.extend(extensions(rng));
    }
    raw.extend(contents(payload, rng));
    raw
}

fn payload_type(payload: Payload) -> u8 {
    match payload {
        Payload::Opus => 111,
        Payload::Vp8 | Payload::Padding | Payload::Nothing => 96,
        Payload::Vp9 => 98,
        Payload::H264 => 102,
        Payload::Av1 => 45,
        Payload::Retransmission => 97,
    }
}

/// An extension block, with one-byte or two-byte headers, whose elements fit or do not.
fn extensions(rng: &mut StdRng) -> Vec<u8> {
    let two_bytes: bool = rng.random_bool(0.3);
    let mut elements = Vec::new();
    if rng.random() {
        // The right `mid` and `rid`, by the numbers of the offer, so that a packet finds its stream.
        let rid = b"lmh"[rng.random_range(0..3)];
        match two_bytes {
            true => elements.extend([4, 1, b'1', 10, 1, rid]),
            false => elements.extend([0x40, b'1', 0xa0, rid]),
        }
    }
    for _ in 0..rng.random_range(0..6) {
        let length = rng.random_range(1..=16_u8);
        match two_bytes {
            true => elements.extend([rng.random_range(1..=14), length]),
            false => elements.push(rng.random_range(1..=15_u8) << 4 | (length - 1)),
        }
        elements.extend((0..length).map(|_| rng.random::<u8>()));
    }
    elements.resize(elements.len().next_multiple_of(4), 0);
    let words = u16::try_from(elements.len() / 4).unwrap_or(u16::MAX);
    let mut block = if two_bytes { vec![0x10, 0x00] } else { vec![0xbe, 0xde] };
    block.extend(words.to_be_bytes());
    block.extend(elements);
    block
}

fn contents(payload: Payload, rng: &mut StdRng) -> Vec<u8> {
    let mut noise = |from: usize, to: usize| -> Vec<u8> {
        (0..rng.random_range(from..to)).map(|_| rng.random()).collect()
    };
    let (head, body): (&[u8], Vec<u8>) = match payload {
        Payload::Opus => (&[0xf8], noise(2, 160)),
        // X, S, partition 0; I, L, T, K; 15-bit picture id; a key frame's start code follows.
        Payload::Vp8 => {
            (&[0x90, 0xf0, 0x80, 1, 1, 0x20, 0x10, 0, 0, 0x9d, 0x01, 0x2a], noise(0, MAX_PAYLOAD))
        }
        // I, L, F, B and a scalability structure.
        Payload::Vp9 => (&[0xba, 0x81, 0x23, 0x00, 0x01, 0x58], noise(0, MAX_PAYLOAD)),
        // FU-A that begins an IDR picture.
        Payload::H264 => (&[0x7c, 0x85], noise(0, MAX_PAYLOAD)),
        // An aggregation header with one OBU that begins a coded video sequence.
        Payload::Av1 => (&[0x18, 0x0a, 0x0b], noise(0, MAX_PAYLOAD)),
        Payload::Retransmission => (&[0x12, 0x34, 0x90, 0xf0], noise(0, MAX_PAYLOAD)),
        Payload::Padding => {
            let mut padding = noise(1, 255);
            // Right as often as wrong: the last byte tells how many there are.
            if let Ok(length) = u8::try_from(padding.len())
                && length.is_multiple_of(2)
                && let Some(last) = padding.last_mut()
            {
                *last = length;
            }
            (&[], padding)
        }
        Payload::Nothing => (&[], Vec::new()),
    };
    [head, &body].concat()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rtc::rtp::packet::Packet;
    use rtc::shared::marshal::Unmarshal as _;

    use super::*;

    #[test]
    fn packets_are_rtp_of_every_payload_and_fit_a_datagram() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut read, mut types) = (0, std::collections::BTreeSet::new());
        for _ in 0..1_000 {
            let raw = packet(&mut rng);
            assert!(raw[0] >> 6 == 2 && raw.len() <= 1_500, "{} bytes", raw.len());
            if let Ok(packet) = Packet::unmarshal(&mut raw.as_slice()) {
                read += 1;
                types.insert(packet.header.payload_type);
            }
        }
        // The rest have padding that lies about its length.
        assert!(read > 850, "{read} of 1000 can be read");
        assert_eq!(types.into_iter().collect::<Vec<_>>(), [45, 96, 97, 98, 102, 111]);
    }
}
