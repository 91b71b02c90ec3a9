//! A gateway's control plane on loopback with a fake media plane, and clients that speak to it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use protocol::id::{RoomId, ShellNonce, TrackId};
use protocol::media_message::{
    Answer, AnsweredMid, MediaAction, MediaCommand, MediaEvent, MediaReport, NegotiationId,
};
use serde_json::{Value, json};
use signaling::config::SignalingConfig;
use signaling::media_link::{MediaEnd, MediaLink};
use signaling::sample::{Limit, Sample};
use signaling::{Signaling, start};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const API_KEY: &str = "an-api-key-that-is-long-enough-for-it";
/// Nothing on loopback takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(8);

/// A control plane at work, and the media plane's end of its bus.
pub(crate) struct Gateway {
    pub(crate) signaling: Signaling,
    pub(crate) media: MediaEnd,
    pub(crate) dir: tempfile::TempDir,
}

/// The settings of tests: any port, and a directory of their own.
pub(crate) fn config(dir: &Path) -> SignalingConfig {
    SignalingConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        data_dir: dir.join("data"),
        api_key: Some(API_KEY.to_owned().into()),
        ..SignalingConfig::default()
    }
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut SignalingConfig)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = config(dir.path());
        change(&mut config);
        let (link, media) = MediaLink::pair();
        let signaling = start(config, link).await.expect("the control plane starts");
        Self { signaling, media, dir }
    }

    /// Stops, and starts anew on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.signaling.shut_down().await;
        let (link, media) = MediaLink::pair();
        let signaling = start(config(self.dir.path()), link).await.expect("the control plane starts anew");
        Self { signaling, media, dir: self.dir }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.signaling.local_address)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        reqwest::Client::new().request(method, self.url(path)).bearer_auth(API_KEY)
    }

    pub(crate) async fn create_consult(&self, body: &Value) -> Value {
        let response = self.request("POST", "/api/v1/consults").json(body).send().await.expect("an answer");
        assert_eq!(response.status(), 201);
        response.json().await.expect("JSON")
    }

    /// The tokens of a new consult's links, in the order of its participants.
    pub(crate) async fn invite(&self, body: &Value) -> Vec<String> {
        let consult = self.create_consult(body).await;
        consult["participants"].as_array().expect("participants").iter().map(token_of).collect()
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_from(None).await.expect("a WebSocket")
    }

    /// Connects as a page of an origin, or answers the status that refuses it.
    pub(crate) async fn connect_from(&self, origin: Option<&str>) -> Result<Client, u16> {
        let url = format!("ws://{}/api/v1/session", self.signaling.local_address);
        let mut request = url.into_client_request().expect("a request");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("a header"));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Client { socket, last_request: 0, events: Vec::new() }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    pub(crate) async fn join(&self, token: &str, name: &str) -> Client {
        let mut client = self.connect().await;
        assert_eq!(client.hello(token).await["type"], "welcome");
        assert_eq!(client.ask(json!({"type": "join", "name": name})).await["type"], "joined");
        client
    }

    pub(crate) async fn next_command(&mut self) -> MediaCommand {
        within(self.media.commands.recv()).await.expect("a command")
    }

    /// Waits for an offer, and answers it.
    pub(crate) async fn answer_offer(&mut self, track: TrackId) -> (RoomId, NegotiationId) {
        loop {
            let command = self.next_command().await;
            let MediaAction::Negotiate { negotiation, .. } = command.action else { continue };
            let tracks = vec![AnsweredMid { mid: "0".to_owned(), track }];
            let outcome =
                Ok(Answer { sdp: "v=0\r\n".to_owned(), tracks, shell_nonce: ShellNonce::from_bits(5) });
            let report = MediaReport::Negotiated { participant: command.participant, negotiation, outcome };
            self.report(command.room, report).await;
            return (command.room, negotiation);
        }
    }

    pub(crate) async fn report(&self, room: RoomId, report: MediaReport) {
        self.media.events.send(MediaEvent { room, report }).await.expect("somebody listens");
    }

    /// Waits until nobody is connected any more.
    pub(crate) async fn without_connections(&self) {
        within(async {
            while self.signaling.census().connections > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Whether a limit is among what was counted until now.
    pub(crate) fn has_counted(&mut self, limit: Limit) -> bool {
        std::iter::from_fn(|| self.signaling.samples.try_recv().ok())
            .any(|sample| sample == Sample::LimitHit(limit))
    }

    /// Waits until a sample is counted.
    pub(crate) async fn counted(&mut self, sample: Sample) {
        within(async { while self.signaling.samples.recv().await.expect("samples go on") != sample {} })
            .await;
    }
}

pub(crate) fn token_of(participant: &Value) -> String {
    let link = participant["link"].as_str().expect("a link");
    link.split_once("/join#token=").expect("a token in the fragment").1.to_owned()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

/// A client that speaks JSON.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_request: u32,
    /// Events that came while something else was waited for.
    events: Vec<Value>,
}

impl Client {
    pub(crate) async fn hello(&mut self, token: &str) -> Value {
        self.ask(json!({"type": "hello", "version": 1, "token": token})).await
    }

    pub(crate) async fn resume(&mut self, token: &str, welcome: &Value, last_sequence: u64) -> Value {
        let resume = json!({"secret": welcome["resume_secret"], "last_sequence": last_sequence});
        self.ask(json!({"type": "hello", "version": 1, "token": token, "resume": resume})).await
    }

    /// Sends a request, and returns its response.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Value {
        self.last_request += 1;
        request["id"] = self.last_request.into();
        self.send_text(&request.to_string()).await;
        self.response(self.last_request).await
    }

    /// The response to a request.
    pub(crate) async fn response(&mut self, id: u32) -> Value {
        loop {
            let message = self.next().await.expect("an open connection");
            if message["id"] == id {
                return message;
            }
            self.events.push(message);
        }
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Value {
        if !self.events.is_empty() {
            return self.events.remove(0);
        }
        self.next().await.expect("an open connection")
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("an open connection");
    }

    pub(crate) async fn send(&mut self, message: Message) {
        // Fails where the gateway has closed meanwhile.
        let _ = self.socket.send(message).await;
    }

    /// The next message, or the code of the close.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(1006),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Sends bytes that no WebSocket library would.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        match self.socket.get_mut() {
            MaybeTlsStream::Plain(stream) => stream.write_all(bytes).await.expect("an open connection"),
            other => panic!("loopback has no TLS: {other:?}"),
        }
    }

    /// The code of the close, whatever comes before it.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
