//! Sends hostile HTTP requests, a few at a time, and classes what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::timeout;

use super::http_request::{Addressee, nth};
use super::source::Target;
use super::tally::Tally;

/// Connections at a time.
const WORKERS: usize = 16;

/// A whole request is answered within this, whatever is wrong with it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(4);

/// After this the writing side is closed, so that a gateway that waits for more learns that there is none.
const WRITING_PATIENCE: Duration = Duration::from_millis(500);

/// Bytes of an answer that are looked at.
const MAX_ANSWER: u64 = 64 * 1024;

/// Connections that send their header a byte at a time.
const SLOW_CONNECTIONS: u64 = 4;

/// One byte of a slow header.
const SLOW_BYTE: Duration = Duration::from_millis(400);

/// A slow header is refused well within this.
const SLOW_PATIENCE: Duration = Duration::from_secs(15);

/// What requests are made of.
pub(crate) struct HttpAttack {
    pub(crate) target: Target,
    pub(crate) seed: u64,
    pub(crate) requests: u64,
    pub(crate) api_key: Option<String>,
}

impl HttpAttack {
    /// Sends all of them.
    pub(crate) async fn run(self) -> Tally {
        let attack = Arc::new(self);
        let next = Arc::new(AtomicU64::new(0));
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..WORKERS {
            running.spawn(Arc::clone(&attack).work(Arc::clone(&next)));
        }
        for number in 0..SLOW_CONNECTIONS {
            running.spawn(Arc::clone(&attack).send_slowly(number));
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

    async fn work(self: Arc<Self>, next: Arc<AtomicU64>) -> Tally {
        let mut tally = Tally::default();
        let to = Addressee { host: &self.target.host, api_key: self.api_key.as_deref() };
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return tally;
            }
            let request = nth(self.seed, number, &to);
            let what = format!("http: {}", request.case);
            tally.sent(&what, 1);
            let class = match self.target.connect(number).await {
                Ok(stream) => exchange(stream, &request.bytes).await,
                Err(_) => "not connected".to_owned(),
            };
            if class.starts_with("500") {
                tally.finding(format!("{class} to {what}, request {number} of seed {}", self.seed));
            }
            tally.answer(&what, &class);
        }
    }

    async fn send_slowly(self: Arc<Self>, number: u64) -> Tally {
        let what = "http: slow header";
        let mut tally = Tally::default();
        tally.sent(what, 1);
        let Ok(mut stream) = self.target.connect(number).await else {
            tally.answer(what, "not connected");
            return tally;
        };
        let header = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: {}", self.target.host, "x".repeat(100));
        let (mut reading, mut writing) = stream.split();
        let write = async {
            for byte in header.bytes() {
                if writing.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(SLOW_BYTE).await;
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        let read = read_answer(&mut reading, &mut answer, SLOW_PATIENCE);
        let ended = tokio::select! {
            ended = read => ended,
            () = write => false,
        };
        if !ended {
            tally.finding(format!("a header sent slowly is borne for over {SLOW_PATIENCE:?}"));
        }
        tally.answer(what, &class_of(&answer, ended));
        tally
    }
}

async fn exchange(mut stream: TcpStream, request: &[u8]) -> String {
    let mut answer = Vec::new();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        let _ = writing.write_all(request).await;
        tokio::time::sleep(WRITING_PATIENCE).await;
        let _ = writing.shutdown().await;
        std::future::pending::<()>().await;
    };
    let read = read_answer(&mut reading, &mut answer, ANSWER_PATIENCE);
    let ended = tokio::select! {
        ended = read => ended,
        () = write => false,
    };
    class_of(&answer, ended)
}

/// Reads until the end of the connection, however it comes; tells whether it came in time.
async fn read_answer(reading: &mut ReadHalf<'_>, answer: &mut Vec<u8>, patience: Duration) -> bool {
    timeout(patience, reading.take(MAX_ANSWER).read_to_end(answer)).await.is_ok()
}

/// The status of an answer with the word of its problem; without an answer, how the connection ended.
fn class_of(answer: &[u8], ended: bool) -> String {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let Some(status) = status else {
        return match (answer.is_empty(), ended) {
            (true, true) => "closed".to_owned(),
            (true, false) => "no answer".to_owned(),
            (false, _) => "not HTTP".to_owned(),
        };
    };
    let status = status.trim();
    let code = text.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
    match code {
        Some(code) => format!("{status} {code}"),
        None => status.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classed_by_status_and_word() {
        let table: [(&[u8], bool, &str); 6] = [
            (b"HTTP/1.1 200 OK\r\n\r\nhello", true, "200"),
            (b"HTTP/1.1 401 Unauthorized\r\n\r\n{\"code\":\"unauthorized\"}", true, "401 unauthorized"),
            (b"HTTP/1.1 431\r\n\r\n", false, "431"),
            (b"", true, "closed"),
            (b"", false, "no answer"),
            (b"\x15\x03", true, "not HTTP"),
        ];
        for (answer, ended, class) in table {
            assert_eq!(class_of(answer, ended), class);
        }
    }
}
