//! Spoils well-formed bytes as a hostile sender would: flipped bits, cuts, splices, lengths that lie.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Bits flipped at once, at most: more of them are noise, which the random datagrams are already.
const MAX_FLIPS: usize = 8;

/// Bytes that one mutation moves or appends, at most.
const MAX_RUN: usize = 256;

/// What a mutation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Flip,
    Overwrite,
    Truncate,
    Extend,
    Splice,
    Repeat,
    LieAboutLength,
}

const MUTATIONS: [Mutation; 7] = [
    Mutation::Flip,
    Mutation::Overwrite,
    Mutation::Truncate,
    Mutation::Extend,
    Mutation::Splice,
    Mutation::Repeat,
    Mutation::LieAboutLength,
];

/// Spoils the bytes one to three times; they never get longer than `limit`.
pub(crate) fn mutate(bytes: &mut Vec<u8>, limit: usize, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..=3) {
        let mutation = MUTATIONS[rng.random_range(0..MUTATIONS.len())];
        apply(mutation, bytes, rng);
        bytes.truncate(limit);
    }
}

fn apply(mutation: Mutation, bytes: &mut Vec<u8>, rng: &mut StdRng) {
    if bytes.is_empty() {
        bytes.push(rng.random());
        return;
    }
    let at = rng.random_range(0..bytes.len());
    let run = rng.random_range(1..=MAX_RUN);
    match mutation {
        Mutation::Flip => {
            for _ in 0..rng.random_range(1..=MAX_FLIPS) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
        }
        Mutation::Overwrite => {
            let end = bytes.len().min(at + run);
            rng.fill(&mut bytes[at..end]);
        }
        Mutation::Truncate => bytes.truncate(at),
        Mutation::Extend => bytes.extend((0..run).map(|_| rng.random::<u8>())),
        Mutation::Splice => {
            let end = bytes.len().min(at + run);
            let piece: Vec<u8> = bytes.drain(at..end).collect();
            let to = rng.random_range(0..=bytes.len());
            bytes.splice(to..to, piece);
        }
        Mutation::Repeat => {
            let end = bytes.len().min(at + run);
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        Mutation::LieAboutLength => lie(bytes, at, rng),
    }
}

/// Writes 16 bits that somebody may take for a length.
fn lie(bytes: &mut [u8], at: usize, rng: &mut StdRng) {
    let honest = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let lies = [0, 1, honest - 1, honest, honest.saturating_add(1), 0x7fff, 0x8000, u16::MAX];
    let lie = lies[rng.random_range(0..lies.len())].to_be_bytes();
    for (to, from) in bytes[at..].iter_mut().zip(lie) {
        *to = from;
    }
}

/// Spoils a text by characters and lines, so that it stays UTF-8.
pub(crate) fn mutate_lines(text: &str, limit: usize, rng: &mut StdRng) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..rng.random_range(1..=4) {
        if lines.is_empty() {
            break;
        }
        let at = rng.random_range(0..lines.len());
        let other = rng.random_range(0..lines.len());
        match rng.random_range(0..7) {
            0 => drop(lines.remove(at)),
            1 => lines.swap(at, other),
            2 => lines.insert(at, lines[other].clone()),
            3 => lines.truncate(at),
            4 => lines[at] = spoil_value(&lines[at], rng),
            5 => lines[at] = lines[at].chars().filter(|_| !rng.random_bool(0.1)).collect(),
            _ => lines[at].insert_str(0, STRANGE[rng.random_range(0..STRANGE.len())]),
        }
    }
    let mut text = lines.concat();
    while text.len() > limit {
        text.pop();
    }
    text
}

const STRANGE: [&str; 6] = ["\0", "\u{202e}", "a=", "m=video 9 UDP/TLS/RTP/SAVPF ", "\r\n", "=:;\\"];

/// Puts something strange behind the first `:` or `=` of a line.
fn spoil_value(line: &str, rng: &mut StdRng) -> String {
    let values = [
        "",
        "-1",
        "0",
        "4294967296",
        "99999999999999999999999999",
        "NaN",
        "\u{0}",
        "éèà—",
        "a b c d",
        "%s%n",
        "~;~,~;~",
    ];
    let value = values[rng.random_range(0..values.len())];
    let long = "9".repeat(rng.random_range(1..5_000));
    let value = if rng.random_bool(0.1) { long.as_str() } else { value };
    match line.find([':', '=']) {
        Some(at) => format!("{}{value}\r\n", &line[..=at]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn no_mutation_outgrows_the_limit_and_each_changes_something() {
        let mut rng = StdRng::seed_from_u64(1);
        for mutation in MUTATIONS {
            let mut changed = 0;
            for length in 0..600 {
                let honest: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
                let mut bytes = honest.clone();
                apply(mutation, &mut bytes, &mut rng);
                changed += usize::from(bytes != honest);
                mutate(&mut bytes, 500, &mut rng);
                assert!(bytes.len() <= 500, "{mutation:?} of {length}");
            }
            assert!(changed > 300, "{mutation:?} changed {changed}");
        }
    }

    #[test]
    fn a_seed_repeats() {
        let spoiled = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut bytes = vec![7; 100];
            mutate(&mut bytes, 1_500, &mut rng);
            (bytes, mutate_lines("a=b:c\r\nd=e\r\n", 1_000, &mut rng))
        };
        for seed in 0..50 {
            assert_eq!(spoiled(seed), spoiled(seed));
        }
        assert!((0..50).any(|seed| spoiled(seed) != spoiled(seed + 50)));
    }

    #[test]
    fn spoiled_lines_stay_within_the_limit() {
        let mut rng = StdRng::seed_from_u64(3);
        let text = "a=mid:0\r\n".repeat(50);
        for _ in 0..300 {
            assert!(mutate_lines(&text, 400, &mut rng).len() <= 400);
        }
    }
}
