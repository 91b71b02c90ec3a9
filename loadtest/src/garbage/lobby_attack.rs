//! WebSockets of somebody without an invitation: wrong frames, wrong sizes, wrong words.

use std::fmt;
use std::io;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::client_text::{MAX_MESSAGE, bad_hello, hostile};
use super::datagram::dice;
use super::json_text::nested;
use super::raw_socket::{FINAL, RawSocket, Received, frame, opcode};
use super::source::Target;
use super::tally::Tally;

/// Connections at a time.
const WORKERS: u64 = 8;

/// Answers and closes come within this; the gateway gives a silent connection five seconds.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Long enough for a connection that says nothing to be closed.
const SILENT_PATIENCE: Duration = Duration::from_secs(8);

/// Answers of one connection that are read.
const MAX_ANSWERS: usize = 64;

/// The shortest right request, but for the hello that should have come first.
const PING: &str = "{\"id\":1,\"type\":\"ping\"}";

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Silent,
    NotHello,
    BadToken,
    HostileText,
    JustUnderLimit,
    AtLimit,
    JustOverLimit,
    OneMebibyte,
    Nested,
    Binary,
    Pings,
    LongPing,
    OneByteFragments,
    EndlessFragments,
    NotUtf8,
    Unmasked,
    ReservedBits,
    UnknownOpcode,
    LengthLies,
    StrayContinuation,
    BadClose,
    CutOff,
    Noise,
}

const CASES: [Case; 23] = [
    Case::Silent,
    Case::NotHello,
    Case::BadToken,
    Case::HostileText,
    Case::JustUnderLimit,
    Case::AtLimit,
    Case::JustOverLimit,
    Case::OneMebibyte,
    Case::Nested,
    Case::Binary,
    Case::Pings,
    Case::LongPing,
    Case::OneByteFragments,
    Case::EndlessFragments,
    Case::NotUtf8,
    Case::Unmasked,
    Case::ReservedBits,
    Case::UnknownOpcode,
    Case::LengthLies,
    Case::StrayContinuation,
    Case::BadClose,
    Case::CutOff,
    Case::Noise,
];

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "silent",
            Self::NotHello => "no hello",
            Self::BadToken => "bad token",
            Self::HostileText => "hostile text",
            Self::JustUnderLimit => "64 KiB - 1",
            Self::AtLimit => "64 KiB",
            Self::JustOverLimit => "64 KiB + 1",
            Self::OneMebibyte => "1 MiB",
            Self::Nested => "nested deeply",
            Self::Binary => "binary",
            Self::Pings => "ping flood",
            Self::LongPing => "long ping",
            Self::OneByteFragments => "1-byte fragments",
            Self::EndlessFragments => "endless fragments",
            Self::NotUtf8 => "not UTF-8",
            Self::Unmasked => "unmasked",
            Self::ReservedBits => "reserved bits",
            Self::UnknownOpcode => "unknown opcode",
            Self::LengthLies => "length lies",
            Self::StrayContinuation => "stray continuation",
            Self::BadClose => "bad close",
            Self::CutOff => "cut off",
            Self::Noise => "random bytes",
        })
    }
}

/// What a connection of this number says, as bytes behind the upgrade.
fn nth(seed: u64, number: u64) -> (Case, Vec<u8>) {
    let mut rng = dice(seed, number);
    let case = CASES[(number % CASES.len() as u64) as usize];
    let text = |text: &str| frame(FINAL | opcode::TEXT, text.as_bytes());
    let sized = |length: usize| text(&format!("{PING}{}", " ".repeat(length - PING.len())));
    let bytes = match case {
        Case::Silent => Vec::new(),
        Case::NotHello => text(PING),
        Case::BadToken => text(&bad_hello(&mut rng)),
        Case::HostileText => (0..20).flat_map(|_| text(&hostile(&mut rng))).collect(),
        Case::JustUnderLimit => sized(MAX_MESSAGE - 1),
        Case::AtLimit => sized(MAX_MESSAGE),
        Case::JustOverLimit => sized(MAX_MESSAGE + 1),
        Case::OneMebibyte => sized(1 << 20),
        Case::Nested if rng.random() => text(&nested("[", "]", 30_000)),
        Case::Nested => text(&"[".repeat(100_000)),
        Case::Binary => frame(FINAL | opcode::BINARY, &[7; 100]),
        Case::Pings => frame(FINAL | opcode::PING, b"flood").repeat(2_000),
        Case::LongPing => frame(FINAL | opcode::PING, &[0; 126]),
        Case::OneByteFragments => fragments(PING.as_bytes(), End::Final),
        Case::EndlessFragments => fragments(&vec![b' '; MAX_MESSAGE + 5_000], End::Open),
        Case::NotUtf8 => frame(FINAL | opcode::TEXT, &[b'"', 0xff, 0xfe, 0xc0, 0x80, b'"']),
        Case::Unmasked => vec![FINAL | opcode::TEXT, 2, b'{', b'}'],
        Case::ReservedBits => frame(FINAL | 0x40 | opcode::TEXT, b"{}"),
        Case::UnknownOpcode => frame(FINAL | rng.random_range(3..8), b"{}"),
        Case::LengthLies => length_lies(&mut rng),
        Case::StrayContinuation => frame(FINAL | opcode::CONTINUATION, b"{}"),
        Case::BadClose => match rng.random_range(0..4) {
            0 => frame(FINAL | opcode::CLOSE, &[3]),
            1 => frame(FINAL | opcode::CLOSE, &[0, 0]),
            2 => frame(FINAL | opcode::CLOSE, &[0xff, 0xff, 0xff]),
            _ => frame(opcode::CLOSE, &[3, 0xe8]),
        },
        Case::CutOff => {
            let mut bytes = text(PING);
            bytes.truncate(rng.random_range(1..bytes.len()));
            bytes
        }
        Case::Noise => (0..rng.random_range(1..5_000)).map(|_| rng.random::<u8>()).collect(),
    };
    (case, bytes)
}

enum End {
    Final,
    Open,
}

/// A text in frames of one byte each.
fn fragments(text: &[u8], end: End) -> Vec<u8> {
    let last = text.len() - 1;
    text.iter()
        .enumerate()
        .flat_map(|(index, byte)| {
            let kind = if index == 0 { opcode::TEXT } else { opcode::CONTINUATION };
            let finish = if index == last && matches!(end, End::Final) { FINAL } else { 0 };
            frame(finish | kind, &[*byte])
        })
        .collect()
}

fn length_lies(rng: &mut StdRng) -> Vec<u8> {
    let lies = [u64::MAX, 1 << 63, u64::from(u32::MAX), 1 << 40, 65_537];
    let mut bytes = vec![FINAL | opcode::TEXT, 0x80 | 127];
    bytes.extend(lies[rng.random_range(0..lies.len())].to_be_bytes());
    bytes.extend([0; 20]);
    bytes
}

/// A series of connections.
#[derive(Clone)]
pub(crate) struct LobbyAttack {
    pub(crate) target: Target,
    pub(crate) seed: u64,
    pub(crate) connections: u64,
}

impl LobbyAttack {
    /// Makes all of them.
    pub(crate) async fn run(self) -> Tally {
        let mut running = tokio::task::JoinSet::new();
        for worker in 0..WORKERS {
            running.spawn(self.clone().work(worker));
        }
        let mut tally = Tally::default();
        while let Some(outcome) = running.join_next().await {
            match outcome {
                Ok(part) => tally.merge(part),
                Err(error) => tally.finding(format!("the tester itself failed: {error}")),
            }
        }
        tally
    }

    async fn work(self, worker: u64) -> Tally {
        let mut tally = Tally::default();
        for number in (worker..self.connections).step_by(WORKERS as usize) {
            let (case, bytes) = nth(self.seed, number);
            let what = format!("websocket: {case}");
            tally.sent(&what, 1);
            let patience = if case == Case::Silent { SILENT_PATIENCE } else { PATIENCE };
            let classes = match self.connection(number, &bytes, patience).await {
                Ok(classes) => classes,
                Err(error) => vec![format!("not upgraded: {}", error.kind())],
            };
            for class in classes {
                if class == "error internal" || class == "not of the protocol" || class == "welcome" {
                    tally.finding(format!("{class} to {what}, connection {number} of seed {}", self.seed));
                }
                tally.answer(&what, &class);
            }
        }
        tally
    }

    /// The classes of what came, up to the end of the connection or until nothing more comes.
    async fn connection(&self, number: u64, bytes: &[u8], patience: Duration) -> io::Result<Vec<String>> {
        let mut socket = RawSocket::open(&self.target, number).await?;
        // A gateway that has heard enough closes before all is written; what it said is read all the same.
        let _ = socket.send_bytes(bytes).await;
        let mut classes = Vec::new();
        while classes.len() < MAX_ANSWERS {
            let received = socket.receive(patience).await;
            classes.extend(received.class());
            if received.is_last() || matches!(received, Received::Quiet) {
                break;
            }
        }
        Ok(classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_seed_is_always_the_same_connection_and_bounded() {
        for number in 0..100 {
            let (_, bytes) = nth(3, number);
            assert_eq!(bytes, nth(3, number).1);
            assert!(bytes.len() < 1_400_000, "{} bytes", bytes.len());
        }
        assert!((0..100).any(|number| nth(3, number) != nth(4, number)));
    }

    #[test]
    fn messages_have_the_length_that_their_case_says() {
        for (case, length) in [(Case::JustUnderLimit, 65_535), (Case::AtLimit, 65_536)] {
            let index = CASES.iter().position(|one| *one == case).expect("a case") as u64;
            let header = if length > 65_535 { 14 } else { 8 };
            assert_eq!(nth(1, index).1.len(), length + header);
        }
    }

    #[test]
    fn fragments_make_up_the_text() {
        let bytes = fragments(b"abc", End::Final);
        let expected = [frame(opcode::TEXT, b"a"), frame(0, b"b"), frame(FINAL, b"c")].concat();
        assert_eq!(bytes, expected);
    }
}
