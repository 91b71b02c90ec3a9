//! A consult to try the gateway with: made through the public API, as an appointment system would.

use std::io;
use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use protocol::track::Role;
use rand::RngExt;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::config::Secret;

/// A consult with two links is under 2 KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// The links of the demonstration consult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoLinks {
    /// Opens the page as the doctor.
    pub doctor: String,
    /// Opens the page as the patient.
    pub patient: String,
}

/// The consult could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The gateway does not take the connection.
    #[error("the API cannot be reached")]
    Unreachable(#[from] io::Error),
    /// The connection broke.
    #[error("the API broke the connection")]
    Http(#[from] hyper::Error),
    /// The request cannot be put together.
    #[error("the request cannot be made")]
    Request(#[from] axum::http::Error),
    /// The API said no.
    #[error("the API answered {0}")]
    Refused(StatusCode),
    /// The answer is not a consult with a doctor and a patient.
    #[error("the answer of the API cannot be read")]
    Unreadable,
}

#[derive(Deserialize)]
struct Consult {
    participants: Vec<Participant>,
}

#[derive(Deserialize)]
struct Participant {
    role: Role,
    link: String,
}

/// Draws an API key that lives as long as the process.
#[must_use]
pub fn draw_api_key() -> Secret {
    Secret::new(format!("{:032x}", rand::rng().random::<u128>()))
}

/// Makes a consult for a doctor and a patient.
///
/// # Errors
///
/// [`DemoError`] where the API does not answer with one.
pub async fn open_consult(http: SocketAddr, api_key: &Secret) -> Result<DemoLinks, DemoError> {
    let stream = TcpStream::connect(http).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post("/api/v1/consults")
        .header(header::HOST, http.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {}", api_key.reveal()))
        .body(Body::from(r#"{"subject":"演示会诊 · Demonstration"}"#))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), MAX_ANSWER).await;
    connection.abort();
    if status != StatusCode::CREATED {
        return Err(DemoError::Refused(status));
    }
    let body = body.map_err(|_| DemoError::Unreadable)?;
    let consult: Consult = serde_json::from_slice(&body).map_err(|_| DemoError::Unreadable)?;
    let link = |role| {
        let found = consult.participants.iter().find(|participant| participant.role == role);
        found.map(|participant| participant.link.clone()).ok_or(DemoError::Unreadable)
    };
    Ok(DemoLinks { doctor: link(Role::Clinician)?, patient: link(Role::Patient)? })
}
