//! A WebSocket (RFC 6455) that says whatever it is told, right or wrong. Only for hostile clients: it does not mask
//! with anything but zeros and answers no pings.

use std::io;
use std::time::Duration;

use protocol::server_message::{Response, ServerMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::source::Target;

/// The handshake and each write must be taken within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// A gateway's message is never longer.
const MAX_FRAME: usize = 1 << 20;

/// The header of the handshake's answer is never longer.
const MAX_HEAD: usize = 16 * 1024;

/// The kinds of frames that are sent.
pub(crate) mod opcode {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
}

/// First byte of a frame: the last piece of its message.
pub(crate) const FINAL: u8 = 0x80;

/// What came.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message of the protocol.
    Message(ServerMessage),
    /// A text that is none.
    Strange,
    /// The gateway closes with this code.
    Close(Option<u16>),
    /// The connection ended without a close.
    Ended,
    /// Nothing came in time.
    Quiet,
}

impl Received {
    /// Its class in the report; `None` for events.
    pub(crate) fn class(&self) -> Option<String> {
        Some(match self {
            Self::Message(ServerMessage::Event(_)) => return None,
            Self::Message(ServerMessage::Response(envelope)) => match &envelope.response {
                Response::Error { code, .. } => format!("error {}", code.as_str()),
                Response::Welcome(_) => "welcome".to_owned(),
                Response::Joined(_) => "joined".to_owned(),
                Response::Answer(_) => "answer".to_owned(),
                Response::Ok => "ok".to_owned(),
                Response::Pong => "pong".to_owned(),
                Response::Bye => "bye".to_owned(),
            },
            Self::Strange => "not of the protocol".to_owned(),
            Self::Close(Some(code)) => format!("close {code}"),
            Self::Close(None) => "close without a code".to_owned(),
            Self::Ended => "ended".to_owned(),
            Self::Quiet => "nothing".to_owned(),
        })
    }

    /// Whether nothing can follow.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Ended)
    }
}

/// A WebSocket without manners.
pub(crate) struct RawSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawSocket {
    /// Connects from the n-th source and upgrades.
    ///
    /// # Errors
    /// Where the gateway does not upgrade.
    pub(crate) async fn open(target: &Target, number: u64) -> io::Result<Self> {
        let stream = target.connect(number).await?;
        let mut socket = Self { stream, buffer: Vec::new() };
        let request = format!(
            "GET /api/v1/session HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            target.host
        );
        socket.send_bytes(request.as_bytes()).await?;
        let head = async {
            loop {
                if let Some(end) = socket.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head: Vec<u8> = socket.buffer.drain(..end + 4).collect();
                    return Ok(head.starts_with(b"HTTP/1.1 101"));
                }
                if socket.buffer.len() > MAX_HEAD || !socket.read_more().await? {
                    return Ok(false);
                }
            }
        };
        match timeout(PATIENCE, head).await {
            Ok(Ok(true)) => Ok(socket),
            Ok(Ok(false)) => Err(io::Error::other("not upgraded")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Sends a text as a client should.
    pub(crate) async fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send_bytes(&frame(FINAL | opcode::TEXT, text.as_bytes())).await
    }

    /// What comes next, pings left out.
    pub(crate) async fn receive(&mut self, patience: Duration) -> Received {
        match timeout(patience, self.next_frame()).await {
            Err(_) => Received::Quiet,
            Ok(received) => received,
        }
    }

    async fn next_frame(&mut self) -> Received {
        loop {
            while let Some((first, payload)) = take_frame(&mut self.buffer) {
                match first & 0x0f {
                    opcode::TEXT => {
                        return serde_json::from_slice(&payload).map_or(Received::Strange, Received::Message);
                    }
                    opcode::CLOSE => {
                        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                        return Received::Close(code);
                    }
                    opcode::BINARY | opcode::CONTINUATION => return Received::Strange,
                    _ => {}
                }
            }
            if self.buffer.len() > MAX_FRAME {
                return Received::Strange;
            }
            if !matches!(self.read_more().await, Ok(true)) {
                return Received::Ended;
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// A frame of a client (§5.2), masked with zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Takes a whole frame of a server off the front: its first byte and its payload.
fn take_frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, length) = (*buffer.first()?, *buffer.get(1)? & 0x7f);
    let (length, head): (usize, usize) = match length {
        126 => (usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?])), 4),
        127 => {
            let bytes: [u8; 8] = buffer.get(2..10)?.try_into().ok()?;
            (usize::try_from(u64::from_be_bytes(bytes)).ok()?, 10)
        }
        length => (usize::from(length), 2),
    };
    let end = head.checked_add(length).filter(|end| *end <= buffer.len())?;
    let payload = buffer[head..end].to_vec();
    buffer.drain(..end);
    Some((first, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_say_their_length_and_are_taken_whole() {
        for (length, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            assert_eq!(frame(FINAL | opcode::TEXT, &vec![b'a'; length]).len(), head + length);
        }
        let mut buffer = vec![0x81, 126, 0, 200];
        assert_eq!(take_frame(&mut buffer), None);
        buffer.extend([7; 201]);
        assert_eq!(take_frame(&mut buffer), Some((0x81, vec![7; 200])));
        assert_eq!(buffer, [7]);
    }
}
