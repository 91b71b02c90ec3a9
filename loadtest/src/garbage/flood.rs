//! Sends hostile datagrams at a steady rate from several sockets, and keeps every answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::datagram::{Kind, Knowledge, dice, nth};
use super::source::local_address;
use super::stun::check;

/// How often the sender wakes.
const TICK: Duration = Duration::from_millis(1);

/// Answers that are described in the report.
const MAX_EXAMPLES: usize = 5;

/// Bytes of an answer that are shown.
const SHOWN_BYTES: usize = 24;

/// A series of datagrams to send.
pub(crate) struct Flood {
    pub(crate) media: SocketAddr,
    pub(crate) seed: u64,
    /// How many.
    pub(crate) count: u64,
    /// How many per second.
    pub(crate) rate: u64,
    pub(crate) sources: usize,
    /// How long to wait for answers after the last datagram.
    pub(crate) wait: Duration,
    pub(crate) knowledge: Knowledge,
}

/// What became of a flood.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: BTreeMap<Kind, u64>,
    pub(crate) sent_bytes: u64,
    pub(crate) refused_by_kernel: u64,
    pub(crate) answers: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) examples: Vec<String>,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Takes in another outcome.
    pub(crate) fn merge(&mut self, other: Self) {
        for (kind, count) in other.sent {
            *self.sent.entry(kind).or_default() += count;
        }
        self.sent_bytes += other.sent_bytes;
        self.refused_by_kernel += other.refused_by_kernel;
        self.answers += other.answers;
        self.answer_bytes += other.answer_bytes;
        self.examples.extend(other.examples);
        self.examples.truncate(MAX_EXAMPLES);
        self.took += other.took;
    }
}

impl Flood {
    /// Sends all of it. A participant's own first datagram is an authentic check, so that the others are listened to.
    ///
    /// # Errors
    /// Where no socket can be bound.
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let sockets = self.sockets()?;
        let mut outcome = Outcome::default();
        if let (Knowledge::Key(key), Some(socket)) = (&self.knowledge, sockets.first()) {
            socket
                .send_to(&check(key, &mut dice(self.seed, u64::MAX)), self.media)
                .context("send a check")?;
        }
        let began = Instant::now();
        let mut number = 0;
        while number < self.count {
            let due = (began.elapsed().as_secs_f64() * self.rate as f64) as u64;
            // A sender that fell behind does not make up for it in one burst.
            for _ in 0..due.saturating_sub(number).min(self.rate.div_ceil(100)).min(self.count - number) {
                self.send(&sockets, number, &mut outcome);
                number += 1;
            }
            take_answers(&sockets, number, &mut outcome);
            std::thread::sleep(TICK);
        }
        outcome.took = began.elapsed();
        let deadline = Instant::now() + self.wait;
        while Instant::now() < deadline {
            take_answers(&sockets, number, &mut outcome);
            std::thread::sleep(TICK * 20);
        }
        Ok(outcome)
    }

    fn sockets(&self) -> anyhow::Result<Vec<UdpSocket>> {
        (0..self.sources.max(1))
            .map(|index| {
                let socket = UdpSocket::bind(local_address(self.media, index as u64))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .collect::<std::io::Result<_>>()
            .context("bind a source socket")
    }

    fn send(&self, sockets: &[UdpSocket], number: u64, outcome: &mut Outcome) {
        let datagram = nth(self.seed, number, &self.knowledge);
        let socket = &sockets[number as usize % sockets.len()];
        match socket.send_to(&datagram.bytes, self.media) {
            Ok(_) => {
                *outcome.sent.entry(datagram.kind).or_default() += 1;
                outcome.sent_bytes += datagram.bytes.len() as u64;
            }
            Err(_) => outcome.refused_by_kernel += 1,
        }
    }
}

/// Reads every answer that has come to the sockets.
pub(crate) fn take_answers(sockets: &[UdpSocket], number: u64, outcome: &mut Outcome) {
    let mut buffer = [0; 2_048];
    for socket in sockets {
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    outcome.answers += 1;
                    outcome.answer_bytes += length as u64;
                    if outcome.examples.len() < MAX_EXAMPLES {
                        let bytes = hex(&buffer[..length.min(SHOWN_BYTES)]);
                        outcome
                            .examples
                            .push(format!("{length} bytes of {from} before datagram {number}: {bytes}"));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // An ICMP error of an earlier datagram; there may be more behind it.
                Err(_) => outcome.refused_by_kernel += 1,
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datagram_goes_out_and_every_answer_is_seen() {
        let target = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        target.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        let media = target.local_addr().expect("an address");
        let flood = Flood {
            media,
            seed: 1,
            count: 50,
            rate: 10_000,
            sources: 3,
            wait: Duration::from_millis(300),
            knowledge: Knowledge::Nothing,
        };
        let echo = std::thread::spawn(move || {
            let (mut buffer, mut sources) = ([0; 2_048], std::collections::BTreeSet::new());
            let mut got = 0;
            while let Ok((_, from)) = target.recv_from(&mut buffer) {
                got += 1;
                sources.insert(from);
                target.send_to(&[1, 2, 3], from).expect("an answer");
            }
            (got, sources.len())
        });
        let outcome = flood.run().expect("sent");
        assert_eq!(echo.join().expect("no panic"), (50, 3));
        assert_eq!((outcome.sent.values().sum(), outcome.answers, outcome.answer_bytes), (50, 50, 150));
        assert_eq!(outcome.examples.len(), MAX_EXAMPLES);
    }
}
