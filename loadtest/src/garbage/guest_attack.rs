//! What somebody with an invitation can do: hostile requests behind a right hello, and media keys for hostile datagrams.

use std::time::Duration;

use anyhow::{Context as _, bail};
use protocol::server_message::{Response, ServerMessage};
use rand::RngExt as _;

use super::client_text::hostile;
use super::datagram::dice;
use super::offer::{self, OfferText};
use super::raw_socket::{FINAL, RawSocket, Received, frame, opcode};
use super::source::Target;
use super::stun::IceKey;
use super::tally::Tally;

/// Requests of one session: the gateway takes 40 at once, of which hello, join and a good offer are three.
pub(crate) const REQUESTS_PER_SESSION: u64 = 36;

/// The gateway answers every request within its own limits, of which the longest are five seconds.
const PATIENCE: Duration = Duration::from_secs(6);

/// After the last answer, wait this long for more.
const QUIET: Duration = Duration::from_millis(400);

/// Messages of one session that are read, events included.
const MAX_RECEIVED: usize = 400;

/// One session in so many ends with a message that is too long.
const OVERSIZE_EVERY: u64 = 8;

/// Hellos that another request takes the place of.
const HELLOS_REDRAWN: f64 = 0.95;

/// A series of sessions of one invitation.
pub(crate) struct GuestAttack {
    pub(crate) target: Target,
    pub(crate) seed: u64,
    pub(crate) sessions: u64,
    pub(crate) token: String,
}

impl GuestAttack {
    /// Holds one session after the other, as the gateway lets only one of an invitation live.
    pub(crate) async fn run(&self) -> Tally {
        let mut tally = Tally::default();
        for number in 0..self.sessions {
            if let Err(error) = self.session(number, &mut tally).await {
                tally.finding(format!("session {number} of seed {}: {error:#}", self.seed));
            }
        }
        tally
    }

    async fn session(&self, number: u64, tally: &mut Tally) -> anyhow::Result<()> {
        let mut rng = dice(self.seed, number);
        let mut guest = Guest::enter(&self.target, &self.token, number).await?;
        tally.sent("session: hello and join", 1);
        tally.answer("session: hello and join", "joined");
        // Every other session has media, so that subscriptions and mutes meet tracks that there are.
        let what = if number.is_multiple_of(2) {
            match guest.request(&offer::good(&mut rng).request(3)).await? {
                Response::Answer(_) => tally.answer("session: good offer", "answer"),
                other => tally.finding(format!("a good offer was not answered: {other:?}")),
            }
            tally.sent("session: good offer", 1);
            "session: hostile requests, with media"
        } else {
            "session: hostile requests"
        };
        for _ in 0..REQUESTS_PER_SESSION {
            // A second hello ends the session when its token is bad, so it is not drawn as often as the others.
            let mut text = hostile(&mut rng);
            if text.contains("\"hello\"") && rng.random_bool(HELLOS_REDRAWN) {
                text = offer::hostile(&mut rng).request(rng.random());
            }
            // A closed session ends the series; the reading below tells why.
            if guest.socket.send_text(&text).await.is_err() {
                break;
            }
            tally.sent(what, 1);
        }
        if number % OVERSIZE_EVERY == OVERSIZE_EVERY - 1 {
            let mut large = offer::good(&mut rng);
            large.sdp += &"a=x\r\n".repeat(200_000 + rng.random_range(0..100));
            let _ = guest.socket.send_text(&large.request(9)).await;
            tally.sent(what, 1);
        }
        let mut patience = PATIENCE;
        for _ in 0..MAX_RECEIVED {
            let received = guest.socket.receive(patience).await;
            let Some(class) = received.class() else { continue };
            if class == "error internal" || class == "not of the protocol" {
                tally.finding(format!("{class} to {what}, session {number} of seed {}", self.seed));
            }
            if matches!(received, Received::Quiet) {
                break;
            }
            tally.answer(what, &class);
            if received.is_last() {
                break;
            }
            patience = if class == "error rate_limited" { PATIENCE } else { QUIET.max(patience / 2) };
        }
        Ok(())
    }
}

/// A session that has joined.
pub(crate) struct Guest {
    socket: RawSocket,
}

impl Guest {
    /// Connects from the n-th source, says hello, and joins.
    ///
    /// # Errors
    /// Where the gateway refuses.
    pub(crate) async fn enter(target: &Target, token: &str, number: u64) -> anyhow::Result<Self> {
        let socket = RawSocket::open(target, number).await.context("connect")?;
        let mut guest = Self { socket };
        let hello = serde_json::json!({ "id": 1, "type": "hello", "version": 1, "token": token });
        let Response::Welcome(_) = guest.request(&hello.to_string()).await? else { bail!("not welcome") };
        let Response::Joined(_) = guest.request("{\"id\":2,\"type\":\"join\",\"name\":\"garbage\"}").await?
        else {
            bail!("not joined")
        };
        Ok(guest)
    }

    async fn request(&mut self, text: &str) -> anyhow::Result<Response> {
        self.socket.send_text(text).await.context("send")?;
        for _ in 0..MAX_RECEIVED {
            match self.socket.receive(PATIENCE).await {
                Received::Message(ServerMessage::Response(envelope)) => return Ok(envelope.response),
                Received::Message(ServerMessage::Event(_)) => {}
                other => bail!("{} instead of a response", other.class().unwrap_or_default()),
            }
        }
        bail!("only events, no response")
    }

    /// Negotiates media, and returns the key that checks toward the gateway need.
    ///
    /// # Errors
    /// Where the gateway does not answer the offer.
    pub(crate) async fn negotiate(&mut self, offer: &OfferText) -> anyhow::Result<IceKey> {
        let Response::Answer(answer) = self.request(&offer.request(3)).await? else {
            bail!("the offer was refused")
        };
        let value = |name: &str| {
            answer.sdp.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::to_owned)
        };
        let ufrag = value("a=ice-ufrag:").context("the answer has no user name fragment")?;
        let password = value("a=ice-pwd:").context("the answer has no password")?;
        Ok(IceKey { ufrag, password })
    }

    /// Keeps the session alive until dropped.
    pub(crate) async fn stay(mut self) {
        loop {
            if self.socket.send_bytes(&frame(FINAL | opcode::PING, b"")).await.is_err() {
                return;
            }
            while !matches!(self.socket.receive(QUIET * 10).await, Received::Quiet | Received::Ended) {}
        }
    }
}
