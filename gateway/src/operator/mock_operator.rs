//! An operator for tests: behaves as the CAMARA text says, or as operators do on bad days.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::config::OperatorConfig;
use crate::config::Secret;
use crate::human_units::HumanDuration;

/// What the operator does when it is asked about a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Fine(&'static str),
    UnknownDevice,
    TooMany,
    Broken,
    Slow,
    Garbage,
    TooLarge,
    Redirect,
}

#[derive(Debug)]
pub(super) struct Books {
    pub(super) mood: Mood,
    /// Devices that were asked about.
    pub(super) retrieved: Vec<Value>,
    pub(super) tokens_issued: usize,
    /// The one token that is good.
    pub(super) token: String,
    pub(super) subscriptions: HashMap<String, Value>,
    pub(super) ended: Vec<String>,
    pub(super) under_way: usize,
    pub(super) most_under_way: usize,
}

/// An operator at work.
#[derive(Clone)]
pub(super) struct MockOperator {
    books: Arc<Mutex<Books>>,
    pub(super) address: SocketAddr,
}

/// How long a slow operator takes: longer than the client of the tests waits.
const SLOW: Duration = Duration::from_millis(700);

impl MockOperator {
    pub(super) async fn start(mood: Mood) -> Self {
        let books = Books {
            mood,
            retrieved: Vec::new(),
            tokens_issued: 0,
            token: String::new(),
            subscriptions: HashMap::new(),
            ended: Vec::new(),
            under_way: 0,
            most_under_way: 0,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mock = Self { books: Arc::new(Mutex::new(books)), address };
        let routes = Router::new()
            .route("/token", post(token))
            .route("/connected-network-type/v0.2/retrieve", post(retrieve))
            .route("/connected-network-type-subscriptions/v0.2/subscriptions", post(subscribe))
            .route("/connected-network-type-subscriptions/v0.2/subscriptions/{id}", delete(unsubscribe))
            .with_state(mock.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        mock
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no test panics while it reads")
    }

    pub(super) fn config(&self) -> OperatorConfig {
        OperatorConfig {
            api_root: Some(format!("http://{}", self.address)),
            token_url: Some(format!("http://{}/token", self.address)),
            client_id: "clinic".to_owned(),
            client_secret: Some(Secret::new("s3cret")),
            request_timeout: HumanDuration(SLOW / 2),
            poll_interval: HumanDuration(Duration::from_millis(100)),
            ..OperatorConfig::default()
        }
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<Response> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let expected = format!("Bearer {}", self.books().token);
        (shown != Some(expected.as_str())).then(|| problem(401, "UNAUTHENTICATED"))
    }
}

fn problem(status: u16, code: &str) -> Response {
    let body = json!({ "status": status, "code": code, "message": "no" });
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

async fn token(State(mock): State<MockOperator>, headers: HeaderMap, body: String) -> Response {
    // "clinic:s3cret" in base64.
    let expected = "Basic Y2xpbmljOnMzY3JldA==";
    let is_known = headers.get(header::AUTHORIZATION).is_some_and(|value| value == expected);
    if !is_known
        || !body.contains("grant_type=client_credentials")
        || !body.contains("scope=connected-network-type")
    {
        return problem(401, "UNAUTHENTICATED");
    }
    let mut books = mock.books();
    books.tokens_issued += 1;
    books.token = format!("token-{}", books.tokens_issued);
    Json(json!({ "access_token": books.token, "token_type": "Bearer", "expires_in": 600 })).into_response()
}

async fn retrieve(State(mock): State<MockOperator>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = mock.refuses(&headers) {
        return refusal;
    }
    let mood = {
        let mut books = mock.books();
        books.under_way += 1;
        books.most_under_way = books.most_under_way.max(books.under_way);
        books.retrieved.push(body["device"].clone());
        books.mood
    };
    tokio::time::sleep(if mood == Mood::Slow { SLOW } else { Duration::from_millis(20) }).await;
    mock.books().under_way -= 1;
    match mood {
        Mood::Fine(word) => {
            Json(json!({ "lastStatusTime": "2024-02-20T10:41:38.657Z", "connectedNetworkType": word }))
                .into_response()
        }
        Mood::UnknownDevice => problem(404, "IDENTIFIER_NOT_FOUND"),
        Mood::TooMany => ([(header::RETRY_AFTER, "60")], problem(429, "TOO_MANY_REQUESTS")).into_response(),
        Mood::Broken => problem(503, "UNAVAILABLE"),
        Mood::Slow | Mood::Garbage => "<html>".into_response(),
        Mood::TooLarge => Body::from(vec![b' '; 1_000_000]).into_response(),
        Mood::Redirect => (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:1/")]).into_response(),
    }
}

async fn subscribe(
    State(mock): State<MockOperator>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = mock.refuses(&headers) {
        return refusal;
    }
    let mut books = mock.books();
    let id = format!("qs15-{}", books.subscriptions.len());
    books.subscriptions.insert(id.clone(), body.clone());
    let mut answer = body;
    answer["id"] = id.into();
    answer["expiresAt"] = answer["config"]["subscriptionExpireTime"].clone();
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn unsubscribe(State(mock): State<MockOperator>, Path(id): Path<String>, request: Request) -> Response {
    if let Some(refusal) = mock.refuses(request.headers()) {
        return refusal;
    }
    mock.books().ended.push(id);
    StatusCode::NO_CONTENT.into_response()
}
