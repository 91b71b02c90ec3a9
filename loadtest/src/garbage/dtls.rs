//! DTLS 1.2 records (RFC 6347): ClientHellos that a server would take up, and records that none would.

use rand::RngExt as _;
use rand::rngs::StdRng;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

const CLIENT_HELLO: u8 = 1;

/// Every handshake type of RFC 6347 §4.3.2, and two that there are not.
const HANDSHAKE_TYPES: [u8; 13] = [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 255];

/// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, as browsers offer it.
const GOOD_SUITES: [u16; 2] = [0xc02b, 0xc02f];

/// TLS_NULL_WITH_NULL_NULL, TLS_RSA_WITH_NULL_SHA, TLS_ECDHE_ECDSA_WITH_NULL_SHA, and anonymous ones.
const NULL_SUITES: [u16; 4] = [0x0000, 0x0002, 0xc006, 0x0034];

/// The longest body of a made-up record; with its header it fits a datagram.
const MAX_BODY: usize = 1_400;

/// A whole ClientHello that offers what WebRTC needs.
pub(crate) fn client_hello(rng: &mut StdRng) -> Vec<u8> {
    record(HANDSHAKE, 0, 0, &whole(&hello_body(&GOOD_SUITES, &[], rng)))
}

/// Something that begins like DTLS and is wrong in its own way.
pub(crate) fn hostile_record(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..9) {
        0 => record(HANDSHAKE, 0, 0, &whole(&hello_body(&NULL_SUITES, &[], rng))),
        1 => fragment(rng),
        2 => {
            let cookie: Vec<u8> = (0..rng.random_range(0..=255)).map(|_| rng.random()).collect();
            record(HANDSHAKE, 0, 1, &whole(&hello_body(&GOOD_SUITES, &cookie, rng)))
        }
        3 => record(ALERT, rng.random_range(0..=1), rng.random_range(0..99), &[rng.random(), rng.random()]),
        4 => record(CHANGE_CIPHER_SPEC, 0, 2, &[1]),
        5 => {
            // Another epoch than the first, before any key was agreed on.
            let body = noise(rng);
            record(APPLICATION_DATA, rng.random_range(1..=u16::MAX), rng.random(), &body)
        }
        6 => {
            let kind = HANDSHAKE_TYPES[rng.random_range(0..HANDSHAKE_TYPES.len())];
            let body = noise(rng);
            record(HANDSHAKE, 0, rng.random_range(0..9), &handshake(kind, body.len(), rng.random(), 0, &body))
        }
        7 => {
            // Many small records in one datagram.
            let one = record(rng.random_range(20..64), 0, rng.random(), &[0]);
            one.repeat(MAX_BODY / one.len())
        }
        _ => {
            let body = noise(rng);
            let mut raw = record(rng.random_range(20..64), rng.random(), rng.random(), &body);
            raw[1..3].copy_from_slice(&rng.random::<[u8; 2]>());
            raw
        }
    }
}

/// A piece of a ClientHello whose offsets may overlap, leave gaps, or lie.
fn fragment(rng: &mut StdRng) -> Vec<u8> {
    let body = hello_body(&GOOD_SUITES, &[], rng);
    let from = rng.random_range(0..body.len());
    let to = rng.random_range(from..=body.len());
    let total = [body.len(), 0, 1, 0xff_ffff, 65_536][rng.random_range(0..5)];
    let offset = if rng.random() { from } else { rng.random_range(0..0xff_ffff) };
    let piece = handshake(CLIENT_HELLO, total, rng.random_range(0..4), offset, &body[from..to]);
    record(HANDSHAKE, 0, rng.random_range(0..9), &piece)
}

fn noise(rng: &mut StdRng) -> Vec<u8> {
    (0..rng.random_range(0..MAX_BODY)).map(|_| rng.random()).collect()
}

/// RFC 6347 §4.1.
fn record(kind: u8, epoch: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut raw = vec![kind, 0xfe, 0xfd];
    raw.extend(epoch.to_be_bytes());
    raw.extend([0, 0]);
    raw.extend(sequence.to_be_bytes());
    raw.extend(u16_of(body.len()));
    raw.extend(body);
    raw
}

/// RFC 6347 §4.2.2.
fn handshake(kind: u8, total: usize, sequence: u16, offset: usize, piece: &[u8]) -> Vec<u8> {
    let mut raw = vec![kind];
    raw.extend(u24_of(total));
    raw.extend(sequence.to_be_bytes());
    raw.extend(u24_of(offset));
    raw.extend(u24_of(piece.len()));
    raw.extend(piece);
    raw
}

fn whole(body: &[u8]) -> Vec<u8> {
    handshake(CLIENT_HELLO, body.len(), 0, 0, body)
}

fn hello_body(suites: &[u16], cookie: &[u8], rng: &mut StdRng) -> Vec<u8> {
    // supported_groups, ec_point_formats, signature_algorithms, use_srtp, extended_master_secret
    let extensions: [(u16, &[u8]); 5] = [
        (10, &[0, 4, 0, 0x1d, 0, 0x17]),
        (11, &[1, 0]),
        (13, &[0, 4, 4, 3, 8, 4]),
        (14, &[0, 4, 0, 7, 0, 1, 0]),
        (23, &[]),
    ];
    let mut body = vec![0xfe, 0xfd];
    body.extend(rng.random::<[u8; 32]>());
    body.push(0);
    body.push(u8::try_from(cookie.len()).unwrap_or(u8::MAX));
    body.extend(cookie);
    body.extend(u16_of(suites.len() * 2));
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    let mut block = Vec::new();
    for (kind, contents) in extensions {
        block.extend(kind.to_be_bytes());
        block.extend(u16_of(contents.len()));
        block.extend(contents);
    }
    body.extend(u16_of(block.len()));
    body.extend(block);
    body
}

fn u16_of(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn u24_of(length: usize) -> [u8; 3] {
    let [_, high, middle, low] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn the_seed_of_all_hellos_has_lengths_that_fit() {
        let raw = client_hello(&mut StdRng::seed_from_u64(1));
        let record_length = usize::from(u16::from_be_bytes([raw[11], raw[12]]));
        assert_eq!(raw.len(), 13 + record_length);
        let hello_length = usize::from(u16::from_be_bytes([raw[15], raw[16]]));
        assert_eq!(raw.len(), 13 + 12 + hello_length);
        // Version, random, session id, cookie, two suites, compression; then the extensions to the end.
        let extensions_at = 25 + 2 + 32 + 1 + 1 + 2 + 4 + 2;
        let extensions = usize::from(u16::from_be_bytes([raw[extensions_at], raw[extensions_at + 1]]));
        assert_eq!(raw.len(), extensions_at + 2 + extensions);
    }

    #[test]
    fn hostile_records_look_like_dtls_and_fit_a_datagram() {
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..1_000 {
            let raw = hostile_record(&mut rng);
            assert!((20..64).contains(&raw[0]) && raw.len() <= 1_500, "{} bytes", raw.len());
        }
    }
}
