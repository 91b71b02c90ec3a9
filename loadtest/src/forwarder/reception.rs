//! The side of HTTP: answers offers (RFC 9725, draft-ietf-wish-whep), and tells the thread of the media about them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, post};
use axum::serve::ListenerExt as _;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};

use crate::fleet::answer::{media, sections};
use crate::fleet::ice::Credentials;

/// Sessions of one run: a floor is no service.
const MAX_SESSIONS: usize = 1_000_000;

/// Picture first, as most packets are of it.
const CODECS: [(&str, &str); KINDS] = [("m=video ", "VP8/90000"), ("m=audio ", "opus/48000")];
pub(super) const KINDS: usize = 2;

/// Which way the media of a session go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Publish,
    Play,
}

/// What the thread for HTTP tells that of the media.
pub(super) enum Command {
    /// A session was agreed upon; it is known by `peer` and its number.
    Admit { number: usize, room: u32, purpose: Purpose, password: String, payload_types: [Option<u8>; KINDS] },
    /// It was ended.
    Remove(usize),
}

/// Answers offers.
#[derive(Clone)]
pub(super) struct Reception {
    commands: SyncSender<Command>,
    next: Arc<AtomicUsize>,
    fingerprint: Arc<str>,
    media: SocketAddr,
}

impl Reception {
    /// Sessions with this certificate, whose media come to this address.
    pub(super) fn new(commands: SyncSender<Command>, fingerprint: &str, media: SocketAddr) -> Self {
        Self { commands, next: Arc::default(), fingerprint: fingerprint.into(), media }
    }

    /// Answers requests as long as it can.
    pub(super) fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let offer = |purpose| {
            move |State(this): State<Self>, Path(room): Path<u32>, offer: String| async move {
                this.admit(purpose, room, &offer)
            }
        };
        let end = |State(this): State<Self>, Path((_, number)): Path<(u32, usize)>| async move {
            match this.commands.try_send(Command::Remove(number)) {
                Ok(()) => StatusCode::OK,
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            }
        };
        let router = axum::Router::new()
            .route("/whip/{room}", post(offer(Purpose::Publish)))
            .route("/whep/{room}", post(offer(Purpose::Play)))
            .route("/whip/{room}/{number}", delete(end))
            .route("/whep/{room}/{number}", delete(end))
            .with_state(self);
        runtime.block_on(async {
            // An answer that waits for an acknowledgement would show in every setup time.
            let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, router).await.context("serve HTTP")
        })
    }

    fn admit(&self, purpose: Purpose, room: u32, offer: &str) -> Response {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Ok(mut rng) = StdRng::try_from_rng(&mut SysRng) else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let Credentials { password, .. } = Credentials::draw(&mut rng);
        let Some((answer, payload_types)) = self.answer(purpose, number, &password, offer) else {
            return (StatusCode::BAD_REQUEST, "the offer has no VP8").into_response();
        };
        let command = Command::Admit { number, room, purpose, password, payload_types };
        if number >= MAX_SESSIONS || self.commands.try_send(command).is_err() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let path = if purpose == Purpose::Publish { "whip" } else { "whep" };
        let mut created = (StatusCode::CREATED, answer).into_response();
        let headers = created.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/sdp"));
        headers.extend(
            HeaderValue::try_from(format!("/{path}/{room}/{number}")).map(|at| (header::LOCATION, at)),
        );
        created
    }

    /// Takes the offered codecs that are known, and no extension.
    fn answer(
        &self,
        purpose: Purpose,
        number: usize,
        password: &str,
        offer: &str,
    ) -> Option<(String, [Option<u8>; KINDS])> {
        let lines: Vec<&str> = offer.lines().map(str::trim_end).collect();
        let direction = if purpose == Purpose::Publish { "recvonly" } else { "sendonly" };
        let (ip, port) = (self.media.ip(), self.media.port());
        let (mut body, mut mids, mut payload_types) = (String::new(), String::new(), [None; KINDS]);
        for section in sections(&lines) {
            let mid = section.iter().find_map(|line| line.strip_prefix("a=mid:"))?;
            let kind = CODECS.iter().position(|(start, _)| section[0].starts_with(start))?;
            let (start, codec) = CODECS[kind];
            let Some(known) = media(section, codec).filter(|_| payload_types[kind].is_none()) else {
                body += &format!("{start}0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n");
                continue;
            };
            let payload_type = known.payload_type;
            payload_types[kind] = Some(payload_type);
            mids += &format!(" {mid}");
            let channels = if kind == 1 { "/2" } else { "" };
            body += &format!(
                "{start}9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n\
                 a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\na=end-of-candidates\r\n\
                 a=ice-ufrag:peer{number}\r\na=ice-pwd:{password}\r\na=fingerprint:sha-256 {}\r\n\
                 a=setup:passive\r\na=rtcp-mux\r\na=rtpmap:{payload_type} {codec}{channels}\r\n",
                self.fingerprint
            );
            if kind == 0 {
                body += &format!("a=rtcp-fb:{payload_type} nack pli\r\n");
            }
        }
        payload_types[0]?;
        let head = format!(
            "v=0\r\no=- {number} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE{mids}\r\n"
        );
        Some((head + &body, payload_types))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::fleet::{answer, offer};

    fn reception() -> Reception {
        Reception::new(sync_channel(1).0, "AA:BB", "127.0.0.1:7000".parse().expect("an address"))
    }

    fn offer(purpose: offer::Purpose) -> String {
        let local = Credentials { ufrag: "abcd".to_owned(), password: "efgh".to_owned() };
        offer::write(purpose, &local, "AA", "127.0.0.1:4000".parse().expect("an address"), 7)
    }

    #[test]
    fn an_offer_of_the_fleet_is_answered_so_that_it_can_read_it() {
        let offer = offer(offer::Purpose::Play);
        let (sdp, types) = reception().answer(Purpose::Play, 3, "secret", &offer).expect("an answer");
        let answer = answer::read(&sdp, "127.0.0.1:4000".parse().expect("an address")).expect("an answer");
        assert_eq!(types, [Some(96), Some(111)]);
        assert_eq!(answer.remote, Credentials { ufrag: "peer3".into(), password: "secret".into() });
        assert_eq!(answer.candidate.port(), 7000);
        assert_eq!((answer.video.payload_type, answer.video.transport_cc), (96, None));
        assert!(sdp.contains("a=sendonly") && answer.audio.is_some());
    }

    #[test]
    fn what_is_no_offer_of_a_picture_is_refused() {
        let offer = offer(offer::Purpose::Play);
        for offer in [offer.replace("VP8", "VP7"), offer.replace("m=video 9", "m=video 0"), String::new()] {
            assert!(reception().answer(Purpose::Play, 3, "secret", &offer).is_none(), "{offer}");
        }
    }
}
